use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgGroup, Args};
use nuwa_guard::{Blocked, Side};
use nuwa_infer::{Engine, Finish, Flow, GenerateSettings, Generation, MaskedWriter, RequestId, SLOTS};
use nuwa_models::Family;
use serde::Serialize;

use super::in_flags::in_flags;
use super::language::LanguageArgument;
use super::masked_generation::ByMasks;
use super::prompt_lines::prompts;
use super::sampling::SamplingArguments;
use super::searched_generation::{BeamArguments, BySearch};
use super::weights::WeightArguments;
use crate::console::print;
use crate::failure::Problem;
use crate::guarding::{self, CONTENT_FILTER, GuardArguments, Watch, guarded};
use crate::numbers::Count;
use crate::{input, model};

/// Generate text from a prompt
///
/// Streams the continuation, and nothing else, to standard output. An encoder-decoder (marian, t5, bart) reads the prompt as its
/// source and writes an answer to it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("input").required(true).args(["prompt", "file", "prompts"])))]
#[command(after_help = "\
Examples:
  nuwa generate runs/book --prompt \"Once upon a time\"
  nuwa generate runs/book --prompt \"Q:\" --temperature 0 --stop \"Q:\" --max-tokens 50
  nuwa generate runs/book --file chapter.txt --min-p 0.05 --top-p 1
  nuwa generate runs/book --beam 4 --max-tokens 40 --prompt \"The river\"
  nuwa generate imported --precision bf16 --prompt \"Dear diary,\"
  echo \"Once upon a time\" | nuwa generate runs/book --prompt -
  nuwa generate runs/book --prompts beginnings.txt > endings.jsonl
  nuwa generate runs/book --guard guard.toml --prompt \"Dear diary,\"")]
pub struct Generate {
    /// A model folder, or a run folder
    model: PathBuf,
    /// The prompt; `-` reads standard input; an empty prompt starts a new text, and is refused by an
    /// encoder-decoder
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Read the prompt from this file, without its final line end
    #[arg(short, long, alias = "prompt-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Continue every prompt in this file: one per line, or in a .jsonl file the field `prompt` of
    /// each line; prints one line of JSON per prompt
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Print the continuation as JSON: prompt, text, tokens, and the finish reason (end, length,
    /// stop or content_filter)
    #[arg(long)]
    json: bool,
    /// Maximum number of new tokens [default: 200]
    #[arg(long, alias = "n-predict", value_name = "N")]
    max_tokens: Option<Count>,
    /// Softmax temperature; 0 is greedy decoding [default: 0.8]
    #[arg(long, alias = "temp", value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    weights: WeightArguments,
    #[command(flatten)]
    guard: GuardArguments,
    /// Stop string: end before this text; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Random seed: the same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    beam: BeamArguments,
    #[command(flatten)]
    language: LanguageArgument,
}

/// A continuation as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    pub prompt: &'a str,
    pub text: String,
    pub tokens: usize,
    pub finish: &'static str,
}

impl Generate {
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings();
        settings.check().map_err(in_flags)?;
        let search = self.beam.settings()?;
        let watch = self.guard.begin()?;
        let folder = model::folder(&self.model)?;
        // What is to be continued is read first: it takes less time than a model.
        let lines = self
            .prompts
            .as_ref()
            .map(|path| Ok::<_, anyhow::Error>((path, prompts(path, &input::file(path)?)?)));
        let lines = lines.transpose()?;
        let texts: Vec<String> = match &lines {
            Some((_, lines)) => lines.iter().map(|(_, prompt)| prompt.clone()).collect(),
            None => vec![self.prompt()?],
        };
        let as_json = self.json || lines.is_some();
        let language = self.language.number(&folder)?;
        if is_written_by_masks(&folder)? {
            if search.is_some() {
                return Err(no_search());
            }
            let asked = ByMasks { writer: &MaskedWriter::load(&folder)?, settings, watch };
            return asked.all(&texts, as_json);
        }
        let engine = &self.weights.load_in_language(&folder, language)?;
        if let Some(search) = search {
            let asked = BySearch { engine, settings: search, max_tokens: settings.max_tokens, watch };
            return asked.all(&texts, as_json);
        }
        let asked = Asked { engine, settings, watch };
        match (&lines, &texts[..]) {
            (Some((path, lines)), _) => asked.all(path, lines),
            (None, [prompt]) if as_json => asked.as_json(prompt),
            (None, texts) => texts.iter().try_for_each(|prompt| asked.streamed(prompt)),
        }
    }

    fn settings(&self) -> GenerateSettings {
        let usual = GenerateSettings::default();
        let sampling = self
            .sampling
            .settings(self.temperature.unwrap_or(usual.sampling.temperature), usual.sampling.top_k);
        let max_tokens = self.max_tokens.map_or(usual.max_tokens, |count| count.0 as usize);
        GenerateSettings { max_tokens, stop: self.stop.clone(), seed: self.seed, sampling }
    }

    fn prompt(&self) -> anyhow::Result<String> {
        let text = match (&self.file, self.prompt.as_deref()) {
            (Some(path), _) => input::file(path)?,
            (None, Some("-")) => input::standard_input()?,
            (None, said) => return Ok(said.unwrap_or_default().to_string()),
        };
        // The line end that editors and echo put last is no part of what is to be continued.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_string())
    }
}

