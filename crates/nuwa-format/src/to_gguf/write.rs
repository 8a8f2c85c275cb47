//! A model as a GGUF file that llama.cpp loads, read back and held against what it was made from before it gets its name.

use std::collections::BTreeMap;
use std::path::Path;

use nuwa_files::gguf::{NewTensor, Unconfirmed, Value};
use nuwa_models::{Context, Input, Model, TensorName, Text};
use nuwa_tensor::{InputLog, Parameter, Tape};
use nuwa_tokenizer::Tokenizer;

use super::mixture::{Kind, Mixture, Shape};
use crate::gguf::families::Architecture;
use crate::gguf::kept::Kept;
use crate::gguf::keys::Keys;
use crate::gguf::rope::DIVISORS;
use crate::gguf::tensors::{is_turned, pairs_to_halves};
use crate::{Error, Result, load_model};

/// The version of the block formats.
const QUANTISATION_VERSION: u32 = 2;
/// The longest name of a tensor at llama.cpp, in bytes.
const LONGEST_NAME: usize = 63;

/// How a model is written.
#[derive(Debug, Clone, Copy)]
pub struct GgufSettings<'a> {
    /// How weights are kept.
    pub mixture: Mixture,
    /// What matrices are multiplied by, so that errors weigh as much as they are seen; those that it does not know weigh alike.
    pub inputs: Option<&'a InputLog>,
    /// What the model is called in the file.
    pub name: &'a str,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufWritten {
    /// The number of weights.
    pub parameters: usize,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// Bits that a weight takes, keys and vocabulary left out.
    pub bits: f64,
    /// Of matrices whose rows are no whole blocks of the type that was wanted: how many weights, the type wanted and the one taken.
    pub fallbacks: BTreeMap<(&'static str, &'static str), usize>,
}

/// A tensor to be written, and what it is made of.
struct Part {
    new: NewTensor,
    kind: Kind,
    /// Parameters with the elements of them, one upon the other.
    sources: Vec<Source>,
}

struct Source {
    parameter: String,
    first: usize,
    elements: usize,
    columns: usize,
    /// The rows of a head, where rows change places.
    turned: Option<usize>,
}

/// Writes `model` and its tokenizer to `out`.
///
/// # Errors
/// When llama.cpp computes no such model or cuts text in no such way, the file cannot be written, or what is read back differs.
pub fn write(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    out: &Path,
    settings: GgufSettings<'_>,
) -> Result<GgufWritten> {
    let config = model.config();
    let refuse = |reason: String| Error::NoGguf { path: out.to_path_buf(), reason };
    let architecture = Architecture::of_config(&config).ok_or_else(|| {
        refuse(format!("{} has no architecture there that is written", config.architecture()))
    })?;
    let mut keys = Keys::new(architecture.name, settings.name);
    let divisors = (architecture.write)(&config, &mut keys).map_err(refuse)?;
    keys.put("general.file_type", Value::U32(settings.mixture.number()));
    if settings.mixture.is_quantised() {
        keys.put("general.quantization_version", Value::U32(QUANTISATION_VERSION));
    }
    keys.values.extend(tokenizer.gguf_keys(config.vocabulary())?);
    let mut parts = parts(model, architecture, settings.mixture);
    if let Some(divisors) = &divisors {
        parts.push(Part::of_divisors(divisors.len()));
    }
    if let Some(long) = parts.iter().find(|part| part.new.name.len() > LONGEST_NAME) {
        return Err(refuse(format!("the name {} is too long", long.new.name)));
    }
    let new: Vec<NewTensor> = parts.iter().map(|part| part.new.clone()).collect();
    // The model with its weights as the file can keep them.
    let rounded = nuwa_models::build_zeros(&config).map_err(|error| refuse(error.to_string()))?;
    let written = nuwa_files::gguf::write(out, &keys.values, &new, |index, bytes| match &divisors {
        Some(divisors) if index + 1 == parts.len() => {
            bytes.extend(divisors.iter().flat_map(|divisor| divisor.to_le_bytes()));
            Ok(())
        }
        _ => parts[index].write(model, settings.inputs, rounded.as_ref(), bytes).map_err(refuse),
    })?;
    confirm(rounded.as_ref(), &written).map_err(refuse)?;
    let bytes = written.path().metadata().map_err(nuwa_files::Error::read(out))?.len();
    written.confirm()?;
    Ok(GgufWritten { bytes, ..summary(model, &parts) })
}

