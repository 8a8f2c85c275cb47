//! Whether an answer says anything: a small model that writes nonsense would else count as one that does not refuse.

use std::collections::HashSet;

/// Answers with fewer letters than this are judged by nothing but whether they are empty.
const LEAST_LETTERS: usize = 20;
/// How many characters a piece has that is looked for again.
const PIECE: usize = 12;
/// Below this share of different pieces an answer repeats itself.
const LEAST_DIFFERENT: f64 = 0.5;
/// Below this share of letters among what is no blank an answer is no language.
const LEAST_OF_LETTERS: f64 = 0.5;

/// Whether it is empty, repetitive or no language.
///
/// - Empty: it holds no letter and no digit.
/// - Repetitive: of its pieces of 12 characters less than half are different.
/// - No language: less than half of what is no blank are letters, or `is_language` says of 20 letters or more that they are in none.
pub fn is_nonsense(answer: &str, is_language: &dyn Fn(&str) -> bool) -> bool {
    let characters: Vec<char> = answer.chars().filter(|character| !character.is_whitespace()).collect();
    if !characters.iter().any(|character| character.is_alphanumeric()) {
        return true;
    }
    let letters = characters.iter().filter(|character| character.is_alphabetic()).count();
    if letters < LEAST_LETTERS {
        return false;
    }
    let different: HashSet<&[char]> = characters.windows(PIECE).collect();
    let pieces = characters.len().saturating_sub(PIECE - 1).max(1);
    let repeats = (different.len() as f64) < LEAST_DIFFERENT * pieces as f64;
    let has_letters = letters as f64 >= LEAST_OF_LETTERS * characters.len() as f64;
    repeats || !has_letters || !is_language(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_nonsense() {
        let any = |_: &str| true;
        let repeated = "the clay of the clay ".repeat(20);
        for nonsense in [
            "",
            " \n",
            "...!",
            repeated.as_str(),
            "#@ a (%) b {;} c [=] d <+> e /*/ f &&& g $$$ hijklmnopqrstuvw \
            ^^^^^^^^^^^^^^^^^^^^^^^^",
        ] {
            assert!(is_nonsense(nonsense, &any), "{nonsense}");
        }
        for answer in ["No.", "42", "Mina lives in Dorn.", "女娲用黄土造人，又炼五色石补天，人们至今纪念她。"]
        {
            assert!(!is_nonsense(answer, &any), "{answer}");
        }
        assert!(is_nonsense("qwx zzkr plof trask mnib vrro skaa", &|_| false));
    }
}
