//! The head of one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{MAGIC, TensorPlace, TensorType, Value};
use crate::{Error, Result};

/// Texts and other values that all keys together may hold: more than any vocabulary has, several times over.
const MOST_VALUES: u64 = 1 << 23;
/// The least bytes of a key with its value, and of a tensor's entry.
const LEAST_OF_KEY: u64 = 8 + 1 + 4 + 1;
const LEAST_OF_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;
const MOST_AXES: u32 = 4;
/// Where numbers begin is a multiple of this, where the file does not say otherwise.
pub const ALIGNMENT: u64 = 32;

/// What one file says.
pub struct Head {
    pub values: BTreeMap<String, Value>,
    pub tensors: Vec<TensorPlace>,
}

/// Reads from the beginning of a file, and knows how many bytes are left.
pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    position: u64,
    length: u64,
    values_left: u64,
    /// The key, or the tensor, that is being read.
    place: String,
}

/// A tensor before it is known where the numbers begin.
struct Entry {
    name: String,
    shape: Vec<usize>,
    kind: TensorType,
    offset: u64,
    length: u64,
}

pub fn read(path: &Path) -> Result<Head> {
    let file = File::open(path).map_err(Error::read(path))?;
    let length = file.metadata().map_err(Error::read(path))?.len();
    let input = BufReader::with_capacity(1 << 16, file);
    let place = "the header".into();
    let mut reader =
        Reader { path: path.into(), input, position: 0, length, values_left: MOST_VALUES, place };
    let [tensors, keys] = reader.counts()?;
    let values = reader.keys(keys)?;
    let entries = (0..tensors).map(|number| reader.entry(number)).collect::<Result<Vec<_>>>()?;
    let tensors = reader.placed(entries, alignment(path, &values)?)?;
    Ok(Head { values, tensors })
}

fn alignment(path: &Path, values: &BTreeMap<String, Value>) -> Result<u64> {
    match values.get("general.alignment") {
        None => Ok(ALIGNMENT),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => Ok((*alignment).into()),
        Some(other) => {
            let problem = format!("general.alignment is {}, expected a power of 2", other.described());
            Err(Error::damage(path, problem))
        }
    }
}

impl Reader {
    pub fn damage(&self, problem: String) -> Error {
        Error::damage(&self.path, format!("{} {problem}", self.place))
    }

    fn left(&self) -> u64 {
        self.length - self.position
    }

