//! The tensors of a file under the names, with the shapes and in the order of rows that they have at Hugging Face.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nuwa_files::Error as FileError;
use nuwa_files::gguf::TensorPlace;
use nuwa_models::{ModelConfig, RowOrder, TensorName};
use nuwa_tensor::{Bytes, DType, QuantisedRows};

use super::families::Architecture;
use super::kept::Kept;
use super::metadata::Metadata;
use super::rope::DIVISORS;
use crate::tensor_files::check_finite;
use crate::{Error, Result};

/// The tensors of a file, mapped into memory.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    files: Vec<Bytes>,
    tensors: Vec<TensorPlace>,
    /// By their names at Hugging Face; those that the model has no place for by their own.
    places: BTreeMap<String, Place>,
}

/// Where the numbers of a tensor are, and how they lie there.
#[derive(Debug)]
struct Place {
    tensor: usize,
    /// The rows of it, of the length of its last axis.
    rows: Range<usize>,
    /// The shape at Hugging Face.
    shape: Vec<usize>,
    /// The length of a row of the parameter; 1 of a vector.
    columns: usize,
    form: Form,
}

/// How numbers lie in a file, seen from Hugging Face.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// As there.
    Same,
    /// The transpose.
    Transposed,
    /// In each head of so many rows, row `2 i + p` is row `i + p * rows / 2` there.
    Pairs(usize),
    /// In the order of the parameter here.
    Ordered(RowOrder),
}

impl Tensors {
    pub fn open(path: &Path, config: &ModelConfig) -> Result<Self> {
        let metadata = Metadata::open(path)?;
        let architecture = Architecture::of_file(&metadata)?;
        let files = metadata.file().files().iter().map(|path| map(path)).collect::<Result<Vec<_>>>()?;
        let tensors = metadata.file().tensors().to_vec();
        let mut found = Self { path: path.to_path_buf(), files, tensors, places: BTreeMap::new() };
        found.check_places()?;
        found.place_all(architecture, config)?;
        Ok(found)
    }

    /// A file may have been cut between being read and being mapped.
    fn check_places(&self) -> Result<()> {
        let is_within = |tensor: &&TensorPlace| self.bytes(tensor).is_some();
        match self.tensors.iter().find(|tensor| !is_within(tensor)) {
            None => Ok(()),
            Some(tensor) => {
                Err(Error::invalid(&self.path, format!("tensor {} is not within the file", tensor.name)))
            }
        }
    }

    fn bytes(&self, tensor: &TensorPlace) -> Option<Bytes> {
        let start = usize::try_from(tensor.start).ok()?;
        let end = start.checked_add(usize::try_from(tensor.length).ok()?)?;
        self.files[tensor.file].slice(start..end)
    }

    fn place_all(&mut self, architecture: &Architecture, config: &ModelConfig) -> Result<()> {
        let by_name: BTreeMap<&str, usize> =
            self.tensors.iter().enumerate().map(|(index, tensor)| (tensor.name.as_str(), index)).collect();
        // Each layer has tensors: a number of layers beyond that would only make a list of names.
        if config.layers() > self.tensors.len() {
            let tensor = format!("blk.{}.attn_norm.weight", config.layers() - 1);
            return Err(Error::MissingTensor { path: self.path.clone(), tensor });
        }
        let (mut places, mut used) = (BTreeMap::new(), vec![false; self.tensors.len()]);
        for name in config.names() {
            let mut first_row = 0;
            for (there, rows) in &name.parts {
                let part = Part { there, rows: *rows, first_row };
                let place = self.place(architecture, config, &by_name, &name, &part)?;
                first_row += rows;
                used[place.tensor] = true;
                places.insert(there.clone(), place);
            }
        }
        for (index, tensor) in self.tensors.iter().enumerate().filter(|(index, _)| !used[*index]) {
            if tensor.name != DIVISORS {
                let rows = 0..tensor.shape[..tensor.shape.len() - 1].iter().product();
                let place =
                    Place { tensor: index, rows, shape: tensor.shape.clone(), columns: 1, form: Form::Same };
                places.insert(tensor.name.clone(), place);
            }
        }
        self.places = places;
        Ok(())
    }

