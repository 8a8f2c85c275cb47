//! Numbers as people write them: `30M` parameters, `1h30m` of time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const COUNT_UNITS: [(char, f64); 5] = [('k', 1e3), ('m', 1e6), ('g', 1e9), ('b', 1e9), ('t', 1e12)];
const TIME_UNITS: [(char, f64); 4] = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86400.0)];

/// A count: `5000`, `1.5k`, `30M`, `2G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

/// A stretch of time: `90s`, `10m`, `1h30m`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a count: expected a number above 0 such as 5000, 1.5k, 30M or 2G");
        let plain = text.trim().replace('_', "").to_ascii_lowercase();
        let (number, factor) = match COUNT_UNITS.iter().find(|(unit, _)| plain.ends_with(*unit)) {
            Some((_, factor)) => (&plain[..plain.len() - 1], *factor),
            None => (plain.as_str(), 1.0),
        };
        let value = decimal(number).ok_or_else(wrong)? * factor;
        if !(1.0..1e18).contains(&value) { Err(wrong()) } else { Ok(Self(value.round() as u64)) }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a time: expected a number with a unit such as 90s, 10m, 1h30m or 2d");
        let plain = text.trim().to_ascii_lowercase();
        let (mut seconds, mut rest) = (0.0, plain.as_str());
        while !rest.is_empty() {
            let end = rest.find(|character: char| character.is_ascii_alphabetic()).ok_or_else(wrong)?;
            let unit = rest.as_bytes()[end] as char;
            let factor = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
            seconds += decimal(&rest[..end]).ok_or_else(wrong)? * factor;
            rest = &rest[end + 1..];
        }
        if !(1.0..1e9).contains(&seconds) { Err(wrong()) } else { Ok(Self(Duration::from_secs_f64(seconds))) }
    }
}

/// Digits with at most one point; nothing of what else a float may look like (`inf`, `1e9`, `-0`).
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&nuwa_report::numbers::whole_seconds(self.0.as_secs()))
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a count such as 5000 or \"30M\"")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Count, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Count, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Count, E> {
        value.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "format": "count" })
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_people_write_them() {
        let of = |text: &str| text.parse::<Count>().map(|count| count.0);
        assert_eq!(of("5000"), Ok(5000));
        assert_eq!(of("1.5k"), Ok(1500));
        assert_eq!(of("30M"), Ok(30_000_000));
        assert_eq!(of("2G"), Ok(2_000_000_000));
        assert_eq!(of("1_000_000"), Ok(1_000_000));
        for wrong in ["", "0", "-3", "M", "3x", "1e9", "inf", "1.2.3", "3 M M"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let of = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(of("90s"), Ok(90));
        assert_eq!(of("10m"), Ok(600));
        assert_eq!(of("1h30m"), Ok(5400));
        assert_eq!(of("1.5H"), Ok(5400));
        assert_eq!(of("2d"), Ok(172_800));
        for wrong in ["", "10", "m", "0s", "10x", "-1m", "1h30"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_print_as_they_are_read() {
        for text in ["45s", "10m", "1h30m", "48h"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }
}
