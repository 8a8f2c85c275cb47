//! From a number of weights to width, depth and heads.

use nuwa_models::custom::CustomConfig;
use nuwa_models::{Family, ModelConfig, Prediction, PresetName, Shape};
use nuwa_tensor::Precision;

use super::Plan;
use crate::settings::ensure;
use crate::{Error, ModelSettings, Result};

/// Width a block: deeper and narrower is slower, shallower and wider learns less.
const WIDTH_PER_LAYER: usize = 56;

/// Widths are multiples of this, which fills vectors and tiles.
const WIDTH_STEP: usize = 32;

/// The model of the settings; what they leave open is chosen so that it has about `parameters` weights, or that a token meets
/// so many, where it has experts.
///
/// # Errors
/// When the settings make no model.
pub fn model(
    settings: &ModelSettings,
    parameters: u64,
    vocabulary: usize,
    eos: Option<u32>,
    text_tokens: u64,
) -> Result<ModelConfig> {
    if let Some(preset) = settings.preset {
        return of_preset(settings, preset, vocabulary, eos);
    }
    let widths = match settings.width {
        Some(width) => vec![width],
        None => (1..=256).map(|step| step * WIDTH_STEP).collect(),
    };
    let mut best: Option<(f64, ModelConfig)> = None;
    let mut refused = None;
    for width in widths {
        // Not every width has the heads that were asked for.
        match of_width(settings, width, parameters, vocabulary, eos, text_tokens) {
            Ok(config) => {
                let distance = distance(&config, parameters);
                if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, config));
                }
            }
            Err(error) => refused = Some(error),
        }
    }
    match (best, refused) {
        (Some((_, config)), _) => {
            config.validate()?;
            Ok(config)
        }
        (None, refused) => Err(refused.expect("there is at least one width")),
    }
}

/// How far a model is from so many weights: of those that a token meets, where it does not meet half of them by design. By what share they
/// differ, not by how many: half as many weights are as far off as twice as many.
fn distance(config: &ModelConfig, parameters: u64) -> f64 {
    let weights = match config.is_encoder_decoder() {
        true => config.size().parameters,
        false => config.size().active(),
    };
    (weights as f64 / parameters.max(1) as f64).ln().abs()
}

/// The settings with a width of their own where the usual step is too coarse for so few weights: a search compares sizes, and
/// two of them must not be one model.
pub fn finer(
    settings: &ModelSettings,
    parameters: u64,
    vocabulary: usize,
    eos: Option<u32>,
    text_tokens: u64,
) -> ModelSettings {
    let ModelSettings { preset, width, heads, .. } = settings;
    if preset.is_some() || width.is_some() || heads.is_some() {
        return settings.clone();
    }
    let of_step = |step: usize| {
        let width = step * FINER_STEP;
        let heads = if width.is_multiple_of(WIDTH_STEP) { None } else { Some(step) };
        ModelSettings { width: Some(width), heads, ..settings.clone() }
    };
    let distance = |settings: &ModelSettings| {
        let config = model(settings, parameters, vocabulary, eos, text_tokens).ok()?;
        Some(distance(&config, parameters))
    };
    let made = (1..=FINER_MOST / FINER_STEP).map(of_step);
    let nearest = made.filter_map(|settings| Some((distance(&settings)?, settings)));
    let nearest = nearest.min_by(|a, b| a.0.total_cmp(&b.0));
    let usual = distance(settings).unwrap_or(f64::INFINITY);
    nearest.filter(|(own, _)| *own < usual).map_or_else(|| settings.clone(), |(_, settings)| settings)
}

/// Steps of the width of small models, with heads of as many features, and the widest that is looked at.
const FINER_STEP: usize = 16;
const FINER_MOST: usize = 192;

/// The model of a published size; settings of what it sets are refused.
fn of_preset(
    settings: &ModelSettings,
    preset: PresetName,
    vocabulary: usize,
    eos: Option<u32>,
) -> Result<ModelConfig> {
    let sizes = [
        ("model.width", settings.width),
        ("model.layers", settings.layers),
        ("model.heads", settings.heads),
        ("model.kv_heads", settings.kv_heads),
    ];
    let expected = format!("nothing beside model.preset = {preset}, which sets it");
    for (name, said) in sizes {
        ensure(said.is_none(), name, said.unwrap_or_default(), &expected)?;
    }
    ensure(!settings.untied_head, "model.untied_head", true, &expected)?;
    let (family, other) = (preset.preset().0, settings.family);
    let is_its = other == Family::default() || other == family;
    ensure(is_its, "model.family", other.registered().model_type, &expected)?;
    if let Some(context) = settings.context {
        ensure(
            (8..=LARGEST[2]).contains(&context),
            "model.context",
            context,
            &format!("8 to {}", LARGEST[2]),
        )?;
    }
    Ok(preset.config(vocabulary, settings.context, eos)?)
}

