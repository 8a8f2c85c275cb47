//! A model folder's weights and configuration, read into a model and written from one.

use std::collections::BTreeSet;
use std::path::Path;

use nuwa_models::{FusedPart, Model, ModelConfig, TensorName};
use nuwa_tensor::DType;
use nuwa_tokenizer::Tokenizer;
use serde_json::Map;

use crate::config::{self, CONFIG};
use crate::generation;
use crate::layout::{Part, parts};
use crate::scored;
use crate::weights::{self, WEIGHTS, Weights};
use crate::{Error, Result};

/// Reads the model in `folder`.
///
/// # Errors
/// When a file is missing or damaged, or configuration and weights do not fit each other.
pub fn load_model(folder: &Path) -> Result<Box<dyn Model>> {
    load(folder, Weights::open(folder)?, nuwa_models::build_zeros, false)
}

/// Reads the model in `folder`, or in a GGUF file of that name, for inference alone: its matrices are kept once, in `dtype` or, where
/// none is named, in those of the file: as they lie there where they are quantised, in bf16 where it holds bf16, else in `f32`.
///
/// A GGUF file is mapped into memory, and has to stay as it is while it is read and, where blocks are kept as they lie, while the model
/// lives: whoever cuts it short meanwhile ends the program by a signal (SIGBUS). With a `dtype` nothing of it is needed after loading.
///
/// # Errors
/// As [`load_model`].
pub fn load_for_inference(folder: &Path, dtype: Option<DType>) -> Result<Box<dyn Model>> {
    let weights = Weights::open(folder)?;
    let (keeps_blocks, dtype) = (dtype.is_none(), dtype.unwrap_or(weights.dtype()));
    load(folder, weights, |config| nuwa_models::build_for_inference(config, dtype), keeps_blocks)
}

fn load(
    folder: &Path,
    weights: Weights,
    make: impl Fn(&ModelConfig) -> nuwa_models::Result<Box<dyn Model>>,
    keeps_blocks: bool,
) -> Result<Box<dyn Model>> {
    if let Some(outputs) = scored::outputs(&*config::load_config(folder)?, &weights) {
        let folder = folder.to_path_buf();
        return Err(if outputs == 1 { Error::Scores { folder } } else { Error::TellsLabels { folder } });
    }
    let Opened { config, mut weights } = open(folder, weights, |config| config.names())?;
    let path = folder.join(CONFIG);
    let model = make(&config).map_err(|error| Error::config(&path, error.to_string()))?;
    let mut names = model.names();
    if keeps_blocks {
        names = hand_over(model.as_ref(), &weights, names)?;
    }
    fill(model.as_ref(), &names, |part| read(&config, &mut weights, &part.name))?;
    check_copies(&config, &mut weights)?;
    Ok(model)
}

/// Gives matrices the blocks of quantised numbers that a file holds, as they lie there; the names of what is left to be read.
fn hand_over(model: &dyn Model, weights: &Weights, names: Vec<TensorName>) -> Result<Vec<TensorName>> {
    let mut left = Vec::new();
    for name in names {
        let parameter = model.parameters().get(&name.parameter).expect("names are those of the parameters");
        match weights.blocks(&name)?.filter(|_| parameter.entry().is_for_inference()) {
            None => left.push(name),
            Some(parts) => parameter
                .set_quantised(&parts)
                .map_err(|error| Error::invalid(weights.path(), format!("{}: {error}", name.parameter)))?,
        }
    }
    Ok(left)
}

/// A folder whose configuration and weights fit each other.
pub struct Opened {
    pub config: ModelConfig,
    pub weights: Weights,
}

/// Reads the configuration, and holds the tensors that `names` asks for against it.
pub fn open(
    folder: &Path,
    weights: Weights,
    names: impl FnOnce(&ModelConfig) -> Vec<TensorName>,
) -> Result<Opened> {
    let mut config = config::load_config(folder)?;
    let told = config.clone();
    config.adopt(&|name| find(&told, &weights, name).is_some());
    check(&config, &weights, names)?;
    Ok(Opened { config, weights })
}

