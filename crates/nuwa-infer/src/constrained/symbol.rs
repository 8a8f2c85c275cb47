//! What a rule of JSON is made of, and what each part does with a byte.
//!
//! A rule is a pushdown automaton over bytes: a stack of [`Symbol`]s that are still to be written, the next one on top. A byte changes
//! the symbol on top, or ends it and goes to the one below.

use std::sync::Arc;

/// Names a rule that others refer to, such as a definition of a schema that holds itself.
pub type RuleId = usize;

/// The most blanks in a row: a model that would go on with them for ever does not.
pub const MOST_BLANKS: u8 = 24;

/// The most digits before and after the point of a number, and of an exponent.
const MOST_DIGITS: u8 = 24;

/// Something that is still to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Symbol {
    /// These bytes, from a place on.
    Literal(Arc<[u8]>, usize),
    /// One after the other.
    Sequence(Arc<[Symbol]>),
    /// One of these.
    Choice(Arc<[Symbol]>),
    /// What stands in the table of rules.
    Rule(RuleId),
    /// At most so many blanks.
    Blanks(u8),
    /// The inside of a string and the quote that ends it.
    Text(Text),
    /// A number, or the rest of one.
    Number(Number),
    /// Something, and more of it after commas: at least and at most so many further ones.
    Repeat(Arc<Symbol>, usize, Option<usize>),
    /// Any value, so deep at most.
    Any(u8),
}

/// How many characters a string still takes, and where in one it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    /// It may end when this is 0.
    pub least: usize,
    /// Further characters that fit; none where there is no limit.
    pub most: Option<usize>,
    /// What of a character stands there.
    pub within: Within,
}

/// A character of a string that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Within {
    /// None was.
    Nothing,
    /// So many bytes of UTF-8 are to come, the next one in this range.
    Bytes(u8, u8, u8),
    /// What stands after a backslash.
    Escape,
    /// So many digits of `\u` are to come; the first was a D, so the next one is below 8: pairs of surrogates are not written.
    Hex(u8, bool),
}

/// Where in a number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// Neither point nor exponent.
    pub whole: bool,
    /// What comes next.
    pub at: At,
}

/// A place in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// The beginning: whether a minus and whether a 0 may come.
    Begin { minus: bool, zero: bool },
    /// After a first digit that was 0.
    Zero,
    /// After so many digits.
    Digits(u8),
    /// After the point and so many digits.
    Fraction(u8),
    /// After the letter e.
    Exponent,
    /// After a sign of the exponent, or so many digits of it.
    ExponentDigits(u8),
}

impl Text {
    /// A string of any characters, of at least and at most so many.
    pub fn new(least: usize, most: Option<usize>) -> Self {
        Self { least, most, within: Within::Nothing }
    }

    /// Where a byte leads: to the rest of the string, or to its end; none where it may not come.
    pub fn step(&self, byte: u8) -> Option<Option<Self>> {
        let within = match self.within {
            Within::Nothing if byte == b'"' => return (self.least == 0).then_some(None),
            Within::Nothing => return self.begun(byte).map(Some),
            Within::Bytes(left, low, high) if (low..=high).contains(&byte) => {
                if left == 1 {
                    Within::Nothing
                } else {
                    Within::Bytes(left - 1, 0x80, 0xbf)
                }
            }
            Within::Escape if byte == b'u' => Within::Hex(4, false),
            Within::Escape if b"\"\\/bfnrt".contains(&byte) => Within::Nothing,
            Within::Hex(left, after_d) if byte.is_ascii_hexdigit() && !(after_d && byte > b'7') => {
                let is_d = left == 4 && byte.eq_ignore_ascii_case(&b'd');
                if left == 1 { Within::Nothing } else { Within::Hex(left - 1, is_d) }
            }
            _ => return None,
        };
        Some(Some(Self { within, ..self.clone() }))
    }

    /// A character begins.
    fn begun(&self, byte: u8) -> Option<Self> {
        if self.most == Some(0) {
            return None;
        }
        let within = match byte {
            b'\\' => Within::Escape,
            byte if is_plain(byte) && byte < 0x80 => Within::Nothing,
            0xc2..=0xdf => Within::Bytes(1, 0x80, 0xbf),
            0xe0 => Within::Bytes(2, 0xa0, 0xbf),
            0xed => Within::Bytes(2, 0x80, 0x9f),
            0xe1..=0xef => Within::Bytes(2, 0x80, 0xbf),
            0xf0 => Within::Bytes(3, 0x90, 0xbf),
            0xf4 => Within::Bytes(3, 0x80, 0x8f),
            0xf1..=0xf3 => Within::Bytes(3, 0x80, 0xbf),
            _ => return None,
        };
        let most = self.most.map(|most| most - 1);
        Some(Self { least: self.least.saturating_sub(1), most, within })
    }

