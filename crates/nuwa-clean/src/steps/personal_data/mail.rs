//! E-mail addresses: the forms of RFC 5322 that occur, `local@domain.tld`.

use std::ops::Range;

use nuwa_text::is_unspaced;

/// Endings of files, as in "icon@2x.png", which are no domains.
const FILES: [&str; 9] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "html"];

/// The addresses in `text`, in order.
pub(super) fn find(text: &str, mut found: impl FnMut(Range<usize>)) {
    let mut done = 0;
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        if at < done {
            continue;
        }
        let local = local_before(&text[done..at]);
        let domain = domain_after(&text[at + 1..]);
        if local > 0 && domain > 0 {
            found(at - local..at + 1 + domain);
            done = at + 1 + domain;
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() && !is_unspaced(character)
}

/// The bytes of the local part at the end of `text`.
fn local_before(text: &str) -> usize {
    let belongs =
        |&(_, character): &(usize, char)| is_word(character) || ".!#$%&'*+-/=?^_{|}~".contains(character);
    let run = text.char_indices().rev().take_while(belongs).last().map_or(text.len(), |(start, _)| start);
    // Signs at the beginning are quotation, brackets of wikis, or the end of "mailto:".
    text[run..]
        .trim_start_matches(|character: char| !is_word(character) && character != '_' && character != '+')
        .len()
}

/// The bytes of the domain at the beginning of `text`: labels of letters, digits and hyphens; the last one of letters.
fn domain_after(text: &str) -> usize {
    let belongs = |character: char| is_word(character) || matches!(character, '.' | '-');
    let end = text.find(|character| !belongs(character)).unwrap_or(text.len());
    let domain = text[..end].trim_end_matches(['.', '-']);
    let Some((name, top)) = domain.rsplit_once('.') else { return 0 };
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && !label.starts_with('-');
    let is_top = (2..=24).contains(&top.len()) && top.chars().all(char::is_alphabetic);
    match is_top && !FILES.contains(&top.to_lowercase().as_str()) && name.split('.').all(is_label) {
        true => domain.len(),
        false => 0,
    }
}
