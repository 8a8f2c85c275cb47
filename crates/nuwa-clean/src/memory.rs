//! A size of memory as people write it.

use crate::{Error, Result};

const UNITS: [(&str, f64); 7] =
    [("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("k", 1e3), ("m", 1e6), ("g", 1e9)];
/// Documents on their way take some of it whatever is asked.
const LEAST: f64 = 1e8;
const MOST: f64 = 1e15;

/// The bytes of "500MB", "2GB" or "1500000000".
pub(super) fn parse(text: &str) -> Result<usize> {
    let plain = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, bytes)| plain.strip_suffix(name).map(|number| (number, *bytes)))
        .unwrap_or((&plain, 1.0));
    let is_decimal = |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bytes = Some(number.trim()).filter(is_decimal).and_then(|number| number.parse::<f64>().ok());
    match bytes.map(|number| number * unit).filter(|bytes| (LEAST..MOST).contains(bytes)) {
        Some(bytes) => Ok(bytes as usize),
        None => Err(Error::Setting {
            name: "clean.memory",
            value: text.into(),
            expected: "a size of at least 100MB, such as 500MB or 2GB",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("1GB", 1_000_000_000), ("1.5 gb", 1_500_000_000), ("500m", 500_000_000)] {
            assert_eq!(parse(text).unwrap(), bytes);
        }
        assert_eq!(parse("200000000").unwrap(), 200_000_000);
        for wrong in ["", "GB", "much", "1MB", "-1GB", "1e9", "infGB", "9999999TB"] {
            let said = parse(wrong).unwrap_err().to_string();
            assert_eq!(
                said,
                format!("clean.memory = {wrong}: expected a size of at least 100MB, such as 500MB or 2GB")
            );
        }
    }
}
