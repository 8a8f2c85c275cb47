//! An answer as it comes from a server: a stream of events.

use std::io::{BufRead, BufReader, Read};

use nuwa_infer::Flow;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Problem;

/// Bytes of one event of a stream, at most: a server that never ends a line does not fill the memory.
pub const LONGEST_EVENT: u64 = 4 << 20;

/// Characters of what a server said that are shown.
const SHOWN: usize = 300;

/// A line of a stream that says something.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

/// An answer of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServedAnswer {
    pub text: String,
    /// Why it ended, in the server's word; none where it was stopped.
    pub finish: Option<String>,
}

/// Reads a stream of events to its end.
pub fn heard(
    url: &str,
    content: &mut dyn Read,
    goes_on: &mut dyn FnMut() -> Flow,
    on_text: &mut dyn FnMut(&str),
) -> anyhow::Result<ServedAnswer> {
    let mut lines = BufReader::new(content);
    let mut answer = ServedAnswer::default();
    loop {
        if goes_on().is_break() {
            return Ok(ServedAnswer { finish: None, ..answer });
        }
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST_EVENT).read_until(b'\n', &mut line);
        let read = read.map_err(|error| broken(url, &error.to_string()))?;
        if read == 0 {
            return match answer.finish {
                Some(_) => Ok(answer),
                None => Err(broken(url, "the connection was closed")),
            };
        }
        let line = String::from_utf8_lossy(&line);
        // Lines without data name events, keep the connection open, or stand between.
        let Some(data) = line.trim_end().strip_prefix("data:").map(str::trim) else { continue };
        if data == "[DONE]" {
            answer.finish.get_or_insert_with(|| "stop".to_string());
            return Ok(answer);
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|error| broken(url, &format!("{error} in {}", shortened(data))))?;
        if let Some(error) = event.error {
            return Err(Problem::new(format!("{url} broke the answer off: {}", said_in(&error)))
                .hint("ask again, or look at what the server says")
                .into());
        }
        let Some(choice) = event.choices.into_iter().next() else { continue };
        if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
            on_text(&text);
            answer.text += &text;
        }
        answer.finish = choice.finish_reason.or(answer.finish);
    }
}

fn broken(url: &str, reason: &str) -> anyhow::Error {
    Problem::new(format!("the answer of {url} ended before its end: {reason}"))
        .hint("ask again; if it goes on so, look at what the server says")
        .into()
}

/// The message of an error in one of the forms that servers give it.
pub fn said_in(error: &Value) -> String {
    let message = error["message"].as_str().or(error.as_str());
    shortened(message.map_or_else(|| error.to_string(), str::to_string).as_str())
}

/// One line of what a server said.
pub fn shortened(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stream: &str) -> Result<(ServedAnswer, Vec<String>), String> {
        let mut pieces = Vec::new();
        let mut goes_on = || Flow::Continue(());
        let heard =
            heard("u", &mut stream.as_bytes(), &mut goes_on, &mut |text| pieces.push(text.to_string()));
        heard.map(|answer| (answer, pieces)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stream_is_heard_piece_by_piece_to_its_end() {
        let stream = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n: ping\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"女\"}}]}\r\n\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"娲.\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";
        let (answer, pieces) = told(stream).unwrap();
        assert_eq!((answer.text.as_str(), answer.finish.as_deref()), ("女娲.", Some("length")));
        assert_eq!(pieces, ["女", "娲."]);
    }

    #[test]
    fn a_stream_that_breaks_is_told_of() {
        let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        assert_eq!(
            told(begun).unwrap_err(),
            "the answer of u ended before its end: the connection was closed"
        );
        let failed = format!("{begun}data: {{\"error\":{{\"message\":\"out of memory\"}}}}\n\n");
        assert_eq!(told(&failed).unwrap_err(), "u broke the answer off: out of memory");
        assert!(
            told("data: {\"choices\":\n")
                .unwrap_err()
                .starts_with("the answer of u ended before its end: EOF")
        );
    }
}
