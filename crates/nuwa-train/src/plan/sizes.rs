//! Rules of thumb that turn a budget and a corpus into sizes, each with where it comes from.

use nuwa_nn::USUAL_WEIGHT_DECAY;

/// Tokens a weight when text is plentiful. Hoffmann et al., "Training Compute-Optimal Large Language Models" (2022), have 20 for large
/// models; of models below a million weights, much of whose weights is vocabulary, larger ones did better with the same work.
const TOKENS_PER_PARAMETER: f64 = 12.0;

/// Repetitions that are as good as new text: Muennighoff et al., "Scaling Data-Constrained Language Models" (2023).
const FREE_EPOCHS: f64 = 4.0;

/// Where scarce text is used up: repetitions, and weights a token of text. Found by trial on texts of 20 KB to 1 MB.
const SCARCE_EPOCHS: f64 = 10.0;
const SCARCE_PARAMETERS: f64 = 8.0;

/// Weights and tokens for so many floating-point operations, when there are `text` tokens of text.
///
/// Training costs about 6 operations a weight and token. With plenty of text, 12 tokens a weight. Once that would repeat
/// the text more than 4 times, further operations go into size rather than repetition, up to 10 repetitions with 8
/// weights for each token of text. More weights than that learn scarce text by heart: further operations go into repetition,
/// which ends when the held-out text says so.
pub fn split(operations: f64, text: u64) -> [u64; 2] {
    let (work, text) = (operations / 6.0, text.max(1) as f64);
    let plenty = [(work / TOKENS_PER_PARAMETER).sqrt(), (work * TOKENS_PER_PARAMETER).sqrt()];
    let free = [FREE_EPOCHS * text / TOKENS_PER_PARAMETER, FREE_EPOCHS * text];
    let scarce = [SCARCE_PARAMETERS * text, SCARCE_EPOCHS * text];
    let [free_work, scarce_work] = [free[0] * free[1], scarce[0] * scarce[1]];
    let [parameters, tokens] = if work <= free_work {
        plenty
    } else if work <= scarce_work {
        let way = (work / free_work).ln() / (scarce_work / free_work).ln();
        let tokens = free[1] * (scarce[1] / free[1]).powf(way);
        [work / tokens, tokens]
    } else {
        [scarce[0], work / scarce[0]]
    };
    [parameters as u64, tokens as u64]
}

/// Repetitions of the text after which there is nothing to be had from it any more: where validations tell when to stop, and where
/// there is nothing to validate on.
const MOST_EPOCHS: [f64; 2] = [200.0, 10.0];

/// The most tokens, repetitions included, that are worth training on.
pub fn most_tokens(text: u64, validates: bool) -> u64 {
    let epochs = MOST_EPOCHS[usize::from(!validates)];
    (text as f64 * epochs) as u64
}

/// The size of the vocabulary for so many bytes of text and weights of the model: at most 2,048 for 1 MB, 8,192 for 20 MB, 32,768
/// from 1 GB on, and at most 1,024 for two hundred thousand weights, 2,048 for a million and 8,192 for ten million.
///
/// The best vocabulary grows with the model, but more slowly than its other weights (Tao et al., "Scaling Laws with Vocabulary", 2024): a
/// small model with a large one is nothing but vocabulary.
pub fn vocabulary(bytes: u64, parameters: u64) -> usize {
    let of_text = 4.0 * (bytes.max(1) as f64).powf(0.45);
    let of_model = 2.4 * (parameters.max(1) as f64).sqrt();
    let power = 2_f64.powf(of_text.min(of_model).log2().round());
    (power as usize).clamp(320, 32_768)
}

/// About how many weights a model has that is trained for so long on so many bytes, before anything is measured.
pub fn likely_parameters(seconds: f64, bytes: u64) -> u64 {
    let tokens = (bytes as f64 / LIKELY_BYTES_PER_TOKEN) as u64;
    split(LIKELY_SPEED * seconds, tokens)[0]
}

/// Floating-point operations a second of a usual processor with few cores, and bytes a token of a small vocabulary.
pub(super) const LIKELY_SPEED: f64 = 3e10;
const LIKELY_BYTES_PER_TOKEN: f64 = 2.5;

/// Tokens a step: grows with the root of the number of tokens, as the useful batch grows while the loss falls (McCandlish
/// et al., "An Empirical Model of Large-Batch Training", 2018).
pub fn batch_tokens(tokens: u64) -> u64 {
    let wanted = 0.3 * (tokens as f64).sqrt();
    (2_f64.powf(wanted.log2().round()) as u64).clamp(256, 1 << 19)
}

