use std::path::PathBuf;

use clap::Args;
use nuwa_infer::{Filling, MASK, fill};
use nuwa_tokenizer::Tokenizer;
use serde::Serialize;

use super::language::LanguageArgument;
use crate::console::print_figures;
use crate::failure::Problem;
use crate::numbers::Count;
use crate::{input, model};

/// Fill in masked words with an encoder such as BERT
///
/// Shows the most likely tokens for each mask, with their probabilities.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa fill runs/bert \"The [MASK] shines at night.\"
  nuwa fill runs/bert \"The [MASK] shines at [MASK].\" --top 3 --json
  echo \"The [MASK] shines at night.\" | nuwa fill runs/bert -")]
pub struct Fill {
    /// A model folder, or a run folder
    model: PathBuf,
    /// Text with [MASK] for each word to fill in; `-` reads standard input
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// How many tokens to show for each mask
    #[arg(long, value_name = "N", default_value = "5")]
    top: Count,
    #[command(flatten)]
    language: LanguageArgument,
    /// Print the candidates as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Filled<'a> {
    text: &'a str,
    /// Those of each mask.
    masks: Vec<Vec<Candidate>>,
}

#[derive(Serialize)]
struct Candidate {
    token: String,
    id: u32,
    probability: f64,
}

impl Fill {
    pub fn run(self) -> anyhow::Result<()> {
        let text = match self.text.as_str() {
            "-" => input::standard_input()?.trim_end().to_string(),
            _ => self.text.clone(),
        };
        if !text.contains(MASK) {
            let problem = Problem::new(format!("there is no {MASK} in {text:?}"));
            return Err(problem.hint(format!("write {MASK} in the place of each word to fill in")).into());
        }
        let folder = model::folder(&self.model)?;
        let model = nuwa_format::load_model(&folder)?;
        let language = self.language.number(&folder)?;
        let masks = fill(model.as_ref(), &Tokenizer::load(&folder)?, &text, language, self.top.0 as usize)?;
        let filled = Filled { text: &text, masks: masks.into_iter().map(candidates).collect() };
        print_figures(self.json, &filled, || shown(&filled))
    }
}

fn candidates(fillings: Vec<Filling>) -> Vec<Candidate> {
    let candidate = |Filling { id, text, probability }| Candidate { token: text, id, probability };
    fillings.into_iter().map(candidate).collect()
}

/// A line a token, and a blank line between masks.
fn shown(filled: &Filled<'_>) -> String {
    let line = |candidate: &Candidate| {
        format!("{:>6.2} %  {}", 100.0 * candidate.probability, candidate.token.trim())
    };
    let mask = |candidates: &Vec<Candidate>| candidates.iter().map(line).collect::<Vec<_>>().join("\n");
    filled.masks.iter().map(mask).collect::<Vec<_>>().join("\n\n")
}
