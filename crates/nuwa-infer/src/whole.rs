//! Texts that a model reads as a whole to tell something of them: a label, a vector.
//!
//! An encoder reads `[CLS] A [SEP]`, of two texts `[CLS] A [SEP] B [SEP]` with the second as another segment; a decoder reads the
//! text after the beginning of a text where its tokenizer puts one, and two texts with a line break between them. So the ids are
//! those that transformers' tokenizer gives for the text, or for the two.

use nuwa_models::{LabelRow, Model, Text};
use nuwa_tensor::AttentionMask;
use nuwa_tokenizer::Tokenizer;

use crate::{Error, Result};

/// The ids of a text with the tokens around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WholeText {
    /// The ids; at least one.
    pub ids: Vec<u32>,
    /// Where the second text begins, which is a segment of its own to an encoder; the length where there is none.
    pub second: usize,
    /// Tokens at the end that did not fit the context and were left out.
    pub cut: usize,
}

/// What makes such ids for one model.
#[derive(Debug, Clone)]
pub struct TextReader {
    tokenizer: Tokenizer,
    marks: Marks,
    context: usize,
    language: Option<u32>,
}

/// What stands around a text.
#[derive(Debug, Clone, Copy)]
enum Marks {
    Encoder { class: u32, separator: u32 },
    Decoder { first: Option<u32> },
}

impl TextReader {
    /// For `model`, whose tokenizer is `tokenizer`.
    ///
    /// # Errors
    /// When the model reads no text as a whole, or an encoder's tokenizer lacks the tokens that stand around a text.
    pub fn new(model: &dyn Model, tokenizer: &Tokenizer) -> Result<Self> {
        let config = model.config();
        let special = |role: &'static str| tokenizer.token_of_role(role).ok_or(Error::NoToken { role });
        let marks = match config.label_head().map(|head| head.row) {
            Some(LabelRow::First) => {
                Marks::Encoder { class: special("cls_token")?, separator: special("sep_token")? }
            }
            Some(LabelRow::Last) => {
                Marks::Decoder { first: tokenizer.bos().filter(|_| tokenizer.adds_bos()) }
            }
            None => return Err(Error::ReadsNothingWhole { class: config.architecture() }),
        };
        let (known, written) = (model.vocabulary(), tokenizer.vocab_size());
        if written > known {
            return Err(Error::Vocabulary { tokenizer: written, model: known });
        }
        Ok(Self { tokenizer: tokenizer.clone(), marks, context: model.context(), language: None })
    }

    /// The same for at most so many tokens, if that is less than the model's context.
    #[must_use]
    pub fn of_at_most(self, tokens: usize) -> Self {
        Self { context: self.context.min(tokens), ..self }
    }

    /// The same for texts in a language, by its number in the model.
    #[must_use]
    pub fn in_language(self, language: Option<u32>) -> Self {
        Self { language, ..self }
    }

    /// The row of a text that stands for it.
    pub fn row(&self) -> LabelRow {
        match self.marks {
            Marks::Encoder { .. } => LabelRow::First,
            Marks::Decoder { .. } => LabelRow::Last,
        }
    }

    /// The most tokens of a text.
    pub fn context(&self) -> usize {
        self.context
    }

    /// A text, or two. What does not fit the context is cut off at the end, of two texts from the longer one.
    ///
    /// # Errors
    /// When there is nothing in it, or the context has no room for a token of each text.
    pub fn read(&self, text: &str, second: Option<&str>) -> Result<WholeText> {
        match self.marks {
            Marks::Encoder { class, separator } => self.between_marks(text, second, class, separator),
            Marks::Decoder { first } => self.after_beginning(text, second, first),
        }
    }

    fn between_marks(
        &self,
        text: &str,
        second: Option<&str>,
        class: u32,
        separator: u32,
    ) -> Result<WholeText> {
        let mut parts = vec![self.encode(text)?];
        parts.extend(second.map(|second| self.encode(second)).transpose()?);
        let room = self.context.saturating_sub(1 + parts.len());
        let cut = shorten(&mut parts, room);
        if parts.iter().any(Vec::is_empty) {
            return Err(Error::NoRoom { context: self.context });
        }
        let (mut ids, mut begins) = (vec![class], 0);
        for part in &parts {
            begins = ids.len();
            ids.extend(part);
            ids.push(separator);
        }
        let second = if parts.len() == 2 { begins } else { ids.len() };
        Ok(WholeText { ids, second, cut })
    }

