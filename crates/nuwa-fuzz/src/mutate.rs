//! Damage at random: bytes, ranges, numbers and words of good inputs, changed, repeated and mixed.

/// Longer inputs are cut.
const LONGEST: usize = 1 << 16;
/// What parsers trip over.
const STRANGE: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"1e300",
    b"2147483648",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999999",
    b"0.5",
    b"null",
    b"true",
    b"\"\"",
    b"[]",
    b"{}",
    b"[[[[",
    b"{\"a\":",
    b"<",
    b"\"",
    b"\\u0000",
    b"\0\0\0\0\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\xf0\x9f\x98\x80",
];

/// Makes inputs out of good ones.
#[derive(Debug)]
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    seed: u64,
}

impl Mutator {
    /// Of these inputs; the same `seed` gives the same damage.
    pub fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { seeds: if seeds.is_empty() { vec![Vec::new()] } else { seeds }, seed }
    }

    /// The input of this number: the first are the good ones themselves.
    pub fn input(&self, number: u64) -> Vec<u8> {
        if let Some(seed) = self.seeds.get(number as usize) {
            return seed.clone();
        }
        let mut random = Random(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = self.seeds[random.below(self.seeds.len())].clone();
        for _ in 0..1 + random.below(6) {
            self.damage(&mut bytes, &mut random);
            bytes.truncate(LONGEST);
        }
        bytes
    }

    fn damage(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        match random.below(8) {
            0 => change_byte(bytes, random),
            1 => {
                let piece = STRANGE[random.below(STRANGE.len())];
                insert(bytes, random, piece);
            }
            2 => drop(bytes.drain(random.range(bytes.len()))),
            3 => repeat(bytes, random),
            4 => replace_number(bytes, random),
            5 => replace_word(bytes, random),
            6 => {
                let other = &self.seeds[random.below(self.seeds.len())];
                let piece = other[random.range(other.len())].to_vec();
                insert(bytes, random, &piece);
            }
            _ => bytes.truncate(random.below(bytes.len() + 1)),
        }
    }
}

fn change_byte(bytes: &mut [u8], random: &mut Random) {
    if !bytes.is_empty() {
        bytes[random.below(bytes.len())] = random.next() as u8;
    }
}

fn insert(bytes: &mut Vec<u8>, random: &mut Random, piece: &[u8]) {
    let at = random.below(bytes.len() + 1);
    bytes.splice(at..at, piece.iter().copied());
}

/// A range stands there up to 4096 times: depth and length.
fn repeat(bytes: &mut Vec<u8>, random: &mut Random) {
    let range = random.range(bytes.len());
    let times = 1 << random.below(13);
    let piece = bytes[range.clone()].to_vec();
    let room = LONGEST / piece.len().max(1);
    bytes.splice(range, piece.repeat(times.min(room.max(1))));
}

/// One of the numbers written in digits becomes another.
fn replace_number(bytes: &mut Vec<u8>, random: &mut Random) {
    replace_run(bytes, random, u8::is_ascii_digit);
}

/// A word becomes another word of the same input or something strange.
fn replace_word(bytes: &mut Vec<u8>, random: &mut Random) {
    replace_run(bytes, random, u8::is_ascii_alphanumeric);
}

fn replace_run(bytes: &mut Vec<u8>, random: &mut Random, belongs: fn(&u8) -> bool) {
    let from = random.below(bytes.len() + 1);
    let Some(start) = bytes[from..].iter().position(belongs).map(|at| from + at) else { return };
    let length = bytes[start..].iter().take_while(|byte| belongs(byte)).count();
    let other = match random.below(2) {
        0 => STRANGE[random.below(STRANGE.len())].to_vec(),
        _ => bytes[random.range(bytes.len())].to_vec(),
    };
    bytes.splice(start..start + length, other);
}

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A range within `length`, mostly a short one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = 1 << self.below(12);
        start..start + self.below((length - start).min(longest) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_input() {
        let seeds = vec![b"{\"a\": 12, \"b\": [1, 2]}".to_vec(), b"x".to_vec()];
        let mutator = Mutator::new(seeds.clone(), 3);
        assert_eq!(mutator.input(0), seeds[0]);
        let inputs: Vec<_> = (0..200).map(|number| mutator.input(number)).collect();
        assert_eq!(inputs[150], Mutator::new(seeds, 3).input(150));
        let different: std::collections::BTreeSet<_> = inputs.iter().collect();
        assert!(different.len() > 150, "{}", different.len());
        assert!(inputs.iter().all(|input| input.len() <= LONGEST));
    }
}
