//! A number followed byte by byte.

/// The most digits before and after the point: what is written stays within what a 64-bit float and an integer tell apart, and comes to
/// an end.
const MOST_DIGITS: u8 = 18;
const MOST_EXPONENT_DIGITS: u8 = 2;

/// What a number may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// Whether it has neither a point nor an exponent.
    pub integer: bool,
    /// The least, of integers.
    pub least: Option<i64>,
    /// The largest, of integers.
    pub most: Option<i64>,
}

/// A number that has begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    part: Part,
    negative: bool,
    /// Digits of this part.
    digits: u8,
    /// The digits before the point as a number.
    whole: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    ExponentDigits,
}

impl Numbers {
    /// Any number.
    pub const ANY: Self = Self { integer: false, least: None, most: None };

    /// A number that begins with a byte.
    pub fn begin(&self, byte: u8) -> Option<Number> {
        let number = Number { part: Part::Minus, negative: byte == b'-', digits: 0, whole: 0 };
        let begun = if number.negative { Some(number) } else { self.follow(number, byte) };
        begun.filter(|number| self.can_become(number))
    }

    /// The number with one more byte; none where that is no part of one within the bounds.
    pub fn next(&self, number: Number, byte: u8) -> Option<Number> {
        self.follow(number, byte).filter(|number| self.can_become(number))
    }

    /// Whether it may end here.
    pub fn may_end(&self, number: Number) -> bool {
        let ends = matches!(number.part, Part::Zero | Part::Whole | Part::Fraction | Part::ExponentDigits);
        let value = if number.negative { -number.whole } else { number.whole };
        ends && self.is_within(value, value)
    }

    fn follow(&self, number: Number, byte: u8) -> Option<Number> {
        let digit = byte.is_ascii_digit().then(|| byte - b'0');
        let to = |part: Part| Some(Number { part, digits: 0, ..number });
        let more = |part: Part, most: u8| {
            let digits = if number.part == part { number.digits } else { 0 };
            (digits < most).then_some(Number { part, digits: digits + 1, ..number })
        };
        match (number.part, byte, digit) {
            (Part::Minus, _, Some(0)) => to(Part::Zero),
            (Part::Minus | Part::Whole, _, Some(digit)) => {
                let whole = || number.whole * 10 + i64::from(digit);
                more(Part::Whole, MOST_DIGITS).map(|more| Number { whole: whole(), ..more })
            }
            (Part::Zero | Part::Whole, b'.', _) if !self.integer => to(Part::Point),
            (Part::Point | Part::Fraction, _, Some(_)) => more(Part::Fraction, MOST_DIGITS),
            (Part::Zero | Part::Whole | Part::Fraction, b'e' | b'E', _) if !self.integer => {
                to(Part::Exponent)
            }
            (Part::Exponent, b'+' | b'-', _) => to(Part::Sign),
            (Part::Exponent | Part::Sign | Part::ExponentDigits, _, Some(_)) => {
                more(Part::ExponentDigits, MOST_EXPONENT_DIGITS)
            }
            _ => None,
        }
    }

    /// Whether some number within the bounds begins so.
    fn can_become(&self, number: &Number) -> bool {
        let reaches = |smallest: i64, largest: i64| match number.negative {
            true => self.is_within(-largest, -smallest),
            false => self.is_within(smallest, largest),
        };
        match number.part {
            Part::Minus => reaches(0, i64::MAX),
            Part::Zero => reaches(0, 0),
            Part::Whole => (0..=u32::from(MOST_DIGITS - number.digits)).any(|more| {
                let factor = 10_i64.pow(more);
                reaches(number.whole * factor, number.whole * factor + (factor - 1))
            }),
            _ => true,
        }
    }

    /// Whether some number from `smallest` to `largest` lies within the bounds.
    fn is_within(&self, smallest: i64, largest: i64) -> bool {
        self.least.is_none_or(|least| largest >= least) && self.most.is_none_or(|most| smallest <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(numbers: Numbers, text: &str) -> bool {
        let Some((first, rest)) = text.as_bytes().split_first() else { return false };
        let next = |number: Option<Number>, byte: &u8| numbers.next(number?, *byte);
        rest.iter().fold(numbers.begin(*first), next).is_some_and(|number| numbers.may_end(number))
    }

    #[test]
    fn numbers_end_before_they_grow_for_ever() {
        for good in ["0", "-0", "12", "-1.50", "1e9", "0.25E-3", "123456789012345678"] {
            assert!(takes(Numbers::ANY, good), "{good}");
        }
        let long = ["1234567890123456789", "1e100", "1.0000000000000000000"];
        for bad in ["01", "1.", "-", "1e", "+1", ".5", ""].into_iter().chain(long) {
            assert!(!takes(Numbers::ANY, bad), "{bad}");
        }
    }

    #[test]
    fn integers_stay_within_their_bounds() {
        for (least, most) in
            [(Some(-12), Some(105)), (Some(7), None), (None, Some(-30)), (Some(100), Some(100))]
        {
            let numbers = Numbers { integer: true, least, most };
            for value in -200..200 {
                let is_within =
                    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most);
                assert_eq!(takes(numbers, &value.to_string()), is_within, "{value} {least:?} {most:?}");
            }
            assert!(!takes(numbers, "100.0") && !takes(numbers, "1e2"));
        }
    }
}
