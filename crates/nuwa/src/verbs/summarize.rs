use clap::Args;
use nuwa_eval::metrics::RougeTokens;
use serde::Serialize;

use super::asked::{Told, is_asked, together};
use super::metric::figures::{Measured, Shown};
use super::metric::texts::Pairs;
use super::sequences::SequenceArguments;
use crate::failure::Problem;
use crate::model;
use crate::prompted::{Asker, GivenText, PromptTemplate, Reserve, Task, language_of, pieces};

/// Sum texts up
///
/// With an encoder-decoder (bart, t5) or UniLM by beam search, a line a text; it was trained on texts and their summaries: nuwa sft MODEL --data
/// PAIRS. With a model that chats by asking it; a text that is longer than its context is read in pieces, and what is summed up of the
/// pieces is summed up again. With --references, prints ROUGE instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa summarize bart --file articles.txt --truncate > summaries.txt
  nuwa summarize bart --file articles.txt --references summaries.txt
  nuwa summarize t5 --prefix \"summarize: \" --max-tokens 60 --file articles.txt
  nuwa summarize bart --temperature 0.7 --json \"A long text that says little.\"
  nuwa summarize smollm2 --file report.pdf --sentences 5
  nuwa summarize runs/world --lines --sentences 1 < stories.txt")]
pub struct Summarize {
    /// In how many sentences a model that chats is asked to sum up [default: 1 of short texts, else 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    sentences: Option<u32>,
    #[command(flatten)]
    arguments: SequenceArguments,
}

/// Characters of a text that one sentence sums up.
const SHORT: usize = 600;

/// How often summaries are summed up again, at most; each time they become half as long at least.
const MOST_LEVELS: usize = 12;

/// What the prompt file is given.
#[derive(Serialize)]
struct Values<'a> {
    text: &'a str,
    language: Option<&'static str>,
    sentences: u32,
    parts: bool,
}

impl Summarize {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.arguments.model)?;
        if !is_asked(&folder)? {
            return match self.sentences {
                Some(_) => Err(Problem::new(
                    "--sentences is for models that chat, and this one is an encoder-decoder",
                )
                .hint("leave it out; --max-tokens limits the length")
                .into()),
                None => self.arguments.run(measure),
            };
        }
        let template = self.arguments.prompt.template(Task::Summarize)?;
        let work = |asker: &mut Asker, texts: &[GivenText]| {
            texts.iter().map(|given| self.summary(asker, &template, &given.text)).collect()
        };
        self.arguments.run_asked(&folder, work, measure)
    }

    /// The summary of a text, by way of those of its pieces where it is long.
    fn summary(&self, asker: &mut Asker, template: &PromptTemplate, text: &str) -> anyhow::Result<Told> {
        let (language, is_short) = (language_of(text), text.chars().count() < SHORT);
        let sentences = self.sentences.unwrap_or(if is_short { 1 } else { 3 });
        let prompt = |text: &str, parts| template.render(Values { text, language, sentences, parts });
        let most = asker.most_tokens();
        let room = asker.room(&prompt("", true)?, Reserve::Tokens(most))?;
        let (mut current, mut all, mut is_of_parts) = (text.to_string(), Vec::new(), false);
        for _ in 0..MOST_LEVELS {
            let cut = pieces(&current, room, &|text| asker.count(text))?;
            let prompts = cut.iter().map(|piece| asker.prompt(&prompt(piece.text, is_of_parts)?));
            // Half of what is read at most, so that each level is shorter than the one before.
            let limit = if cut.len() > 1 { most.min(room / 2) } else { most };
            let written = asker.write_at_most(prompts.collect::<anyhow::Result<_>>()?, limit, None)?;
            let texts: Vec<&str> = written.iter().map(|written| written.text.trim()).collect();
            let is_last = cut.len() <= 1;
            (current, is_of_parts) = (texts.join("\n"), true);
            all.extend(written);
            if is_last {
                let last = all.len() - 1;
                let finish = all[last].finish;
                return Ok(Told {
                    finish,
                    pieces: all.len().saturating_sub(1).max(1),
                    ..together(current, &all)
                });
            }
        }
        Err(Problem::new(format!("the summaries are still too long after {MOST_LEVELS} rounds"))
            .hint("take a model with a longer context, or give the parts of the text one by one")
            .into())
    }
}

/// What the summaries have in common with their references.
fn measure(pairs: &Pairs, json: bool) -> anyhow::Result<()> {
    let tokens = if pairs.is_unspaced() { RougeTokens::Characters } else { RougeTokens::Words };
    let rows = pairs.each(|text, references| {
        let scores = tokens.scores(text, references);
        [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum].map(|overlap| overlap.f1).to_vec()
    });
    let signature = tokens.signature().to_string();
    Measured::means("rouge", &tokens.names(), rows, signature, false, Shown::usual(json)).print(json)
}
