//! A text followed byte by byte through a schema: a pushdown automaton that is at several places at once where the text may still
//! become several things.

use std::sync::Arc;

use super::compile::{DEEPEST, JsonSchema, Node};

/// The most digits before and after the point of a number: it stays within what a 64-bit float and an integer tell apart.
const MOST_DIGITS: u8 = 18;
const MOST_EXPONENT_DIGITS: u8 = 2;

/// Where a text is: what is open, from the innermost on. None where the whole value has ended.
pub type Place = Option<Arc<Open>>;

/// Something that has begun and not ended, and what it lies in.
#[derive(Debug)]
pub struct Open {
    frame: Frame,
    within: Place,
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Frame {
    /// A value is to begin, perhaps after one blank.
    Value { node: usize, blank: bool },
    /// In one of the texts of a node.
    Literal { node: usize, text: usize, at: usize },
    /// In the name of a member.
    Key { node: usize, member: usize, at: usize },
    /// Between the quotes of a string.
    Text { least: usize, most: Option<usize>, count: usize, character: Character },
    /// Between the quotes of a string that has to match.
    Matching { node: usize, state: u32 },
    Number { node: usize, number: Number },
    /// In an array that has begun so many items.
    List { node: usize, count: usize, begun: bool },
    /// In an object, of whose members those from `next` on may come.
    Object { node: usize, next: usize, at: InObject },
}

/// Where in a character of a string.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Character {
    Start,
    /// So many more bytes, the next of which lies within bounds.
    Bytes { left: u8, low: u8, high: u8 },
    /// Behind a backslash.
    Escape,
    /// In the four digits of an escape.
    Digits { left: u8, surrogate: bool },
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Number {
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum InObject {
    Begun,
    Name { blank: bool },
    Colon,
    Value,
}

fn open(frame: Frame, within: &Place) -> Place {
    let depth = within.as_ref().map_or(0, |within| within.depth) + usize::from(frame.is_level());
    Some(Arc::new(Open { frame, within: within.clone(), depth }))
}

fn depth(place: &Place) -> usize {
    place.as_ref().map_or(0, |open| open.depth)
}

/// Whether the same is open in the same.
fn is_same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let within = match (&one.within, &other.within) {
                (None, None) => true,
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                _ => false,
            };
            within && one.frame == other.frame
        }
        _ => false,
    }
}

impl Frame {
    /// Whether it is an array or an object.
    fn is_level(self) -> bool {
        matches!(self, Self::List { .. } | Self::Object { .. })
    }
}

impl JsonSchema {
    /// Where a text begins. Templates put a blank before what is said, so it may.
    pub(super) fn start(&self) -> Vec<Place> {
        vec![open(Frame::Value { node: self.root, blank: true }, &None)]
    }

    /// Where a byte leads from some places, in `out`: nowhere where it may not come.
    pub(super) fn advance(&self, places: &[Place], byte: u8, out: &mut Vec<Place>) {
        out.clear();
        places.iter().for_each(|place| self.step(place, byte, out));
        // Several ways to one place are one: their number would grow with every byte.
        if out.len() > 1 {
            let mut kept: Vec<Place> = Vec::with_capacity(out.len());
            out.drain(..).for_each(|place| if !kept.iter().any(|own| is_same(own, &place)) { kept.push(place) });
            *out = kept;
        }
    }

