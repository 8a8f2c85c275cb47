//! A warning about text that is read many times.

use crate::numbers::rounded;

/// Readings beyond which more of them teach next to nothing: Muennighoff et al., "Scaling Data-Constrained Language Models" (2023),
/// find up to 4 nearly as good as new text, and most of the worth of more gone after about 16.
const MANY: f64 = 16.0;

/// How often the text is read, where that is too often.
pub fn too_often(epochs: f64) -> Option<String> {
    let many = epochs.is_finite() && epochs > MANY;
    many.then(|| if epochs < 100.0 { format!("{epochs:.0}") } else { rounded(epochs) })
}

/// What to know about text that is read `epochs` times; none where that is not many.
pub fn warning(epochs: f64) -> Option<String> {
    let times = too_often(epochs)?;
    Some(format!(
        "the text is read {times} times: up to about 4 times is nearly as good as new text, beyond {MANY:.0} a model learns it by \
         heart rather than the language; more text helps most, else a smaller budget"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_is_read_many_times_is_warned_of() {
        assert_eq!(warning(4.0), None);
        assert_eq!(warning(f64::NAN), None);
        assert!(warning(20.9).unwrap().starts_with("the text is read 21 times: "));
        assert!(warning(69_073.0).unwrap().starts_with("the text is read 69k times: "));
    }
}
