//! Numbers of persons, found among the digits of a text.
//!
//! Digits are read as groups with the signs between them ("212-555-0123" is three groups). From each group on, the kinds are
//! tried in the order of how much they prove: identity numbers and cards by their check digits, social security numbers by
//! their form and ranges, mobile and phone numbers by theirs.

use std::ops::Range;

use super::Kind;
use super::checks::{iban_length, is_card_range, is_chinese_identity, is_iban, is_ssn, luhn};
use super::context::Context;
use super::groups::{Group, groups};
use super::{address, phone};

/// Calls `found` for each number, in order. A number does not begin before the end of the one before it.
pub(super) fn find(text: &str, mut found: impl FnMut(Kind, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) {
        let groups = groups(text, start);
        from = match number_at(text, start, &groups) {
            Some((kind, range)) => {
                let end = range.end;
                found(kind, range);
                end
            }
            None => start + groups[0].len(),
        };
    }
}

/// The number that begins with these groups.
fn number_at(text: &str, start: usize, groups: &[Group]) -> Option<(Kind, Range<usize>)> {
    if let Some(range) = iban(text, start) {
        return Some((Kind::Iban, range));
    }
    if let Some(end) = address::version_4(text, start) {
        return Some((Kind::Ip, start..end));
    }
    if let Some(range) = chinese_identity(text, &groups[0]) {
        return Some((Kind::ChineseId, range));
    }
    if let Some(range) = card(text, groups) {
        return Some((Kind::Card, range));
    }
    if let Some(range) = social_security(text, groups) {
        return Some((Kind::Ssn, range));
    }
    phone::at(text, groups)
}

/// Two letters of a country stand before the first digits; blanks may divide the rest into fours.
fn iban(text: &str, digits: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = digits.checked_sub(2)?;
    if !bytes[start..digits].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let length = iban_length(&text[start..digits].to_ascii_uppercase())?;
    let mut characters = Vec::with_capacity(length);
    let mut end = start;
    for &byte in &bytes[start..] {
        match byte {
            b' ' if characters.len() % 4 == 0 => {}
            _ if byte.is_ascii_alphanumeric() => characters.push(byte.to_ascii_uppercase()),
            _ => return None,
        }
        end += 1;
        if characters.len() == length {
            break;
        }
    }
    let range = start..end;
    (characters.len() == length && is_iban(&characters) && is_free(text, &range)).then_some(range)
}

fn is_free(text: &str, range: &Range<usize>) -> bool {
    Context::of(text, range.start, range.end).is_free()
}

fn chinese_identity(text: &str, group: &Group) -> Option<Range<usize>> {
    let with_check = group.start..group.start + 18;
    let characters = text.as_bytes().get(with_check.clone())?;
    let is_one = matches!(group.len(), 17 | 18) && is_chinese_identity(characters);
    (is_one && is_free(text, &with_check)).then_some(with_check)
}

/// Sizes of the groups in which card numbers are printed.
const CARD_FORMS: [&[usize]; 9] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 1],
    &[4, 4, 4],
    &[4, 3, 3, 3],
    &[6, 13],
    &[8, 8],
];

/// Numbers in one piece or in a printed form. Where the length is not the usual 15 or 16, or where the text says nothing of
/// a card and something else is named, the check digit alone is not enough.
fn card(text: &str, groups: &[Group]) -> Option<Range<usize>> {
    let count = card_groups(groups)?;
    let range = groups[0].start..groups[count - 1].end();
    let digits: Vec<u8> = text.as_bytes()[range.clone()]
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| byte - b'0')
        .collect();
    if !(12..=19).contains(&digits.len())
        || !is_card_range(&digits)
        || !luhn(&digits)
        || !is_free(text, &range)
    {
        return None;
    }
    let context = Context::of(text, range.start, range.end);
    let usual = matches!(digits.len(), 15 | 16) && !context.is_something_else();
    (usual || context.is_card()).then_some(range)
}

fn card_groups(groups: &[Group]) -> Option<usize> {
    if groups[0].len() >= 12 {
        return Some(1);
    }
    let fits = |form: &&&[usize]| {
        groups.len() >= form.len()
            && form.iter().zip(groups).all(|(size, group)| *size == group.len())
            && groups[..form.len() - 1].iter().all(|group| group.gap == groups[0].gap)
            && matches!(groups[0].gap, Some(" " | "-"))
    };
    CARD_FORMS.iter().filter(fits).map(|form| form.len()).max()
}

/// "078-05-1120", and where the text speaks of social security also with blanks or in one piece.
fn social_security(text: &str, groups: &[Group]) -> Option<Range<usize>> {
    let (count, written) = match groups {
        [one, ..] if one.len() == 9 => (1, one.digits.to_string()),
        [one, two, three, ..] if [one.len(), two.len(), three.len()] == [3, 2, 4] && one.gap == two.gap => {
            (3, [one.digits, two.digits, three.digits].concat())
        }
        _ => return None,
    };
    let number = |part: Range<usize>| written[part].parse().unwrap_or(0);
    let range = groups[0].start..groups[count - 1].end();
    let context = Context::of(text, range.start, range.end);
    let hyphens = count == 3 && groups[0].gap == Some("-") && !context.is_something_else();
    let blanks = count == 1 || matches!(groups[0].gap, Some("-" | " "));
    let is_one = is_ssn(number(0..3), number(3..5), number(5..9)) && context.is_free();
    (is_one && (hyphens || blanks && context.is_ssn())).then_some(range)
}
