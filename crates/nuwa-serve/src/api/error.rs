use std::time::Duration;

use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::payload::{Reply, json_reply};
use crate::worker::{Failure, Refusal};

/// An error in OpenAI's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status of HTTP.
    pub status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(status: u16, kind: &'static str, message: &str) -> Self {
        Self { status, kind, code: None, param: None, message: message.into(), retry_after: None }
    }

    /// The request is wrong.
    pub fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A field of the request is wrong.
    pub fn field(name: &str, message: &str) -> Self {
        Self { param: Some(name.into()), ..Self::invalid(&format!("{name}: {message}")) }
    }

    /// The key is missing or wrong.
    pub fn key(message: &str) -> Self {
        Self::new(401, "authentication_error", message).with_code("invalid_api_key")
    }

    /// Not for this client.
    pub fn permission(message: &str, code: &'static str) -> Self {
        Self::new(403, "permission_error", message).with_code(code)
    }

    /// A fault of the server.
    pub fn server(message: &str) -> Self {
        Self::new(500, "server_error", message)
    }

    /// A prompt that does not fit.
    pub fn too_long(tokens: usize, context: usize, what: &str) -> Self {
        let told = format!(
            "the model's context holds {context} tokens, one of them at least for the answer, and the {what} has {tokens}; \
             shorten it by {}",
            (tokens + 1).saturating_sub(context)
        );
        Self { param: Some(what.into()), ..Self::invalid(&told) }.with_code("context_length_exceeded")
    }

    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// What the `error` of an answer holds.
    pub fn value(&self) -> serde_json::Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }

    /// The answer.
    pub fn reply(&self) -> Reply {
        let mut reply = json_reply(self.status, &self.value());
        let headers = reply.headers_mut();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil() as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        } else if self.status >= 500 {
            // The same request would come to the same end.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full { retry_after } => {
                let told = "too many requests wait for this model; try again after a while";
                let error = Self::new(429, "rate_limit_error", told).with_code("rate_limit_exceeded");
                Self { retry_after: Some(retry_after), ..error }
            }
            Refusal::Ended => {
                Self::new(503, "unavailable_error", "the model takes no more requests: the server stops").with_code("unavailable")
            }
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Infer(error) => Self::of_request(&error),
            Failure::TimedOut => {
                Self::new(504, "server_error", "the request took longer than this server lets one take").with_code("timeout")
            }
        }
    }
}

impl ApiError {
    /// What is wrong with a request, as the engine or the tokenizer says it.
    pub fn of_request(error: &nuwa_infer::Error) -> Self {
        use nuwa_infer::Error;
        let told = match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        };
        match error {
            Error::Setting { name, .. } => Self { param: Some((*name).into()), ..Self::invalid(&told) },
            Error::Schema { .. } => {
                Self { param: Some("response_format".into()), ..Self::invalid(&told) }.with_code("invalid_json_schema")
            }
            Error::Tokenizer(nuwa_tokenizer::Error::NoChatTemplate) => {
                let told = "the model has no chat template: it was not taught to answer; use /v1/completions";
                Self::invalid(told).with_code("no_chat_template")
            }
            Error::PromptTooLong { tokens, context } => Self::too_long(*tokens, *context, "prompt"),
            Error::Tokenizer(_) | Error::EmptyPrompt | Error::EmptyText | Error::NoRoom { .. } | Error::NothingAllowed => {
                Self::invalid(&told)
            }
            _ => Self::server(&told),
        }
    }
}
