//! `nuwa chat`: questions and answers in a terminal, or line by line in a pipe.

mod answering;
mod choosing;
mod keeping;
mod lines;
mod remote;
mod search;
mod served;
mod stream;
mod talk;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use clap::Args;
use nuwa_files::quoted_path;
use nuwa_guard::Side;
use nuwa_infer::{
    Conversation, Engine, Finish, Flow, GenerateSettings, Prompt, Request, SamplingSettings, Scheduler,
};
use nuwa_report::numbers::counted;
use nuwa_tokenizer::Message;

use super::in_flags::in_flags;
use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::message;
use crate::failure::Problem;
use crate::guarding::{self, GuardArguments, Watch};
use crate::numbers::Count;
use crate::{base, model};
use answering::{Answered, shown};
use choosing::{Choosing, ChoosingArguments};
use remote::Remote;
use search::{Search, SearchArguments};
use served::Served;
use talk::History;

/// Chat with a model
///
/// Answers are streamed to standard output, everything else goes to standard error, so it also
/// works in a pipe, with one question per line. A question that cannot be answered is reported with
/// its line number, and the exit code is then 1. Ctrl-C stops an answer; at the prompt it quits.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa chat                                     the newest model in runs/
  nuwa chat runs/world --prompt \"Where does Mina live?\"
  nuwa chat tuned --system \"Answer in one word.\" --temperature 0
  nuwa chat tuned --top-p 0.9 --min-p 0.05 --frequency-penalty 0.5
  nuwa chat imported --precision bf16           half the memory
  nuwa chat rater --candidates 16 --why         the best of 16 answers by the model's own ratings
  nuwa chat runs/world --search                 looks up the run's own documents, and names its sources
  nuwa chat tuned --guard guard.toml            what must not be asked or said is stopped
  nuwa chat tuned --drafts 3                    three answers to choose from; choices are kept for nuwa dpo
  nuwa chat --server http://localhost:8080      a model that nuwa serve, or another server, has

While talking: /reset forgets the turns, /system TEXT, /temperature T, /why, /choose N, /save FILE, /load FILE, /help,
/quit; //word asks /word")]
pub struct Chat {
    /// A model folder, or a run folder [default: the newest run in runs/]
    model: Option<PathBuf>,
    /// Talk to a server that speaks OpenAI's API (nuwa serve, llama.cpp, vLLM, ...) instead of a model on this machine
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = [
            "model", "candidates", "drafts", "feedback", "least_safe", "refusal", "search", "documents", "why", "precision", "guard"
        ]
    )]
    server: Option<String>,
    /// With --server: a file that holds the key
    #[arg(long, value_name = "FILE", requires = "server")]
    api_key: Option<PathBuf>,
    /// With --server: which of its models [default: its first]
    #[arg(long = "model", id = "served_model", value_name = "NAME", requires = "server")]
    served_model: Option<String>,
    /// Keep what is typed for this session only: otherwise the arrow keys find it the next time, too
    #[arg(long)]
    no_history: bool,
    /// Answer this question and exit
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// System prompt
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Softmax temperature; 0 is greedy decoding [default: 0.3; 1 with --top-k 40 where answers are chosen among several]
    #[arg(long, alias = "temp", value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    #[command(flatten)]
    choosing: ChoosingArguments,
    #[command(flatten)]
    search: SearchArguments,
    /// Show after each answer why it was given, as /why does
    #[arg(long)]
    why: bool,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    weights: WeightArguments,
    #[command(flatten)]
    guard: GuardArguments,
    /// Maximum number of tokens per answer [default: 200]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// Random seed: the same seed and questions give the same answers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

const HELP: &str = "\
/reset           forget all turns
/system TEXT     what the model is told before all turns; without TEXT: nothing
/temperature T   0 is always the likeliest answer, 1 is daring
/why             why this answer was given: all candidates with their ratings, what was looked up
/choose N        takes draft N as the answer, and keeps the choice for nuwa dpo
/save FILE       keep the conversation
/load FILE       go on with a kept one
/quit            end (also Ctrl-D)
//word           asks the model /word";

/// Whether an answer is being written, and whether it is to stop.
static ANSWERING: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

impl Chat {
    pub fn run(self) -> anyhow::Result<()> {
        self.settings().check().map_err(in_flags)?;
        if let Some(address) = &self.server {
            return self.run_served(address);
        }
        self.choosing.check()?;
        let folder = match &self.model {
            Some(path) => model::folder(path)?,
            None => newest(Path::new("runs"))?,
        };
        let engine = self.weights.load(&folder)?;
        let mut session = Session::new(engine, &folder, &self)?;
        session.note_on_base(&folder);
        if self.why && session.tells_nothing() {
            session.explain()?;
        }
        match &self.prompt {
            Some(prompt) => session.ask(prompt),
            None => talk::talk(&folder.display().to_string(), self.history(), &mut |line| session.hear(line)),
        }
    }

