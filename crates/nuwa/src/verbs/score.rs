use std::path::PathBuf;

use clap::Args;
use nuwa_align::BadRecords;
use nuwa_align::data::{self, Columns, Dialogue, Preference, Record};
use nuwa_align::pack::Example;
use nuwa_align::render::render;
use nuwa_align::rl::Scorer;
use nuwa_models::Model;
use nuwa_report::numbers::counted;
use nuwa_tensor::Precision;
use nuwa_tokenizer::Tokenizer;
use serde::Serialize;

use super::fine_tuning::columns;
use super::reinforcement::reward_folder;
use crate::alignment::reward_model;
use crate::console::{message, print_line};

/// Score answers by a reward model
///
/// Reads dialogues, of which the last answer is scored, or preference pairs, of which both are, as `nuwa sft` and `nuwa dpo` read them.
/// Prints a score a line, of pairs both; --json prints a JSON object a line. Of pairs it tells at the end how many are ranked right.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa score rewarder --data preferences.jsonl
  nuwa score rewarder --data answers.jsonl --json > scores.jsonl")]
pub struct Score {
    /// The reward model, as `nuwa reward` writes it
    model: PathBuf,
    /// Records: files, or folders of them; may be repeated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Map the usual column names to those of your file
    #[arg(long, value_name = "USUAL=OWN,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// Tokens that go through the model at one time.
const MICRO_BATCH: usize = 4096;

/// A record whose answers are scored.
enum Scored {
    Answer(Dialogue),
    Pair(Preference),
}

/// What is printed of one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Answer { place: String, score: Option<f32> },
    Pair { place: String, chosen: Option<f32>, rejected: Option<f32> },
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        let columns: Columns = columns(&self.columns)?;
        let folder = reward_folder(&self.model)?;
        let model = reward_model(&folder)?;
        let context = model.context();
        let tokenizer = Tokenizer::load(&folder)?;
        let (records, _) = data::read(&self.data, &columns, BadRecords::Error, understood)?;
        let scorer = Scorer::new(model, Precision::F32, MICRO_BATCH);
        let (mut pairs, mut right, mut long) = (0_u64, 0.0, 0);
        for record in &records {
            let line = line(&scorer, &tokenizer, record, context)?;
            if let Line::Pair { chosen: Some(chosen), rejected: Some(rejected), .. } = line {
                pairs += 1;
                right += if chosen > rejected {
                    1.0
                } else if chosen == rejected {
                    0.5
                } else {
                    0.0
                };
            }
            long += u64::from(line.is_missing());
            match self.json {
                true => print_line(&serde_json::to_string(&line)?)?,
                false => print_line(&line.text())?,
            }
        }
        if pairs > 0 {
            let share = 100.0 * right / pairs as f64;
            message(&format!("{}, {share:.1} % ranked right", counted(pairs, "pair")));
        }
        if long > 0 {
            let records = counted(long, "record");
            message(&format!(
                "without a score, being longer than the context of {context} tokens: {records}"
            ));
        }
        Ok(())
    }
}

/// A pair where a record has two answers, else a dialogue.
fn understood(record: &Record) -> nuwa_align::Result<Scored> {
    match record.fields.contains_key("chosen") && record.fields.contains_key("rejected") {
        true => data::preference(record).map(Scored::Pair),
        false => data::dialogue(record).map(Scored::Answer),
    }
}

fn line(scorer: &Scorer, tokenizer: &Tokenizer, record: &Scored, context: usize) -> anyhow::Result<Line> {
    let score = |dialogue: &Dialogue| -> anyhow::Result<Option<f32>> {
        let last = dialogue.messages.len() - 1;
        let rendered = render(tokenizer, dialogue, last)?;
        if rendered.ids.len() > context {
            return Ok(None);
        }
        let example = Example::of(rendered.ids, rendered.trained);
        Ok(scorer.scores(&[&example])?.first().copied())
    };
    Ok(match record {
        Scored::Answer(dialogue) => Line::Answer { place: dialogue.place.clone(), score: score(dialogue)? },
        Scored::Pair(pair) => {
            let [chosen, rejected] = pair.dialogues().map(|dialogue| score(&dialogue));
            Line::Pair { place: pair.place.clone(), chosen: chosen?, rejected: rejected? }
        }
    })
}

impl Line {
    fn is_missing(&self) -> bool {
        match self {
            Self::Answer { score, .. } => score.is_none(),
            Self::Pair { chosen, rejected, .. } => chosen.is_none() || rejected.is_none(),
        }
    }

    fn text(&self) -> String {
        let told = |score: &Option<f32>| score.map_or("too long".into(), |score| format!("{score:.4}"));
        match self {
            Self::Answer { place, score } => format!("{}\t{place}", told(score)),
            Self::Pair { place, chosen, rejected } => {
                format!("{}\t{}\t{place}", told(chosen), told(rejected))
            }
        }
    }
}
