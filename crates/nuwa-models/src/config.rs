use std::fmt::Debug;
use std::ops::Range;

use nuwa_tensor::ParametersBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{LabelHead, Model, ModelConfig, ParseError, Preset, TensorName};

/// A configuration that no model can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {expected}")]
pub struct Error {
    /// The field's name in `config.json`, or of the [`Shape`] that was asked for.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What it would have to be.
    pub expected: String,
}

/// Results of this crate's checks.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a model is trained to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The next token, from those before it.
    NextToken,
    /// Masked tokens, from those on both sides.
    MaskedTokens,
    /// The next token of an answer, from those before it and from a source that an encoder has read.
    Answer,
    /// Tokens in any order, from those that come earlier in it: the next one among them.
    AnyOrder,
    /// Nothing: it has no head, and gives hidden states alone.
    Nothing,
}

impl Prediction {
    /// Whether it can go on with a text.
    pub fn writes(self) -> bool {
        matches!(self, Self::NextToken | Self::AnyOrder)
    }
}

/// The configuration of one model: what `config.json` says, and what follows from it.
pub trait Config: Debug + Send + Sync {
    /// The largest number of positions.
    fn context(&self) -> usize;

    /// The number of token ids.
    fn vocabulary(&self) -> usize;

    /// The number of blocks.
    fn layers(&self) -> usize;

    /// The features of a token between the blocks.
    fn width(&self) -> usize;

    /// Attention heads of a block, and those of keys and values.
    fn heads(&self) -> [usize; 2];

    /// The class transformers loads it with.
    fn architecture(&self) -> &'static str;

    /// What it predicts.
    fn predicts(&self) -> Prediction {
        Prediction::NextToken
    }

    /// Whether it has an encoder that reads a source and a decoder that writes an answer.
    fn is_encoder_decoder(&self) -> bool {
        self.predicts() == Prediction::Answer
    }

    /// The token before the first of every answer, of an encoder-decoder.
    fn decoder_start(&self) -> Option<u32> {
        None
    }

    /// The largest number of positions of a source, where a model reads one; [`Config::context`] is that of an answer.
    fn source_context(&self) -> Option<usize> {
        self.is_encoder_decoder().then(|| self.context())
    }

    /// Whether a model can be built from it.
    ///
    /// # Errors
    /// Naming the first field that makes no sense.
    fn validate(&self) -> Result<()>;

    /// Which tensors at Hugging Face make up each parameter of such a model.
    fn names(&self) -> Vec<TensorName>;

    /// Tensors there that repeat a parameter, where a file holds them: `(tensor, parameter)`.
    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// The ends of the names of tensors there that hold no weights of this model: masks, tables, heads it does not have.
    fn ignored(&self) -> &'static [&'static str] {
        &[]
    }

    /// Ends of tensor names, each with what it is called in older files.
    fn older_names(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Where a file has the numbers of a tensor of [`Config::names`] that it does not hold by itself: as a part of a larger one.
    fn fused(&self, tensor: &str) -> Option<FusedPart> {
        let _ = tensor;
        None
    }

    /// Takes over what a file of weights says and `config.json` does not: which heads it has.
    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        let _ = has;
    }

    /// How a head for labels sits on such a model.
    fn label_head(&self) -> LabelHead {
        if self.is_encoder_decoder() { LabelHead::OF_ANSWER } else { LabelHead::OF_LAST_ROW }
    }

    /// The same model as one of a family that more programs know, where a model with a head for labels is one.
    fn labelled_as(&self) -> Option<ModelConfig> {
        None
    }

    /// Leaves out heads for tokens, and adds what a head for labels reads: such a model tells labels and nothing else.
    fn keep_only_labels(&mut self) {}

    /// The codes of the languages that it tells apart, by number, where it tells some.
    fn languages(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes room for languages by these codes, of a family that tells them apart, in texts that are filled up with `padding`.
    fn set_languages(&mut self, codes: &[String], padding: Option<u32>) {
        let _ = (codes, padding);
    }

    /// Makes it predict the next token, of a family that is trained for that or for masked tokens.
    fn set_causal(&mut self) {}

    /// Numbers a position that the model computes by itself and no tensor holds: rotary tables.
    fn table_width(&self) -> usize {
        0
    }

    /// How layer `layer` looks back, where the names of its parameters do not tell it.
    fn looks_back(&self, layer: usize) -> LooksBack {
        let _ = layer;
        LooksBack::default()
    }

    /// Whether a position sees, while the model is pretrained, the statistics of all others beside it: batch norm.
    fn sees_batch(&self) -> bool {
        false
    }

    /// What a plan has to know.
    fn size(&self) -> Size;

    /// The model, its configuration having been validated, with the builder's weights.
    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model>;
}

