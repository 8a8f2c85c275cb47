//! How sure a figure is, and whether two of them differ: functions of numbers, without a model.
//!
//! - [`wilson`]: the interval of a share; [`bootstrap`]: that of any figure over items.
//! - [`mcnemar`], [`paired_bootstrap`]: two models on the same items.
//! - [`holm`]: several tests at one time.
//! - [`krippendorff_alpha`], [`cohen_kappa`]: how far judges agree; [`bradley_terry`]: strengths from comparisons of two.

mod agreement;
mod bootstrap;
mod bradley_terry;
mod holm;
mod mcnemar;
mod wilson;

pub use agreement::{Scale, cohen_kappa, krippendorff_alpha, percent_agreement};
pub use bootstrap::{
    Bootstrap, PairedDifference, bootstrap, bootstrap_error, paired_bootstrap, paired_bootstrap_means,
};
pub use bradley_terry::{BradleyTerry, Comparison, bradley_terry};
pub use holm::holm;
pub use mcnemar::{detectable_difference, mcnemar, share_difference};
pub use wilson::wilson;

/// The quantile of the normal distribution beyond which 2.5 % lie, to both sides: that of a 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;
