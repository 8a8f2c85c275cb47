//! Scaled dot-product attention, with grouped heads, within one sequence or from one to another.
//!
//! `y_i = sum over j of softmax_j(scale q_i . k_j) v_j` (Vaswani et al. 2017), for the keys `j` that query `i` attends to;
//! `scale` is `1 / sqrt(head_dim)` unless [`AttentionOptions`] says otherwise. [`Tape::attention`] takes rows packed
//! `[queries | keys | values]`, `[rows, (heads + 2 kv_heads) head_dim]`; [`Tape::cross_attention`] takes rows of queries
//! `[rows, heads head_dim]` and the memory they attend to, `[keys | values]`, `[memory rows, 2 kv_heads head_dim]`. Query
//! head `h` uses key-value head `h / (heads / kv_heads)` (Ainslie et al. 2023). The output is `[rows, heads head_dim]`. Which
//! keys a query attends to is an [`AttentionMask`]; one that attends to none gives 0.
//!
//! Scores exist for one block of queries and keys at a time, with running maxima and sums (Milakov and Gimelshein
//! 2018; Dao et al., "FlashAttention" 2022), so memory is linear in the length. Backward computes them again from
//! the saved logarithm of each row's sum: with `D_i = dy_i . y_i`, `dP = dy v^T`, `dS = P (dP - D)`,
//! `dq = dS k`, `dk = dS^T q`, `dv = P^T dy`. With dropout `y = (P F) v` for factors `F` of 0 and `1 / (1 - p)` that are drawn
//! again in backward: `dP = F (dy v^T)`, `dv = (P F)^T dy`. With an [`AttentionBias`] `S = scale q k^T + b`; of
//! one by distance the sums of `dS` along diagonals are the gradient.

mod bias;
mod cached;
pub mod relative;

pub use bias::{AttentionBias, RelativeBuckets};
pub use relative::RelativeParameters;

use crate::calls::{AttentionCall, Dropout};
pub use crate::calls::{AttentionMask, CachedRows, HeadLayout, KeptRows, KeyValueCache};
use crate::device::Slot;
use crate::ops::linear::with_width;
use crate::{Error, Result, Tape, Tensor};

impl HeadLayout {
    pub(crate) fn check(&self, operation: &'static str, qkv: &Tensor) -> Result<()> {
        self.check_width(operation, qkv, self.width())
    }

    fn check_width(&self, operation: &'static str, rows: &Tensor, width: usize) -> Result<()> {
        if self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads) && rows.width() == width {
            return Ok(());
        }
        Err(Error::shape(operation, format!("rows of shape {} do not fit {self:?}", rows.shape())))
    }
}

/// How attention is computed, besides its operands and its mask.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttentionOptions<'a> {
    /// What scores are multiplied by; `1 / sqrt(head_dim)` where it is none. Above 0.
    pub scale: Option<f32>,
    /// The probability with which a weight is dropped while recording, in `[0, 1)`.
    pub dropout: f32,
    /// What is added to the scaled scores.
    pub bias: Option<AttentionBias<'a>>,
}

impl AttentionOptions<'_> {
    fn check(&self, operation: &'static str) -> Result<()> {
        let problem = |what: &str, value: f32, expected: &str| {
            Err(Error::Option { operation, reason: format!("{what} is {value}, expected {expected}") })
        };
        match *self {
            Self { scale: Some(scale), .. } if !(scale.is_finite() && scale > 0.0) => {
                problem("scale", scale, "a number above 0")
            }
            Self { dropout, .. } if !(0.0..1.0).contains(&dropout) => {
                problem("dropout", dropout, "at least 0 and below 1")
            }
            _ => Ok(()),
        }
    }

    fn scale(&self, heads: HeadLayout) -> f32 {
        self.scale.unwrap_or_else(|| 1.0 / (heads.head_dim as f32).sqrt())
    }
}