    /// Adds to `out` where a byte leads from a place.
    fn step(&self, place: &Place, byte: u8, out: &mut Vec<Place>) {
        let Some(top) = place else { return };
        let within = &top.within;
        match top.frame {
            Frame::Value { node, blank: true } if byte == b' ' => {
                out.push(open(Frame::Value { node, blank: false }, within));
            }
            Frame::Value { node, .. } => self.begin(node, within, byte, out),
            Frame::Literal { node, text, at } => {
                let Node::Literals(texts) = &self.nodes[node] else { return };
                let next = Frame::Literal { node, text, at: at + 1 };
                spell(&texts[text], at, byte, next, within, out);
            }
            Frame::Key { node, member, at } => {
                let Node::Object { members, .. } = &self.nodes[node] else { return };
                let next = Frame::Key { node, member, at: at + 1 };
                spell(&members[member].key, at, byte, next, within, out);
            }
            Frame::Text { .. } => out.extend(in_text(top.frame, within, byte)),
            Frame::Matching { node, state } => {
                let Node::Matching(pattern) = &self.nodes[node] else { return };
                match byte {
                    b'"' if pattern.may_end(state) => out.push(within.clone()),
                    _ => out.extend(pattern.step(state, byte).map(|state| open(Frame::Matching { node, state }, within))),
                }
            }
            Frame::Number { node, number } => self.in_number(node, number, within, byte, out),
            Frame::List { node, count, begun } => self.in_list(node, count, begun, within, byte, out),
            Frame::Object { node, next, at } => self.in_object((node, next, at), within, byte, out),
        }
    }

    /// Whether the text may end at one of these places.
    pub(super) fn may_end(&self, places: &[Place]) -> bool {
        let ends = |place: &Place| match place {
            None => true,
            Some(top) => match top.frame {
                Frame::Number { node, number } => top.within.is_none() && self.is_number(node, number),
                _ => false,
            },
        };
        places.iter().any(ends)
    }

    /// The first byte of a value.
    fn begin(&self, node: usize, within: &Place, byte: u8, out: &mut Vec<Place>) {
        if depth(within) + self.heights[node] > DEEPEST {
            return;
        }
        match &self.nodes[node] {
            Node::Literals(texts) => {
                for (text, spelt) in texts.iter().enumerate() {
                    spell(spelt, 0, byte, Frame::Literal { node, text, at: 1 }, within, out);
                }
            }
            Node::Number { .. } => {
                let number = Number { part: Part::Minus, negative: byte == b'-', digits: 0, whole: 0 };
                let begun = if number.negative { Some(number) } else { self.next_in_number(node, number, byte) };
                let begun = begun.filter(|number| self.can_become(node, *number));
                out.extend(begun.map(|number| open(Frame::Number { node, number }, within)));
            }
            &Node::Text { least, most } if byte == b'"' => {
                let frame = Frame::Text { least, most, count: 0, character: Character::Start };
                out.push(open(frame, within));
            }
            Node::Matching(pattern) if byte == b'"' => {
                out.push(open(Frame::Matching { node, state: pattern.start() }, within));
            }
            Node::List { .. } if byte == b'[' => {
                out.push(open(Frame::List { node, count: 0, begun: false }, within));
            }
            Node::Object { .. } if byte == b'{' => {
                out.push(open(Frame::Object { node, next: 0, at: InObject::Begun }, within));
            }
            Node::Choice(choices) => choices.iter().for_each(|&choice| self.begin(choice, within, byte, out)),
            _ => {}
        }
    }

    fn in_list(&self, node: usize, count: usize, begun: bool, within: &Place, byte: u8, out: &mut Vec<Place>) {
        let Node::List { first, rest, least, most } = &self.nodes[node] else { return };
        if byte == b']' && count >= *least {
            return out.push(within.clone());
        }
        let item = first.get(count).copied().or(*rest).filter(|_| most.is_none_or(|most| count < most));
        let Some(item) = item else { return };
        let after = open(Frame::List { node, count: count + 1, begun: true }, within);
        match (begun, byte) {
            (false, _) => self.begin(item, &after, byte, out),
            (true, b',') if depth(&after) + self.heights[item] <= DEEPEST => {
                out.push(open(Frame::Value { node: item, blank: true }, &after));
            }
            _ => {}
        }
    }

