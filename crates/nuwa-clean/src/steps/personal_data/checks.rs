//! Check digits and number ranges: what tells a card number from any sixteen digits.

/// Luhn's sum (ISO/IEC 7812-1, annex B): from the right every second digit doubled, digits added; a multiple of ten.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let weigh = |(place, digit): (usize, &u8)| match (place % 2, *digit) {
        (0, digit) => u32::from(digit),
        (_, digit) => u32::from(digit * 2 / 10 + digit * 2 % 10),
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>().is_multiple_of(10)
}

/// Whether the first digits and the length are those of an issuer of payment cards (ISO/IEC 7812 ranges as the networks
/// publish them: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Maestro, Mir).
pub(super) fn is_card_range(digits: &[u8]) -> bool {
    let first = |count: usize| digits[..count].iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit));
    let length = digits.len();
    match (first(1), first(2), first(3), first(4)) {
        (4, ..) => matches!(length, 13 | 16 | 19),
        (_, 34 | 37, ..) => length == 15,
        (_, 51..=55, ..) | (_, _, _, 2200..=2204 | 2221..=2720) => length == 16,
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => (14..=19).contains(&length),
        (_, _, _, 1800 | 2131) => length == 15,
        (_, _, _, 3528..=3589) | (_, 62 | 65, ..) | (_, _, 644..=649, _) => (16..=19).contains(&length),
        (_, _, _, 6011) => (16..=19).contains(&length),
        (_, 50 | 56..=58 | 63 | 67, ..) => (12..=19).contains(&length),
        _ => false,
    }
}

/// Lengths of IBANs by country (SWIFT, IBAN Registry, release 99).
const IBAN_LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// How long the IBANs of a country (two capital letters) are.
pub(super) fn iban_length(country: &str) -> Option<usize> {
    let row = IBAN_LENGTHS.iter().find(|(_, countries)| countries.split(' ').any(|one| one == country));
    row.map(|(length, _)| *length)
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35; the number is 1 modulo 97.
pub(super) fn is_iban(characters: &[u8]) -> bool {
    let (head, tail) = characters.split_at(4);
    let remainder = tail.iter().chain(head).try_fold(0, |sum, &byte| {
        let value = (byte as char).to_digit(36)?;
        Some((sum * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    remainder == Some(1)
}

/// A number that the Social Security Administration may have given out: no area 000, 666 or 900 to 999, no group 00, no
/// serial 0000 (<https://www.ssa.gov/employer/randomization.html>).
pub(super) fn is_ssn(area: u32, group: u32, serial: u32) -> bool {
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

/// GB 11643-1999: a province, a date of birth, a serial, and a check character by ISO 7064 MOD 11-2.
pub(super) fn is_chinese_identity(characters: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let number = |range: std::ops::Range<usize>| {
        characters[range].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'))
    };
    if characters.len() != 18 || !characters[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let province =
        matches!(number(0..2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83);
    let born = is_date(number(6..10), number(10..12), number(12..14)) && number(6..10) >= 1900;
    let sum: u32 = WEIGHTS.iter().zip(characters).map(|(weight, byte)| weight * u32::from(byte - b'0')).sum();
    let check = b"10X98765432"[sum as usize % 11];
    province && born && check == characters[17].to_ascii_uppercase()
}

/// Whether there is such a day; years from 1000 to 2100.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        1..=12 => 31,
        _ => 0,
    };
    (1000..=2100).contains(&year) && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn check_digits() {
        // The networks' own test numbers.
        for card in
            ["4111111111111111", "5555555555554444", "378282246310005", "30569309025904", "3530111333300000"]
        {
            assert!(luhn(&digits(card)) && is_card_range(&digits(card)), "{card}");
            let mut wrong = digits(card);
            wrong[5] = (wrong[5] + 1) % 10;
            assert!(!luhn(&wrong), "{card}");
        }
        assert!(!is_card_range(&digits("9783161484100")));
        // The registry's own examples.
        for iban in [
            "GB29NWBK60161331926819",
            "DE89370400440532013000",
            "FR1420041010050500013M02606",
            "NO9386011117947",
        ] {
            assert!(is_iban(iban.as_bytes()) && iban_length(&iban[..2]) == Some(iban.len()), "{iban}");
            assert!(!is_iban(iban.replace('0', "1").as_bytes()), "{iban}");
        }
        // The examples of GB 11643-1999; who was born in 1880 needs no protection any more.
        assert!(is_chinese_identity(b"11010519491231002X") && !is_chinese_identity(b"110105194912310021"));
        assert!(!is_chinese_identity(b"440524188001010014"));
        assert!(is_ssn(514, 69, 360) && !is_ssn(666, 1, 1) && !is_ssn(987, 65, 4320) && !is_ssn(1, 0, 1));
    }
}
