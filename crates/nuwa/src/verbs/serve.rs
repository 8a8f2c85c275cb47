use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;
use nuwa_infer::SamplingSettings;
use nuwa_serve::{ApiKey, Event, Observer, RequestRecord, ServeSettings, ServedModel, Server};

use super::chat::newest;
use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::{message, print_line};
use crate::failure::Problem;
use crate::guarding::{self, GuardArguments};
use crate::named::{Named, named};
use crate::numbers::{Count, Span};
use crate::{base, input, interrupt, model};

/// Serve models over HTTP: OpenAI's interface, and a page to talk to them
///
/// Prints the address once it listens; a browser finds the page there, and programs OpenAI's interface below it: /v1/chat/completions,
/// /v1/completions, /v1/embeddings, /v1/models, /tokenize, /detokenize, /health, /metrics. Texts of many requests are written together.
/// Only this machine is served unless --host says otherwise, and then every request needs a key. Each request is told in a line on
/// standard error, without its text. Ctrl-C takes no more requests and lets those that run end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa serve                                    the newest model in runs/, at http://127.0.0.1:8080
  nuwa serve runs/world --port 9000
  nuwa serve small=runs/a/sft large=runs/b/sft  two models, by name
  nuwa serve tuned --guard guard.toml           what must not be asked or said is stopped
  nuwa serve tuned --host 0.0.0.0 --api-key keys.txt
  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Where does Mina live?\"}]}'

Clients of OpenAI's take it as base_url http://127.0.0.1:8080/v1 with any key.")]
pub struct Serve {
    /// Model folders or run folders; NAME=PATH names one [default: the newest run in runs/]
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Listen on this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Only who gives a key of this file is answered: a key a line, each of at least 16 characters
    #[arg(long, value_name = "FILE")]
    api_key: Option<PathBuf>,
    /// A name by which the machine is called, where it is not localhost or --host; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Let pages of this site ask, such as http://localhost:3000; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    #[command(flatten)]
    guard: GuardArguments,
    /// Softmax temperature where a request says none; 0 is greedy decoding [default: 1]
    #[arg(long, alias = "temp", value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    weights: WeightArguments,
    /// Maximum number of tokens per answer, whatever a request says [default: what fits the context]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// Texts that are written at one time, for each model
    #[arg(long, value_name = "N", default_value_t = Count(16))]
    slots: Count,
    /// Requests that may wait, for each model; further ones are told to come again (429)
    #[arg(long, value_name = "N", default_value_t = Count(256))]
    queue: Count,
    /// The longest that a request may take
    #[arg(long, value_name = "TIME", default_value_t = Span(Duration::from_secs(600)))]
    timeout: Span,
    /// Tell in the lines on standard error what was asked and answered too
    #[arg(long)]
    log_texts: bool,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings()?;
        settings.check()?;
        let models =
            self.places()?.iter().map(|place| self.load(place)).collect::<anyhow::Result<Vec<_>>>()?;
        let observer = observer(settings.guard.as_ref().and_then(|guard| guard.log.clone()));
        // Whoever has the address may press Ctrl-C at once.
        let ended = interrupt::on_end()?;
        let server = Server::start(settings, models, observer)?;
        print_line(&format!("http://{}", server.address()))?;
        // Only Ctrl-C says that it is enough.
        let _ = ended.recv();
        message(
            "taking no more requests; those that run go on for at most 30 seconds, Ctrl-C again ends at once",
        );
        let (done, is_done) = channel();
        let server = Arc::new(server);
        let stopping = Arc::clone(&server);
        std::thread::spawn(move || {
            stopping.stop();
            let _ = done.send(());
        });
        while is_done.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            if ended.try_recv().is_ok() {
                std::process::exit(interrupt::EXIT_CODE.into());
            }
        }
        Ok(())
    }

    fn settings(&self) -> anyhow::Result<ServeSettings> {
        let usual = ServeSettings::default();
        let temperature = self.temperature.unwrap_or(usual.sampling.temperature);
        let sampling = self.sampling.settings_over(&SamplingSettings { temperature, ..usual.sampling });
        Ok(ServeSettings {
            host: self.host,
            port: self.port,
            keys: self.api_key.as_deref().map(keys).transpose()?.unwrap_or_default(),
            allowed_hosts: self.allow_host.clone(),
            allowed_origins: self
                .cors
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_string())
                .collect(),
            guard: self.guard.read()?,
            sampling,
            most_tokens: self.max_tokens.map(|count| count.0 as usize),
            slots: self.slots.0 as usize,
            queue: self.queue.0 as usize,
            request_time: self.timeout.0,
            log_texts: self.log_texts,
            ..usual
        })
    }

    fn places(&self) -> anyhow::Result<Vec<Named>> {
        if !self.models.is_empty() {
            return named(&self.models);
        }
        named(&[newest(Path::new("runs"))?.display().to_string()])
    }

    fn load(&self, place: &Named) -> anyhow::Result<ServedModel> {
        let folder = model::folder(&place.path)?;
        let predicts = nuwa_format::load_config(&folder)?.predicts();
        if !predicts.writes() && predicts != nuwa_models::Prediction::Answer {
            let served = ServedModel::embedding(&place.name, &folder)?;
            message(&format!("{}: an encoder, for /v1/embeddings only", place.name));
            return Ok(served);
        }
        let engine = self.weights.load(&folder)?;
        if !base::answers(&folder, &engine)? {
            let told =
                "a base model: it was not taught to answer, and continues what it is given (/v1/completions)";
            message(&format!("{}: {told}", place.name));
        }
        Ok(ServedModel::writing(&place.name, engine, &folder))
    }
}

