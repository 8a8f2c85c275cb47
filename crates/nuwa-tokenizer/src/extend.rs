//! Special tokens for a vocabulary that was made without them.

use std::path::Path;

use serde_json::{Value, json};

use crate::added::AddedToken;
use crate::config::Config;
use crate::import::hugging_face;
use crate::{Error, Result, Tokenizer};

impl Tokenizer {
    /// The id of the token with a role, such as `mask_token`.
    pub fn token_of_role(&self, role: &str) -> Option<u32> {
        self.config().token(role).and_then(|token| self.token_to_id(token))
    }

    /// The same with a token for each role: where it has none, the token of that name, which is appended to the vocabulary if it
    /// is not there yet. With a class and a separator given so, `tokenizer.json` also says that a text stands between them, as BERT
    /// reads it; [`Tokenizer::encode`] adds nothing.
    ///
    /// # Errors
    /// When the `tokenizer.json` cannot be extended.
    pub fn with_special_tokens(&self, tokens: &[(&str, &str)]) -> Result<Self> {
        let lacking = tokens.iter().filter(|(role, _)| self.token_of_role(role).is_none());
        let lacking: Vec<(&str, &str)> = lacking.copied().collect();
        if lacking.is_empty() {
            return Ok(self.clone());
        }
        let config = lacking
            .iter()
            .fold(self.config().clone(), |config, (role, token)| config.with_token(role, token));
        let given = |role: &str| lacking.iter().find(|(own, _)| *own == role).map(|(_, token)| *token);
        let around = given("cls_token").zip(given("sep_token")).map(|(class, separator)| [class, separator]);
        self.appended(lacking.iter().map(|(_, token)| *token), config, around)
    }

    /// The same with special tokens of these names, which have no role; those it lacks are appended to the vocabulary.
    ///
    /// # Errors
    /// When the `tokenizer.json` cannot be extended.
    pub fn with_tokens(&self, names: &[&str]) -> Result<Self> {
        if names.iter().all(|name| self.token_to_id(name).is_some()) {
            return Ok(self.clone());
        }
        self.appended(names.iter().copied(), self.config().clone(), None)
    }

    /// The same, around whose texts other programs put special tokens by these ids: before the first text, behind each, and at the end.
    /// Each text of a pair and the last token are segments of their own where there are `segments`, else programs are told of none.
    /// Here nothing is put around a text but by who encodes it.
    ///
    /// # Errors
    /// When an id is unknown, or the `tokenizer.json` cannot be extended.
    pub fn with_marks(&self, marks: [Option<u32>; 3], segments: bool) -> Result<Self> {
        let path = Path::new("tokenizer.json");
        let named = |id: Option<u32>| -> Result<Option<(String, u32)>> {
            let Some(id) = id else { return Ok(None) };
            let name = self
                .id_to_token(id)
                .ok_or_else(|| Error::invalid(path, format!("no token has the id {id}")))?;
            Ok(Some((name, id)))
        };
        let [before, behind, last] = marks;
        let marks = [named(before)?, named(behind)?, named(last)?];
        let mut json: Value = serde_json::from_str(self.json()).map_err(|error| Error::json(path, &error))?;
        json["post_processor"] = framing(&marks, segments);
        let mut config = self.config().clone();
        if last.is_some() {
            // The row that is read is that of the last token.
            config = config.with_note("padding_side", "left".into());
        }
        if !segments {
            config = config.with_note("model_input_names", json!(["input_ids", "attention_mask"]));
        }
        if self.token_of_role("pad_token") == behind
            && let Some(other) = self.special_but(behind)
        {
            // What fills up a text is not to be taken for its end.
            config = config.with_token("pad_token", &other);
        }
        Self::from_source(hugging_face::parse(path, json.to_string(), config)?)
    }

    /// The first special token that has not this id.
    fn special_but(&self, id: Option<u32>) -> Option<String> {
        let other = (0..self.vocab_size() as u32).find(|own| self.is_special(*own) && Some(*own) != id)?;
        self.id_to_token(other)
    }

    /// The same with those of the tokens that are not there yet, and with two `around` a text where they are given.
    fn appended<'a>(
        &self,
        tokens: impl Iterator<Item = &'a str>,
        config: Config,
        around: Option<[&str; 2]>,
    ) -> Result<Self> {
        let path = Path::new("tokenizer.json");
        let mut json: Value = serde_json::from_str(self.json()).map_err(|error| Error::json(path, &error))?;
        let new: Vec<&str> = tokens.filter(|token| self.token_to_id(token).is_none()).collect();
        if let Some(added) = json["added_tokens"].as_array_mut() {
            let ids = self.vocab_size() as u32..;
            added.extend(ids.zip(&new).map(|(id, token)| AddedToken::new(id, token, true).to_json()));
        }
        let id_of = |token: &str| {
            let place = new.iter().position(|new| *new == token);
            self.token_to_id(token).or(place.map(|place| (self.vocab_size() + place) as u32))
        };
        if let Some(around) = around {
            json["post_processor"] = template(around.map(|token| (token, id_of(token))));
        }
        let extended = Self::from_source(hugging_face::parse(path, json.to_string(), config)?)?;
        let expected = self.vocab_size() + new.len();
        if extended.vocab_size() == expected {
            return Ok(extended);
        }
        let found = extended.vocab_size();
        Err(Error::invalid(path, format!("with {} it has {found} tokens, not {expected}", new.join(", "))))
    }
}

