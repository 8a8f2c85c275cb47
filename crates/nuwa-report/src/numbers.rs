//! Numbers as people read them: counts, sizes, times, and measured values with the decimals that they deserve.

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 document`, `3,000 documents`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `3.2M`, `950k`, `812`.
pub fn rounded(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// `1.2 GB`, `530 MB`, `12 KB`.
pub fn bytes(number: u64) -> String {
    match number as f64 {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.1} KB", n / 1e3),
        n => format!("{n:.0} bytes"),
    }
}

/// `0.4s`, `12s`, `4m10s`, `2h5m`.
pub fn seconds(number: f64) -> String {
    match number {
        n if !n.is_finite() || n < 0.0 => "?".into(),
        n if n < 10.0 => format!("{n:.1}s"),
        n if n < 3600.0 => whole_seconds(n.round() as u64),
        n => whole_seconds((n / 60.0).round() as u64 * 60),
    }
}

/// `0s`, `45s`, `1h30m`: to the second.
pub fn whole_seconds(number: u64) -> String {
    let parts = [(number / 3600, 'h'), (number / 60 % 60, 'm'), (number % 60, 's')];
    let text: String = parts.iter().filter(|part| part.0 > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { String::from("0s") } else { text }
}

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
    fn numbers_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(rounded(3_200_000.0), "3.2M");
        assert_eq!(bytes(1_500), "1.5 KB");
        assert_eq!(seconds(7323.0), "2h2m");
    }

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
