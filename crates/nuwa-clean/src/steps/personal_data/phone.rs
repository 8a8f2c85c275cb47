//! Phone numbers: of any country with its code, and the forms used within the United States and Canada, China, and the
//! countries that dial a 0 first (the United Kingdom, Germany, France, Italy, Japan, Australia, ...).
//!
//! Digits alone prove little, so a number without a country's code must have the form of one: its groups, the signs
//! between them, the ranges of its area code (ITU-T E.164 and the national numbering plans). Where the text says that a
//! number follows ("Tel.", "call me at", "电话"), seven digits or more are enough. Dates, years and what is said to be the
//! number of an order, a book or a part are none.

use std::ops::Range;

use super::Kind;
use super::checks::is_date;
use super::context::Context;
use super::groups::Group;

/// The phone number that begins with these groups.
pub(super) fn at(text: &str, groups: &[Group]) -> Option<(Kind, Range<usize>)> {
    let opening = opening(text, groups[0].start);
    let found = if opening.plus {
        international(groups, 0)
    } else if is_dated(groups) {
        None
    } else {
        mobile(groups)
            .or_else(|| prefixed(groups))
            .or_else(|| north_american(groups))
            .or_else(|| trunk(groups))
    };
    let found = found.map(|found| (found, found.needs_word)).or_else(|| Some((said(groups)?, true)));
    let (found, needs_word) = found?;
    let last = &groups[found.groups - 1];
    let range = opening.start_for(&text[groups[0].start..last.end()])..with_extension(text, last.end());
    let context = Context::of(text, range.start, range.end);
    let allowed = if needs_word { context.is_phone() } else { !context.is_something_else() };
    let isolated =
        needs_word || !found.spaced || last.gap.is_none() && !follows_a_number(&text[..range.start]);
    (allowed && isolated && context.is_free()).then_some((found.kind, range))
}

fn follows_a_number(before: &str) -> bool {
    before.strip_suffix([' ', '\u{a0}']).is_some_and(|row| row.ends_with(|last: char| last.is_ascii_digit()))
}

/// A form that fits the first groups.
#[derive(Debug, Clone, Copy)]
struct Form {
    kind: Kind,
    groups: usize,
    /// Divided by blanks only: a row of numbers looks the same, so nothing may follow.
    spaced: bool,
    /// Too common a form to be a phone number where nothing says so.
    needs_word: bool,
}

/// What belongs to a number before its first digit.
struct Opening {
    start: usize,
    digits: usize,
    plus: bool,
}

impl Opening {
    /// Where the number begins, which has these characters from its first digit on: a bracket that it does not close is
    /// not its own.
    fn start_for(&self, number: &str) -> usize {
        match self.plus || number.contains(')') {
            true => self.start,
            false => self.digits,
        }
    }
}

fn opening(text: &str, digits: usize) -> Opening {
    let before = &text[..digits];
    let bare = before.strip_suffix('(').unwrap_or(before);
    match bare.strip_suffix(['+', '＋']) {
        Some(rest) => Opening { start: rest.len(), digits, plus: true },
        None => Opening { start: bare.len(), digits, plus: false },
    }
}

fn digits(groups: &[Group]) -> usize {
    groups.iter().map(Group::len).sum()
}

fn sizes<const COUNT: usize>(groups: &[Group]) -> Option<[usize; COUNT]> {
    let mut sizes = [0; COUNT];
    let groups = groups.get(..COUNT)?;
    sizes.iter_mut().zip(groups).for_each(|(size, group)| *size = group.len());
    Some(sizes)
}

/// Whether only blanks divide the first groups.
fn is_spaced(groups: &[Group]) -> bool {
    groups.len() > 1
        && groups[..groups.len() - 1].iter().all(|group| matches!(group.gap, Some(" " | "\u{a0}")))
}

