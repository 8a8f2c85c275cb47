//! What an encoder made of sources, and who may read it.

use std::ops::Range;

use nuwa_nn::{Context, SourceLog};
use nuwa_tensor::{AttentionMask, Error, Result, Tensor};

use crate::{Input, Model, Text};

/// How much each token of `answer`, which begins with [`Config::decoder_start`](crate::Config::decoder_start), attends to each token
/// of `source` while the next one is predicted: of each layer a mean over heads, `[answer, source]`, whose rows add up to 1. What
/// the layer before the last attends to most is nearest to which words translate which (Garg et al., "Jointly Learning to Align
/// and Translate with Transformer Models", 2019).
///
/// # Errors
/// When the model is no encoder-decoder, a source is empty, or an id is unknown.
pub fn attention_to_source(
    model: &dyn Model,
    context: &Context<'_>,
    source: &[u32],
    answer: &[u32],
) -> Result<Vec<Vec<f32>>> {
    let log = SourceLog::default();
    let memory = model.encode(context, &Text::padded(&[source])?)?.with_log(&log);
    let text = Text::causal(answer.to_vec(), 1);
    model.hidden(context, Input::Answer { text: &text, memory: &memory })?;
    Ok(log.take())
}

/// The rows of an encoder, for a decoder to read.
#[derive(Debug, Clone)]
pub struct Memory {
    rows: Tensor,
    /// Rows a text.
    length: usize,
    /// Of each document of each text the rows that hold it.
    documents: Vec<Vec<Range<u32>>>,
    log: Option<SourceLog>,
}

impl Memory {
    /// The rows, `[m, d]`, that an encoder made of `source`.
    pub fn new(rows: Tensor, source: &Text) -> Self {
        let seen = |document: &Range<usize>| {
            let seen = document.clone().map(|row| source.mask.seen_by(row)).filter(|seen| !seen.is_empty());
            seen.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
        };
        let documents = documents(source).into_iter().map(|of_text| of_text.iter().map(seen).collect());
        Self { rows, length: source.mask.length(), documents: documents.collect(), log: None }
    }

    /// The same, of which decoders write down how they attend to it.
    #[must_use]
    pub fn with_log(self, log: &SourceLog) -> Self {
        Self { log: Some(log.clone()), ..self }
    }

    pub(crate) fn log(&self) -> Option<&SourceLog> {
        self.log.as_ref()
    }

    /// The rows, `[m, d]`.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// Of each text the rows of its document, among all rows, where each text is one source.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Range<u32>> {
        let first = |text: usize| (text * self.length) as u32;
        let of_text =
            move |(text, rows): (usize, &Range<u32>)| first(text) + rows.start..first(text) + rows.end;
        self.documents.iter().flatten().enumerate().map(of_text)
    }

    /// Which rows each token of `answer` reads: those of the source of its own document. The first document of a text answers the
    /// first of the same text of the source, the second the second, and so on.
    ///
    /// # Errors
    /// When the two have not as many texts, or a text not as many documents, or a source is empty.
    pub fn mask(&self, answer: &Text) -> Result<AttentionMask> {
        let (answers, length) = (documents(answer), answer.mask.length());
        if answers.len() != self.documents.len() {
            return Err(refused(format!("{} answers, {} sources", answers.len(), self.documents.len())));
        }
        let mut ranges = Vec::with_capacity(answer.ids.len());
        for (answers, sources) in answers.iter().zip(&self.documents) {
            if answers.len() != sources.len() {
                return Err(refused(format!(
                    "{} answers, {} sources in a text",
                    answers.len(),
                    sources.len()
                )));
            }
            for (answer, source) in answers.iter().zip(sources) {
                if source.is_empty() {
                    return Err(refused("a source is empty".into()));
                }
                ranges.resize(ranges.len() + answer.len(), [source.start, source.end]);
            }
        }
        AttentionMask::over_memory(self.documents.len(), [length, self.length], ranges)
    }
}

fn refused(reason: String) -> Error {
    Error::Shape { operation: "cross_attention", reason }
}

/// The rows of each document of each text, among all rows.
fn documents(text: &Text) -> Vec<Vec<Range<usize>>> {
    let length = text.mask.length();
    let of_text = |index: usize| {
        let rows = index * length..(index + 1) * length;
        let Some(starts) = &text.starts else { return vec![rows] };
        let documents = starts[rows.clone()].chunk_by(|a, b| a == b);
        let mut first = rows.start;
        documents
            .map(|document| {
                let start = first;
                first += document.len();
                start..first
            })
            .collect()
    };
    (0..text.mask.sequences()).map(of_text).collect()
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::Tape;

    use super::*;

    fn memory(source: &Text) -> Memory {
        let rows = source.ids.len();
        Memory::new(Tape::inference().constant([rows, 2], &vec![0.0; 2 * rows]).unwrap(), source)
    }

    fn seen(source: &Text, answer: &Text) -> Vec<Range<u32>> {
        let mask = memory(source).mask(answer).unwrap();
        (0..answer.ids.len()).map(|row| mask.seen_by(row)).collect()
    }

    #[test]
    fn each_answer_sees_its_own_source() {
        let sources: [&[u32]; 2] = [&[5, 6, 7], &[8, 9]];
        let answers: [&[u32]; 2] = [&[1], &[2, 3]];
        let packed = seen(&Text::packed_whole(sources), &Text::packed(answers));
        assert_eq!(packed, [0..3, 3..5, 3..5]);
        // Padded sources, and answers of one length.
        let padded = Text::padded(&sources).unwrap();
        assert_eq!(padded.ids, [5, 6, 7, 8, 9, 0]);
        assert_eq!(seen(&padded, &Text::causal(vec![1, 2, 3, 4], 2)), [0..3, 0..3, 0..2, 0..2]);
        assert_eq!(memory(&padded).sources().collect::<Vec<_>>(), [0..3, 3..5]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let told = |source: &Text, answer: &Text| memory(source).mask(answer).unwrap_err().to_string();
        let two: [&[u32]; 2] = [&[5, 6, 7], &[8, 9]];
        let one = Text::bidirectional(vec![1, 2], 1);
        assert_eq!(told(&one, &Text::causal(vec![1, 2], 2)), "cross_attention: 2 answers, 1 sources");
        assert_eq!(told(&one, &Text::packed(two)), "cross_attention: 2 answers, 1 sources in a text");
        let refused = Text::padded(&[&[1], &[]]).unwrap_err().to_string();
        assert_eq!(refused, "encoder: source 2 of 2 is empty");
    }
}
