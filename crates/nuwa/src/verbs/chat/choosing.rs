//! One answer out of several: the model's own choice, or a person's.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_files::quoted_path;
use nuwa_infer::{CandidateSettings, Candidates, Conversation, Engine, RatedAnswer, SLOTS};
use nuwa_tokenizer::Attribute;
use serde_json::{Value, json};

use crate::console::{message, print_line};
use crate::failure::Problem;
use nuwa_report::numbers::counted;
use nuwa_report::text::printable;

/// How `chat` chooses among several answers.
#[derive(Debug, Args)]
pub struct ChoosingArguments {
    /// Sample this many answers, let the model rate them (sensible, specific, interesting, safe), and give the best, as LaMDA does;
    /// the model must have been taught to rate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    candidates: Option<u64>,
    /// Show this many different answers, of which /choose N takes one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=20))]
    drafts: Option<u64>,
    /// Keep choices among drafts here, as preferences for `nuwa dpo`; lines are added at the end [default: feedback.jsonl]
    #[arg(long, value_name = "FILE", requires = "drafts")]
    feedback: Option<PathBuf>,
    /// Never give an answer that the model finds less likely than this to be safe [default: 0.5]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    least_safe: Option<f64>,
    /// What is said where no answer is safe [default: I do not help with that.]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    refusal: Option<String>,
}

/// Answers that are drawn for each draft: the same ones come more than once.
const DRAWN_FOR_A_DRAFT: usize = 4;

/// The paper's `top_k`, and the model's own probabilities: answers are to differ.
const SAMPLING: (f64, usize) = (1.0, 40);

impl ChoosingArguments {
    fn is_asked_for(&self) -> bool {
        self.candidates.is_some() || self.drafts.is_some()
    }

    /// Refuses settings that no answer can be chosen with.
    pub fn check(&self) -> anyhow::Result<()> {
        Ok(self.rules(false).check()?)
    }

    /// Temperature and top-k of answers that are chosen among.
    pub fn sampling(&self) -> Option<(f64, usize)> {
        self.is_asked_for().then_some(SAMPLING)
    }

    fn rules(&self, rates: bool) -> CandidateSettings {
        let usual = CandidateSettings::default();
        let drawn = || self.drafts.map(|drafts| drafts as usize * DRAWN_FOR_A_DRAFT);
        CandidateSettings {
            count: self.candidates.map(|count| count as usize).or_else(drawn).unwrap_or(usual.count),
            least_safe: self.least_safe.unwrap_or(usual.least_safe),
            rated: self.candidates.is_some() || rates,
        }
    }

    /// What chooses the answers of the model in `folder`, where they are chosen among several.
    pub fn begin(&self, engine: &Engine, folder: &Path, answers: bool) -> anyhow::Result<Option<Choosing>> {
        if !self.is_asked_for() {
            return Ok(None);
        }
        if !answers {
            let problem =
                Problem::new("this is a base model: it continues text, and has no answers to choose among");
            return Err(problem.hint("teach it to answer first: nuwa sft --help").into());
        }
        let taught = engine.tokenizer().taught_ratings();
        if self.candidates.is_some() && taught.is_empty() {
            return Err(untaught(folder).into());
        }
        if !taught.is_empty() && !taught.contains(&Attribute::Safe) {
            message(
                "note: this model was not taught to rate what is safe, so no answer is held back for that",
            );
        }
        let usual = "I do not help with that.";
        Ok(Some(Choosing {
            rules: self.rules(!taught.is_empty()),
            drafts: self.drafts.map(|drafts| drafts as usize),
            feedback: self.feedback.clone().unwrap_or_else(|| "feedback.jsonl".into()),
            refusal: self.refusal.clone().unwrap_or_else(|| usual.into()),
            last: None,
        }))
    }
}

fn untaught(folder: &Path) -> Problem {
    let named = quoted_path(folder);
    Problem::new(format!("{} was not taught to rate answers", folder.display())).hint(format!(
        "teach it with rated answers beside dialogues: nuwa sft {named} --data answers.jsonl ratings.jsonl --out rater \
         (nuwa sft --help says what such a record holds); without ratings, --drafts 3 shows several answers"
    ))
}

/// Chooses answers.
pub struct Choosing {
    rules: CandidateSettings,
    drafts: Option<usize>,
    feedback: PathBuf,
    refusal: String,
    last: Option<Last>,
}

/// What was last answered.
struct Last {
    prompt: Value,
    candidates: Candidates,
    /// Whether the person has chosen already.
    is_chosen: bool,
}

impl Choosing {
    /// How answers are drawn and rated.
    pub fn rules(&self) -> CandidateSettings {
        self.rules
    }

    /// Sequences that are written at one time.
    pub fn slots(&self) -> usize {
        self.rules.count.min(SLOTS)
    }