    fn after_beginning(&self, text: &str, second: Option<&str>, first: Option<u32>) -> Result<WholeText> {
        let own = match second {
            Some(second) => self.encode(&format!("{text}\n{second}"))?,
            None => self.encode(text)?,
        };
        let mut ids: Vec<u32> = first.into_iter().chain(own).collect();
        let cut = ids.len().saturating_sub(self.context);
        ids.truncate(self.context);
        Ok(WholeText { second: ids.len(), ids, cut })
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.tokenizer.encode(text)?;
        if ids.is_empty() || text.trim().is_empty() { Err(Error::EmptyText) } else { Ok(ids) }
    }

    /// The texts one after the other in one row, each seeing itself alone: a token of an encoder's the whole of its text, one of a
    /// decoder's what stands before it.
    pub fn packed(&self, texts: &[&WholeText]) -> Text {
        let all = || texts.iter().map(|text| &text.ids[..]);
        let mut packed = Text::packed(all());
        if let Marks::Encoder { .. } = self.marks {
            let (mut ranges, mut start) = (Vec::new(), 0);
            for ids in all() {
                let end = start + ids.len() as u32;
                ranges.extend(std::iter::repeat_n([start, end], ids.len()));
                start = end;
            }
            let length = start as usize;
            packed.mask = AttentionMask::new(1, length, ranges).expect("a range lies within its row");
            packed.segments = segments(texts);
        }
        if let Some(language) = self.language {
            packed.languages = vec![language; packed.ids.len()];
        }
        packed
    }

    /// For each of those texts the row that stands for it.
    pub fn rows(&self, texts: &[&WholeText]) -> Vec<u32> {
        let mut start = 0;
        let row = |text: &&WholeText| {
            let first = start;
            start += text.ids.len() as u32;
            if self.row() == LabelRow::First { first } else { start - 1 }
        };
        texts.iter().map(row).collect()
    }
}

/// 0 for each token of a first text, 1 for each of a second; empty where no text has a second.
fn segments(texts: &[&WholeText]) -> Vec<u32> {
    if texts.iter().all(|text| text.second == text.ids.len()) {
        return Vec::new();
    }
    let of = |text: &&WholeText| {
        let second = text.second;
        (0..text.ids.len()).map(move |at| u32::from(at >= second)).collect::<Vec<u32>>()
    };
    texts.iter().flat_map(of).collect()
}

/// Cuts tokens off the end of the longest part, of parts as long off the last, until all have room; gives how many.
fn shorten(parts: &mut [Vec<u32>], room: usize) -> usize {
    let mut cut = 0;
    while parts.iter().map(Vec::len).sum::<usize>() > room {
        match parts.iter_mut().max_by_key(|part| part.len()) {
            Some(longest) if !longest.is_empty() => longest.pop(),
            _ => break,
        };
        cut += 1;
    }
    cut
}

/// Tokens that go through a model at one time.
const MICRO_BATCH: usize = 4096;

/// Runs of texts that go through a model at one time.
pub(crate) fn runs(texts: &[WholeText]) -> Vec<Vec<&WholeText>> {
    let (mut runs, mut filled): (Vec<Vec<&WholeText>>, usize) = (Vec::new(), usize::MAX);
    for text in texts {
        if filled.saturating_add(text.ids.len()) > MICRO_BATCH {
            runs.push(Vec::new());
            filled = 0;
        }
        filled += text.ids.len();
        if let Some(run) = runs.last_mut() {
            run.push(text);
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_two_texts_is_cut() {
        let mut parts = [vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]];
        assert_eq!(shorten(&mut parts, 5), 4);
        assert_eq!(parts, [vec![1, 2, 3], vec![7, 8]]);
        assert_eq!(shorten(&mut [vec![1], vec![2]], 5), 0);
        let mut none = [vec![1], vec![2]];
        assert_eq!(shorten(&mut none, 0), 2);
    }

    #[test]
    fn runs_hold_as_much_as_fits() {
        let text = |length: usize| WholeText { ids: vec![0; length], second: length, cut: 0 };
        let texts = [text(4000), text(96), text(1), text(5000), text(2)];
        let lengths: Vec<Vec<usize>> =
            runs(&texts).iter().map(|run| run.iter().map(|text| text.ids.len()).collect()).collect();
        assert_eq!(lengths, [vec![4000, 96], vec![1], vec![5000], vec![2]]);
    }
}
