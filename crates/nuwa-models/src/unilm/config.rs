use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Unilm;
use crate::bert::BertConfig;
use crate::config::{Config, FamilyConfig, Prediction, Result, Shape, Size, ensure};
use crate::{LabelHead, Model, ModelConfig, Preset, TensorName};

/// The fields of BERT's `config.json`; `type_vocab_size` is 6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnilmConfig(pub BertConfig);

/// The segments of all tasks.
const SEGMENTS: usize = 6;

impl Config for UnilmConfig {
    fn context(&self) -> usize {
        self.0.context()
    }

    fn vocabulary(&self) -> usize {
        self.0.vocabulary()
    }

    fn layers(&self) -> usize {
        self.0.layers()
    }

    fn width(&self) -> usize {
        self.0.width()
    }

    fn heads(&self) -> [usize; 2] {
        self.0.heads()
    }

    fn architecture(&self) -> &'static str {
        self.0.architecture()
    }

    fn predicts(&self) -> Prediction {
        self.0.predicts()
    }

    fn validate(&self) -> Result<()> {
        let found = self.0.type_vocab_size;
        ensure(found >= SEGMENTS, "type_vocab_size", found, "expected 6: those of the four masks")?;
        self.0.validate()
    }

    fn names(&self) -> Vec<TensorName> {
        self.0.names()
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        self.0.copies()
    }

    fn ignored(&self) -> &'static [&'static str] {
        self.0.ignored()
    }

    fn older_names(&self) -> &'static [(&'static str, &'static str)] {
        self.0.older_names()
    }

    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        self.0.adopt(has);
    }

    fn label_head(&self) -> LabelHead {
        self.0.label_head()
    }

    fn keep_only_labels(&mut self) {
        self.0.keep_only_labels();
    }

    /// A BERT: under one mask alone the two are the same.
    fn labelled_as(&self) -> Option<ModelConfig> {
        Some(ModelConfig::Bert(self.0.clone()))
    }

    fn size(&self) -> Size {
        self.0.size()
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Unilm::new(self.clone(), builder))
    }
}

impl FamilyConfig for UnilmConfig {
    const PREDICTS: Prediction = BertConfig::PREDICTS;

    const FIXED: &'static [(&'static str, Value)] = BertConfig::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = BertConfig::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        BertConfig::translate(config)
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        Ok(Self(BertConfig { type_vocab_size: SEGMENTS, ..BertConfig::shaped(shape)? }))
    }
}
