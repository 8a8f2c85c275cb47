//! Faces made of ASCII characters: ":-)", ";)", "^_^".
//!
//! An emoticon stands by itself: before it is the line's beginning, a blank, a mark that ends a sentence, or a character of
//! a script without blanks; behind it the same, or a closing bracket. So `a[:-1]`, `http://`, "10:30" and "(see below:)" stay.
//! More mouths than one belong to it (":)))"), but a bracket that was open before stays closed: "(a joke :-))". A face
//! without a nose whose mouth could close an open bracket is a bracket: "(a, b, c :)". Lines that begin with four blanks or
//! a tab are left alone. Faces that are too often something else are not here: "<3", "XD", "8)", ":p", ":/", ":|".

use nuwa_text::is_unspaced;

use super::names::{Name, name};

/// Emoticons with the emoji of the same meaning; longer ones before their beginnings.
const EMOTICONS: [(&str, &str); 36] = [
    (":'-(", "😢"),
    (":'-)", "😂"),
    (":'(", "😢"),
    (":')", "😂"),
    (">:-(", "😠"),
    (">:(", "😠"),
    (":-)", "🙂"),
    (":-]", "🙂"),
    (":-D", "😃"),
    (":-(", "🙁"),
    (":-[", "🙁"),
    (":-P", "😛"),
    (":-p", "😛"),
    (":-b", "😛"),
    (":-/", "😕"),
    (":-\\", "😕"),
    (":-|", "😐"),
    (":-O", "😮"),
    (":-o", "😮"),
    (":-*", "😘"),
    (";-)", "😉"),
    (";-D", "😉"),
    (";-P", "😜"),
    ("8-)", "😎"),
    ("B-)", "😎"),
    (":)", "🙂"),
    (":D", "😃"),
    (":(", "🙁"),
    (":P", "😛"),
    (";)", "😉"),
    ("=)", "🙂"),
    ("^_^", "😊"),
    ("^-^", "😊"),
    ("T_T", "😭"),
    (";_;", "😭"),
    ("¯\\_(ツ)_/¯", "🤷"),
];

/// Where an emoticon may begin, in order.
pub(super) fn candidates(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let faces = memchr::memchr3_iter(b':', b';', b'=', bytes).map(move |eyes| match eyes.checked_sub(1) {
        Some(brow) if bytes[brow] == b'>' => brow,
        _ => eyes,
    });
    let others = memchr::memchr2_iter(b'_', b'-', bytes).filter_map(|nose| nose.checked_sub(1));
    let shrugs = memchr::memmem::find_iter(bytes, "¯\\_(");
    let mut all: Vec<usize> = faces
        .chain(others.filter(move |&at| matches!(bytes[at], b'^' | b'T' | b'8' | b'B')))
        .chain(shrugs)
        .collect();
    all.sort_unstable();
    all.into_iter()
}

/// An emoticon: its bytes, its name, and whether its mouth also closes a bracket.
pub(super) struct Found {
    pub length: usize,
    pub name: Name,
    pub closes: bool,
}

/// The emoticon that begins at byte `at` of `text`.
pub(super) fn emoticon_at(text: &str, at: usize) -> Option<Found> {
    let rest = &text[at..];
    let (face, emoji) = EMOTICONS.iter().find(|(face, _)| rest.starts_with(face))?;
    let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at];
    if line.starts_with("    ") || line.starts_with('\t') || !stands_free(line.chars().next_back()) {
        return None;
    }
    let mouth = face.chars().next_back()?;
    let more = rest[face.len()..].chars().take_while(|next| *next == mouth && "()D".contains(mouth)).count();
    let open = mouth == ')' && has_open_bracket(line);
    let length = face.len() + more - usize::from(open && more > 0);
    let closes = open && more == 0;
    let has_nose = face.chars().count() > 2;
    let free = stands_free(rest[length..].chars().next()) || rest[length..].starts_with([')', ']', '）']);
    (free && (has_nose || !closes)).then_some(Found { length, name: name(emoji)?, closes })
}

/// Whether an emoticon may touch this character.
fn stands_free(neighbour: Option<char>) -> bool {
    neighbour.is_none_or(|character| {
        character.is_whitespace()
            || ".!?,…~。，！？、；～”\"".contains(character)
            || is_unspaced(character)
            || character > '\u{1f000}'
    })
}

/// Brackets that are mouths do not count.
fn has_open_bracket(line: &str) -> bool {
    let count = |bracket: u8| {
        let is_mouth = |at: usize| at > 0 && b":;=-'".contains(&line.as_bytes()[at - 1]);
        memchr::memchr_iter(bracket, line.as_bytes()).filter(|at| !is_mouth(*at)).count()
    };
    count(b'(') > count(b')')
}