    fn in_object(&self, (node, next, at): (usize, usize, InObject), within: &Place, byte: u8, out: &mut Vec<Place>) {
        let Node::Object { members, others } = &self.nodes[node] else { return };
        let rest = members.get(next..).unwrap_or_default();
        let is_complete = !rest.iter().any(|member| member.required);
        match (at, byte) {
            (InObject::Begun | InObject::Value, b'}') if is_complete => out.push(within.clone()),
            (InObject::Begun, b'"') | (InObject::Name { .. }, b'"') => self.names(node, next, within, out),
            (InObject::Name { blank: true }, b' ') => {
                out.push(open(Frame::Object { node, next, at: InObject::Name { blank: false } }, within));
            }
            (InObject::Value, b',') if !self.names_from(node, next, within).is_empty() || self.may_have_others(*others, within) => {
                out.push(open(Frame::Object { node, next, at: InObject::Name { blank: true } }, within));
            }
            (InObject::Colon, b':') => {
                let value = match others {
                    Some(others) => *others,
                    None => members[next - 1].value,
                };
                let after = open(Frame::Object { node, next, at: InObject::Value }, within);
                out.push(open(Frame::Value { node: value, blank: true }, &after));
            }
            _ => {}
        }
    }

    /// The names that may follow, from the one quote on that they begin with.
    fn names(&self, node: usize, next: usize, within: &Place, out: &mut Vec<Place>) {
        let Node::Object { others, .. } = &self.nodes[node] else { return };
        for member in self.names_from(node, next, within) {
            let colon = open(Frame::Object { node, next: member + 1, at: InObject::Colon }, within);
            out.push(open(Frame::Key { node, member, at: 1 }, &colon));
        }
        if self.may_have_others(*others, within) {
            let colon = open(Frame::Object { node, next, at: InObject::Colon }, within);
            let name = Frame::Text { least: 0, most: None, count: 0, character: Character::Start };
            out.push(open(name, &colon));
        }
    }

    /// The members that may come next: up to the first that has to, without those whose values would lie too deep.
    fn names_from(&self, node: usize, next: usize, within: &Place) -> Vec<usize> {
        let Node::Object { members, .. } = &self.nodes[node] else { return Vec::new() };
        let last = (next..members.len()).find(|&member| members[member].required).map_or(members.len(), |last| last + 1);
        let fits = |member: &usize| depth(within) + 1 + self.heights[members[*member].value] <= DEEPEST;
        (next..last).filter(fits).collect()
    }

    fn may_have_others(&self, others: Option<usize>, within: &Place) -> bool {
        others.is_some_and(|others| depth(within) + 1 + self.heights[others] <= DEEPEST)
    }

    fn in_number(&self, node: usize, number: Number, within: &Place, byte: u8, out: &mut Vec<Place>) {
        if let Some(next) = self.next_in_number(node, number, byte) {
            if self.can_become(node, next) {
                out.push(open(Frame::Number { node, number: next }, within));
            }
            return;
        }
        // A number ends where something else begins.
        if self.is_number(node, number) {
            self.step(within, byte, out);
        }
    }

