use nuwa_tensor::RecurrentCell;

use super::RecurrentConfig;
use crate::TensorName;
use crate::names::{matrix_name, vector_name};

/// Those of a PyTorch module that has `embedding`, an `nn.Embedding`, `layers`, an `nn.LSTM` or `nn.GRU` of that name, and `head`, an
/// `nn.Linear`.
pub fn names(config: &RecurrentConfig, cell: RecurrentCell, layers: &str) -> Vec<TensorName> {
    let (vocabulary, width) = (config.vocab_size, config.hidden_size);
    let mut names =
        vec![matrix_name("tokens.weight", "embedding.weight", vocabulary, config.embedding_dim())];
    for layer in 0..config.num_hidden_layers {
        let rows = cell.gates() * width;
        for (here, there, columns) in [("input", "ih", config.input_of(layer)), ("hidden", "hh", width)] {
            let parameter = |kind: &str| format!("layers.{layer}.{here}.{kind}");
            let tensor = |kind: &str| format!("{layers}.{kind}_{there}_l{layer}");
            names.push(matrix_name(parameter("weight"), tensor("weight"), rows, columns));
            names.push(vector_name(parameter("bias"), tensor("bias"), rows));
        }
    }
    if !config.tie_word_embeddings {
        names.push(matrix_name("head.weight", "head.weight", vocabulary, width));
    }
    names
}
