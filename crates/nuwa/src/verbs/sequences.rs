//! What `translate` and `summarize` have in common: texts in, an answer for each out. Here an encoder-decoder gives it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use nuwa_infer::{BeamSettings, GenerateSettings, Hypothesis};
use serde::Serialize;

use super::answering::Answering;
use super::attended;
use super::in_flags::in_flags;
use super::metric::texts::{Pairs, lines};
use super::prompting::PromptArguments;
use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::{message, print};
use crate::failure::Problem;
use crate::numbers::Count;
use crate::{input, model};

/// Texts that are answered before anything of them is printed.
const TOGETHER: usize = 256;

#[derive(Debug, Args)]
pub struct SequenceArguments {
    /// A model folder, or a run folder: an encoder-decoder, UniLM, or a model that chats
    pub(super) model: PathBuf,
    /// The texts, each of which is answered by itself [default: standard input]
    pub(super) texts: Vec<String>,
    /// Read the texts from this file: of an encoder-decoder one per line; of a model that chats the whole of a file of any format that
    /// nuwa collect reads
    #[arg(short, long, value_name = "FILE", conflicts_with = "texts")]
    pub(super) file: Option<PathBuf>,
    /// Of a model that chats, too: the file, or standard input, holds one text per line
    #[arg(long)]
    pub(super) lines: bool,
    #[command(flatten)]
    pub(super) prompt: PromptArguments,
    /// Text in front of every source, such as "translate English to German: " for T5
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub(super) prefix: String,
    /// Beam width; 1 is greedy decoding
    #[arg(long, alias = "beams", value_name = "N", default_value_t = 4)]
    beam: usize,
    /// Length penalty a: hypotheses rank by log-probability / ((5 + tokens) / 6)^a. 0 ranks by
    /// probability alone; larger values favour longer answers
    #[arg(long, value_name = "A", default_value_t = 0.6, allow_negative_numbers = true)]
    length_penalty: f64,
    /// Stop as soon as as many hypotheses have ended as the beam is wide
    #[arg(long)]
    pub(super) early_stopping: bool,
    /// Print the best N hypotheses of each text (with --json), at most the beam width
    #[arg(long, value_name = "N", default_value_t = 1, requires = "json")]
    pub(super) best: usize,
    /// Sample the answers at this softmax temperature instead of searching
    #[arg(long, alias = "temp", value_name = "T", allow_negative_numbers = true)]
    pub(super) temperature: Option<f64>,
    #[command(flatten)]
    pub(super) sampling: SamplingArguments,
    /// Random seed of sampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Maximum number of tokens of an answer [default: 50 more than the source has; of a model that chats 256]
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<Count>,
    /// Cut texts that are longer than the model reads instead of refusing them
    #[arg(long)]
    pub(super) truncate: bool,
    /// Measure the answers against this file, one reference per line, instead of printing them
    #[arg(long, value_name = "FILE", conflicts_with = "best")]
    pub(super) references: Option<PathBuf>,
    /// Print below each answer which word of the source each of its words attended to: the mean
    /// weight over the heads of the last layer's cross-attention
    #[arg(long, conflicts_with_all = ["json", "references"])]
    pub(super) align: bool,
    /// Print JSON: an object per text, or the figures
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) weights: WeightArguments,
}

/// A source, and where it stands.
struct Source {
    text: String,
    place: String,
}

/// An answer as `--json` prints it.
#[derive(Serialize)]
struct Answered<'a> {
    source: &'a str,
    text: String,
    tokens: usize,
    log_probability: f64,
    score: f64,
    /// `end` or `length`.
    finish: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Other>,
}

#[derive(Serialize)]
struct Other {
    text: String,
    log_probability: f64,
    score: f64,
}

impl SequenceArguments {
    /// Answers the texts, and prints the answers, or what `measure` makes of them beside their references.
    pub fn run(self, measure: impl Fn(&Pairs, bool) -> anyhow::Result<()>) -> anyhow::Result<()> {
        if let Some(name) = self.prompt.given() {
            return Err(Problem::new(format!("{name} is for models that chat, and this one is an encoder-decoder"))
                .hint("leave it out: the model answers as it was trained; --prefix puts a text in front of every source")
                .into());
        }
        let beams = self.beams();
        beams.check().map_err(in_flags)?;
        let sampling = self.generating(0);
        sampling.as_ref().map(GenerateSettings::check).transpose().map_err(in_flags)?;
        let sources = self.sources()?;
        let references =
            self.references.as_deref().map(|path| self.references(path, sources.len())).transpose()?;
        let model = Answering::load(&model::folder(&self.model)?, &self.weights)?;
        if self.align && matches!(model, Answering::Masked(_)) {
            return Err(no_alignment());
        }
        let ids = self.ids(&model, &sources)?;
        let mut answers = Vec::new();
        for (number, (sources, ids)) in sources.chunks(TOGETHER).zip(ids.chunks(TOGETHER)).enumerate() {
            let most = self.max_tokens.map(|count| count.0 as usize);
            let found = match sampling {
                Some(_) => {
                    let first = number * TOGETHER;
                    let settings = |place: usize| self.generating(first + place).unwrap_or_default();
                    model.sampled(ids, most, settings)?
                }
                None => model.searched(ids, &beams, most)?,
            };
            for ((source, ids), hypotheses) in sources.iter().zip(ids).zip(found) {
                match references {
                    Some(_) => answers.push(one_line(&model.text_of(&hypotheses[0].tokens)?)),
                    None => self.print(&model, source, &hypotheses)?,
                }
                if let (true, Answering::Decoded(engine)) = (self.align, &model) {
                    print(&attended::table(engine, ids, &hypotheses[0].tokens)?)?;
                }
            }
        }
        match references {
            Some(references) => measure(&Pairs { hypotheses: answers, references }, self.json),
            None => Ok(()),
        }
    }

