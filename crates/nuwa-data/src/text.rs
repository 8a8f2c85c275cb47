//! What several stages need to know about text: words in any script, and good places to cut.

use std::ops::Range;

/// True for characters of scripts that put no blanks between words: Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan.
pub(crate) fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{0e00}'..='\u{0eff}' | '\u{0f00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// A word: a run of letters and digits, or one character of a script without blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// Equal for words that differ only in case.
    pub hash: u64,
    pub characters: u32,
    /// A character of a script without blanks.
    pub unspaced: bool,
}

const NOTHING: Word = Word { hash: 0, characters: 0, unspaced: false };
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes `value` into `hash`; the order matters.
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ value).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

/// Calls `word` for each word of `text`, in order.
pub(crate) fn for_each_word(text: &str, mut word: impl FnMut(Word)) {
    for_each_word_at(text, |found, _| word(found));
}

/// [`for_each_word`], with the place of each in `text`.
pub(crate) fn for_each_word_at(text: &str, mut word: impl FnMut(Word, Range<usize>)) {
    let (mut current, mut place) = (NOTHING, 0..0);
    let mut flush = |current: &mut Word, place: &Range<usize>| {
        if current.characters > 0 {
            word(std::mem::replace(current, NOTHING), place.clone());
        }
    };
    for (at, character) in text.char_indices() {
        let here = at..at + character.len_utf8();
        if character.is_ascii() {
            if character.is_ascii_alphanumeric() {
                place = grown(&place, here, current);
                current.hash = mix(current.hash, character.to_ascii_lowercase() as u64);
                current.characters += 1;
            } else if character != '\'' {
                flush(&mut current, &place);
            }
        } else if is_unspaced(character) {
            flush(&mut current, &place);
            current = Word { hash: mix(0, character as u64), characters: 1, unspaced: true };
            flush(&mut current, &here);
        } else if character.is_alphanumeric() {
            place = grown(&place, here, current);
            for lower in character.to_lowercase() {
                current.hash = mix(current.hash, lower as u64);
            }
            current.characters += 1;
        } else if character != '’' {
            flush(&mut current, &place);
        }
    }
    flush(&mut current, &place);
}

/// The place of a word that goes on with the character `here`.
fn grown(place: &Range<usize>, here: Range<usize>, word: Word) -> Range<usize> {
    let start = if word.characters == 0 { here.start } else { place.start };
    start..here.end
}

/// All words of `text`.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut all = Vec::with_capacity(text.len() / 6);
    for_each_word(text, |word| all.push(word));
    all
}

/// The best place to cut `text` near byte `at`: after a blank line, else after a line, else after a sentence,
/// else at a blank, looking at most `within` bytes back; else exactly there, between two characters.
pub(crate) fn cut_near(text: &str, at: usize, within: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let from = text.floor_char_boundary(at.saturating_sub(within));
    let window = &text[from..at];
    let after = |found: Option<Range<usize>>| found.map(|range| from + range.end);
    after(rfind(window, "\n\n"))
        .or_else(|| after(rfind(window, "\n")))
        .or_else(|| {
            after(["。", "！", "？", ". "].iter().filter_map(|end| rfind(window, end)).max_by_key(|r| r.end))
        })
        .or_else(|| after(rfind(window, " ")))
        .unwrap_or(at)
}

fn rfind(text: &str, pattern: &str) -> Option<Range<usize>> {
    text.rfind(pattern).map(|start| start..start + pattern.len())
}

/// `text` cut to at most `characters` characters, with an ellipsis where something is missing.
pub(crate) fn clip(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// Where `text` is code by Markdown's marks: fenced blocks, and what stands between backticks within a line.
pub(crate) fn code_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut fence: Option<(usize, &str)> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mark = line.trim_start().get(..3).filter(|mark| ["```", "~~~"].contains(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some((start, mark)),
            (None, None) => spans.extend(inline_code(line, start)),
            (Some((from, open)), Some(mark)) if open == mark => {
                spans.push(from..start + line.len());
                fence = None;
            }
            (Some(_), _) => {}
        }
        start += line.len();
    }
    spans.extend(fence.map(|(from, _)| from..text.len()));
    spans
}

/// Spans between runs of equally many backticks.
fn inline_code(line: &str, offset: usize) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find('`').map(|at| from + at) {
        let ticks = line[open..].bytes().take_while(|byte| *byte == b'`').count();
        let inside = open + ticks;
        let close = line[inside..].find(&line[open..inside]).map(|at| inside + at + ticks);
        spans.extend(close.map(|end| offset + open..offset + end));
        from = close.unwrap_or(inside);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_or_single_characters() {
        let count = |text: &str| words(text).len();
        assert_eq!(count("Don't stop, Æthelred!"), 3);
        assert_eq!(count("静以修身，GPT 2"), 6);
        assert_eq!(words("Word"), words("wORD"));
    }

    #[test]
    fn words_know_their_places() {
        let text = "“Don't” ÆSIR: 女娲, x9";
        let mut found = Vec::new();
        for_each_word_at(text, |_, place| found.push(&text[place]));
        assert_eq!(found, ["Don't", "ÆSIR", "女", "娲", "x9"]);
    }

    #[test]
    fn cuts_prefer_paragraphs_then_lines_then_sentences() {
        assert_eq!(cut_near("one\n\ntwo\nthree", 11, 11), 5);
        assert_eq!(cut_near("one two\nthree", 11, 11), 8);
        assert_eq!(cut_near("子曰。学而时习之", 16, 16), 9);
        assert_eq!(cut_near("学而时习之", 7, 2), 6);
    }

    #[test]
    fn code_is_fenced_or_between_backticks() {
        let text = "a `b` c\n```rust\nd `e\n```\n``f ` g`` h ` i\n~~~\nj";
        let spans: Vec<&str> = code_spans(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(spans, ["`b`", "```rust\nd `e\n```\n", "``f ` g``", "~~~\nj"]);
    }
}
