//! Rotary settings: keys, and for Llama 3.1's stretching a tensor with a divisor of each frequency.

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use nuwa_files::Error as FileError;
use nuwa_models::{Llama3, Rope, RopeScaling, Yarn};
use serde_json::{Value, json};

use super::keys::Keys;
use super::metadata::Metadata;
use crate::{Error, Result};

/// The tensor of divisors.
pub const DIVISORS: &str = "rope_freqs.weight";

/// The base where a file does not say.
const BASE: f64 = 10_000.0;

/// Contexts that models were first trained on before they were stretched so.
const ORIGINALS: [usize; 7] = [8192, 4096, 2048, 16_384, 32_768, 65_536, 131_072];

/// `rope_parameters` as `config.json` has them, of heads of so many features.
pub fn read(metadata: &Metadata, head_dim: usize) -> Result<Value> {
    let theta = metadata.number("rope.freq_base")?.unwrap_or(BASE);
    if let Some(turned) = metadata.size("rope.dimension_count")?.filter(|&turned| turned != head_dim) {
        return Err(metadata.unsupported(
            "rope.dimension_count",
            turned,
            &format!("{head_dim}, all features of a head"),
        ));
    }
    let factor = match metadata.number("rope.scaling.factor")? {
        Some(factor) => factor,
        None => metadata.number("rope.scale_linear")?.unwrap_or(1.0),
    };
    // 0 stands for no scaling.
    let factor = if factor == 0.0 { 1.0 } else { factor };
    let mut rope = match metadata.text("rope.scaling.type")?.unwrap_or("linear") {
        "none" => json!({"rope_type": "default"}),
        "linear" if factor == 1.0 => json!({"rope_type": "default"}),
        "linear" => json!({"rope_type": "linear", "factor": factor}),
        "yarn" => yarn(metadata, factor)?,
        other => {
            return Err(metadata.unsupported(
                "rope.scaling.type",
                format_args!("{other:?}"),
                "none, linear or yarn",
            ));
        }
    };
    if let Some(divisors) = divisors(metadata, head_dim)? {
        rope = llama3(metadata, theta, &divisors)?;
    }
    rope["rope_theta"] = json!(theta);
    Ok(rope)
}

fn yarn(metadata: &Metadata, factor: f64) -> Result<Value> {
    for name in ["rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor"]
    {
        if let Some(other) = metadata.number(name)?.filter(|&own| own != 1.0) {
            return Err(metadata.unsupported(name, other, "1"));
        }
    }
    let original = metadata.needed_size("rope.scaling.original_context_length")?;
    let mut rope =
        json!({"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original});
    for (name, field) in
        [("rope.scaling.yarn_beta_fast", "beta_fast"), ("rope.scaling.yarn_beta_slow", "beta_slow")]
    {
        if let Some(beta) = metadata.number(name)? {
            rope[field] = json!(beta);
        }
    }
    Ok(rope)
}

/// What frequencies are divided by, where a tensor says it.
fn divisors(metadata: &Metadata, head_dim: usize) -> Result<Option<Vec<f32>>> {
    let Some(tensor) = metadata.tensor(DIVISORS) else { return Ok(None) };
    if tensor.kind.name != "F32" || tensor.shape != [head_dim / 2] {
        let reason = format!(
            "tensor {DIVISORS} is {} of the shape {:?}, expected F32 of [{}]",
            tensor.kind,
            tensor.shape,
            head_dim / 2
        );
        return Err(Error::invalid(metadata.path(), reason));
    }
    let path = &metadata.file().files()[tensor.file];
    let mut file = File::open(path).map_err(FileError::read(path))?;
    let mut bytes = vec![0; tensor.length as usize];
    file.seek(SeekFrom::Start(tensor.start)).map_err(FileError::read(path))?;
    file.read_exact(&mut bytes).map_err(FileError::read(path))?;
    Ok(Some(bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()))
}

/// The settings that give these divisors.
fn llama3(metadata: &Metadata, theta: f64, divisors: &[f32]) -> Result<Value> {
    let factor = f64::from(divisors.iter().copied().fold(1.0, f32::max));
    let fits = |original: usize| {
        let scaling = Llama3 { factor, low_freq_factor: 1.0, high_freq_factor: 4.0, original };
        let own = divisors_of(&Rope { theta, scaling: RopeScaling::Llama3(scaling) }, 2 * divisors.len());
        own.iter().zip(divisors).all(|(own, given)| (own - given).abs() <= 1e-4 * own)
    };
    match originals(theta, factor, divisors).into_iter().chain(ORIGINALS).find(|&original| fits(original)) {
        Some(original) => Ok(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        })),
        None => {
            let reason = format!(
                "tensor {DIVISORS} stretches frequencies in another way than Llama 3.1, which is not supported"
            );
            Err(Error::unsupported(
                metadata.path(),
                reason,
                "run this model with llama.cpp, or take one without this",
            ))
        }
    }
}

/// The contexts that follow from divisors between 1 and `factor`, of which the inverse is blended by
/// `(original / wavelength - 1) / 3`.
fn originals(theta: f64, factor: f64, divisors: &[f32]) -> Vec<usize> {
    let plain = Rope::plain(theta).frequencies(2 * divisors.len());
    let blended = plain.iter().zip(divisors).filter(|(_, divisor)| {
        let divisor = f64::from(**divisor);
        divisor > 1.001 && divisor < 0.999 * factor
    });
    let original = |(frequency, divisor): (&f64, &f32)| {
        let share = (1.0 / f64::from(*divisor) - 1.0 / factor) / (1.0 - 1.0 / factor);
        ((1.0 + 3.0 * share) * TAU / frequency).round() as usize
    };
    blended.map(original).collect()
}

/// What a scaling divides the frequencies of a head by.
fn divisors_of(rope: &Rope, head_dim: usize) -> Vec<f32> {
    let plain = Rope::plain(rope.theta).frequencies(head_dim);
    plain.iter().zip(rope.frequencies(head_dim)).map(|(plain, own)| (plain / own) as f32).collect()
}

/// Writes the keys, and gives the divisors where they are a tensor.
///
/// # Errors
/// In words, when llama.cpp computes no such positions.
pub fn write(rope: &Rope, head_dim: usize, keys: &mut Keys) -> Result<Option<Vec<f32>>, String> {
    keys.size("rope.dimension_count", head_dim);
    keys.number("rope.freq_base", rope.theta);
    match &rope.scaling {
        // Of dynamic scaling nothing is seen within the context.
        RopeScaling::None | RopeScaling::Dynamic { .. } => Ok(None),
        RopeScaling::Linear { factor } => {
            keys.text("rope.scaling.type", "linear");
            keys.number("rope.scaling.factor", *factor);
            Ok(None)
        }
        RopeScaling::Yarn(yarn) => write_yarn(yarn, keys).map(|()| None),
        RopeScaling::Llama3(_) => Ok(Some(divisors_of(rope, head_dim))),
    }
}

fn write_yarn(yarn: &Yarn, keys: &mut Keys) -> Result<(), String> {
    if !yarn.truncate || yarn.attention_factor.is_some() || yarn.mscale.iter().any(Option::is_some) {
        return Err("YaRN with truncate, attention_factor or mscale of its own is computed in another way by llama.cpp".into());
    }
    keys.text("rope.scaling.type", "yarn");
    keys.number("rope.scaling.factor", yarn.factor);
    keys.size("rope.scaling.original_context_length", yarn.original);
    keys.number("rope.scaling.yarn_beta_fast", yarn.beta_fast);
    keys.number("rope.scaling.yarn_beta_slow", yarn.beta_slow);
    Ok(())
}
