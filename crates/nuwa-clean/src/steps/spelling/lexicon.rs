//! Which words are right, and what a wrong one was meant to be.
//!
//! Candidates come from symmetric deletion (SymSpell, Garbe 2012): two words within one edit share a form from which
//! at most one letter was taken. Of each right word the forms of its first seven letters are kept as 32-bit hashes,
//! sorted. Memory: 8 bytes a form, up to 8 forms a word, so up to 64 bytes for each of at most 200,000 right words.
//!
//! What a suspect `w` was meant to be follows from the noisy channel (Kernighan, Church and Gale 1990,
//! <https://aclanthology.org/C90-2036/>): the `c` with the greatest
//! `ln count(c) - ln count(w) - cost of w for c + attraction of c to the words around`, if that is great enough.

use rayon::prelude::*;

use super::channel::{LONGEST, Slip};
use super::derived::{is_derived, relatives};
use super::variants::are_variants;
use super::vocabulary::{ByHash, Entry, Vocabulary};
use super::words::hash_of;

/// Which words count as right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub known_count: u32,
    pub known_documents: u32,
    pub threshold: f32,
    pub english: bool,
}

/// Right words that may be what was meant, at most.
const MOST_CANDIDATES: usize = 200_000;
/// A word seen less often, or in fewer documents, is no candidate, and no stem that others are made from.
const CANDIDATE_COUNT: u32 = 3;
/// A word seen less often is not what a wrong vowel was meant to be: too many right words differ in a vowel.
const VOWEL_COUNT: u32 = 20;
/// The shortest word that is repaired, in letters: the shorter a word, the more right words lie beside it.
const SHORTEST: usize = 6;
/// What a rare word that is made from known ones has in its favour.
const DERIVED: f32 = 4.0;
/// What words of six, seven, eight and more letters have beyond the threshold.
const BY_LENGTH: [f32; 4] = [1.0, 2.5, 3.5, 4.5];
const CONTEXT: f32 = 0.9;

/// A word that may be wrong, in lower case, and what stands beside it.
pub(super) struct Suspect<'a> {
    pub word: &'a str,
    pub before: Option<u64>,
    pub after: Option<u64>,
}

/// The right words of a language.
pub(super) struct Lexicon {
    vocabulary: Vocabulary,
    rules: Rules,
    candidates: Vec<Candidate>,
    forms: Forms,
}

struct Candidate {
    hash: u64,
    letters: Box<[char]>,
}

