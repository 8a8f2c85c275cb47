//! Measured numbers as people read them: with the decimals they deserve.

use crate::numbers::grouped;

/// A share of a whole: "12.5 %", "< 0.1 %".
pub fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return String::from("-");
    }
    match 100.0 * part / whole {
        share if share > 0.0 && share < 0.1 => String::from("< 0.1 %"),
        share => format!("{} %", trimmed(format!("{share:.1}"))),
    }
}

/// A measured value with as many decimals as it deserves: "2.249", "0.0006", "1.2e-7", "1,843".
pub fn value(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => String::from("0"),
        _ if (1000.0..1e15).contains(&size) => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(size.round() as u64))
        }
        _ if !(1e-4..1e15).contains(&size) => format!("{value:.2e}"),
        _ => digits(value, 4),
    }
}

/// A value and its standard error, both with the decimals that the error allows: ("2.249", "0.011").
pub fn with_error(value: f64, error: f64) -> (String, String) {
    if !(error.is_finite() && error > 0.0) {
        return (self::value(value), String::new());
    }
    let decimals = (1.0 - error.log10().floor()).clamp(0.0, 6.0) as usize;
    (format!("{value:.decimals$}"), format!("{error:.decimals$}"))
}

/// `value` with `count` significant digits and no trailing zeros.
pub fn digits(value: f64, count: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let decimals = (count - 1 - value.abs().log10().floor() as i32).max(0) as usize;
    trimmed(format!("{value:.decimals$}"))
}

fn trimmed(number: String) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(value(2.249_31), "2.249");
        assert_eq!(value(0.0006), "0.0006");
        assert_eq!(value(1.23e-7), "1.23e-7");
        assert_eq!(value(-1843.2), "-1,843");
        assert_eq!(with_error(2.249_31, 0.0113), ("2.249".into(), "0.011".into()));
        assert_eq!(with_error(2.249_31, 0.0), ("2.249".into(), "".into()));
        assert_eq!(percent(1.0, 8.0), "12.5 %");
        assert_eq!(percent(1.0, 80_000.0), "< 0.1 %");
        assert_eq!(percent(1.0, 0.0), "-");
    }
}
