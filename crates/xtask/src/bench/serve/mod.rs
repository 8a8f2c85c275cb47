//! A server under load: one client, then many at one time, each of which sends its next question when the last is answered; likewise
//! llama.cpp's server, where `--rival PYTHON` names a Python that has it; and what does not wait for answers, with `--abuse`.

mod abuse;
mod client;
mod served;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::client::{Answer, Client};
use self::served::Served;
use super::machine;
use super::options::Options;

/// Does what the words after `cargo xtask bench serve` say.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(
        arguments,
        &["model", "clients", "requests", "tokens", "program", "rival", "abuse", "json"],
    )?;
    let model = options.path("model").context("--model FOLDER is missing: the model that is served")?;
    let program = options.path("program").unwrap_or_else(|| PathBuf::from("target/release/nuwa"));
    let clients = options.count("clients", 1)?.unwrap_or(64);
    let requests = options.count("requests", 1)?.unwrap_or(10_000);
    let tokens = options.count("tokens", 1)?.unwrap_or(32);
    println!("{}; {clients} clients, {requests} requests of at most {tokens} tokens\n", machine());
    println!("{HEAD}");
    let load = Load { clients, requests, tokens };
    let ours = || Served::start(&program, &model);
    let own = load.both("nuwa", &ours()?)?;
    let other = match options.path("rival") {
        Some(python) => Some(load.both("llama.cpp", &Served::rival(&python, &model, clients)?)?),
        None => None,
    };
    if let Some(other) = &other {
        let ratio = own.together.tokens_per_second() / other.together.tokens_per_second();
        println!("\n{clients} clients: {ratio:.2} times the tokens a second of llama.cpp");
    }
    // The one under load was killed when it was let go.
    ours()?.answers()?;
    println!("\nkilled and started again: answers");
    let abuse = match options.one_of("abuse", &["yes"])? {
        Some(_) => Some(abuse::run(&ours()?)?),
        None => None,
    };
    if let Some(path) = options.path("json") {
        let figures = json!({
            "machine": machine(), "clients": clients, "requests": requests, "tokens": tokens, "nuwa": own.figures(),
            "llama_cpp": other.map(|other| other.figures()), "abuse": abuse,
        });
        fs::write(&path, serde_json::to_string_pretty(&figures)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(own.together.wrong.is_empty(), "not answered: {:?}", own.together.wrong);
    Ok(())
}

const HEAD: &str = "\
| server | clients | answered | 429 | tokens/s | first token p50, p99 | whole p50, p99 |
| --- | ---: | ---: | ---: | ---: | --- | --- |";

/// One client's figures, and those of many.
struct Both {
    alone: Figures,
    together: Figures,
    /// Memory in use, in kB, before and after.
    memory: [u64; 2],
}

impl Both {
    fn figures(&self) -> Value {
        let ratio = self.together.tokens_per_second() / self.alone.tokens_per_second();
        json!({"ratio": ratio, "memory_kb": self.memory, "alone": self.alone.figures(), "together": self.together.figures()})
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
}

impl Load {
    /// One client, then all, with a row each.
    fn both(&self, name: &str, served: &Served) -> Result<Both> {
        let few = (self.requests / 100).clamp(20, 200);
        let alone = Load { clients: 1, requests: few, tokens: self.tokens }.measure(served)?;
        println!("{}", alone.row(name, 1));
        let before = served.memory()?;
        let together = self.measure(served)?;
        println!("{}", together.row(name, self.clients));
        let memory = [before, served.memory()?];
        let ratio = together.tokens_per_second() / alone.tokens_per_second();
        eprintln!("{name}: {ratio:.1} times one client's; memory {} kB, then {}", memory[0], memory[1]);
        Ok(Both { alone, together, memory })
    }

    fn measure(&self, served: &Served) -> Result<Figures> {
        let (next, began) = (AtomicUsize::new(0), Instant::now());
        let parts: Vec<Figures> = thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.clients).map(|_| scope.spawn(|| self.client(&served.address, &next))).collect();
            clients.into_iter().map(|client| client.join().unwrap_or_default()).collect()
        });
        let mut all = Figures { seconds: began.elapsed().as_secs_f64(), ..Figures::default() };
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

    /// Asks on a connection that is open, or on a new one: some servers close theirs after an answer.
    fn ask(&self, address: &str, open: Option<Client>, number: usize) -> Result<(Client, Answer)> {
        let answered = open.and_then(|mut own| own.ask(number, self.tokens).ok().map(|answer| (own, answer)));
        if let Some(answered) = answered {
            return Ok(answered);
        }
        let mut own = Client::connect(address)?;
        own.ask(number, self.tokens).map(|answer| (own, answer))
    }

    fn client(&self, address: &str, next: &AtomicUsize) -> Figures {
        let (mut figures, mut client) = (Figures::default(), None);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return figures;
            }
            match self.ask(address, client.take(), number) {
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
                Ok((_, Answer::Refused(status))) => {
                    *figures.wrong.entry(status.to_string()).or_default() += 1
                }
                Err(error) => *figures.wrong.entry(format!("{error:#}")).or_default() += 1,
            }
        }
    }
}

impl Figures {
    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    fn row(&self, name: &str, clients: usize) -> String {
        let times = |all: &[f64]| format!("{:.0}, {:.0} ms", 1e3 * share(all, 0.5), 1e3 * share(all, 0.99));
        format!(
            "| {name} | {clients} | {} | {} | {:.0} | {} | {} |",
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