    fn settings(&self) -> GenerateSettings {
        let (temperature, top_k) =
            self.choosing.sampling().unwrap_or((0.3, SamplingSettings::default().top_k));
        let sampling = self.sampling.settings(self.temperature.unwrap_or(temperature), top_k);
        let max_tokens = self.max_tokens.map_or(200, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..GenerateSettings::default() }
    }
}

impl Chat {
    /// Talks to a server.
    fn run_served(&self, address: &str) -> anyhow::Result<()> {
        let served = Served::connect(address, self.api_key.as_deref(), self.served_model.as_deref())?;
        let name = format!("{} of {}", served.model, served.base());
        let mut remote = Remote::new(served, self.system.clone(), self.settings());
        match &self.prompt {
            Some(prompt) => remote.ask(prompt),
            None => talk::talk(&name, self.history(), &mut |line| remote.hear(line)),
        }
    }

    fn history(&self) -> History {
        if self.no_history { History::Session } else { History::Kept }
    }
}

/// The model of the run that was built last.
pub(super) fn newest(runs: &Path) -> anyhow::Result<PathBuf> {
    let built = |folder: PathBuf| -> Option<(SystemTime, PathBuf)> {
        let config = folder.join("model").join("config.json");
        Some((config.metadata().ok()?.modified().ok()?, folder.join("model")))
    };
    let folders = std::fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    match folders.filter_map(built).max() {
        Some((_, model)) => Ok(model),
        None => Err(Problem::new("there is no model in runs/")
            .hint("name a model folder, or make one first: nuwa build")
            .into()),
    }
}

struct Session {
    /// Remembers what the model has read, so that no turn is read twice.
    scheduler: Scheduler,
    /// Whether it was taught to answer, so that it is asked through its chat template.
    answers: bool,
    conversation: Conversation,
    settings: GenerateSettings,
    /// How an answer is chosen among several, where it is.
    choosing: Option<Choosing>,
    /// What things are looked up in.
    search: Option<Search>,
    /// What was looked up for the last answer.
    looked_up: Option<String>,
    explains: bool,
    /// What must not be asked or said.
    watch: Option<Watch>,
}

impl Session {
    fn new(engine: Engine, folder: &Path, arguments: &Chat) -> anyhow::Result<Self> {
        let conversation = Conversation { system: arguments.system.clone(), turns: Vec::new() };
        let answers = base::answers(folder, &engine)?;
        let choosing = arguments.choosing.begin(&engine, folder, answers)?;
        let scheduler = engine.scheduler(choosing.as_ref().map_or(1, Choosing::slots))?;
        let search = arguments.search.begin(folder, answers)?;
        Ok(Self {
            scheduler,
            answers,
            conversation,
            settings: arguments.settings(),
            choosing,
            search,
            looked_up: None,
            explains: arguments.why,
            watch: arguments.guard.begin()?,
        })
    }

    /// A model that was never fine-tuned to answer can only go on with what it is given.
    fn note_on_base(&self, folder: &Path) {
        if !self.answers {
            message(&base_note(folder));
        }
    }

    fn hear(&mut self, line: &str) -> anyhow::Result<Flow> {
        match Said::in_line(line) {
            Said::Nothing => {}
            Said::Command { name: "/quit" | "/exit", rest: "" } => return Ok(Flow::Break(())),
            Said::Command { name, rest } => self.obey(name, rest)?,
            Said::Question(question) => self.ask(question)?,
        }
        Ok(Flow::Continue(()))
    }

    fn obey(&mut self, name: &str, rest: &str) -> anyhow::Result<()> {
        check_command(name, rest)?;
        match name {
            "/help" => message(HELP),
            "/reset" => {
                self.conversation.turns.clear();
                self.looked_up = None;
                self.choosing.iter_mut().for_each(Choosing::forget);
                message("all turns are forgotten");
            }
            "/why" => self.explain()?,
            "/choose" => self.choose(rest)?,
            "/system" => self.conversation.system = (!rest.is_empty()).then(|| rest.to_string()),
            "/temperature" => self.settings.sampling.temperature = temperature(rest)?,
            "/save" => keeping::save(&self.conversation, Path::new(rest))?,
            "/load" => {
                self.conversation = keeping::load(Path::new(rest))?;
                self.choosing.iter_mut().for_each(Choosing::forget);
            }
            _ => return Err(no_command(name, rest)),
        }
        Ok(())
    }

