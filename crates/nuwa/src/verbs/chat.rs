use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use clap::Args;
use nuwa_infer::{Conversation, Engine, Finish, GenerateSettings, Prompt, SamplingSettings};
use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};

use crate::console::{message, print, print_line};
use crate::failure::Problem;
use crate::model;
use crate::numbers::{Count, counted};

/// Talk to a model
///
/// Answers go to standard output as they are written, all else to standard error, so it works in a pipe too: a line is a
/// question. Ctrl-C stops an answer; at the prompt it ends the program.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa chat                                     the newest model in runs/
  nuwa chat runs/world --prompt \"Where does Mina live?\"
  nuwa chat tuned --system \"Answer in one word.\" --temperature 0

While talking: /reset forgets the turns, /system TEXT, /temperature T, /save FILE, /load FILE, /help, /quit")]
pub struct Chat {
    /// A model folder, or the folder of a run [default: the newest run in runs/]
    model: Option<PathBuf>,
    /// Answer this, and end
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// What the model is told before all turns
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// 0 always takes the likeliest token, 1 follows the model's own probabilities [default: 0.3]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// The most tokens of an answer [default: 200]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// The same seed and questions give the same answers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

const HELP: &str = "\
/reset           forget all turns
/system TEXT     what the model is told before all turns; without TEXT: nothing
/temperature T   0 is always the likeliest answer, 1 is daring
/save FILE       keep the conversation
/load FILE       go on with a kept one
/quit            end (also Ctrl-D)";

/// Whether an answer is being written, and whether it is to stop.
static ANSWERING: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

impl Chat {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = match &self.model {
            Some(path) => model::folder(path)?,
            None => newest(Path::new("runs"))?,
        };
        let engine = Engine::load(&folder)?;
        let mut session = Session::new(engine, &self);
        match &self.prompt {
            Some(prompt) => {
                session.note_on_template();
                session.ask(prompt)
            }
            None => session.talk(&folder),
        }
    }

    fn settings(&self) -> GenerateSettings {
        let sampling =
            SamplingSettings { temperature: self.temperature.unwrap_or(0.3), ..SamplingSettings::default() };
        let max_tokens = self.max_tokens.map_or(200, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..GenerateSettings::default() }
    }
}

/// The model of the run that was built last.
fn newest(runs: &Path) -> anyhow::Result<PathBuf> {
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

/// A conversation as `/save` keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    messages: Vec<Message>,
}

struct Session {
    engine: Engine,
    conversation: Conversation,
    settings: GenerateSettings,
}

impl Session {
    fn new(engine: Engine, arguments: &Chat) -> Self {
        let conversation = Conversation { system: arguments.system.clone(), turns: Vec::new() };
        Self { engine, conversation, settings: arguments.settings() }
    }

    fn has_template(&self) -> bool {
        self.engine.tokenizer().chat_template().is_some()
    }

    /// A model that was never tuned to answer can only go on with what it is given.
    fn note_on_template(&self) {
        if !self.has_template() {
            message(
                "this model has no chat template: it continues what you write (nuwa sft makes it answer)",
            );
        }
    }

