//! Where the text is that a model was pretrained on, so that fine-tuning can keep what it learnt there.

use std::path::{Path, PathBuf};

use nuwa_report::records::FineTuningOutcome;
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_shards::{Part, Shards};
use nuwa_tokenizer::Tokenizer;

use crate::failure::Problem;
use crate::stages;

/// The folder of token shards that was named, or the one that belongs to `model`; none where none is at hand.
///
/// # Errors
/// When the named one holds no shards, or its ids are those of another vocabulary.
pub fn shards(named: Option<&Path>, model: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(folder) = named else { return Ok(found(model)) };
    Shards::open(folder, Part::Train)?;
    if let (Some(ids), own) = (vocabulary(folder), Tokenizer::load(model)?.vocab_size())
        && ids != own as u64
    {
        let problem = format!(
            "--shards {}: made with a vocabulary of {ids} tokens, that of {} has {own}",
            folder.display(),
            model.display()
        );
        let hint = "tokenize the text with the model's own tokenizer: nuwa tokenize TEXT --tokenizer MODEL --out DIR";
        return Err(Problem::new(problem).hint(hint).into());
    }
    Ok(Some(folder.to_path_buf()))
}

/// `RUN/tokenize` of `RUN/model` and `RUN/STAGE/model`, or what the model was fine-tuned with before; read with the same tokenizer.
fn found(model: &Path) -> Option<PathBuf> {
    let model = crate::model::absolute(model);
    let in_run = model.ancestors().skip(1).take(2).map(|folder| folder.join("tokenize"));
    let tuned_with =
        stages::models().into_iter().filter_map(|stage| used_before(&model, &stage.summary_file()));
    in_run.chain(tuned_with).find(|folder| is_of(folder, &model))
}

fn used_before(model: &Path, name: &str) -> Option<PathBuf> {
    let outcome: FineTuningOutcome = nuwa_files::read_json(&model.parent()?.join(name)).ok()?;
    Some(outcome.pretraining?.shards)
}

/// Whether `folder` holds shards whose ids are those of `model`'s tokenizer.
fn is_of(folder: &Path, model: &Path) -> bool {
    let tokenizer = |folder: &Path| std::fs::read(folder.join("tokenizer.json")).ok();
    let beside = || tokenizer(&folder.parent()?.join("tokenizer"));
    let own = tokenizer(folder).or_else(beside);
    Shards::open(folder, Part::Train).is_ok() && own.is_some() && own == tokenizer(model)
}

fn vocabulary(folder: &Path) -> Option<u64> {
    let summary: TokenizeSummary = nuwa_files::read_json(&folder.join("tokenize.json")).ok()?;
    Some(summary.vocab_size)
}