    /// Answers a question and keeps both; where there is no whole answer, neither.
    fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        if let Some(blocked) = self.stopped(question, Side::Prompt)? {
            guarding::tell(&blocked);
            return Ok(());
        }
        if !self.answers {
            return self.go_on_with(question);
        }
        let mut settings = self.settings.clone();
        // Each answer draws its own numbers.
        settings.seed = settings.seed.wrapping_add(self.conversation.turns.len() as u64);
        self.conversation.turns.push(Message::new("user", question));
        match self.answer(&settings) {
            Ok(Some(answered)) => self.remember(answered),
            other => {
                self.conversation.turns.pop();
                other?;
                message("(stopped: the question and this answer are not kept)");
                return Ok(());
            }
        }
        if self.explains { self.explain() } else { Ok(()) }
    }

    fn remember(&mut self, Answered { text, forgotten }: Answered) {
        self.conversation.turns.push(Message::new("assistant", text));
        if forgotten > 0 {
            self.conversation.turns.drain(..forgotten);
            let turns = counted(forgotten as u64, "oldest turn");
            message(&format!("(the context is full: {turns} forgotten)"));
        }
    }

    /// Whether nothing stands behind an answer that could be shown.
    fn tells_nothing(&self) -> bool {
        self.choosing.is_none() && self.search.is_none()
    }

    /// Shows why the last answer was given.
    fn explain(&self) -> anyhow::Result<()> {
        let (problem, hint) = match self.tells_nothing() {
            true => (
                "there is no more to tell: the answer is what the model wrote at once",
                "start with --candidates 16, --drafts 3 or --search",
            ),
            false => ("nothing was answered yet", "ask something first"),
        };
        let chosen = self.choosing.as_ref().and_then(Choosing::explanation);
        let all: Vec<String> = self.looked_up.iter().cloned().chain(chosen).collect();
        match all.is_empty() {
            true => Err(Problem::new(problem).hint(hint).into()),
            false => {
                message(&all.join("\n"));
                Ok(())
            }
        }
    }

    fn go_on_with(&mut self, text: &str) -> anyhow::Result<()> {
        let engine = self.scheduler.engine();
        let request =
            Request::new(Prompt::of(engine.prompt_ids(text)?), &self.settings, &engine.ends_of_text());
        let scheduler = &mut self.scheduler;
        let (written, blocked) =
            shown(self.watch.as_ref(), |goes_on, on_text| scheduler.write(request, goes_on, on_text))?;
        match blocked {
            Some(blocked) => guarding::tell(&blocked),
            None if written.finish == Finish::Interrupted => message("(stopped)"),
            None => {}
        }
        Ok(())
    }
}

/// What a base model is, and how it learns to answer.
fn base_note(folder: &Path) -> String {
    let named = quoted_path(base::run_of(folder).unwrap_or(folder));
    format!(
        "this is a base model: it was only pretrained, so it continues the text you write and does not answer; to make it \
         answer: nuwa sft {named} --data RECORDS.jsonl --out tuned"
    )
}

/// A temperature that was typed.
fn temperature(text: &str) -> anyhow::Result<f64> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err(Problem::new(format!("/temperature {text}: expected a number of 0 or more"))
            .hint("for example: /temperature 0.3")
            .into()),
    }
}

/// Refuses what is typed after a command that takes nothing, and a file that is not named.
fn check_command(name: &str, rest: &str) -> anyhow::Result<()> {
    let takes_nothing = ["/help", "/reset", "/quit", "/exit", "/why"].contains(&name);
    if takes_nothing && !rest.is_empty() {
        return Err(Problem::new(format!("{name} takes nothing after it"))
            .hint(format!("to ask the model: /{name} {rest}"))
            .into());
    }
    if ["/save", "/load"].contains(&name) && rest.is_empty() {
        return Err(Problem::new(format!("{name} needs the name of a file"))
            .hint(format!("for example: {name} talk.json"))
            .into());
    }
    Ok(())
}

/// A command that there is not.
fn no_command(name: &str, rest: &str) -> anyhow::Error {
    let hint = format!("/help lists what there is; to ask the model: /{name} {rest}");
    Problem::new(format!("there is no {name}")).hint(hint.trim_end()).into()
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    /// `/` and letters, and what stands after them.
    Command {
        name: &'a str,
        rest: &'a str,
    },
    Question(&'a str),
}

impl<'a> Said<'a> {
    fn in_line(line: &'a str) -> Self {
        let line = line.trim();
        if line.is_empty() {
            return Self::Nothing;
        }
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        match name.strip_prefix('/') {
            Some(word) if is_word(word) => Self::Command { name, rest: rest.trim() },
            Some(word) if word.starts_with('/') => Self::Question(&line[1..]),
            _ => Self::Question(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_and_letters_are_a_command_and_all_else_is_a_question() {
        let command = |name, rest| Said::Command { name, rest };
        let cases = [
            ("  ", Said::Nothing),
            ("/reset", command("/reset", "")),
            (" /system  Be short. ", command("/system", "Be short.")),
            ("/unknown", command("/unknown", "")),
            ("/etc/hosts", Said::Question("/etc/hosts")),
            ("/etc/hosts holds what?", Said::Question("/etc/hosts holds what?")),
            ("/", Said::Question("/")),
            ("/3 of 4", Said::Question("/3 of 4")),
            ("/你好", Said::Question("/你好")),
            ("//reset", Said::Question("/reset")),
            ("//", Said::Question("/")),
            ("9 / 3?", Said::Question("9 / 3?")),
        ];
        for (line, said) in cases {
            assert_eq!(Said::in_line(line), said, "{line}");
        }
    }
}