/// Gives those parameters of a model that have `names` the tensors of `read`.
pub fn fill(
    model: &dyn Model,
    names: &[TensorName],
    mut read: impl FnMut(&Part) -> Result<Vec<f32>>,
) -> Result<()> {
    for name in names {
        let parameter = model.parameters().get(&name.parameter).expect("names are those of the parameters");
        let parts = parts(name, parameter.shape());
        let stored = parts.iter().map(&mut read).collect::<Result<Vec<_>>>()?;
        parameter
            .set(|values| parts.iter().zip(&stored).for_each(|(part, stored)| part.load(stored, values)));
    }
    Ok(())
}

/// The memory that the weights in `folder` take for inference in `dtype`, or of the file's; see
/// [`load_for_inference`]. In bytes.
///
/// # Errors
/// When there are none, or their headers are damaged.
pub fn weights_memory(folder: &Path, dtype: Option<DType>) -> Result<u64> {
    let weights = Weights::open(folder)?;
    Ok(dtype.unwrap_or(weights.dtype()).bytes() as u64 * weights.elements())
}

/// Holds names, shapes and kinds against the configuration before memory is asked for, so that no configuration makes us
/// ask for more than the files hold.
fn check(
    config: &ModelConfig,
    weights: &Weights,
    names: impl FnOnce(&ModelConfig) -> Vec<TensorName>,
) -> Result<()> {
    if config.layers() > weights.names().len() {
        let tensor = format!("of layer {}", config.layers() - 1);
        return Err(Error::MissingTensor { path: weights.path().to_path_buf(), tensor });
    }
    let mut used: BTreeSet<String> =
        config.copies().iter().filter_map(|(copy, _)| find(config, weights, copy)).collect();
    // A name for each tensor of each layer: there are so many only once the layers are known to be in the file.
    for name in names(config) {
        for (part, rows) in &name.parts {
            let Found { tensor, part } = resolve(config, weights, part)?;
            let shape = part.map_or_else(|| name.shape(*rows), |part| part.shape);
            expect_shape(weights, &tensor, &shape)?;
            weights.check_kind(&tensor)?;
            used.insert(tensor);
        }
    }
    check_positions(config, weights)?;
    let ignored = |name: &str| config.ignored().iter().any(|end| name.ends_with(end));
    let unexpected = weights.names().into_iter().filter(|name| !used.contains(*name) && !ignored(name));
    let tensors: Vec<String> = unexpected.map(String::from).collect();
    if tensors.is_empty() {
        Ok(())
    } else {
        Err(Error::Unexpected { path: weights.path().to_path_buf(), tensors })
    }
}

/// Holds tensors that repeat a parameter against it: a file in which they differ is of a model that is not tied.
pub fn check_copies(config: &ModelConfig, weights: &mut Weights) -> Result<()> {
    for (copy, parameter) in config.copies() {
        let Some(found) = find(config, weights, copy) else { continue };
        let names = config.names();
        let of_parameter = names.iter().find(|name| name.parameter == *parameter);
        let (own, _) = &of_parameter.expect("copies are of parameters").parts[0];
        if weights.read(&found)? != read(config, weights, own)? {
            return Err(Error::NotTied { path: weights.path().to_path_buf(), copy: found });
        }
    }
    Ok(())
}

/// The tensor's name in the file: older where it is an older file, and without its first component where the file holds the
/// model without its head's class.
fn find(config: &ModelConfig, weights: &Weights, name: &str) -> Option<String> {
    let older =
        config.older_names().iter().find_map(|(new, old)| Some([name.strip_suffix(new)?, *old].concat()));
    let without_class = |name: &String| name.split_once('.').map(|(_, rest)| rest.to_string());
    let spellings: Vec<String> = [name.to_string()].into_iter().chain(older).collect();
    let bare: Vec<String> = spellings.iter().filter_map(without_class).collect();
    spellings.into_iter().chain(bare).find(|name| weights.shape(name).is_some())
}

/// Where a tensor is in the file: by itself, or as a part of another.
struct Found {
    tensor: String,
    part: Option<FusedPart>,
}

