//! Answers while they are written, as server-sent events.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep_until};

use super::asked::Asked;
use super::error::ApiError;
use super::listening::{Heard, Listening, Texts, Usage};
use crate::app::App;
use crate::payload::{Payload, Reply, text_reply};
use crate::record::Record;

/// After so much silence a comment is sent, so that nobody on the way takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);
/// Pieces that may wait for a slow client before its request waits too.
const AHEAD: usize = 16;

/// The shape of the pieces of a stream.
pub trait Shape: Send + 'static {
    /// What comes before all; one for each text.
    fn begin(&mut self, choice: usize) -> Option<Value>;
    /// What is sent of what was heard.
    fn heard(&mut self, heard: &Heard) -> Vec<Value>;
    /// The piece that tells the usage.
    fn usage(&self, usage: Usage) -> Value;
}

/// What a stream is made of.
pub struct Streamed<S> {
    pub listening: Listening,
    pub count: usize,
    pub ends: Vec<u32>,
    pub trims: bool,
    pub tells_usage: bool,
    pub shape: S,
}

/// Answers with a stream, once the request runs.
pub async fn streamed<S: Shape>(mut asked: Asked, mut streamed: Streamed<S>) -> Reply {
    if let Err(error) = streamed.listening.first().await {
        return asked.refused(&error);
    }
    asked.record.status(200);
    let (sender, receiver) = channel(AHEAD);
    let (app, record) = (Arc::clone(&asked.app), asked.record);
    tokio::spawn(write(app, streamed, sender, record));
    text_reply(200, "text/event-stream", Payload::Stream(receiver))
}

async fn write<S: Shape>(app: Arc<App>, streamed: Streamed<S>, sender: Sender<Bytes>, mut record: Record) {
    let Streamed { listening, count, ends, trims, tells_usage, mut shape } = streamed;
    let mut texts = Texts::new(&app, listening, count, ends, trims);
    let first: Vec<Value> = (0..count).filter_map(|choice| shape.begin(choice)).collect();
    let told = match send(&sender, &first).await {
        Some(()) => pass_on(&mut texts, &mut shape, &sender, &mut record).await,
        None => None,
    };
    let usage = texts.usage();
    record.tokens(usage.prompt, usage.written);
    let last = match told {
        // The client went.
        None => return record.status(499),
        Some(Err(error)) => {
            record.status(error.status);
            return drop(sender.send(event(&error.value())).await);
        }
        Some(Ok(())) if tells_usage => vec![shape.usage(usage)],
        Some(Ok(())) => Vec::new(),
    };
    if send(&sender, &last).await.is_some() {
        let _ = sender.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
    }
}

/// Sends what is heard up to the end of all; none where the client goes.
async fn pass_on<S: Shape>(
    texts: &mut Texts<'_>,
    shape: &mut S,
    sender: &Sender<Bytes>,
    record: &mut Record,
) -> Option<Result<(), ApiError>> {
    let mut silent_until = Instant::now() + SILENCE;
    loop {
        let heard = tokio::select! {
            heard = texts.next() => heard,
            () = sender.closed() => return None,
            () = sleep_until(silent_until) => {
                sender.send(Bytes::from_static(b": ping\n\n")).await.ok()?;
                silent_until = Instant::now() + SILENCE;
                continue;
            }
        };
        let heard = match heard {
            Ok(Some(heard)) => heard,
            Ok(None) => return Some(Ok(())),
            Err(error) => return Some(Err(error)),
        };
        record.answered(&heard.text);
        let pieces = shape.heard(&heard);
        if !pieces.is_empty() {
            send(sender, &pieces).await?;
            silent_until = Instant::now() + SILENCE;
        }
    }
}

async fn send(sender: &Sender<Bytes>, pieces: &[Value]) -> Option<()> {
    for piece in pieces {
        sender.send(event(piece)).await.ok()?;
    }
    Some(())
}

fn event(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

/// 64 random bits, in hexadecimal.
pub fn random_id() -> String {
    format!("{:016x}", RandomState::new().hash_one(SystemTime::now()))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
