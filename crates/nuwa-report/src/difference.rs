//! What a step changed in a text, as pieces to show: what stayed, what went, what came.

use nuwa_clean::Change;
use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::text::is_invisible;

/// A piece of a text, or of two texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    pub kind: PieceKind,
    pub text: String,
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PieceKind {
    Same,
    Removed,
    Added,
    /// Text that is the same before and after, left out.
    Gap,
}

/// Characters that are shown around a difference.
const AROUND: usize = 160;

impl Piece {
    /// A piece whose invisible characters can be seen.
    pub fn new(kind: PieceKind, text: &str) -> Self {
        let text = match kind {
            PieceKind::Same | PieceKind::Gap => text.chars().map(|c| visible(c, false)).collect(),
            PieceKind::Removed | PieceKind::Added => {
                let is_blank = text.chars().all(|c| c.is_whitespace() || is_joiner(c));
                let seen: String = text.chars().map(|c| visible(c, is_blank)).collect();
                // What was removed takes no lines; what was added does.
                seen.replace('\n', if kind == PieceKind::Removed { "↵" } else { "↵\n" })
            }
        };
        Self { kind, text }
    }
}

/// A character as it is shown; blanks too where `blanks` are all there is.
fn visible(character: char, blanks: bool) -> String {
    match character {
        ' ' if blanks => String::from("·"),
        '\t' if blanks => String::from("→"),
        '\u{a0}' if blanks => String::from("⍽"),
        character if is_invisible(character) || (blanks && is_joiner(character)) => {
            format!("⟨U+{:04X}⟩", character as u32)
        }
        character => String::from(character),
    }
}

/// Characters that shape those beside them; between letters they belong to how some languages are written.
fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The pieces of a change; none where only what is known about the document changed.
pub fn of_change(change: &Change) -> Vec<Piece> {
    difference(&change.before, &change.after, change.is_clipped())
}

/// The pieces that lead from `before` to `after`. Where the texts were cut, what differs at their ends is left out: there
/// one of them has what was cut from the other.
pub fn difference(before: &str, after: &str, clipped: bool) -> Vec<Piece> {
    // The sign of the cut is no part of either text.
    let whole = |text| if clipped { str::trim_end_matches(text, '…') } else { text };
    let (old, new) = (tokens(whole(before)), tokens(whole(after)));
    let operations = capture_diff_slices(Algorithm::Patience, &old, &new);
    let mut runs: Vec<(PieceKind, String)> = Vec::new();
    for operation in operations {
        let (removed, added) = (old[operation.old_range()].concat(), new[operation.new_range()].concat());
        match operation {
            DiffOp::Equal { .. } => runs.push((PieceKind::Same, added)),
            _ => runs.extend([(PieceKind::Removed, removed), (PieceKind::Added, added)]),
        }
    }
    runs.retain(|(_, text)| !text.is_empty());
    while clipped && runs.last().is_some_and(|(kind, _)| *kind != PieceKind::Same) {
        runs.pop();
    }
    match runs.iter().any(|(kind, _)| *kind != PieceKind::Same) {
        true => shortened(&joined(runs)),
        false => Vec::new(),
    }
}

/// Words; single characters of everything else.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match rest.find(|character| !is_of_word(character)) {
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (token, left) = rest.split_at(length);
        tokens.push(token);
        rest = left;
    }
    tokens
}

