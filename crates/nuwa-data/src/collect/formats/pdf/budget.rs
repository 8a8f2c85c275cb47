//! What a file may cost, whatever it claims: a small file can name the same content a million times, and expand to more than memory holds.

/// What all streams of a file may expand to together, in bytes, and how often its own size where that is more.
const EXPANSION: u64 = 1 << 30;
const EXPANSION_RATIO: u64 = 64;
/// The commands and characters of all pages together: of any file, and more for each of its bytes.
const STEPS: u64 = 5_000_000;
const STEPS_PER_BYTE: u64 = 40;
const STEPS_OF_FORM: u64 = 200;

/// What is left of it.
pub(super) struct Budget {
    bytes: u64,
    steps: u64,
    is_spent: bool,
}

impl Budget {
    /// Of a file of so many bytes.
    pub fn of_file(size: usize) -> Self {
        let size = size as u64;
        let bytes = EXPANSION.max(size * EXPANSION_RATIO);
        Self { bytes, steps: STEPS + size * STEPS_PER_BYTE, is_spent: false }
    }

    /// Whether so many bytes more may be expanded.
    pub fn expand(&mut self, bytes: u64) -> bool {
        self.is_spent |= bytes > self.bytes;
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_spent
    }

    /// Whether one more command or character may be read.
    pub fn step(&mut self) -> bool {
        self.steps(1)
    }

    /// Whether one more form may be drawn: to look it up takes as long as many commands.
    pub fn form(&mut self) -> bool {
        self.steps(STEPS_OF_FORM)
    }

    fn steps(&mut self, steps: u64) -> bool {
        self.is_spent |= steps > self.steps;
        self.steps = self.steps.saturating_sub(steps);
        !self.is_spent
    }

    /// The bytes that are left.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file asked for more than there was.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }
}
