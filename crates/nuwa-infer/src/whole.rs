//! Texts that a model reads as a whole to tell something of them: a label, a vector.
//!
//! An encoder reads `[CLS] A [SEP]`, of two texts `[CLS] A [SEP] B [SEP]` with the second as another segment; XLNet `A <sep> <cls>`
//! and `A <sep> B <sep> <cls>`, with the last token as a segment of its own; an encoder-decoder `A </s>` and `A </s> B </s>`; a
//! decoder reads the text after the beginning of a text where its tokenizer puts one, and two texts with a line break between them. So
//! the ids are those that transformers' tokenizer gives for the text, or for the two.

use nuwa_models::{Family, LabelRow, Model, Text};
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
    Encoder {
        class: u32,
        separator: u32,
    },
    /// Of XLNet.
    AnyOrder {
        separator: u32,
        class: u32,
    },
    /// Of an encoder-decoder.
    Source {
        first: Option<u32>,
        end: u32,
    },
    Decoder {
        first: Option<u32>,
    },
}

impl Marks {
    fn of(model: &dyn Model, tokenizer: &Tokenizer) -> Result<Self> {
        let special = |role: &'static str| tokenizer.token_of_role(role).ok_or(Error::NoToken { role });
        let config = model.config();
        let first = tokenizer.bos().filter(|_| tokenizer.adds_bos());
        Ok(match config.label_head().row {
            LabelRow::First => {
                Self::Encoder { class: special("cls_token")?, separator: special("sep_token")? }
            }
            LabelRow::Last if config.family() == Family::Xlnet => {
                Self::AnyOrder { separator: special("sep_token")?, class: special("cls_token")? }
            }
            LabelRow::Last if config.is_encoder_decoder() => {
                Self::Source { first, end: special("eos_token")? }
            }
            LabelRow::Last => Self::Decoder { first },
        })
    }

    /// What stands before the first text, behind each text, and at the end; nothing around the texts of a decoder.
    fn around(self) -> Option<[Option<u32>; 3]> {
        match self {
            Self::Encoder { class, separator } => Some([Some(class), Some(separator), None]),
            Self::AnyOrder { separator, class } => Some([None, Some(separator), Some(class)]),
            Self::Source { first, end } => Some([first, Some(end), None]),
            Self::Decoder { .. } => None,
        }
    }
}

