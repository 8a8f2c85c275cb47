//! A server under load: one client, then many at one time, each of which sends its next question when the last is answered.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::load::{DISTURBED, Meter};
use super::machine;
use super::options::Options;

/// What is asked, in turn.
const QUESTIONS: [&str; 6] = [
    "Who are you?",
    "Where does Mina live?",
    "What is the capital of the valley?",
    "Tell me about the sea.",
    "Why is the sky blue?",
    "What is three and four?",
];

/// Does what the words after `cargo xtask bench serve` say.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["model", "clients", "requests", "tokens", "program", "json"])?;
    let model = options.path("model").context("--model FOLDER is missing: the model that is served")?;
    let program = options.path("program").unwrap_or_else(|| PathBuf::from("target/release/nuwa"));
    let clients = options.count("clients", 1)?.unwrap_or(64);
    let requests = options.count("requests", 1)?.unwrap_or(10_000);
    let tokens = options.count("tokens", 1)?.unwrap_or(32);
    let served = Served::start(&program, &model)?;
    println!("{}; {clients} clients, {requests} requests of at most {tokens} tokens\n", machine());
    let alone = Load { clients: 1, requests: (requests / 100).clamp(20, 200), tokens }.measure(&served)?;
    let before = served.memory()?;
    let together = Load { clients, requests, tokens }.measure(&served)?;
    let after = served.memory()?;
    println!("| clients | answered | 429 | tokens/s | first token p50, p99 | whole p50, p99 |\n| --- | --- | --- | --- | --- | --- |");
    println!("{}\n{}", alone.row(1), together.row(clients));
    let ratio = together.tokens_per_second() / alone.tokens_per_second();
    println!("\nthroughput {ratio:.1} times one client's; memory {before} kB, then {after} kB");
    served.restart(&program, &model)?;
    println!("killed and started again: answers");
    if let Some(path) = options.path("json") {
        let figures = json!({
            "machine": machine(), "clients": clients, "requests": requests, "tokens": tokens, "ratio": ratio,
            "memory_kb": [before, after], "alone": alone.figures(), "together": together.figures(),
        });
        fs::write(&path, serde_json::to_string_pretty(&figures)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(together.wrong.is_empty(), "not answered: {:?}", together.wrong);
    Ok(())
}

/// A server in a process of its own.
struct Served {
    process: Child,
    /// Host and port.
    address: String,
}

impl Served {
    fn start(program: &Path, model: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").arg(model).args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        let out = process.stdout.take().context("the program has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("http://").map(String::from);
        Ok(Self { process, address: address.with_context(|| format!("the program printed no address but {line:?}"))? })
    }

    /// Memory in use, in kB.
    fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).context("the system tells no memory")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the system tells no memory")?;
        line.trim().trim_end_matches(" kB").trim().parse().context("the system tells no memory")
    }

    /// Kills it without a word, and asks another one.
    fn restart(mut self, program: &Path, model: &Path) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        let mut other = Self::start(program, model)?;
        let answered = Client::connect(&other.address).and_then(|mut client| client.ask(0, 4));
        other.process.kill()?;
        other.process.wait()?;
        match answered? {
            Answer::Whole { .. } => Ok(()),
            Answer::Refused(status) => bail!("the server that was started again answered {status}"),
        }
    }
}

/// How much is asked.
struct Load {
    clients: usize,
    requests: usize,
    tokens: usize,
}

/// What came of it.
#[derive(Default)]
struct Figures {
    seconds: f64,
    tokens: usize,
    refused: usize,
    /// Other answers, by status or fault.
    wrong: BTreeMap<String, usize>,
    first: Vec<f64>,
    whole: Vec<f64>,
    others: Option<f64>,
}

