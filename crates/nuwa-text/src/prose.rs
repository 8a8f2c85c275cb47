//! What of a text is prose: the words that a reader reads, without what markup says to a program.
//!
//! Limits of quality and of repetition are about prose. A page of an encyclopedia in Markdown is by half targets and titles
//! of links, which repeat the words beside them, and "%D9%85" spells two words to a program and half a letter to a reader.
//! So fenced code, images, targets and titles of links, addresses, tags, templates and marks of citation are left out. The text
//! itself is never changed by this.

use std::borrow::Cow;

/// The longest part of markup that is looked for, in bytes: what is open longer was no markup.
const LONGEST: usize = 4000;
/// Links, images and brackets may stand within one another so deep.
const DEEPEST: usize = 12;

/// The prose of `text`.
pub fn prose(text: &str) -> Cow<'_, str> {
    let text = without_code(text);
    match text.bytes().any(begins_markup) {
        true => Cow::Owned(without_markup(&text, 0)),
        false => text,
    }
}

/// The text without what stands between lines that begin with three backticks.
pub fn without_code(text: &str) -> Cow<'_, str> {
    if !text.contains("```") {
        return Cow::Borrowed(text);
    }
    let mut fenced = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    };
    Cow::Owned(text.split_inclusive('\n').filter(is_prose).collect())
}

fn begins_markup(byte: u8) -> bool {
    matches!(byte, b'[' | b'<' | b':' | b'%' | b'{')
}

fn without_markup(text: &str, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(begins_markup) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'[' => bracket(rest, &mut out, depth),
            b'<' => tag(rest, &mut out),
            b':' => address(rest, &mut out),
            b'%' => encoded(rest),
            _ => template(rest),
        };
        if length == 0 {
            out.push_str(&rest[..1]);
        }
        rest = &rest[length.max(1)..];
    }
    out + rest
}

/// What begins with a bracket: an image, a link, a definition, a citation. Its length, 0 where it is only a bracket.
fn bracket(rest: &str, out: &mut String, depth: usize) -> usize {
    let Some(label_end) = closing(rest, b'[', b']').filter(|_| depth < DEEPEST) else { return 0 };
    let (label, after) = (&rest[1..label_end - 1], &rest[label_end..]);
    if let Some(target) = target(after) {
        push_label(label, out, depth);
        return label_end + target;
    }
    if is_definition(after) && begins_line(out) {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if is_citation(label) {
        return label_end;
    }
    let reference = if after.starts_with('[') { closing(after, b'[', b']') } else { None };
    if let Some(length) = reference.filter(|length| *length < 100) {
        push_label(label, out, depth);
        return label_end + length;
    }
    match label.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => {
            push_label(inner.rsplit('|').next().unwrap_or(inner), out, depth);
            label_end
        }
        None => 0,
    }
}

/// The words of a link; an image and a citation have none.
fn push_label(label: &str, out: &mut String, depth: usize) {
    if out.ends_with('!') {
        out.pop();
    } else if !(label.starts_with(['[', '\\']) && is_citation(label)) {
        out.push_str(&without_markup(label, depth + 1));
    }
}

/// Whether an address follows the label, for others to refer to: `[1]: https://...`
fn is_definition(after: &str) -> bool {
    let said = after.strip_prefix(": ").map(|said| said.trim_start_matches([' ', '<']));
    said.is_some_and(|said| said.starts_with(['/', '#', '.']) || said.starts_with("http"))
}

fn begins_line(out: &str) -> bool {
    out.trim_end_matches(' ').chars().next_back().is_none_or(|before| before == '\n')
}

/// Digits, a letter, a footnote's mark, a word with its number: "3", "12, 14", "b", "^note", "note 7", "citation needed".
fn is_citation(label: &str) -> bool {
    let bare = label.trim_matches(['[', ']', '\\', ' ']);
    let count = bare.chars().take(16).count();
    let has_digit = || bare.contains(|character: char| character.is_numeric());
    bare.starts_with('^')
        || count <= 1
        || count < 16 && has_digit() && !bare.contains(['/', '.', '('])
        || ["edit", "citation needed"].contains(&bare)
}

/// The length of a link's target in round brackets, with its title: `(/wiki/Rope_(game) "Rope (game)")`.
fn target(after: &str) -> Option<usize> {
    let length = if after.starts_with('(') { closing(after, b'(', b')') } else { None }?;
    let inside = after[1..length - 1].trim_start();
    let address = inside.split(['"', ' ', '\n']).next().unwrap_or_default();
    let is_single = address.len() == inside.len();
    (is_single || address.contains(['/', '#', '.', ':', '%'])).then_some(length)
}