impl Lexicon {
    pub fn new(vocabulary: Vocabulary, rules: Rules) -> Self {
        let mut right: Vec<(u64, &Entry)> = vocabulary
            .entries()
            .filter(|(_, entry)| entry.listed || entry.documents >= CANDIDATE_COUNT)
            .filter(|(_, entry)| (SHORTEST - 1..=LONGEST).contains(&entry.word.chars().count()))
            .collect();
        right.sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.1.word.cmp(&b.1.word)));
        right.truncate(MOST_CANDIDATES);
        let candidate =
            |(hash, entry): &(u64, &Entry)| Candidate { hash: *hash, letters: entry.word.chars().collect() };
        let candidates: Vec<Candidate> = right.iter().map(candidate).collect();
        let forms = Forms::new(&candidates);
        Self { vocabulary, rules, candidates, forms }
    }

    /// Whether nobody vouches for the word: no list, not its frequency, not several documents.
    pub fn is_suspect(&self, hash: u64) -> bool {
        self.vocabulary.get(hash).is_none_or(|entry| {
            !entry.listed
                && entry.count < self.rules.known_count
                && entry.documents < self.rules.known_documents
        })
    }

    /// What was meant.
    pub fn meant(&self, suspect: &Suspect) -> Option<&str> {
        let letters: Vec<char> = suspect.word.chars().collect();
        if !(SHORTEST..=LONGEST).contains(&letters.len()) {
            return None;
        }
        let own = self.vocabulary.get(hash_of(suspect.word));
        let mut best: Option<(f32, u32)> = None;
        for number in self.forms.near(&letters) {
            let Some(score) = self.score(suspect, own, &letters, &self.candidates[number as usize]) else {
                continue;
            };
            // Of equals the more frequent, which has the smaller number.
            if best.is_none_or(|(most, other)| score > most || (score == most && number < other)) {
                best = Some((score, number));
            }
        }
        let (score, number) = best?;
        let meant = &*self.vocabulary.get(self.candidates[number as usize].hash)?.word;
        let needed = self.needed(own, letters.len());
        let is_slip = (score >= needed + DERIVED
            || (score >= needed && !(self.rules.english && self.is_derived(suspect.word, meant))))
            && !self.has_relatives(suspect.word, meant);
        is_slip.then_some(meant)
    }

    /// The score from which on the suspect is taken for a slip.
    fn needed(&self, own: Option<&Entry>, letters: usize) -> f32 {
        let count = own.map_or(1, |own| own.count.max(1)) as f32;
        self.rules.threshold - BY_LENGTH[(letters - SHORTEST).min(BY_LENGTH.len() - 1)] + count.ln()
    }

    fn score(
        &self,
        suspect: &Suspect,
        own: Option<&Entry>,
        letters: &[char],
        candidate: &Candidate,
    ) -> Option<f32> {
        let slip = Slip::between(letters, &candidate.letters)?;
        let entry = self.vocabulary.get(candidate.hash)?;
        let is_name = !entry.listed && entry.lower.saturating_mul(3) < entry.count;
        if is_name
            || are_variants(suspect.word, &entry.word)
            || self.is_suspect_of_its_own(entry, own)
            || (slip == Slip::Vowel && !entry.listed && entry.count < VOWEL_COUNT)
        {
            return None;
        }
        let before = suspect.before.map_or(0.0, |before| self.vocabulary.attraction(before, candidate.hash));
        let after = suspect.after.map_or(0.0, |after| self.vocabulary.attraction(candidate.hash, after));
        Some((entry.count.max(1) as f32).ln() - slip.cost() + CONTEXT * (before + after))
    }

    /// A candidate hardly more frequent than the suspect says nothing.
    fn is_suspect_of_its_own(&self, entry: &Entry, own: Option<&Entry>) -> bool {
        !entry.listed && entry.count < CANDIDATE_COUNT * own.map_or(1, |own| own.count)
    }

    /// Whether another form of the word stands somewhere in the corpus ("currants" beside "currant") that is not one of what
    /// was meant too: nobody inflects a slip.
    fn has_relatives(&self, word: &str, meant: &str) -> bool {
        let of_meant = relatives(meant);
        relatives(word).iter().any(|relative| {
            relative != word
                && !of_meant.contains(relative)
                && self.vocabulary.get(hash_of(relative)).is_some()
        })
    }

    /// Whether a known word vouches for this one; a stem that what was meant has too ("totaly", "totally") does not.
    fn is_derived(&self, word: &str, meant: &str) -> bool {
        let same_end = word.chars().next_back() == meant.chars().next_back();
        let known = |stem: &str| {
            let entry = self.vocabulary.get(hash_of(stem));
            entry.is_some_and(|entry| entry.listed || entry.lower >= CANDIDATE_COUNT)
                && !(same_end && meant != stem && meant.starts_with(stem))
        };
        is_derived(word, &known)
    }
}

/// The forms of the candidates, by their hashes.
struct Forms {
    sorted: Vec<(u32, u32)>,
    /// Where the hashes with each value of their upper bits begin.
    starts: Vec<u32>,
}

const PREFIX: usize = 7;
const SHIFT: u32 = 16;

impl Forms {
    fn new(candidates: &[Candidate]) -> Self {
        let of = |(number, candidate): (usize, &Candidate)| {
            let forms = forms(&candidate.letters);
            forms.into_iter().map(|form| (form, number as u32)).collect::<Vec<_>>()
        };
        let mut sorted: Vec<(u32, u32)> = candidates.par_iter().enumerate().flat_map_iter(of).collect();
        sorted.par_sort_unstable();
        let mut starts = vec![0; (1 << (32 - SHIFT)) + 1];
        for (form, _) in &sorted {
            starts[(form >> SHIFT) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { sorted, starts }
    }

    /// The numbers of candidates that share a form with the word, each once.
    fn near(&self, letters: &[char]) -> Vec<u32> {
        let mut found: ByHash<()> = ByHash::default();
        for form in forms(letters) {
            let upper = (form >> SHIFT) as usize;
            let bucket = &self.sorted[self.starts[upper] as usize..self.starts[upper + 1] as usize];
            let from = bucket.partition_point(|(hash, _)| *hash < form);
            let same = bucket[from..].iter().take_while(|(hash, _)| *hash == form);
            found.extend(same.map(|(_, number)| (u64::from(*number), ())));
        }
        found.into_keys().map(|number| number as u32).collect()
    }
}

/// Hashes of the first letters with none and one of them left out.
fn forms(letters: &[char]) -> Vec<u32> {
    let prefix = &letters[..letters.len().min(PREFIX)];
    let mut forms: Vec<u32> = (0..=prefix.len()).map(|place| hash_without(prefix, place)).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// FNV-1a over the letters but for that at a place.
fn hash_without(letters: &[char], place: usize) -> u32 {
    let kept = letters.iter().enumerate().filter(|(at, _)| *at != place);
    let hash = kept.fold(0xcbf2_9ce4_8422_2325_u64, |hash, (_, letter)| {
        (hash ^ *letter as u64).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9) as u32
}
