//! What scores and probabilities of classes are worth.

use serde::Serialize;

use super::ranks::middle_ranks;

/// The area under the ROC curve: how often a score of an item that is so lies above one of an item that is not, ties counting half
/// (Mann and Whitney): `(sum of the ranks of those that are - n (n + 1) / 2) / (n m)`. `None` where all are, or none is.
pub fn area_under_curve(is_so: &[bool], scores: &[f64]) -> Option<f64> {
    let ranks = middle_ranks(scores);
    let of_those: f64 = ranks.iter().zip(is_so).filter(|(_, is_so)| **is_so).map(|(rank, _)| rank).sum();
    let n = is_so.iter().filter(|is_so| **is_so).count() as f64;
    let m = is_so.len() as f64 - n;
    (n > 0.0 && m > 0.0).then(|| (of_those - n * (n + 1.0) / 2.0) / (n * m))
}

/// The mean over classes of [`area_under_curve`], each class against the rest; `scores[item][class]`. `None` where it is for one of them.
pub fn mean_area_under_curve(right: &[usize], scores: &[Vec<f64>]) -> Option<f64> {
    let classes = scores.first()?.len();
    let area = |class: usize| {
        let is_so: Vec<bool> = right.iter().map(|right| *right == class).collect();
        let of_class: Vec<f64> = scores.iter().map(|scores| scores[class]).collect();
        area_under_curve(&is_so, &of_class)
    };
    let areas = (0..classes).map(area).collect::<Option<Vec<f64>>>()?;
    Some(areas.iter().sum::<f64>() / classes as f64)
}

/// The mean of `-ln p` of the right class, in nats; probabilities nearer to 0 than a float can tell from 1 count as that.
pub fn log_loss(right: &[usize], probabilities: &[Vec<f64>]) -> f64 {
    let losses = right.iter().zip(probabilities).map(|(right, probabilities)| {
        let sum: f64 = probabilities.iter().sum();
        -(probabilities[*right] / sum).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    });
    losses.sum::<f64>() / right.len().max(1) as f64
}

/// Brier's score of two classes: the mean of `(p - y)^2`, with `y` 1 for what is so. Over more classes
/// [`brier_over_classes`] is twice this of two.
pub fn brier(is_so: &[bool], probabilities: &[f64]) -> f64 {
    let squares = is_so
        .iter()
        .zip(probabilities)
        .map(|(is_so, probability)| (probability - f64::from(u8::from(*is_so))).powi(2));
    squares.sum::<f64>() / is_so.len().max(1) as f64
}

/// Brier's score (1950) as he defined it: the mean over items of the sum over classes of `(p - y)^2`, from 0 to 2.
pub fn brier_over_classes(right: &[usize], probabilities: &[Vec<f64>]) -> f64 {
    let of_item = |right: usize, probabilities: &Vec<f64>| -> f64 {
        let is_so = |class: usize| f64::from(u8::from(class == right));
        probabilities.iter().enumerate().map(|(class, value)| (value - is_so(class)).powi(2)).sum()
    };
    let squares =
        right.iter().zip(probabilities).map(|(right, probabilities)| of_item(*right, probabilities));
    squares.sum::<f64>() / right.len().max(1) as f64
}

/// Items whose confidence lies between two bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Above this (the first bin: from it on).
    pub above: f64,
    /// Up to this.
    pub up_to: f64,
    /// How many items.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that was right.
    pub accuracy: f64,
}

/// How far confidence is from being right as often as it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", 2017): the mean over items of
    /// `|accuracy - confidence|` of their bin. It depends on the bins: a small one means little where few bins hold items.
    pub error: f64,
    /// The bins, of equal width from 0 to 1.
    pub bins: Vec<Bin>,
}

/// [`Calibration`] of confidences from 0 to 1, in so many bins.
pub fn calibration(confidences: &[f64], hits: &[bool], bins: usize) -> Calibration {
    let width = 1.0 / bins.max(1) as f64;
    let bound = |index: usize| index as f64 * width;
    let mut all: Vec<Bin> = (0..bins.max(1))
        .map(|index| Bin { above: bound(index), up_to: bound(index + 1), ..Bin::default() })
        .collect();
    for (confidence, hit) in confidences.iter().zip(hits) {
        // Above is without its bound, up to with it; 0 itself belongs to the first.
        let place = (confidence / width).ceil().max(1.0) as usize - 1;
        let last = all.len() - 1;
        let bin = &mut all[place.min(last)];
        bin.count += 1;
        bin.confidence += confidence;
        bin.accuracy += f64::from(u8::from(*hit));
    }
    let n = confidences.len().max(1) as f64;
    let mut error = 0.0;
    for bin in all.iter_mut().filter(|bin| bin.count > 0) {
        error += (bin.accuracy - bin.confidence).abs() / n;
        bin.confidence /= bin.count as f64;
        bin.accuracy /= bin.count as f64;
    }
    Calibration { error, bins: all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_ties_half() {
        let is_so = [false, false, true, true, true, false];
        let area = area_under_curve(&is_so, &[0.1, 0.4, 0.35, 0.8, 0.4, 0.4]).unwrap();
        assert!((area - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(area_under_curve(&[true, true], &[0.1, 0.2]), None);
    }

    #[test]
    fn probabilities_are_held_against_what_is() {
        let probabilities = [0.1, 0.4, 0.35, 0.8];
        let is_so = [false, false, true, true];
        assert!((brier(&is_so, &probabilities) - 0.158_125).abs() < 1e-12);
        let both: Vec<Vec<f64>> = probabilities.iter().map(|p| vec![1.0 - p, *p]).collect();
        let right = [0, 0, 1, 1];
        assert!((brier_over_classes(&right, &both) - 2.0 * 0.158_125).abs() < 1e-12);
        let expected = -(0.9_f64.ln() + 0.6_f64.ln() + 0.35_f64.ln() + 0.8_f64.ln()) / 4.0;
        assert!((log_loss(&right, &both) - expected).abs() < 1e-12);
        assert!(log_loss(&[0], &[vec![0.0, 1.0]]).is_finite());
    }

    #[test]
    fn calibration_is_shown_with_its_bins() {
        let confidences = [0.95, 0.85, 0.75, 0.65, 0.55, 0.92, 0.31, 0.05];
        let hits = [true, true, false, true, false, true, false, false];
        let found = calibration(&confidences, &hits, 10);
        assert!((found.error - 0.28625).abs() < 1e-12, "{found:?}");
        let counts: Vec<u64> = found.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 0, 0, 1, 0, 1, 1, 1, 1, 2]);
        let edges = calibration(&[0.0, 1.0, 0.5], &[false, true, true], 2);
        assert_eq!(edges.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 1]);
    }
}