/// Texts of a step of an encoder, at least: each has one class (whether its second sentence follows the first), and the classes of too few pull
/// all weights to and fro.
const TEXTS_OF_FEW: u64 = 4;

/// Tokens a step where only `share` of them is predicted: as many predicted ones as a decoder would learn from in a run of as many predicted
/// tokens, `0.3 sqrt(tokens / share)`.
pub fn batch_of_few(tokens: u64, context: usize, share: f64) -> u64 {
    let as_if = (tokens as f64 / share) as u64;
    batch_tokens(as_if).max(TEXTS_OF_FEW * context as u64)
}

/// The share of a decoder's rate with which an encoder with norms after its layers learns. Of about a quarter, half and all of it on 700 thousand tokens of English and
/// Chinese (1.4M weights), half was best, and with all of it nothing but the frequencies of words was learnt.
pub const GENTLER_OF_FEW: f32 = 0.5;

/// The highest learning rate: 2e-3 for 2 million weights, falling with the fourth root of the size.
pub fn learning_rate(parameters: u64) -> f32 {
    let rate = 2e-3 * (2e6 / parameters.max(1) as f64).powf(0.25);
    rate.clamp(1e-4, 6e-3) as f32
}

/// The share of a new model's rate with which training of a given one goes on. The rate rises and falls anew (Ibrahim et al., "Simple
/// and Scalable Strategies to Continually Pre-train Large Language Models", 2024): a high one learns the new text fastest and forgets
/// the old one most.
pub const GENTLER: f32 = 0.3;

/// Repetitions of the text from which on activations are dropped and weights decay faster: with fewer, a small model has not learnt what dropping would keep
/// from being learnt by heart. Found by trial on texts of 20 and 100 KB.
const DROPPED_FROM: f64 = 16.0;

/// The share of activations dropped: none up to 16 repetitions of the text, 0.05 more for each doubling.
pub fn dropout(epochs: f64) -> f32 {
    (0.05 * (epochs / DROPPED_FROM).log2()).clamp(0.0, 0.2) as f32
}

/// The weight decay: the usual one up to as many repetitions, then in proportion to them, up to ten times as much.
///
/// Text that is repeated often wants far more of it than text that is read once (Kim et al., "Pre-training under infinite compute",
/// 2025); by trial, 100 KB of a novel went from 2.45 to 2.36 bits a byte with 0.1 and 1.5, and 300 KB, repeated 8 times, lost by it.
pub fn weight_decay(epochs: f64) -> f32 {
    USUAL_WEIGHT_DECAY * (epochs / DROPPED_FROM).clamp(1.0, 10.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plenty_of_text_gives_twelve_tokens_a_weight() {
        let [parameters, tokens] = split(6e15, 10_000_000_000);
        assert!((tokens as f64 / parameters as f64 - 12.0).abs() < 0.01);
    }

    #[test]
    fn sizes_grow_without_jumps_and_use_the_whole_budget() {
        let mut last = [0, 0];
        for step in 0..400 {
            let operations = 1e9 * 1.1_f64.powi(step);
            let now = split(operations, 300_000);
            assert!(now[0] >= last[0] && now[1] >= last[1], "{operations:e}: {last:?} then {now:?}");
            let used = 6.0 * now[0] as f64 * now[1] as f64;
            assert!(now[0] < 100 || (used / operations - 1.0).abs() < 0.05, "{operations:e}: {used:e}");
            last = now;
        }
    }

    #[test]
    fn rules_give_the_values_their_docs_name() {
        let plenty = u64::MAX;
        assert_eq!(vocabulary(1_000_000, plenty), 2048);
        assert_eq!(vocabulary(20_000_000, plenty), 8192);
        assert_eq!(vocabulary(1_500_000_000, plenty), 32_768);
        assert_eq!(vocabulary(1_500_000_000, 200_000), 1024);
        assert_eq!(vocabulary(1_500_000_000, 1_000_000), 2048);
        assert_eq!(vocabulary(1_500_000_000, 10_000_000), 8192);
        assert_eq!(batch_tokens(3_000_000), 512);
        assert_eq!(batch_of_few(700_000, 256, 0.15), 1024);
        assert_eq!(batch_of_few(3_000_000, 64, 0.15), 1024);
        assert!((learning_rate(2_000_000) - 2e-3).abs() < 1e-6);
        assert_eq!(dropout(10.0), 0.0);
        assert!((dropout(64.0) - 0.1).abs() < 1e-6);
        assert_eq!([10.0, 32.0, 1e4].map(weight_decay), [0.1, 0.2, 1.0]);
    }
}
