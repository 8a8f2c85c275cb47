//! Models as GGUF files for llama.cpp and what is built on it.

mod mixture;
mod modelfile;
mod write;

use std::path::Path;

use nuwa_files::gguf::is_gguf;
use nuwa_tensor::InputLog;
use nuwa_tokenizer::Tokenizer;

pub use mixture::Mixture;
pub use modelfile::{MODELFILE, modelfile};
pub use write::{GgufSettings, GgufWritten, write};

use crate::{Error, Result, load_model};

/// Writes the model in `source`, a folder or a GGUF file, to the GGUF file `out`, with a `Modelfile` for ollama beside it. What is
/// written is read again first, and appears only when it gives the same logits.
///
/// # Errors
/// When `source` is no model or has no tokenizer, llama.cpp computes no such model or cuts text in no such way, or `out` cannot be
/// written.
pub fn export_gguf(
    source: &Path,
    out: &Path,
    mixture: Mixture,
    inputs: Option<&InputLog>,
) -> Result<GgufWritten> {
    let model = load_model(source)?;
    let model = model.in_common_family().unwrap_or(model);
    let tokenizer = Tokenizer::load(source)?;
    let name = out.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let written = write(model.as_ref(), &tokenizer, out, GgufSettings { mixture, inputs, name: &name })?;
    let file = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = out.with_file_name(MODELFILE);
    nuwa_files::write_atomically(&beside, modelfile(&file, &tokenizer).as_bytes())?;
    Ok(written)
}

/// An error where the weights at `model` are not to be trained: those of a GGUF file, which are for inference.
///
/// # Errors
/// Saying so, and how quantised they are.
pub fn check_trainable(model: &Path) -> Result<()> {
    if !is_gguf(model) {
        return Ok(());
    }
    let file = nuwa_files::gguf::Gguf::open(model)?;
    let matrices = file.tensors().iter().filter(|tensor| tensor.shape.len() > 1);
    let quantised = matrices.map(|tensor| tensor.kind).find(|kind| kind.width > 1);
    let reason = match quantised {
        Some(kind) => format!(
            "its weights are quantised ({kind}), and training changes weights by less than a step of theirs"
        ),
        None => "a GGUF file is for inference: what is trained is a model folder".into(),
    };
    Err(Error::unsupported(
        model,
        reason,
        "turn it into a model folder of f32 weights first: nuwa import FILE --out DIR",
    ))
}
