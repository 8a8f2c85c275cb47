use crate::data::Truth;

/// The loss of a text and its slope in each of its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelLoss {
    /// The loss.
    pub loss: f64,
    /// The slopes.
    pub slopes: Vec<f64>,
}

/// The loss of a text with these numbers.
pub fn label_loss(truth: &Truth, scores: &[f32]) -> LabelLoss {
    let exact: Vec<f64> = scores.iter().map(|score| f64::from(*score)).collect();
    match truth {
        Truth::One(label) => {
            let largest = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = exact.iter().map(|score| (score - largest).exp()).sum();
            let slope = |(at, score): (usize, &f64)| {
                (score - largest).exp() / sum - f64::from(u8::from(at == *label))
            };
            let slopes = exact.iter().enumerate().map(slope).collect();
            LabelLoss { loss: largest + sum.ln() - exact[*label], slopes }
        }
        Truth::Several(has) => {
            let count = exact.len() as f64;
            let of = |(score, has): (&f64, &bool)| {
                let right = f64::from(u8::from(*has));
                let softplus = score.max(0.0) + (-score.abs()).exp().ln_1p();
                (softplus - right * score, 1.0 / (1.0 + (-score).exp()) - right)
            };
            let (losses, slopes): (Vec<f64>, Vec<f64>) = exact.iter().zip(has).map(of).unzip();
            LabelLoss {
                loss: losses.iter().sum::<f64>() / count,
                slopes: slopes.iter().map(|slope| slope / count).collect(),
            }
        }
        Truth::Number(right) => {
            let off = exact[0] - right;
            LabelLoss { loss: off * off, slopes: vec![2.0 * off] }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_loss() {
        let step = 1e-3;
        let truths = [Truth::One(1), Truth::Several(vec![true, false, true]), Truth::Number(0.7)];
        for truth in truths {
            let scores: Vec<f32> =
                if matches!(truth, Truth::Number(_)) { vec![-0.4] } else { vec![0.3, -1.2, 2.0] };
            let at = |place: usize, by: f32| {
                let mut moved = scores.clone();
                moved[place] += by;
                label_loss(&truth, &moved).loss
            };
            for (place, slope) in label_loss(&truth, &scores).slopes.into_iter().enumerate() {
                let expected = (at(place, step) - at(place, -step)) / f64::from(2.0 * step);
                assert!((slope - expected).abs() < 1e-4, "{truth:?} {place}: {slope} {expected}");
            }
        }
    }

    /// torch.nn.functional's cross_entropy, binary_cross_entropy_with_logits and mse_loss.
    #[test]
    fn losses_are_those_of_torch() {
        let near = |truth: Truth, scores: &[f32], expected: f64| {
            let found = label_loss(&truth, scores).loss;
            assert!((found - expected).abs() < 1e-6, "{truth:?}: {found}");
        };
        near(Truth::One(2), &[0.5, -1.0, 2.0], 0.241_311_29);
        near(Truth::Several(vec![true, false, true]), &[0.5, -1.0, 2.0], 0.304_755_61);
        near(Truth::Number(1.5), &[0.25], 1.5625);
        let far = label_loss(&Truth::One(0), &[-1000.0, 1000.0]);
        assert_eq!((far.loss, far.slopes), (2000.0, vec![-1.0, 1.0]));
    }
}
