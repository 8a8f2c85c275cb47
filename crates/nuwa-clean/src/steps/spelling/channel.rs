//! The slips that are repaired, and how likely each is, as a negative logarithm of a probability.
//!
//! A word is taken for another only where one slip explains it that hardly ever makes one right word of another: a double
//! letter written once, two neighbours that changed places, a letter left out, a vowel taken for another; and only
//! within the word, since first letters are rarely wrong (Pollock and Zamora 1984,
//! <https://doi.org/10.1145/358027.358048>) and last ones make other forms of a word. Letters too much, other letters
//! and two slips at once are left: nine of ten such repairs altered right words of books. The costs were
//! set by hand; see the measurement in docs/benchmarks.md.

/// Longest word that is compared, in letters.
pub(super) const LONGEST: usize = 24;
/// Letters that are right before the slip, and after it.
const SAME: [usize; 2] = [2, 1];

/// How `wrong` may have come from `right`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    /// adress
    Undoubled,
    /// recieve
    Swapped,
    /// goverment
    Missing(char),
    /// seperate
    Vowel,
}

impl Slip {
    /// The one slip that makes `wrong` of `right`, if there is one.
    pub fn between(wrong: &[char], right: &[char]) -> Option<Self> {
        let front = wrong.iter().zip(right).take_while(|(one, other)| one == other).count();
        let most = wrong.len().min(right.len()) - front;
        let same = wrong.iter().rev().zip(right.iter().rev()).take_while(|(one, other)| one == other);
        let back = same.count().min(most);
        if front < SAME[0] || back < SAME[1] {
            return None;
        }
        match (&wrong[front..wrong.len() - back], &right[front..right.len() - back]) {
            ([], [letter]) if right[front - 1] == *letter => Some(Self::Undoubled),
            ([], [letter]) => Some(Self::Missing(*letter)),
            ([a, b], [c, d]) if a == d && b == c => Some(Self::Swapped),
            ([a], [b]) if is_vowel(*a) && is_vowel(*b) => Some(Self::Vowel),
            _ => None,
        }
    }

    pub fn cost(self) -> f32 {
        match self {
            Self::Undoubled => 1.8,
            Self::Swapped => 2.0,
            Self::Vowel => 2.3,
            Self::Missing('h' | 'e') => 2.5,
            Self::Missing(letter) if is_vowel(letter) => 2.7,
            Self::Missing(_) => 3.2,
        }
    }
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wrong: &str, right: &str) -> Option<Slip> {
        let letters = |word: &str| word.chars().collect::<Vec<char>>();
        Slip::between(&letters(wrong), &letters(right))
    }

    #[test]
    fn certain_slips_have_a_name() {
        assert_eq!(of("adress", "address"), Some(Slip::Undoubled));
        assert_eq!(of("recieve", "receive"), Some(Slip::Swapped));
        assert_eq!(of("goverment", "government"), Some(Slip::Missing('n')));
        assert_eq!(of("seperate", "separate"), Some(Slip::Vowel));
    }

    #[test]
    fn what_may_well_be_another_word_has_none() {
        for (wrong, right) in [
            ("same", "same"),
            ("wander", "wonder"),
            ("author", "another"),
            ("spitting", "sitting"),
            ("pleaded", "pleased"),
            ("thrown", "throne"),
            ("decoction", "deduction"),
            ("bulwark", "bulwarks"),
        ] {
            assert_eq!(of(wrong, right), None, "{wrong}");
        }
    }
}
