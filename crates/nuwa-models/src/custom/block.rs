use nuwa_nn::{
    Attention, BatchNorm, Context, Experts, FeedForward, Initialisation, LayerInput, LayerNorm, Linear,
    PositionBias, Recurrent, RecurrentBlock, RecurrentBlockSizes, RmsNorm, Scope, residual,
};
use nuwa_tensor::{RecurrentCell, Result, RotaryTable, Tensor};

use super::CustomConfig;
use super::settings::{BlockKind, FeedForwardKind, NormKind, NormPlace};

/// What attention knows of positions, shared by all blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// By which queries and keys are turned.
    pub rotary: Option<RotaryTable>,
    /// What is added to scores.
    pub bias: Option<PositionBias>,
}

/// A residual branch that looks back, and one that does not.
#[derive(Debug, Clone)]
pub(super) struct Block {
    norm: Norm,
    back: Back,
    next: Option<(Norm, Next)>,
}

/// A norm of any kind, before its layer or after its branch.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    layer: NormLayer,
    place: NormPlace,
}

#[derive(Debug, Clone)]
enum NormLayer {
    Layer(LayerNorm),
    Rms(RmsNorm),
    Batch(BatchNorm),
}

/// How a block looks back.
#[derive(Debug, Clone)]
enum Back {
    Attention(Attention),
    /// A recurrent layer, and the projection of what it gives.
    Cell(Recurrent, Linear),
    RgLru(RecurrentBlock),
}

/// What follows.
#[derive(Debug, Clone)]
enum Next {
    FeedForward(FeedForward),
    Experts(Experts),
}

impl Norm {
    pub fn new(scope: Scope<'_>, config: &CustomConfig) -> Self {
        let (width, epsilon) = (config.hidden_size, config.custom.epsilon);
        let layer = match config.custom.norm {
            NormKind::Layer => NormLayer::Layer(LayerNorm::new(scope, width, epsilon)),
            NormKind::Rms => NormLayer::Rms(RmsNorm::new(scope, width, epsilon)),
            NormKind::Batch => NormLayer::Batch(BatchNorm::new(scope, width, epsilon)),
        };
        Self { layer, place: config.custom.norm_place }
    }

    /// The rows as a layer or the head reads them.
    pub fn forward(&self, context: &Context<'_>, x: &Tensor) -> Result<Tensor> {
        match &self.layer {
            NormLayer::Layer(norm) => norm.forward(context.tape, x),
            NormLayer::Rms(norm) => norm.forward(context.tape, x),
            NormLayer::Batch(norm) => norm.forward(context.tape, x),
        }
    }

    /// `branch(x, norm(x))`, or `norm(branch(x, x))`; `branch` adds what it makes of the rows to `x`.
    fn around(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        branch: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        match (self.place, &self.layer) {
            (NormPlace::Before, _) => branch(x, &self.forward(context, x)?),
            (NormPlace::After, NormLayer::Layer(norm)) => norm.forward_residual(context.tape, &branch(x, x)?),
            (NormPlace::After, NormLayer::Rms(norm)) => norm.forward_residual(context.tape, &branch(x, x)?),
            (NormPlace::After, NormLayer::Batch(norm)) => norm.forward_residual(context.tape, &branch(x, x)?),
        }
    }
}

impl Block {
    pub fn new(mut scope: Scope<'_>, config: &CustomConfig, layer: usize, places: &Places) -> Self {
        let kind = config.block(layer);
        let (norm, place) =
            if kind.attends() { ("attention_norm", "attention") } else { ("recurrent_norm", "recurrent") };
        let norm = Norm::new(scope.child(norm), config);
        let back = Back::new(scope.child(place), config, layer, places);
        let next = match config.feed_forward(layer) {
            FeedForwardKind::None => None,
            kind => {
                let norm = Norm::new(scope.child("feed_forward_norm"), config);
                Some((norm, Next::new(scope.here(), config, kind)))
            }
        };
        Self { norm, back, next }
    }

