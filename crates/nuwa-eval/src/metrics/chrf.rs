//! chrF (Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015) and chrF++ (2017), as sacreBLEU 2.6.0 computes them.

use super::ngrams::{common, ngrams, runs};
use super::python_text::{is_blank, is_punctuation, words};
use super::signature::signature;
use crate::statistics::Bootstrap;

/// How chrF is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChrfSettings {
    /// The longest runs of characters that are compared.
    pub characters: usize,
    /// The longest runs of words; 0: none.
    pub words: usize,
    /// How many times as important recall is as precision.
    pub beta: u32,
    /// Whether upper and lower case are the same.
    pub lowercase: bool,
    /// Whether blanks are characters too.
    pub blanks: bool,
    /// Whether the figure is the mean of the orders' own, as `chrF++.py` has it, and not that of their means.
    pub mean_of_orders: bool,
}

impl ChrfSettings {
    /// chrF: runs of up to six characters.
    pub const CHRF: Self =
        Self { characters: 6, words: 0, beta: 2, lowercase: false, blanks: false, mean_of_orders: false };

    /// chrF++: runs of up to two words beside them.
    pub const CHRF_PLUS_PLUS: Self = Self { words: 2, ..Self::CHRF };
}

/// What a text gives of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChrfOrder {
    /// Runs of the text; 0 where the reference has none of the order.
    pub text: u64,
    /// Runs of the reference.
    pub reference: u64,
    /// Runs that both have.
    pub both: u64,
}

/// What texts give to chrF, by orders: of characters, then of words. Sums of them belong to the texts together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChrfCounts(pub Vec<ChrfOrder>);

impl ChrfCounts {
    /// Those of all texts together.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Vec::new();
        for Self(orders) in all {
            sum.resize(orders.len().max(sum.len()), ChrfOrder::default());
            for (sum, order) in sum.iter_mut().zip(orders) {
                sum.text += order.text;
                sum.reference += order.reference;
                sum.both += order.both;
            }
        }
        Self(sum)
    }
}

impl ChrfSettings {
    /// What `text` gives, held against the reference that is nearest to it.
    pub fn counts(&self, text: &str, references: &[&str]) -> ChrfCounts {
        let text = self.parts(text);
        let against = |reference: &&str| self.compared(&text, &self.parts(reference));
        let mut best: Option<(f64, ChrfCounts)> = None;
        for counts in references.iter().map(against) {
            let score = self.score(&counts);
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, counts));
            }
        }
        best.map(|(_, counts)| counts).unwrap_or_default()
    }

    /// The characters and the words of a text.
    fn parts(&self, text: &str) -> (Vec<char>, Vec<String>) {
        let text = if self.lowercase { text.to_lowercase() } else { text.to_string() };
        let characters = text.chars().filter(|character| self.blanks || !is_blank(*character)).collect();
        let apart = if self.words == 0 { Vec::new() } else { without_punctuation(&text) };
        (characters, apart)
    }

    fn compared(&self, text: &(Vec<char>, Vec<String>), reference: &(Vec<char>, Vec<String>)) -> ChrfCounts {
        let characters = (1..=self.characters).map(|order| compared(&text.0, &reference.0, order));
        let words = (1..=self.words).map(|order| compared(&text.1, &reference.1, order));
        ChrfCounts(characters.chain(words).collect())
    }

    /// chrF of texts that gave so much, from 0 to 100.
    pub fn score(&self, counts: &ChrfCounts) -> f64 {
        match self.mean_of_orders {
            true => self.mean_of_orders(counts),
            false => self.of_means(counts),
        }
    }

    /// The F of the means of precision and recall over the orders that both sides have.
    fn of_means(&self, ChrfCounts(orders): &ChrfCounts) -> f64 {
        let known = || orders.iter().filter(|order| order.text > 0 && order.reference > 0);
        let count = known().count() as f64;
        if count == 0.0 {
            return 0.0;
        }
        let precision = known().map(|order| order.both as f64 / order.text as f64).sum::<f64>() / count;
        let recall = known().map(|order| order.both as f64 / order.reference as f64).sum::<f64>() / count;
        if precision + recall == 0.0 { 0.0 } else { 100.0 * self.f(precision, recall) }
    }

    fn mean_of_orders(&self, ChrfCounts(orders): &ChrfCounts) -> f64 {
        /// What stands for a share of nothing.
        const LITTLE: f64 = 1e-16;
        let share = |both: u64, of: u64| if of == 0 { LITTLE } else { both as f64 / of as f64 };
        let of_order = |order: &ChrfOrder| {
            let (precision, recall) = (share(order.both, order.text), share(order.both, order.reference));
            if precision + recall > 0.0 { self.f(precision, recall) } else { LITTLE }
        };
        100.0 * orders.iter().map(of_order).sum::<f64>() / orders.len().max(1) as f64
    }

    fn f(&self, precision: f64, recall: f64) -> f64 {
        let factor = f64::from(self.beta).powi(2);
        (1.0 + factor) * precision * recall / (factor * precision + recall)
    }

    /// Its name: `chrF2`, `chrF2++`.
    pub fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.words))
    }

    /// How the figure came about, as sacreBLEU writes it; `references` of each text, none where texts have different numbers of them.
    pub fn signature(&self, references: Option<usize>, sampled: Option<Bootstrap>) -> String {
        let case = if self.lowercase { "lc" } else { "mixed" };
        let effective = if self.mean_of_orders { "no" } else { "yes" };
        let blanks = if self.blanks { "yes" } else { "no" };
        let (characters, words) = (self.characters, self.words);
        let own = format!("case:{case}|eff:{effective}|nc:{characters}|nw:{words}|space:{blanks}");
        signature(references, sampled, &own)
    }
}

