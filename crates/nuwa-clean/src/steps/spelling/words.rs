//! The words of a text with what spelling needs to know of each: its case, and whether it may be touched.

use xxhash_rust::xxh3::xxh3_64;

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// like this
    Lower,
    /// Like This
    Capitalised,
    /// LIKE THIS, likeThis, or with an apostrophe in it: never counted, never touched.
    Other,
}

/// A run of letters of the Latin script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub start: usize,
    pub end: usize,
    /// Of the word in lower case.
    pub hash: u64,
    pub case: Case,
}

/// Between words: what is no prose, such as a number, an address, code or a word of another script.
pub(super) const GAP: Word = Word { start: 0, end: 0, hash: 0, case: Case::Other };

/// The words of a text in their order.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub all: Vec<Word>,
    latin: usize,
    other: usize,
}

/// Bytes that prose has no use for within a word: addresses, paths, code, markup, numbers.
const NOT_PROSE: &[u8] = b"0123456789@#$%^&=+<>{}[]|\\/~`_*";

impl Words {
    pub fn of(text: &str) -> Self {
        let mut words = Self::default();
        let (mut at, mut fenced) = (0, false);
        for line in text.split_inclusive('\n') {
            let fence = line.starts_with("```") || line.starts_with("~~~");
            fenced ^= fence;
            if fenced || fence || is_indented_code(line) {
                words.gap();
            } else {
                words.line(line, at);
            }
            at += line.len();
        }
        words
    }

    /// Whether most letters are of the Latin script.
    pub fn are_latin(&self) -> bool {
        self.latin > 3 * self.other
    }

    fn gap(&mut self) {
        if self.all.last().is_some_and(|word| *word != GAP) {
            self.all.push(GAP);
        }
    }

    fn line(&mut self, line: &str, offset: usize) {
        let mut start = 0;
        for chunk in line.split_inclusive(char::is_whitespace) {
            let bare = chunk.trim().trim_matches(['_', '*']);
            match bare.is_empty() || is_prose(bare) {
                true => self.chunk(chunk, offset + start),
                false => self.gap(),
            }
            start += chunk.len();
        }
    }

    /// The words of what stands between two blanks.
    fn chunk(&mut self, chunk: &str, offset: usize) {
        let mut run = Run::default();
        let mut foreign = false;
        for (at, character) in chunk.char_indices() {
            if is_latin(character) {
                run.add(at, character);
            } else if matches!(character, '\'' | '’') && run.is_open() {
                run.apostrophe();
            } else {
                self.latin += run.letters;
                self.all.extend(run.end(chunk, offset));
                foreign |= character.is_alphabetic();
                self.other += usize::from(character.is_alphabetic());
            }
        }
        self.latin += run.letters;
        self.all.extend(run.end(chunk, offset));
        if foreign {
            self.gap();
        }
    }
}

/// A word while its letters come.
#[derive(Default)]
struct Run {
    start: usize,
    end: usize,
    letters: usize,
    capitals: usize,
    starts_capital: bool,
    has_apostrophe: bool,
    pending_apostrophe: bool,
}

impl Run {
    fn is_open(&self) -> bool {
        self.letters > 0
    }

    fn add(&mut self, at: usize, letter: char) {
        let capital = letter.is_uppercase();
        if self.letters == 0 {
            (self.start, self.starts_capital) = (at, capital);
        }
        self.has_apostrophe |= self.pending_apostrophe;
        self.pending_apostrophe = false;
        self.letters += 1;
        self.capitals += usize::from(capital);
        self.end = at + letter.len_utf8();
    }

    /// Part of the word if a letter follows.
    fn apostrophe(&mut self) {
        self.pending_apostrophe = true;
    }

    fn end(&mut self, chunk: &str, offset: usize) -> Option<Word> {
        let run = std::mem::take(self);
        let case = match (run.capitals, run.starts_capital) {
            _ if run.has_apostrophe => Case::Other,
            (0, _) => Case::Lower,
            (1, true) if run.letters > 1 => Case::Capitalised,
            _ => Case::Other,
        };
        run.is_open().then(|| {
            let hash = hash_of(&chunk[run.start..run.end]);
            Word { start: offset + run.start, end: offset + run.end, hash, case }
        })
    }
}

/// Equal for words that differ only in case.
pub(super) fn hash_of(word: &str) -> u64 {
    match word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        true => xxh3_64(word.as_bytes()),
        false => xxh3_64(word.to_lowercase().as_bytes()),
    }
}

fn is_indented_code(line: &str) -> bool {
    line.starts_with("    ") || line.starts_with('\t')
}

/// Whether what stands between two blanks holds words only: no digit, no mark of code, no dot or at within.
fn is_prose(chunk: &str) -> bool {
    let bytes = chunk.as_bytes();
    let has_inner_dot = || {
        let inner = |three: &[u8]| {
            three[0].is_ascii_alphabetic()
                && matches!(three[1], b'.' | b':')
                && three[2].is_ascii_alphabetic()
        };
        bytes.windows(3).any(inner)
    };
    !bytes.iter().any(|byte| NOT_PROSE.contains(byte)) && !has_inner_dot()
}

/// Letters of the Latin script with their accents.
pub(super) fn is_latin(character: char) -> bool {
    character.is_ascii_alphabetic()
        || (matches!(character, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
            && !matches!(character, '×' | '÷'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, Case)> {
        let words = Words::of(text);
        words
            .all
            .iter()
            .filter(|word| **word != GAP)
            .map(|word| (&text[word.start..word.end], word.case))
            .collect()
    }

    #[test]
    fn words_are_prose_only() {
        use Case::{Capitalised, Lower, Other};
        let text = "Dear Ahab, don't write to me@home.org or see http://x.y; run `ls_all` 3rd-hand.";
        let expected = [
            ("Dear", Capitalised),
            ("Ahab", Capitalised),
            ("don't", Other),
            ("write", Lower),
            ("to", Lower),
            ("or", Lower),
            ("see", Lower),
            ("run", Lower),
        ];
        assert_eq!(found(text), expected);
        assert_eq!(
            found("a\n```\nlet x\n```\n    code here\n_café_ NASA 'tis"),
            [("a", Lower), ("café", Lower), ("NASA", Other), ("tis", Lower)]
        );
    }

    #[test]
    fn other_scripts_are_no_words() {
        assert!(!Words::of("静以修身 word 俭以养德").are_latin());
        assert!(found("学而shi习之").len() == 1 && Words::of("plain words").are_latin());
    }
}
