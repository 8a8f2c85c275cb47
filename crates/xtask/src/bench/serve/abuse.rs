//! What a server must bear: clients that go, that stop in the middle, that read slowly, that send what is too large or nonsense, while
//! one asks as usual.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::served::Served;
use super::share;

/// Streams whose clients go after the first piece, and how many of them at one time.
const CANCELLED: usize = 1000;
const AT_ONE_TIME: usize = 32;

/// Connections on which half of a head comes, and no more.
const HALF_OPEN: usize = 200;

/// Clients that read a byte at a time, with pauses, and for how long.
const SLOW: usize = 32;
const SLOW_FOR: Duration = Duration::from_secs(8);

/// Bodies of 20 MB, and others that are no request.
const LARGE: usize = 20;
const LARGE_BYTES: usize = 20_000_000;

/// Does all of it to a server; the figures.
pub fn run(served: &Served) -> Result<Value> {
    let address = &served.address;
    let usual = times(address, 50)?;
    let before = served.memory()?;
    let over = AtomicBool::new(false);
    let (meanwhile, done) = thread::scope(|scope| -> Result<(Vec<f64>, Done)> {
        let meanwhile = scope.spawn(|| until(&over, address));
        let done = all(address);
        over.store(true, Ordering::Relaxed);
        let meanwhile = meanwhile.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
        Ok((meanwhile, done?))
    })?;
    let after = served.memory()?;
    for (name, figures) in &done {
        println!("{name}: {figures}");
    }
    let told = |all: &[f64]| {
        format!("{:.0} ms (p50), {:.0} ms (p99)", 1e3 * share(all, 0.5), 1e3 * share(all, 0.99))
    };
    println!("another client's answers before: {}; meanwhile: {}", told(&usual), told(&meanwhile));
    println!("afterwards: {}; memory {before} kB before, {after} kB after", told(&times(address, 50)?));
    let done: serde_json::Map<String, Value> =
        done.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Ok(json!({"done": done, "memory_kb": [before, after], "answers_meanwhile": meanwhile.len()}))
}

/// What was done, and what came of it.
type Done = Vec<(&'static str, Value)>;

fn all(address: &str) -> Result<Done> {
    let half_open = (0..HALF_OPEN).map(|_| half_a_head(address)).collect::<Result<Vec<_>>>()?;
    let slow = slow_readers(address)?;
    let cancelled = cancelled(address)?;
    let large = refused(address, &vec![b' '; LARGE_BYTES], LARGE)?;
    let nonsense = refused(address, b"{\"messages\": [", 100)?;
    let not_text = refused(address, b"{\"messages\": \"\xff\xfe\"}", 100)?;
    let closed =
        half_open.into_iter().filter_map(|stream| is_closed(stream).ok()).filter(|closed| *closed).count();
    Ok(vec![
        ("half a head", json!({"connections": HALF_OPEN, "closed by the server by the end": closed})),
        ("slow readers", slow),
        ("cancelled streams", cancelled),
        ("bodies of 20 MB", large),
        ("half of a JSON", nonsense),
        ("no UTF-8", not_text),
    ])
}

/// The times of answers of a client that does nothing wrong.
fn times(address: &str, count: usize) -> Result<Vec<f64>> {
    let mut client = Client::connect(address)?;
    (0..count).map(|number| time(&mut client, number)).collect()
}

fn until(over: &AtomicBool, address: &str) -> Result<Vec<f64>> {
    let mut client = Client::connect(address)?;
    let mut all = Vec::new();
    while !over.load(Ordering::Relaxed) {
        all.push(time(&mut client, all.len())?);
    }
    Ok(all)
}

fn time(client: &mut Client, number: usize) -> Result<f64> {
    let began = Instant::now();
    match client.ask(number, 16)? {
        Answer::Whole { whole, .. } => Ok(whole.as_secs_f64()),
        // A full queue says when to come again.
        Answer::Refused(429) => {
            thread::sleep(Duration::from_millis(100));
            Ok(began.elapsed().as_secs_f64())
        }
        Answer::Refused(status) => anyhow::bail!("a usual question was answered {status}"),
    }
}

fn half_a_head(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("no connection")?;
    stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")?;
    Ok(stream)
}

/// Whether the other end has closed a connection.
fn is_closed(mut stream: TcpStream) -> Result<bool> {
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Ok(error.kind() == std::io::ErrorKind::ConnectionReset),
        }
    }
}

fn stream_body(number: usize, tokens: usize) -> String {
    let question = [json!({"role": "user", "content": "Tell me about the sea."})];
    json!({"messages": question, "max_tokens": tokens, "seed": number, "stream": true}).to_string()
}

fn slow_readers(address: &str) -> Result<Value> {
    let read = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..SLOW {
            let read = &read;
            scope.spawn(move || {
                let Ok(mut stream) = TcpStream::connect(address) else { return };
                let body = stream_body(number, 100);
                let head = format!(
                    "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let began = Instant::now();
                let mut byte = [0];
                if stream.write_all((head + &body).as_bytes()).is_err() {
                    return;
                }
                while began.elapsed() < SLOW_FOR && stream.read(&mut byte).is_ok_and(|count| count > 0) {
                    read.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    Ok(json!({"clients": SLOW, "bytes read": read.into_inner()}))
}

fn cancelled(address: &str) -> Result<Value> {
    let (next, begun, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONE_TIME {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CANCELLED {
                        return;
                    }
                    let counter = match cancel_one(address, number) {
                        Ok(true) => &begun,
                        Ok(false) => &refused,
                        Err(_) => &faults,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let faults = faults.into_inner();
    ensure!(faults == 0, "{faults} of {CANCELLED} streams could not be begun");
    Ok(json!({"begun": begun.into_inner(), "refused (429)": refused.into_inner()}))
}

/// Begins a stream and goes after its first piece; whether it began.
fn cancel_one(address: &str, number: usize) -> Result<bool> {
    let mut client = Client::connect(address)?;
    match client.send(stream_body(number, 200).as_bytes())? {
        200 => client.chunk().map(|_| true),
        429 => Ok(false),
        other => anyhow::bail!("status {other}"),
    }
}

/// Sends a body so many times, which is no request; the statuses.
fn refused(address: &str, body: &[u8], times: usize) -> Result<Value> {
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..times {
        let status = Client::connect(address)?
            .send(body)
            .map_or_else(|_| "closed".into(), |status| status.to_string());
        *statuses.entry(status).or_default() += 1;
    }
    ensure!(!statuses.contains_key("200"), "a body that is no request was answered");
    Ok(json!(statuses))
}
