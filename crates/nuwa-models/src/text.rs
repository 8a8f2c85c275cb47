use std::borrow::Cow;
use std::sync::Arc;

use nuwa_tensor::{AttentionMask, Error, Result, RouterCoefficients, RouterLog, RouterShares, Tape, Tensor};

/// Texts of equal length as a model reads them: everything that an objective may vary. `n` rows are those of all texts, one
/// text after the other.
#[derive(Debug, Clone)]
pub struct Text {
    /// The tokens, `n`.
    pub ids: Vec<u32>,
    /// The position of each token in its document, `n`.
    pub positions: Arc<[u32]>,
    /// The segment of each token (BERT's first and second sentence), `n`; empty where all are 0.
    pub segments: Vec<u32>,
    /// The language of each token, `n`; empty where all are 0.
    pub languages: Vec<u32>,
    /// Which tokens each token attends to.
    pub mask: AttentionMask,
    /// Where in its text the document of each token begins, `n`, for layers that carry a state along; none where every text
    /// is one document.
    pub starts: Option<Arc<[u32]>>,
    /// What models of two streams (XLNet) are asked for in place of a row for each token; others give those whatever it says.
    pub queries: Option<Queries>,
    /// What stands before the texts, for models with a memory of it.
    pub before: Option<Arc<Before>>,
}

/// Rows of a second stream, each of which stands for a place in a text without seeing the token there.
#[derive(Debug, Clone)]
pub enum Queries {
    /// For each token what follows it, seen from all that the token attends to: as if the model had one stream.
    Next,
    /// So many places of each text, text by text.
    Places {
        /// The place of each query in its text.
        places: Vec<u32>,
        /// Which tokens each query attends to.
        mask: AttentionMask,
    },
}

/// The segments before texts, which are read without a gradient: every layer attends to what it was given of them (segment
/// recurrence; Dai et al., "Transformer-XL", 2019).
#[derive(Debug, Clone)]
pub struct Before {
    /// As many texts, of a length of their own. They may have something before them in turn.
    pub text: Text,
    /// The token of each from which on it is seen: all of a text from 0 on, nothing from its length on.
    pub first: Vec<u32>,
}

impl Text {
    /// `texts` texts of which each token attends to itself and to those before it, and is followed by what is to be predicted.
    ///
    /// # Panics
    /// When `ids` are not a multiple of `texts`.
    pub fn causal(ids: Vec<u32>, texts: usize) -> Self {
        Self { queries: Some(Queries::Next), ..Self::new(ids, texts, AttentionMask::causal) }
    }

