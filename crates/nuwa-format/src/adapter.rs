//! Low-rank adapters as files: `adapter_config.json` and `adapter_model.safetensors`, as the peft library writes them.
//!
//! For a tensor `NAME.weight` of the model there are `base_model.model.NAME.lora_A.weight` `[rank, in]` and
//! `base_model.model.NAME.lora_B.weight` `[out, rank]`; merged, the weight grows by `alpha / rank * B A`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nuwa_models::Model;
use serde_json::{Value, json};

use crate::base::Base;
use crate::config::LARGEST;
use crate::layout::parts;
use crate::weights::{self, Weights};
use crate::{Error, Result};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// Fields of peft that make adapters something else than `alpha / rank * B A`, unless absent, false or empty.
const OTHER_FORMS: [&str; 9] = [
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "alpha_pattern",
    "rank_pattern",
    "layer_replication",
    "trainable_token_indices",
    "modules_to_save",
];

/// Ways to begin (`init_lora_weights`) that change the base.
const CHANGE_THE_BASE: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

/// Adapters on tensors of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Rows of each `a`.
    pub rank: usize,
    /// The scale, as a multiple of `1 / rank`.
    pub alpha: f32,
    /// The adapters, one a tensor.
    pub parts: Vec<AdapterPart>,
}

/// The adapter of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterPart {
    /// The tensor's name in the model's file, ending in `.weight`.
    pub tensor: String,
    /// `[rank, in]`.
    pub a: Vec<f32>,
    /// `[rows, rank]`.
    pub b: Vec<f32>,
    /// Output features.
    pub rows: usize,
}

/// Whether `folder` holds adapters rather than a model.
pub fn is_adapter(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// Writes `adapter` for the model `base`.
///
/// # Errors
/// When a file cannot be written.
pub fn save_adapter(adapter: &Adapter, base: &Base, transposed: bool, folder: &Path) -> Result<()> {
    let mut tensors: Vec<(String, [usize; 2], &[f32])> = Vec::new();
    for part in &adapter.parts {
        let module = module(&part.tensor);
        let (rank, rows) = (adapter.rank, part.rows);
        tensors.push((format!("{PREFIX}{module}.lora_A.weight"), [rank, part.a.len() / rank], &part.a));
        tensors.push((format!("{PREFIX}{module}.lora_B.weight"), [rows, rank], &part.b));
    }
    let listed: Vec<(&str, &[usize])> =
        tensors.iter().map(|(name, shape, _)| (name.as_str(), &shape[..])).collect();
    weights::write(&folder.join(WEIGHTS), &listed, |index| tensors[index].2.to_vec())?;
    base.write(folder)?;
    Ok(nuwa_files::write_json(&folder.join(CONFIG), &config(adapter, &base.name, transposed))?)
}

/// The name of the module that a tensor is of; some of recurrent layers have no module of their own, and stand for themselves.
fn module(tensor: &str) -> &str {
    tensor.trim_end_matches(".weight")
}

fn config(adapter: &Adapter, base: &str, transposed: bool) -> Value {
    let last = |part: &AdapterPart| module(&part.tensor).rsplit('.').next().unwrap_or_default().to_string();
    let modules: BTreeSet<String> = adapter.parts.iter().map(last).collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "target_modules": modules,
        "fan_in_fan_out": transposed,
        "bias": "none",
        "inference_mode": true,
    })
}