    pub fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let router = input.router.take();
        let x = self.norm.around(context, x, |x, rows| self.back.forward(context, x, rows, input))?;
        let Some((norm, next)) = &self.next else { return Ok(x) };
        norm.around(context, &x, |x, rows| match next {
            Next::FeedForward(layer) => layer.forward(context, x, rows),
            Next::Experts(layer) => layer.forward(context, x, rows, router.as_ref()),
        })
    }
}

impl Back {
    fn new(scope: Scope<'_>, config: &CustomConfig, layer: usize, places: &Places) -> Self {
        match config.block(layer) {
            BlockKind::Attention | BlockKind::Banded => {
                let (heads, biases) = (config.head_layout(), [config.custom.biases; 2]);
                let attention = Attention::new(scope, config.hidden_size, heads, biases, config.weights());
                let attention = attention.with_window(config.window(layer));
                let attention = match &places.rotary {
                    Some(table) => attention.with_rotary(table),
                    None => attention,
                };
                Self::Attention(match &places.bias {
                    Some(bias) => attention.with_bias(bias),
                    None => attention,
                })
            }
            BlockKind::Lstm => Self::cell(scope, config, RecurrentCell::Lstm),
            BlockKind::Gru => Self::cell(scope, config, RecurrentCell::Gru),
            BlockKind::RgLru => {
                Self::RgLru(RecurrentBlock::new(scope, config.recurrence(), config.weights_of_recurrence()))
            }
        }
    }

    fn cell(mut scope: Scope<'_>, config: &CustomConfig, cell: RecurrentCell) -> Self {
        let (width, inner) = (config.hidden_size, config.recurrent_width());
        let output =
            Linear::new(scope.child("output"), inner, width, config.custom.biases, config.weights()[1]);
        Self::Cell(Recurrent::new(scope.here(), cell, [width, inner]), output)
    }

    fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        rows: &Tensor,
        mut input: LayerInput<'_>,
    ) -> Result<Tensor> {
        match self {
            Self::Attention(layer) => layer.forward(context, x, rows, input),
            Self::Cell(layer, output) => {
                let states = layer.forward(context, rows, &mut input.carried)?;
                residual(context, x, &states, output)
            }
            Self::RgLru(layer) => layer.forward(context, x, rows, &mut input.carried),
        }
    }
}

impl Next {
    fn new(mut scope: Scope<'_>, config: &CustomConfig, kind: FeedForwardKind) -> Self {
        let (width, weights, activation) =
            (config.hidden_size, config.weights(), config.custom.activation.into());
        if kind == FeedForwardKind::Experts {
            let sizes = [width, config.expert_inner(), config.custom.experts];
            return Self::Experts(Experts::new(
                scope.child("moe"),
                sizes,
                config.routing(),
                activation,
                weights,
            ));
        }
        let make = if config.custom.gated { FeedForward::gated } else { FeedForward::plain };
        let sizes = [width, config.inner()];
        let layer = make(scope.child("feed_forward"), sizes, config.custom.biases, activation, weights);
        Self::FeedForward(if config.custom.inner_dropout { layer.with_inner_dropout() } else { layer })
    }
}

/// What the first taps and gates of an RG-LRU follow from, as in RecurrentGemma.
const VARIANCE: f32 = 0.01;

impl CustomConfig {
    /// The first weights of what leads into a layer, and of what leads back into the residual stream.
    fn weights(&self) -> [Initialisation; 2] {
        let into_residual = self.initializer_range / (2.0 * self.num_hidden_layers as f32).sqrt();
        [self.initializer_range, into_residual].map(Initialisation::Normal)
    }

    /// Those of what leads into an RG-LRU, of taps, of gates, and of what leads back.
    fn weights_of_recurrence(&self) -> [Initialisation; 4] {
        let RecurrentBlockSizes { inner, groups, taps, .. } = self.recurrence();
        let [into, back] = self.weights();
        let of_taps = (VARIANCE / taps as f32).sqrt();
        let of_gates = (VARIANCE * groups as f32 / inner as f32).sqrt();
        [into, Initialisation::Normal(of_taps), Initialisation::Normal(of_gates), back]
    }
}
