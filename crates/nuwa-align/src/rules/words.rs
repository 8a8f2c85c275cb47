//! The normal form in which answers are compared.
//!
//! Compatibility forms of characters are their usual ones (NFKC: full width becomes half width), letters are small, blanks and marks
//! only part words, and each character of a script without blanks is a word. Numbers keep their sign and their point, not the
//! commas between thousands; signs such as `+` and `=` count where they stand between numbers. Articles count.

use unicode_normalization::UnicodeNormalization;

use super::numbers::{Number, numbers};

/// Signs that count between numbers.
const SIGNS: &str = "+-*/=<>^×÷≤≥≠";

/// A text in usual forms of characters.
pub fn usual(text: &str) -> String {
    text.nfkc().map(|character| if character == '\u{2212}' { '-' } else { character }).collect()
}

/// The words of a text in normal form.
pub fn words(text: &str) -> Vec<String> {
    let text = usual(text);
    let (mut words, mut at) = (Vec::new(), 0);
    for Number { place, written } in numbers(&text) {
        let between = &text[at..place.start];
        let sign = between.trim();
        match at > 0 && !sign.is_empty() && sign.chars().all(|sign| SIGNS.contains(sign)) {
            true => words.push(sign.to_string()),
            false => add_words(between, &mut words),
        }
        words.push(written);
        at = place.end;
    }
    add_words(&text[at..], &mut words);
    words
}

fn add_words(text: &str, words: &mut Vec<String>) {
    nuwa_text::for_each_word_at(text, |_, place| {
        let letters = text[place].chars().filter(|character| !nuwa_text::is_apostrophe(*character));
        words.push(letters.flat_map(char::to_lowercase).collect());
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_width_marks_and_blanks_do_not_count() {
        for (one, other) in [
            ("Mina lives in Arlen.", "  mina LIVES in “Arlen”！\n"),
            ("ＡＢＣ　１２", "abc 12"),
            ("米娜住在阿伦镇。", "米娜 住在 阿伦镇"),
            ("don't", "Don’t"),
            ("1,200 apples", "1200 apples"),
            ("3 + 4 = 7", "3+4=7."),
            ("**7**", "7"),
            ("ﬁve", "FIVE"),
            ("−5", "-5"),
            ("2E3", "2e3"),
        ] {
            assert_eq!(words(one), words(other), "{one} {other}");
        }
    }

    #[test]
    fn words_numbers_and_signs_between_them_count() {
        for (one, other) in [
            ("the cat", "cat"),
            ("3 + 4 = 7", "3 - 4 = 7"),
            ("-5", "5"),
            ("3.5", "35"),
            ("3.5", "3 5"),
            ("阿伦镇", "阿伦"),
            ("ab c", "a bc"),
        ] {
            assert_ne!(words(one), words(other), "{one} {other}");
        }
        assert_eq!(words("?!。 "), [] as [String; 0]);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(text in "\\PC{0,60}") {
            let all = words(&text);
            prop_assert!(all.iter().all(|word| !word.is_empty()));
        }

        #[test]
        fn capitals_and_blanks_do_not_count(parts in prop::collection::vec("[a-z]{1,8}|[0-9]{1,4}|[一-龥]{1,4}", 0..8)) {
            let plain = parts.join(" ");
            prop_assert_eq!(words(&plain), words(&format!("「{}」。", plain.to_uppercase().replace(' ', "  "))));
        }
    }
}
