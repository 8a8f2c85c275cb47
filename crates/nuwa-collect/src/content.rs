//! The bytes of a file or of an archive's member, to be read as often as needed, and how far they may expand.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nuwa_files::Expansion;
use nuwa_files::compressed::{self, BLOCK, Expanded, Reader};
use tempfile::{NamedTempFile, TempPath};

use super::settings::CollectSettings;

/// What must be parsed in one piece may have so many bytes.
pub(crate) const LARGEST_PAGE: u64 = 1 << 26;

/// Decompressed bytes up to which a file is held in memory.
const IN_MEMORY: u64 = 1 << 22;

/// Bytes that can be read from the start again and again.
pub(super) struct Content {
    bytes: Bytes,
    /// Whether a layer of compression may still lie around them.
    may_be_compressed: bool,
    /// How far into the decompressed bytes anyone has read: what is read again does not count again.
    expanded: Arc<AtomicU64>,
    /// Whether bytes that mean nothing stand behind the compressed ones.
    has_rest: Arc<AtomicBool>,
    budget: Arc<Budget>,
}

enum Bytes {
    Memory(Arc<[u8]>),
    /// A file of the user's.
    File(PathBuf),
    /// A copy that goes when it is no longer needed.
    Copy(TempPath),
}

/// Bytes among which a reader may jump.
pub(super) enum Seekable {
    Memory(Cursor<Arc<[u8]>>),
    File(File),
}

impl Content {
    pub fn file(path: &Path, budget: Arc<Budget>) -> Self {
        Self::new(Bytes::File(path.to_path_buf()), budget)
    }

    /// Bytes that are not compressed.
    pub fn memory(bytes: Vec<u8>) -> Self {
        let budget = Arc::new(Budget { used: AtomicU64::new(0), limit: u64::MAX });
        Self { may_be_compressed: false, ..Self::new(Bytes::Memory(bytes.into()), budget) }
    }

    /// A member of an archive, whose bytes come only once: held in memory, or copied into the folder `spool`.
    pub fn member(bytes: &mut dyn Read, budget: Arc<Budget>, spool: &Path) -> io::Result<Self> {
        let mut start = Vec::new();
        bytes.take(IN_MEMORY + 1).read_to_end(&mut start)?;
        if start.len() as u64 <= IN_MEMORY {
            return Ok(Self::new(Bytes::Memory(start.into()), budget));
        }
        fs::create_dir_all(spool)?;
        let mut copy = NamedTempFile::new_in(spool)?;
        copy.write_all(&start)?;
        drop(start);
        io::copy(bytes, &mut copy)?;
        Ok(Self::new(Bytes::Copy(copy.into_temp_path()), budget))
    }

    fn new(bytes: Bytes, budget: Arc<Budget>) -> Self {
        Self { bytes, may_be_compressed: true, expanded: Arc::default(), has_rest: Arc::default(), budget }
    }

    pub fn budget(&self) -> Arc<Budget> {
        self.budget.clone()
    }

    /// Whether what was read of it ended before its last byte.
    pub fn has_rest(&self) -> bool {
        self.has_rest.load(Ordering::Relaxed)
    }

