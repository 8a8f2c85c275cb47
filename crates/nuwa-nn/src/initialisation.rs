use nuwa_tensor::{Parameter, Parameters, Random};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::is_block_matrix;

/// How the matrices of blocks start, by the name of the rule. Each number is drawn from a normal distribution whose standard deviation
/// it says, of a matrix from `input` to `output` features in a model of so many layers; embeddings, norms and biases start as the family
/// is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitialisationScheme {
    /// As the family is published.
    #[default]
    Published,
    /// 0.02 everywhere (BERT, Devlin et al. 2018).
    Normal,
    /// 0.02, and `0.02 / sqrt(2 layers)` for what leads back into the residual stream (GPT-2, Radford et al. 2019).
    Gpt2,
    /// `sqrt(2 / (input + output))` (Glorot and Bengio 2010).
    Xavier,
    /// `sqrt(2 / input)` (He et al. 2015).
    Kaiming,
    /// `sqrt(1 / input)` (LeCun et al. 1998).
    Lecun,
    /// `sqrt(2 / (5 width))` (Nguyen and Salazar, "Transformers without Tears", 2019), and `2 / (layers sqrt(width))` for what leads back
    /// into the residual stream (Wang and Komatsuzaki, GPT-J, 2021), as in GPT-NeoX.
    Small,
    /// `sqrt(1 / input)` (Raffel et al. 2020; its queries are smaller by what scores are divided by here), and embeddings of 1
    /// where the head is a matrix of its own.
    T5,
}

/// How a new model starts, where that is not as its family is published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelStart {
    /// The rule.
    pub scheme: InitialisationScheme,
    /// What the first numbers of all matrices, embeddings included, are multiplied by.
    pub scale: f32,
    /// The width at which muP (Yang et al., "Tensor Programs V", 2022) is the same as the usual way; none for the usual way.
    pub mup_base_width: Option<usize>,
}

impl Default for ModelStart {
    fn default() -> Self {
        Self { scheme: InitialisationScheme::Published, scale: 1.0, mup_base_width: None }
    }
}

/// The embedding, and the head where it is another matrix.
const EMBEDDING: &str = "tokens.weight";
const OWN_HEAD: &str = "head.weight";

/// The norm in front of the head.
const LAST_NORM: &str = "norm.weight";

impl ModelStart {
    /// Whether this model can be trained with muP: it needs the norm in front of the head that GPT-2 and LLaMA have.
    pub fn allows_mup(parameters: &Parameters) -> bool {
        parameters.get(LAST_NORM).is_some()
    }

    /// Overwrites the first weights of a model of so many layers and this width, drawn under `seed`.
    ///
    /// muP at `m` times the base width: matrices of blocks start smaller by `sqrt(m)`, and logits by `m`. The last is said by the norm
    /// in front of the head, which starts at `1 / m`, so that the model stays one of its family.
    pub fn apply(&self, parameters: &Parameters, [layers, width]: [usize; 2], seed: u64) {
        let random = Random::new(seed).named("initialisation by name");
        let ratio = self.ratio(width);
        let has_head = parameters.get(OWN_HEAD).is_some();
        for parameter in parameters.iter() {
            let is_of_block = is_block_matrix(parameter);
            let drawn = match is_of_block {
                true => self.scheme.deviation(parameter, [layers, width]),
                false => self.scheme.deviation_of_embedding(parameter, has_head),
            };
            if let Some(deviation) = drawn {
                let random = random.named(parameter.entry().path());
                parameter.set(|values| random.fill_normal(values, deviation));
            }
            let mut factor = if parameter.shape().axes().len() > 1 { self.scale } else { 1.0 };
            if is_of_block {
                factor /= ratio.sqrt();
            }
            if parameter.entry().path() == LAST_NORM {
                factor /= ratio;
            }
            if factor != 1.0 {
                parameter.set(|values| values.iter_mut().for_each(|value| *value *= factor));
            }
        }
    }

    /// What the learning rate of each parameter is multiplied by: with muP, of matrices of blocks and of the norm in front of the head by `1 /
    /// m`. Empty where all are trained at one rate.
    pub fn rates(&self, parameters: &Parameters, width: usize) -> Vec<f32> {
        let ratio = self.ratio(width);
        if ratio == 1.0 {
            return Vec::new();
        }
        let is_slower =
            |parameter: &&Parameter| is_block_matrix(parameter) || parameter.entry().path() == LAST_NORM;
        parameters.iter().map(|parameter| if is_slower(&parameter) { 1.0 / ratio } else { 1.0 }).collect()
    }

    fn ratio(&self, width: usize) -> f32 {
        self.mup_base_width.map_or(1.0, |base| width as f32 / base.max(1) as f32)
    }
}