/// The first groups are a date, or a span of years.
fn is_dated(groups: &[Group]) -> bool {
    let value = |at: usize| groups[at].digits.parse::<u32>().unwrap_or(u32::MAX);
    let full = |short: u32| if short < 100 { 1900 + short } else { short };
    let day = match sizes::<3>(groups) {
        Some([4, 1 | 2, 1 | 2]) => is_date(value(0), value(1), value(2)),
        // Four pairs and more are no date any more.
        Some([2, 2, 2]) if sizes(groups).is_some_and(|[.., fourth]: [usize; 4]| fourth == 2) => false,
        Some([1 | 2, 1 | 2, 4] | [2, 2, 2]) => {
            is_date(full(value(2)), value(1), value(0)) || is_date(full(value(2)), value(0), value(1))
        }
        _ => false,
    };
    let is_year = |at: usize| (1000..=2100).contains(&value(at));
    day || sizes(groups) == Some([4, 4]) && is_year(0) && is_year(1)
}

/// Country codes of two digits; those of one are 1 and 7, all others have three (ITU-T E.164).
const TWO_DIGIT_CODES: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];
const NO_CODES: &[&str] =
    &["210", "214", "215", "217", "219", "28", "83", "87", "89", "97", "99", "38", "80", "88"];

/// The digits of the country's code that `number` begins with.
fn country_code(number: &str) -> Option<usize> {
    let two = number.get(..2)?;
    match number.as_bytes()[0] {
        b'0' => None,
        b'1' | b'7' => Some(1),
        _ if TWO_DIGIT_CODES.contains(&two) => Some(2),
        _ if ["38", "97", "99", "88"].contains(&two) => Some(3),
        _ => (!NO_CODES.iter().any(|code| number.starts_with(code))).then_some(3),
    }
}

/// Behind "+" or "00" (then `skipped` is 2): a country's code and 7 to 13 digits more, for +1 and +86 as many as they have.
fn international(groups: &[Group], skipped: usize) -> Option<Form> {
    let number: String =
        groups.iter().map(|group| group.digits).collect::<String>().get(skipped..)?.to_string();
    let code = country_code(&number)?;
    let country = number.get(..code)?;
    let most = match country {
        "1" | "7" => 11,
        "86" => 13,
        _ => 14,
    };
    let mut sum = 0;
    let mut count = 0;
    for group in groups {
        let more = sum + group.len() - if count == 0 { skipped } else { 0 };
        if more > most || sum >= 11 && is_spaced(&groups[count - 1..=count]) {
            break;
        }
        (sum, count) = (more, count + 1);
    }
    let least = if country == "1" { 11 } else { 8 };
    let is_mobile = number[..sum].strip_prefix("86").is_some_and(is_chinese_mobile);
    let kind = if is_mobile { Kind::ChineseMobile } else { Kind::Phone };
    (sum >= least).then_some(Form { kind, groups: count, spaced: false, needs_word: false })
}

/// "0044 20 7946 0018" and "001-518-640-0854".
fn prefixed(groups: &[Group]) -> Option<Form> {
    let first = groups[0].digits;
    let found =
        if first.starts_with("00") && first.len() > 2 { international(groups, 2)? } else { return None };
    let enough = digits(&groups[..found.groups]) >= 11;
    enough.then_some(Form { needs_word: found.groups == 1, ..found })
}

fn is_chinese_mobile(number: &str) -> bool {
    let bytes = number.as_bytes();
    number.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1])
}

/// "13812345678", "138-1234-5678", "86 138 1234 5678".
fn mobile(groups: &[Group]) -> Option<Form> {
    let form = |groups| Some(Form { kind: Kind::ChineseMobile, groups, spaced: false, needs_word: false });
    let whole = |groups: &[Group], count: usize| {
        let number: String = groups[..count].iter().map(|group| group.digits).collect();
        is_chinese_mobile(&number)
    };
    match groups {
        [one, ..] if one.len() == 11 && whole(groups, 1) => form(1),
        [one, _, _, ..]
            if sizes(groups) == Some([3, 4, 4]) && whole(groups, 3) && one.gap == groups[1].gap =>
        {
            form(3)
        }
        [one, rest @ ..] if ["86", "086", "0086"].contains(&one.digits) && !rest.is_empty() => {
            mobile(rest).and_then(|found| form(found.groups + 1))
        }
        _ => None,
    }
}

