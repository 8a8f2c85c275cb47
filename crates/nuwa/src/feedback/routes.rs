use nuwa_align::feedback::Verdict;
use serde::Deserialize;

use super::Feedback;
use super::queue::NotTaken;
use crate::page::{Method, Request, Response};

/// The page, with its style and its script.
const PAGE: &str = include_str!("page.html");

/// What the page sends when the person has decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    id: String,
    verdict: Verdict,
}

/// Answers a request. Whatever changes something is answered with what is to be shown then.
pub fn answer(feedback: &Feedback, request: &Request) -> Response {
    match (request.method, request.path.as_str()) {
        (Method::Get, "") => Response::page(PAGE),
        (Method::Get, "now") => Response::json(&feedback.queue().shown()),
        (Method::Post, "decide") => decide(feedback, &request.body),
        (Method::Post, "undo") => undo(feedback),
        (_, "" | "now" | "decide" | "undo") => Response::refused(405, "this is asked with another method"),
        _ => Response::refused(404, "there is no such page"),
    }
}

fn decide(feedback: &Feedback, body: &[u8]) -> Response {
    let decided: Decided = match serde_json::from_slice(body) {
        Ok(decided) => decided,
        Err(error) => return Response::refused(400, &format!("this is no decision: {error}")),
    };
    let mut queue = feedback.queue();
    match queue.decide(&decided.id, decided.verdict) {
        Ok(()) => {
            feedback.has_changed();
            Response::json(&queue.shown())
        }
        Err(NotTaken::Elsewhere) => Response::refused(409, "another prompt is asked about by now"),
        Err(NotTaken::Failed(error @ nuwa_align::Error::Verdict { .. })) => {
            Response::refused(400, &error.to_string())
        }
        Err(NotTaken::Failed(error)) => Response::refused(500, &error.to_string()),
    }
}

fn undo(feedback: &Feedback) -> Response {
    let mut queue = feedback.queue();
    match queue.undo() {
        Ok(()) => {
            feedback.has_changed();
            Response::json(&queue.shown())
        }
        Err(error) => Response::refused(500, &error.to_string()),
    }
}