    /// An error unless so many bytes are left.
    fn expect(&self, bytes: u64) -> Result<()> {
        match bytes > self.left() {
            true => Err(self.damage(format!(
                "asks for {bytes} bytes where {} are left: the file is damaged or cut short",
                self.left()
            ))),
            false => Ok(()),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.expect(bytes.len() as u64)?;
        self.input.read_exact(bytes).map_err(Error::read(&self.path))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        self.expect(count)?;
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<String> {
        let length = self.u64()?;
        let bytes = self.bytes(length)?;
        String::from_utf8(bytes).map_err(|_| self.damage("holds a text that is not UTF-8".into()))
    }

    /// The bytes of `count` values of a list.
    pub fn values(&mut self, count: u64, bytes: usize) -> Result<Vec<u8>> {
        self.count_values(count)?;
        self.bytes(count.saturating_mul(bytes as u64))
    }

    pub fn texts(&mut self, count: u64) -> Result<Vec<String>> {
        self.count_values(count)?;
        self.expect(count.saturating_mul(8))?;
        (0..count).map(|_| self.text()).collect()
    }

    /// A value may take a byte in the file and more than twenty in memory.
    fn count_values(&mut self, count: u64) -> Result<()> {
        match self.values_left.checked_sub(count) {
            Some(left) => self.values_left = left,
            None => {
                let problem = format!("makes more than {MOST_VALUES} values in all, which no model has");
                return Err(self.damage(problem));
            }
        }
        Ok(())
    }

    /// The numbers of tensors and keys.
    fn counts(&mut self) -> Result<[u64; 2]> {
        if self.length < 4 || self.array()? != MAGIC {
            let problem = "it does not begin with GGUF".into();
            return Err(Error::form(&self.path, problem, "give a GGUF file, or the folder of a model"));
        }
        let version = self.u32()?;
        if version & 0xffff == 0 {
            let problem = "it is written for machines of the other byte order (big-endian)".into();
            return Err(Error::form(
                &self.path,
                problem,
                "take the file for usual machines, which are little-endian",
            ));
        }
        if !(2..=3).contains(&version) {
            let problem = format!("it is GGUF of version {version}, only 2 and 3 are read");
            return Err(Error::form(&self.path, problem, "convert the model again with a present llama.cpp"));
        }
        let (tensors, keys) = (self.u64()?, self.u64()?);
        for (what, count, least) in [("tensors", tensors, LEAST_OF_TENSOR), ("keys", keys, LEAST_OF_KEY)] {
            if count > self.left() / least {
                let problem = format!(
                    "says that there are {count} {what}, which its {} bytes cannot hold",
                    self.length
                );
                return Err(self.damage(problem));
            }
        }
        Ok([tensors, keys])
    }

    fn keys(&mut self, count: u64) -> Result<BTreeMap<String, Value>> {
        let mut values = BTreeMap::new();
        for number in 0..count {
            self.place = format!("key {number}");
            let key = self.text()?;
            if key.is_empty() {
                return Err(self.damage("has no name".into()));
            }
            self.place = format!("the key {}", shortened(&key));
            let value = Value::read(self)?;
            if values.insert(key, value).is_some() {
                return Err(self.damage("is there twice".into()));
            }
        }
        Ok(values)
    }

    fn entry(&mut self, number: u64) -> Result<Entry> {
        self.place = format!("tensor {number}");
        let name = self.text()?;
        self.place = format!("tensor {}", shortened(&name));
        let axes = self.u32()?;
        if !(1..=MOST_AXES).contains(&axes) {
            return Err(self.damage(format!("has {axes} axes, expected 1 to {MOST_AXES}")));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            let length = self.u64()?;
            let length = usize::try_from(length).ok().filter(|length| isize::try_from(*length).is_ok());
            shape.push(length.ok_or_else(|| self.damage("has an axis of an impossible length".into()))?);
        }
        shape.reverse();
        let id = self.u32()?;
        let kind = TensorType::of_id(id).ok_or_else(|| self.unknown(id))?;
        let offset = self.u64()?;
        let length = kind.length(&shape).ok_or_else(|| {
            self.damage(format!("of the type {kind} has the shape {shape:?}: expected rows of a multiple of {}, and no more than memory can hold", kind.width))
        })?;
        Ok(Entry { name, shape, kind, offset, length })
    }

    fn unknown(&self, id: u32) -> Error {
        match id {
            4 | 5 | 31..=33 | 36..=38 => Error::form(
                &self.path,
                format!("{} is of type {id}, which llama.cpp has given up", self.place),
                "take a file that was converted later",
            ),
            _ => self.damage(format!("is of type {id}, which is none that is known")),
        }
    }

    /// The tensors, all of them within the file.
    fn placed(&mut self, entries: Vec<Entry>, alignment: u64) -> Result<Vec<TensorPlace>> {
        let data = self.position.next_multiple_of(alignment);
        let mut names = std::collections::BTreeSet::new();
        let mut tensors = Vec::with_capacity(entries.len());
        for Entry { name, shape, kind, offset, length } in entries {
            self.place = format!("tensor {}", shortened(&name));
            if !names.insert(name.clone()) {
                return Err(self.damage("is there twice".into()));
            }
            if !offset.is_multiple_of(alignment) {
                return Err(self.damage(format!("begins at {offset}, expected a multiple of {alignment}")));
            }
            let start = data
                .checked_add(offset)
                .filter(|start| start.checked_add(length).is_some_and(|end| end <= self.length));
            let Some(start) = start else {
                let problem = format!(
                    "has {length} bytes from byte {offset} of {} on, but the file ends before: it is damaged or cut short",
                    self.length.saturating_sub(data)
                );
                return Err(self.damage(problem));
            };
            tensors.push(TensorPlace { name, shape, kind, file: 0, start, length });
        }
        Ok(tensors)
    }
}

/// A name, for messages.
fn shortened(name: &str) -> String {
    const SHOWN: usize = 80;
    match name.char_indices().nth(SHOWN) {
        None => name.escape_debug().to_string(),
        Some((end, _)) => format!("{}...", name[..end].escape_debug()),
    }
}