    fn next_in_number(&self, node: usize, number: Number, byte: u8) -> Option<Number> {
        let Node::Number { integer, .. } = self.nodes[node] else { return None };
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
            (Part::Zero | Part::Whole, b'.', _) if !integer => to(Part::Point),
            (Part::Point | Part::Fraction, _, Some(_)) => more(Part::Fraction, MOST_DIGITS),
            (Part::Zero | Part::Whole | Part::Fraction, b'e' | b'E', _) if !integer => to(Part::Exponent),
            (Part::Exponent, b'+' | b'-', _) => to(Part::Sign),
            (Part::Exponent | Part::Sign | Part::ExponentDigits, _, Some(_)) => {
                more(Part::ExponentDigits, MOST_EXPONENT_DIGITS)
            }
            _ => None,
        }
    }

    /// Whether a number may end here.
    fn is_number(&self, node: usize, number: Number) -> bool {
        let ends = matches!(number.part, Part::Zero | Part::Whole | Part::Fraction | Part::ExponentDigits);
        let value = if number.negative { -number.whole } else { number.whole };
        ends && self.is_within(node, value, value)
    }

    /// Whether some number within the bounds begins so.
    fn can_become(&self, node: usize, number: Number) -> bool {
        let reaches = |smallest: i64, largest: i64| match number.negative {
            true => self.is_within(node, -largest, -smallest),
            false => self.is_within(node, smallest, largest),
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
    fn is_within(&self, node: usize, smallest: i64, largest: i64) -> bool {
        let Node::Number { least, most, .. } = self.nodes[node] else { return false };
        least.is_none_or(|least| largest >= least) && most.is_none_or(|most| smallest <= most)
    }
}

/// The next byte of a known text.
fn spell(text: &[u8], at: usize, byte: u8, next: Frame, within: &Place, out: &mut Vec<Place>) {
    if text.get(at) != Some(&byte) {
        return;
    }
    out.push(if at + 1 == text.len() { within.clone() } else { open(next, within) });
}

/// The next byte of a string, whose text is UTF-8 and whose escapes are no halves of a pair.
fn in_text(frame: Frame, within: &Place, byte: u8) -> Option<Place> {
    let Frame::Text { least, most, count, character } = frame else { return None };
    let has_room = most.is_none_or(|most| count < most);
    let to = |character: Character, count: usize| {
        Some(open(Frame::Text { least, most, count, character }, within))
    };
    let hexadecimal = byte.is_ascii_hexdigit();
    match character {
        Character::Start => match byte {
            b'"' => (count >= least).then(|| within.clone()),
            _ if !has_room => None,
            b'\\' => to(Character::Escape, count),
            0x20..=0x7e => to(Character::Start, count + 1),
            _ => to(leading(byte)?, count),
        },
        Character::Bytes { left, low, high } if (low..=high).contains(&byte) => match left {
            1 => to(Character::Start, count + 1),
            _ => to(Character::Bytes { left: left - 1, low: 0x80, high: 0xbf }, count),
        },
        Character::Escape => match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => to(Character::Start, count + 1),
            b'u' => to(Character::Digits { left: 4, surrogate: false }, count),
            _ => None,
        },
        Character::Digits { left: 4, .. } if hexadecimal => {
            to(Character::Digits { left: 3, surrogate: byte.eq_ignore_ascii_case(&b'd') }, count)
        }
        Character::Digits { left: 3, surrogate: true } if !(b'0'..=b'7').contains(&byte) => None,
        Character::Digits { left: 1, .. } if hexadecimal => to(Character::Start, count + 1),
        Character::Digits { left, .. } if hexadecimal => {
            to(Character::Digits { left: left - 1, surrogate: false }, count)
        }
        _ => None,
    }
}

/// What follows the first byte of a character of several (Unicode, table 3-7).
fn leading(byte: u8) -> Option<Character> {
    let (left, low, high) = match byte {
        0xc2..=0xdf => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xe1..=0xef => (2, 0x80, 0xbf),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        _ => return None,
    };
    Some(Character::Bytes { left, low, high })
}

