//! The classifier as a file, little endian: "NUWACLS\0", version, bits, bias, slope, offset, threshold (32 bytes), then
//! 2^bits weights.

use std::path::Path;

use super::{Classifier, Judges};
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"NUWACLS\0";
/// Version 1 was learnt from whole texts as they are written, version 2 from pieces without their form.
const VERSION: u32 = 2;
const HEADER: usize = 32;
const MOST_BITS: u32 = 24;

impl Classifier {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + 4 * self.weights.len());
        bytes.extend(MAGIC);
        let version = match self.judges {
            Judges::AsWritten => 1,
            Judges::PiecesOfContent => VERSION,
        };
        bytes.extend(version.to_le_bytes());
        bytes.extend(self.bits().to_le_bytes());
        for value in [self.bias, self.slope, self.offset, self.threshold].iter().chain(&self.weights) {
            bytes.extend(value.to_le_bytes());
        }
        Ok(nuwa_files::write_atomically(path, &bytes)?)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::Classifier { path: path.to_path_buf(), problem };
        Self::parse(&nuwa_files::read(path)?).map_err(wrong)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < HEADER || &bytes[..8] != MAGIC {
            return Err("not a classifier (no NUWACLS at its start)".into());
        }
        let whole = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let judges = match whole(8) {
            1 => Judges::AsWritten,
            VERSION => Judges::PiecesOfContent,
            other => return Err(format!("version {other}, expected 1 or {VERSION}")),
        };
        let bits = whole(12);
        if !(1..=MOST_BITS).contains(&bits) {
            return Err(format!("a table of 2^{bits} places, expected 2^1 to 2^{MOST_BITS}"));
        }
        let expected = HEADER + (4 << bits);
        if bytes.len() != expected {
            return Err(format!("{} bytes, expected {expected} for 2^{bits} places", bytes.len()));
        }
        let numbers: Vec<f32> = bytes[16..]
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().expect("four")))
            .collect();
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(format!(
                "byte {}: {} is not a number that a weight can be",
                16 + 4 * at,
                numbers[at]
            ));
        }
        let [bias, slope, offset, threshold] = [numbers[0], numbers[1], numbers[2], numbers[3]];
        Ok(Self { weights: numbers[4..].to_vec(), bias, slope, offset, threshold, judges })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Version 1, frozen: what it says must be read for ever.
    const SAMPLE: &[u8] = b"NUWACLS\0\x01\0\0\0\x01\0\0\0\
        \0\0\0\x3f\0\0\x80\x3f\0\0\0\xbf\0\0\0\x3f\0\0\0\x40\0\0\x80\xbf";

    fn sample() -> Classifier {
        Classifier {
            weights: vec![2.0, -1.0],
            bias: 0.5,
            slope: 1.0,
            offset: -0.5,
            threshold: 0.5,
            judges: Judges::AsWritten,
        }
    }

    #[test]
    fn the_frozen_sample_is_read_and_written() {
        assert_eq!(Classifier::parse(SAMPLE).unwrap(), sample());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.classifier");
        sample().save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), SAMPLE);
        assert_eq!(Classifier::load(&path).unwrap(), sample());
        let second = Classifier { judges: Judges::PiecesOfContent, ..sample() };
        second.save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[8..12], [2, 0, 0, 0]);
        assert_eq!(Classifier::load(&path).unwrap(), second);
    }

    #[test]
    fn damage_is_named() {
        let problem = |bytes: &[u8]| Classifier::parse(bytes).unwrap_err();
        assert_eq!(problem(b"{}"), "not a classifier (no NUWACLS at its start)");
        assert_eq!(problem(&SAMPLE[..39]), "39 bytes, expected 40 for 2^1 places");
        let changed = |at: usize, value: u8| {
            let mut bytes = SAMPLE.to_vec();
            bytes[at] = value;
            problem(&bytes)
        };
        assert_eq!(changed(8, 3), "version 3, expected 1 or 2");
        assert_eq!(changed(12, 200), "a table of 2^200 places, expected 2^1 to 2^24");
        let mut bytes = SAMPLE.to_vec();
        bytes[38..40].copy_from_slice(&[0xc0, 0x7f]);
        assert_eq!(problem(&bytes), "byte 36: NaN is not a number that a weight can be");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(start in 0..SAMPLE.len(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut all = SAMPLE[..start].to_vec();
            all.extend(bytes);
            let _ = Classifier::parse(&all);
        }
    }
}
