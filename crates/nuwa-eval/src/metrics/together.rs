//! Figures that are no means over answers: what each answer gives is counted, and the figure is that of all counts together.

use super::{BleuCounts, BleuSettings, ChrfCounts, ChrfSettings};
use crate::Metric;
use crate::statistics::{Bootstrap, bootstrap_error};

/// Samples for their standard errors, as many as lm-evaluation-harness draws for them.
const SAMPLES: usize = 100;

/// What an answer gives to a figure of all answers together.
#[derive(Debug, Clone, PartialEq)]
pub enum Together {
    /// Counts for BLEU.
    Bleu(BleuSettings, BleuCounts),
    /// Counts for chrF.
    Chrf(ChrfSettings, ChrfCounts),
}

impl Together {
    /// Nothing yet, for BLEU.
    pub fn bleu(settings: BleuSettings) -> Self {
        Self::Bleu(settings, BleuCounts::default())
    }

    /// Nothing yet, for chrF.
    pub fn chrf(settings: ChrfSettings) -> Self {
        Self::Chrf(settings, ChrfCounts::default())
    }

    /// What an answer gives to the same figure.
    pub fn of(&self, given: &str, right: &[&str]) -> Self {
        match self {
            Self::Bleu(settings, _) => Self::Bleu(*settings, settings.counts(given, right)),
            Self::Chrf(settings, _) => Self::Chrf(*settings, settings.counts(given, right)),
        }
    }

    /// The figure of all answers; its standard error is that of samples of the answers.
    pub fn figure(all: &[Self]) -> Metric {
        let whole: Vec<usize> = (0..all.len()).collect();
        let samples = Bootstrap { samples: SAMPLES, ..Bootstrap::default() };
        let stderr = bootstrap_error(all.len(), samples, |sample| Self::score(all, sample));
        Metric { value: Self::score(all, &whole), stderr }
    }

    fn score(all: &[Self], chosen: &[usize]) -> f64 {
        let (mut bleu, mut chrf) = (Vec::new(), Vec::new());
        for index in chosen {
            match &all[*index] {
                Self::Bleu(_, counts) => bleu.push(counts),
                Self::Chrf(_, counts) => chrf.push(counts),
            }
        }
        match all.first() {
            Some(Self::Bleu(settings, _)) => settings.score(&BleuCounts::sum(bleu)).score,
            Some(Self::Chrf(settings, _)) => settings.score(&ChrfCounts::sum(chrf)),
            None => 0.0,
        }
    }
}
