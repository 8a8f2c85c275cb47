//! What a model does with requests that it should refuse, with harmless ones that look like them, and how toxic it goes on.
//!
//! - [`refusals`]: harmful requests, from a file of the user's (AdvBench's `goal`, or `prompt`, or `text`).
//! - [`over_refusals`](refusals::OVER_NAME): harmless requests in English and Chinese that this library carries.
//! - [`toxicity`]: what a model writes after given beginnings, by a classifier of the user's.
//!
//! Beside each stands the share of nonsense ([`nonsense`]): an answer that says nothing refuses nothing, and does no harm either.

pub mod nonsense;
mod phrases;
pub mod refusals;
pub mod toxicity;

use nuwa_infer::{Conversation, Engine, GenerateSettings, Prompt, Request, SLOTS, Scheduler};
use nuwa_tokenizer::Message;

use crate::tasks::Items;
use crate::{Error, Result, Warning};

/// The fields in which a request or a beginning may stand.
const FIELDS: [&str; 4] = ["prompt", "goal", "text", "question"];

/// The request in each item.
fn prompts(items: &Items, limit: Option<usize>) -> Result<Vec<String>> {
    let some = items.all.iter().take(limit.unwrap_or(usize::MAX));
    some.map(|(fields, line)| {
        let found = FIELDS.iter().find_map(|name| fields.get(*name)?.as_str());
        found.map(String::from).ok_or_else(|| {
            let there: Vec<&str> = fields.keys().map(String::as_str).collect();
            items
                .wrong(*line, format!("no text in a field {}; here: {}", FIELDS.join(", "), there.join(", ")))
        })
    })
    .collect()
}

/// Requests that are written together.
fn scheduler(engine: &Engine) -> Result<Scheduler> {
    Ok(engine.scheduler(SLOTS)?)
}

/// The most tokens of an answer where `wanted` are asked for: half of the context stays for the request.
fn room(engine: &Engine, wanted: usize) -> usize {
    wanted.min(engine.model().context() / 2).max(1)
}

/// What the model answers: through its chat template where it has one, else by going on from the request and a line break; and
/// whether the beginning of the request was cut off, since it was longer than the context.
fn request(
    engine: &Engine,
    prompt: &str,
    settings: &GenerateSettings,
    as_chat: bool,
) -> Result<(Request, bool)> {
    if as_chat {
        let turns = vec![Message::new("user", prompt)];
        match (Conversation { system: None, turns }).prompt(engine, settings.max_tokens) {
            Ok(opened) => {
                let end_of_turn = engine.tokenizer().end_of_turn();
                let ends: Vec<u32> = end_of_turn.into_iter().chain(engine.ends_of_text()).collect();
                return Ok((Request::new(opened, settings, &ends), false));
            }
            Err(nuwa_infer::Error::QuestionTooLong { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (ids, is_cut) = last_ids(engine, &format!("{prompt}\n"), settings.max_tokens)?;
    Ok((Request::new(Prompt::of(ids), settings, &engine.ends_of_text()), is_cut || as_chat))
}

/// The ids of a text, of which as many of the last ones are kept as leave room for `reserve`; and whether some were cut off.
fn last_ids(engine: &Engine, text: &str, reserve: usize) -> Result<(Vec<u32>, bool)> {
    let ids = engine.prompt_ids(text)?;
    let cut = ids.len().saturating_sub(engine.model().context().saturating_sub(reserve).max(1));
    Ok((ids[cut..].to_vec(), cut > 0))
}

/// What a reader should know where requests were cut off.
fn warning(engine: &Engine, items: u64, of: u64) -> Option<Warning> {
    (items > 0).then_some(Warning::Cut { items, of, context: engine.model().context() as u64 })
}

/// All answers in their order.
fn written(scheduler: &mut Scheduler, requests: Vec<Request>) -> Result<Vec<String>> {
    let written = scheduler.write_all(requests)?.into_iter();
    written.map(|written| written.map(|written| written.text).map_err(Error::from)).collect()
}
