use std::collections::HashSet;

use super::python_text::words;

/// How varied texts are, without a reference. A model that goes in circles has low shares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Diversity {
    /// distinct-1, -2 and -3 (Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models", 2016): different runs of
    /// one, two and three tokens over all texts, by how many runs there are. It falls with the amount of text: compare as much of it.
    pub distinct: [f64; 3],
    /// Of the runs of four tokens within a text, the share that stood in that text before, over all texts.
    pub repetition: f64,
}

impl Diversity {
    /// Of texts taken apart at blanks.
    pub fn of_words(texts: &[&str]) -> Self {
        Self::of(&texts.iter().map(|text| words(text)).collect::<Vec<_>>())
    }

    /// Of texts taken apart into letters and digits, for Chinese.
    pub fn of_characters(texts: &[&str]) -> Self {
        let letters = |text: &&str| -> Vec<char> {
            text.chars().filter(|character| character.is_alphanumeric()).collect()
        };
        Self::of(&texts.iter().map(letters).collect::<Vec<_>>())
    }

    fn of<T: std::hash::Hash + Eq>(texts: &[Vec<T>]) -> Self {
        let share = |order: usize| {
            let runs = || texts.iter().flat_map(move |text| text.windows(order));
            runs().collect::<HashSet<_>>().len() as f64 / runs().count().max(1) as f64
        };
        let (mut again, mut all) = (0, 0);
        for text in texts {
            let runs = text.windows(4);
            all += runs.len();
            again += runs.len() - runs.collect::<HashSet<_>>().len();
        }
        Self { distinct: [1, 2, 3].map(share), repetition: again as f64 / all.max(1) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_seen() {
        let varied = Diversity::of_words(&["a b c d e f"]);
        assert_eq!((varied.distinct, varied.repetition), ([1.0; 3], 0.0));
        let circle = Diversity::of_words(&["a b a b a b a b"]);
        assert_eq!(circle.distinct, [2.0 / 8.0, 2.0 / 7.0, 2.0 / 6.0]);
        assert_eq!(circle.repetition, 3.0 / 5.0);
        assert_eq!(Diversity::of_characters(&["猫猫。猫"]).distinct[0], 1.0 / 3.0);
        assert_eq!(Diversity::of_words(&[]), Diversity::default());
    }
}
