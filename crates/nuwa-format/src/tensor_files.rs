//! safetensors files: an 8-byte length, a JSON header with the kind, shape and place of each tensor, then the numbers.
//!
//! Read one tensor at a time, so that memory holds the model and one tensor; written in the order of names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use nuwa_files::{AtomicFile, Error as FileError};
use nuwa_tensor::DType;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use crate::{Error, Result};

pub const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Longer headers than any file of weights has (some hundred thousand tensors): read, they take many times that.
const LONGEST_HEADER: u64 = 25_000_000;
/// A longer list of tensors than any model has.
const LONGEST_INDEX: u64 = 50_000_000;

/// The tensors of a model folder, in one file or in several.
#[derive(Debug)]
pub struct TensorFiles {
    path: PathBuf,
    files: Vec<(PathBuf, File)>,
    tensors: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Place {
    file: usize,
    start: u64,
    length: usize,
    kind: Dtype,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl TensorFiles {
    /// Reads the headers of the weights in `folder`, and makes sure that the files are as long as they say.
    pub fn open(folder: &Path) -> Result<Self> {
        let (single, index) = (folder.join(WEIGHTS), folder.join(INDEX));
        if single.exists() {
            return Self::open_file(&single);
        }
        if index.exists() {
            return Self::open_shards(index);
        }
        let names = names_in(folder)?;
        let parts: Vec<&String> = names.iter().filter(|name| part_of(name).is_some()).collect();
        if !parts.is_empty() {
            return Self::open_parts(folder, &parts);
        }
        Err(no_weights(folder, &names))
    }

    /// Reads parts that have no index: each file's header says what it holds, each name how many parts there are.
    fn open_parts(folder: &Path, names: &[&String]) -> Result<Self> {
        let mut weights = Self { path: folder.to_path_buf(), files: Vec::new(), tensors: BTreeMap::new() };
        let (_, count) = part_of(names[0]).expect("these are names of parts");
        let of_others = names.iter().find(|name| part_of(name).is_some_and(|(_, other)| other != count));
        if let Some(other) = of_others {
            let reason = format!("it holds parts of two models, {} and {other}", names[0]);
            return Err(Error::invalid(folder, reason));
        }
        for number in 1..=count {
            let Some(name) = names.iter().find(|name| part_of(name) == Some((number, count))) else {
                let missing = format!("model-{number:05}-of-{count:05}.safetensors");
                let because = format!("{} says that there are {count} parts", names[0]);
                return Err(Error::MissingFile { folder: folder.to_path_buf(), missing, because });
            };
            weights.add_file(folder.join(name))?;
        }
        Ok(weights)
    }

    /// Reads the header of one file.
    pub fn open_file(path: &Path) -> Result<Self> {
        let mut weights = Self { path: path.to_path_buf(), files: Vec::new(), tensors: BTreeMap::new() };
        weights.add_file(path.to_path_buf())?;
        Ok(weights)
    }

    fn open_shards(path: PathBuf) -> Result<Self> {
        let Index { weight_map } = nuwa_files::read_json_at_most(&path, LONGEST_INDEX)?;
        let mut weights = Self { path: path.clone(), files: Vec::new(), tensors: BTreeMap::new() };
        for name in weight_map.values().collect::<BTreeSet<_>>() {
            // A shard lies beside its index; anything else would let a model read other files.
            if Path::new(name).file_name().is_none_or(|own| own != name.as_str()) {
                return Err(Error::invalid(
                    &path,
                    format!("shard {name:?} is not the name of a file beside it"),
                ));
            }
            let file = path.with_file_name(name);
            if !file.exists() {
                let folder = path.parent().unwrap_or(&path).to_path_buf();
                let because = format!("{INDEX} names it");
                return Err(Error::MissingFile { folder, missing: name.clone(), because });
            }
            weights.add_file(file)?;
        }
        match weight_map.keys().find(|tensor| !weights.tensors.contains_key(*tensor)) {
            Some(tensor) => Err(Error::MissingTensor { path, tensor: tensor.clone() }),
            None => Ok(weights),
        }
    }

    fn add_file(&mut self, path: PathBuf) -> Result<()> {
        let mut file = File::open(&path).map_err(FileError::read(&path))?;
        let found = file.metadata().map_err(FileError::read(&path))?.len();
        let (start, metadata) = read_header(&path, &mut file, found)?;
        let expected = u128::from(start) + metadata.data_len() as u128;
        if expected != u128::from(found) {
            return Err(Error::Length { path, expected, found });
        }
        for (name, info) in metadata.tensors() {
            let (first, end) = info.data_offsets;
            let place = Place {
                file: self.files.len(),
                start: start + first as u64,
                length: end - first,
                kind: info.dtype,
                shape: info.shape.clone(),
            };
            if self.tensors.insert(name.clone(), place).is_some() {
                return Err(Error::invalid(&path, format!("tensor {name} is in another shard already")));
            }
        }
        self.files.push((path, file));
        Ok(())
    }

    /// The file that messages name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, where there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|place| &place.shape[..])
    }

    /// How many numbers all tensors hold.
    pub fn elements(&self) -> u64 {
        self.tensors.values().map(|place| place.shape.iter().product::<usize>() as u64).sum()
    }

    /// The dtype that keeps its matrices as they are: bf16 where each is of bf16, else `f32`.
    pub fn dtype(&self) -> DType {
        let mut matrices = self.tensors.values().filter(|place| place.shape.len() > 1).peekable();
        let is_narrow = matrices.peek().is_some() && matrices.all(|place| place.kind == Dtype::BF16);
        if is_narrow { DType::Bf16 } else { DType::F32 }
    }

    /// An error unless the numbers of a tensor are of a kind that is read.
    pub fn check_kind(&self, name: &str) -> Result<()> {
        match self.tensors.get(name) {
            Some(place) if numbers(place.kind, &[]).is_none() => Err(self.wrong_kind(name, place)),
            _ => Ok(()),
        }
    }

    fn wrong_kind(&self, name: &str, place: &Place) -> Error {
        let (path, found) = (self.files[place.file].0.clone(), format!("{:?}", place.kind));
        Error::Kind { path, tensor: name.to_string(), found }
    }

    /// The numbers of a tensor, all of them finite, or of these elements of it alone.
    pub fn read_part(&mut self, name: &str, elements: Option<Range<usize>>) -> Result<Vec<f32>> {
        let missing = || Error::MissingTensor { path: self.path.clone(), tensor: name.to_string() };
        let place = self.tensors.get(name).ok_or_else(missing)?;
        self.check_kind(name)?;
        let (path, file) = &mut self.files[place.file];
        let size = place.length / place.shape.iter().product::<usize>().max(1);
        let part = elements.map_or(0..place.length, |part| part.start * size..part.end * size);
        let mut bytes = vec![0; part.len()];
        file.seek(SeekFrom::Start(place.start + part.start as u64)).map_err(FileError::read(path))?;
        file.read_exact(&mut bytes).map_err(FileError::read(path))?;
        let numbers = numbers(place.kind, &bytes).unwrap_or_default();
        check_finite(path, name, &numbers)?;
        Ok(numbers)
    }
}

/// The names of the files in `folder`, sorted.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FileError::read(folder))? {
        let entry = entry.map_err(FileError::read(folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Of `model-00001-of-00002.safetensors` 1 and 2.
fn part_of(name: &str) -> Option<(usize, usize)> {
    let numbers = name.strip_prefix("model-")?.strip_suffix(".safetensors")?;
    let (number, count) = numbers.split_once("-of-")?;
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    (1..=count).contains(&number).then_some((number, count))
}

/// Why there are no weights that could be read, as far as the names of the files say.
fn no_weights(folder: &Path, names: &[String]) -> Error {
    let ends =
        |endings: &[&str]| names.iter().find(|name| endings.iter().any(|ending| name.ends_with(ending)));
    let pickled = ends(&[".bin", ".pt", ".pth", ".ckpt", ".bin.index.json"]);
    if let Some(name) = ends(&[".safetensors"]).filter(|name| !name.starts_with("adapter")) {
        let reason = format!("its weights are called {name}, expected {WEIGHTS}");
        return Error::unsupported(
            folder,
            reason,
            "if they are the weights of config.json beside them, rename the file",
        );
    }
    if let (Some(name), None) = (ends(&[".gguf"]), pickled) {
        let reason = format!("it holds no {WEIGHTS}, but {name}, which is a whole model by itself");
        return Error::unsupported(folder, reason, "name the GGUF file and not its folder");
    }
    if let (Some(name), None) = (ends(&[".ggml", ".h5", ".msgpack", ".onnx", ".npz"]), pickled) {
        let reason = format!("weights in the form of {name} are not supported, only {WEIGHTS} is");
        return Error::unsupported(
            folder,
            reason,
            "take the model's folder in Hugging Face's form, with safetensors files",
        );
    }
    Error::NotAModel { folder: folder.to_path_buf(), missing: WEIGHTS, pickled: pickled.is_some() }
}

/// The beginning of what Git leaves in place of a large file that was not fetched.
const POINTER: &[u8] = b"version https://git-lfs";

/// Where the numbers begin, and what the header says of them.
fn read_header(path: &Path, file: &mut File, found: u64) -> Result<(u64, Metadata)> {
    let mut length = [0; 8];
    if found < length.len() as u64 {
        let reason = format!("it has {found} bytes, a safetensors file has at least 8");
        return Err(Error::invalid(path, reason));
    }
    file.read_exact(&mut length).map_err(FileError::read(path))?;
    if POINTER.starts_with(&length) {
        let reason = "it is a pointer of Git LFS, not the weights themselves";
        return Err(Error::unsupported(
            path,
            reason,
            "fetch the file itself, in the folder that was cloned: git lfs pull",
        ));
    }
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        let reason = format!("its first 8 bytes say that its header has {length} bytes: no safetensors file");
        return Err(Error::invalid(path, reason));
    }
    if 8 + length > found {
        return Err(Error::Length { path: path.to_path_buf(), expected: u128::from(8 + length), found });
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(FileError::read(path))?;
    let metadata = serde_json::from_slice(&header)
        .map_err(|error| Error::invalid(path, format!("its header of {length} bytes: {error}")))?;
    Ok((8 + length, metadata))
}

fn numbers(kind: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let words = || bytes.as_chunks::<2>().0.iter().copied();
    match kind {
        Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()),
        Dtype::F64 => {
            Some(bytes.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word) as f32).collect())
        }
        Dtype::F16 => Some(words().map(|word| f16::from_le_bytes(word).to_f32()).collect()),
        Dtype::BF16 => Some(words().map(|word| bf16::from_le_bytes(word).to_f32()).collect()),
        _ => None,
    }
}

