//! ROUGE (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004), as rouge-score 0.1.2 computes it, and the same over characters.

use std::collections::HashMap;

use super::ngrams::{common, ngrams, runs};
use super::porter::stem;

/// How ROUGE takes a text apart into tokens. Figures under different ones are not to be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RougeTokens {
    /// Runs of the letters a to z and digits: of text in other scripts nothing is left.
    #[default]
    Words,
    /// The same, of each word of more than three letters its stem ([Porter's](https://tartarus.org/martin/PorterStemmer/), as NLTK has it).
    Stems,
    /// Each letter or digit of any script, for Chinese; the figures bear names of their own.
    Characters,
}

/// Precision, recall and their harmonic mean, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Overlap {
    /// What is shared by what the text has.
    pub precision: f64,
    /// What is shared by what the reference has.
    pub recall: f64,
    /// `2 precision recall / (precision + recall)`, 0 where nothing is shared.
    pub f1: f64,
}

impl Overlap {
    /// Of what is shared, by what there is of each.
    pub(super) fn of(shared: u64, text: u64, reference: u64) -> Self {
        let share = |of: u64| shared as f64 / of.max(1) as f64;
        let (precision, recall) = (share(text), share(reference));
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

/// The four figures of a text; of several references, each from the one where its F1 is the best.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RougeScores {
    /// Tokens in common.
    pub rouge1: Overlap,
    /// Pairs of tokens in common.
    pub rouge2: Overlap,
    /// The longest common subsequence of all tokens.
    pub rouge_l: Overlap,
    /// The same, line by line: of each line of the reference what any line of the text has in common with it.
    pub rouge_lsum: Overlap,
}

impl RougeTokens {
    /// The figures' names: those over characters end in `_char`.
    pub fn names(self) -> [&'static str; 4] {
        match self {
            Self::Characters => ["rouge1_char", "rouge2_char", "rougeL_char", "rougeLsum_char"],
            Self::Words | Self::Stems => ["rouge1", "rouge2", "rougeL", "rougeLsum"],
        }
    }

    /// The figures of `text`.
    pub fn scores(self, text: &str, references: &[&str]) -> RougeScores {
        let own = Tokens::of(self, text);
        let mut best: Option<RougeScores> = None;
        for scores in references.iter().map(|reference| own.against(&Tokens::of(self, reference))) {
            let known = best.get_or_insert(scores);
            let better = |known: Overlap, new: Overlap| if new.f1 > known.f1 { new } else { known };
            *known = RougeScores {
                rouge1: better(known.rouge1, scores.rouge1),
                rouge2: better(known.rouge2, scores.rouge2),
                rouge_l: better(known.rouge_l, scores.rouge_l),
                rouge_lsum: better(known.rouge_lsum, scores.rouge_lsum),
            };
        }
        best.unwrap_or_default()
    }

    fn apart(self, text: &str) -> Vec<String> {
        let lower = text.to_lowercase();
        if self == Self::Characters {
            return lower.chars().filter(|character| character.is_alphanumeric()).map(String::from).collect();
        }
        let words = lower.split(|character: char| !character.is_ascii_alphanumeric());
        let words = words.filter(|word| !word.is_empty());
        match self {
            Self::Stems => words.map(|word| if word.len() > 3 { stem(word) } else { word.into() }).collect(),
            _ => words.map(String::from).collect(),
        }
    }