/// The tensors of a model.
fn parts(model: &dyn Model, architecture: &Architecture, mixture: Mixture) -> Vec<Part> {
    let config = model.config();
    let names = config.names();
    let tied = !names.iter().any(|name| name.parameter == "head.weight");
    let [heads, kv_heads] = config.heads();
    let mut parts: Vec<Part> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for name in &names {
        let mut first = 0;
        for (there, rows) in &name.parts {
            let Some(own) = (architecture.names)(&config).of(there) else { continue };
            let columns = name.columns.unwrap_or(1);
            let source = Source {
                parameter: name.parameter.clone(),
                first,
                elements: rows * columns,
                columns,
                turned: (architecture.turns_pairs && is_turned(there))
                    .then(|| rows / if there.contains(".q_proj.") { heads } else { kv_heads }),
            };
            first += source.elements;
            let place = *places.entry(own.tensor.clone()).or_insert_with(|| {
                parts.push(Part::new(own.tensor, shape(name, *rows), own.expert.is_some()));
                parts.len() - 1
            });
            parts[place].sources.push(source);
        }
    }
    for part in &mut parts {
        part.choose(mixture, config.layers(), tied);
    }
    parts
}

/// The shape of a part with `rows` rows in the file.
fn shape(name: &TensorName, rows: usize) -> Vec<usize> {
    [rows].into_iter().chain(name.columns).collect()
}

impl Part {
    fn new(name: String, mut shape: Vec<usize>, of_expert: bool) -> Self {
        if of_expert {
            // As many as there will be sources.
            shape.insert(0, 0);
        }
        let whole = Kind { wanted: Kept::F32, kept: Kept::F32 };
        Self {
            new: NewTensor { name, shape, kind: Kept::F32.tensor_type() },
            kind: whole,
            sources: Vec::new(),
        }
    }

    fn of_divisors(pairs: usize) -> Self {
        Self::new(DIVISORS.into(), vec![pairs], false)
    }

    fn choose(&mut self, mixture: Mixture, layers: usize, tied: bool) {
        let mut experts = 0;
        if self.new.shape.len() == 3 {
            experts = self.sources.len();
            self.new.shape[0] = experts;
        }
        let shape = Shape { name: &self.new.name, axes: &self.new.shape, layers, tied, experts };
        self.kind = mixture.kind(shape);
        self.new.kind = self.kind.kept.tensor_type();
    }

    /// Appends its bytes, and gives `rounded` the numbers that they stand for.
    fn write(
        &self,
        model: &dyn Model,
        inputs: Option<&InputLog>,
        rounded: &dyn Model,
        bytes: &mut Vec<u8>,
    ) -> Result<(), String> {
        for source in &self.sources {
            let mut numbers = source.there(&parameter(model, &source.parameter).to_host());
            let importance = inputs.and_then(|inputs| inputs.mean_squares(&source.parameter));
            let importance = importance.filter(|importance| importance.len() == source.columns);
            let kept = self.kind.kept;
            let own = kept.write(&numbers, source.columns, importance.as_deref()).map_err(|large| {
                let kind = kept.tensor_type();
                format!("tensor {} holds {large}, which {kind} cannot: take BF16 or F32", self.new.name)
            })?;
            kept.read(&own, &mut numbers);
            bytes.extend(own);
            source.put(parameter(rounded, &source.parameter), numbers);
        }
        Ok(())
    }
}

