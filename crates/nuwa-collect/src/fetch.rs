//! What collecting needs of the web, so that this library opens no socket: who calls gives something that fetches.

use std::fmt;
use std::io::Read;
use std::time::Duration;

/// One `GET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The absolute address, `http` or `https`.
    pub url: String,
    /// Names and values of headers beside those that every request has.
    pub headers: Vec<(String, String)>,
    /// The most time that it may take, from the first byte sent to the last one read; where it is not said, as long as a large
    /// file takes.
    pub patience: Option<Duration>,
}

impl Request {
    /// A request without headers of its own.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: Vec::new(), patience: None }
    }

    /// The same with one header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What came back, whatever its status.
pub struct Response {
    /// The status, such as 200 or 404.
    pub status: u16,
    /// Names and values in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// The content, read as it comes.
    pub body: Box<dyn Read + Send>,
}

impl Response {
    /// The first value of a header; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// No answer: the host is unknown, refuses, hangs, or is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Something that sends requests. Redirects are answers like others: who asks decides whether to follow.
pub trait Fetch {
    /// Sends one request and waits for the status and headers of its answer.
    ///
    /// # Errors
    /// When the server is not found or does not answer in time.
    fn get(&self, request: &Request) -> Result<Response, FetchError>;
}
