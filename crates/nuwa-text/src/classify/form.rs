//! What a text says, and the form it stands in: heads of posts, links, names, ids, times, layout.
//!
//! Where all examples of one kind are posts of one forum and the others are pages, form tells them apart best, and a model
//! that learns it finds posts and not what it was meant to find. So form is left out before n-grams are counted, and what
//! it alone would tell is measured ([`shape`]).

use std::borrow::Cow;
use std::collections::HashSet;

use crate::{is_unspaced, mix};

/// Heads of mails and posts whose values say nothing of the text.
const FIELDS: [&str; 22] = [
    "from",
    "to",
    "cc",
    "bcc",
    "date",
    "sent",
    "reply-to",
    "message-id",
    "in-reply-to",
    "newsgroups",
    "author",
    "posted",
    "joined",
    "location",
    "posts",
    "user",
    "username",
    "name",
    "sender",
    "delivered-to",
    "return-path",
    "received",
];
/// Words of the buttons and counts beside a post.
const BUTTONS: [&str; 44] = [
    "reply",
    "replies",
    "quote",
    "quoted",
    "report",
    "share",
    "like",
    "likes",
    "permalink",
    "edit",
    "edited",
    "delete",
    "deleted",
    "points",
    "point",
    "upvote",
    "downvote",
    "view",
    "views",
    "comments",
    "comment",
    "ago",
    "hours",
    "minutes",
    "days",
    "more",
    "save",
    "follow",
    "top",
    "bottom",
    "this",
    "post",
    "posts",
    "thread",
    "topic",
    "to",
    "back",
    "send",
    "message",
    "link",
    "parent",
    "original",
    "re",
    "fwd",
];
/// Words before the last stamp of a head, and words in which a head ends.
const HEAD_WORDS: usize = 5;
const HEAD_REACH: usize = 12;
/// Words of a line that announces a quotation, and of one of buttons.
const ANNOUNCEMENT: usize = 14;
const BUTTON_LINE: usize = 8;

/// The text without its form, a line for each line that says something.
pub(super) fn content(text: &str) -> String {
    let text = without_tags(text);
    let mut content = String::with_capacity(text.len());
    let mut seen = HashSet::new();
    // What comes again and again is a signature, a title, a button.
    for line in text.lines().filter_map(said).filter(|line| seen.insert(line.trim())) {
        let words = line.split_whitespace().filter(|word| !is_mark(word));
        for word in words {
            content.push_str(word);
            content.push(' ');
        }
        content.push('\n');
    }
    content
}

/// Without `[quote="ada"]`, `[/b]`, `<br>`: a blank stands for each.
fn without_tags(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut from = 0;
    for (at, _) in text.match_indices(['[', '<']) {
        if at >= from
            && let Some(length) = tag(&text[at..])
        {
            clean.push_str(&text[from..at]);
            clean.push(' ');
            from = at + length;
        }
    }
    match from {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(clean + &text[from..]),
    }
}

fn tag(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let close = if bytes[0] == b'[' { b']' } else { b'>' };
    let end = bytes.iter().take(60).position(|byte| *byte == close)?;
    let inner = &bytes[1..end];
    let name = inner.strip_prefix(b"/").unwrap_or(inner);
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic);
    (is_name && !inner.contains(&b'\n') && (close == b'>' || !inner.contains(&b' '))).then_some(end + 1)
}

/// What is left of a line without heads and buttons.
fn said(line: &str) -> Option<&str> {
    let line =
        line.trim_start_matches(|mark: char| mark.is_whitespace() || matches!(mark, '>' | '|' | '*' | '#'));
    if let Some((name, value)) = line.split_once(':') {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "subject" | "re" | "title" => return Some(value),
            _ if FIELDS.contains(&name.as_str()) => return None,
            _ => {}
        }
    }
    let words: Vec<&str> = line.split_whitespace().take(ANNOUNCEMENT + 1).collect();
    let is_short = words.len() <= ANNOUNCEMENT;
    let announces = ["wrote:", "writes:", "said:", "schrieb:", "écrit :", "escribió:"]
        .iter()
        .any(|end| line.trim_end().ends_with(end));
    if (is_short && announces) || is_button_line(&words) {
        return None;
    }
    let reach = &words[..words.len().min(HEAD_REACH)];
    let Some(last) = reach.iter().rposition(|word| is_stamp(word)) else { return Some(line) };
    let plain = reach[..last].iter().filter(|word| !word.contains(|one: char| one.is_ascii_digit())).count();
    let end = words[last].as_ptr() as usize - line.as_ptr() as usize + words[last].len();
    let rest = line[end..].trim_start();
    let rest = ["am", "pm", "AM", "PM"].iter().find_map(|half| rest.strip_prefix(half)).unwrap_or(rest);
    Some(if plain <= HEAD_WORDS { rest } else { line })
}