/// Letters and digits of scripts that put blanks between words.
fn is_of_word(character: char) -> bool {
    character.is_alphanumeric()
        && !matches!(character, '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..)
}

/// Blanks between two changes change with them, so that a passage written anew is not shown word by word.
fn joined(runs: Vec<(PieceKind, String)>) -> Vec<(PieceKind, String)> {
    let mut joined: Vec<(PieceKind, String)> = Vec::new();
    let (mut removed, mut added) = (String::new(), String::new());
    let is_change = |run: Option<&(PieceKind, String)>| run.is_some_and(|(kind, _)| *kind != PieceKind::Same);
    for (position, (kind, text)) in runs.iter().enumerate() {
        let bridges = text.trim().is_empty()
            && is_change(runs.get(position.wrapping_sub(1)))
            && is_change(runs.get(position + 1));
        match kind {
            PieceKind::Removed => removed += text,
            PieceKind::Added => added += text,
            _ if bridges => {
                removed += text;
                added += text;
            }
            _ => {
                joined.extend(changed(&mut removed, &mut added));
                joined.push((PieceKind::Same, text.clone()));
            }
        }
    }
    joined.extend(changed(&mut removed, &mut added));
    joined
}

fn changed(removed: &mut String, added: &mut String) -> impl Iterator<Item = (PieceKind, String)> + use<> {
    let both = [(PieceKind::Removed, std::mem::take(removed)), (PieceKind::Added, std::mem::take(added))];
    both.into_iter().filter(|(_, text)| !text.is_empty())
}

/// The pieces: of what stayed the same what is near a difference, of what was removed the beginning and the end.
fn shortened(runs: &[(PieceKind, String)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (position, (kind, text)) in runs.iter().enumerate() {
        let (is_first, is_last) = (position == 0, position + 1 == runs.len());
        let ends = match kind {
            PieceKind::Same => [!is_first, !is_last],
            PieceKind::Removed => [true, true],
            PieceKind::Added | PieceKind::Gap => [false, false],
        };
        let room = AROUND * ends.iter().filter(|end| **end).count();
        if room == 0 || text.chars().nth(room).is_none() {
            pieces.push(Piece::new(*kind, text));
            continue;
        }
        let head = text.char_indices().nth(AROUND).map_or(text.len(), |(at, _)| at);
        let tail = text.char_indices().rev().nth(AROUND - 1).map_or(0, |(at, _)| at);
        pieces.extend(ends[0].then(|| Piece::new(*kind, &text[..head])));
        pieces.push(Piece::new(PieceKind::Gap, " … "));
        pieces.extend(ends[1].then(|| Piece::new(*kind, &text[tail..])));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces in a line: [-removed-], {+added+}, what stayed.
    fn shown(before: &str, after: &str) -> String {
        let worded = |piece: Piece| match piece.kind {
            PieceKind::Same | PieceKind::Gap => piece.text,
            PieceKind::Removed => format!("[-{}-]", piece.text),
            PieceKind::Added => format!("{{+{}+}}", piece.text),
        };
        difference(before, after, false).into_iter().map(worded).collect()
    }

    #[test]
    fn words_and_single_characters_of_chinese_are_compared() {
        assert_eq!(shown("teh clay and water", "the clay and water"), "[-teh-]{+the+} clay and water");
        assert_eq!(shown("女娲补天了", "女娲造人了"), "女娲[-补天-]{+造人+}了");
        assert_eq!(shown("one two three", "six seven three"), "[-one two-]{+six seven+} three");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(shown("clay\n\n\n\nwater", "clay\n\nwater"), "clay\n\n[-↵↵-]water");
        assert_eq!(shown("clay and \t", "clay and"), "clay and[-·→-]");
        assert_eq!(shown("cl\u{200b}ay", "clay"), "[-cl⟨U+200B⟩ay-]{+clay+}");
    }

    #[test]
    fn what_stays_the_same_far_away_is_left_out() {
        let same = "clay ".repeat(200);
        let text = shown(&format!("{same}x{same}y{same}"), &format!("{same}z{same}y{same}"));
        assert!(text.starts_with(" … clay") && text.ends_with("clay clay … "), "{text}");
        assert!(text.chars().count() < 2 * AROUND + 30, "{text}");
        let removed = shown(&format!("a {same} b"), "c");
        assert!(
            removed.starts_with("[-a clay") && removed.contains("-] … [-") && removed.ends_with(" b-]{+c+}"),
            "{removed}"
        );
    }

    #[test]
    fn the_ends_of_cut_texts_are_not_compared() {
        let pieces = difference("a b c d e f…", "a x c d…", true);
        assert_eq!(pieces.len(), 4, "{pieces:?}");
        assert_eq!(pieces[3], Piece::new(PieceKind::Same, " c d"));
        assert_eq!(difference("same", "same", false), []);
        assert_eq!(difference("same and more…", "same", true), []);
    }
}
