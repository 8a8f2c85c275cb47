//! Numbers in a text.

use std::ops::Range;

/// A number as it stands in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its place, with its sign.
    pub place: Range<usize>,
    /// Its digits with sign and point, without commas between thousands.
    pub written: String,
}

impl Number {
    /// Its value; none where it is too large.
    pub fn value(&self) -> Option<f64> {
        self.written.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

/// The numbers of a text in usual forms of characters: `-3`, `0.5`, `.5`, `1,200`, `2e-3`. Digits behind a letter are no number,
/// and a stroke between digits is no sign.
pub fn numbers(text: &str) -> Vec<Number> {
    let (mut all, mut at): (Vec<Number>, usize) = (Vec::new(), 0);
    while at < text.len() {
        let found = if text.as_bytes()[at].is_ascii_digit() { number_at(text, at) } else { None };
        at = match found {
            Some(number) => {
                let end = number.place.end;
                all.push(number);
                end
            }
            None => at + 1,
        };
    }
    all
}

/// The number whose first digit stands at `at`.
fn number_at(text: &str, at: usize) -> Option<Number> {
    let before = |end: usize| text[..end].chars().next_back();
    let joins = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() && !nuwa_text::is_unspaced(character))
    };
    let mut start = at;
    let is_fraction = before(at) == Some('.') && !joins(before(at - 1));
    if is_fraction {
        start -= 1;
    }
    if joins(before(start)) {
        return None;
    }
    let is_negative =
        before(start) == Some('-') && !joins(before(start - 1)) && before(start - 1) != Some(')');
    let end = end_of(text.as_bytes(), at, is_fraction);
    let digits = text[start..end].replace(',', "").to_ascii_lowercase();
    let sign = if is_negative { "-" } else { "" };
    Some(Number { place: start - sign.len()..end, written: format!("{sign}{digits}") })
}

/// Where the number ends that has its first digit at `at`.
fn end_of(bytes: &[u8], at: usize, is_fraction: bool) -> usize {
    let digits =
        |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = at + digits(at);
    if !is_fraction {
        if end - at <= 3 {
            while bytes.get(end) == Some(&b',') && digits(end + 1) == 3 {
                end += 4;
            }
        }
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            end += if fraction > 0 { 1 + fraction } else { 0 };
        }
    }
    if bytes.get(end).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e')) {
        let signed = usize::from(bytes.get(end + 1).is_some_and(|byte| b"+-".contains(byte)));
        let exponent = digits(end + 1 + signed);
        let goes_on = bytes.get(end + 1 + signed + exponent).is_some_and(u8::is_ascii_alphabetic);
        if exponent > 0 && !goes_on {
            end += 1 + signed + exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<f64> {
        numbers(text).iter().filter_map(Number::value).collect()
    }

    #[test]
    fn numbers_are_found_as_they_are_written() {
        for (text, expected) in [
            ("3 + 4 = 7.", vec![3.0, 4.0, 7.0]),
            ("It is -3, or (-4); 5-3 and x-3", vec![-3.0, -4.0, 5.0, 3.0, 3.0]),
            ("$1,234,567.50 of 1,2 and 12,3456", vec![1_234_567.5, 1.0, 2.0, 12.0, 3456.0]),
            (".5 and 0.25 and 2e-3 and 2e", vec![0.5, 0.25, 0.002, 2.0]),
            ("A4, covid19, 5km, 3rd", vec![5.0, 3.0]),
            ("一共有7个苹果，3只风筝", vec![7.0, 3.0]),
            ("2020-05-01", vec![2020.0, 5.0, 1.0]),
            ("", vec![]),
            ("...-", vec![]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_too_large_has_no_value() {
        assert_eq!(values("1e999"), [] as [f64; 0]);
        assert_eq!(values(&"9".repeat(100_000)), [] as [f64; 0]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[-0-9.,eE+a中１ ]{0,40}|\\PC{0,40}") {
            for number in numbers(&text) {
                prop_assert!(text.get(number.place.clone()).is_some());
                prop_assert!(number.written.parse::<f64>().is_ok(), "{}", number.written);
            }
        }

        #[test]
        fn every_number_is_read_back(value in -1e9_f64..1e9) {
            prop_assert_eq!(values(&format!("so it is {value}.")), vec![value]);
            prop_assert_eq!(values(&format!("一共{value}。")), vec![value]);
        }
    }
}