    /// The decompressed bytes where they are at most `limit`.
    pub fn bytes_up_to(&self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.open()?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= limit).then_some(bytes))
    }

    /// Its decompressed bytes in memory where they are few.
    pub fn in_memory(&self) -> io::Result<Option<Self>> {
        let bytes = self.bytes_up_to(IN_MEMORY)?;
        Ok(bytes.map(|bytes| Self {
            bytes: Bytes::Memory(bytes.into()),
            may_be_compressed: false,
            expanded: self.expanded.clone(),
            has_rest: self.has_rest.clone(),
            budget: self.budget.clone(),
        }))
    }

    fn raw(&self) -> io::Result<Reader<'static>> {
        let path: &Path = match &self.bytes {
            Bytes::Memory(bytes) => return Ok(Box::new(Cursor::new(bytes.clone()))),
            Bytes::File(path) => path,
            Bytes::Copy(path) => path,
        };
        Ok(Box::new(BufReader::with_capacity(BLOCK, File::open(path)?)))
    }

    /// Whether a layer of compression lies around the bytes.
    pub fn is_compressed(&self) -> io::Result<bool> {
        Ok(self.may_be_compressed && matches!(compressed::expand(self.raw()?)?, Expanded::Decompressed(_)))
    }

    /// The decompressed bytes from the start.
    pub fn open(&self) -> io::Result<Reader<'static>> {
        if !self.may_be_compressed {
            return self.raw();
        }
        Ok(match compressed::expand_telling(self.raw()?, self.has_rest.clone())? {
            Expanded::Plain(reader) => reader,
            Expanded::Decompressed(inner) => {
                let (expanded, budget) = (self.expanded.clone(), self.budget.clone());
                Box::new(Counted { inner, position: 0, expanded, budget })
            }
        })
    }

    /// The decompressed bytes for one who must jump; `spool` takes a copy where there is no other way.
    pub fn seekable(&self, spool: &Path) -> io::Result<Seekable> {
        let is_plain =
            !self.may_be_compressed || matches!(compressed::expand(self.raw()?)?, Expanded::Plain(_));
        match &self.bytes {
            Bytes::Memory(bytes) if is_plain => return Ok(Seekable::Memory(Cursor::new(bytes.clone()))),
            Bytes::File(path) if is_plain => return Ok(Seekable::File(File::open(path)?)),
            Bytes::Copy(path) if is_plain => return Ok(Seekable::File(File::open(path)?)),
            _ => {}
        }
        if let Some(bytes) = self.bytes_up_to(IN_MEMORY)? {
            return Ok(Seekable::Memory(Cursor::new(bytes.into())));
        }
        fs::create_dir_all(spool)?;
        let mut copy = tempfile::tempfile_in(spool)?;
        io::copy(&mut self.open()?, &mut copy)?;
        copy.rewind()?;
        Ok(Seekable::File(copy))
    }
}

impl Seekable {
    /// The same bytes once more, from their start.
    pub fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Memory(bytes) => Self::Memory(Cursor::new(bytes.get_ref().clone())),
            Self::File(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Self::File(file)
            }
        })
    }
}

impl Read for Seekable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => bytes.read(out),
            Self::File(file) => file.read(out),
        }
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => bytes.seek(to),
            Self::File(file) => file.seek(to),
        }
    }
}

/// How many bytes a file may expand to, all of its layers and members together.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    limit: u64,
}

/// Whatever its size, a file may expand to this many bytes.
const ALWAYS_ALLOWED: u64 = 1 << 28;

impl Budget {
    /// For a file of `bytes` on the disk.
    pub fn of_file(bytes: u64, settings: &CollectSettings) -> Arc<Self> {
        let limit = bytes.saturating_mul(settings.largest_expansion).max(ALWAYS_ALLOWED);
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Passes bytes on that a decompressor of another gives, and counts them.
    pub fn counted<'a>(self: Arc<Self>, inner: &'a mut dyn Read) -> impl Read + 'a {
        Spending { inner, budget: self }
    }

    /// Counts so many bytes more.
    pub fn spend(&self, bytes: u64) -> io::Result<()> {
        match self.used.fetch_add(bytes, Ordering::Relaxed) + bytes {
            used if used > self.limit => Err(io::Error::other(Expansion { limit: self.limit })),
            _ => Ok(()),
        }
    }
}

/// Counts what comes out of a decompressor.
struct Counted<'a> {
    inner: Reader<'a>,
    position: u64,
    expanded: Arc<AtomicU64>,
    budget: Arc<Budget>,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let block = self.inner.fill_buf()?;
        let end = self.position + block.len() as u64;
        let before = self.expanded.fetch_max(end, Ordering::Relaxed);
        self.budget.spend(end.saturating_sub(before))?;
        Ok(block)
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
        self.inner.consume(count);
    }
}

struct Spending<'a> {
    inner: &'a mut dyn Read,
    budget: Arc<Budget>,
}

impl Read for Spending<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.budget.spend(count as u64)?;
        Ok(count)
    }
}
