//! Long texts in pieces that fit a model's context, cut at ends of paragraphs and sentences.

use nuwa_text::{cut_near, is_unspaced};

use crate::failure::Problem;

/// Bytes that a token has at most, on average, in texts of any kind: what is looked at of a text to find where a piece ends.
const BYTES_OF_A_TOKEN: usize = 16;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The part, without blanks around it.
    pub text: &'a str,
    /// The blanks after it.
    pub gap: &'a str,
}

/// A text in pieces of at most `room` tokens, as `count` counts them; nothing is left out.
pub fn pieces<'a>(
    text: &'a str,
    room: usize,
    count: &dyn Fn(&str) -> anyhow::Result<usize>,
) -> anyhow::Result<Vec<Piece<'a>>> {
    let (mut found, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let end = first_end(rest, room, count)?;
        let (own, after) = rest.split_at(end);
        let (text, next) = (own.trim_end(), after.trim_start());
        // Blanks at the cut may stand on both sides of it.
        let gap = &rest[text.len()..rest.len() - next.len()];
        found.push(Piece { text, gap });
        rest = next;
    }
    Ok(found)
}

/// Where the first piece ends.
fn first_end(
    text: &str,
    room: usize,
    count: &dyn Fn(&str) -> anyhow::Result<usize>,
) -> anyhow::Result<usize> {
    let window = &text[..text.floor_char_boundary(room.saturating_mul(BYTES_OF_A_TOKEN))];
    let tokens = count(window)?;
    if window.len() == text.len() && tokens <= room {
        return Ok(text.len());
    }
    let mut at = window.len() * room / tokens.max(room).max(1);
    loop {
        let end = cut_near(text, at, at / 2);
        if end > 0 && count(text[..end].trim_end())? <= room {
            return Ok(end);
        }
        if end == 0 || at == 0 {
            return Err(Problem::new(format!("{room} tokens are no room for any part of the text"))
                .hint("shorten the prompt, or take a model with a longer context")
                .into());
        }
        at = (at.min(end) * 9 / 10).min(end - 1);
    }
}

/// The answers to pieces put together as the pieces were: with the line breaks between them, or else a blank where the script has them.
pub fn joined(pieces: &[Piece<'_>], answers: &[String]) -> String {
    let mut whole = String::new();
    for (piece, answer) in pieces.iter().zip(answers) {
        let answer = answer.trim();
        if let Some(last) = whole.chars().last().filter(|last| !last.is_whitespace()) {
            let parts = |one: char| is_unspaced(one) || "。！？，；：、".contains(one);
            let is_blank_needed = !(parts(last) && answer.chars().next().is_some_and(parts));
            whole += if is_blank_needed { " " } else { "" };
        }
        whole += answer;
        if piece.gap.contains('\n') {
            whole += piece.gap;
        }
    }
    whole.truncate(whole.trim_end().len());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token for each word or character of Chinese.
    fn count(text: &str) -> anyhow::Result<usize> {
        Ok(nuwa_text::words(text).len())
    }

    fn cut(text: &str, room: usize) -> Vec<&str> {
        pieces(text, room, &count).unwrap().into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn pieces_end_with_sentences_and_hold_all() {
        let text = "One two three. Four five six. Seven eight nine.\n\nTen eleven. Twelve.";
        assert_eq!(cut(text, 99), [text]);
        let all = cut(text, 6);
        assert!(all.iter().all(|piece| count(piece).unwrap() <= 6 && piece.ends_with('.')), "{all:?}");
        assert_eq!(
            all.join(" ").split_whitespace().collect::<Vec<_>>(),
            text.split_whitespace().collect::<Vec<_>>()
        );
        let chinese = "女娲造人。女娲补天。天塌西北。地陷东南。".repeat(9);
        let all = cut(&chinese, 10);
        assert!(all.iter().all(|piece| piece.ends_with('。') && count(piece).unwrap() <= 10), "{all:?}");
        assert_eq!(all.concat(), chinese);
    }

    #[test]
    fn a_text_without_ends_is_cut_all_the_same_and_nothing_is_no_piece() {
        let text = "a".repeat(50) + &"b c ".repeat(100);
        let all = cut(&text, 7);
        assert!(all.iter().all(|piece| count(piece).unwrap() <= 7));
        assert_eq!(all.concat().replace(' ', ""), text.replace(' ', ""));
        assert!(cut(" \n ", 5).is_empty());
        let error = pieces("a b", 0, &count).unwrap_err().to_string();
        assert_eq!(error, "0 tokens are no room for any part of the text");
    }

    #[test]
    fn answers_are_joined_as_the_pieces_were() {
        let piece = |text, gap| Piece { text, gap };
        let all = [piece("a", " "), piece("b", "\n\n"), piece("c", "")];
        let told = |answers: [&str; 3]| joined(&all, &answers.map(str::to_string));
        assert_eq!(told(["One.", " Two. ", "Three."]), "One. Two.\n\nThree.");
        assert_eq!(told(["一。", "二。", "三。"]), "一。二。\n\n三。");
    }
}
