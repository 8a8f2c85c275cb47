//! What an answer that a model wrote is worth.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Task;
use super::ask::Asked;
use super::tally::Outcome;
use crate::metrics::{BleuSettings, ChrfSettings, RougeTokens, Together, answer_scores};
use crate::result::{Metric, Shown};

/// What is measured of what a model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextMetric {
    /// BLEU of all answers together.
    Bleu,
    /// chrF of all answers together.
    Chrf,
    /// chrF++ of all answers together.
    #[serde(rename = "chrf++")]
    ChrfPlusPlus,
    /// The mean of ROUGE-1, -2, -L and -Lsum over words.
    Rouge,
    /// The same over stems of words.
    RougeStem,
    /// The same over characters.
    RougeChar,
    /// The means of exact match and F1 after SQuAD's normalisation.
    Squad,
}

/// What a written answer is worth.
pub fn compared(task: &Task, asked: &Asked, given: &str, is_cut: bool) -> Outcome {
    let given = given.trim().to_string();
    let right: Vec<&str> = asked.answers.iter().map(|answer| answer.trim()).collect();
    let is_right = right.contains(&given.as_str());
    let share = |holds: bool| f64::from(u8::from(holds));
    let mut metrics = vec![("exact_match", share(is_right))];
    if let Some(part) = &asked.contains {
        metrics.push(("contains", share(given.contains(part.as_str()))));
    }
    let mut shared = Vec::new();
    for metric in &task.metrics {
        match metric.shared(task) {
            Some((name, settings)) => shared.push((name, settings.of(&given, &right))),
            None => metrics.extend(metric.means(&given, &right)),
        }
    }
    let prompt = asked.question().to_string();
    let shown = Shown { prompt, expected: asked.text.clone(), given, is_right, log_likelihoods: Vec::new() };
    Outcome { metrics, shared, group: asked.group.clone(), shown, is_cut, ..Outcome::default() }
}

impl TextMetric {
    /// The figure's name and an empty count, where it is one of all answers together.
    fn shared(self, task: &Task) -> Option<(&'static str, Together)> {
        match self {
            Self::Bleu => {
                let settings = BleuSettings { tokens: task.bleu_tokens, ..BleuSettings::default() };
                Some(("bleu", Together::bleu(settings)))
            }
            Self::Chrf => Some(("chrf", Together::chrf(ChrfSettings::CHRF))),
            Self::ChrfPlusPlus => Some(("chrf++", Together::chrf(ChrfSettings::CHRF_PLUS_PLUS))),
            _ => None,
        }
    }

    /// The figures of one answer, of which the means over answers are taken.
    fn means(self, given: &str, right: &[&str]) -> Vec<(&'static str, f64)> {
        let tokens = match self {
            Self::Rouge => RougeTokens::Words,
            Self::RougeStem => RougeTokens::Stems,
            Self::RougeChar => RougeTokens::Characters,
            Self::Squad => {
                let scores = answer_scores(given, right);
                return vec![
                    ("squad_exact_match", scores.exact),
                    ("squad_f1", scores.f1),
                    ("squad_f1_char", scores.f1_char),
                ];
            }
            Self::Bleu | Self::Chrf | Self::ChrfPlusPlus => return Vec::new(),
        };
        let scores = tokens.scores(given, right);
        let all = [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum];
        tokens.names().into_iter().zip(all.map(|overlap| overlap.f1)).collect()
    }
}

/// The figures of all answers together.
pub fn together(shared: &BTreeMap<&'static str, Vec<Together>>) -> BTreeMap<String, Metric> {
    shared.iter().map(|(name, all)| (name.to_string(), Together::figure(all))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"
        name = "own"
        version = 1
        kind = "generate"
        prompt = "{{ question }}"
        answer = "{{ answers[0] }}"
        answers = "answers"
        metrics = ["bleu", "chrf", "chrf++", "rouge", "rouge_char", "squad"]
        bleu_tokens = "zh"
    "#;

    #[test]
    fn all_that_is_named_is_measured() {
        let task: Task = toml::from_str(TASK).unwrap();
        let asked = Asked {
            text: "a cat".into(),
            answers: vec!["a cat".into(), "the cat sat on the mat".into()],
            ..Asked::default()
        };
        let outcome = compared(&task, &asked, " The cat sat on the mat ", false);
        let of: BTreeMap<&str, f64> = outcome.metrics.iter().copied().collect();
        assert_eq!((of["exact_match"], of["squad_exact_match"], of["squad_f1"]), (0.0, 1.0, 1.0));
        assert_eq!((of["rouge1"], of["rougeL_char"]), (1.0, 1.0));
        let shared: BTreeMap<&'static str, Vec<Together>> =
            outcome.shared.into_iter().map(|(name, shared)| (name, vec![shared.clone(), shared])).collect();
        let figures = together(&shared);
        assert_eq!(figures.keys().collect::<Vec<_>>(), ["bleu", "chrf", "chrf++"]);
        let bleu = figures["bleu"];
        // Of 6, 5, 4, 3 runs all but those with the capital are found.
        let expected = 100.0 * (5.0_f64 / 6.0 * 4.0 / 5.0 * 3.0 / 4.0 * 2.0 / 3.0).powf(0.25);
        assert!((bleu.value - expected).abs() < 1e-9 && bleu.stderr.is_some_and(|error| error < 1e-9));
    }
}