/// Ten digits as 3-3-4, where the area and the exchange begin with 2 to 9, also behind a 1; with blanks only where it is said to be a phone number.
fn north_american(groups: &[Group]) -> Option<Form> {
    let skipped = usize::from(groups[0].digits == "1");
    let rest = groups.get(skipped..)?;
    let is_one = |group: &Group| group.digits.as_bytes()[0] >= b'2';
    let fits = sizes(rest) == Some([3, 3, 4]) && is_one(&rest[0]) && is_one(&rest[1]);
    let signs = |gap: Option<&str>| {
        matches!(gap, Some("-" | "." | ") " | ")" | ")-" | "/" | " " | "‑" | "–" | " - "))
    };
    let needs_word = fits && is_spaced(&rest[..3]);
    (fits && signs(rest[0].gap) && signs(rest[1].gap)).then_some(Form {
        kind: Kind::Phone,
        groups: skipped + 3,
        spaced: false,
        needs_word,
    })
}

/// A 0, an area, and the rest: 9 to 12 digits in two to five groups. With full stops only the French five pairs.
fn trunk(groups: &[Group]) -> Option<Form> {
    let first = groups[0].digits.as_bytes();
    if first[0] != b'0' || first.len() < 2 || first[1] == b'0' || first.len() > 6 {
        return None;
    }
    let pairs = sizes(groups) == Some([2; 5]) && groups[..4].iter().all(|group| group.gap == groups[0].gap);
    let count = if pairs { 5 } else { groups.iter().take_while(|group| group.gap.is_some()).count() + 1 };
    let groups = groups.get(..count.min(5))?;
    let fits = (9..=12).contains(&digits(groups))
        && groups.len() >= 2
        && groups[1..].iter().all(|group| (2..=8).contains(&group.len()));
    let dotted =
        groups[..groups.len() - 1].iter().any(|group| group.gap.is_some_and(|gap| gap.contains('.')));
    let spaced = is_spaced(groups);
    let four_by_four = spaced && groups.iter().all(|group| group.len() == 4);
    let needs_word = four_by_four || pairs && is_counting(groups);
    (fits && (pairs || !dotted)).then_some(Form {
        kind: Kind::Phone,
        groups: groups.len(),
        spaced,
        needs_word,
    })
}

/// "01 02 03 04 05" is a list.
fn is_counting(groups: &[Group]) -> bool {
    let values: Vec<u32> = groups.iter().map(|group| group.digits.parse().unwrap_or(0)).collect();
    values.windows(2).all(|pair| pair[1] > pair[0])
}

/// What is said to be a phone number: 7 to 13 digits in at most five groups that are no date, no years and no decimal.
fn said(groups: &[Group]) -> Option<Form> {
    let count = groups.iter().take_while(|group| group.gap.is_some_and(|gap| gap.len() < 3)).count() + 1;
    let groups = groups.get(..count.min(groups.len()))?;
    let decimal = groups.len() == 2 && groups[0].gap == Some(".");
    let fits = (7..=13).contains(&digits(groups)) && groups.len() <= 5 && !decimal && !is_dated(groups);
    fits.then_some(Form { kind: Kind::Phone, groups: groups.len(), spaced: false, needs_word: true })
}

/// The end of a number with its extension, "x123" or " ext. 123".
fn with_extension(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let marks = [" extension ", " ext. ", " ext.", " ext ", "ext. ", "ext.", "ext", " x ", " x", "x"];
    let Some(after) = marks.iter().find_map(|mark| rest.strip_prefix(mark)) else { return end };
    match after.bytes().take_while(u8::is_ascii_digit).count() {
        digits @ 1..=6 => text.len() - after.len() + digits,
        _ => end,
    }
}