impl InitialisationScheme {
    /// The standard deviation of a matrix `[output, input]`; none where it stays as it is.
    fn deviation(self, parameter: &Parameter, [layers, width]: [usize; 2]) -> Option<f32> {
        let path = parameter.entry().path();
        let is_residual = path.ends_with("output.weight") || path.ends_with("down.weight");
        let (output, input) = (parameter.rows() as f32, parameter.width() as f32);
        let (layers, width) = (layers.max(1) as f32, width.max(1) as f32);
        match self {
            Self::Published => None,
            Self::Normal => Some(0.02),
            Self::Gpt2 => Some(if is_residual { 0.02 / (2.0 * layers).sqrt() } else { 0.02 }),
            Self::Xavier => Some((2.0 / (input + output)).sqrt()),
            Self::Kaiming => Some((2.0 / input).sqrt()),
            Self::Lecun | Self::T5 => Some((1.0 / input).sqrt()),
            Self::Small => {
                Some(if is_residual { 2.0 / (layers * width.sqrt()) } else { (0.4 / width).sqrt() })
            }
        }
    }

    /// The same of the embedding, and of nothing else outside of blocks.
    fn deviation_of_embedding(self, parameter: &Parameter, has_head: bool) -> Option<f32> {
        let is_embedding = parameter.entry().path() == EMBEDDING;
        (self == Self::T5 && is_embedding && has_head).then_some(1.0)
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::ParametersBuilder;

    use super::*;

    const WIDTH: usize = 64;

    fn parameters() -> Parameters {
        let mut builder = ParametersBuilder::new(1);
        let matrices = [
            ("tokens.weight", [100, WIDTH]),
            ("layers.0.attention.qkv.weight", [3 * WIDTH, WIDTH]),
            ("layers.0.feed_forward.down.weight", [WIDTH, 4 * WIDTH]),
        ];
        for (path, axes) in matrices {
            builder.add(path.into(), axes, true, |values, random| random.fill_normal(values, 0.02));
        }
        builder.add(LAST_NORM.into(), [WIDTH], false, |values, _| values.fill(1.0));
        builder.finish()
    }

    fn deviation(parameters: &Parameters, path: &str) -> f64 {
        let values = parameters.get(path).unwrap().to_host();
        (values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn each_rule_has_its_deviation() {
        let expected = [
            (InitialisationScheme::Normal, 0.02, 0.02),
            (InitialisationScheme::Gpt2, 0.02, 0.01),
            (InitialisationScheme::Xavier, (2.0 / 256.0_f64).sqrt(), (2.0 / 320.0_f64).sqrt()),
            (InitialisationScheme::Kaiming, (2.0 / 64.0_f64).sqrt(), (2.0 / 256.0_f64).sqrt()),
            (InitialisationScheme::Lecun, 0.125, 0.0625),
            (InitialisationScheme::T5, 0.125, 0.0625),
            (InitialisationScheme::Small, (0.4 / 64.0_f64).sqrt(), 0.125),
        ];
        for (scheme, into, back) in expected {
            let parameters = parameters();
            let embedding = parameters.get("tokens.weight").unwrap().to_host();
            ModelStart { scheme, ..ModelStart::default() }.apply(&parameters, [2, WIDTH], 7);
            let found = ["layers.0.attention.qkv.weight", "layers.0.feed_forward.down.weight"]
                .map(|path| deviation(&parameters, path));
            for (found, expected) in found.into_iter().zip([into, back]) {
                assert!((found / expected - 1.0).abs() < 0.05, "{scheme:?}: {found} {expected}");
            }
            assert_eq!(parameters.get("tokens.weight").unwrap().to_host(), embedding);
        }
    }

    #[test]
    fn embeddings_of_t5_begin_at_one_where_they_are_no_head() {
        for (head, expected) in [(Some(OWN_HEAD), 1.0), (None, 0.02)] {
            let mut builder = ParametersBuilder::new(1);
            for path in [EMBEDDING].into_iter().chain(head) {
                builder
                    .add(path.into(), [100, WIDTH], true, |values, random| random.fill_normal(values, 0.02));
            }
            let parameters = builder.finish();
            let scheme = InitialisationScheme::T5;
            ModelStart { scheme, ..ModelStart::default() }.apply(&parameters, [2, WIDTH], 7);
            let found = deviation(&parameters, EMBEDDING);
            assert!((found / expected - 1.0).abs() < 0.05, "{found}");
        }
    }

    #[test]
    fn what_is_published_stays_bit_for_bit() {
        let (usual, started) = (parameters(), parameters());
        ModelStart::default().apply(&started, [2, WIDTH], 7);
        assert_eq!(usual.to_host(), started.to_host());
        assert!(ModelStart::default().rates(&started, WIDTH).is_empty());
    }

    #[test]
    fn mup_scales_start_and_rate_with_the_width() {
        let (usual, started) = (parameters(), parameters());
        let start = ModelStart { mup_base_width: Some(WIDTH / 4), ..ModelStart::default() };
        start.apply(&started, [2, WIDTH], 7);
        let ratio = |path| deviation(&started, path) / deviation(&usual, path);
        assert!((ratio("layers.0.attention.qkv.weight") - 0.5).abs() < 1e-6);
        assert_eq!(ratio("tokens.weight"), 1.0);
        assert!((ratio(LAST_NORM) - 0.25).abs() < 1e-6);
        assert_eq!(start.rates(&started, WIDTH), [1.0, 0.25, 0.25, 0.25]);
    }
}
