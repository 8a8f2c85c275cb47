//! Token shards and the tokenizer that made them.

use std::path::{Path, PathBuf};

use nuwa_shards::{Part, Shards};
use nuwa_tokenizer::Tokenizer;

use crate::failure::Problem;

/// The folder of shards that is meant by a folder, which may be that of a run, and the tokenizer that made them: the one that is named, in
/// their folder, or beside it as runs have it.
pub fn shards_and_tokenizer(data: &Path, named: Option<&Path>) -> anyhow::Result<(PathBuf, Tokenizer)> {
    let of_run = data.join("tokenize");
    let shards = if of_run.is_dir() { of_run } else { data.to_path_buf() };
    Shards::open(&shards, Part::Train)?;
    let tokenizer = match named {
        Some(named) => Tokenizer::load(named)?,
        None => beside(&shards)?,
    };
    Ok((shards, tokenizer))
}

fn beside(shards: &Path) -> anyhow::Result<Tokenizer> {
    let of_run = shards.parent().map(|run| run.join("tokenizer")).filter(|folder| folder.is_dir());
    match (Tokenizer::load(shards), of_run) {
        (Err(nuwa_tokenizer::Error::NoTokenizer { .. }), Some(of_run)) => Ok(Tokenizer::load(&of_run)?),
        (Err(nuwa_tokenizer::Error::NoTokenizer { .. }), None) => {
            let problem = format!("{} holds no tokenizer beside its shards", shards.display());
            Err(Problem::new(problem).hint("name the one that made the shards with --tokenizer").into())
        }
        (loaded, _) => Ok(loaded?),
    }
}
