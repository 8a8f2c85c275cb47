//! What a classifier is worth on examples that it has not seen.

use serde::{Deserialize, Serialize};

use super::sigmoid;

/// A held-out example: the weighted sum or the probability, and the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub score: f32,
    pub positive: bool,
}

/// How well a threshold tells positive from negative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Probability from which on a text is taken for positive.
    pub threshold: f32,
    /// Of the texts taken for positive, the share that is.
    pub precision: f64,
    /// Of the positive texts, the share that is taken for positive.
    pub recall: f64,
    /// Of the negative texts, the share that is taken for positive.
    pub false_alarms: f64,
}

/// The measurement by cross validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Parts the examples were cut into.
    pub folds: usize,
    /// Positive examples.
    pub positives: usize,
    /// Negative examples.
    pub negatives: usize,
    /// With probability one half as the threshold.
    pub at_half: Rates,
    /// With the highest threshold of about the greatest F0.5.
    pub suggested: Rates,
    /// How well form alone tells the classes apart, 0.5 to 1: the mean of the shares of both classes that a model which sees
    /// lengths, layout and marks and no word gets right. Above 0.9 the other figures may say little of texts in other forms.
    pub form_alone: f64,
}

/// Thresholds whose F0.5 differ by less are alike.
const ALIKE: f64 = 0.005;

pub(super) fn cross_validation(held_out: &[Scored], form: &[Scored], folds: usize) -> CrossValidation {
    let of_form = rates(form, 0.0);
    let positives = held_out.iter().filter(|scored| scored.positive).count();
    CrossValidation {
        folds,
        positives,
        negatives: held_out.len() - positives,
        at_half: rates(held_out, 0.5),
        suggested: rates(held_out, best_threshold(held_out)),
        form_alone: f64::midpoint(of_form.recall, 1.0 - of_form.false_alarms),
    }
}

fn rates(held_out: &[Scored], threshold: f32) -> Rates {
    let count = |positive: bool, taken: bool| {
        held_out.iter().filter(|one| one.positive == positive && (one.score >= threshold) == taken).count()
            as f64
    };
    let (found, missed) = (count(true, true), count(true, false));
    let (alarms, quiet) = (count(false, true), count(false, false));
    let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
    Rates {
        threshold,
        precision: share(found, found + alarms),
        recall: share(found, found + missed),
        false_alarms: share(alarms, alarms + quiet),
    }
}

/// The highest threshold with about the greatest F0.5, in the middle between the scores on both sides of it.
///
/// F0.5 weighs precision twice as much as recall: what is taken for positive is removed, and a false alarm costs a good text.
/// Of thresholds that differ by less than [`ALIKE`] the highest asks for most evidence, which texts unlike all examples lack.
fn best_threshold(held_out: &[Scored]) -> f32 {
    let mut sorted = held_out.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let positives = sorted.iter().filter(|scored| scored.positive).count() as f64;
    let mut found = 0.0;
    let mut thresholds = Vec::new();
    for (at, scored) in sorted.iter().enumerate() {
        found += f64::from(u8::from(scored.positive));
        let below = sorted.get(at + 1).map_or(0.0, |next| next.score);
        let f_half = 1.25 * found / (0.25 * positives + at as f64 + 1.0);
        if scored.score > below {
            thresholds.push((f_half, f32::midpoint(scored.score, below)));
        }
    }
    let best = thresholds.iter().map(|(f_half, _)| *f_half).fold(0.0, f64::max);
    let alike = thresholds.iter().find(|(f_half, _)| *f_half > 0.0 && *f_half >= best - ALIKE);
    alike.map_or(0.5, |(_, threshold)| *threshold)
}

/// Slope and offset that make probabilities of sums: Platt scaling (Platt 1999) by Newton's method.
///
/// Platt's targets, (n + 1) / (n + 2) and 1 / (n + 2), keep the probabilities from 0 and 1 where the classes part.
pub(super) fn calibration(held_out: &[Scored]) -> (f32, f32) {
    let positives = held_out.iter().filter(|scored| scored.positive).count() as f64;
    let negatives = held_out.len() as f64 - positives;
    let target = |positive: bool| match positive {
        true => (positives + 1.0) / (positives + 2.0),
        false => 1.0 / (negatives + 2.0),
    };
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..50 {
        let (mut gradient, mut curve) = ([0.0; 2], [1e-3, 0.0, 1e-3]);
        for scored in held_out {
            let sum = f64::from(scored.score);
            let probability = f64::from(sigmoid((slope * sum + offset) as f32));
            let (error, spread) = (probability - target(scored.positive), probability * (1.0 - probability));
            gradient = [gradient[0] + error * sum, gradient[1] + error];
            curve = [curve[0] + spread * sum * sum, curve[1] + spread * sum, curve[2] + spread];
        }
        let determinant = curve[0] * curve[2] - curve[1] * curve[1];
        let steps = [
            (curve[2] * gradient[0] - curve[1] * gradient[1]) / determinant,
            (curve[0] * gradient[1] - curve[1] * gradient[0]) / determinant,
        ];
        // Far from the optimum a whole step of Newton's may overshoot.
        let scale = (1.0 / steps[0].abs().max(steps[1].abs())).min(1.0);
        slope -= scale * steps[0];
        offset -= scale * steps[1];
    }
    // Scores that say nothing must not be turned round.
    (slope.max(1e-3) as f32, offset as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f32, positive: bool) -> Scored {
        Scored { score, positive }
    }

    #[test]
    fn rates_by_hand() {
        let held_out =
            [scored(0.9, true), scored(0.8, true), scored(0.7, false), scored(0.4, true), scored(0.1, false)];
        let form = [scored(1.0, true), scored(-1.0, true), scored(-1.0, false)];
        let measured = cross_validation(&held_out, &form, 5);
        assert_eq!(measured.form_alone, 0.75);
        assert_eq!((measured.at_half.precision, measured.at_half.recall), (2.0 / 3.0, 2.0 / 3.0));
        assert_eq!(measured.at_half.false_alarms, 0.5);
        assert_eq!(measured.suggested.threshold, 0.75);
        assert_eq!((measured.suggested.precision, measured.suggested.recall), (1.0, 2.0 / 3.0));
    }

    #[test]
    fn calibration_finds_the_law_that_made_the_labels() {
        let law = |score: f32| sigmoid(2.0 * score - 1.0);
        let mut held_out = Vec::new();
        for step in -30..=30 {
            let score = step as f32 / 10.0;
            let positives = (law(score) * 200.0).round() as usize;
            held_out.extend((0..200).map(|number| scored(score, number < positives)));
        }
        let (slope, offset) = calibration(&held_out);
        assert!((slope - 2.0).abs() < 0.05 && (offset + 1.0).abs() < 0.05, "{slope} {offset}");
    }

    #[test]
    fn classes_that_part_do_not_blow_up() {
        let held_out: Vec<Scored> =
            (0..40).map(|at| scored(if at < 20 { 5.0 } else { -5.0 }, at < 20)).collect();
        let (slope, offset) = calibration(&held_out);
        assert!(slope.is_finite() && offset.abs() < 0.1);
        assert!(sigmoid(slope * 5.0 + offset) > 0.9);
    }
}
