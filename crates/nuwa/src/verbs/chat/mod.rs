//! `nuwa chat`: questions and answers in a terminal, or line by line in a pipe.

mod answering;
mod choosing;
mod lines;
mod search;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use clap::Args;
use nuwa_files::quoted_path;
use nuwa_guard::Side;
use nuwa_infer::{
    Conversation, Engine, Finish, Flow, GenerateSettings, Prompt, Request, SamplingSettings, Scheduler,
};
use nuwa_report::numbers::counted;
use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};

use super::in_flags::in_flags;
use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::message;
use crate::failure::{self, Problem};
use crate::guarding::{self, GuardArguments, Watch};
use crate::numbers::Count;
use crate::{base, model};
use answering::{Answered, shown};
use choosing::{Choosing, ChoosingArguments};
use lines::Lines;
use search::{Search, SearchArguments};

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

While talking: /reset forgets the turns, /system TEXT, /temperature T, /why, /choose N, /save FILE, /load FILE, /help,
/quit; //word asks /word")]
pub struct Chat {
    /// A model folder, or a run folder [default: the newest run in runs/]
    model: Option<PathBuf>,
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
            None => session.talk(&folder),
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

/// A conversation as `/save` keeps it; what holds more than that is another kind of file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    messages: Vec<Message>,
}

impl Kept {
    /// Reads a file; a device or a pipe might never end.
    fn read(path: &Path) -> anyhow::Result<Self> {
        const LARGEST: u64 = 16 << 20;
        if path.exists() && !path.is_file() {
            let problem = Problem::new(format!("{} is no file", path.display()));
            return Err(problem.hint("name a file that /save wrote").into());
        }
        Ok(nuwa_files::read_json_at_most(path, LARGEST)?)
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

    fn talk(&mut self, folder: &Path) -> anyhow::Result<()> {
        let at_terminal = io::stdin().is_terminal();
        if at_terminal {
            message(&format!("{}; /help says what can be done", folder.display()));
        }
        listen_for_interrupts();
        let failed = self.hear_all(at_terminal)?;
        // At a terminal somebody saw each error and could ask again.
        if failed == 0 || at_terminal {
            return Ok(());
        }
        Err(Problem::new(format!("{} could not be answered", counted(failed, "line")))
            .hint("each is named above, with the reason")
            .into())
    }

    /// Answers line after line; how many could not be answered.
    fn hear_all(&mut self, at_terminal: bool) -> anyhow::Result<u64> {
        let mut lines = Lines::new(io::stdin().lock());
        let mut failed = 0;
        loop {
            if at_terminal {
                eprint!("> ");
                io::stderr().flush()?;
            }
            let Some(line) = lines.read()? else { return Ok(failed) };
            match line.map_err(anyhow::Error::from).and_then(|line| self.hear(&line)) {
                Ok(Flow::Continue(())) => {}
                Ok(Flow::Break(())) => return Ok(failed),
                // Where nothing can be printed, nobody hears the next answer either.
                Err(error) if error.is::<io::Error>() => return Err(error),
                Err(error) => {
                    failed += 1;
                    failure::tell((!at_terminal).then_some(lines.number()), &error);
                }
            }
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
        match name {
            "/help" | "/reset" | "/quit" | "/exit" | "/why" if !rest.is_empty() => {
                return Err(Problem::new(format!("{name} takes nothing after it"))
                    .hint(format!("to ask the model: /{name} {rest}"))
                    .into());
            }
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
            "/temperature" => self.set_temperature(rest)?,
            "/save" | "/load" if rest.is_empty() => {
                return Err(Problem::new(format!("{name} needs the name of a file"))
                    .hint(format!("for example: {name} talk.json"))
                    .into());
            }
            "/save" => self.save(Path::new(rest))?,
            "/load" => self.load(Path::new(rest))?,
            _ => {
                return Err(Problem::new(format!("there is no {name}"))
                    .hint(format!("/help lists what there is; to ask the model: /{name} {rest}").trim_end())
                    .into());
            }
        }
        Ok(())
    }

    fn set_temperature(&mut self, text: &str) -> anyhow::Result<()> {
        match text.parse::<f64>() {
            Ok(value) if value >= 0.0 && value.is_finite() => {
                self.settings.sampling.temperature = value;
                Ok(())
            }
            _ => Err(Problem::new(format!("/temperature {text}: expected a number of 0 or more"))
                .hint("for example: /temperature 0.3")
                .into()),
        }
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let system = self.conversation.system.iter().map(|text| Message::new("system", text.as_str()));
        let messages = system.chain(self.conversation.turns.iter().cloned()).collect();
        if path.exists() && Kept::read(path).is_err() {
            return Err(Problem::new(format!("{} exists and is no conversation", path.display()))
                .hint("name another file: this one would be lost")
                .into());
        }
        nuwa_files::write_json(path, &Kept { messages })?;
        message(&format!("kept in {}", path.display()));
        Ok(())
    }

    fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        let Kept { mut messages } = Kept::read(path)?;
        if messages.last().is_some_and(|turn| turn.role != "assistant") {
            return Err(Problem::new(format!("{} does not end in an answer", path.display()))
                .hint("the last of its messages must have the role `assistant`")
                .into());
        }
        let has_system = messages.first().is_some_and(|turn| turn.role == "system");
        self.conversation.system = has_system.then(|| messages.remove(0).content);
        self.choosing.iter_mut().for_each(Choosing::forget);
        self.conversation.turns = messages;
        message(&format!("{} loaded", counted(self.conversation.turns.len() as u64, "turn")));
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

/// Ctrl-C stops an answer; where none is being written, it ends the program.
fn listen_for_interrupts() {
    let stop = || match ANSWERING.load(Ordering::Relaxed) {
        true => STOP.store(true, Ordering::Relaxed),
        false => std::process::exit(130),
    };
    if ctrlc::set_handler(stop).is_err() {
        message("Ctrl-C will end the program, not only an answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_conversation_is_read_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Kept::read(&path).map(|kept| kept.messages.len()).map_err(|error| error.to_string())
        };
        assert_eq!(told(r#"{"messages": [{"role": "user", "content": "a"}]}"#), Ok(1));
        assert!(told(r#"{"model": "m", "messages": []}"#).unwrap_err().contains("unknown field `model`"));
        assert!(told(&" ".repeat(17 << 20)).unwrap_err().contains("is too large"));
        assert!(Kept::read(folder.path()).err().unwrap().to_string().ends_with("is no file"));
        #[cfg(unix)]
        assert!(Kept::read(Path::new("/dev/zero")).err().unwrap().to_string().ends_with("is no file"));
    }

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