    fn place(
        &self,
        architecture: &Architecture,
        config: &ModelConfig,
        by_name: &BTreeMap<&str, usize>,
        name: &TensorName,
        part: &Part<'_>,
    ) -> Result<Place> {
        let own = (architecture.names)(config).of(part.there);
        let missing = |tensor: String| Error::MissingTensor { path: self.path.clone(), tensor };
        let own = own.ok_or_else(|| missing(part.there.to_string()))?;
        let matrix: Vec<usize> = [part.rows].into_iter().chain(name.columns).collect();
        let (index, rows, is_whole) = match by_name.get(own.tensor.as_str()) {
            Some(&index) => match own.expert {
                // A vector is one row.
                None if name.columns.is_none() => (index, 0..1, true),
                None => (index, 0..part.rows, true),
                Some(expert) => (index, expert * part.rows..(expert + 1) * part.rows, false),
            },
            None => {
                let fused = self.fused(&own.tensor, by_name, name);
                (fused.ok_or_else(|| missing(own.tensor.clone()))?, part.range(), false)
            }
        };
        self.check_shape(index, &rows, &matrix, is_whole)?;
        let form = match () {
            () if name.transposed => Form::Transposed,
            () if !name.order.0.is_empty() => Form::Ordered(name.order.clone()),
            () if architecture.turns_pairs && is_turned(part.there) => Form::Pairs(head_rows(config, part)),
            () => Form::Same,
        };
        Ok(Place {
            tensor: index,
            rows,
            shape: name.shape(part.rows),
            columns: name.columns.unwrap_or(1),
            form,
        })
    }

    /// Queries, keys and values may be one tensor.
    fn fused(&self, tensor: &str, by_name: &BTreeMap<&str, usize>, name: &TensorName) -> Option<usize> {
        let of_three = ["attn_q.", "attn_k.", "attn_v."].iter().find(|part| tensor.contains(*part))?;
        name.columns?;
        by_name.get(tensor.replace(of_three, "attn_qkv.").as_str()).copied()
    }

    /// An error unless `rows` of that tensor are the numbers of a matrix or vector of this shape, and all that it holds where it
    /// `is_whole`.
    fn check_shape(
        &self,
        index: usize,
        rows: &Range<usize>,
        expected: &[usize],
        is_whole: bool,
    ) -> Result<()> {
        let tensor = &self.tensors[index];
        let (width, outer) = tensor.shape.split_last().unwrap_or((&0, &[]));
        let fits = match is_whole {
            true => tensor.shape == expected,
            false => Some(width) == expected.last() && rows.end <= outer.iter().product::<usize>(),
        };
        if fits {
            return Ok(());
        }
        let reason = format!(
            "tensor {} has the shape {:?}, but the keys ask for {expected:?}",
            tensor.name, tensor.shape
        );
        Err(Error::invalid(&self.path, reason))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.places.get(name).map(|place| &place.shape[..])
    }

    pub fn elements(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum()
    }

    /// The dtype that keeps its matrices as they are: bf16 where each is of bf16, else `f32`.
    pub fn dtype(&self) -> DType {
        let mut matrices = self.tensors.iter().filter(|tensor| tensor.shape.len() > 1).peekable();
        let is_narrow = matrices.peek().is_some() && matrices.all(|tensor| tensor.kind.name == "BF16");
        if is_narrow { DType::Bf16 } else { DType::F32 }
    }

    pub fn check_kind(&self, name: &str) -> Result<()> {
        match self.places.get(name).map(|place| &self.tensors[place.tensor]) {
            Some(tensor) if Kept::of(tensor.kind).is_none() => {
                let reason = format!("tensor {} is kept as {}, which is not read", tensor.name, tensor.kind);
                let hint = "take a file of one of these types: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K or IQ4_NL";
                Err(Error::unsupported(&self.path, reason, hint))
            }
            _ => Ok(()),
        }
    }

    /// The numbers of a tensor, all of them finite, or these elements of it alone.
    pub fn read_part(&self, name: &str, elements: Option<Range<usize>>) -> Result<Vec<f32>> {
        self.check_kind(name)?;
        let place = self.places.get(name);
        let missing = || Error::MissingTensor { path: self.path.clone(), tensor: name.to_string() };
        let place = place.ok_or_else(missing)?;
        let numbers = place.form.there(self.rows(place)?, place.columns);
        Ok(match elements {
            Some(elements) => numbers.get(elements).unwrap_or_default().to_vec(),
            None => numbers,
        })
    }

    /// The blocks that a parameter is made of, where all of it is quantised.
    pub fn blocks(&self, name: &TensorName) -> Result<Option<Vec<QuantisedRows>>> {
        if name.columns.is_none() {
            return Ok(None);
        }
        let parts = name.parts.iter().map(|(there, _)| self.quantised(there));
        Ok(parts.collect::<Result<Vec<_>>>()?.into_iter().collect())
    }

