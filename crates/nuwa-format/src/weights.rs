//! Where the weights of a model are: in safetensors files, or in a GGUF file, whose tensors are given the names, the shapes and the
//! order of rows that they have at Hugging Face.

use std::ops::Range;
use std::path::Path;

use nuwa_files::gguf::is_gguf;
use nuwa_models::TensorName;
use nuwa_tensor::{DType, QuantisedRows};

use crate::gguf::tensors::Tensors;
use crate::tensor_files::TensorFiles;
pub use crate::tensor_files::{WEIGHTS, write};
use crate::{Result, config};

/// The tensors of a model by their names at Hugging Face.
#[derive(Debug)]
pub enum Weights {
    Safetensors(TensorFiles),
    Gguf(Tensors),
}

impl Weights {
    /// Reads what a model folder, or a GGUF file, says of its tensors.
    pub fn open(model: &Path) -> Result<Self> {
        if is_gguf(model) {
            let config = config::load_config(model)?;
            return Ok(Self::Gguf(Tensors::open(model, &config)?));
        }
        TensorFiles::open(model).map(Self::Safetensors)
    }

    /// Reads the header of one safetensors file.
    pub fn open_file(path: &Path) -> Result<Self> {
        TensorFiles::open_file(path).map(Self::Safetensors)
    }

    /// The file that messages name.
    pub fn path(&self) -> &Path {
        match self {
            Self::Safetensors(files) => files.path(),
            Self::Gguf(tensors) => tensors.path(),
        }
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Safetensors(files) => files.names().collect(),
            Self::Gguf(tensors) => tensors.names().collect(),
        }
    }

    /// The shape of a tensor, where there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Safetensors(files) => files.shape(name),
            Self::Gguf(tensors) => tensors.shape(name),
        }
    }

    /// How many numbers all tensors hold.
    pub fn elements(&self) -> u64 {
        match self {
            Self::Safetensors(files) => files.elements(),
            Self::Gguf(tensors) => tensors.elements(),
        }
    }

    /// The dtype that keeps its matrices as they are: bf16 where each is of bf16, else `f32`.
    pub fn dtype(&self) -> DType {
        match self {
            Self::Safetensors(files) => files.dtype(),
            Self::Gguf(tensors) => tensors.dtype(),
        }
    }

    /// An error unless the numbers of a tensor are of a kind that is read.
    pub fn check_kind(&self, name: &str) -> Result<()> {
        match self {
            Self::Safetensors(files) => files.check_kind(name),
            Self::Gguf(tensors) => tensors.check_kind(name),
        }
    }

    /// The blocks that a parameter is made of, where a file holds all of it quantised.
    pub fn blocks(&self, name: &TensorName) -> Result<Option<Vec<QuantisedRows>>> {
        match self {
            Self::Safetensors(_) => Ok(None),
            Self::Gguf(tensors) => tensors.blocks(name),
        }
    }

    /// The numbers of a tensor, all of them finite.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        self.read_part(name, None)
    }

    /// The same of these elements alone, where some are named.
    pub fn read_part(&mut self, name: &str, elements: Option<Range<usize>>) -> Result<Vec<f32>> {
        match self {
            Self::Safetensors(files) => files.read_part(name, elements),
            Self::Gguf(tensors) => tensors.read_part(name, elements),
        }
    }
}
