//! Checkpoints: all that a killed run needs to go on as if it had never stopped.
//!
//! Layout, little-endian: magic `NUWACKPT`, version `u32`, header length `u32`, header (JSON), then three blocks of
//! `elements` `f32`: the flat parameters, and the two of the optimizer's state; then the same of each companion. Everything else (data
//! order, dropout, learning rate) is a function of the seed and the step.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use nuwa_files::{AtomicFile, Error as FileError};
use nuwa_nn::{Optimizer, OptimizerKind};
use nuwa_tensor::{OptimizerState, Parameters};
use serde::{Deserialize, Serialize};

use crate::course::Course;
use crate::{Error, Result, ValidationLine};

const MAGIC: &[u8; 8] = b"NUWACKPT";
/// 2 since the gradient of a step is a tree over its passes: a run that began with another sum goes on nowhere. 3 since
/// parameters begin at multiples of 64 elements.
const VERSION: u32 = 3;
/// A header is a few numbers and the course so far; one of more bytes is cut, and then no JSON.
const LONGEST_HEADER: u64 = 1 << 24;

/// Numbers that are copied from a device at a time.
const PIECE: usize = 1 << 20;

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// A hash of the plan and the data: a checkpoint of another run is not resumed.
    pub fingerprint: String,
    /// Numbers in each block.
    pub elements: usize,
    /// Steps the optimizer did.
    pub optimizer_steps: u64,
    /// Whose state it is; older checkpoints do not say it, and are AdamW's.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// Whether the learning rate falls yet, and the best state so far.
    pub course: Course,
    /// The validation before all others.
    pub first_validation: Option<ValidationLine>,
    /// Tokens seen so far.
    #[serde(default)]
    pub tokens: u64,
    /// Numbers in each block, and steps of the optimizer, of the models that are trained beside the main one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<(usize, u64)>,
    /// What else the steps so far have decided.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub state: serde_json::Value,
}

/// A model in training, as a checkpoint keeps it.
pub type Trained<'a> = (&'a Parameters, &'a Optimizer);

/// What lies where a checkpoint may be.
#[derive(Debug)]
pub enum Found {
    /// No file.
    Nothing,
    /// The checkpoint of another run.
    Other,
    /// A checkpoint of an older format, with its version.
    Older(u32),
    /// A checkpoint of this run, whose weights are in the parameters now; with the state of the optimizer of each model.
    Checkpoint(Box<Header>, Vec<OptimizerState>),
}

