//! Digits as people write them: groups with signs between them.

/// The most groups that one number has.
const MOST_GROUPS: usize = 9;

/// Digits in a row, with what stands between them and the next ones, where that can be within a number.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub digits: &'a str,
    pub start: usize,
    /// The signs before the next group, `None` at the end of the row.
    pub gap: Option<&'a str>,
}

impl Group<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.digits.len()
    }

    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }
}

/// The groups of digits from `start` on, as long as what is between them can be within a number.
pub(super) fn groups(text: &str, start: usize) -> Vec<Group<'_>> {
    let digits =
        |from: usize| text.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut groups = Vec::new();
    let mut at = start;
    loop {
        let end = at + digits(at);
        let gap = gap(&text[end..]).filter(|_| groups.len() + 1 < MOST_GROUPS);
        groups.push(Group { digits: &text[at..end], start: at, gap });
        match gap {
            Some(gap) => at = end + gap.len(),
            None => return groups,
        }
    }
}

/// At most three signs of those that divide numbers, up to the next digit.
fn gap(rest: &str) -> Option<&str> {
    let is_sign =
        |character: char| matches!(character, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '‑' | '–');
    let mut signs = rest.char_indices().take(4).skip_while(|(_, character)| is_sign(*character));
    let (length, next) = signs.next()?;
    (length > 0 && next.is_ascii_digit()).then(|| &rest[..length])
}