    /// Whether characters of so many at most, none of them an escape or a quote, lead to this same state again, so that they need
    /// not be gone through.
    pub fn takes_plain(&self, longest: usize) -> bool {
        self.within == Within::Nothing && self.most.is_none_or(|most| most >= longest)
    }
}

/// Whether a byte of a string stands for itself, or is part of a character that does.
pub fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

impl Number {
    /// Whether it may end here.
    pub fn may_end(self) -> bool {
        match self.at {
            At::Zero | At::Digits(_) => true,
            At::Fraction(digits) | At::ExponentDigits(digits) => digits > 0,
            At::Begin { .. } | At::Exponent => false,
        }
    }

    /// Where a byte leads; none where it may not come.
    pub fn step(self, byte: u8) -> Option<Self> {
        let is_digit = byte.is_ascii_digit();
        let at = match (self.at, byte) {
            (At::Begin { minus: true, zero }, b'-') => At::Begin { minus: false, zero },
            (At::Begin { zero: true, .. }, b'0') => At::Zero,
            (At::Begin { .. }, b'1'..=b'9') => At::Digits(1),
            (At::Digits(digits), _) if is_digit && digits < MOST_DIGITS => At::Digits(digits + 1),
            (At::Fraction(digits), _) if is_digit && digits < MOST_DIGITS => At::Fraction(digits + 1),
            // Exponents of two digits are within what a double holds.
            (At::ExponentDigits(digits), _) if is_digit && digits < 2 => At::ExponentDigits(digits + 1),
            (At::Exponent, _) if is_digit => At::ExponentDigits(1),
            (At::Exponent, b'+' | b'-') => At::ExponentDigits(0),
            (At::Zero | At::Digits(_), b'.') if !self.whole => At::Fraction(0),
            (At::Zero | At::Digits(_), b'e' | b'E') if !self.whole => At::Exponent,
            (At::Fraction(1..), b'e' | b'E') if !self.whole => At::Exponent,
            _ => return None,
        };
        Some(Self { at, ..self })
    }
}

/// Blanks that JSON allows between its parts.
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Bytes that are to be written as they are.
pub fn literal(text: &str) -> Symbol {
    Symbol::Literal(text.as_bytes().into(), 0)
}

/// Blanks between parts.
pub fn blanks() -> Symbol {
    Symbol::Blanks(MOST_BLANKS)
}

/// One after the other.
pub fn sequence(symbols: impl IntoIterator<Item = Symbol>) -> Symbol {
    Symbol::Sequence(symbols.into_iter().collect())
}

/// One of these.
pub fn choice(symbols: impl IntoIterator<Item = Symbol>) -> Symbol {
    Symbol::Choice(symbols.into_iter().collect())
}

/// A string with its quotes, of at least and at most so many characters.
pub fn string(least: usize, most: Option<usize>) -> Symbol {
    sequence([literal("\""), Symbol::Text(Text::new(least, most))])
}

/// A number; whole, or any.
pub fn number(whole: bool, minus: bool, zero: bool) -> Symbol {
    Symbol::Number(Number { whole, at: At::Begin { minus, zero } })
}

/// A list of at least and at most so many of something.
pub fn list(item: Symbol, least: usize, most: Option<usize>) -> Symbol {
    let end = || sequence([blanks(), literal("]")]);
    let filled = |least: usize| {
        let more = Symbol::Repeat(Arc::new(item.clone()), least - 1, most.map(|most| most - 1));
        sequence([literal("["), blanks(), item.clone(), more, end()])
    };
    let empty = || sequence([literal("["), end()]);
    match (least, most) {
        (_, Some(0)) => empty(),
        (0, _) => choice([filled(1), empty()]),
        _ => filled(least),
    }
}

/// A name of a member, the colon, and a value.
pub fn member(name: Symbol, value: Symbol) -> Symbol {
    sequence([name, blanks(), literal(":"), blanks(), value])
}

/// An object of any names and such values.
pub fn any_object(value: &Symbol) -> Symbol {
    let member = member(string(0, None), value.clone());
    let more = Symbol::Repeat(Arc::new(member.clone()), 0, None);
    let end = || sequence([blanks(), literal("}")]);
    let filled = sequence([literal("{"), blanks(), member, more, end()]);
    choice([filled, sequence([literal("{"), end()])])
}

/// Any value with so many levels of lists and objects in it.
pub fn any_value(depth: u8) -> Symbol {
    let mut all =
        vec![string(0, None), number(false, true, true), literal("true"), literal("false"), literal("null")];
    if depth > 0 {
        all.extend([any_object(&Symbol::Any(depth - 1)), list(Symbol::Any(depth - 1), 0, None)]);
    }
    choice(all)
}