/// The length of what begins with the byte `open`, up to where it is closed; marks behind a backslash and in quotation marks
/// after a blank do not count.
fn closing(text: &str, open: u8, close: u8) -> Option<usize> {
    let bytes = &text.as_bytes()[..text.len().min(LONGEST)];
    let (mut depth, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' if bytes.get(at + 1) == Some(&b'\n') => return None,
            b'"' if open == b'(' && at > 0 && bytes[at - 1].is_ascii_whitespace() => {
                at += title(&bytes[at..]).unwrap_or(0);
            }
            _ if byte == open && depth == DEEPEST => return None,
            _ if byte == open => depth += 1,
            _ if byte == close => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// How far it is from a quotation mark to the one before a closing bracket.
fn title(quoted: &[u8]) -> Option<usize> {
    let ends = |pair: &[u8]| pair == b"\")";
    quoted.windows(2).position(ends)
}

/// The length of a tag, a comment or an address between angle brackets.
fn tag(rest: &str, out: &mut String) -> usize {
    let bytes = &rest.as_bytes()[..rest.len().min(LONGEST)];
    if bytes.starts_with(b"<!--") {
        return bytes.windows(3).position(|three| three == b"-->").map_or(0, |at| at + 3);
    }
    let is_tag = bytes.get(1).is_some_and(|next| next.is_ascii_alphabetic() || *next == b'/');
    let end = bytes.iter().skip(1).position(|byte| matches!(byte, b'<' | b'>' | b'\n'));
    match end.filter(|end| is_tag && bytes[end + 1] == b'>') {
        Some(end) => {
            out.push(' ');
            end + 2
        }
        None => 0,
    }
}

/// The length of an address from its colon on; takes the scheme back.
fn address(rest: &str, out: &mut String) -> usize {
    let scheme = out.len() - out.trim_end_matches(|character: char| character.is_ascii_alphabetic()).len();
    if !rest.starts_with("://") || !(2..=8).contains(&scheme) {
        return 0;
    }
    out.truncate(out.len() - scheme);
    token(rest)
}

/// The length of what is percent-encoded, where two bytes are in a row: one alone may be "100%de".
fn encoded(rest: &str) -> usize {
    let is_byte = |three: &[u8]| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit);
    let bytes = rest.as_bytes();
    if bytes.len() >= 6 && is_byte(&bytes[..3]) && is_byte(&bytes[3..6]) { token(rest) } else { 0 }
}

/// Up to a blank, or what cannot stand in an address.
fn token(rest: &str) -> usize {
    let ends = |character: char| {
        character.is_whitespace()
            || matches!(character, '<' | '>' | '"' | ')' | ']' | '}' | '|' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
    };
    rest.find(ends).unwrap_or(rest.len())
}

/// The length of a template of a wiki: `{{cite web|title=...}}`.
fn template(rest: &str) -> usize {
    match rest.starts_with("{{") {
        true => closing(rest, b'{', b'}').unwrap_or(0),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(prose(text), expected);
    }

    #[test]
    fn links_are_their_words() {
        check(
            "the [rope](/wiki/Rope_(game) \"Rope (game)\") and [[salt|Salt]] [[pier]].",
            "the rope and Salt pier.",
        );
        check("[Mars\n\\(god\\)](/wiki/Mars_\\(god\\)\n\"Mars \\(god\\)\"), said", "Mars\n\\(god\\), said");
        check("[![a\nb.svg](//up/a.png)](/wiki/%D9%85:b.svg \"x\") c", " c");
        check("as [said][1] or [here][]\n\n[1]: http://a.b/c \"d\"\ne", "as said or here\n\n\ne");
        check("see <https://a.b/c?d> or https://e.f/%20g, h", "see   or  h");
        check("to be [sure](as one is) of it", "to be [sure](as one is) of it");
    }

    #[test]
    fn citations_tags_templates_and_code_are_none() {
        check(
            "67 men[[48]](#cite_note-70), and[12][b][note 3] so[^4] on [as one].",
            "67 men, and so on [as one].",
        );
        check("a<br/>b <!-- c\nd --> {{cite|e={{f}}}} 5 < 6 > {g}", "a b   5 < 6 > {g}");
        check("a\n```\nlet x;\n```\nb %D0%9C%D0%B0 100%de 5%", "a\nb  100%de 5%");
        check("plain words: nothing else [", "plain words: nothing else [");
    }

    proptest! {
        #[test]
        fn any_text_has_prose(text in r#"[\[\]()<>{}!:/%"\\\n a0é火-]{0,60}"#) {
            assert!(prose(&text).len() <= text.len());
        }
    }

    #[test]
    fn what_is_never_closed_is_text_and_takes_no_time() {
        let open = "[".repeat(20_000);
        check(&open, &open);
        let images = format!("{}x{}", "[![".repeat(3000), "](a)](b)".repeat(3000));
        assert!(prose(&images).len() <= images.len());
    }
}
