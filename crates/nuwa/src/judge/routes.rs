use nuwa_eval::Error;
use nuwa_eval::people::{Choice, Vote, Wording};
use serde::{Deserialize, Serialize};

use super::Judging;
use crate::page::{Method, Request, Response};

/// The page, with its style and its script.
const PAGE: &str = include_str!("page.html");

/// Who asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    judge: String,
}

/// What the page sends when the judge has decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Voting {
    judge: String,
    item: String,
    vote: Vote,
    milliseconds: u64,
}

/// What the page asks before it knows the judge.
#[derive(Serialize)]
struct Beginning<'a> {
    wording: &'a Wording,
    total: usize,
    pairs: usize,
}

/// Answers a request. Whatever changes something is answered with what is to be shown then.
pub fn answer(judging: &Judging, request: &Request) -> Response {
    match (request.method, request.path.as_str()) {
        (Method::Get, "") => Response::page(PAGE),
        (Method::Get, "plan") => Response::json(&beginning(judging)),
        (Method::Post, "now") => now(judging, &request.body),
        (Method::Post, "vote") => vote(judging, &request.body),
        (Method::Post, "undo") => undo(judging, &request.body),
        (_, "" | "plan" | "now" | "vote" | "undo") => {
            Response::refused(405, "this is asked with another method")
        }
        _ => Response::refused(404, "there is no such page"),
    }
}

fn beginning(judging: &Judging) -> Beginning<'_> {
    let items = &judging.plan.items;
    let pairs = items.iter().filter(|item| item.is_pair()).count();
    Beginning { wording: &judging.plan.wording, total: items.len(), pairs }
}

fn now(judging: &Judging, body: &[u8]) -> Response {
    match serde_json::from_slice::<Asking>(body) {
        Ok(Asking { judge }) => {
            let shown =
                judging.with_session(&judge, |session, plan| Ok(Response::json(&session.shown(plan))));
            shown.unwrap_or_else(|error| refused(&error))
        }
        Err(error) => unreadable(&error),
    }
}

fn vote(judging: &Judging, body: &[u8]) -> Response {
    let Voting { judge, item, vote, milliseconds } = match serde_json::from_slice(body) {
        Ok(voting) => voting,
        Err(error) => return unreadable(&error),
    };
    // Only a program contradicts itself, and taking back is asked otherwise.
    if matches!(vote, Vote::Withdrawn | Vote::Choice(Choice::Contradictory)) {
        return Response::refused(400, "this is no vote of a person");
    }
    let shown = judging.with_session(&judge, |session, plan| {
        Ok(match session.vote(plan, &item, vote, milliseconds)? {
            true => Response::json(&session.shown(plan)),
            false => Response::refused(409, "another item is asked by now"),
        })
    });
    shown.unwrap_or_else(|error| refused(&error))
}

fn undo(judging: &Judging, body: &[u8]) -> Response {
    match serde_json::from_slice::<Asking>(body) {
        Ok(Asking { judge }) => {
            let shown = judging.with_session(&judge, |session, plan| {
                session.undo(plan)?;
                Ok(Response::json(&session.shown(plan)))
            });
            shown.unwrap_or_else(|error| refused(&error))
        }
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &serde_json::Error) -> Response {
    Response::refused(400, &format!("this is no question of the page: {error}"))
}

fn refused(error: &Error) -> Response {
    let status = if matches!(error, Error::Vote { .. }) { 400 } else { 500 };
    Response::refused(status, &error.to_string())
}
