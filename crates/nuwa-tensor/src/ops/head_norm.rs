//! Root mean square normalisation of queries and keys inside packed rows `[queries | keys | values]`, before they are turned
//! by their positions; values pass through.
//!
//! A weight of `[head_dim]` normalises each head by itself (Qwen3; Dehghani et al., "Scaling Vision Transformers to 22 Billion
//! Parameters", 2023, with layer norm); one as wide as all queries or all keys normalises these together (OLMoE, Muennighoff et
//! al. 2024). Both follow [`rms_norm`](super::rms_norm) on groups of as many features as the weight has:
//! `y = w * x / sqrt(mean(x^2) + epsilon)`; with `r = 1 / sqrt(mean(x^2) + epsilon)` and `g = dy * w`,
//! `dx = r * (g - x * r^2 * mean(g * x))`, `dw = sum over rows and groups of dy * x * r`.

use crate::calls::HeadLayout;
use crate::device::HeadNormCall;
use crate::{Error, Parameter, Result, Tape, Tensor};

impl HeadNormCall<'_> {
    fn check(&self) -> Result<()> {
        let head = self.heads.head_dim;
        for (weight, columns) in self.weights.iter().zip(self.heads.query_and_key_columns()) {
            let axes = weight.shape().axes();
            if axes != [head] && axes != [columns.len()] {
                let path = weight.entry().path();
                let reason = format!(
                    "{path} has shape {}, expected [{head}] for each head or [{}] for all of them",
                    weight.shape(),
                    columns.len()
                );
                return Err(Error::shape("head_norm", reason));
            }
        }
        Ok(())
    }
}

impl Tape {
    /// Normalises the queries of packed rows by the first of `weights`, their keys by the second; see [the module](self).
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, or a weight is neither as wide as one head nor as all of them.
    pub fn head_norm(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        weights: [&Parameter; 2],
        epsilon: f32,
    ) -> Result<Tensor> {
        heads.check("head_norm", qkv)?;
        let call = HeadNormCall { heads, weights, epsilon };
        call.check()?;
        let y = self.kernels_for("head_norm", &[qkv], &weights)?.head_norm(call, qkv.storage());
        let (saved, own) = (qkv.clone(), weights.map(Parameter::clone));
        self.record("head_norm", &[qkv], &weights, qkv.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&saved));
            let call = HeadNormCall { heads, weights: own.each_ref(), epsilon };
            kernels.head_norm_backward(call, saved.storage(), dy, dx);
            Ok(())
        })
    }
}