/// An error naming the first number that is NaN or infinite.
pub fn check_finite(path: &Path, tensor: &str, numbers: &[f32]) -> Result<()> {
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            path: path.to_path_buf(),
            tensor: tensor.to_string(),
            index,
            value: numbers[index],
        }),
    }
}

/// Writes tensors of f32, given as name and shape, whose numbers `values` tells by their index in `tensors`.
pub fn write(
    path: &Path,
    tensors: &[(&str, &[usize])],
    mut values: impl FnMut(usize) -> Vec<f32>,
) -> Result<()> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&index| tensors[index].0);
    let header = header(path, order.iter().map(|&index| tensors[index]))?;
    let mut file = AtomicFile::create(path)?;
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(FileError::write(path));
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for index in order {
        let bytes: Vec<u8> = values(index).into_iter().flat_map(f32::to_le_bytes).collect();
        put(&bytes)?;
    }
    Ok(file.commit()?)
}

fn header<'a>(path: &Path, tensors: impl Iterator<Item = (&'a str, &'a [usize])>) -> Result<Vec<u8>> {
    let mut start = 0;
    let info = |(name, shape): (&str, &[usize])| {
        let end = start + size_of::<f32>() * shape.iter().product::<usize>();
        let info = TensorInfo { dtype: Dtype::F32, shape: shape.to_vec(), data_offsets: (start, end) };
        start = end;
        (name.to_string(), info)
    };
    let tensors = tensors.map(info).collect();
    // transformers refuses files that do not name their origin.
    let origin = HashMap::from([("format".to_string(), "pt".to_string())]);
    let metadata =
        Metadata::new(Some(origin), tensors).map_err(|error| Error::invalid(path, error.to_string()))?;
    let mut header = serde_json::to_vec(&metadata)
        .map_err(|source| FileError::Json { path: path.to_path_buf(), source })?;
    // The numbers begin at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}
