//! Whole model folders, tokenizer included, out of what other programs wrote.

use std::fs;
use std::path::{Path, PathBuf};

use nuwa_files::gguf::is_gguf;
use nuwa_models::Model;
use nuwa_tokenizer::Tokenizer;

use crate::config::CONFIG;
use crate::generation;
use crate::llama2c::Llama2c;
use crate::{Error, Result, load_labelled, load_model, save_labelled, save_model, save_with_tokenizer};

const MODEL_CARD: &str = "README.md";

/// What an import or export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The number of weights.
    pub parameters: usize,
    /// The ids of the tokenizer; none where there was no tokenizer beside the model.
    pub tokenizer: Option<usize>,
}

/// Turns the model at `path` into a model folder `out`: a Hugging Face folder, a GGUF file, or a llama2.c `.bin` with its `tok*.bin`
/// beside it (the file or its folder). Weights become f32, those that are quantised too.
///
/// # Errors
/// When nothing importable is there, or it is damaged.
pub fn import(path: &Path, out: &Path) -> Result<Imported> {
    let file = fs::metadata(path).map_err(nuwa_files::Error::read(path))?.is_file();
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if file && name.ends_with(".bin") {
        return import_llama2c(path, out);
    }
    if is_gguf(path) {
        return copy(load_model(path)?.as_ref(), path, out);
    }
    if file {
        let reason = "it is no GGUF file, and does not end in .bin; give the folder that it lies in".into();
        return Err(Error::UnknownForm { path: path.to_path_buf(), reason });
    }
    match llama2c_in(path)? {
        Some(file) if !path.join(CONFIG).exists() => import_llama2c(&file, out),
        _ => copy(load_model(path)?.as_ref(), path, out),
    }
}

/// Writes the model folder `folder` to `out` in Hugging Face's layout: safetensors of f32, configuration, tokenizer,
/// model card. A model that is also one of a family that more programs know is written as that.
///
/// # Errors
/// When `folder` is no model folder or is damaged, or `out` cannot be written.
pub fn export(folder: &Path, out: &Path) -> Result<Imported> {
    let model = load_model(folder)?;
    let model = model.in_common_family().unwrap_or(model);
    let exported = copy(model.as_ref(), folder, out)?;
    let card = folder.join(MODEL_CARD);
    if card.exists() {
        nuwa_files::write_atomically(&out.join(MODEL_CARD), &nuwa_files::read(&card)?)?;
    }
    Ok(exported)
}

/// The same of a model that tells labels, which is written as it is.
///
/// # Errors
/// As [`export`], and when the model tells no labels.
pub fn export_labelled(folder: &Path, out: &Path) -> Result<Imported> {
    let ((model, labels), tokenizer) = (load_labelled(folder)?, Tokenizer::load(folder)?);
    save_labelled(&model, &labels, &tokenizer, out)?;
    Ok(Imported { parameters: model.parameters().count(), tokenizer: Some(tokenizer.vocab_size()) })
}

fn copy(model: &dyn Model, folder: &Path, out: &Path) -> Result<Imported> {
    let tokenizer = match Tokenizer::load(folder) {
        Err(nuwa_tokenizer::Error::NoTokenizer { .. }) => None,
        loaded => Some(loaded?),
    };
    let earlier = generation::load(folder)?;
    let written = write(model, tokenizer.as_ref(), folder, out)?;
    generation::write(&model.config(), tokenizer.as_ref(), earlier, out)?;
    Ok(written)
}

fn import_llama2c(path: &Path, out: &Path) -> Result<Imported> {
    let opened = Llama2c::open(path)?;
    let vocabulary = vocabulary_beside(path, opened.vocabulary())?;
    let tokenizer = Tokenizer::load(&vocabulary)?;
    write(opened.model()?.as_ref(), Some(&tokenizer), &vocabulary, out)
}

/// Writes model and tokenizer, which was read from `source`.
fn write(model: &dyn Model, tokenizer: Option<&Tokenizer>, source: &Path, out: &Path) -> Result<Imported> {
    if let Some(ids) = tokenizer.map(Tokenizer::vocab_size).filter(|&ids| ids > model.vocabulary()) {
        return Err(Error::Vocabulary {
            path: source.to_path_buf(),
            tokenizer: ids,
            model: model.vocabulary(),
        });
    }
    match tokenizer {
        Some(tokenizer) => save_with_tokenizer(model, tokenizer, out)?,
        None => save_model(model, out)?,
    }
    Ok(Imported { parameters: model.parameters().count(), tokenizer: tokenizer.map(Tokenizer::vocab_size) })
}

fn is_vocabulary(name: &str) -> bool {
    name.starts_with("tok") && name.ends_with(".bin")
}

/// The names of the `.bin` files in `folder`, sorted.
fn bin_files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))? {
        let entry = entry.map_err(nuwa_files::Error::read(folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(".bin"));
    names.sort();
    Ok(names)
}

/// The one llama2.c model in `folder`, where there is exactly one with a vocabulary beside it.
fn llama2c_in(folder: &Path) -> Result<Option<PathBuf>> {
    let (vocabularies, models): (Vec<_>, Vec<_>) =
        bin_files(folder)?.into_iter().partition(|name| is_vocabulary(name));
    Ok(match &models[..] {
        [model] if !vocabularies.is_empty() => Some(folder.join(model)),
        _ => None,
    })
}

/// The vocabulary of `ids` pieces beside a llama2.c model: named after its size, or the only one.
fn vocabulary_beside(path: &Path, ids: usize) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = bin_files(folder)?;
    found.retain(|name| is_vocabulary(name));
    let named = [format!("tok{ids}.bin"), "tokenizer.bin".to_string()];
    let chosen = match &found[..] {
        [only] => Some(only),
        several => named.iter().find(|name| several.contains(name)),
    };
    let missing = || Error::NoVocabulary { path: path.to_path_buf(), expected: named.join(" or ") };
    chosen.map(|name| folder.join(name)).ok_or_else(missing)
}