fn is_button_line(words: &[&str]) -> bool {
    let is_button = |word: &&str| {
        let word = word.trim_matches(|mark: char| !mark.is_alphanumeric()).to_ascii_lowercase();
        word.is_empty() || is_mark(&word) || BUTTONS.contains(&word.as_str())
    };
    (1..=BUTTON_LINE).contains(&words.len()) && words.iter().all(is_button)
}

/// A date, a time, or a number of five digits or more.
fn is_stamp(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let joins = word.as_bytes().windows(3).any(|three| {
        three[0].is_ascii_digit() && matches!(three[1], b':' | b'/' | b'-') && three[2].is_ascii_digit()
    });
    // A word of a script without blanks is a whole sentence.
    ((digits >= 3 && joins) || digits >= 5) && !word.contains(is_unspaced)
}

/// Links, addresses, names with an @, tags of mark-up, ids and numbers.
fn is_mark(word: &str) -> bool {
    let starts = ["@", "/u/", "u/", "/r/", "r/", "&"];
    if word.contains(is_unspaced) {
        return false;
    }
    word.contains(['@', '\\'])
        || word.contains("://")
        || word.contains("www.")
        || starts.iter().any(|start| word.starts_with(start))
        || word.bytes().any(|byte| byte.is_ascii_digit())
        || is_address(word)
}

/// `example.org/page`: letters on both sides of a dot and no capital behind it.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ')', ';']);
    let Some((before, behind)) = word.split_once('.') else { return false };
    let name = behind.split('/').next().unwrap_or_default();
    before.len() > 1
        && (2..=20).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.')
        && before.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Places of a table of [`SHAPE_BITS`] that say how a text looks and nothing of its words.
pub(super) fn shape(text: &str) -> Vec<(u32, f32)> {
    let lines: Vec<&str> = text.lines().collect();
    let count = |fits: &dyn Fn(char) -> bool| text.chars().filter(|one| fits(*one)).count();
    let letters = count(&char::is_alphabetic).max(1);
    let of_lines =
        |fits: &dyn Fn(&str) -> bool| 8 * lines.iter().filter(|line| fits(line)).count() / lines.len().max(1);
    let rare = |number: usize| (1000 * number / letters + 1).ilog2() as usize;
    let values = [
        text.len().max(1).ilog2() as usize,
        (text.len() / lines.len().max(1)).max(1).ilog2() as usize,
        of_lines(&|line| line.trim().is_empty()),
        of_lines(&|line| line.starts_with(|mark: char| mark.is_ascii_punctuation())),
        of_lines(&|line| {
            !line.trim().is_empty() && said(line).is_none_or(|left| left.len() < line.trim_start().len())
        }),
        rare(count(&char::is_uppercase)),
        rare(count(&char::is_numeric)),
        rare(count(&|one| one.is_ascii_punctuation())),
        rare(count(&|one| matches!(one, '>' | '@' | '#' | '/'))),
        rare(text.matches("://").count()),
    ];
    let value = 1.0 / (values.len() as f32).sqrt();
    let place = |(kind, size): (usize, usize)| mix(kind as u64 + 1, size as u64) >> (64 - SHAPE_BITS);
    values.into_iter().enumerate().map(|one| (place(one) as u32, value)).collect()
}

/// Two to the power of this are the places of [`shape`].
pub(super) const SHAPE_BITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> String {
        content(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_said_does_not_depend_on_the_form() {
        let said = "The kiln is hot today, mind your hands.";
        for text in [
            "The kiln is hot today,\nmind your hands.",
            "Anonymous 04/26/19(Fri)22:36:49 no.211302460: >>211302459\n> The kiln is hot today,\nmind your hands.",
            "From: Ada <ada@example.org>\nDate: Fri, 26 Apr 2019 22:36:49 +0200\nSubject: The kiln is hot today,\n\nmind your hands.",
            "Ada » Fri Apr 26, 2019 10:36 pm\nThe kiln is hot today, @bo mind your hands. https://example.org/a?b=1",
            "u/ada 12 points 3 hours ago\n[b] The kiln is hot today, [/b] mind your hands.\nReply Share Report",
            "On 26/04/2019, Ada wrote:\n> The kiln is hot today,\n> mind your hands.\nexample.org/kiln",
        ] {
            assert_eq!(left(text), said, "{text}");
        }
        assert_eq!(left("房间2M宽,距离公路1234567米"), "房间2M宽,距离公路1234567米");
        let plain = "At noon we left for the river. There were 7 of us, e.g. Ada and Bo.";
        assert_eq!(left(plain), plain.replace("7 ", ""));
    }

    #[test]
    fn the_shape_knows_no_words() {
        let one = "The kiln is hot today,\nmind your hands.";
        assert_eq!(shape(one), shape(&one.replace("kiln", "oven")));
        assert_ne!(shape(one), shape(&format!("Ada 04/26/19 22:36:49: {one}\n\n>> {one}")));
        assert!(shape(one).iter().all(|(place, _)| *place < 1 << SHAPE_BITS));
    }
}