/// `[CLS] A [SEP]`, and `[CLS] A [SEP] B [SEP]` for a pair of texts, the second of which is another segment.
fn template([class, separator]: [(&str, Option<u32>); 2]) -> Value {
    let mark = |(name, _): (&str, Option<u32>), segment: u8| json!({"SpecialToken": {"id": name, "type_id": segment}});
    let text = |part: &str, segment: u8| json!({"Sequence": {"id": part, "type_id": segment}});
    let single = [mark(class, 0), text("A", 0), mark(separator, 0)];
    let pair = single.iter().cloned().chain([text("B", 1), mark(separator, 1)]);
    let token = |(name, id): (&str, Option<u32>)| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({
        "type": "TemplateProcessing",
        "single": single,
        "pair": pair.collect::<Vec<_>>(),
        "special_tokens": {class.0: token(class), separator.0: token(separator)},
    })
}

/// A post-processor that puts the first of the marks before a text, the second behind it and behind a second one, and the third at
/// the end.
fn framing(marks: &[Option<(String, u32)>; 3], segments: bool) -> Value {
    let segment = |number: u8| if segments { number } else { 0 };
    let mark = |place: usize, number: u8| {
        let name = marks[place].as_ref().map(|(name, _)| name);
        name.map(|name| json!({"SpecialToken": {"id": name, "type_id": segment(number)}}))
    };
    let text = |part: &str, number: u8| Some(json!({"Sequence": {"id": part, "type_id": segment(number)}}));
    let first = [mark(0, 0), text("A", 0), mark(1, 0)];
    let second = [text("B", 1), mark(1, 1)];
    let all = |parts: &[&[Option<Value>]]| -> Vec<Value> { parts.concat().into_iter().flatten().collect() };
    let last = [mark(2, 2)];
    let token =
        |(name, id): &(String, u32)| (name.clone(), json!({"id": name, "ids": [id], "tokens": [name]}));
    json!({
        "type": "TemplateProcessing",
        "single": all(&[&first, &last]),
        "pair": all(&[&first, &second, &last]),
        "special_tokens": marks.iter().flatten().map(token).collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Tokenizer, TrainSettings, train};

    const TOKENS: [(&str, &str); 3] =
        [("sep_token", "[SEP]"), ("cls_token", "[CLS]"), ("mask_token", "[MASK]")];

    fn tokenizer() -> Tokenizer {
        let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
        train(std::iter::once("clay clay water water".to_string()), &settings, &mut |_| {}).unwrap()
    }

    #[test]
    fn tokens_that_are_missing_are_appended() {
        let before = tokenizer();
        let after = before.with_special_tokens(&TOKENS).unwrap();
        assert_eq!(after.vocab_size(), before.vocab_size() + 3);
        for (number, (role, token)) in TOKENS.iter().enumerate() {
            let id = (before.vocab_size() + number) as u32;
            assert_eq!((after.token_of_role(role), after.token_to_id(token)), (Some(id), Some(id)));
            assert!(after.is_special(id));
        }
        let json: serde_json::Value = serde_json::from_str(after.json()).unwrap();
        let marks = |form: &str| -> Vec<String> {
            let parts = json["post_processor"][form].as_array().unwrap().iter();
            let of = |part: &serde_json::Value| {
                part.as_object().unwrap().values().next().unwrap()["id"].to_string()
            };
            parts.map(of).collect::<Vec<_>>()
        };
        assert_eq!(marks("single").concat(), r#""[CLS]""A""[SEP]""#);
        assert_eq!(marks("pair").concat(), r#""[CLS]""A""[SEP]""B""[SEP]""#);
        let text = "water [MASK] clay";
        assert_eq!(after.encode(text).unwrap(), before.encode(text).unwrap(), "names in a text are text");
        assert_eq!(after.eos(), before.eos());
    }

    #[test]
    fn other_programs_are_told_what_stands_around_a_text() {
        let before = tokenizer().with_special_tokens(&TOKENS).unwrap();
        let [class, separator] = ["cls_token", "sep_token"].map(|role| before.token_of_role(role));
        let json =
            |tokenizer: &Tokenizer| serde_json::from_str::<serde_json::Value>(tokenizer.json()).unwrap();
        let after = before.with_marks([None, separator, class], true).unwrap();
        let pair = json(&after)["post_processor"]["pair"].to_string();
        let expected = concat!(
            r#"[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},"#,
            r#"{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}},"#,
            r#"{"SpecialToken":{"id":"[CLS]","type_id":2}}]"#
        );
        assert_eq!(pair, expected);
        assert_eq!(after.encode("water").unwrap(), before.encode("water").unwrap());
        let source = before.with_marks([None, before.eos(), None], false).unwrap();
        assert_eq!(json(&source)["post_processor"]["single"].as_array().unwrap().len(), 2);
        assert!(!source.adds_bos() && source.token_of_role("pad_token") != before.eos());
        assert!(before.with_marks([None, Some(9999), None], false).is_err());
    }

    #[test]
    fn what_is_there_stays_and_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let once = tokenizer().with_special_tokens(&TOKENS).unwrap();
        once.save(folder.path()).unwrap();
        let loaded = Tokenizer::load(folder.path()).unwrap();
        let again = loaded.with_special_tokens(&TOKENS).unwrap();
        assert_eq!(again.vocab_size(), once.vocab_size());
        assert_eq!(again.token_of_role("mask_token"), once.token_of_role("mask_token"));
    }
}