    /// How the figures came about.
    pub fn signature(self) -> &'static str {
        match self {
            Self::Words => concat!("tok:words|stem:no|rouge-score:0.1.2|nuwa:", env!("CARGO_PKG_VERSION")),
            Self::Stems => {
                concat!("tok:words|stem:porter|rouge-score:0.1.2|nuwa:", env!("CARGO_PKG_VERSION"))
            }
            Self::Characters => concat!("tok:char|stem:no|nuwa:", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// A text's tokens: all, and by lines.
struct Tokens {
    all: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Tokens {
    fn of(tokens: RougeTokens, text: &str) -> Self {
        let lines = text.split('\n').filter(|line| !line.is_empty());
        Self { all: tokens.apart(text), lines: lines.map(|line| tokens.apart(line)).collect() }
    }

    fn against(&self, reference: &Self) -> RougeScores {
        RougeScores {
            rouge1: shared_runs(&self.all, &reference.all, 1),
            rouge2: shared_runs(&self.all, &reference.all, 2),
            rouge_l: longest_common(&self.all, &reference.all),
            rouge_lsum: by_lines(&self.lines, &reference.lines),
        }
    }
}

fn shared_runs(text: &[String], reference: &[String], order: usize) -> Overlap {
    let shared = common(&ngrams(text, order), &ngrams(reference, order));
    Overlap::of(shared, runs(text.len(), order), runs(reference.len(), order))
}

fn longest_common(text: &[String], reference: &[String]) -> Overlap {
    let mut lengths = vec![0_u64; text.len() + 1];
    for token in reference {
        let mut diagonal = 0;
        for (place, own) in text.iter().enumerate() {
            let above = lengths[place + 1];
            lengths[place + 1] = if own == token { diagonal + 1 } else { above.max(lengths[place]) };
            diagonal = above;
        }
    }
    let shared = lengths.last().copied().unwrap_or_default();
    Overlap::of(shared, text.len() as u64, reference.len() as u64)
}

/// The union of what each line of the text has in common with a line of the reference; no token counts more often than both sides have it.
fn by_lines(text: &[Vec<String>], reference: &[Vec<String>]) -> Overlap {
    let [mut left, mut left_of_reference] = [text, reference].map(counts);
    let mut shared = 0;
    for line in reference {
        let mut is_common = vec![false; line.len()];
        text.iter().for_each(|own| mark_common(line, own, &mut is_common));
        for (token, _) in line.iter().zip(is_common).filter(|(_, is_common)| *is_common) {
            let both = [&mut left, &mut left_of_reference].map(|left| left.get_mut(token.as_str()));
            let [Some(own), Some(other)] = both else { continue };
            if *own > 0 && *other > 0 {
                shared += 1;
                *own -= 1;
                *other -= 1;
            }
        }
    }
    let all = |lines: &[Vec<String>]| lines.iter().map(Vec::len).sum::<usize>() as u64;
    Overlap::of(shared, all(text), all(reference))
}

fn counts(lines: &[Vec<String>]) -> HashMap<&str, u64> {
    let mut counts = HashMap::new();
    for token in lines.iter().flatten() {
        *counts.entry(token.as_str()).or_insert(0) += 1;
    }
    counts
}

/// Where the longest common subsequence of the two continues, looking back.
#[derive(Clone, Copy)]
enum Back {
    Both,
    Text,
    Reference,
}

/// Marks the tokens of `reference` that belong to one longest common subsequence with `text`; of several, the one that rouge-score takes:
/// from the end, the text is gone back in only where that leaves strictly more.
fn mark_common(reference: &[String], text: &[String], is_common: &mut [bool]) {
    let columns = text.len() + 1;
    let mut back = vec![Back::Reference; reference.len() * text.len()];
    let mut above = vec![0_u32; columns];
    for (row, token) in reference.iter().enumerate() {
        let mut own = vec![0_u32; columns];
        for (place, other) in text.iter().enumerate() {
            let (longest, step) = if token == other {
                (above[place] + 1, Back::Both)
            } else if own[place] > above[place + 1] {
                (own[place], Back::Text)
            } else {
                (above[place + 1], Back::Reference)
            };
            own[place + 1] = longest;
            back[row * text.len() + place] = step;
        }
        above = own;
    }
    let (mut row, mut place) = (reference.len(), text.len());
    while row > 0 && place > 0 {
        match back[(row - 1) * text.len() + place - 1] {
            Back::Both => {
                is_common[row - 1] = true;
                (row, place) = (row - 1, place - 1);
            }
            Back::Text => place -= 1,
            Back::Reference => row -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The quick brown foxes jumped over the lazy dogs.\nThey were happily running.";
    const REFERENCE: &str = "The quick brown fox jumps over a lazy dog.\nIt ran happily, running home.";

    #[test]
    fn stems_find_what_words_do_not() {
        let words = RougeTokens::Words.scores(TEXT, &[REFERENCE]);
        let expected = Overlap { precision: 7.0 / 13.0, recall: 0.5, f1: 14.0 / 27.0 };
        assert!((words.rouge1.f1 - expected.f1).abs() < 1e-12 && words.rouge1.recall == expected.recall);
        assert!((words.rouge2.f1 - 0.24).abs() < 1e-12, "{words:?}");
        let stems = RougeTokens::Stems.scores(TEXT, &[REFERENCE]);
        for overlap in [stems.rouge1, stems.rouge_l, stems.rouge_lsum] {
            assert!((overlap.f1 - 0.740_740_740_7).abs() < 1e-9, "{stems:?}");
        }
        assert!((stems.rouge2.f1 - 0.56).abs() < 1e-12);
    }

    #[test]
    fn chinese_has_no_words_but_characters() {
        let chinese = ["“猫”在垫子上。", "猫坐在垫子上"];
        assert_eq!(RougeTokens::Words.scores(chinese[0], &[chinese[1]]), RougeScores::default());
        let characters = RougeTokens::Characters.scores(chinese[0], &[chinese[1]]);
        assert_eq!((characters.rouge1.precision, characters.rouge1.recall), (1.0, 5.0 / 6.0));
        assert_eq!(characters.rouge_l, characters.rouge1);
        assert_eq!(RougeTokens::Characters.names()[0], "rouge1_char");
    }

    #[test]
    fn the_best_reference_counts_and_none_gives_nothing() {
        let scores = RougeTokens::Words.scores("a cat sat", &["a dog ran", "a cat sat"]);
        assert_eq!(scores.rouge_lsum.f1, 1.0);
        assert_eq!(RougeTokens::Words.scores("", &["a"]), RougeScores::default());
        assert_eq!(RougeTokens::Words.scores("a", &[]), RougeScores::default());
    }
}
