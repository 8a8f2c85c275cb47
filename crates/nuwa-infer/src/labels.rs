//! A model that tells labels of texts.

use std::path::Path;

use nuwa_format::{Labels, Problem};
use nuwa_models::{Context, Scored, scores};
use nuwa_tensor::{Tape, on_worker};
use nuwa_tokenizer::Tokenizer;

use crate::whole::runs;
use crate::{Error, Result, TextReader, WholeText};

/// A model with a head for labels, and its tokenizer.
pub struct LabelTeller {
    model: Scored,
    labels: Labels,
    reader: TextReader,
}

impl LabelTeller {
    /// Reads the model folder `folder`.
    ///
    /// # Errors
    /// When it holds a model without such a head, a file is missing or damaged, or the files do not belong together.
    pub fn load(folder: &Path) -> Result<Self> {
        let (model, labels) = nuwa_format::load_labelled(folder)?;
        let reader = TextReader::new(&model, &Tokenizer::load(folder)?)?;
        Ok(Self { model, labels, reader })
    }

    /// The same for texts in a language, by its number in the model.
    #[must_use]
    pub fn in_language(self, language: Option<u32>) -> Self {
        Self { reader: self.reader.in_language(language), ..self }
    }

    /// What it tells.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What makes ids of a text for it.
    pub fn reader(&self) -> &TextReader {
        &self.reader
    }

    /// For each text what [`told`] makes of the model's numbers, in the order of the labels.
    ///
    /// # Errors
    /// When a text does not fit the model, or a number is none.
    pub fn tell(&self, texts: &[WholeText]) -> Result<Vec<Vec<f64>>> {
        let mut all = Vec::with_capacity(texts.len());
        for run in runs(texts) {
            let (text, rows) = (self.reader.packed(&run), self.reader.rows(&run));
            let found = on_worker(|| scores(&self.model, &Context::new(&Tape::inference()), &text, &rows))?;
            if let Some(id) = found.iter().position(|score| !score.is_finite()) {
                return Err(Error::NotFinite { value: found[id], id: id % self.labels.names.len() });
            }
            all.extend(found.chunks_exact(self.labels.names.len()).map(|own| told(self.labels.problem, own)));
        }
        Ok(all)
    }
}

/// What the numbers of a text's labels say: of one label the softmax, of several a sigmoid each, of a number itself.
pub fn told(problem: Problem, scores: &[f32]) -> Vec<f64> {
    let exact = || scores.iter().map(|score| f64::from(*score));
    match problem {
        Problem::Number => exact().collect(),
        Problem::Several => exact().map(|score| 1.0 / (1.0 + (-score).exp())).collect(),
        Problem::One => {
            let largest = exact().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = exact().map(|score| (score - largest).exp()).sum();
            exact().map(|score| (score - largest).exp() / sum).collect()
        }
    }
}

/// The place of the largest, the first of those that are as large.
pub fn likeliest_label(told: &[f64]) -> usize {
    let larger = |best: usize, at: usize| if told[at] > told[best] { at } else { best };
    (1..told.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_problem() {
        let found = told(Problem::One, &[1.0, 1.0 + 3.0_f32.ln()]);
        assert!((found[0] - 0.25).abs() < 1e-7 && (found[1] - 0.75).abs() < 1e-7, "{found:?}");
        assert!((told(Problem::One, &[1000.0, 0.0])[0] - 1.0).abs() < 1e-12);
        assert_eq!(told(Problem::Several, &[0.0, 1e4]), [0.5, 1.0]);
        assert_eq!(told(Problem::Number, &[-2.5]), [-2.5]);
        assert_eq!(likeliest_label(&[0.2, 0.4, 0.4]), 1);
    }
}
