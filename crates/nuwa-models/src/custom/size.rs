//! What memory and time of training follow from, counted block by block.

use super::CustomConfig;
use super::names;
use super::settings::{BlockKind, FeedForwardKind, PositionKind};
use crate::TensorName;
use crate::config::Size;

/// The size of such a model.
pub fn size(config: &CustomConfig) -> Size {
    let layers = config.num_hidden_layers;
    let mut size = Size { parameters: count(&names::outer(config)), idle: 0, query_width: 0, kept: [0, 0] };
    // Blocks of one place in both patterns are alike.
    let period = (config.custom.blocks.len() * config.custom.feed_forward.len()).min(layers);
    let mut seen = 0;
    for layer in 0..period {
        let alike = (layers - layer).div_ceil(period);
        let [narrow, wide] = kept(config, layer);
        size.parameters += alike * count(&names::of_layer(config, layer));
        size.idle += alike * idle(config, layer);
        size.kept = [size.kept[0] + alike * narrow, size.kept[1] + alike * wide];
        seen += alike * keys(config, layer);
    }
    size.kept = size.kept.map(|features| features.div_ceil(layers));
    // As wide as the queries of a model whose blocks all attend to everything before, at the same cost.
    size.query_width = seen * config.head_layout().query_width() / (layers * config.max_position_embeddings);
    size
}

/// Numbers of the parameters.
fn count(names: &[TensorName]) -> usize {
    names.iter().map(TensorName::elements).sum()
}

/// Weights of a block that a token does not meet.
fn idle(config: &CustomConfig, layer: usize) -> usize {
    let expert = 3 * config.hidden_size * config.expert_inner();
    match config.feed_forward(layer) {
        FeedForwardKind::Experts => (config.custom.experts - config.custom.experts_per_token) * expert,
        FeedForwardKind::Dense | FeedForwardKind::None => 0,
    }
}

/// The most keys that a token of block `layer` attends to.
fn keys(config: &CustomConfig, layer: usize) -> usize {
    let context = config.max_position_embeddings;
    match config.block(layer).attends() {
        true => config.window(layer).unwrap_or(context).min(context),
        false => 0,
    }
}

/// Features of a position that the backward pass of a block needs: in the precision of activations, and in `f32`.
fn kept(config: &CustomConfig, layer: usize) -> [usize; 2] {
    let (width, inner) = (config.hidden_size, config.recurrent_width());
    let rotary = config.positions() == PositionKind::Rotary;
    let [mut narrow, mut wide] = match config.block(layer) {
        BlockKind::Attention | BlockKind::Banded => {
            let heads = config.head_layout();
            [(1 + usize::from(rotary)) * heads.width() + heads.query_width(), 0]
        }
        // As in the families of recurrent layers.
        kind @ (BlockKind::Lstm | BlockKind::Gru) => {
            let gates = kind.cell().map_or(0, |cell| cell.gates());
            [(gates + 6) * inner, inner]
        }
        // Gate and slope, what goes through the convolution, both gates, the states and the product.
        BlockKind::RgLru => [8 * inner, 0],
    };
    // What the branch reads, and what it gives.
    narrow += width;
    wide += width;
    let [of_next, wide_of_next] = match config.feed_forward(layer) {
        FeedForwardKind::Dense if config.custom.gated => [width + 3 * config.inner(), width],
        FeedForwardKind::Dense => [width + 2 * config.inner(), width],
        FeedForwardKind::Experts => {
            let choices = 2 * config.custom.experts_per_token * config.expert_inner();
            [width + choices, width + 3 * config.custom.experts]
        }
        FeedForwardKind::None => [0, 0],
    };
    [narrow + of_next, wide + wide_of_next]
}
