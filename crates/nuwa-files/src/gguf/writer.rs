//! Writing a file, which appears under its name when it has been found good.

use std::io::{self, Write};
use std::path::Path;

use super::reader::ALIGNMENT;
use super::value::write_text;
use super::{MAGIC, TensorType, Value};
use crate::{AtomicFile, Error, Result};

/// The version that is written.
const VERSION: u32 = 3;

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTensor {
    /// Its name, of at most 63 bytes.
    pub name: String,
    /// The lengths of its axes, the outermost first.
    pub shape: Vec<usize>,
    /// How its numbers are kept.
    pub kind: TensorType,
}

impl NewTensor {
    /// How many bytes it has.
    fn length(&self, path: &Path) -> Result<u64> {
        let Self { name, shape, kind } = self;
        let wrong =
            || Error::damage(path, format!("tensor {name} of the shape {shape:?} cannot be kept as {kind}"));
        kind.length(shape).ok_or_else(wrong)
    }
}

/// A file that is written whole, under a temporary name.
#[derive(Debug)]
pub struct Unconfirmed {
    file: AtomicFile,
}

impl Unconfirmed {
    /// Where it is for now: to be read and held against what it was made from.
    pub fn path(&self) -> &Path {
        self.file.temporary()
    }

    /// Gives it its name. Dropped without that it leaves nothing behind.
    ///
    /// # Errors
    /// When the disk is full, or it cannot be renamed.
    pub fn confirm(self) -> Result<()> {
        self.file.commit()
    }
}

/// Writes `values` and `tensors` to what becomes `path`; `data` appends the bytes of the tensor of that number.
///
/// # Errors
/// When the file cannot be written, a tensor has no such form, or `data` fails or gives another number of bytes.
pub fn write<E: From<Error>>(
    path: &Path,
    values: &[(String, Value)],
    tensors: &[NewTensor],
    mut data: impl FnMut(usize, &mut Vec<u8>) -> Result<(), E>,
) -> Result<Unconfirmed, E> {
    let mut file = AtomicFile::create(path)?;
    let lengths = tensors.iter().map(|tensor| tensor.length(path)).collect::<Result<Vec<u64>>>()?;
    let mut head = Vec::new();
    write_head(&mut head, values, tensors, &lengths).map_err(Error::write(path))?;
    pad(&mut head);
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(Error::write(path));
    put(&head)?;
    for (number, length) in lengths.into_iter().enumerate() {
        let mut bytes = Vec::new();
        data(number, &mut bytes)?;
        if bytes.len() as u64 != length {
            let problem =
                format!("tensor {} has {} bytes, expected {length}", tensors[number].name, bytes.len());
            return Err(Error::damage(path, problem).into());
        }
        pad(&mut bytes);
        put(&bytes)?;
    }
    file.flush().map_err(Error::write(path))?;
    Ok(Unconfirmed { file })
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

fn write_head(
    out: &mut Vec<u8>,
    values: &[(String, Value)],
    tensors: &[NewTensor],
    lengths: &[u64],
) -> io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&(tensors.len() as u64).to_le_bytes())?;
    out.write_all(&(values.len() as u64).to_le_bytes())?;
    for (key, value) in values {
        write_text(out, key)?;
        value.write(out)?;
    }
    let mut offset = 0;
    for (tensor, length) in tensors.iter().zip(lengths) {
        write_text(out, &tensor.name)?;
        out.write_all(&(tensor.shape.len() as u32).to_le_bytes())?;
        for axis in tensor.shape.iter().rev() {
            out.write_all(&(*axis as u64).to_le_bytes())?;
        }
        out.write_all(&tensor.kind.id.to_le_bytes())?;
        out.write_all(&u64::to_le_bytes(offset))?;
        offset += length.next_multiple_of(ALIGNMENT);
    }
    Ok(())
}