fn resolve(config: &ModelConfig, weights: &Weights, name: &str) -> Result<Found> {
    if let Some(tensor) = find(config, weights, name) {
        return Ok(Found { tensor, part: None });
    }
    let path = weights.path().to_path_buf();
    let Some(part) = config.fused(name) else {
        return Err(Error::MissingTensor { path, tensor: name.to_string() });
    };
    match find(config, weights, &part.tensor) {
        Some(tensor) => Ok(Found { tensor, part: Some(part) }),
        None => {
            let (expected, found) = (name.to_string(), beside_attention(weights, name));
            Err(Error::ExpertLayout { path, expected, fused: part.tensor, found })
        }
    }
}

/// The tensors of the same layer that belong neither to its attention nor to a norm.
fn beside_attention(weights: &Weights, name: &str) -> Vec<String> {
    let layer: Vec<&str> = name.split('.').skip_while(|word| *word != "layers").take(2).collect();
    let layer = format!("{}.", layer.join("."));
    let of_layer = weights.names().into_iter().filter(|name| name.contains(&layer));
    of_layer.filter(|name| !name.contains("attn") && !name.contains("norm")).map(String::from).collect()
}

/// The numbers of a tensor, wherever the file has them.
pub fn read(config: &ModelConfig, weights: &mut Weights, name: &str) -> Result<Vec<f32>> {
    let Found { tensor, part } = resolve(config, weights, name)?;
    weights.read_part(&tensor, part.map(|part| part.elements))
}

fn expect_shape(weights: &Weights, tensor: &str, expected: &[usize]) -> Result<()> {
    if weights.shape(tensor) == Some(expected) {
        return Ok(());
    }
    Err(Error::Shape {
        path: weights.path().to_path_buf(),
        tensor: tensor.to_string(),
        found: weights.shape(tensor).unwrap_or_default().to_vec(),
        expected: format!("{expected:?}"),
    })
}

/// Tables of positions may take this many bytes beside weights of any size.
const FREE_POSITIONS: u64 = 64 << 20;

/// The context is a number that no tensor bears out where positions are rotated: their table takes no more memory than the
/// weights do.
fn check_positions(config: &ModelConfig, weights: &Weights) -> Result<()> {
    let (width, context) = (config.table_width() as u64, config.context());
    let most = (FREE_POSITIONS + 4 * weights.elements()) / (4 * width).max(1);
    if width == 0 || context as u64 <= most {
        return Ok(());
    }
    let reason = format!(
        "a context of {context} positions of {width} numbers each: such a table is larger than the weights; expected at most {most}"
    );
    Err(Error::config(&weights.path().with_file_name(CONFIG), reason))
}

/// Writes `config.json`, `generation_config.json` and `model.safetensors` into `folder`, the configuration last: a
/// folder without it is no model yet.
///
/// # Errors
/// When a file cannot be written.
pub fn save_model(model: &dyn Model, folder: &Path) -> Result<()> {
    save(model, None, folder)
}

/// The same with the model's tokenizer, whose chat template says what ends an answer.
///
/// # Errors
/// When a file cannot be written.
pub fn save_with_tokenizer(model: &dyn Model, tokenizer: &Tokenizer, folder: &Path) -> Result<()> {
    tokenizer.save(folder)?;
    save(model, Some(tokenizer), folder)
}

fn save(model: &dyn Model, tokenizer: Option<&Tokenizer>, folder: &Path) -> Result<()> {
    write_weights(model, folder)?;
    let config = model.config();
    generation::write(&config, tokenizer, Map::new(), folder)?;
    config::write(&config, Map::new(), folder)
}

/// Writes `model.safetensors`.
pub fn write_weights(model: &dyn Model, folder: &Path) -> Result<()> {
    let mut all = Vec::new();
    for name in model.names() {
        let parameter = model.parameters().get(&name.parameter).expect("names are those of the parameters");
        all.extend(parts(&name, parameter.shape()).into_iter().map(|part| (part, parameter)));
    }
    let tensors: Vec<(&str, &[usize])> =
        all.iter().map(|(part, _)| (part.name.as_str(), &part.shape[..])).collect();
    weights::write(&folder.join(WEIGHTS), &tensors, |index| {
        let (part, parameter) = &all[index];
        part.stored(&parameter.to_host())
    })
}
