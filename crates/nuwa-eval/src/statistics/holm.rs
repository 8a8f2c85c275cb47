/// Probabilities of several tests, raised so that whoever calls what is below `a` a difference is wrong about any of them with a
/// probability of at most `a` (Holm, "A simple sequentially rejective multiple test procedure", 1979).
///
/// The smallest of `m` is multiplied by `m`, the next by `m - 1` and so on; none is below one that was smaller, none above 1. They
/// stand in the order they came in.
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|one, other| probabilities[*one].total_cmp(&probabilities[*other]));
    let mut raised = vec![0.0; probabilities.len()];
    let mut largest = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        let left = (probabilities.len() - place) as f64;
        largest = largest.max(probabilities[index] * left).min(1.0);
        raised[index] = largest;
    }
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_raised_by_those_that_are_left() {
        let raised = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(raised.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{raised:?}");
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