impl TextReader {
    /// For `model`, whose tokenizer is `tokenizer`.
    ///
    /// # Errors
    /// When the tokenizer lacks the tokens that stand around a text, or has ids that the model does not know.
    pub fn new(model: &dyn Model, tokenizer: &Tokenizer) -> Result<Self> {
        let marks = Marks::of(model, tokenizer)?;
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

    /// The tokenizer as other programs are to have it: they put around a text what stands around it here.
    ///
    /// # Errors
    /// When it cannot be changed.
    pub fn tokenizer_for_others(&self) -> Result<Tokenizer> {
        match (self.marks, self.marks.around()) {
            (Marks::AnyOrder { .. }, Some(around)) => Ok(self.tokenizer.with_marks(around, true)?),
            (Marks::Source { .. }, Some(around)) => Ok(self.tokenizer.with_marks(around, false)?),
            _ => Ok(self.tokenizer.clone()),
        }
    }

    /// The row of a text that stands for it.
    pub fn row(&self) -> LabelRow {
        match self.marks {
            Marks::Encoder { .. } => LabelRow::First,
            Marks::AnyOrder { .. } | Marks::Source { .. } | Marks::Decoder { .. } => LabelRow::Last,
        }
    }

    /// Whether each token of a text sees the whole of it, and not what stands before it alone.
    pub fn sees_both_sides(&self) -> bool {
        !matches!(self.marks, Marks::Decoder { .. })
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
        match (self.marks, self.marks.around()) {
            (Marks::Decoder { first }, _) => self.after_beginning(text, second, first),
            (_, around) => self.between_marks(text, second, around.unwrap_or_default()),
        }
    }

    fn between_marks(
        &self,
        text: &str,
        second: Option<&str>,
        [before, behind, last]: [Option<u32>; 3],
    ) -> Result<WholeText> {
        let mut parts = vec![self.encode(text)?];
        parts.extend(second.map(|second| self.encode(second)).transpose()?);
        let marks = [before, last].iter().flatten().count() + parts.len();
        let room = self.context.saturating_sub(marks);
        let cut = shorten(&mut parts, room);
        if parts.iter().any(Vec::is_empty) {
            return Err(Error::NoRoom { context: self.context });
        }
        let (mut ids, mut begins) = (Vec::from_iter(before), 0);
        for part in &parts {
            begins = ids.len();
            ids.extend(part);
            ids.extend(behind);
        }
        ids.extend(last);
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

    /// The texts one after the other in one row, each seeing itself alone: a token the whole of its text, one of a decoder's what
    /// stands before it.
    pub fn packed(&self, texts: &[&WholeText]) -> Text {
        let all = texts.iter().map(|text| &text.ids[..]);
        let mut packed = if self.sees_both_sides() { Text::packed_whole(all) } else { Text::packed(all) };
        if self.sees_both_sides() {
            packed.queries = None;
        }
        packed.segments = self.segments(texts);
        if let Some(language) = self.language {
            packed.languages = vec![language; packed.ids.len()];
        }
        packed
    }

    /// Of an encoder 0 for each token of a first text and 1 for each of a second, empty where no text has a second; of XLNet 2 for
    /// the last token of each.
    fn segments(&self, texts: &[&WholeText]) -> Vec<u32> {
        let class = match self.marks {
            Marks::Encoder { .. } => 0,
            Marks::AnyOrder { .. } => 1,
            Marks::Source { .. } | Marks::Decoder { .. } => return Vec::new(),
        };
        if class == 0 && texts.iter().all(|text| text.second == text.ids.len()) {
            return Vec::new();
        }
        let of = |text: &&WholeText| {
            let (own, second) = (text.ids.len() - class, text.second);
            let parts = (0..own).map(move |at| u32::from(at >= second));
            parts.chain(std::iter::repeat_n(2, class)).collect::<Vec<u32>>()
        };
        texts.iter().flat_map(of).collect()
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
    use nuwa_models::{ModelConfig, build};
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;

    const SPECIAL: [(&str, &str); 2] = [("cls_token", "<cls>"), ("sep_token", "<sep>")];

    fn reader(config: &str) -> (TextReader, Tokenizer) {
        let settings = TrainSettings { vocab_size: 261, ..TrainSettings::default() };
        let tokenizer = train(std::iter::once("ab ".repeat(9)), &settings, &mut |_| {}).unwrap();
        let tokenizer = tokenizer.with_special_tokens(&SPECIAL).unwrap();
        let model = build(&serde_json::from_str::<ModelConfig>(config).unwrap(), 1).unwrap();
        (TextReader::new(model.as_ref(), &tokenizer).unwrap(), tokenizer)
    }

    #[test]
    fn what_stands_around_texts_is_that_of_the_family() {
        let (xlnet, tokenizer) = reader(
            r#"{"model_type": "xlnet", "vocab_size": 300, "d_model": 8, "d_inner": 8, "n_layer": 1, "n_head": 2, "n_positions": 9}"#,
        );
        let own = |text: &str| tokenizer.encode(text).unwrap();
        let [class, separator] =
            ["cls_token", "sep_token"].map(|role| tokenizer.token_of_role(role).unwrap());
        let (one, two) = (xlnet.read("xy", None).unwrap(), xlnet.read("x", Some("yz")).unwrap());
        assert_eq!(one.ids, [&own("xy")[..], &[separator, class]].concat());
        assert_eq!(two.ids, [&own("x")[..], &[separator], &own("yz"), &[separator, class]].concat());
        let packed = xlnet.packed(&[&one, &two]);
        assert_eq!(packed.segments, [0, 0, 0, 2, 0, 0, 1, 1, 1, 2]);
        assert_eq!((packed.mask.seen_by(1), packed.mask.seen_by(9)), (0..4, 4..10));
        assert_eq!(xlnet.rows(&[&one, &two]), [3, 9]);
        assert!(packed.queries.is_none() && xlnet.sees_both_sides());

        let (t5, tokenizer) = reader(
            r#"{"model_type": "t5", "vocab_size": 300, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_decoder_layers": 1,
                "num_heads": 2, "n_positions": 9, "decoder_start_token_id": 0}"#,
        );
        let end = tokenizer.eos().unwrap();
        let two = t5.read("x", Some("y")).unwrap();
        assert_eq!(two.ids, [&own("x")[..], &[end], &own("y"), &[end]].concat());
        assert!(t5.packed(&[&two]).segments.is_empty());
        assert_eq!((t5.rows(&[&two, &two]), t5.row()), (vec![3, 7], LabelRow::Last));
        assert_eq!(t5.tokenizer_for_others().unwrap().encode("x").unwrap(), own("x"));
    }

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
