//! Days of the calendar, for what says when it was made.

/// Year, month and day of a count of days since 1970-01-01.
pub fn civil_date(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let length = |month: usize| match month {
        1 => 28 + u64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    while days >= length(month) {
        days -= length(month);
        month += 1;
    }
    (year, month + 1, days + 1)
}

/// `2024-02-29 12:34` in universal time, of seconds since 1970.
pub fn date_and_time(seconds: u64) -> String {
    let (year, month, day) = civil_date(seconds / 86_400);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date_and_time(1_709_210_096), "2024-02-29 12:34");
        assert_eq!(date_and_time(0), "1970-01-01 00:00");
        assert_eq!(civil_date(11_016), (2000, 2, 29));
    }
}
