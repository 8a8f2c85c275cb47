//! Vectors of texts: the hidden rows of a model, made into one a text.
//!
//! As sentence-transformers has it (Reimers & Gurevych, "Sentence-BERT", 2019): the mean over all tokens of a text, those around it
//! too; the row of the first token; or that of the last one.

use std::path::Path;
use std::sync::Arc;

use nuwa_format::{Pooling, SentenceSettings};
use nuwa_models::{Context, Input, LabelRow, Model};
use nuwa_tensor::{Tape, on_worker};
use nuwa_tokenizer::Tokenizer;

use crate::whole::runs;
use crate::{Engine, Error, Result, TextReader, WholeText};

/// A model that makes vectors of texts.
pub struct Embedder {
    model: Arc<dyn Model>,
    reader: TextReader,
    pooling: Pooling,
    normalised: bool,
}

impl Embedder {
    /// Reads the model folder `folder`; of a model with a head for labels or scores, the head is left out. How vectors are made
    /// is what `pooling` says, else what sentence-transformers' files beside the model say, else the mean of an encoder's rows
    /// and the last one of a decoder's; they have length 1 where `normalised` or those files say so.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the model reads no text as a whole.
    pub fn load(folder: &Path, pooling: Option<Pooling>, normalised: bool) -> Result<Self> {
        let model: Box<dyn Model> = match nuwa_format::is_scored(folder)? {
            true => Box::new(nuwa_format::load_scored(folder)?),
            false => nuwa_format::load_model(folder)?,
        };
        Self::of(model.into(), &Tokenizer::load(folder)?, folder, pooling, normalised)
    }

    /// As [`Embedder::load`], of a model that was read from `folder` to write and is shared with it.
    ///
    /// # Errors
    /// As there.
    pub fn of_engine(engine: &Engine, folder: &Path, normalised: bool) -> Result<Self> {
        Self::of(engine.shared_model(), engine.tokenizer(), folder, None, normalised)
    }

    fn of(
        model: Arc<dyn Model>,
        tokenizer: &Tokenizer,
        folder: &Path,
        pooling: Option<Pooling>,
        normalised: bool,
    ) -> Result<Self> {
        let beside = match pooling {
            Some(_) => SentenceSettings::default(),
            None => SentenceSettings::load(folder)?,
        };
        let reader = TextReader::new(model.as_ref(), tokenizer)?;
        let reader = beside.longest.map_or(reader.clone(), |longest| reader.of_at_most(longest));
        let usual = if reader.row() == LabelRow::First { Pooling::Mean } else { Pooling::Last };
        let pooling = pooling.or(beside.pooling).unwrap_or(usual);
        Ok(Self { model, reader, pooling, normalised: normalised || beside.normalised })
    }

    /// The same for texts in a language, by its number in the model.
    #[must_use]
    pub fn in_language(self, language: Option<u32>) -> Self {
        Self { reader: self.reader.in_language(language), ..self }
    }

    /// What makes ids of a text for it.
    pub fn reader(&self) -> &TextReader {
        &self.reader
    }

    /// How rows become one, and whether vectors have length 1.
    pub fn form(&self) -> (Pooling, bool) {
        (self.pooling, self.normalised)
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.model.config().width()
    }

    /// A vector for each text, of length 1 where it is normalised.
    ///
    /// # Errors
    /// When a text does not fit the model, or a number is none.
    pub fn embed(&self, texts: &[WholeText]) -> Result<Vec<Vec<f32>>> {
        let mut all = Vec::with_capacity(texts.len());
        for run in runs(texts) {
            let text = self.reader.packed(&run);
            let hidden = on_worker(|| -> Result<Vec<f32>> {
                let tape = Tape::inference();
                let rows = self.model.hidden(&Context::new(&tape), Input::Text(&text))?;
                Ok(rows.hidden.to_host())
            })?;
            let (width, mut start) = (self.width(), 0);
            for text in run {
                let end = start + text.ids.len() * width;
                all.push(self.vector(&hidden[start..end], width)?);
                start = end;
            }
        }
        Ok(all)
    }

    fn vector(&self, rows: &[f32], width: usize) -> Result<Vec<f32>> {
        let mut vector: Vec<f64> = match self.pooling {
            Pooling::Mean => mean(rows, width),
            Pooling::Cls => exact(&rows[..width]),
            Pooling::Last => exact(&rows[rows.len() - width..]),
        };
        if let Some(id) = vector.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { value: vector[id] as f32, id });
        }
        if self.normalised {
            let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
            // sentence-transformers divides by at least 1e-12.
            vector.iter_mut().for_each(|value| *value /= length.max(1e-12));
        }
        Ok(vector.into_iter().map(|value| value as f32).collect())
    }
}

fn exact(row: &[f32]) -> Vec<f64> {
    row.iter().map(|value| f64::from(*value)).collect()
}

fn mean(rows: &[f32], width: usize) -> Vec<f64> {
    let count = (rows.len() / width) as f64;
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| sum / count).collect()
}
