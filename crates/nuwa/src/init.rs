//! The model that pretraining goes on with, and whether shards are of its vocabulary.

use std::path::{Path, PathBuf};

use nuwa_files::quoted_path;
use nuwa_models::{Model, ModelConfig};
use nuwa_tokenizer::Tokenizer;

use crate::failure::Problem;
use crate::model;

/// A model to go on with.
pub struct GivenModel {
    /// As it was named.
    named: PathBuf,
    /// The model.
    pub model: Box<dyn Model>,
    /// Its shape.
    pub config: ModelConfig,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

impl GivenModel {
    /// Reads the model folder, or that of a run.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let folder = model::folder(path)?;
        let model = nuwa_format::load_model(&folder)?;
        let tokenizer = Tokenizer::load(&folder)?;
        Ok(Self { named: path.to_path_buf(), config: model.config(), model, tokenizer })
    }

    /// Refuses shards that were made with another vocabulary: each id would mean another text to the model.
    pub fn check(&self, shards: &Path, theirs: &Tokenizer) -> anyhow::Result<()> {
        let Some(difference) = difference(&self.tokenizer, theirs) else { return Ok(()) };
        let (model, shards) = (self.named.display(), shards.display());
        let problem = Problem::new(format!("{shards} is not in the vocabulary of {model}: {difference}"));
        let hint = format!(
            "make shards with the model's tokenizer: nuwa tokenize DOCUMENTS --tokenizer {} --out SHARDS",
            quoted_path(model::tokenizer(&self.named))
        );
        Err(problem.hint(hint).into())
    }
}

/// The first thing in which two vocabularies differ.
fn difference(own: &Tokenizer, theirs: &Tokenizer) -> Option<String> {
    let sizes = [own, theirs].map(Tokenizer::vocab_size);
    if sizes[0] != sizes[1] {
        return Some(format!("the model knows {} tokens, the shards' tokenizer {}", sizes[0], sizes[1]));
    }
    let entry = |tokenizer: &Tokenizer, id| (tokenizer.id_to_token(id), tokenizer.is_special(id));
    let named = |(token, special): (Option<String>, bool)| {
        let kind = if special { "special token" } else { "token" };
        token.map_or("no token".into(), |token| format!("the {kind} {token:?}"))
    };
    let other = (0..sizes[0] as u32).find(|&id| entry(own, id) != entry(theirs, id));
    let other = other.map(|id| {
        let [own, theirs] = [own, theirs].map(|tokenizer| named(entry(tokenizer, id)));
        format!("id {id} is {own} to the model, {theirs} to the shards' tokenizer")
    });
    let ends = own.eos() != theirs.eos();
    other.or_else(|| ends.then(|| "another token ends a text".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(text: &str) -> Tokenizer {
        let settings = nuwa_tokenizer::TrainSettings { vocab_size: 262, ..Default::default() };
        nuwa_tokenizer::train(std::iter::once(text.to_string()), &settings, &mut |_| {}).unwrap()
    }

    #[test]
    fn vocabularies_are_equal_token_by_token() {
        let own = tokenizer("clay clay clay water water");
        assert_eq!(difference(&own, &tokenizer("clay clay clay water water")), None);
        let told = difference(&own, &tokenizer("fire fire fire earth earth")).unwrap();
        assert!(told.starts_with("id 259 is the token "), "{told}");
    }
}
