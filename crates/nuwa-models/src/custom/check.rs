//! Which settings make a model.

use super::CustomConfig;
use super::settings::{BlockKind, FeedForwardKind, PositionKind};
use crate::config::{Result, above_zero, ensure, positive};

/// An error naming the first field that makes no sense.
pub fn validate(config: &CustomConfig) -> Result<()> {
    positive("vocab_size", config.vocab_size)?;
    positive("hidden_size", config.hidden_size)?;
    positive("num_hidden_layers", config.num_hidden_layers)?;
    positive("num_attention_heads", config.num_attention_heads)?;
    positive("num_key_value_heads", config.num_key_value_heads)?;
    positive("max_position_embeddings", config.max_position_embeddings)?;
    above_zero("initializer_range", f64::from(config.initializer_range))?;
    let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
    let expected = format!("expected a divisor of num_attention_heads = {heads}");
    ensure(heads.is_multiple_of(kv_heads), "num_key_value_heads", kv_heads, expected)?;
    design(config)
}

/// The same of a new model, whose sizes are settings with names of their own.
pub fn new_model(config: &CustomConfig) -> Result<()> {
    let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
    let shared = kv_heads > 0 && heads.is_multiple_of(kv_heads);
    ensure(shared, "kv_heads", kv_heads, format!("expected a divisor of the {heads} heads"))?;
    design(config)
}

/// What blocks are made of.
fn design(config: &CustomConfig) -> Result<()> {
    above_zero("custom.epsilon", f64::from(config.custom.epsilon))?;
    patterns(config)?;
    widths(config)?;
    positions(config)?;
    experts(config)
}

/// Both patterns name something, and no more than there are blocks: what no block has is a slip.
fn patterns(config: &CustomConfig) -> Result<()> {
    let layers = config.num_hidden_layers;
    for (field, length) in [
        ("custom.blocks", config.custom.blocks.len()),
        ("custom.feed_forward", config.custom.feed_forward.len()),
    ] {
        ensure(length > 0, field, "[]", "expected at least one kind")?;
        let expected = format!("expected at most one for each of the {layers} blocks of the model");
        ensure(length <= layers, field, format!("{length} kinds"), expected)?;
    }
    Ok(())
}

fn widths(config: &CustomConfig) -> Result<()> {
    let (width, heads) = (config.hidden_size, config.num_attention_heads);
    let has = |kind: BlockKind| config.custom.blocks.contains(&kind);
    let attends = config.custom.blocks.iter().any(|block| block.attends());
    if attends {
        let fits = config.custom.head_dim.is_some() || width.is_multiple_of(heads);
        let expected = format!("expected a number, since {heads} heads do not divide the width {width}");
        ensure(fits, "custom.head_dim", "unset", expected)?;
        positive("custom.head_dim", config.head_layout().head_dim)?;
    }
    let unused = |is_used: bool, field, value: Option<usize>, kinds: &str| {
        let expected = format!("expected nothing: no block is {kinds}");
        ensure(is_used || value.is_none(), field, value.unwrap_or_default(), expected)
    };
    unused(attends, "custom.head_dim", config.custom.head_dim, "attention or banded")?;
    unused(has(BlockKind::Banded), "custom.window", config.custom.window, "banded")?;
    let recurs = config.custom.blocks.iter().any(|block| !block.attends());
    unused(recurs, "custom.recurrent_width", config.custom.recurrent_width, "lstm, gru or rg-lru")?;
    positive("custom.window", config.custom.window.unwrap_or(1))?;
    positive("custom.inner", config.inner())?;
    positive("custom.recurrent_width", config.recurrent_width())?;
    positive("custom.convolution", config.custom.convolution)?;
    let expected =
        format!("expected a multiple of the {heads} heads: gates of an rg-lru are of so many groups");
    let grouped = !has(BlockKind::RgLru) || config.recurrent_width().is_multiple_of(heads);
    ensure(grouped, "custom.recurrent_width", config.recurrent_width(), expected)
}

fn positions(config: &CustomConfig) -> Result<()> {
    let attends = config.custom.blocks.iter().any(|block| block.attends());
    let head_dim = config.head_layout().head_dim;
    match config.positions() {
        PositionKind::Rotary | PositionKind::Alibi | PositionKind::Relative if !attends => {
            let expected = "expected learned, sinusoidal or none: no block attends, and these are positions of attention";
            let said = serde_json::to_value(config.positions()).unwrap_or_default();
            ensure(false, "custom.positions", said.as_str().unwrap_or_default(), expected)
        }
        PositionKind::Rotary => {
            above_zero("custom.theta", config.custom.theta)?;
            let expected = format!(
                "expected another kind, or heads of an even number of features (here {head_dim}): rotary positions turn pairs"
            );
            ensure(head_dim.is_multiple_of(2), "custom.positions", "rotary", expected)
        }
        PositionKind::Sinusoidal => {
            let width = config.hidden_size;
            let expected = format!("expected another kind, or an even width (here {width})");
            ensure(width.is_multiple_of(2), "custom.positions", "sinusoidal", expected)
        }
        PositionKind::Relative => {
            let (buckets, most) = (config.custom.buckets, config.custom.max_distance);
            ensure(buckets >= 2, "custom.buckets", buckets, "expected a whole number of at least 2")?;
            positive("custom.buckets", buckets)?;
            positive("custom.max_distance", most)?;
            let expected = format!("expected a number above {}, half of custom.buckets", buckets / 2);
            ensure(most > buckets / 2, "custom.max_distance", most, expected)
        }
        PositionKind::Learned | PositionKind::Alibi | PositionKind::None => Ok(()),
    }
}

fn experts(config: &CustomConfig) -> Result<()> {
    if !config.custom.feed_forward.contains(&FeedForwardKind::Experts) {
        return Ok(());
    }
    let (count, most) = (config.custom.experts, config.custom.experts_per_token);
    positive("custom.experts", count)?;
    let expected = format!("expected a number from 1 to custom.experts = {count}");
    ensure((1..=count).contains(&most), "custom.experts_per_token", most, expected)?;
    ensure(config.custom.gated, "custom.gated", false, "expected true: experts are gated")?;
    ensure(!config.custom.biases, "custom.biases", true, "expected false: experts have no biases")?;
    let losses = [
        ("custom.balance_loss", config.custom.balance_loss),
        ("custom.router_z_loss", config.custom.router_z_loss),
    ];
    losses.into_iter().try_for_each(|(field, value)| {
        ensure(value >= 0.0 && value.is_finite(), field, value, "expected a number of at least 0")
    })
}
