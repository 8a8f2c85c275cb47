use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use nuwa_clean::{CleanSummary, clean};
use nuwa_collect::{Sample, sample};
use nuwa_files::{Progress, quoted_path};
use nuwa_models::{Outline, PresetName};
use nuwa_report::drawing;
use nuwa_report::numbers::{bytes, counted, grouped, rounded, seconds};
use nuwa_report::repetition;
use nuwa_shards::tokenize::{TokenizeSummary, tokenize};
use nuwa_tokenizer::{Tokenizer, TrainSettings};
use nuwa_train::plan::{Plan as Planned, sizes};
use serde::Serialize;
use toml::Value;

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::interrupt::{self, Scratch, Work};
use crate::online;
use crate::planning::{self, DialArguments, PlanBasis, Time};
use crate::source::Source;
use crate::stages::tokenizer::learn_at_most;
use crate::stages::{self, Build};

/// Predict a build's size, time, memory and quality (dry run)
///
/// Reads a sample of the text, cleans it, trains a tokenizer and runs a few training steps in a
/// temporary folder, then predicts what a build from this text would give: model size, epochs,
/// time, memory and bits per byte, and draws the model with the shapes, weights and operations of its
/// parts. Nothing is kept. For a large corpus the sample is a few megabytes, and the rest is
/// extrapolated.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa plan ~/documents --budget 10m
  nuwa plan                              of the embedded world
  nuwa plan book.txt --params 1M --tokens 20M
  nuwa plan corpus/ --preset gpt3-125m --budget 8h
  nuwa plan corpus/ --budget 8h --sample 32 --json")]
pub struct Plan {
    /// Files and folders of text, as `nuwa collect` reads them [default: the embedded world]
    #[arg(value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    #[command(flatten)]
    dial: DialArguments,
    /// Maximum size of the sample, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1000))]
    sample: u64,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Seconds of trying at most: a plan is there to be quick.
const PILOT_SECONDS: f64 = 8.0;

/// What is to be known of batch norm before it is trained.
const BATCH_NORM: &str = "batch norm: in pretraining positions see the statistics of all others of a pass, later ones too, so packed \
    text is not as alone, and the training loss is no likelihood; validation and use go by running statistics";

/// What a build would come to.
#[derive(Debug, Serialize)]
struct Outlook {
    /// What was read for it.
    sample: Read,
    /// What all of the text is expected to be.
    text: ExpectedText,
    vocabulary: usize,
    /// The stages before the training, in seconds.
    seconds_before: f64,
    plan: Planned,
}

#[derive(Debug, Serialize)]
struct Read {
    files: u64,
    bytes: u64,
    /// Whether that is all there is.
    is_whole: bool,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct ExpectedText {
    files: u64,
    bytes: u64,
    bytes_after_cleaning: u64,
    tokens: u64,
}

impl Plan {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.dial.put_into(&mut draft)?;
        let named = self.sources.iter().map(|path| Value::String(path.display().to_string()));
        draft.put("from", Value::Array(named.collect()))?;
        self.check()?;
        interrupt::begin(Work::alone("plan"))?;
        let folder = Scratch::new()?;
        Source::of(&draft.recipe()?).put_into(&mut draft, &folder)?;
        let build = Build::new(draft, folder.to_path_buf(), &stages::STAGES)?;
        planning::goal(&build.recipe)?;
        let mut display = Display::new();
        let outlook = self.look(&build, &mut display)?;
        drop(display);
        print_figures(self.json, &outlook, || self.text(&outlook))
    }

    fn check(&self) -> anyhow::Result<()> {
        let Some(online) = self.sources.iter().find(|source| online::is_online(source)) else {
            return Ok(());
        };
        let shown = online.display();
        let problem = Problem::new(format!("{shown} is not on this disk, and a plan fetches nothing"));
        Err(problem
            .hint(format!(
                "fetch it first: nuwa collect {} --out texts && nuwa plan texts",
                quoted_path(online)
            ))
            .into())
    }

    fn look(&self, build: &Build, display: &mut Display) -> anyhow::Result<Outlook> {
        let Build { recipe, source, folder, .. } = build;
        let begun = Instant::now();
        let place = |name: &str| folder.join(name);
        let mut observe = |progress: Progress| display.show(progress);
        let most = self.sample * 1_000_000;
        if source.is_written() {
            nuwa_world::write(&recipe.world, &source.folder(folder), &mut observe)?;
        }
        let texts = source.texts(recipe, folder);
        let read = sample(&texts, &place("collect"), &recipe.collect, most, &mut observe)?;
        let cleaned: CleanSummary = clean(&[place("collect")], &place("clean"), &recipe.clean, &mut observe)?;
        let scale = read.bytes_in_all as f64 / read.summary.bytes.max(1) as f64;
        let bytes_after_cleaning = (cleaned.bytes_out as f64 * scale) as u64;
        let planned = !build.draft.says("tokenizer.vocab_size");
        let size = match planned {
            true => planning::vocabulary(recipe, bytes_after_cleaning)?,
            false => recipe.tokenizer.vocab_size,
        };
        let settings = TrainSettings { vocab_size: size, ..recipe.tokenizer.clone() };
        let split = &recipe.tokenize.split;
        let learnt = learn_at_most(&place("clean"), split, settings, planned, &mut observe)?;
        let shards = place("tokenize");
        let tokens: TokenizeSummary =
            tokenize(&place("clean"), &learnt, &shards, &recipe.tokenize, &mut observe)?;
        let took = begun.elapsed();
        let whole = (tokens.train.tokens as f64 * scale) as u64;
        let before = Duration::from_secs_f64(took.as_secs_f64() * scale);
        let time = Time { spent: before, afterwards: build.afterwards(&tokens)? };
        let basis = PlanBasis { whole: Some(whole), given: None, pilot_seconds: Some(PILOT_SECONDS) };
        let plan = planning::plan(recipe, &shards, &learnt, time, basis, display)?;
        Ok(outlook(&read, bytes_after_cleaning, whole, &learnt, [took, before], plan))
    }