impl Tape {
    /// Attention of packed rows over the keys that `mask` names; see [the module](self).
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, its rows are not those of `mask`, an option is out of range, or a bias
    /// lacks a distance at which the mask shows a key.
    pub fn attention(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        mask: &AttentionMask,
        options: AttentionOptions<'_>,
    ) -> Result<Tensor> {
        heads.check("attention", qkv)?;
        check_rows("attention", qkv, mask.rows(), mask)?;
        check_rows("attention", qkv, mask.sequences() * mask.keys(), mask)?;
        let call = self.attention_call("attention", heads, mask, options)?;
        let shape = with_width(qkv.shape(), heads.query_width());
        let bias = options.bias.map(|bias| bias.table().clone());
        let inputs: Vec<&Tensor> = [qkv].into_iter().chain(&bias).collect();
        let kernels = self.kernels_for("attention", &inputs, &[])?;
        let forward = kernels.attention(&call, qkv.storage(), None, bias.as_ref().map(Tensor::storage));
        let (saved, y, table) = (qkv.clone(), forward.0.clone(), bias.clone());
        self.record("attention", &inputs, &[], shape, y, move |dy, gradients| {
            let kernels = gradients.kernels();
            let mut unused = None;
            let dx = gradients.slot(&saved).unwrap_or_else(|| {
                let storage = unused.insert(kernels.empty(saved.dtype(), saved.shape().elements()));
                Slot { storage, accumulate: false }
            });
            let bias = table.as_ref().map(Tensor::storage);
            let d_bias = kernels.attention_backward(&call, saved.storage(), bias, &forward, dy, dx);
            if let (Some(table), Some(slopes)) = (&table, &d_bias) {
                gradients.share(table, slopes);
            }
            Ok(())
        })
    }

    /// Attention of `queries` over other rows, `memory`, as a decoder attends to what an encoder made; see
    /// [the module](self).
    ///
    /// # Errors
    /// When a width is not that of `heads`, the two are not of one kind, rows are not those of `mask`, or an option is out of
    /// range.
    pub fn cross_attention(
        &self,
        queries: &Tensor,
        memory: &Tensor,
        heads: HeadLayout,
        mask: &AttentionMask,
        options: AttentionOptions<'_>,
    ) -> Result<Tensor> {
        let operation = "cross_attention";
        if options.bias.is_some() {
            let reason = "a bias is for attention within one sequence".into();
            return Err(Error::Option { operation, reason });
        }
        heads.check_width(operation, queries, heads.query_width())?;
        heads.check_width(operation, memory, heads.memory_width())?;
        check_rows(operation, queries, mask.rows(), mask)?;
        check_rows(operation, memory, mask.sequences() * mask.keys(), mask)?;
        check_kinds(operation, queries, memory)?;
        self.check_pass(memory)?;
        let call = self.attention_call(operation, heads, mask, options)?;
        let kernels = self.kernels_for(operation, &[queries, memory], &[])?;
        let forward = kernels.attention(&call, queries.storage(), Some(memory.storage()), None);
        let (inputs, y) = ([queries.clone(), memory.clone()], forward.0.clone());
        self.record(operation, &[queries, memory], &[], queries.shape().clone(), y, move |dy, gradients| {
            let blocks = inputs.each_ref().map(Tensor::storage);
            let slopes = gradients.kernels().cross_attention_backward(&call, blocks, &forward, dy);
            inputs.iter().zip(&slopes).for_each(|(input, slopes)| gradients.share(input, slopes));
            Ok(())
        })
    }

    fn attention_call(
        &self,
        operation: &'static str,
        heads: HeadLayout,
        mask: &AttentionMask,
        options: AttentionOptions<'_>,
    ) -> Result<AttentionCall> {
        options.check(operation)?;
        if mask.order().is_some() {
            let reason = "an order of the keys is for relative attention".into();
            return Err(Error::Option { operation, reason });
        }
        let keys = mask.sequences() * mask.keys();
        let bias =
            options.bias.map(|bias| bias.check(operation, heads, mask.farthest(), keys)).transpose()?;
        let drops = options.dropout > 0.0 && self.is_recording();
        let dropout = drops.then(|| Dropout::new(self.next_random(), options.dropout));
        let scale = options.scale(heads);
        Ok(AttentionCall { precision: self.precision(), heads, mask: mask.clone(), scale, dropout, bias })
    }
}

fn check_rows(operation: &'static str, rows: &Tensor, expected: usize, mask: &AttentionMask) -> Result<()> {
    if rows.rows() == expected {
        return Ok(());
    }
    let (found, sequences, queries, keys) = (rows.rows(), mask.sequences(), mask.length(), mask.keys());
    let reason =
        format!("{found} rows, but the mask has {sequences} sequences of {queries} queries and {keys} keys");
    Err(Error::shape(operation, reason))
}

fn check_kinds(operation: &'static str, queries: &Tensor, memory: &Tensor) -> Result<()> {
    if queries.dtype() == memory.dtype() {
        return Ok(());
    }
    let reason = format!("queries are {:?}, memory is {:?}", queries.dtype(), memory.dtype());
    Err(Error::shape(operation, reason))
}
