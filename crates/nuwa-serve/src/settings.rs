use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use nuwa_guard::Guard;
use nuwa_infer::{SLOTS, SamplingSettings};

use crate::{Error, Result};

/// A key that clients have to know.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The fewest characters of a key: fewer could be guessed.
    pub const LEAST: usize = 16;

    /// A key of visible ASCII characters.
    ///
    /// # Errors
    /// When it is shorter than [`ApiKey::LEAST`] or has other characters; the message does not repeat it.
    pub fn new(key: &str) -> Result<Self> {
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.len() < Self::LEAST || !is_visible {
            let value = format!("a text of {} bytes", key.len());
            let expected = "expected at least 16 visible ASCII characters without blanks";
            return Err(Error::Setting { name: "key", value, expected });
        }
        Ok(Self(key.to_string()))
    }

    /// Whether a client gave this key, in a time that does not tell where they differ.
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differ = |index: usize| given[index] ^ own.get(index).copied().unwrap_or_default();
        let all = (0..given.len()).fold(0, |all, index| std::hint::black_box(all | differ(index)));
        all == 0 && given.len() == own.len()
    }
}

/// Keys are in no message and no log.
impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiKey")
    }
}

/// How a server works.
#[derive(Debug)]
pub struct ServeSettings {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 is a free one.
    pub port: u16,
    /// Keys, one of which each client has to give; none where everybody on this machine may come.
    pub keys: Vec<ApiKey>,
    /// Names by which the machine may be called beside its own.
    pub allowed_hosts: Vec<String>,
    /// Other sites whose pages may ask, such as `http://localhost:3000`.
    pub allowed_origins: Vec<String>,
    /// What must not be asked and said.
    pub guard: Option<Guard>,
    /// How tokens are chosen where a request does not say.
    pub sampling: SamplingSettings,
    /// The most tokens of an answer, whatever a request says; none for what fits the context.
    pub most_tokens: Option<usize>,
    /// Texts that are written at one time.
    pub slots: usize,
    /// The most ids of prompts that go through a model in one pass.
    pub prompt_chunk: usize,
    /// Requests that may wait for a slot.
    pub queue: usize,
    /// How long a request may take in all.
    pub request_time: Duration,
    /// How long the head and the body of a request may take to come, and a piece of an answer to be taken.
    pub client_time: Duration,
    /// How long requests that run may go on once the server is to stop.
    pub grace: Duration,
    /// The most bytes of a body.
    pub body_bytes: usize,
    /// Connections that may be open.
    pub connections: usize,
    /// Whether the observer is told what was asked and answered.
    pub log_texts: bool,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            keys: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            guard: None,
            // What OpenAI's interface says of requests that do not.
            sampling: SamplingSettings { temperature: 1.0, top_p: 1.0, ..SamplingSettings::default() },
            most_tokens: None,
            slots: SLOTS,
            prompt_chunk: 512,
            queue: 256,
            request_time: Duration::from_secs(600),
            client_time: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            body_bytes: 8 << 20,
            connections: 512,
            log_texts: false,
        }
    }
}

impl ServeSettings {
    /// Refuses what nothing, or nothing safe, can be served with.
    ///
    /// # Errors
    /// When a setting makes no sense, or other machines could come without a key.
    pub fn check(&self) -> Result<()> {
        if !self.host.is_loopback() && self.keys.is_empty() {
            return Err(Error::NoKey { host: self.host.to_string() });
        }
        let counts = [
            ("slots", self.slots),
            ("prompt_chunk", self.prompt_chunk),
            ("queue", self.queue),
            ("connections", self.connections),
            ("body_bytes", self.body_bytes),
        ];
        if let Some((name, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            let expected = "expected a whole number of at least 1";
            return Err(Error::Setting { name, value: value.to_string(), expected });
        }
        self.sampling.check().map_err(Error::Infer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_as_wholes_and_never_shown() {
        let key = ApiKey::new("0123456789abcdef").unwrap();
        assert!(key.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0", "x123456789abcdef"] {
            assert!(!key.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{key:?}"), "ApiKey");
        let told = ApiKey::new("secret").unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
        assert!(ApiKey::new("0123456789 abcdef").is_err());
    }

    #[test]
    fn other_machines_need_a_key() {
        let open = |keys| ServeSettings { host: IpAddr::from([0, 0, 0, 0]), keys, ..ServeSettings::default() };
        assert!(matches!(open(Vec::new()).check(), Err(Error::NoKey { .. })));
        open(vec![ApiKey::new("0123456789abcdef").unwrap()]).check().unwrap();
        let none = ServeSettings { slots: 0, ..ServeSettings::default() };
        assert!(none.check().unwrap_err().to_string().starts_with("slots = 0"));
    }
}