    fn talk(&mut self, folder: &Path) -> anyhow::Result<()> {
        let at_terminal = io::stdin().is_terminal();
        if at_terminal {
            message(&format!("{}; /help says what can be done", folder.display()));
        }
        self.note_on_template();
        listen_for_interrupts();
        let mut lines = io::stdin().lock().lines();
        loop {
            if at_terminal {
                eprint!("> ");
                io::stderr().flush()?;
            }
            let Some(line) = lines.next().transpose()? else { return Ok(()) };
            let told = match line.trim() {
                "" => Ok(()),
                "/quit" | "/exit" => return Ok(()),
                command if command.starts_with('/') => self.obey(command),
                question => self.ask(question),
            };
            match told {
                Ok(()) => {}
                // A question that cannot be answered does not end the talk, unless nobody is there to ask another.
                Err(error) if at_terminal => message(&format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
    }

    fn obey(&mut self, command: &str) -> anyhow::Result<()> {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match name {
            "/help" => message(HELP),
            "/reset" => {
                self.conversation.turns.clear();
                message("all turns are forgotten");
            }
            "/system" => self.conversation.system = (!rest.is_empty()).then(|| rest.to_string()),
            "/temperature" => self.set_temperature(rest)?,
            "/save" | "/load" if rest.is_empty() => {
                return Err(Problem::new(format!("{name} needs the name of a file")).into());
            }
            "/save" => self.save(Path::new(rest))?,
            "/load" => self.load(Path::new(rest))?,
            _ => return Err(Problem::new(format!("there is no {name}; /help lists what there is")).into()),
        }
        Ok(())
    }

    fn set_temperature(&mut self, text: &str) -> anyhow::Result<()> {
        match text.parse::<f64>() {
            Ok(value) if value >= 0.0 && value.is_finite() => {
                self.settings.sampling.temperature = value;
                Ok(())
            }
            _ => Err(Problem::new(format!("/temperature {text}: expected a number of 0 or more")).into()),
        }
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let system = self.conversation.system.iter().map(|text| Message::new("system", text.as_str()));
        let messages = system.chain(self.conversation.turns.iter().cloned()).collect();
        nuwa_files::write_json(path, &Kept { messages })?;
        message(&format!("kept in {}", path.display()));
        Ok(())
    }

    fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        let Kept { mut messages } = nuwa_files::read_json(path)?;
        let has_system = messages.first().is_some_and(|turn| turn.role == "system");
        self.conversation.system = has_system.then(|| messages.remove(0).content);
        self.conversation.turns = messages;
        message(&format!("{} loaded", counted(self.conversation.turns.len() as u64, "turn")));
        Ok(())
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        if !self.has_template() {
            return self.go_on_with(question);
        }
        self.conversation.turns.push(Message::new("user", question));
        let reserve = self.settings.max_tokens.min(self.engine.model().context() / 2);
        let prompt = self.conversation.prompt(&self.engine, reserve).inspect_err(|_| {
            self.conversation.turns.pop();
        })?;
        self.forget(prompt.forgotten);
        let mut settings = self.settings.clone();
        // Not a step beyond the context: an answer that slid on would lose sight of its question.
        settings.max_tokens = settings.max_tokens.min(self.engine.model().context() - prompt.ids.len());
        // Each answer draws its own numbers.
        settings.seed = settings.seed.wrapping_add(self.conversation.turns.len() as u64 - 1);
        let text = self.write(&prompt, &settings)?;
        self.conversation.turns.push(Message::new("assistant", text));
        Ok(())
    }

    fn forget(&mut self, turns: usize) {
        if turns > 0 {
            self.conversation.turns.drain(..turns);
            message(&format!("(the context is full: {} forgotten)", counted(turns as u64, "oldest turn")));
        }
    }

    fn go_on_with(&self, text: &str) -> anyhow::Result<()> {
        let prompt = Prompt { ids: self.engine.prompt_ids(text)?, forgotten: 0 };
        self.write(&prompt, &self.settings).map(drop)
    }

    /// Writes an answer to standard output as it comes.
    fn write(&self, prompt: &Prompt, settings: &GenerateSettings) -> anyhow::Result<String> {
        STOP.store(false, Ordering::Relaxed);
        ANSWERING.store(true, Ordering::Relaxed);
        let mut written = Ok(());
        let mut on_text = |text: &str| {
            if written.is_ok() {
                written = print(text);
            }
        };
        let mut goes_on = || match STOP.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let answer = self.engine.answer(prompt, settings, &mut goes_on, &mut on_text);
        ANSWERING.store(false, Ordering::Relaxed);
        let answer = answer?;
        written?;
        print_line("")?;
        if answer.finish == Finish::Interrupted {
            message("(stopped)");
        }
        Ok(answer.text)
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