/// Writes a checkpoint of the main model and its companions, whole or not at all.
///
/// # Errors
/// When the disk refuses.
pub fn save(path: &Path, header: &Header, models: &[Trained<'_>]) -> Result<()> {
    let json = serde_json::to_vec(header).expect("a header of numbers and strings is JSON");
    let mut file = AtomicFile::create(path)?;
    let failed = || FileError::write(path);
    file.write_all(MAGIC).map_err(failed())?;
    file.write_all(&VERSION.to_le_bytes()).map_err(failed())?;
    file.write_all(&(json.len() as u32).to_le_bytes()).map_err(failed())?;
    file.write_all(&json).map_err(failed())?;
    for (parameters, optimizer) in models {
        let state = optimizer.state();
        let blocks: [CopyBlock<'_>; 3] = [
            &|first, values| parameters.copy_to_host(first, values),
            &|first, values| state.copy_first_to_host(first, values),
            &|first, values| state.copy_second_to_host(first, values),
        ];
        for block in blocks {
            write_block(&mut file, parameters.length(), block).map_err(failed())?;
        }
    }
    file.commit()?;
    Ok(())
}

/// Copies numbers of a block from one of them on.
type CopyBlock<'a> = &'a dyn Fn(usize, &mut [f32]);

/// Writes `length` numbers, which `copy` gives from any of them on.
fn write_block(
    file: &mut AtomicFile,
    length: usize,
    copy: impl Fn(usize, &mut [f32]),
) -> std::io::Result<()> {
    let mut values = vec![0.0; PIECE.min(length)];
    for first in (0..length).step_by(PIECE) {
        let piece = &mut values[..PIECE.min(length - first)];
        copy(first, piece);
        #[cfg(target_endian = "little")]
        file.write_all(bytemuck::cast_slice(piece))?;
        #[cfg(target_endian = "big")]
        piece.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
    }
    Ok(())
}

/// Reads a checkpoint into the parameters of the main model and its companions, where one of this run is found.
///
/// # Errors
/// When the file is there but is not a whole checkpoint for these parameters.
pub fn load(path: &Path, fingerprint: &str, models: &[Trained<'_>]) -> Result<Found> {
    if !path.exists() {
        return Ok(Found::Nothing);
    }
    let mut file = BufReader::new(File::open(path).map_err(FileError::read(path))?);
    let header = match read_header(path, &mut file)? {
        Ok(header) => header,
        Err(version) => return Ok(Found::Older(version)),
    };
    if header.fingerprint != fingerprint {
        return Ok(Found::Other);
    }
    let wrong = |problem: String| Error::Checkpoint { path: path.to_path_buf(), problem };
    let kept = [(header.elements, header.optimizer_steps)].into_iter().chain(header.companions.clone());
    let kept: Vec<(usize, u64)> = kept.collect();
    if kept.len() != models.len() {
        return Err(wrong(format!("it holds {} models, the run trains {}", kept.len(), models.len())));
    }
    let mut found = Vec::new();
    for (&(elements, steps), (parameters, optimizer)) in kept.iter().zip(models) {
        if header.optimizer != optimizer.kind() {
            let [of, by] = [header.optimizer, optimizer.kind()].map(OptimizerKind::name);
            return Err(wrong(format!("it holds the state of {of}, the run trains by {by}")));
        }
        if elements != parameters.length() {
            let has = parameters.length();
            return Err(wrong(format!("it holds {elements} weights, the model has {has}")));
        }
        found.push((read_blocks(path, &mut file, elements)?, steps));
    }
    if file.read(&mut [0]).map_err(FileError::read(path))? != 0 {
        return Err(wrong("it goes on after its last block".into()));
    }
    let taken = found.iter().zip(models).map(|(([values, first, second], steps), (parameters, _))| {
        parameters.from_host(values);
        let state = OptimizerState::from_host(parameters, *steps, [first, second]);
        state.expect("the blocks are as long as the parameters")
    });
    Ok(Found::Checkpoint(Box::new(header), taken.collect()))
}

/// The three blocks of one model.
fn read_blocks(path: &Path, file: &mut impl Read, elements: usize) -> Result<[Vec<f32>; 3]> {
    let mut block = || -> Result<Vec<f32>> {
        let mut values = vec![0.0_f32; elements];
        let short = |_| Error::Checkpoint {
            path: path.to_path_buf(),
            problem: format!("it ends before its three blocks of {elements} numbers do"),
        };
        file.read_exact(bytemuck::cast_slice_mut(&mut values)).map_err(short)?;
        #[cfg(target_endian = "big")]
        values.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        Ok(values)
    };
    Ok([block()?, block()?, block()?])
}

/// The header, or the version of an older format.
fn read_header(path: &Path, file: &mut impl Read) -> Result<Result<Header, u32>> {
    let wrong = |problem: &str| Error::Checkpoint { path: path.to_path_buf(), problem: problem.into() };
    let mut start = [0; 16];
    file.read_exact(&mut start).map_err(|_| wrong("it is shorter than its header"))?;
    let word = |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    if &start[..8] != MAGIC {
        return Err(wrong("it does not begin with NUWACKPT"));
    }
    if (1..VERSION).contains(&word(8)) {
        return Ok(Err(word(8)));
    }
    if word(8) != VERSION {
        return Err(wrong(&format!("its version is {}, this program reads {VERSION}", word(8))));
    }
    let mut json = Vec::new();
    let length = u64::from(word(12)).min(LONGEST_HEADER);
    file.take(length).read_to_end(&mut json).map_err(FileError::read(path))?;
    let header = serde_json::from_slice(&json);
    header.map(Ok).map_err(|error| wrong(&format!("its header is not valid: {error}")))
}
