//! BLEU (Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002), as sacreBLEU 2.6.0 computes it (Post, "A
//! Call for Clarity in Reporting BLEU Scores", 2018).

use std::collections::HashMap;

use super::bleu_tokens::BleuTokens;
use super::ngrams::{common, ngrams, runs};
use super::python_text::{without_blanks_at_the_end, words};
use super::signature::signature;
use crate::statistics::Bootstrap;

/// The longest runs of tokens that are compared.
pub const BLEU_ORDER: usize = 4;

/// What becomes of an order of which no run was found in a reference (Chen and Cherry, "A Systematic Comparison of Smoothing Techniques for
/// Sentence-Level BLEU", 2014).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Smoothing {
    /// As if half a run had been found, of the next such order a quarter, and so on.
    #[default]
    Exponential,
    /// As if so many had been found.
    Floor(f64),
    /// So many are added to what was found and to what there is, of the orders from 2 on.
    AddK(f64),
    /// The order counts as nothing, and so does all.
    Off,
}

impl Smoothing {
    /// Its name in signatures.
    fn name(self) -> String {
        match self {
            Self::Exponential => "exp".into(),
            Self::Floor(value) => format!("floor[{value:.2}]"),
            Self::AddK(value) => format!("add-k[{value:.2}]"),
            Self::Off => "none".into(),
        }
    }
}

/// How BLEU is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BleuSettings {
    /// How texts are taken apart.
    pub tokens: BleuTokens,
    /// What becomes of orders without a match.
    pub smoothing: Smoothing,
    /// Whether upper and lower case are the same.
    pub lowercase: bool,
    /// Whether only the orders count that a text is long enough for: for sentences.
    pub effective_order: bool,
}

/// What texts give to BLEU. Sums of them belong to the texts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Tokens of the texts.
    pub length: u64,
    /// Tokens of the references that are nearest in length, of two the shorter one.
    pub reference_length: u64,
    /// Of each order, how many runs are found in a reference, each at most as often as in the one that has it most often.
    pub correct: [u64; BLEU_ORDER],
    /// Of each order, how many runs there are.
    pub total: [u64; BLEU_ORDER],
}

impl BleuCounts {
    /// Those of all texts together.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, one| Self {
            length: sum.length + one.length,
            reference_length: sum.reference_length + one.reference_length,
            correct: std::array::from_fn(|order| sum.correct[order] + one.correct[order]),
            total: std::array::from_fn(|order| sum.total[order] + one.total[order]),
        })
    }
}

/// BLEU and its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BleuScore {
    /// `brevity_penalty * exp(mean of ln precisions)`, from 0 to 100.
    pub score: f64,
    /// The share of runs of each order that a reference has too, smoothed, in per cent.
    pub precisions: [f64; BLEU_ORDER],
    /// `exp(1 - reference / length)` where the texts are shorter than the references, else 1.
    pub brevity_penalty: f64,
}

impl BleuSettings {
    /// What `text` gives, held against all of its references.
    pub fn counts(&self, text: &str, references: &[&str]) -> BleuCounts {
        let text = self.prepared(text);
        let references: Vec<String> = references.iter().map(|reference| self.prepared(reference)).collect();
        let tokens = words(&text);
        let references: Vec<Vec<&str>> = references.iter().map(|reference| words(reference)).collect();
        let length = tokens.len();
        let nearest = references.iter().map(Vec::len).min_by_key(|other| (other.abs_diff(length), *other));
        BleuCounts {
            length: length as u64,
            reference_length: nearest.unwrap_or_default() as u64,
            correct: std::array::from_fn(|order| correct(&tokens, &references, order + 1)),
            total: std::array::from_fn(|order| runs(length, order + 1)),
        }
    }

    fn prepared(&self, text: &str) -> String {
        let text = if self.lowercase { text.to_lowercase() } else { text.to_string() };
        self.tokens.apart(without_blanks_at_the_end(&text))
    }

    /// BLEU of texts that gave so much.
    pub fn score(&self, counts: &BleuCounts) -> BleuScore {
        let brevity_penalty = brevity_penalty(counts.length as f64, counts.reference_length as f64);
        if counts.correct.iter().all(|count| *count == 0) {
            return BleuScore { brevity_penalty, ..BleuScore::default() };
        }
        let (precisions, longest) = self.precisions(counts);
        let orders = if self.effective_order { longest } else { BLEU_ORDER };
        let mean = precisions[..orders].iter().map(|value| ln(*value)).sum::<f64>() / orders as f64;
        BleuScore { score: brevity_penalty * mean.exp(), precisions, brevity_penalty }
    }

