//! What a file may cost, whatever it claims: a small file can name the same content a million times, and expand to more than memory holds.

/// What all streams of a file may expand to together, in bytes, and how often its own size where that is more.
const EXPANSION: u64 = 1 << 27;
const EXPANSION_RATIO: u64 = 16;
/// The same of one stream, which is held in memory whole.
const LARGEST_STREAM: u64 = 1 << 26;
const LARGEST_STREAM_RATIO: u64 = 4;
/// A stream, however small, counts as so many bytes.
const STREAM: u64 = 1 << 8;
/// The commands and the bytes of text of all pages together: of any file, and more for each of its bytes.
const STEPS: u64 = 5_000_000;
const STEPS_PER_BYTE: u64 = 10;
/// To look an object up takes as long as many commands, and longer where it is large.
const STEPS_OF_OBJECT: u64 = 200;
const BYTES_PER_STEP: u64 = 4;
/// A font takes time and memory, one with the table of a script more.
const STEPS_OF_FONT: u64 = 4_000;
const STEPS_OF_TABLE: u64 = 50_000;

/// What is left of it.
pub(super) struct Budget {
    bytes: u64,
    largest_stream: u64,
    steps: u64,
    is_spent: bool,
}

impl Budget {
    /// Of a file of so many bytes, for so many times the usual effort.
    pub fn of_file(size: usize, effort: u32) -> Self {
        let (size, effort) = (size as u64, u64::from(effort));
        Self {
            bytes: effort.saturating_mul(EXPANSION.max(size * EXPANSION_RATIO)),
            largest_stream: effort.saturating_mul(LARGEST_STREAM.max(size * LARGEST_STREAM_RATIO)),
            steps: effort.saturating_mul(STEPS + size * STEPS_PER_BYTE),
            is_spent: false,
        }
    }

    /// Whether a stream may expand to so many bytes.
    pub fn expand(&mut self, bytes: u64) -> bool {
        self.is_spent |= bytes > self.largest_stream();
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_spent
    }

    /// Whether one more stream may be looked at.
    pub fn stream(&mut self) -> bool {
        self.expand(STREAM)
    }

    /// What one stream may expand to, in bytes.
    pub fn largest_stream(&self) -> u64 {
        self.largest_stream.min(self.bytes)
    }

    /// Whether one more command may be read.
    pub fn step(&mut self) -> bool {
        self.steps(1)
    }

    /// Whether so many bytes of text may be written.
    pub fn text(&mut self, bytes: usize) -> bool {
        self.steps(bytes as u64)
    }

    /// Whether one more object may be looked up.
    pub fn object(&mut self) -> bool {
        self.steps(STEPS_OF_OBJECT)
    }

    /// Whether an object of so many bytes may be read.
    pub fn read(&mut self, bytes: usize) -> bool {
        self.steps(bytes as u64 / BYTES_PER_STEP)
    }

    /// Whether one more font may be made.
    pub fn font(&mut self) -> bool {
        self.steps(STEPS_OF_FONT)
    }

    /// Whether one more table of the characters of a script may be unpacked.
    pub fn table(&mut self) -> bool {
        self.steps(STEPS_OF_TABLE)
    }

    fn steps(&mut self, steps: u64) -> bool {
        self.is_spent |= steps > self.steps;
        self.steps = self.steps.saturating_sub(steps);
        !self.is_spent
    }

    /// Whether the file asked for more than there was.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }
}