/// How a layer looks back, as far as its parameters do not tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LooksBack {
    /// What it is called; empty where the names of its parameters say enough.
    pub kind: &'static str,
    /// The keys that a query attends to at most.
    pub window: Option<usize>,
}

/// A tensor as a part of a larger one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FusedPart {
    /// The larger one.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The elements of it.
    pub elements: Range<usize>,
}

/// What memory and time of training follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// All weights: memory follows from them.
    pub parameters: usize,
    /// Those of them that a token does not meet: those of experts that it does not go to, of an encoder-decoder half of all blocks.
    pub idle: usize,
    /// Features of the queries of a block.
    pub query_width: usize,
    /// Features of a position that the backward pass of a block needs: in the precision of activations, and in f32.
    pub kept: [usize; 2],
}

impl Size {
    /// The weights that a token meets: time follows from them.
    pub fn active(&self) -> usize {
        self.parameters - self.idle
    }
}

/// What a family can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Token ids.
    pub vocabulary: usize,
    /// Model width; the heads divide it.
    pub width: usize,
    /// Blocks; of an encoder-decoder those of both stacks together.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key-value heads, where they are not as many as heads.
    pub kv_heads: Option<usize>,
    /// Positions.
    pub context: usize,
    /// Whether the head is a matrix of its own rather than the embedding.
    pub untied_head: bool,
    /// The id that ends a text.
    pub eos: Option<u32>,
}

/// What a family knows before there is a model of it.
pub trait FamilyConfig: Config + Serialize + DeserializeOwned {
    /// What a new model of it is trained to predict.
    const PREDICTS: Prediction = Prediction::NextToken;

    /// Fields that change what a model computes, with the one value that is computed here (absent counts as that).
    const FIXED: &'static [(&'static str, Value)] = &[];

    /// The field that names the activation, and the names that are computed.
    const ACTIVATIONS: (&'static str, &'static [&'static str]);

    /// The layers of a new model where none are asked for; as many as go with its width where this does not say.
    const LAYERS: Option<usize> = None;

    /// Puts what `config.json` may say in several ways, or leave out, into one form.
    ///
    /// # Errors
    /// In words for a user, when the configuration asks for what is not computed here.
    fn translate(config: &mut Value) -> Result<(), String> {
        let _ = config;
        Ok(())
    }

    /// Reads it.
    ///
    /// # Errors
    /// Naming the field at fault.
    fn parse(value: Value) -> Result<Self, ParseError> {
        serde_path_to_error::deserialize(value)
    }

    /// Its published sizes.
    fn presets() -> &'static [Preset] {
        &[]
    }

    /// The configuration of a new model.
    ///
    /// # Errors
    /// Naming the first field of the shape that the family does not have.
    fn shaped(shape: &Shape) -> Result<Self>;
}

/// Sizes are below this, so that a product of two does not overflow.
const TOO_LARGE: usize = 1 << 30;

/// An error unless `value` is at least 1 and no absurd size.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<()> {
    ensure(value >= 1, field, value, "expected a whole number of at least 1")?;
    ensure(value < TOO_LARGE, field, value, format!("expected a number below {TOO_LARGE}"))
}

/// An error unless `value` is above 0; NaN is not.
pub(crate) fn above_zero(field: &'static str, value: f64) -> Result<()> {
    ensure(value > 0.0, field, value, "expected a number above 0")
}

/// An error about `field` unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    field: &'static str,
    value: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    if holds { Ok(()) } else { Err(Error { field, value: value.to_string(), expected: expected.into() }) }
}

/// Gives fields that `config.json` leaves out the values that the family has for them.
pub(crate) fn fill_in(config: &mut Value, defaults: &[(&str, u32)]) {
    for (field, value) in defaults {
        if config.get(field).is_none() {
            config[*field] = json!(value);
        }
    }
}

/// The standard deviation of first weights where a `config.json` does not say it.
pub(crate) fn default_range() -> f32 {
    0.02
}

/// The inner width of a new gated feed-forward layer: two thirds of four times the width, so that three matrices weigh what two
/// did (Shazeer 2020), in multiples that fill vectors and tiles.
pub(crate) fn gated_inner(width: usize) -> usize {
    (8 * width / 3).next_multiple_of(32)
}
