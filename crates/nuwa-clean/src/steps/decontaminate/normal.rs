//! One form for what is written in several: the same for items and for documents, before words are compared.
//!
//! Away go accents, full-width letters and ligatures, entities of HTML, tags within a line, marks that a page adds to its text
//! (citations, targets of links, soft hyphens, numbers in circles) and that a data set adds to its (tokenised contractions,
//! HellaSwag's `[header]`, GSM8K's `<<48/2=24>>`), and the commas of thousands.

use std::borrow::Cow;

use nuwa_collect::html::unescape;
use unicode_normalization::UnicodeNormalization;

/// The text in that form.
pub(super) fn normal(text: &str) -> Cow<'_, str> {
    let text = without_entities(text);
    let text = match text.is_ascii() {
        true => text,
        false => Cow::Owned(folded(&text)),
    };
    match without_marks(&text) {
        Some(clean) => Cow::Owned(clean),
        None => text,
    }
}

/// Entities may stand in an entity: `&amp;quot;`.
fn without_entities(text: &str) -> Cow<'_, str> {
    match unescape(text) {
        Cow::Borrowed(same) => Cow::Borrowed(same),
        Cow::Owned(once) => Cow::Owned(unescape(&once).into_owned()),
    }
}

fn folded(text: &str) -> String {
    let shown = text.chars().filter(|character| !is_unseen(*character));
    let spaced = shown.map(|character| if is_circled(character) { ' ' } else { character });
    let letters = spaced.nfkd().filter(|character| !('\u{300}'..='\u{36f}').contains(character));
    letters.map(|character| if character == '’' { '\'' } else { character }).nfc().collect()
}