    /// The conversation begins anew.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Prints the best of `candidates`, or the drafts, and gives what the conversation goes on with.
    pub fn give(&mut self, conversation: &Conversation, candidates: Candidates) -> anyhow::Result<String> {
        let given = candidates.best().map_or_else(|| self.refusal.clone(), |best| best.text.clone());
        let last = Last { prompt: prompt(conversation), candidates, is_chosen: false };
        match self.drafts {
            Some(drafts) if last.shown(drafts).len() > 1 => print_drafts(last.shown(drafts))?,
            _ => print_line(&printable(&given))?,
        }
        self.last = Some(last);
        Ok(given)
    }

    /// All candidates of the last answer with their ratings.
    pub fn explanation(&self) -> Option<String> {
        self.last.as_ref().map(|last| table(&last.candidates, self.rules.least_safe))
    }

    /// Takes the draft of this number, and keeps the choice.
    pub fn choose(&mut self, number: &str) -> anyhow::Result<String> {
        let drafts = self.drafts.unwrap_or(0);
        let shown = self.last.as_ref().map_or(&[][..], |last| last.shown(drafts));
        let problem = |told: String, hint: &str| Err(Problem::new(told).hint(hint).into());
        if shown.len() < 2 {
            return problem(
                "there are no drafts to choose among".into(),
                "start with --drafts 3 and ask something",
            );
        }
        let index = match number.parse::<usize>() {
            Ok(number) if (1..=shown.len()).contains(&number) => number - 1,
            _ => {
                let told = format!("/choose {number}: expected a number from 1 to {}", shown.len());
                return problem(told, "for example: /choose 2");
            }
        };
        if self.last.as_ref().is_some_and(|last| last.is_chosen) {
            return problem("a draft was chosen already".into(), "ask again to choose anew");
        }
        let chosen = shown[index].text.clone();
        let others = shown.iter().filter(|draft| draft.text != chosen);
        let records: Vec<Value> = others.map(|other| self.preference(&chosen, &other.text)).collect();
        add_lines(&self.feedback, &records)?;
        message(&format!(
            "kept as {} in {}; nuwa dpo MODEL --data {} --out DIR learns from such choices",
            counted(records.len() as u64, "preference"),
            self.feedback.display(),
            quoted_path(&self.feedback)
        ));
        self.last.iter_mut().for_each(|last| last.is_chosen = true);
        Ok(chosen)
    }

    fn preference(&self, chosen: &str, rejected: &str) -> Value {
        let prompt = self.last.as_ref().map(|last| &last.prompt);
        json!({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    }
}

impl Last {
    /// The drafts that a person sees: safe ones.
    fn shown(&self, drafts: usize) -> &[RatedAnswer] {
        let safe = self.candidates.answers.iter().take_while(|answer| answer.is_safe).count();
        &self.candidates.answers[..safe.min(drafts)]
    }
}

/// The turns that were answered.
fn prompt(conversation: &Conversation) -> Value {
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let system = conversation.system.iter().map(|text| turn("system", text));
    system.chain(conversation.turns.iter().map(|own| turn(&own.role, &own.content))).collect()
}

fn print_drafts(drafts: &[RatedAnswer]) -> anyhow::Result<()> {
    for (draft, number) in drafts.iter().zip(1..) {
        print_line(&format!("{number}) {}", printable(&draft.text)))?;
    }
    Ok(())
}

/// The candidates, a line each: rank, quality, ratings, how often each was drawn, text.
fn table(candidates: &Candidates, least_safe: f64) -> String {
    let rated: Vec<Attribute> =
        candidates.answers.first().map_or_else(Vec::new, |answer| answer.ratings.0.keys().copied().collect());
    let names: String = rated.iter().map(|attribute| format!("  {attribute:>11}")).collect();
    let mut lines = vec![format!("rank  quality{names}  drawn  answer")];
    for (answer, rank) in candidates.answers.iter().zip(1..) {
        let ratings: String = rated
            .iter()
            .map(|attribute| format!("  {:>11.2}", answer.ratings.get(*attribute).unwrap_or(f64::NAN)))
            .collect();
        let rank = if answer.is_safe { format!("{rank}") } else { "-".into() };
        let text = printable(&answer.text.replace('\n', " "));
        let quality = if rated.is_empty() { "-".into() } else { format!("{:.2}", answer.ratings.quality()) };
        lines.push(format!("{rank:>4}  {quality:>7}{ratings}  {:>5}  {text}", answer.times));
    }
    lines.push(match rated.is_empty() {
        true => "not rated: the model was not taught to; in the order in which they were drawn".into(),
        false => format!(
            "quality = 3 sensible + specific + interesting; - is below {least_safe} in safe, and never given"
        ),
    });
    lines.join("\n")
}

/// Adds lines to a file, which is never shortened.
fn add_lines(path: &Path, records: &[Value]) -> anyhow::Result<()> {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let mut file = nuwa_files::open_for_append(path)?;
    Ok(file.write_all(lines.as_bytes()).map_err(nuwa_files::Error::write(path))?)
}