/// Whether a model writes by filling in one mask after the other.
fn is_written_by_masks(folder: &Path) -> anyhow::Result<bool> {
    Ok(nuwa_format::load_config(folder)?.family() == Family::Unilm)
}

fn no_search() -> anyhow::Error {
    let problem = "--beam: the model writes by filling in one mask after the other, and is not searched";
    Problem::new(problem).hint("leave --beam out; --temperature 0 takes the likeliest token each time").into()
}

/// How continuations are written.
struct Asked<'a> {
    engine: &'a Engine,
    settings: GenerateSettings,
    watch: Option<Watch>,
}

impl Asked<'_> {
    fn all(&self, path: &Path, prompts: &[(usize, String)]) -> anyhow::Result<()> {
        let (engine, settings) = (self.engine, &self.settings);
        let mut scheduler = engine.scheduler(SLOTS)?;
        let mut submit = |prompt: &str| -> anyhow::Result<Option<RequestId>> {
            if self.refused(prompt)?.is_some() {
                return Ok(None);
            }
            Ok(Some(scheduler.submit(engine.request(prompt, settings)?)?))
        };
        let submitted: Vec<_> = prompts.iter().map(|(line, prompt)| (line, prompt, submit(prompt))).collect();
        let mut ended = BTreeMap::new();
        // Each comes out as soon as those of the lines before have.
        for (line, prompt, submitted) in submitted {
            let told = || format!("{}, line {line}: it was not continued", path.display());
            let Some(id) = submitted.with_context(told)? else {
                print_stopped(prompt)?;
                continue;
            };
            let written = loop {
                if let Some(written) = ended.remove(&id) {
                    break written;
                }
                let updates = scheduler.step()?.into_iter();
                ended.extend(updates.filter_map(|update| Some((update.request, update.outcome?))));
            };
            self.print(prompt, written.with_context(told)?)?;
        }
        Ok(())
    }

    /// Why the prompt is not continued.
    fn refused(&self, prompt: &str) -> anyhow::Result<Option<Blocked>> {
        Ok(self.watch.as_ref().map(|watch| watch.check(prompt, Side::Prompt)).transpose()?.flatten())
    }

    /// Prints the continuation as it comes.
    fn streamed(&self, prompt: &str) -> anyhow::Result<()> {
        if let Some(blocked) = self.refused(prompt)? {
            guarding::tell(&blocked);
            return Ok(());
        }
        let mut written = Ok(());
        let mut on_text = |text: &str| {
            if written.is_ok() {
                written = print(text);
            }
        };
        let engine = self.engine;
        let request = engine.request(prompt, &self.settings)?;
        let mut scheduler = engine.scheduler(1)?;
        let mut goes_on = || Flow::Continue(());
        let write = |goes_on: &mut dyn FnMut() -> Flow, on_text: &mut dyn FnMut(&str)| {
            scheduler.write(request, goes_on, on_text)
        };
        let (_, blocked) = guarded(self.watch.as_ref(), &mut goes_on, &mut on_text, write)?;
        written?;
        if io::stdout().is_terminal() {
            print("\n")?;
        }
        blocked.iter().for_each(guarding::tell);
        Ok(())
    }

    fn as_json(&self, prompt: &str) -> anyhow::Result<()> {
        match self.refused(prompt)? {
            Some(_) => print_stopped(prompt),
            None => self.print(prompt, self.engine.generate(prompt, &self.settings, &mut |_| {})?),
        }
    }

    fn print(&self, prompt: &str, written: Generation) -> anyhow::Result<()> {
        let Generation { text, tokens, finish, .. } = written;
        let (text, blocked) = match &self.watch {
            Some(watch) => watch.cut(&text)?,
            None => (text, None),
        };
        let finish = if blocked.is_some() { CONTENT_FILTER } else { reason(finish) };
        print_json(&Written { prompt, text, tokens: tokens.len(), finish })
    }
}

/// What the guard did not let be asked.
pub(super) fn print_stopped(prompt: &str) -> anyhow::Result<()> {
    print_json(&Written { prompt, text: String::new(), tokens: 0, finish: CONTENT_FILTER })
}

pub(super) fn print_json(written: &Written<'_>) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string(written)?))
}

pub(super) fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::EndOfText => "end",
        Finish::Length => "length",
        Finish::Stop => "stop",
        Finish::Interrupted => "interrupted",
    }
}