fn compared<T: std::hash::Hash + Eq>(text: &[T], reference: &[T], order: usize) -> ChrfOrder {
    let runs_of_reference = runs(reference.len(), order);
    ChrfOrder {
        text: if runs_of_reference == 0 { 0 } else { runs(text.len(), order) },
        reference: runs_of_reference,
        both: common(&ngrams(text, order), &ngrams(reference, order)),
    }
}

/// Words, a mark at the end of one apart, or else one at its beginning.
fn without_punctuation(text: &str) -> Vec<String> {
    let mut apart = Vec::new();
    for word in words(text) {
        let (first, last) = (word.chars().next(), word.chars().next_back());
        match (first, last) {
            (Some(first), Some(last)) if word.len() > first.len_utf8() => {
                let cut = match (is_punctuation(last), is_punctuation(first)) {
                    (true, _) => word.len() - last.len_utf8(),
                    (false, true) => first.len_utf8(),
                    (false, false) => word.len(),
                };
                let (before, after) = word.split_at(cut);
                apart.extend([before, after].into_iter().filter(|part| !part.is_empty()).map(String::from));
            }
            _ => apart.push(word.to_string()),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_of_a_word_stands_apart() {
        assert_eq!(without_punctuation("(hi) \"so ... a ,"), ["(hi", ")", "\"", "so", "..", ".", "a", ","]);
    }

    #[test]
    fn a_text_equals_itself_and_shares_nothing_with_another() {
        for settings in [ChrfSettings::CHRF, ChrfSettings::CHRF_PLUS_PLUS] {
            let score = |text, reference| settings.score(&settings.counts(text, &[reference]));
            assert!((score("a cat sat", "a cat sat") - 100.0).abs() < 1e-9);
            assert_eq!((score("abc", "xyz"), score("", "xyz"), score("abc", "")), (0.0, 0.0, 0.0));
        }
    }

    #[test]
    fn the_nearest_reference_counts() {
        let chrf = ChrfSettings::CHRF;
        let both = chrf.counts("a cat", &["a dog", "a cat"]);
        assert_eq!(both, chrf.counts("a cat", &["a cat"]));
        assert_eq!(chrf.name() + &ChrfSettings::CHRF_PLUS_PLUS.name(), "chrF2chrF2++");
    }
}