/// Whether any text may follow at one of these places, up to a quote, a backslash or a control character.
pub fn is_free(places: &[Place]) -> bool {
    let free = |place: &Place| {
        place.as_ref().is_some_and(|top| {
            matches!(top.frame, Frame::Text { most: None, character: Character::Start, .. })
        })
    };
    places.iter().any(free)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Whether a text is written to its end under a schema.
    fn takes(schema: &str, text: &str) -> bool {
        let schema = JsonSchema::parse(schema).unwrap();
        let mut places = schema.start();
        for byte in text.bytes() {
            let mut next = Vec::new();
            schema.advance(&places, byte, &mut next);
            places = next;
        }
        schema.may_end(&places)
    }

    #[test]
    fn values_are_held_to_their_schema() {
        let person = r#"{"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 3},
            "age": {"type": "integer", "minimum": 0, "maximum": 120}, "kind": {"enum": ["a", "ab", null]}},
            "required": ["name", "kind"]}"#;
        for good in [
            r#"{"name": "Mi", "age": 7, "kind": "a"}"#,
            r#" {"name":"女娲","kind":null}"#,
            r#"{"name":"\u0041\n\"","age":120,"kind":"ab"}"#,
        ] {
            assert!(takes(person, good), "{good}");
        }
        for bad in [
            r#"{"name": "Mina", "kind": "a"}"#,
            r#"{"name": "", "kind": "a"}"#,
            r#"{"name": "a", "age": 121, "kind": "a"}"#,
            r#"{"name": "a", "age": -1, "kind": "a"}"#,
            r#"{"kind": "a", "name": "a"}"#,
            r#"{"name": "a"}"#,
            r#"{"name": "a", "kind": "b"}"#,
            r#"{"name": "a", "kind": "a",}"#,
            r#"{"name": "a", "kind": "a"} "#,
            r#"{"name": "\ud800", "kind": "a"}"#,
            "{\"name\": \"\n\", \"kind\": \"a\"}",
        ] {
            assert!(!takes(person, bad), "{bad}");
        }
    }

    #[test]
    fn numbers_end_before_they_grow_for_ever() {
        for good in ["0", "-0", "12", "-1.50", "1e9", "0.25E-3", "123456789012345678"] {
            assert!(takes(r#"{"type": "number"}"#, good), "{good}");
        }
        for bad in ["01", "1.", "-", "1e", "+1", ".5", "1234567890123456789", "1e100", "1.0000000000000000000"] {
            assert!(!takes(r#"{"type": "number"}"#, bad), "{bad}");
        }
        let within = r#"{"type": "integer", "exclusiveMinimum": -13, "maximum": 105}"#;
        for value in -200..200 {
            assert_eq!(takes(within, &value.to_string()), (-12..=105).contains(&value), "{value}");
        }
        assert!(!takes(within, "1.0") && !takes(within, "1e1"));
    }

    #[test]
    fn arrays_have_as_many_items_as_they_may() {
        let pairs = r#"{"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}"#;
        for good in [r#"["a"]"#, r#"["a", true]"#, r#"["a",true, false]"#] {
            assert!(takes(pairs, good), "{good}");
        }
        for bad in ["[]", "[true]", r#"["a", "b"]"#, r#"["a", true, true, true]"#, r#"["a",  true]"#] {
            assert!(!takes(pairs, bad), "{bad}");
        }
    }

    #[test]
    fn what_lies_too_deep_does_not_begin() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(takes("{}", &nested(DEEPEST)));
        assert!(!takes("{}", &nested(DEEPEST + 1)));
        let tree = r##"{"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}"##;
        assert!(takes(tree, r#"{"kids": [{}, {"kids": [{"kids": []}]}]}"#));
        assert!(!takes(tree, r#"{"kids": [[]]}"#));
    }

    proptest! {
        /// Whatever is written, one of some bytes always goes on, and what ends is valid.
        #[test]
        fn no_text_comes_to_a_place_that_nothing_follows(choices in prop::collection::vec(any::<u16>(), 400), which in 0..5_usize) {
            let schema = [
                "{}",
                r#"{"type": "object"}"#,
                r##"{"$defs": {"t": {"type": "object", "properties": {"l": {"anyOf": [{"$ref": "#/$defs/t"}, {"type": "null"}]},
                    "v": {"type": "integer", "minimum": -5, "maximum": 1234}}, "required": ["l", "v"]}}, "$ref": "#/$defs/t"}"##,
                r#"{"type": "object", "properties": {"d": {"type": "string", "format": "date-time"}, "p": {"type": "string", "pattern": "a.*女"}},
                    "required": ["p"]}"#,
                r#"{"type": "array", "items": {"enum": ["a", "ab", 3, {"x": [1]}]}, "minItems": 2, "maxItems": 4}"#,
            ][which];
            let compiled = JsonSchema::parse(schema).unwrap();
            let (mut places, mut text) = (compiled.start(), Vec::new());
            for choice in choices {
                let after = |byte: u8| {
                    let mut next = Vec::new();
                    compiled.advance(&places, byte, &mut next);
                    (!next.is_empty()).then_some((byte, next))
                };
                let mut possible: Vec<_> = (0..=255).filter_map(after).collect();
                if possible.is_empty() {
                    break;
                }
                let (byte, next) = possible.swap_remove(usize::from(choice) % possible.len());
                text.push(byte);
                places = next;
            }
            let ended = compiled.may_end(&places);
            prop_assert!(ended || places.iter().any(Option::is_some), "{}", String::from_utf8_lossy(&text));
            if ended {
                let text = String::from_utf8(text).unwrap();
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            }
        }
    }
}