/// Sizes beyond these are slips: no machine trains them.
const LARGEST: [usize; 3] = [32_768, 1024, 1 << 20];

/// Whether a model of this shape can be built; errors name the keys of a recipe.
fn check([width, layers, heads, context]: [usize; 4]) -> Result<()> {
    let [widest, deepest, longest] = LARGEST;
    let range = |name, value, least, most| {
        ensure((least..=most).contains(&value), name, value, &format!("{least} to {most}"))
    };
    range("model.width", width, 1, widest)?;
    range("model.layers", layers, 1, deepest)?;
    range("model.context", context, 8, longest)?;
    ensure(heads > 0, "model.heads", heads, "at least 1")?;
    ensure(width.is_multiple_of(heads), "model.heads", heads, &format!("a divisor of the width {width}"))
}

fn of_width(
    settings: &ModelSettings,
    width: usize,
    parameters: u64,
    vocabulary: usize,
    eos: Option<u32>,
    text_tokens: u64,
) -> Result<ModelConfig> {
    let own = settings.layers.or(settings.family.registered().layers);
    // Each kind of a pattern has a block. Other families have no patterns: their settings say one kind.
    let kinds = settings.custom.blocks.len().max(settings.custom.feed_forward.len());
    let layers = own.unwrap_or_else(|| usual_layers(width, settings.depth).max(kinds));
    let heads = settings.heads.unwrap_or_else(|| heads(width));
    let context = settings.context.unwrap_or_else(|| context(parameters, text_tokens));
    check([width, layers, heads, context])?;
    let shape = Shape {
        vocabulary,
        width,
        layers,
        heads,
        kv_heads: settings.kv_heads,
        context,
        untied_head: settings.untied_head,
        eos,
    };
    let setting = |error: nuwa_models::Error| Error::Setting {
        name: format!("model.{}", error.field).into(),
        value: error.value,
        expected: error.expected.trim_start_matches("expected ").into(),
    };
    match settings.family {
        Family::Custom => CustomConfig::designed(&shape, &settings.custom).map(ModelConfig::Custom),
        family => (family.registered().shaped)(&shape),
    }
    .map_err(setting)
}

/// Layers of a width, times a factor.
fn usual_layers(width: usize, depth: Option<f64>) -> usize {
    match depth {
        None => (width.saturating_add(WIDTH_PER_LAYER / 2) / WIDTH_PER_LAYER).max(2),
        Some(depth) => ((width as f64 * depth / WIDTH_PER_LAYER as f64).round() as usize).max(1),
    }
}

/// Heads of 32 features in narrow models, 64 in wide ones; one head where neither divides the width.
fn heads(width: usize) -> usize {
    let head_dim = if width >= 512 && width.is_multiple_of(64) { 64 } else { 32 };
    if width.is_multiple_of(head_dim) { width / head_dim } else { 1 }
}

/// Longer texts for larger models, but never longer than an eighth of the corpus.
fn context(parameters: u64, text_tokens: u64) -> usize {
    let wanted = match parameters {
        0..300_000 => 128,
        300_000..20_000_000 => 256,
        20_000_000..100_000_000 => 512,
        _ => 1024,
    };
    let most = (text_tokens / 8).max(8) as usize;
    wanted.min(if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 })
}

/// Floating-point operations of one training step for each token: 6 a weight that it meets, and causal attention's
/// `6 layers width context`, or twice that where attention sees both sides. Of an encoder-decoder a token goes through half of the
/// layers, of which the encoder's see both sides and the decoder's the source too.
pub fn operations_per_token(config: &ModelConfig) -> f64 {
    let size = config.size();
    let sides = match config.predicts() {
        Prediction::NextToken | Prediction::Answer => 1,
        Prediction::MaskedTokens | Prediction::AnyOrder | Prediction::Nothing => 2,
    };
    6.0 * (size.active() as f64 + (sides * config.layers() * size.query_width * config.context()) as f64)
}