/// Reads the adapters in `folder`.
///
/// # Errors
/// When a file is missing or damaged, or holds something else than adapters.
pub fn load_adapter(folder: &Path) -> Result<Adapter> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Err(Error::NotAModel { folder: folder.to_path_buf(), missing: CONFIG, pickled: false });
    }
    let config: Value = nuwa_files::read_json_at_most(&path, LARGEST)?;
    check(&path, &config)?;
    let wrong = |name: &str, expected: &str| {
        Error::config(&path, format!("{name} is {}, expected {expected}", config[name]))
    };
    let rank = config["r"].as_u64().filter(|&rank| rank > 0).map(|rank| rank as usize);
    let rank = rank.ok_or_else(|| wrong("r", "a whole number above 0"))?;
    let alpha = config["lora_alpha"].as_f64().filter(|alpha| (0.0..1e9).contains(alpha) && *alpha > 0.0);
    let alpha = alpha.ok_or_else(|| wrong("lora_alpha", "a number above 0"))? as f32;
    // Rank-stabilised adapters (Kalajdzievski 2023) are scaled by alpha / sqrt(rank).
    let alpha = if config["use_rslora"] == true { alpha * (rank as f32).sqrt() } else { alpha };
    let mut weights = Weights::open_file(&folder.join(WEIGHTS))?;
    let names: Vec<String> = weights.names().into_iter().map(String::from).collect();
    let mut found: BTreeMap<String, [Option<Vec<f32>>; 2]> = BTreeMap::new();
    for name in names {
        let bare = name.strip_prefix(PREFIX).unwrap_or(&name);
        let Some((module, which)) = [(".lora_A.weight", 0), (".lora_B.weight", 1)]
            .into_iter()
            .find_map(|(ending, which)| Some((bare.strip_suffix(ending)?, which)))
        else {
            return Err(Error::Unexpected { path: folder.join(WEIGHTS), tensors: vec![name] });
        };
        let axis = weights.shape(&name).and_then(|shape| shape.get(which)).copied();
        if axis != Some(rank) {
            let reason = format!("{name} does not have the rank {rank} of {CONFIG}");
            return Err(Error::invalid(&folder.join(WEIGHTS), reason));
        }
        found.entry(format!("{module}.weight")).or_default()[which] = Some(weights.read(&name)?);
    }
    let part = |(tensor, matrices): (String, [Option<Vec<f32>>; 2])| match matrices {
        [Some(a), Some(b)] => Ok(AdapterPart { rows: b.len() / rank, tensor, a, b }),
        _ => Err(Error::MissingTensor {
            path: folder.join(WEIGHTS),
            tensor: format!("lora_A or lora_B of {tensor}"),
        }),
    };
    let parts = found.into_iter().map(part).collect::<Result<_>>()?;
    Ok(Adapter { rank, alpha, parts })
}

/// Refuses what would merge into another model than the one that was trained.
fn check(path: &Path, config: &Value) -> Result<()> {
    let kind = &config["peft_type"];
    if !kind.is_null() && kind != "LORA" {
        return Err(Error::config(path, format!("peft_type = {kind}: only \"LORA\" is supported")));
    }
    let is_plain = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    };
    for field in OTHER_FORMS {
        if !is_plain(&config[field]) {
            return Err(Error::config(
                path,
                format!("{field} = {}: such adapters are not read", config[field]),
            ));
        }
    }
    // These begin by changing the base; what is saved is relative to the changed one.
    let begun = &config["init_lora_weights"];
    let changes = |kind: &str| CHANGE_THE_BASE.iter().any(|name| kind.to_lowercase().starts_with(name));
    if begun.as_str().is_some_and(changes) {
        let reason =
            format!("init_lora_weights = {begun}: it changes the base model, so such adapters are not read");
        return Err(Error::config(path, reason));
    }
    Ok(())
}

/// Adds `adapter` to the weights of `model`; `path` is where it came from, for messages.
///
/// # Errors
/// When it belongs to another model: a tensor is not there, or has another shape.
pub fn merge(model: &dyn Model, adapter: &Adapter, path: &Path) -> Result<()> {
    let mut left: BTreeMap<&str, &AdapterPart> =
        adapter.parts.iter().map(|part| (module(&part.tensor), part)).collect();
    for name in model.names() {
        let Some(parameter) = model.parameters().get(&name.parameter) else { continue };
        let (width, mut row) = (parameter.width(), 0);
        for (part, (tensor, rows)) in parts(&name, parameter.shape()).iter().zip(&name.parts) {
            let first = row;
            row += rows;
            let Some(own) = left.remove(module(tensor)) else { continue };
            if own.rows != *rows || own.a.len() != adapter.rank * width {
                let shape = [own.rows, own.a.len() / adapter.rank];
                let reason = format!(
                    "the adapter of {} changes {shape:?}, the model has {:?}",
                    part.name,
                    [*rows, width]
                );
                return Err(Error::invalid(path, reason));
            }
            let scale = adapter.alpha / adapter.rank as f32 / part.factor;
            let own_b = name.order.here(&own.b, adapter.rank);
            parameter
                .set(|values| add(&mut values[first * width..row * width], &own.a, &own_b, width, scale));
        }
    }
    let unknown: Vec<String> = left.into_values().map(|part| part.tensor.clone()).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Error::Unexpected { path: path.to_path_buf(), tensors: unknown })
    }
}

fn add(values: &mut [f32], a: &[f32], b: &[f32], width: usize, scale: f32) {
    let rank = a.len() / width;
    for (row, b) in values.chunks_exact_mut(width).zip(b.chunks_exact(rank)) {
        for (a, b) in a.chunks_exact(width).zip(b) {
            row.iter_mut().zip(a).for_each(|(value, a)| *value += scale * b * a);
        }
    }
}
