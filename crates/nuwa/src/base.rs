//! Whether a model was taught to answer, or was only pretrained: a base model.

use std::path::Path;

use nuwa_infer::{Engine, Window};
use nuwa_tokenizer::{Message, Tokenizer};

use crate::failure::Problem;
use crate::run::About;
use crate::stages;

/// Whether the model in `folder` was taught to answer.
///
/// A tokenizer trained here carries a chat template from the beginning, so that says nothing. The run or the stage that the folder
/// lies in knows; of any other folder the model is asked ([`ends_turns`]).
pub fn answers(folder: &Path, engine: &Engine) -> anyhow::Result<bool> {
    if engine.tokenizer().chat_template().is_none() {
        return Ok(false);
    }
    match said_beside(folder) {
        Some(answers) => Ok(answers),
        None => ends_turns(engine),
    }
}

/// Answers are judged of a model that gives some.
pub fn check_answers(folder: &Path, engine: &Engine) -> anyhow::Result<()> {
    if answers(folder, engine)? {
        return Ok(());
    }
    let problem = Problem::new(format!(
        "{} is a base model: it continues text, and has no answers to judge",
        folder.display()
    ));
    Err(problem.hint("teach it to answer first: nuwa sft --help").into())
}

/// The run or the stage of a model folder called `model`.
pub fn run_of(folder: &Path) -> Option<&Path> {
    folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == "model"))
}

fn said_beside(folder: &Path) -> Option<bool> {
    let place = run_of(folder)?;
    let ran = |stage: &About| {
        let file = stage.summary_file();
        place.join(&file).is_file() || place.join(stage.name).join(&file).is_file()
    };
    let models = stages::models();
    let (pretrained, fine_tuned) = models.split_first()?;
    if fine_tuned.iter().any(|stage| ran(stage)) { Some(true) } else { ran(pretrained).then_some(false) }
}

/// Whether the model gives the token that ends a turn more than chance would, `1 / vocabulary`, after an answer. A model that saw no
/// dialogue has learnt that this token never comes.
fn ends_turns(engine: &Engine) -> anyhow::Result<bool> {
    let tokenizer = engine.tokenizer();
    let Some(ids) = up_to_end_of_turn(tokenizer)? else { return Ok(true) };
    let ids = &ids[ids.len().saturating_sub(engine.model().context() + 1)..];
    if ids.len() < 2 {
        return Ok(true);
    }
    let losses = engine.score(&[Window { ids, scored_from: ids.len() - 1 }])?;
    let loss = losses.first().and_then(|losses| losses.first()).copied().unwrap_or_default();
    Ok(f64::from(loss) < (engine.model().vocabulary() as f64).ln())
}

/// A dialogue as the template writes it, with the token that ends the answer as its last; none where the template has no such token.
fn up_to_end_of_turn(tokenizer: &Tokenizer) -> anyhow::Result<Option<Vec<u32>>> {
    let Some(end) = tokenizer.end_of_turn() else { return Ok(None) };
    let turns = [Message::new("user", "Hello!"), Message::new("assistant", "Hello!")];
    let mut ids = tokenizer.encode_chat(&tokenizer.chat(&turns, None, false)?)?;
    let last = ids.iter().rposition(|id| *id == end);
    Ok(last.map(|last| {
        ids.truncate(last + 1);
        ids
    }))
}