/// Soft hyphens, joiners and marks of width zero.
fn is_unseen(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Numbers and letters in circles or brackets, which label choices.
fn is_circled(character: char) -> bool {
    matches!(character, '\u{2460}'..='\u{24ff}' | '\u{2776}'..='\u{2793}')
}

/// Nothing where there is no such mark.
fn without_marks(text: &str) -> Option<String> {
    let mut clean: Option<String> = None;
    let (mut from, mut at) = (0, 0);
    while let Some(next) =
        text.as_bytes()[at..].iter().position(|byte| matches!(byte, b'<' | b'[' | b']' | b'\'' | b',' | b' '))
    {
        let mark = at + next;
        let (length, instead) = mark_at(text, mark);
        if length > 0 {
            let clean = clean.get_or_insert_with(|| String::with_capacity(text.len()));
            clean.push_str(&text[from..mark]);
            clean.push_str(instead);
            from = mark + length;
        }
        at = mark + length.max(1);
    }
    clean.map(|clean| clean + &text[from..])
}

/// How many bytes of a mark begin here, and what stands for it.
fn mark_at(text: &str, at: usize) -> (usize, &'static str) {
    let rest = &text[at..];
    match text.as_bytes()[at] {
        b' ' => (usize::from(is_contraction(&rest[1..])), ""),
        b',' => (usize::from(parts_thousands(&text[..at], &rest[1..])), ""),
        b'<' => tag(rest).unwrap_or((0, "")),
        b'[' => (bracket(rest).unwrap_or(0), " "),
        b']' => (target(rest).unwrap_or(0), " "),
        _ => (0, ""),
    }
}

/// `n't` and `'s`, as tokenisers cut them off.
fn is_contraction(rest: &str) -> bool {
    if !rest.starts_with('\'') && !matches!(rest.get(..2), Some("n'" | "N'")) {
        return false;
    }
    let is_part = |character: &char| character.is_alphanumeric() || *character == '\'';
    let word: String = rest.chars().take(4).take_while(is_part).collect();
    let word = word.to_ascii_lowercase();
    matches!(word.as_str(), "'s" | "'re" | "'ll" | "'ve" | "'d" | "'m" | "n't")
}

fn parts_thousands(before: &str, behind: &str) -> bool {
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3 && before.ends_with(|character: char| character.is_ascii_digit())
}

/// A sum of GSM8K's, a control token of a chat, or a tag: within a line nothing stands for it, else the end of the line.
fn tag(rest: &str) -> Option<(usize, &'static str)> {
    if let Some(sum) = rest.strip_prefix("<<") {
        let end = sum.find(">>").filter(|end| *end < 80 && sum[..*end].contains('='))?;
        return Some((end + 4, ""));
    }
    if rest.starts_with("<|") {
        let end = rest.bytes().take(30).position(|byte| byte == b'>')?;
        return rest[..end].ends_with('|').then_some((end + 1, "\n"));
    }
    let inner = rest[1..].trim_start_matches('/');
    let name: String = inner.chars().take(11).take_while(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let within = [
        "a", "b", "i", "u", "em", "strong", "span", "sup", "sub", "font", "code", "mark", "small", "kbd",
        "abbr", "cite",
    ];
    let blocks = [
        "p",
        "br",
        "div",
        "li",
        "ul",
        "ol",
        "td",
        "tr",
        "th",
        "dd",
        "dt",
        "h1",
        "h2",
        "h3",
        "h4",
        "pre",
        "blockquote",
        "s",
    ];
    let instead = if within.contains(&name.as_str()) {
        ""
    } else if blocks.contains(&name.as_str()) {
        "\n"
    } else {
        return None;
    };
    let end = rest.find(['>', '\n']).filter(|end| rest.as_bytes()[*end] == b'>')?;
    Some((end + 1, instead))
}

/// `[12]`, `[3, 4]`, `[citation needed]`, HellaSwag's `[title]`; at the most a few letters.
fn bracket(rest: &str) -> Option<usize> {
    let end = rest.bytes().take(24).position(|byte| byte == b']')?;
    let inner = &rest[1..end];
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b',' | b' ' | b'-');
    let is_citation = inner.bytes().all(is_number) && inner.bytes().any(|byte| byte.is_ascii_digit());
    let said = inner.to_ascii_lowercase();
    let is_known = matches!(
        said.as_str(),
        "header"
            | "title"
            | "step"
            | "substeps"
            | "citation needed"
            | "edit"
            | "sic"
            | "note"
            | "inst"
            | "/inst"
    );
    (is_citation || is_known || said.starts_with("note ")).then_some(end + 1)
}

/// The target of a link of Markdown.
fn target(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix("](")?;
    let is_target =
        ["http", "/", "#", "www.", "./", "mailto:", "../"].iter().any(|start| inner.starts_with(start));
    let end = inner.find([')', '\n']).filter(|end| inner.as_bytes()[*end] == b')')?;
    is_target.then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use nuwa_text::words;

    use super::*;

    fn are_one(forms: &[&str]) {
        let first = words(&normal(forms[0]));
        assert!(!first.is_empty());
        for form in forms {
            assert_eq!(words(&normal(form)), first, "{form:?} and {:?}", forms[0]);
        }
    }

    #[test]
    fn forms_of_one_text_are_one() {
        are_one(&[
            "it's a gem we don't see",
            "it 's a gem we do n't see",
            "it’s a gem we don’t see",
            "IT &#39;S a gem we do n&rsquo;t see",
        ]);
        are_one(&[
            "ice & salt \"melt\"",
            "ice &amp; salt &quot;melt&quot;",
            "ice &amp;amp; salt &amp;quot;melt&amp;quot;",
        ]);
        are_one(&[
            "the melting point of iron",
            "the <b>melt</b>ing point<sup>[12]</sup> of <a href=\"/iron?a=b\">iron</a>",
        ]);
        are_one(&[
            "the melting point of iron",
            "the melting[3][4, 5] point of [iron](https://example.org/iron \"Iron\")",
        ]);
        are_one(&[
            "the melting point",
            "ｔｈｅ ｍｅｌｔｉｎｇ ｐｏｉｎｔ",
            "the mel\u{ad}ting\u{200b} point",
        ]);
        are_one(&["cafe fluid 12500", "café ﬂuid 12,500", "cafe\u{301} fluid 12500"]);
        are_one(&["盐 糖", "①盐②糖"]);
        are_one(&["how to peel cut it", "[header] how to peel [title] cut it", "How to peel<br>cut it"]);
        are_one(&["who fires clay", "<|im_start|>who fires<|im_end|> clay", "<s>who fires clay</s>"]);
        are_one(&["it sold 24 clips", "it sold <<48/2=24>>24 clips"]);
    }

    #[test]
    fn other_marks_stay() {
        for text in [
            "Z_6/<3> and a < b, c > d",
            "[a, b] (see above)",
            "f[i](x)",
            "1,2 and 3,45",
            "AT&T; a & b",
            "he said 'so",
        ] {
            assert_eq!(normal(text), text);
        }
    }
}
