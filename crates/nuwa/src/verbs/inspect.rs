use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use nuwa_align::data::{self, Columns, Dialogue, dialogue};
use nuwa_align::render::{Rendered, render};
use nuwa_tokenizer::Tokenizer;

use crate::console::{print_figures, print_line};
use crate::model;

/// Look at what a model is fine-tuned on, token by token
///
/// Renders dialogues with the model's chat template and marks the tokens that `nuwa sft` trains on: in colour on a
/// terminal, else between « and ». With --json: ids, tokens and marks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa inspect runs/world --tokens answers.jsonl
  nuwa inspect runs/world --tokens answers.jsonl --limit 1 --json")]
pub struct Inspect {
    /// The model whose tokenizer and chat template are used
    model: PathBuf,
    /// Records as `nuwa sft` reads them
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    tokens: Vec<PathBuf>,
    /// Show so many dialogues
    #[arg(long, value_name = "N", default_value_t = 3)]
    limit: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn run(self) -> anyhow::Result<()> {
        let tokenizer = Tokenizer::load(&model::folder(&self.model)?)?;
        let bad = nuwa_align::BadRecords::Error;
        let (dialogues, _) = data::read(&self.tokens, &Columns::new(), bad, dialogue)?;
        for dialogue in dialogues.iter().take(self.limit) {
            let rendered = render(&tokenizer, dialogue, 0)?;
            print_figures(self.json, &figures(&tokenizer, dialogue, &rendered), || {
                text(&tokenizer, dialogue, &rendered)
            })?;
        }
        let left = dialogues.len().saturating_sub(self.limit);
        if left > 0 && !self.json {
            print_line(&format!("({left} more; --limit N shows more of them)"))?;
        }
        Ok(())
    }
}

fn figures(tokenizer: &Tokenizer, dialogue: &Dialogue, rendered: &Rendered) -> serde_json::Value {
    let tokens: Vec<Option<String>> = rendered.ids.iter().map(|id| tokenizer.id_to_token(*id)).collect();
    serde_json::json!({
        "place": dialogue.place,
        "ids": rendered.ids,
        "tokens": tokens,
        "trained": rendered.trained,
    })
}

/// The text with what is trained on marked, and how much that is.
fn text(tokenizer: &Tokenizer, dialogue: &Dialogue, rendered: &Rendered) -> String {
    let marks = if io::stdout().is_terminal() { ["\u{1b}[1;32m", "\u{1b}[0m"] } else { ["«", "»"] };
    let mut marked = String::new();
    let mut start = 0;
    for run in rendered.trained.chunk_by(|one, other| one == other) {
        let ids = &rendered.ids[start..start + run.len()];
        start += run.len();
        let piece = tokenizer.decode(ids).unwrap_or_default();
        marked += &if run[0] { format!("{}{piece}{}", marks[0], marks[1]) } else { piece };
    }
    let trained = rendered.trained.iter().filter(|trained| **trained).count();
    format!("{}: {trained} of {} tokens are trained on\n{marked}\n", dialogue.place, rendered.ids.len())
}
