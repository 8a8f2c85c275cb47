//! What happens within a model in training: sizes of activations, gradients and weights by block, and the noise of gradients.

use std::collections::BTreeMap;

use nuwa_tensor::Parameters;

use crate::Figures;

/// Sizes (root mean squares) by block, in the order in which blocks run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerSizes {
    /// Of what each block gives.
    pub activations: Vec<f32>,
    /// Of the gradient of its parameters.
    pub gradients: Vec<f32>,
    /// Of its parameters.
    pub weights: Vec<f32>,
}

/// The names of their figures in a line of metrics, before the number of the block.
pub const LAYER_FIGURES: [&str; 3] = ["activation.", "gradient.", "weight."];

impl LayerSizes {
    /// With these activations, and what the parameters say of themselves.
    pub(crate) fn of(parameters: &Parameters, activations: Vec<f32>) -> Self {
        // Blocks by the path of their place, such as `encoder.layers.3`, and where each was first met.
        let mut places: Vec<String> = Vec::new();
        let mut sums: BTreeMap<usize, [f64; 3]> = BTreeMap::new();
        for parameter in parameters.iter().filter(|parameter| !parameter.entry().is_buffer()) {
            let Some(place) = place_of_block(parameter.entry().path()) else { continue };
            let index = places.iter().position(|known| known == place).unwrap_or_else(|| {
                places.push(place.to_string());
                places.len() - 1
            });
            let squares =
                |values: Vec<f32>| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
            let [count, gradients, weights] = sums.entry(index).or_default();
            *count += parameter.shape().elements() as f64;
            *gradients += squares(parameter.gradient());
            *weights += squares(parameter.to_host());
        }
        let sizes = |which: usize| sums.values().map(|sums| (sums[which] / sums[0]).sqrt() as f32).collect();
        Self { activations, gradients: sizes(1), weights: sizes(2) }
    }

    /// As figures of a line of metrics.
    pub fn figures(&self) -> Figures {
        let all = [&self.activations, &self.gradients, &self.weights];
        let named = LAYER_FIGURES.into_iter().zip(all).flat_map(|(name, sizes)| {
            sizes.iter().enumerate().map(move |(index, size)| (format!("{name}{index}"), f64::from(*size)))
        });
        named.collect()
    }

    /// What a line of metrics says of them; none where it says nothing.
    pub fn from_figures(figures: &Figures) -> Option<Self> {
        let sizes = |name: &str| -> Vec<f32> {
            (0..).map_while(|index| figures.get(&format!("{name}{index}"))).map(|size| *size as f32).collect()
        };
        let [activations, gradients, weights] = LAYER_FIGURES.map(sizes);
        let is_told = !activations.is_empty() || !gradients.is_empty();
        is_told.then_some(Self { activations, gradients, weights })
    }

    /// The known bad signs: blocks whose gradients vanish or explode beside those of others, activations that grow from block to block.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        if let [Some(least), Some(most)] = bounds(&self.gradients) {
            if most > 0.0 && least < 1e-3 * most {
                found.push(Warning::VanishingGradient);
            } else if self.gradients.first().is_some_and(|first| *first > 100.0 * least) {
                found.push(Warning::ExplodingGradient);
            }
        }
        if let (Some(first), Some(last)) = (self.activations.first(), self.activations.last())
            && *last > 100.0 * first.max(1e-6)
        {
            found.push(Warning::GrowingActivation);
        }
        if self.activations.iter().chain(&self.gradients).any(|size| !size.is_finite()) {
            found.push(Warning::NotFinite);
        }
        found
    }
}

/// A bad sign in the first steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The gradient of some block is less than a thousandth of another's.
    VanishingGradient,
    /// The gradient grows more than a hundredfold towards the first block.
    ExplodingGradient,
    /// What blocks give grows more than a hundredfold from the first to the last.
    GrowingActivation,
    /// A number is infinite or none at all.
    NotFinite,
}

fn bounds(sizes: &[f32]) -> [Option<f32>; 2] {
    [sizes.iter().copied().reduce(f32::min), sizes.iter().copied().reduce(f32::max)]
}

/// `encoder.layers.3` of `encoder.layers.3.attention.qkv.weight`.
fn place_of_block(path: &str) -> Option<&str> {
    let at = path.find("layers.").filter(|at| *at == 0 || path[..*at].ends_with('.'))?;
    let number = at + "layers.".len();
    let end = path[number..].find('.')?;
    Some(&path[..number + end])
}

/// Steps in whose lines the sizes by block are told: the first ones, ever more seldom.
pub(crate) fn looks_inside_at(step: u64) -> bool {
    step < 100 && (step == 0 || step.is_power_of_two())
}

