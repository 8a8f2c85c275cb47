//! A text in the pieces that the quality rules count: words, characters of scripts without blanks, marks.
//!
//! The papers count words of English. Here a text in any script has words, so that one number means one thing:
//! two characters of Chinese or Japanese, three of Thai, Lao, Khmer or Burmese are a word, which is about what segmenters
//! find, and a word counts as six letters. What belongs to a word says [`nuwa_text`]. Marks are counted as datatrove
//! counts them, apart from words.

use nuwa_text::{Role, is_apostrophe, is_of_word, is_unspaced, role, stacks, unspaced_weight};

/// A piece of text between blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A run of letters and digits with their signs; an apostrophe between letters and a point between digits belong to it.
    Word {
        /// The word as it is written.
        text: &'a str,
        /// How long it is: the letters and digits, a vowel sign of India's scripts being a letter, a Hangul syllable two.
        characters: usize,
        /// False for a number.
        has_letter: bool,
    },
    /// A character of a script without blanks, with its signs.
    Unspaced(char),
    /// A run of one and the same other character: a comma, three points, a row of dashes.
    Mark(char, usize),
}

/// The pieces of `text`, in order.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_nothing);
        let first = rest.chars().next()?;
        let (piece, length) = match role(first) {
            Role::Unspaced => (Piece::Unspaced(first), unspaced_length(rest)),
            Role::Letter => word(rest),
            _ => mark(first, rest),
        };
        rest = &rest[length..];
        Some(piece)
    })
}

/// A blank, the marks that stand for one in Tibetan and Ethiopic, and what is invisible where no word is.
fn is_nothing(character: char) -> bool {
    let is_blank = || matches!(character, '\u{200b}' | '\u{f0b}' | '\u{f0c}' | '\u{1361}');
    character.is_whitespace()
        || !character.is_ascii() && (is_blank() || matches!(role(character), Role::Sign | Role::Joiner))
}

/// The bytes of the character at the beginning of `rest` with its signs.
fn unspaced_length(rest: &str) -> usize {
    let mut before = ' ';
    let goes_on = |&(at, character): &(usize, char)| {
        let stacked = std::mem::replace(&mut before, character);
        at == 0
            || matches!(role(character), Role::Sign | Role::Joiner)
            || stacks(stacked) && is_unspaced(character)
    };
    let (at, last) = rest.char_indices().take_while(goes_on).last().unwrap_or_default();
    at + last.len_utf8()
}

fn mark(first: char, rest: &str) -> (Piece<'_>, usize) {
    let run = rest.chars().take_while(|character| *character == first).count();
    (Piece::Mark(first, run), run * first.len_utf8())
}

/// The word at the beginning of `rest`, and its length in bytes.
fn word(rest: &str) -> (Piece<'_>, usize) {
    let (mut characters, mut has_letter, mut end) = (0, false, 0);
    let mut before = ' ';
    for (at, character) in rest.char_indices() {
        if is_of_word(character) {
            characters += letters(character);
            has_letter |= !character.is_numeric();
        } else if role(character) == Role::Joiner {
            continue;
        } else if !joins(before, character, &rest[at..]) {
            break;
        }
        end = at + character.len_utf8();
        before = character;
    }
    (Piece::Word { text: &rest[..end], characters, has_letter }, end)
}

/// A Hangul syllable is a block of two or three letters.
fn letters(character: char) -> usize {
    let is_syllable = ('\u{ac00}'..='\u{d7a3}').contains(&character);
    usize::from(character.is_alphanumeric()) + usize::from(is_syllable)
}

/// Whether the mark at the beginning of `rest` stands inside a word: "don't", "3.14".
fn joins(before: char, mark: char, rest: &str) -> bool {
    let after = rest.chars().nth(1).unwrap_or(' ');
    match mark {
        _ if is_apostrophe(mark) => is_of_word(before) && !before.is_numeric() && role(after) == Role::Letter,
        '.' | ',' => before.is_ascii_digit() && after.is_ascii_digit(),
        _ => false,
    }
}

/// How much of what there is in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Words of scripts with blanks, numbers included.
    pub spaced: usize,
    /// Letters and digits in them.
    pub letters: usize,
    /// Words without a letter.
    pub numbers: usize,
    /// Characters of scripts without blanks.
    pub unspaced: usize,
    /// The letters of an alphabet that they count for; six are a word.
    pub unspaced_letters: usize,
    /// Runs of marks.
    pub marks: usize,
    /// Of these, runs of the punctuation of Chinese and Japanese.
    pub wide_marks: usize,
    /// Runs of `#`.
    pub hashes: usize,
    /// Ellipses: three points or more, or "…".
    pub ellipses: usize,
}

impl Amounts {
    /// Counts the pieces of `text`.
    pub fn of(text: &str) -> Self {
        let mut amounts = Self::default();
        pieces(text).for_each(|piece| amounts.add(piece));
        amounts
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Word { characters, has_letter, .. } => {
                self.spaced += 1;
                self.letters += characters;
                self.numbers += usize::from(!has_letter);
            }
            Piece::Unspaced(character) => {
                self.unspaced += 1;
                self.unspaced_letters += unspaced_weight(character);
            }
            Piece::Mark(mark, run) => {
                self.marks += 1;
                self.wide_marks += usize::from(is_wide_mark(mark));
                self.hashes += usize::from(mark == '#');
                self.ellipses += usize::from(mark == '…' || (mark == '.' && run >= 3));
            }
        }
    }

    /// Words in any script.
    pub fn words(&self) -> f64 {
        self.spaced as f64 + self.unspaced_letters as f64 / 6.0
    }

    /// Words and marks; the punctuation of Chinese and Japanese is none in a text of these.
    pub fn pieces(&self) -> f64 {
        let marks = if self.is_unspaced() { self.marks - self.wide_marks } else { self.marks };
        self.words() + marks as f64
    }

    /// Whether most of the text is in a script without blanks.
    pub fn is_unspaced(&self) -> bool {
        self.unspaced > 2 * self.spaced
    }
}

