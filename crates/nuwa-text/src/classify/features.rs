//! What of a text counts: n-grams, hashed to places of a table.

use crate::{Role, is_unspaced, mix, role};

/// The places of a text's n-grams with their values: 1 + ln(times), then scaled to length 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Features {
    pub all: Vec<(u32, f32)>,
}

/// Letters in a sequence within a word.
const LETTERS: usize = 4;

impl Features {
    /// With a table of `2^bits` places.
    pub fn of(text: &str, bits: u32) -> Self {
        let mut places = Places { shift: 64 - bits, found: Vec::with_capacity(text.len()), before: 0 };
        let mut word: Vec<char> = Vec::new();
        for character in text.chars() {
            if is_unspaced(character) {
                places.word(&mut word);
                word.push(character);
                places.word(&mut word);
                continue;
            }
            match role(character) {
                Role::Letter | Role::Sign if !character.is_numeric() => word.extend(character.to_lowercase()),
                Role::Joiner => {}
                _ if matches!(character, '\'' | '’') => {}
                // A number says more of the form of a page than of what it means.
                _ => places.word(&mut word),
            }
        }
        places.word(&mut word);
        Self { all: weighted(places.found) }
    }
}

struct Places {
    shift: u32,
    found: Vec<u32>,
    before: u64,
}

impl Places {
    fn add(&mut self, kind: u64, hash: u64) {
        self.found.push((mix(mix(kind, hash), 0) >> self.shift) as u32);
    }

    /// The word that ends here, if there is one.
    fn word(&mut self, letters: &mut Vec<char>) {
        if letters.is_empty() {
            return;
        }
        let hash = hash_of(letters);
        self.add(1, hash);
        self.add(2, mix(self.before, hash));
        self.before = hash;
        for sequence in letters.windows(LETTERS).filter(|_| letters.len() > LETTERS) {
            self.add(3, hash_of(sequence));
        }
        letters.clear();
    }
}

fn hash_of(letters: &[char]) -> u64 {
    letters.iter().fold(letters.len() as u64, |hash, letter| mix(hash, *letter as u64))
}

fn weighted(mut places: Vec<u32>) -> Vec<(u32, f32)> {
    places.sort_unstable();
    let value = |same: &[u32]| (same[0], 1.0 + (same.len() as f32).ln());
    let mut all: Vec<(u32, f32)> = places.chunk_by(|a, b| a == b).map(value).collect();
    let length = all.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    all.iter_mut().for_each(|(_, value)| *value /= length);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_length_one_and_know_no_case_or_number() {
        let features = Features::of("The cat sat on the mat in 1999", 18);
        let length: f32 = features.all.iter().map(|(_, value)| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5);
        assert_eq!(features, Features::of("the CAT, sat: on the mat! in 7", 18));
        assert_ne!(features, Features::of("the mat sat on the cat in", 18));
        assert!(Features::of("12 !?", 18).all.is_empty());
    }

    #[test]
    fn characters_are_words_where_there_are_no_blanks() {
        assert_eq!(Features::of("静以修身", 18).all.len(), 8);
        // One word and its pair with nothing before it, and no more: signs and joiners are inside.
        assert_eq!(Features::of("क्षि", 18).all.len(), 2);
        assert_eq!(Features::of("क्\u{200d}षि", 18), Features::of("क्षि", 18));
        assert_eq!(Features::of("静", 2).all.iter().filter(|(place, _)| *place >= 4).count(), 0);
    }
}