/// Steps in whose lines the noise of gradients is told.
pub(crate) fn measures_noise_at(step: u64) -> bool {
    step >= 8 && (step.is_power_of_two() || step.is_multiple_of(256))
}

/// How much gradients of small batches differ (McCandlish et al., "An Empirical Model of Large-Batch Training", 2018).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNoise {
    /// The trace of the covariance of the gradient of one token.
    pub trace: f64,
    /// The square of the norm of the true gradient.
    pub square: f64,
}

/// The names of their figures in a line of metrics.
const NOISE_FIGURES: [&str; 2] = ["noise_trace", "gradient_square"];

impl GradientNoise {
    /// From the mean square of the norms of gradients of `small` tokens each, and the square of the norm of their mean, of `large`
    /// tokens: `E |g_n|^2 = |G|^2 + trace / n`.
    pub fn of([small, large]: [f64; 2], [mean_square, square_of_mean]: [f64; 2]) -> Self {
        let square = (large * square_of_mean - small * mean_square) / (large - small);
        let trace = (mean_square - square_of_mean) / (1.0 / small - 1.0 / large);
        Self { trace, square }
    }

    /// The batch, in tokens, at which noise and gradient are equally large: with fewer tokens each counts nearly fully, with more
    /// they repeat each other. None where the measurement is too noisy to tell.
    pub fn scale(self) -> Option<f64> {
        (self.square > 0.0 && self.trace > 0.0).then(|| self.trace / self.square)
    }

    pub(crate) fn figures(self) -> Figures {
        NOISE_FIGURES.into_iter().map(String::from).zip([self.trace, self.square]).collect()
    }

    /// The mean over what lines of metrics tell; of the second half of them, for the noise grows while the loss falls.
    pub fn mean<'a>(lines: impl Iterator<Item = &'a Figures>) -> Option<Self> {
        let told = |figures: &Figures| {
            let [trace, square] = NOISE_FIGURES.map(|name| figures.get(name).copied());
            Some([trace?, square?])
        };
        let all: Vec<[f64; 2]> = lines.filter_map(told).collect();
        let late = &all[all.len() / 2..];
        let mean = |which: usize| late.iter().map(|told| told[which]).sum::<f64>() / late.len() as f64;
        (!late.is_empty()).then(|| Self { trace: mean(0), square: mean(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_block_is_read_off_its_paths() {
        assert_eq!(place_of_block("layers.3.attention.qkv.weight"), Some("layers.3"));
        assert_eq!(place_of_block("encoder.layers.12.norm.weight"), Some("encoder.layers.12"));
        assert_eq!(place_of_block("tokens.weight"), None);
    }

    #[test]
    fn sizes_go_through_a_line_of_metrics() {
        let sizes =
            LayerSizes { activations: vec![1.0, 2.0], gradients: vec![0.5, 0.25], weights: vec![0.0; 2] };
        assert_eq!(LayerSizes::from_figures(&sizes.figures()), Some(sizes));
        assert_eq!(LayerSizes::from_figures(&Figures::new()), None);
    }

    #[test]
    fn bad_signs_are_told() {
        let warnings = |activations: &[f32], gradients: &[f32]| {
            let (activations, gradients) = (activations.to_vec(), gradients.to_vec());
            LayerSizes { activations, gradients, weights: Vec::new() }.warnings()
        };
        assert_eq!(warnings(&[1.0, 2.0, 3.0], &[0.2, 0.1, 0.1]), []);
        assert_eq!(warnings(&[1.0, 1.0], &[1e-5, 0.1]), [Warning::VanishingGradient]);
        assert_eq!(warnings(&[1.0, 1.0], &[30.0, 0.1]), [Warning::ExplodingGradient]);
        assert_eq!(warnings(&[1.0, 500.0], &[0.1, 0.1]), [Warning::GrowingActivation]);
        assert!(warnings(&[1.0, f32::NAN], &[0.1, 0.1]).contains(&Warning::NotFinite));
    }

    #[test]
    fn the_noise_is_what_was_put_in() {
        // A gradient of square 4 with a trace of 600: batches of 100 and 800 tokens have 4 + 6 and 4 + 0.75.
        let noise = GradientNoise::of([100.0, 800.0], [10.0, 4.75]);
        assert!((noise.square - 4.0).abs() < 1e-9 && (noise.trace - 600.0).abs() < 1e-6, "{noise:?}");
        assert!((noise.scale().unwrap() - 150.0).abs() < 1e-6);
        assert_eq!(GradientNoise { trace: 1.0, square: -1.0 }.scale(), None);
        let lines = [noise.figures(), GradientNoise { trace: 1200.0, square: 4.0 }.figures(), Figures::new()];
        assert_eq!(GradientNoise::mean(lines.iter()).unwrap().trace, 1200.0);
    }
}