impl Source {
    /// Its numbers out of those of the parameter, in the order of the file.
    fn there(&self, parameter: &[f32]) -> Vec<f32> {
        let own = &parameter[self.first..self.first + self.elements];
        match self.turned {
            Some(rows) => halves_to_pairs(own, rows, self.columns),
            None => own.to_vec(),
        }
    }

    /// Puts numbers in the order of the file into the parameter.
    fn put(&self, parameter: &Parameter, numbers: Vec<f32>) {
        let here = match self.turned {
            Some(rows) => pairs_to_halves(&numbers, rows, self.columns),
            None => numbers,
        };
        parameter.set(|values| values[self.first..self.first + self.elements].copy_from_slice(&here));
    }
}

/// In each head, row `i + p * rows / 2` goes to `2 i + p`. A head has `rows` rows of `width` numbers.
fn halves_to_pairs(own: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(own.len());
    for head in own.chunks(rows * width) {
        for row in 0..rows {
            let from = row / 2 + row % 2 * (rows / 2);
            turned.extend_from_slice(&head[from * width..(from + 1) * width]);
        }
    }
    turned
}

fn parameter<'a>(model: &'a dyn Model, path: &str) -> &'a Parameter {
    model.parameters().get(path).expect("names are those of the parameters")
}

/// Reads a file back and compares the logits of some ids with those of the model that was written; the error is in words.
fn confirm(model: &dyn Model, written: &Unconfirmed) -> Result<(), String> {
    let read = load_model(written.path()).map_err(|error| format!("it cannot be read again: {error}"))?;
    let ids = ids(model, model.context().min(read.context()));
    let [expected, found] = [logits(model, &ids)?, logits(read.as_ref(), &ids)?];
    let largest = expected.iter().fold(0.0, |most: f32, logit| logit.abs().max(most));
    let apart = expected.iter().zip(&found).map(|(own, other)| (own - other).abs());
    let apart = apart.fold(0.0, |most: f32, own| if own > most || own.is_nan() { own } else { most });
    match expected.len() == found.len() && apart <= ALLOWED * largest {
        true => Ok(()),
        false => Err(format!(
            "read again, its logits are up to {apart} apart from the model's, of at most {largest}"
        )),
    }
}

/// How far logits may be apart, as a part of the largest: the sums of both are the same.
const ALLOWED: f32 = 1e-4;

/// Some ids that `model` knows, at most `context` of them.
fn ids(model: &dyn Model, context: usize) -> Vec<u32> {
    const MOST: usize = 32;
    (0..context.min(MOST)).map(|i| ((i * 37 + 11) % model.vocabulary()) as u32).collect()
}

/// The logits after each of the ids.
fn logits(model: &dyn Model, ids: &[u32]) -> Result<Vec<f32>, String> {
    let words = |error: nuwa_tensor::Error| error.to_string();
    let tape = Tape::inference();
    let text = Text::causal(ids.to_vec(), 1);
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text)).map_err(words)?;
    let logits = model.head().logits(&tape, &rows.hidden).map_err(words)?;
    Ok(logits.to_host())
}

fn summary(model: &dyn Model, parts: &[Part]) -> GgufWritten {
    let (mut weights, mut bytes, mut fallbacks) = (0, 0, BTreeMap::new());
    for Part { new, kind, .. } in parts {
        let own: usize = new.shape.iter().product();
        weights += own;
        bytes += new.kind.length(&new.shape).unwrap_or(0);
        if kind.wanted != kind.kept {
            *fallbacks.entry((kind.wanted.tensor_type().name, kind.kept.tensor_type().name)).or_insert(0) +=
                own;
        }
    }
    let bits = 8.0 * bytes as f64 / weights.max(1) as f64;
    GgufWritten { parameters: model.parameters().count(), bytes: 0, bits, fallbacks }
}
