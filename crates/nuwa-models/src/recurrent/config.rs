use nuwa_tensor::RecurrentCell;
use serde::{Deserialize, Serialize};

use super::names;
use crate::TensorName;
use crate::config::{Result, Shape, Size, above_zero, default_range, ensure, positive};

/// The fields of a `config.json` of recurrent layers, which no model at Hugging Face has: by the names that other models have
/// for them there, and of PyTorch's `nn.Embedding`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurrentConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Features of an embedding, where they are not as many as those of a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embedding_dim: Option<usize>,
    /// Features of a layer.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Positions of a training window. Nothing else depends on it: a text may be longer.
    #[serde(default = "default_positions")]
    pub n_positions: usize,
    /// Whether the head is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Standard deviation of the first weights of embedding and head.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

fn default_positions() -> usize {
    1024
}

/// The deviation of the first embeddings of a new model: no norm makes small ones larger.
const NEW_RANGE: f32 = 0.1;

impl RecurrentConfig {
    /// Features of an embedding.
    pub fn embedding_dim(&self) -> usize {
        self.embedding_dim.unwrap_or(self.hidden_size)
    }

    /// Features of what a layer reads.
    pub(crate) fn input_of(&self, layer: usize) -> usize {
        if layer == 0 { self.embedding_dim() } else { self.hidden_size }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("embedding_dim", self.embedding_dim())?;
        positive("hidden_size", self.hidden_size)?;
        positive("num_hidden_layers", self.num_hidden_layers)?;
        positive("n_positions", self.n_positions)?;
        above_zero("initializer_range", f64::from(self.initializer_range))?;
        let expected = format!("expected hidden_size = {}, or a head of its own", self.hidden_size);
        let fits = !self.tie_word_embeddings || self.embedding_dim() == self.hidden_size;
        ensure(fits, "embedding_dim", self.embedding_dim(), expected)
    }

    /// The tensors, of layers that are called `layers` there.
    pub(crate) fn names(&self, cell: RecurrentCell, layers: &str) -> Vec<TensorName> {
        names::names(self, cell, layers)
    }

    /// What a plan has to know.
    pub(crate) fn size(&self, cell: RecurrentCell) -> Size {
        let (width, rows) = (self.hidden_size, cell.gates() * self.hidden_size);
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let layer = |layer: usize| rows * (self.input_of(layer) + width + 2);
        let layers: usize = (0..self.num_hidden_layers).map(layer).sum();
        Size {
            parameters: self.vocab_size * self.embedding_dim() + layers + head,
            idle: 0,
            query_width: 0,
            // The gates of the input and what is kept of all, the output in two orders; the carry.
            kept: [rows + 6 * width, width],
        }
    }

    /// The configuration of a new model.
    pub(crate) fn shaped(shape: &Shape) -> Result<Self> {
        let none = shape.kv_heads.is_none_or(|kv_heads| kv_heads == shape.heads);
        let kv_heads = shape.kv_heads.unwrap_or(shape.heads);
        ensure(none, "kv_heads", kv_heads, "expected nothing: recurrent layers have no heads")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            embedding_dim: None,
            hidden_size: shape.width,
            num_hidden_layers: shape.layers,
            n_positions: shape.context,
            tie_word_embeddings: !shape.untied_head,
            initializer_range: NEW_RANGE,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}

/// The methods of [`Config`](crate::Config) that say no more than the field `stack` and the cell.
macro_rules! as_recurrent {
    ($cell:expr, $layers:literal) => {
        fn context(&self) -> usize {
            self.stack.n_positions
        }

        fn vocabulary(&self) -> usize {
            self.stack.vocab_size
        }

        fn layers(&self) -> usize {
            self.stack.num_hidden_layers
        }

        fn width(&self) -> usize {
            self.stack.hidden_size
        }

        fn heads(&self) -> [usize; 2] {
            [1, 1]
        }

        fn validate(&self) -> $crate::config::Result<()> {
            self.stack.validate()
        }

        fn names(&self) -> Vec<$crate::TensorName> {
            self.stack.names($cell, $layers)
        }

        fn copies(&self) -> Vec<(&'static str, &'static str)> {
            match self.stack.tie_word_embeddings {
                true => vec![("head.weight", "tokens.weight")],
                false => Vec::new(),
            }
        }

        fn size(&self) -> $crate::config::Size {
            self.stack.size($cell)
        }
    };
}
pub(crate) use as_recurrent;