    /// The precision of each order, and the longest order of which there is any run.
    fn precisions(&self, counts: &BleuCounts) -> ([f64; BLEU_ORDER], usize) {
        let (mut precisions, mut longest, mut missed) = ([0.0; BLEU_ORDER], 0, 1.0);
        for (order, precision) in precisions.iter_mut().enumerate() {
            let added = match self.smoothing {
                Smoothing::AddK(value) if order > 0 => value,
                _ => 0.0,
            };
            let (correct, total) = (counts.correct[order] as f64 + added, counts.total[order] as f64 + added);
            if total == 0.0 {
                break;
            }
            longest = order + 1;
            *precision = match self.smoothing {
                Smoothing::Exponential if correct == 0.0 => {
                    missed *= 2.0;
                    100.0 / (missed * total)
                }
                Smoothing::Floor(value) if correct == 0.0 => 100.0 * value / total,
                _ => 100.0 * correct / total,
            };
        }
        (precisions, longest)
    }

    /// How the figure came about, as sacreBLEU writes it; `references` of each text, none where texts have different numbers of them.
    pub fn signature(&self, references: Option<usize>, sampled: Option<Bootstrap>) -> String {
        let case = if self.lowercase { "lc" } else { "mixed" };
        let effective = if self.effective_order { "yes" } else { "no" };
        let (tokens, smoothing) = (self.tokens.name(), self.smoothing.name());
        let own = format!("case:{case}|eff:{effective}|tok:{tokens}|smooth:{smoothing}");
        signature(references, sampled, &own)
    }
}

/// How many runs of `order` a reference has too.
fn correct(tokens: &[&str], references: &[Vec<&str>], order: usize) -> u64 {
    let mut most: HashMap<&[&str], u64> = HashMap::new();
    for reference in references {
        for (run, count) in ngrams(reference, order) {
            let known = most.entry(run).or_insert(0);
            *known = count.max(*known);
        }
    }
    common(&ngrams(tokens, order), &most)
}

fn brevity_penalty(length: f64, reference: f64) -> f64 {
    if length >= reference {
        1.0
    } else if length == 0.0 {
        0.0
    } else {
        (1.0 - reference / length).exp()
    }
}

/// The logarithm, and of 0 a number so low that nothing is left of the mean.
fn ln(value: f64) -> f64 {
    if value == 0.0 { -9_999_999_999.0 } else { value.ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(settings: BleuSettings, text: &str, reference: &str) -> f64 {
        settings.score(&settings.counts(text, &[reference])).score
    }

    #[test]
    fn smoothing_changes_what_a_missing_order_counts() {
        let of = |smoothing| {
            let settings = BleuSettings { smoothing, ..BleuSettings::default() };
            score(settings, "the cat sat on mat", "the cat is on the mat")
        };
        assert_eq!(of(Smoothing::Off), 0.0);
        assert!((of(Smoothing::Floor(0.1)) - 11.062_691_203_2).abs() < 1e-9);
        assert!((of(Smoothing::AddK(1.0)) - 33.085_163_615_0).abs() < 1e-9);
    }

    #[test]
    fn a_text_equals_itself_and_shares_nothing_with_another() {
        let settings = BleuSettings::default();
        assert!((score(settings, "a b c d e", "a b c d e") - 100.0).abs() < 1e-9);
        assert_eq!(score(settings, "a b c d e", "f g h i j"), 0.0);
        assert_eq!(score(settings, "", "a b"), 0.0);
    }

    #[test]
    fn the_nearest_reference_counts_and_the_shorter_of_two() {
        let counts = BleuSettings::default().counts("a b c", &["a b c d", "a b", "a b c d e f"]);
        assert_eq!((counts.length, counts.reference_length), (3, 2));
        assert_eq!(counts.correct, [3, 2, 1, 0]);
    }

    #[test]
    fn signatures_are_sacrebleus_with_our_version_behind() {
        let own = format!("|nuwa:{}", env!("CARGO_PKG_VERSION"));
        let settings = BleuSettings::default();
        assert_eq!(
            settings.signature(Some(1), None),
            format!("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0{own}")
        );
        let settings = BleuSettings { smoothing: Smoothing::Floor(0.1), lowercase: true, ..settings };
        assert_eq!(
            settings.signature(None, Some(Bootstrap::default())),
            format!(
                "nrefs:var|bs:1000|seed:12345|case:lc|eff:no|tok:13a|smooth:floor[0.10]|version:2.6.0{own}"
            )
        );
    }
}