    fn text(&self, outlook: &Outlook) -> String {
        let Outlook { sample, text, vocabulary, seconds_before, plan } = outlook;
        let files = counted(text.files, "file");
        let read = match sample.is_whole {
            true => format!("all {} of text in {files}", bytes(sample.bytes)),
            false => format!(
                "a sample of {}, of about {} of text in {files}",
                bytes(sample.bytes),
                bytes(text.bytes)
            ),
        };
        let about = if sample.is_whole { "" } else { "about " };
        let kept = format!(
            "{about}{} after cleaning, {about}{} tokens to learn from, a vocabulary of {}",
            bytes(text.bytes_after_cleaning),
            rounded(text.tokens as f64),
            grouped(*vocabulary as u64)
        );
        let model = format!("{}: {}", weights(plan), shape(plan));
        let training = format!(
            "{} tokens (the text {:.1} times) in {}",
            rounded(plan.tokens as f64),
            plan.epochs,
            counted(plan.steps, "step")
        );
        let expected = format!(
            "{} of training after {} of preparation, {} of memory{}",
            seconds(plan.predicted.seconds),
            seconds(*seconds_before),
            bytes(plan.predicted.memory_bytes),
            planning::bits(&plan.predicted)
        );
        let batch = batch(plan);
        let published = plan.preset.and_then(|preset| published(preset, plan));
        let rows = [
            ("text", read),
            ("kept", kept),
            ("model", model),
            ("training", training),
            ("batch", batch),
            ("expected", expected),
        ];
        let mut lines: Vec<String> = rows.iter().map(|(name, told)| format!("{name:<9} {told}")).collect();
        lines.extend(published.map(|told| format!("{:<9} {told}", "published")));
        lines.extend(plan.model.sees_batch().then(|| format!("{:<9} {BATCH_NORM}", "note")));
        lines.extend(repetition::warning(plan.epochs).map(|told| format!("{:<9} {told}", "warning")));
        lines.push(format!("\n{}", drawing::text(&Outline::of(&plan.model))));
        lines.join("\n")
    }
}

/// The batch, the one that the law suggests, and the noise of gradients, where that could be told.
fn batch(plan: &Planned) -> String {
    let count = |tokens: f64| rounded(tokens);
    let noise = plan.pilot.as_ref().and_then(|pilot| Some((pilot.noise_scale?, pilot.tokens)));
    let noise = noise.map_or(String::new(), |(scale, tokens)| {
        let (scale, tokens) = (count(scale), count(tokens as f64));
        format!("; the gradient noise scale after {tokens} tokens is {scale}, and grows")
    });
    format!(
        "{} tokens a step, {} at a time (the law suggests {}){noise}",
        count(plan.batch_tokens() as f64),
        count((plan.sequences * plan.context) as f64),
        count(sizes::batch_tokens(plan.tokens) as f64)
    )
}

/// How the published model was trained, beside the plan; nothing where that is not known.
fn published(name: PresetName, plan: &Planned) -> Option<String> {
    let (_, preset) = name.preset();
    let rate = preset.learning_rate.map(|rate| format!("{rate:e}"));
    let batch = preset.batch_tokens.map(|tokens| format!("{} tokens a step", rounded(tokens as f64)));
    let theirs = match (rate, batch) {
        (None, None) => return None,
        (Some(rate), None) => format!("a rate of {rate}"),
        (None, Some(batch)) => batch,
        (Some(rate), Some(batch)) => format!("a rate of {rate}, {batch}"),
    };
    let batch = rounded(plan.batch_tokens() as f64);
    Some(format!("{name} was trained at {theirs}; here {:e}, {batch} tokens a step", plan.learning_rate))
}

/// All weights, and of a model with experts, or with an encoder and a decoder, those that a token meets.
fn weights(plan: &Planned) -> String {
    let (all, active) = (rounded(plan.parameters as f64), plan.model.size().active() as u64);
    if active == plan.parameters {
        return format!("{all} weights");
    }
    format!("{all} weights, of which a token meets {}", rounded(active as f64))
}

fn outlook(
    read: &Sample,
    bytes_after_cleaning: u64,
    whole: u64,
    tokenizer: &Tokenizer,
    [took, before]: [Duration; 2],
    plan: Planned,
) -> Outlook {
    Outlook {
        sample: Read {
            files: read.summary.files,
            bytes: read.summary.bytes,
            is_whole: read.is_whole,
            seconds: took.as_secs_f64(),
        },
        text: ExpectedText {
            files: read.files_in_all,
            bytes: read.bytes_in_all,
            bytes_after_cleaning,
            tokens: whole,
        },
        vocabulary: tokenizer.vocab_size(),
        seconds_before: before.as_secs_f64(),
        plan,
    }
}

/// `4 layers, 128 wide, 256 tokens of context`.
fn shape(plan: &Planned) -> String {
    let layers = counted(plan.model.layers() as u64, "layer");
    let stacks = if plan.model.is_encoder_decoder() { " of encoder and decoder" } else { "" };
    format!("{layers}{stacks}, {} wide, {} tokens of context", plan.model.width(), plan.context)
}