impl Load {
    fn measure(&self, served: &Served) -> Result<Figures> {
        let (next, meter, began) = (AtomicUsize::new(0), Meter::start(), Instant::now());
        let parts: Vec<Figures> = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients).map(|_| scope.spawn(|| self.client(&served.address, &next))).collect();
            clients.into_iter().map(|client| client.join().unwrap_or_default()).collect()
        });
        let mut all = Figures { seconds: began.elapsed().as_secs_f64(), others: meter.and_then(Meter::others), ..Figures::default() };
        for part in parts {
            all.tokens += part.tokens;
            all.refused += part.refused;
            part.wrong.into_iter().for_each(|(fault, count)| *all.wrong.entry(fault).or_default() += count);
            all.first.extend(part.first);
            all.whole.extend(part.whole);
        }
        ensure!(!all.whole.is_empty(), "nothing was answered: {:?}", all.wrong);
        Ok(all)
    }

    fn client(&self, address: &str, next: &AtomicUsize) -> Figures {
        let (mut figures, mut client) = (Figures::default(), None);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return figures;
            }
            let asked = match client.take() {
                Some(client) => Ok(client),
                None => Client::connect(address),
            };
            let asked = asked.and_then(|mut own| own.ask(number, self.tokens).map(|answer| (own, answer)));
            match asked {
                Ok((own, Answer::Whole { first, whole, tokens })) => {
                    figures.tokens += tokens;
                    figures.first.extend(first.map(|first| first.as_secs_f64()));
                    figures.whole.push(whole.as_secs_f64());
                    client = Some(own);
                }
                Ok((_, Answer::Refused(429))) => {
                    figures.refused += 1;
                    thread::sleep(Duration::from_millis(100));
                }
                Ok((_, Answer::Refused(status))) => *figures.wrong.entry(status.to_string()).or_default() += 1,
                Err(error) => *figures.wrong.entry(format!("{error:#}")).or_default() += 1,
            }
        }
    }
}

impl Figures {
    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    fn row(&self, clients: usize) -> String {
        let times = |all: &[f64]| format!("{:.0}, {:.0} ms", 1e3 * share(all, 0.5), 1e3 * share(all, 0.99));
        let disturbed = self.others.filter(|others| *others > DISTURBED);
        let note = disturbed.map_or(String::new(), |others| format!(" (other work took {:.0} %)", 100.0 * others));
        format!(
            "| {clients} | {} | {} | {:.0}{note} | {} | {} |",
            self.whole.len(),
            self.refused,
            self.tokens_per_second(),
            times(&self.first),
            times(&self.whole)
        )
    }

    fn figures(&self) -> Value {
        let times = |all: &[f64]| json!({"p50": share(all, 0.5), "p99": share(all, 0.99)});
        json!({
            "seconds": self.seconds, "answered": self.whole.len(), "refused": self.refused, "wrong": self.wrong, "tokens": self.tokens,
            "tokens_per_second": self.tokens_per_second(), "first": times(&self.first), "whole": times(&self.whole),
            "other_work": self.others,
        })
    }
}

/// The value below which this share of all lie.
fn share(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    address: String,
}

enum Answer {
    Whole { first: Option<Duration>, whole: Duration, tokens: usize },
    Refused(u16),
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("no connection")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_string() })
    }

    /// Asks a question, and reads the stream of its answer.
    fn ask(&mut self, number: usize, tokens: usize) -> Result<Answer> {
        let question = QUESTIONS[number % QUESTIONS.len()];
        let body = json!({
            "messages": [{"role": "user", "content": question}], "max_tokens": tokens, "seed": number, "stream": true,
            "stream_options": {"include_usage": true},
        })
        .to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let began = Instant::now();
        self.stream.get_mut().write_all((head + &body).as_bytes()).context("not sent")?;
        let status = self.head()?;
        if status != 200 {
            return Ok(Answer::Refused(status));
        }
        let (mut first, mut written, mut held, mut is_whole) = (None, 0, String::new(), false);
        while let Some(chunk) = self.chunk()? {
            held += &chunk;
            while let Some(end) = held.find("\n\n") {
                let event: String = held.drain(..end + 2).collect();
                let data = event.trim().strip_prefix("data: ").unwrap_or_default();
                is_whole |= data == "[DONE]";
                let Ok(piece) = serde_json::from_str::<Value>(data) else { continue };
                ensure!(piece["error"].is_null(), "an error in the stream: {}", piece["error"]["message"]);
                if piece["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()) {
                    first.get_or_insert(began.elapsed());
                }
                written += piece["usage"]["completion_tokens"].as_u64().unwrap_or(0) as usize;
            }
        }
        ensure!(is_whole, "a stream without its end");
        Ok(Answer::Whole { first, whole: began.elapsed(), tokens: written })
    }

    /// Reads a head; the status.
    fn head(&mut self) -> Result<u16> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no head")?;
        while !self.line()?.is_empty() {}
        Ok(status)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line).context("nothing came")? > 0, "the connection was closed");
        Ok(line.trim_end().to_string())
    }

    /// The next chunk of a body; none at its end.
    fn chunk(&mut self) -> Result<Option<String>> {
        let length = usize::from_str_radix(&self.line()?, 16).context("no chunk")?;
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).context("a chunk broke off")?;
        bytes.truncate(length);
        Ok((length > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_sorted_values() {
        let all: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((share(&all, 0.5), share(&all, 0.99), share(&all, 1.0)), (50.0, 99.0, 100.0));
        assert_eq!(share(&[7.0], 0.5), 7.0);
        assert!(share(&[], 0.5).is_nan());
    }
}