/// Punctuation of Chinese and Japanese, and the quotation marks and ellipses that they share with others.
fn is_wide_mark(mark: char) -> bool {
    matches!(mark, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' | '“' | '”' | '‘' | '’' | '—' | '…' | '·')
}

/// Marks that end a sentence: of the Unicode property Sentence_Terminal (UAX #44) those of living scripts.
pub(super) fn ends_sentence(mark: char) -> bool {
    matches!(
        mark,
        '.' | '!'
            | '?'
            | '。'
            | '！'
            | '？'
            | '．'
            | '｡'
            | '⁇'
            | '⁈'
            | '⁉'
            | '‼'
            | '։'
            | '؟'
            | '۔'
            | '؞'
            | '܀'
            | '܁'
            | '܂'
            | '।'
            | '॥'
            | '།'
            | '༎'
            | '၊'
            | '။'
            | '።'
            | '፧'
            | '፨'
            | '។'
            | '៕'
            | '᠃'
            | '᠉'
            | '᱾'
            | '᱿'
            | '﹒'
            | '﹖'
            | '﹗'
    )
}

/// Whether a line ends as a sentence does. Thai and Lao have no mark for that, so there a line of some length is one.
pub(super) fn is_ended(line: &str) -> bool {
    last_mark(line).is_some_and(|last| ends_sentence(last) || has_no_stops(last) && width(line) >= SENTENCE)
}

/// Letters of an alphabet in a short sentence: longer than a menu's entries.
const SENTENCE: usize = 60;

/// Thai and Lao, which put a blank at the end of a sentence, and within it too.
pub(super) fn has_no_stops(character: char) -> bool {
    matches!(character, '\u{e01}'..='\u{eff}')
}

/// The last character of `line` but blanks, closing quotation marks and closing brackets.
pub(super) fn last_mark(line: &str) -> Option<char> {
    line.chars().rev().find(|character| !character.is_whitespace() && !closes(*character))
}

/// Closing quotation marks and brackets, which may follow the end of a sentence.
pub(super) fn closes(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | '”' | '’' | '»' | '」' | '』' | '》' | '）' | ')' | ']' | '】' | '*' | '_'
    )
}

/// The length of a line in letters of an alphabet: a character of a script without blanks is two or three, a sign none.
pub(super) fn width(line: &str) -> usize {
    line.chars().map(letters_of).sum()
}

fn letters_of(character: char) -> usize {
    match character.is_ascii() {
        true => 1,
        false => match role(character) {
            Role::Unspaced => unspaced_weight(character),
            Role::Sign | Role::Joiner => 0,
            Role::Letter | Role::Other => 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_words_characters_and_marks() {
        let amounts = Amounts::of("Don't pay 3.14, pay 2... #tag #### 静夜思，a-b");
        assert_eq!((amounts.spaced, amounts.numbers, amounts.unspaced), (8, 2, 3));
        assert_eq!((amounts.hashes, amounts.ellipses, amounts.marks, amounts.wide_marks), (2, 1, 6, 1));
        assert_eq!(amounts.words(), 9.5);
        assert!(!amounts.is_unspaced());
        assert!(Amounts::of("女娲补天，用 5 色石。").is_unspaced());
    }

    #[test]
    fn signs_and_joiners_do_not_part_words() {
        let written = |text| -> Vec<String> {
            let shown = |piece| match piece {
                Piece::Word { text, characters, .. } => format!("{text} {characters}"),
                other => format!("{other:?}"),
            };
            pieces(text).map(shown).collect()
        };
        assert_eq!(written("क्षेत्र, र्\u{200d}याल"), ["क्षेत्र 5", "Mark(',', 1)", "र्\u{200d}याल 4"]);
        assert_eq!(written("می\u{200c}خواهم רמב״ם"), ["می\u{200c}خواهم 7", "רמב״ם 4"]);
        assert_eq!(written("ស្រី\u{200b}ក់។"), ["Unspaced('ស')", "Unspaced('ក')", "Mark('។', 1)"]);
        assert_eq!(Amounts::of("ស្រី\u{200b}ក់ ที่").words(), 1.0);
    }

    #[test]
    fn the_end_of_a_line_is_seen_behind_quotation_marks() {
        assert_eq!(last_mark("He said \"No.\" "), Some('.'));
        assert_eq!(last_mark("他说：“好。”"), Some('。'));
        assert_eq!(last_mark(" ) "), None);
        assert!(is_ended("He left.") && !is_ended("Home"));
        let thai = "ดาวอังคารเป็นดาวเคราะห์ลำดับที่สี่จากดวงอาทิตย์ และเล็กเป็นที่สอง";
        assert!(is_ended(thai) && !is_ended("ติดต่อเรา"));
    }
}
