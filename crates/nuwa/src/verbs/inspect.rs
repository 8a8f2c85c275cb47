use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use nuwa_align::data::{Columns, Dialogue, Lessons};
use nuwa_align::ratings;
use nuwa_align::render::{Rendered, render};
use nuwa_report::inspection::{self, Cleaned, Screen};
use nuwa_report::text::printable;
use nuwa_tokenizer::Tokenizer;

use crate::console::{Display, print_drawn, print_json, print_line, terminal};
use crate::model;

/// Inspect the effect of cleaning, or the tokens a model is fine-tuned on
///
/// Writes RUN/inspect.html, a self-contained page, and opens it if there is a display. It shows
/// what each step kept, changed and rejected, with sample documents to search. With --text, prints
/// the same to the terminal.
///
/// With --tokens: renders dialogues with the model's chat template and marks the tokens in the loss
/// of `nuwa sft`, in colour on a terminal, otherwise between « and ».
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa inspect runs/world
  nuwa inspect runs/world --text
  nuwa inspect runs/world --find \"too short\"
  nuwa inspect runs/world --tokens answers.jsonl --limit 1 --json")]
pub struct Inspect {
    /// A run, or an output folder of `nuwa clean`; with --tokens, the model whose chat template is
    /// used
    run: PathBuf,
    /// Print to the terminal instead of writing a page
    #[arg(long, conflicts_with = "tokens")]
    text: bool,
    /// Print the samples that contain these words
    #[arg(long, value_name = "WORDS", conflicts_with = "tokens")]
    find: Option<String>,
    /// Number of documents of each kind [default: 20 on the page, 2 in the terminal, 50 when
    /// searching for words]
    #[arg(long, value_name = "N", conflicts_with = "tokens")]
    samples: Option<usize>,
    /// Write the page without opening it
    #[arg(long, conflicts_with = "tokens")]
    no_open: bool,
    /// Records as `nuwa sft` reads them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    tokens: Vec<PathBuf>,
    /// Number of dialogues
    #[arg(long, value_name = "N", default_value_t = 3, requires = "tokens")]
    limit: usize,
    /// Print everything as JSON, including counts and samples
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn run(self) -> anyhow::Result<()> {
        if !self.tokens.is_empty() {
            return self.dialogues();
        }
        let in_terminal = self.text || self.find.is_some();
        let usual = match (self.find.is_some(), self.text) {
            (true, _) => 50,
            (false, true) => 2,
            (false, false) => inspection::SAMPLES,
        };
        let mut display = Display::new();
        let samples = self.samples.unwrap_or(usual);
        let cleaned = Cleaned::read(&self.run, samples, &mut |progress| display.show(progress))?;
        drop(display);
        if self.json || in_terminal {
            return match self.json {
                true => print_json(&cleaned.survey),
                false => print_drawn(&inspection::text(&cleaned, screen(), self.find.as_deref())?),
            };
        }
        let page = cleaned.write_page()?;
        if !self.no_open && io::stdout().is_terminal() && has_display() {
            open(&page);
        }
        print_line(&page.display().to_string())
    }

    fn dialogues(self) -> anyhow::Result<()> {
        let tokenizer = Tokenizer::load(&model::tokenizer(&self.run))?;
        let bad = nuwa_align::BadRecords::Error;
        let (lessons, _) = Lessons::read(&self.tokens, &Columns::new(), bad)?;
        for dialogue in lessons.dialogues.iter().take(self.limit) {
            let Rendered { ids, trained, .. } = render(&tokenizer, dialogue, 0)?;
            self.show(&tokenizer, dialogue, &ids, &trained)?;
        }
        for rated in lessons.rated.iter().take(self.limit.saturating_sub(lessons.dialogues.len())) {
            for example in ratings::examples(&tokenizer, rated, usize::MAX - 1)? {
                self.show(&tokenizer, &rated.dialogue, &example.ids, &example.trained)?;
            }
        }
        let left = (lessons.dialogues.len() + lessons.rated.len()).saturating_sub(self.limit);
        if left > 0 && !self.json {
            print_line(&format!("({left} more; --limit N shows more of them)"))?;
        }
        Ok(())
    }

    fn show(
        &self,
        tokenizer: &Tokenizer,
        dialogue: &Dialogue,
        ids: &[u32],
        trained: &[bool],
    ) -> anyhow::Result<()> {
        match self.json {
            true => print_json(&figures(tokenizer, dialogue, ids, trained)),
            false => print_drawn(&format!("{}\n", text(tokenizer, dialogue, ids, trained))),
        }
    }
}

/// The terminal; a hundred columns where standard output is none.
fn screen() -> Screen {
    let is_terminal = io::stdout().is_terminal();
    let width = if is_terminal { usize::from(terminal::output_columns()).clamp(40, 120) } else { 100 };
    Screen { width, colours: terminal::takes_colours(&io::stdout()) }
}

fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows)) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Shows the page in the user's browser. Where that fails, its path is printed all the same.
fn open(page: &Path) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(opener);
    let _ = command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

fn figures(tokenizer: &Tokenizer, dialogue: &Dialogue, ids: &[u32], trained: &[bool]) -> serde_json::Value {
    let tokens: Vec<Option<String>> = ids.iter().map(|id| tokenizer.id_to_token(*id)).collect();
    serde_json::json!({"place": dialogue.place, "ids": ids, "tokens": tokens, "trained": trained})
}

/// The text with what is trained on marked, and how much that is.
fn text(tokenizer: &Tokenizer, dialogue: &Dialogue, ids: &[u32], trained: &[bool]) -> String {
    let marks =
        if terminal::takes_colours(&io::stdout()) { ["\u{1b}[1;32m", "\u{1b}[0m"] } else { ["«", "»"] };
    let mut marked = String::new();
    let mut start = 0;
    for run in trained.chunk_by(|one, other| one == other) {
        let piece = &ids[start..start + run.len()];
        start += run.len();
        let piece = printable(&tokenizer.decode(piece).unwrap_or_default());
        marked += &if run[0] { format!("{}{piece}{}", marks[0], marks[1]) } else { piece };
    }
    let count = trained.iter().filter(|trained| **trained).count();
    let place = printable(&dialogue.place);
    format!("{place}: {count} of {} tokens are trained on\n{marked}\n", ids.len())
}
