//! Runs of so many words, and which few of them tell that one is repeated.

use nuwa_text::{for_each_word, mix};

/// The words of a text as they are compared.
pub(super) fn units(text: &str) -> Vec<u64> {
    let mut found = Vec::with_capacity(text.len() / 5);
    for_each_word(text, |word| found.push(word.hash));
    found
}

/// For each window of `words` words the smallest hash of the runs of half that length in it (winnowing, Schleimer, Wilkerson
/// and Aiken 2003, "Winnowing: Local Algorithms for Document Fingerprinting", <https://doi.org/10.1145/872757.872770>): equal windows
/// choose equal runs, and neighbours mostly the same one. Given are the place of the run, rightmost of equal ones, and its hash.
pub(super) fn fingerprints(units: &[u64], words: usize) -> Vec<(usize, u64)> {
    let run = (words / 2).max(1);
    let hashes = Rolling::new(units).all(run);
    let width = words - run + 1;
    let mut chosen: Vec<(usize, u64)> = Vec::with_capacity((hashes.len() + 1).saturating_sub(width));
    for end in width..=hashes.len() {
        let start = end - width;
        let entering = (end - 1, hashes[end - 1]);
        let smallest = match chosen.last() {
            Some(&(place, hash)) if place >= start && hash < entering.1 => (place, hash),
            Some(&(place, _)) if place >= start => entering,
            _ => rightmost_smallest(&hashes, start, end),
        };
        chosen.push(smallest);
    }
    chosen
}

fn rightmost_smallest(hashes: &[u64], start: usize, end: usize) -> (usize, u64) {
    let smaller = |one: (usize, u64), other: (usize, u64)| if other.1 <= one.1 { other } else { one };
    (start..end).map(|place| (place, hashes[place])).reduce(smaller).expect("a window has runs")
}

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Polynomial hashes of runs of words, each in constant time (Rabin and Karp 1987): sums of powers of a base, modulo 2^64.
pub(super) struct Rolling {
    prefixes: Vec<u64>,
    base: u64,
}

impl Rolling {
    pub fn new(units: &[u64]) -> Self {
        Self::with_base(units, BASE, 0)
    }

    /// With other sums, which do not collide where the first do.
    pub fn second(units: &[u64]) -> Self {
        Self::with_base(units, 0xd6e8_feb8_6659_fd93, 1)
    }

    fn with_base(units: &[u64], base: u64, salt: u64) -> Self {
        let next = |hash: &mut u64, unit: &u64| {
            *hash = hash.wrapping_mul(base).wrapping_add(mix(salt, *unit));
            Some(*hash)
        };
        let prefixes = std::iter::once(0).chain(units.iter().scan(0, next)).collect();
        Self { prefixes, base }
    }

    /// The hashes of all runs of so many words.
    pub fn all(&self, words: usize) -> Vec<u64> {
        let power = (0..words).fold(1u64, |power, _| power.wrapping_mul(self.base));
        let runs = self.prefixes.iter().zip(self.prefixes.get(words..).unwrap_or_default());
        runs.map(|(before, with)| mix(0, with.wrapping_sub(before.wrapping_mul(power)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_windows_choose_equal_runs() {
        let unit = |number: u64| mix(3, number % 17);
        let one: Vec<u64> = (0..200).map(unit).chain([5, 6, 7]).collect();
        for words in [1, 2, 9, 50] {
            let chosen = fingerprints(&one, words);
            assert_eq!(chosen.len(), one.len() - words + 1);
            for (at, window) in one.windows(words).enumerate() {
                let alone = fingerprints(window, words);
                assert_eq!(alone, [(chosen[at].0 - at, chosen[at].1)], "window {at} of {words} words");
            }
        }
        assert_eq!(fingerprints(&one[..8], 9), []);
        assert_eq!(fingerprints(&[], 9), []);
    }

    #[test]
    fn few_runs_stand_for_all_windows() {
        let units: Vec<u64> = (0..10_000).map(|number| mix(1, number)).collect();
        let mut places: Vec<usize> = fingerprints(&units, 50).into_iter().map(|(place, _)| place).collect();
        places.dedup();
        // Of random words two in so many windows as a window has runs.
        assert!((600..900).contains(&places.len()), "{}", places.len());
    }
}