/// The keys of a file, a line each.
fn keys(path: &Path) -> anyhow::Result<Vec<ApiKey>> {
    let text = input::file(path)?;
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
        let told = |error| Problem::new(format!("{}, line {number}: {error}", path.display()));
        ApiKey::new(line).map_err(|error| told(error).hint("make one: openssl rand -hex 32").into())
    });
    let keys = keys.collect::<anyhow::Result<Vec<ApiKey>>>()?;
    if keys.is_empty() {
        let problem = Problem::new(format!("{} holds no key", path.display()));
        return Err(problem
            .hint("write one on its first line, such as that of: openssl rand -hex 32")
            .into());
    }
    Ok(keys)
}

/// Tells what happens on standard error, and adds the guard's decisions to its log.
fn observer(log: Option<PathBuf>) -> Observer {
    let log = Mutex::new(log);
    Arc::new(move |event| match event {
        Event::Request(record) => message(&line(&record)),
        Event::Failed { model, reason } => message(&format!("{model} answers no more: {reason}")),
        Event::Blocked(blocked) => {
            message(&format!("guard: {:?}, {}", blocked.side, blocked.category));
            let path = log.lock().unwrap_or_else(|broken| broken.into_inner());
            if let Some(Err(error)) = path.as_ref().map(|path| guarding::keep(path, &blocked)) {
                message(&format!("the guard's log: {error}"));
            }
        }
    })
}

fn line(record: &RequestRecord) -> String {
    let mut line = format!("{} {} {}", record.status, record.method, record.route);
    if let Some(model) = &record.model {
        line += &format!(" {model}");
    }
    if record.prompt_tokens > 0 {
        line += &format!(", {} + {} tokens", record.prompt_tokens, record.completion_tokens);
    }
    line += &format!(", {:.3} s", record.took.as_secs_f64());
    if let Some((asked, answered)) = &record.texts {
        line += &format!("\n  asked: {asked:?}\n  answered: {answered:?}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_a_request_and_not_its_text() {
        let record = RequestRecord {
            method: "POST".into(),
            route: "/v1/chat/completions",
            model: Some("world".into()),
            status: 200,
            prompt_tokens: 12,
            completion_tokens: 3,
            took: Duration::from_millis(45),
            ..RequestRecord::default()
        };
        assert_eq!(line(&record), "200 POST /v1/chat/completions world, 12 + 3 tokens, 0.045 s");
        let texts = Some(("user: a\n".into(), "b".into()));
        assert!(
            line(&RequestRecord { texts, ..record })
                .ends_with("\n  asked: \"user: a\\n\"\n  answered: \"b\"")
        );
    }

    #[test]
    fn keys_are_lines_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            keys(&path).map(|keys| keys.len()).map_err(|error| error.to_string())
        };
        assert_eq!(told("# mine\n0123456789abcdef\n\n fedcba9876543210 \n"), Ok(2));
        assert!(told("short\n").unwrap_err().contains("line 1: key = a text of 5 bytes"));
        assert!(told("# nothing\n").unwrap_err().ends_with("holds no key"));
    }
}