    /// Texts of unlike lengths one after the other in one row, each a document that sees itself alone.
    pub fn packed<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut starts) = (Vec::new(), Vec::new());
        for text in texts {
            let start = ids.len() as u32;
            ids.extend_from_slice(text);
            starts.resize(ids.len(), start);
        }
        Self::causal(ids, 1).within_documents(starts)
    }

    /// `texts` texts of which each token attends to the whole text.
    ///
    /// # Panics
    /// As [`Text::causal`].
    pub fn bidirectional(ids: Vec<u32>, texts: usize) -> Self {
        Self::new(ids, texts, AttentionMask::full)
    }

    /// As [`Text::packed`], each token attending to the whole of its document: sources of an encoder.
    pub fn packed_whole<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let packed = Self::packed(texts);
        let starts = packed.starts.clone().unwrap_or_default();
        let ranges = starts.chunk_by(|a, b| a == b).flat_map(|document| {
            let range = [document[0], document[0] + document.len() as u32];
            std::iter::repeat_n(range, document.len())
        });
        let mask =
            AttentionMask::new(1, starts.len(), ranges.collect()).expect("documents lie within their text");
        Self { mask, ..packed }
    }

    /// Texts of unlike lengths side by side, each token attending to the whole of its own: filled up behind their ends with
    /// tokens that none sees.
    ///
    /// # Errors
    /// When there is none, or one is empty.
    pub fn padded(texts: &[&[u32]]) -> Result<Self> {
        if texts.is_empty() {
            return Err(Error::Shape { operation: "encoder", reason: "there is no source".into() });
        }
        if let Some(empty) = texts.iter().position(|text| text.is_empty()) {
            let reason = format!("source {} of {} is empty", empty + 1, texts.len());
            return Err(Error::Shape { operation: "encoder", reason });
        }
        let length = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let ids = texts.iter().flat_map(|text| text.iter().copied().chain(std::iter::repeat(0)).take(length));
        let ranges = texts.iter().flat_map(|text| std::iter::repeat_n([0, text.len() as u32], length));
        let mask = AttentionMask::new(texts.len(), length, ranges.collect())?;
        Ok(Self { mask, ..Self::bidirectional(ids.collect(), texts.len()) })
    }

    fn new(ids: Vec<u32>, texts: usize, mask: fn(usize, usize) -> AttentionMask) -> Self {
        assert!(texts > 0 && ids.len().is_multiple_of(texts), "{} ids in {texts} texts", ids.len());
        let length = ids.len() / texts;
        let positions = (0..length as u32).collect::<Vec<_>>().repeat(texts).into();
        let (segments, languages) = (Vec::new(), Vec::new());
        let mask = mask(texts, length);
        Self { ids, positions, segments, languages, mask, starts: None, queries: None, before: None }
    }

    /// The same, but no token attends to an earlier document, and positions count from each document's start; `starts` holds
    /// for each token where in its text its document begins.
    ///
    /// # Panics
    /// When there is not one start a token.
    #[must_use]
    pub fn within_documents(self, starts: Vec<u32>) -> Self {
        let mask = self.mask.within_documents(&starts);
        let positions = self.positions.iter().zip(&starts).map(|(position, start)| position - start);
        Self { mask, positions: positions.collect(), starts: Some(starts.into()), ..self }
    }

    /// What a decoder reads where it is to write these texts again: each document of them one place later, behind `start`, every
    /// token seeing itself and what stands before it.
    pub(crate) fn again_behind(&self, start: u32) -> Self {
        let (texts, length) = (self.mask.sequences(), self.mask.length());
        let begins = |row: usize| match &self.starts {
            Some(starts) => starts[row] as usize == row % length,
            None => row.is_multiple_of(length),
        };
        let id = |row: usize| if begins(row) { start } else { self.ids[row - 1] };
        let again = Self::causal((0..self.ids.len()).map(id).collect(), texts);
        match &self.starts {
            Some(starts) => again.within_documents(starts.to_vec()),
            None => again,
        }
    }

    /// The segment of each token.
    pub(crate) fn segments(&self) -> Cow<'_, [u32]> {
        or_zeros(&self.segments, self.ids.len())
    }

    /// The row of the first token of each text.
    pub fn first_rows(&self) -> Vec<u32> {
        (0..self.mask.sequences()).map(|text| (text * self.mask.length()) as u32).collect()
    }
}

/// `values`, or as many zeros as there are tokens where there are none.
fn or_zeros(values: &[u32], tokens: usize) -> Cow<'_, [u32]> {
    if values.is_empty() { vec![0; tokens].into() } else { values.into() }
}

/// What a forward pass gives.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The last hidden states, `[n, d]`.
    pub hidden: Tensor,
    /// A row for each text, `[texts, d]`, of models that have one.
    pub pooled: Option<Tensor>,
    /// A loss of the model's own (that of a router), `[1]`, to be added to the objective's.
    pub auxiliary: Option<Tensor>,
    /// How each layer shared the rows among its experts, of models that have some.
    pub shares: Vec<Option<RouterShares>>,
}

impl From<Tensor> for Rows {
    /// Hidden states alone.
    fn from(hidden: Tensor) -> Self {
        Self { hidden, pooled: None, auxiliary: None, shares: Vec::new() }
    }
}

impl Rows {
    /// The same with the losses of the routers that `log` is of, and what they did.
    pub(crate) fn with_routers(self, tape: &Tape, log: &RouterLog, losses: RouterCoefficients) -> Self {
        Self { auxiliary: tape.router_loss(log, losses), shares: log.shares(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_reads_each_document_again_behind_its_start() {
        let sources: [&[u32]; 2] = [&[5, 6, 7], &[8, 9]];
        let packed = Text::packed_whole(sources).again_behind(1);
        assert_eq!((&packed.ids[..], &*packed.positions), (&[1, 5, 6, 1, 8][..], &[0, 1, 2, 0, 1][..]));
        let seen: Vec<_> = (0..5).map(|row| packed.mask.seen_by(row)).collect();
        assert_eq!(seen, [0..1, 0..2, 0..3, 3..4, 3..5]);
        let beside = Text::bidirectional(vec![5, 6, 7, 8], 2).again_behind(1);
        assert_eq!(beside.ids, [1, 5, 1, 7]);
    }
}
