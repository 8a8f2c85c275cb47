//! A folder of such a model has each parameter as one tensor under its own path: no other program has names for them.

use nuwa_nn::RecurrentBlockSizes;
use nuwa_tensor::RecurrentCell;

use super::CustomConfig;
use super::settings::{BlockKind, FeedForwardKind, NormKind, NormPlace, PositionKind};
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// All of them.
pub fn names(config: &CustomConfig) -> Vec<TensorName> {
    let mut names = outer(config);
    names.extend((0..config.num_hidden_layers).flat_map(|layer| of_layer(config, layer)));
    names
}

/// Those outside of blocks.
pub fn outer(config: &CustomConfig) -> Vec<TensorName> {
    let (width, vocabulary) = (config.hidden_size, config.vocab_size);
    let mut place = Place { path: String::new(), names: Vec::new() };
    place.matrix("tokens.weight", [vocabulary, width]);
    match config.positions() {
        PositionKind::Learned => place.matrix("positions.weight", [config.max_position_embeddings, width]),
        PositionKind::Relative => {
            place.matrix("distances.weight", [config.custom.buckets, config.num_attention_heads]);
        }
        _ => {}
    }
    if config.custom.norm_place == NormPlace::Before {
        place.norm(config, "norm");
    }
    if !config.tie_word_embeddings {
        place.matrix("head.weight", [vocabulary, width]);
    }
    place.names
}

/// Those of a block.
pub fn of_layer(config: &CustomConfig, layer: usize) -> Vec<TensorName> {
    let mut place = Place { path: format!("layers.{layer}."), names: Vec::new() };
    let (width, biases) = (config.hidden_size, config.custom.biases);
    let kind = config.block(layer);
    place.norm(config, if kind.attends() { "attention_norm" } else { "recurrent_norm" });
    match kind {
        BlockKind::Attention | BlockKind::Banded => {
            let heads = config.head_layout();
            place.linear("attention.qkv", [heads.width(), width], biases);
            place.linear("attention.output", [width, heads.query_width()], biases);
        }
        BlockKind::Lstm => place.cell(config, RecurrentCell::Lstm),
        BlockKind::Gru => place.cell(config, RecurrentCell::Gru),
        BlockKind::RgLru => place.recurrence(config.recurrence()),
    }
    match config.feed_forward(layer) {
        FeedForwardKind::Dense => {
            place.norm(config, "feed_forward_norm");
            place.feed_forward("feed_forward", config, config.inner(), biases);
        }
        FeedForwardKind::Experts => {
            place.norm(config, "feed_forward_norm");
            place.matrix("moe.router.weight", [config.custom.experts, width]);
            for expert in 0..config.custom.experts {
                place.feed_forward(&format!("moe.experts.{expert}"), config, config.expert_inner(), false);
            }
        }
        FeedForwardKind::None => {}
    }
    place.names
}

/// Names below a path.
struct Place {
    path: String,
    names: Vec<TensorName>,
}

impl Place {
    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn matrix(&mut self, name: &str, [rows, columns]: [usize; 2]) {
        let path = self.path(name);
        self.names.push(matrix_name(path.clone(), path, rows, columns));
    }

    fn vector(&mut self, name: &str, length: usize) {
        let path = self.path(name);
        self.names.push(vector_name(path.clone(), path, length));
    }

    /// A parameter of three axes.
    fn block(&mut self, name: &str, axes: [usize; 3]) {
        let path = self.path(name);
        let name = vector_name(path.clone(), path, axes[0]);
        self.names.push(TensorName { axes: Some(axes.to_vec()), ..name });
    }

    fn linear(&mut self, name: &str, [rows, columns]: [usize; 2], bias: bool) {
        self.matrix(&format!("{name}.weight"), [rows, columns]);
        if bias {
            self.vector(&format!("{name}.bias"), rows);
        }
    }

    fn norm(&mut self, config: &CustomConfig, name: &str) {
        self.vector(&format!("{name}.weight"), config.hidden_size);
        let more: &[&str] = match config.custom.norm {
            NormKind::Rms => &[],
            NormKind::Layer => &["bias"],
            NormKind::Batch => &["bias", "running_mean", "running_var"],
        };
        more.iter().for_each(|part| self.vector(&format!("{name}.{part}"), config.hidden_size));
    }

    fn feed_forward(&mut self, name: &str, config: &CustomConfig, inner: usize, bias: bool) {
        let width = config.hidden_size;
        match config.custom.gated {
            true => self.linear(&format!("{name}.gate_up"), [2 * inner, width], bias),
            false => self.linear(&format!("{name}.up"), [inner, width], bias),
        }
        self.linear(&format!("{name}.down"), [width, inner], bias);
    }

    fn cell(&mut self, config: &CustomConfig, cell: RecurrentCell) {
        let (width, inner) = (config.hidden_size, config.recurrent_width());
        let rows = cell.gates() * inner;
        self.linear("recurrent.input", [rows, width], true);
        self.linear("recurrent.hidden", [rows, inner], true);
        self.linear("recurrent.output", [width, inner], config.custom.biases);
    }

    fn recurrence(&mut self, sizes: RecurrentBlockSizes) {
        let RecurrentBlockSizes { width, inner, groups, taps } = sizes;
        self.linear("recurrent.gate", [inner, width], true);
        self.linear("recurrent.input", [inner, width], true);
        self.block("recurrent.conv.weight", [inner, 1, taps]);
        self.vector("recurrent.conv.bias", inner);
        for gate in ["input_gate", "recurrent_gate"] {
            self.block(&format!("recurrent.{gate}.weight"), [groups, inner / groups, inner / groups]);
            self.vector(&format!("recurrent.{gate}.bias"), inner);
        }
        self.vector("recurrent.decay", inner);
        self.linear("recurrent.output", [width, inner], true);
    }
}
