use std::path::PathBuf;

use clap::Args;
use nuwa_eval::metrics::Diversity;
use serde_json::Map;

use super::figures::{Figure, Measured};
use super::texts::{input, lines};

/// How varied texts are, without a reference: distinct-1, -2, -3 and repetition
///
/// distinct-N: different runs of N words over all texts, by how many there are; it falls with the amount of text, so
/// compare as much of it. repetition: of the runs of four words within a text, the share that stood in it before; texts of
/// a model that goes in circles have much of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa metric diversity < texts.txt
  nuwa metric diversity texts.zh --characters")]
pub struct DiversityArguments {
    /// The texts, one a line [default: standard input]
    texts: Option<PathBuf>,
    /// Compare letters and digits of any script in the place of words
    #[arg(long)]
    characters: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl DiversityArguments {
    pub fn run(self) -> anyhow::Result<()> {
        let (name, text) = input(self.texts.as_deref())?;
        let texts = lines(&name, &text)?;
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let whole = if self.characters { Diversity::of_characters(&all) } else { Diversity::of_words(&all) };
        let [one, two, three] = whole.distinct;
        let suffix = if self.characters { "_char" } else { "" };
        let named =
            [("distinct1", one), ("distinct2", two), ("distinct3", three), ("repetition", whole.repetition)];
        // Without intervals: a text that is drawn twice would look like a repetition.
        let figure = |(name, value)| Figure { name: format!("{name}{suffix}"), value, interval: None };
        let tokens = if self.characters { "char" } else { "words" };
        let measured = Measured {
            metric: "diversity",
            item: "text",
            items: texts.len(),
            figures: named.map(figure).to_vec(),
            signature: format!("tok:{tokens}|nuwa:{}", env!("CARGO_PKG_VERSION")),
            more: Map::new(),
            text: Vec::new(),
            each: None,
        };
        measured.print(self.json)
    }
}