    /// The rows of a tensor, where they are quantised.
    fn quantised(&self, there: &str) -> Result<Option<QuantisedRows>> {
        let Some(place) = self.places.get(there) else { return Ok(None) };
        let tensor = &self.tensors[place.tensor];
        let Some(Kept::Blocks(block)) = Kept::of(tensor.kind) else { return Ok(None) };
        let bytes = self.row_bytes(place)?;
        if let Some(number) = block.first_infinite(&bytes) {
            let reason =
                format!("tensor {} has a scale that is no finite number, in block {number}", tensor.name);
            return Err(Error::invalid(&self.path, reason));
        }
        let rows = QuantisedRows::new(block, place.rows.len(), place.columns, bytes);
        Ok(Some(match place.form {
            Form::Pairs(head) => rows.ordered(halves_in_pairs(place.rows.len(), head)),
            // The others are in the order of the parameter here.
            Form::Same | Form::Transposed | Form::Ordered(_) => rows,
        }))
    }

    /// The bytes of a place.
    fn row_bytes(&self, place: &Place) -> Result<Bytes> {
        let tensor = &self.tensors[place.tensor];
        let row = tensor.kind.length(&tensor.shape[tensor.shape.len() - 1..]).unwrap_or(0) as usize;
        let bytes = self.bytes(tensor).and_then(|bytes| {
            bytes.slice(place.rows.start.checked_mul(row)?..place.rows.end.checked_mul(row)?)
        });
        bytes.ok_or_else(|| {
            Error::invalid(&self.path, format!("tensor {} is not within the file", tensor.name))
        })
    }

    /// The numbers of a place as they lie in the file.
    fn rows(&self, place: &Place) -> Result<Vec<f32>> {
        let tensor = &self.tensors[place.tensor];
        let width = tensor.shape.last().copied().unwrap_or(0);
        let bytes = self.row_bytes(place)?;
        let mut numbers = vec![0.0; place.rows.len() * width];
        if let Some(kept) = Kept::of(tensor.kind) {
            kept.read(&bytes, &mut numbers);
        }
        check_finite(&self.path, &tensor.name, &numbers)?;
        Ok(numbers)
    }
}

/// A tensor at Hugging Face as a part of a parameter.
struct Part<'a> {
    there: &'a str,
    rows: usize,
    first_row: usize,
}

impl Part<'_> {
    /// Its rows in the parameter.
    fn range(&self) -> Range<usize> {
        self.first_row..self.first_row + self.rows
    }
}

fn map(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(FileError::read(path))?;
    Ok(Bytes::map(&file).map_err(FileError::read(path))?)
}

/// Whether it belongs to queries or keys.
pub fn is_turned(there: &str) -> bool {
    [".q_proj.", ".k_proj."].iter().any(|part| there.contains(part))
}

/// The rows of a head of queries or keys.
fn head_rows(config: &ModelConfig, part: &Part<'_>) -> usize {
    let [heads, kv_heads] = config.heads();
    let heads = if part.there.contains(".q_proj.") { heads } else { kv_heads };
    part.rows / heads.max(1)
}

impl Form {
    /// Numbers in rows of this length as they lie at Hugging Face.
    fn there(&self, own: Vec<f32>, columns: usize) -> Vec<f32> {
        match self {
            Self::Same => own,
            Self::Transposed => {
                (0..columns).flat_map(|c| own.iter().skip(c).step_by(columns).copied()).collect()
            }
            Self::Pairs(rows) => pairs_to_halves(&own, *rows, columns),
            Self::Ordered(order) => order.there(&own, columns),
        }
    }
}

/// Of each row here, which row it is in a file where heads of `head` rows are in pairs: row `i + p * head / 2` is `2 i + p`.
fn halves_in_pairs(rows: usize, head: usize) -> Vec<u32> {
    let place = |row: usize| {
        let (first, row) = (row / head * head, row % head);
        (first + 2 * (row % (head / 2)) + row / (head / 2)) as u32
    };
    (0..rows).map(place).collect()
}

/// In each head, row `2 i + p` goes to `i + p * rows / 2`. A head has `rows` rows of `width` numbers.
pub fn pairs_to_halves(own: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(own.len());
    for head in own.chunks(rows * width) {
        for row in 0..rows {
            let from = 2 * (row % (rows / 2)) + row / (rows / 2);
            turned.extend_from_slice(&head[from * width..(from + 1) * width]);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_rows_is_what_turning_them_does() {
        let (rows, head) = (24, 8);
        let own: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        let order = halves_in_pairs(rows, head);
        let taken: Vec<f32> = order.iter().map(|&row| own[row as usize]).collect();
        assert_eq!(taken, pairs_to_halves(&own, head, 1));
        assert_eq!(order[..8], [0, 2, 4, 6, 1, 3, 5, 7]);
    }
}