/// Bytes of weights, gradients and the two means of AdamW.
pub fn state_bytes(plan: &Plan) -> u64 {
    (16 + 4 * u64::from(crate::sum::blocks(plan.accumulation))) * plan.parameters
}

/// An estimate of the memory that training needs, in bytes, from the tensors that are kept for backward: before
/// anything is tried.
pub fn needed_bytes(plan: &Plan, precision: Precision, recompute: bool) -> u64 {
    let (layers, width, vocabulary) = (plan.model.layers(), plan.model.width(), plan.model.vocabulary());
    let [narrow, wide] = plan.model.size().kept;
    let bytes = if precision == Precision::F32 { 4 } else { 2 };
    let block = bytes * narrow + 4 * wide;
    // Backward needs about as much again for the gradients of the block it is in.
    let kept = if recompute { layers * 4 * width + 2 * block } else { (layers + 1) * block };
    let rows = plan.sequences * plan.context;
    let head_rows = rows.min(LARGEST_HEAD_ELEMENTS / vocabulary.max(1));
    (rows * (kept + 16 * width) + 4 * head_rows * vocabulary) as u64 + state_bytes(plan)
}

/// About how many scores exist at one time.
const LARGEST_HEAD_ELEMENTS: usize = 1 << 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_equal_those_of_the_built_models() {
        for &family in Family::ALL {
            let writes = family.registered().predicts == Prediction::NextToken;
            for untied_head in [false, true] {
                let settings = ModelSettings { family, untied_head, ..ModelSettings::default() };
                let config = model(&settings, 400_000, 500, Some(0), 1_000_000);
                // The head of an encoder is its embedding.
                let Ok(config) = config else {
                    assert!(untied_head && !writes, "{family:?}: {config:?}");
                    continue;
                };
                let built = nuwa_models::build(&config, 1).unwrap();
                assert_eq!(config.size().parameters, built.parameters().count());
            }
        }
    }

    #[test]
    fn a_size_is_met_nearly() {
        for wanted in [300_000, 1_000_000, 3_000_000, 30_000_000, 124_000_000] {
            let config = model(&ModelSettings::default(), wanted, 2048, None, 100_000_000).unwrap();
            let ratio = config.size().parameters as f64 / wanted as f64;
            assert!((0.75..1.3).contains(&ratio), "{wanted}: {ratio}");
        }
    }

    #[test]
    fn small_sizes_are_told_apart_for_a_search() {
        let of = |wanted| {
            let settings = finer(&ModelSettings::default(), wanted, 768, None, 10_000_000);
            model(&settings, wanted, 768, None, 10_000_000).unwrap().size().parameters
        };
        for wanted in [50_000, 100_000, 200_000, 400_000] {
            let ratio = of(wanted) as f64 / wanted as f64;
            assert!((0.8..1.25).contains(&ratio), "{wanted}: {ratio}");
        }
        let given = ModelSettings { width: Some(64), ..ModelSettings::default() };
        assert_eq!(finer(&given, 50_000, 768, None, 10_000_000), given);
    }

    #[test]
    fn experts_count_by_what_a_token_meets() {
        let settings = ModelSettings { family: Family::Mixtral, ..ModelSettings::default() };
        let wanted = 10_000_000;
        let sparse = model(&settings, wanted, 2048, None, 100_000_000).unwrap();
        let dense = model(&ModelSettings::default(), wanted, 2048, None, 100_000_000).unwrap();
        let ratio = sparse.size().active() as f64 / dense.size().active() as f64;
        assert!((0.8..1.25).contains(&ratio), "{ratio}");
        assert!(sparse.size().parameters > 2 * sparse.size().active(), "{:?}", sparse.size());
        let cost = operations_per_token(&sparse) / operations_per_token(&dense);
        assert!((0.8..1.25).contains(&cost), "{cost}");
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let settings = ModelSettings { width: Some(100), heads: Some(3), ..ModelSettings::default() };
        let error = model(&settings, 1_000_000, 500, None, 1000).unwrap_err();
        assert_eq!(error.to_string(), "model.heads = 3: expected a divisor of the width 100");
    }

    #[test]
    fn sizes_that_make_no_model_name_their_keys() {
        let told = |settings: ModelSettings| {
            model(&settings, 1_000_000, 500, None, 100_000).unwrap_err().to_string()
        };
        let usual = ModelSettings::default;
        let told = [
            told(ModelSettings { width: Some(33), ..usual() }),
            told(ModelSettings { width: Some(0), ..usual() }),
            told(ModelSettings { width: Some(usize::MAX), ..usual() }),
            told(ModelSettings { layers: Some(0), ..usual() }),
            told(ModelSettings { width: Some(96), heads: Some(32), ..usual() }),
            told(ModelSettings { heads: Some(0), ..usual() }),
            told(ModelSettings { heads: Some(4), kv_heads: Some(3), ..usual() }),
            told(ModelSettings { kv_heads: Some(0), ..usual() }),
            told(ModelSettings { family: Family::Gpt2, width: Some(64), kv_heads: Some(1), ..usual() }),
            told(ModelSettings { context: Some(7), ..usual() }),
        ];
        let expected = [
            "model.width = 33: expected a width that leaves each head (here 1) an even number of features, such as 34",
            "model.width = 0: expected 1 to 32768",
            "model.width = 18446744073709551615: expected 1 to 32768",
            "model.layers = 0: expected 1 to 1024",
            "model.width = 96: expected a width that leaves each head (here 32) an even number of features, such as 128",
            "model.heads = 0: expected at least 1",
            "model.kv_heads = 3: expected a divisor of the 4 heads",
            "model.kv_heads = 0: expected a divisor of the 128 heads",
            "model.kv_heads = 1: expected nothing: gpt2 has as many as heads",
            "model.context = 7: expected 8 to 1048576",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_model_of_ones_own_is_made_by_its_settings_and_refused_by_their_keys() {
        let made = |custom: &str| {
            let custom = serde_json::from_str(custom).unwrap();
            let settings = ModelSettings { family: Family::Custom, custom, ..ModelSettings::default() };
            model(&settings, 1_000_000, 500, None, 100_000)
        };
        let hybrid = made(r#"{"blocks": ["lstm", "attention", "gru", "attention"]}"#).unwrap();
        assert!(hybrid.layers() >= 4, "every kind has a block: {hybrid:?}");
        let ratio = hybrid.size().parameters as f64 / 1e6;
        assert!((0.75..1.3).contains(&ratio), "{ratio}");
        let told = [r#"{"window": 7}"#, r#"{"blocks": ["gru"], "positions": "alibi"}"#, r#"{"inner": 0}"#]
            .map(|custom| made(custom).unwrap_err().to_string());
        let expected = [
            "model.custom.window = 7: expected nothing: no block is banded",
            "model.custom.positions = alibi: expected learned, sinusoidal or none: no block attends, and these are \
             positions of attention",
            "model.custom.inner = 0: expected a whole number of at least 1",
        ];
        assert_eq!(told, expected);
        let custom = serde_json::from_str(r#"{"gated": false}"#).unwrap();
        let unused = ModelSettings { custom, ..ModelSettings::default() }.check().unwrap_err().to_string();
        let expected =
            "model.family = llama: expected custom, the family that has settings below model.custom";
        assert_eq!(unused, expected);
    }

    #[test]
    fn a_preset_sets_the_shape_and_refuses_another() {
        let preset = PresetName::all().find(|name| name.to_string() == "gpt3-125m");
        let settings = ModelSettings { preset, context: Some(256), ..ModelSettings::default() };
        let made = |settings: &ModelSettings| model(settings, 1, 1000, None, 1000);
        let config = made(&settings).unwrap();
        assert_eq!((config.layers(), config.width(), config.context()), (12, 768, 256));
        assert_eq!(settings.family(), Family::GptNeo);
        let told = [
            ModelSettings { width: Some(64), ..settings.clone() },
            ModelSettings { family: Family::Bert, ..settings.clone() },
            ModelSettings { context: Some(4), ..settings },
        ];
        let told = told.map(|settings| made(&settings).unwrap_err().to_string());
        let expected = [
            "model.width = 64: expected nothing beside model.preset = gpt3-125m, which sets it",
            "model.family = bert: expected nothing beside model.preset = gpt3-125m, which sets it",
            "model.context = 4: expected 8 to 1048576",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_open_width_follows_the_heads() {
        for (heads, kv_heads) in [(3, 1), (5, 5), (12, 4)] {
            let settings =
                ModelSettings { heads: Some(heads), kv_heads: Some(kv_heads), ..ModelSettings::default() };
            let config = model(&settings, 3_000_000, 500, None, 100_000).unwrap();
            assert!(config.width().is_multiple_of(2 * heads), "{config:?}");
        }
    }
}
