use std::path::PathBuf;

use clap::{Args, Subcommand};
use nuwa_collect::collect;
use nuwa_report::numbers::grouped;
use nuwa_shards::split::SplitSettings;
use nuwa_tokenizer::Tokenizer as Vocabulary;
use serde::Serialize;

use super::settings::Settings;
use crate::console::{Display, print, print_figures};
use crate::failure::Problem;
use crate::input::standard_input;
use crate::interrupt::{self, Scratch};
use crate::model;
use crate::stages::tokenizer::{ABOUT, learn};

/// Train or use a tokenizer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa tokenizer train books/ --vocab-size 8192 --out tokenizer
  echo -n \"Good morning\" | nuwa tokenizer encode tokenizer
  echo \"432 17 9\" | nuwa tokenizer decode tokenizer")]
pub struct Tokenizer {
    #[command(subcommand)]
    action: TokenizerAction,
}

#[derive(Debug, Subcommand)]
enum TokenizerAction {
    Train(Train),
    Encode(Encode),
    Decode(Decode),
}

/// Train a byte-level BPE tokenizer on text
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nuwa tokenizer train books/ notes.md --vocab-size 8k --out tokenizer")]
struct Train {
    /// Files and folders, read as `nuwa collect` reads them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Vocabulary size, special tokens included
    #[arg(long, value_name = "N")]
    vocab_size: Option<crate::numbers::Count>,
    /// The folder for tokenizer.json and tokenizer_config.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Encode text from standard input into token ids, separated by spaces
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nuwa tokenizer encode runs/book < chapter.txt")]
struct Encode {
    /// A tokenizer: a folder or file (tokenizer.json, *.tiktoken, tok*.bin, ...), or a run folder
    tokenizer: PathBuf,
    /// Parse special tokens such as <|endoftext|> in the text
    #[arg(long)]
    special: bool,
}

/// Decode token ids from standard input, separated by spaces, into text
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  echo \"432 17 9\" | nuwa tokenizer decode runs/book")]
struct Decode {
    /// A tokenizer: a folder or file (tokenizer.json, *.tiktoken, tok*.bin, ...), or a run folder
    tokenizer: PathBuf,
}

/// What training a tokenizer gave.
#[derive(Debug, Serialize)]
struct Trained {
    vocab_size: usize,
    out: PathBuf,
}

impl Tokenizer {
    pub fn run(self) -> anyhow::Result<()> {
        match self.action {
            TokenizerAction::Train(action) => action.run(),
            TokenizerAction::Encode(action) => action.run(),
            TokenizerAction::Decode(action) => action.run(),
        }
    }
}

impl Train {
    fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        if let Some(size) = self.vocab_size {
            draft.put("tokenizer.vocab_size", toml::Value::Integer(size.0.try_into().unwrap_or(i64::MAX)))?;
        }
        let recipe = draft.recipe()?;
        interrupt::begin(ABOUT.work(false))?;
        let mut display = Display::new();
        let mut observer = |progress| display.show(progress);
        let documents = Scratch::new()?;
        collect(&self.files, &documents, &recipe.collect, &mut observer)?;
        let everything = SplitSettings { validation_share: 0.0, ..recipe.tokenize.split };
        let tokenizer = learn(&documents, &everything, &recipe.tokenizer, &mut observer)?;
        drop(display);
        tokenizer.save(&self.out)?;
        let trained = Trained { vocab_size: tokenizer.vocab_size(), out: self.out };
        print_figures(self.json, &trained, || {
            format!(
                "a vocabulary of {} tokens in {}",
                grouped(trained.vocab_size as u64),
                trained.out.display()
            )
        })
    }
}

impl Encode {
    fn run(self) -> anyhow::Result<()> {
        let tokenizer = Vocabulary::load(&model::tokenizer(&self.tokenizer))?;
        let text = standard_input()?;
        let (mut printed, mut blank) = (Ok(()), "");
        tokenizer.encode_in_parts(&text, self.special, &mut |ids| {
            let mut line = String::new();
            for id in ids {
                line.push_str(std::mem::replace(&mut blank, " "));
                line.push_str(&id.to_string());
            }
            if printed.is_ok() {
                printed = print(&line);
            }
        })?;
        printed?;
        print("\n")
    }
}

impl Decode {
    fn run(self) -> anyhow::Result<()> {
        let tokenizer = Vocabulary::load(&model::tokenizer(&self.tokenizer))?;
        print(&tokenizer.decode(&ids_of(&standard_input()?)?)?)
    }
}

fn ids_of(text: &str) -> anyhow::Result<Vec<u32>> {
    let id = |(at, word): (usize, &str)| {
        word.parse().map_err(|_| {
            Problem::new(format!("standard input, id {}: `{word}` is not a token id", at + 1))
                .hint("give whole numbers separated by blanks, as `nuwa tokenizer encode` prints them")
                .into()
        })
    };
    text.split_whitespace().enumerate().map(id).collect()
}
