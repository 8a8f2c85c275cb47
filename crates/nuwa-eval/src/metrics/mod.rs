//! Figures of texts, classes and numbers against the true ones: functions of strings and numbers, without a model.
//!
//! - [`BleuSettings`], [`ChrfSettings`]: of a whole corpus, equal to sacreBLEU's, with its signatures.
//! - [`RougeTokens`]: equal to rouge-score's, and over characters.
//! - [`answer_scores`]: exact match and F1 as SQuAD's; [`Diversity`]: without a reference.
//! - [`Confusion`], [`area_under_curve`], [`log_loss`], [`brier`], [`calibration`]: of classes, equal to scikit-learn's.
//! - [`RegressionScores`]: of numbers.
//!
//! ```
//! use nuwa_eval::metrics::{BleuCounts, BleuSettings};
//! let bleu = BleuSettings::default();
//! let counts = [
//!     bleu.counts("The cat sat on the mat.", &["The cat is sitting on the mat."]),
//!     bleu.counts("It rains.", &["It rains."]),
//! ];
//! let score = bleu.score(&BleuCounts::sum(&counts));
//! println!("BLEU {:.1}, {}", score.score, bleu.signature(Some(1), None));
//! assert!(score.score > 40.0);
//! ```

mod bleu;
mod bleu_tokens;
mod chrf;
mod confusion;
mod diversity;
mod ngrams;
mod porter;
mod probabilities;
mod python_text;
mod ranks;
mod regression;
mod rouge;
mod signature;
mod squad;
#[cfg(test)]
mod tests;
mod together;

pub use bleu::{BLEU_ORDER, BleuCounts, BleuScore, BleuSettings, Smoothing};
pub use bleu_tokens::BleuTokens;
pub use chrf::{ChrfCounts, ChrfOrder, ChrfSettings};
pub use confusion::{ClassScores, Confusion};
pub use diversity::Diversity;
pub use porter::stem;
pub use probabilities::{
    Bin, Calibration, area_under_curve, brier, brier_over_classes, calibration, log_loss,
    mean_area_under_curve,
};
pub use regression::{RegressionScores, kendall, pearson};
pub use rouge::{Overlap, RougeScores, RougeTokens};
pub use squad::{AnswerScores, answer_scores, normal_answer};
pub use together::Together;
