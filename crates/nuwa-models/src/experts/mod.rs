//! What families with experts have in common: the block, names of tensors, sizes, checks.

mod names;

use nuwa_nn::{Attention, Context, Experts, LayerInput, RmsNorm, Scope};
use nuwa_tensor::{Result, RouterCoefficients, Routing, Tensor};

pub(crate) use names::ExpertNames;

use crate::config::{self, Size, ensure, positive};
use crate::decoder::DecoderConfig;

/// What the z-loss of a router counts where a file does not say: Zoph et al., "ST-MoE" (2022).
pub(crate) fn default_z() -> f32 {
    0.001
}

/// The experts of a model: of each of `layers` blocks so many of `inner` features, and how many a token goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpertShape {
    pub inner: usize,
    pub count: usize,
    pub top_k: usize,
    pub layers: usize,
}

impl ExpertShape {
    /// An error unless there are experts, no more of them for a token than there are, and losses push in the right direction.
    pub fn validate(self, field: &'static str, losses: RouterCoefficients) -> config::Result<()> {
        positive(field, self.count)?;
        let expected = format!("expected a number from 1 to {field} = {}", self.count);
        ensure((1..=self.count).contains(&self.top_k), "num_experts_per_tok", self.top_k, expected)?;
        let coefficients = [("router_aux_loss_coef", losses.balance), ("router_z_loss_coef", losses.z)];
        coefficients.into_iter().try_for_each(|(field, value)| {
            ensure(value >= 0.0 && value.is_finite(), field, value, "expected a number of at least 0")
        })
    }

    /// The size of such a model: the decoder's, with experts in place of feed-forward layers.
    pub fn size(self, decoder: &DecoderConfig) -> Size {
        let (width, dense) = (decoder.hidden_size, decoder.size());
        let others = dense.parameters - self.layers * 3 * width * decoder.intermediate_size;
        let expert = self.layers * 3 * width * self.inner;
        let parameters = others + self.count * (expert + self.layers * width);
        let idle = (self.count - self.top_k) * expert;
        let [narrow, wide] = dense.kept;
        // Of each choice gate and value; of each row logits, what they are added to, and probabilities.
        let kept =
            [narrow - 3 * decoder.intermediate_size + 2 * self.top_k * self.inner, wide + 3 * self.count];
        Size { parameters, idle, kept, ..dense }
    }
}

impl Size {
    /// With norms of queries and keys of so many weights in all; the rows before them, of `width`, are kept, too.
    pub(crate) fn with_head_norms(self, weights: usize, width: usize) -> Self {
        let [narrow, wide] = self.kept;
        Self { parameters: self.parameters + weights, kept: [narrow + width, wide], ..self }
    }
}

/// The pre-norm block `x + attention(norm(x))`, `x + experts(norm(x))`.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    experts_norm: RmsNorm,
    experts: Experts,
}

impl Block {
    /// With the attention that `attention` makes.
    pub fn new(
        mut scope: Scope<'_>,
        config: &DecoderConfig,
        attention: impl FnOnce(Scope<'_>) -> Attention,
        shape: ExpertShape,
        routing: Routing,
    ) -> Self {
        let (width, epsilon) = (config.hidden_size, config.rms_norm_eps);
        Self {
            attention_norm: RmsNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: attention(scope.child("attention")),
            experts_norm: RmsNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            experts: Experts::new(
                scope.child("moe"),
                [width, shape.inner, shape.count],
                routing,
                config.hidden_act.into(),
                config.weights(),
            ),
        }
    }

    /// The rows through attention and experts, whose router notes what it does.
    pub fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let (tape, router) = (context.tape, input.router.take());
        let x = self.attention.forward(context, x, &self.attention_norm.forward(tape, x)?, input)?;
        self.experts.forward(context, &x, &self.experts_norm.forward(tape, &x)?, router.as_ref())
    }
}
