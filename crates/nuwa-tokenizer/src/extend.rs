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