    fn beams(&self) -> BeamSettings {
        BeamSettings {
            beams: self.beam,
            length_penalty: self.length_penalty,
            early_stopping: self.early_stopping,
            returned: self.best,
        }
    }

    /// How text `number` is sampled; none where answers are searched.
    fn generating(&self, number: usize) -> Option<GenerateSettings> {
        let sampling = self.sampling.settings(self.temperature?, 0);
        let seed = self.seed.wrapping_add(number as u64);
        Some(GenerateSettings { seed, sampling, ..GenerateSettings::default() })
    }

    fn sources(&self) -> anyhow::Result<Vec<Source>> {
        if !self.texts.is_empty() {
            let source = |(number, text): (usize, &String)| Source {
                text: text.clone(),
                place: format!("text {number}"),
            };
            return Ok((1..).zip(&self.texts).map(source).collect());
        }
        let (name, text) = match &self.file {
            Some(path) => (path.display().to_string(), input::file(path)?),
            None => ("standard input".into(), input::standard_input()?),
        };
        if text.trim().is_empty() {
            return Err(Problem::new(format!("{name} is empty")).hint("give a text a line").into());
        }
        let source =
            |(number, text): (usize, String)| Source { text, place: format!("{name}, line {number}") };
        Ok((1..).zip(lines(&name, &text)?).map(source).collect())
    }

    /// The references of so many texts.
    pub(super) fn references(&self, path: &Path, texts: usize) -> anyhow::Result<Vec<Vec<String>>> {
        let references = lines(&path.display().to_string(), &input::file(path)?)?;
        if references.len() != texts {
            let problem = format!(
                "{} has {} lines for {texts} texts: expected as many",
                path.display(),
                references.len()
            );
            return Err(Problem::new(problem).hint("line 1 is the reference of text 1, and so on").into());
        }
        Ok(references.into_iter().map(|line| vec![line]).collect())
    }

    /// The ids of all texts, before any is answered.
    fn ids(&self, model: &Answering, sources: &[Source]) -> anyhow::Result<Vec<Vec<u32>>> {
        let (mut all, mut cut) = (Vec::with_capacity(sources.len()), 0);
        let context = model.context();
        for Source { text, place } in sources {
            let text = format!("{}{text}", self.prefix);
            let mut ids = model.ids(&text).with_context(|| format!("{place} is not answered"))?;
            if ids.len() > context {
                if !self.truncate {
                    return Err(too_long(place, ids.len(), context));
                }
                cut += 1;
                ids = model.first_ids(&text)?;
            }
            all.push(ids);
        }
        if cut > 0 {
            message(&format!("{cut} of {} texts were cut to what the model reads", sources.len()));
        }
        Ok(all)
    }

    fn print(&self, model: &Answering, source: &Source, hypotheses: &[Hypothesis]) -> anyhow::Result<()> {
        let (best, others) = hypotheses.split_first().context("a search gives at least one answer")?;
        let text = model.text_of(&best.tokens)?;
        if !self.json {
            return print(&format!("{}\n", one_line(&text)));
        }
        let other = |other: &Hypothesis| -> anyhow::Result<Other> {
            let Hypothesis { log_probability, score, .. } = *other;
            Ok(Other { text: model.text_of(&other.tokens)?, log_probability, score })
        };
        let answered = Answered {
            source: &source.text,
            text,
            tokens: best.tokens.len(),
            log_probability: best.log_probability,
            score: best.score,
            finish: if best.ended { "end" } else { "length" },
            others: others.iter().map(other).collect::<anyhow::Result<_>>()?,
        };
        print(&format!("{}\n", serde_json::to_string(&answered)?))
    }
}

fn no_alignment() -> anyhow::Error {
    let problem = "--align: the model has no attention from an answer to a source by itself";
    Problem::new(problem).hint("take an encoder-decoder (marian, t5, bart), or leave --align out").into()
}

fn too_long(place: &str, tokens: usize, context: usize) -> anyhow::Error {
    let problem = format!("{place} has {tokens} tokens, with its end, but the model reads at most {context}");
    Problem::new(problem)
        .hint("shorten it, give its parts one by one, or read its beginning alone: --truncate")
        .into()
}

/// An answer in the line of its source.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
