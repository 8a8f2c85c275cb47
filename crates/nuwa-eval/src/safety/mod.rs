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
use crate::{Error, Result};

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

/// What the model answers: through its chat template where it has one, else by going on from the request and a line break.
fn request(engine: &Engine, prompt: &str, settings: &GenerateSettings, as_chat: bool) -> Result<Request> {
    if as_chat {
        let turns = vec![Message::new("user", prompt)];
        let conversation = Conversation { system: None, turns };
        let opened = conversation.prompt(engine, settings.max_tokens)?;
        let ends: Vec<u32> =
            engine.tokenizer().end_of_turn().into_iter().chain(engine.ends_of_text()).collect();
        return Ok(Request::new(opened, settings, &ends));
    }
    let ids = engine.prompt_ids(&format!("{prompt}\n"))?;
    Ok(Request::new(Prompt::of(ids), settings, &engine.ends_of_text()))
}

/// All answers in their order.
fn written(scheduler: &mut Scheduler, requests: Vec<Request>) -> Result<Vec<String>> {
    let written = scheduler.write_all(requests)?.into_iter();
    written.map(|written| written.map(|written| written.text).map_err(Error::from)).collect()
}
