//! The web, as the libraries see it: `ureq` with rustls, the certificates that the system trusts, and the proxy that the
//! environment names.

use std::io::Read;
use std::time::Duration;

use nuwa_collect::{Fetch, FetchError, Request, Response};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::failure::Problem;

/// To reach a host, and to wait for the headers of an answer and for each piece of its content.
const PATIENCE: Duration = Duration::from_secs(30);
/// For the content of one answer; a download that takes longer is gone on with by another request.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// Sends requests over HTTP and HTTPS.
pub struct Http {
    agent: Agent,
}

impl Http {
    pub fn new() -> Self {
        let trust = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(LONGEST_ANSWER))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("nuwa/", env!("CARGO_PKG_VERSION")))
            .tls_config(trust)
            .build();
        Self { agent: agent.into() }
    }
}

/// The most bytes of an answer that is read whole.
const LARGEST_ANSWER: u64 = 16 << 20;

impl Http {
    /// Sends JSON, with a key where there is one; status and content of the answer.
    pub fn post_json(
        &self,
        url: &str,
        key: Option<&str>,
        body: &serde_json::Value,
    ) -> Result<(u16, String), FetchError> {
        let failed = |error: ureq::Error| FetchError(error.to_string());
        let mut builder = self.agent.post(url).header("Content-Type", "application/json");
        builder = builder.config().timeout_recv_response(Some(LONGEST_ANSWER)).build();
        if let Some(key) = key {
            builder = builder.header("Authorization", format!("Bearer {key}"));
        }
        let mut answer = builder.send(body.to_string()).map_err(failed)?;
        let content =
            answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().map_err(failed)?;
        Ok((answer.status().as_u16(), content))
    }
}

impl Http {
    /// Sends JSON as [`Http::post_json`] does; status, and the content as it comes.
    pub fn post_for_stream(
        &self,
        url: &str,
        key: Option<&str>,
        body: &serde_json::Value,
    ) -> Result<(u16, Box<dyn Read>), FetchError> {
        let mut builder = self.agent.post(url).header("Content-Type", "application/json");
        // A server may read a long prompt before its first word, and think between two.
        builder = builder
            .config()
            .timeout_recv_response(Some(LONGEST_ANSWER))
            .timeout_per_read(Some(LONGEST_ANSWER))
            .build();
        if let Some(key) = key {
            builder = builder.header("Authorization", format!("Bearer {key}"));
        }
        let answer = builder.send(body.to_string()).map_err(|error| FetchError(error.to_string()))?;
        let (head, body) = answer.into_parts();
        Ok((head.status.as_u16(), Box::new(body.into_reader())))
    }

    /// Asks for JSON, with a key where there is one; status and content of the answer.
    pub fn get_json(&self, url: &str, key: Option<&str>) -> Result<(u16, String), FetchError> {
        let failed = |error: ureq::Error| FetchError(error.to_string());
        let mut builder = self.agent.get(url);
        if let Some(key) = key {
            builder = builder.header("Authorization", format!("Bearer {key}"));
        }
        let mut answer = builder.call().map_err(failed)?;
        let content =
            answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().map_err(failed)?;
        Ok((answer.status().as_u16(), content))
    }
}

/// The address of an API without its last slash; a key is sent over an encrypted connection or within this machine alone, and `without`
/// says how to go on without one.
pub fn checked_address<'a>(address: &'a str, has_key: bool, without: &str) -> anyhow::Result<&'a str> {
    let base = address.trim_end_matches('/');
    if !(base.starts_with("http://") || base.starts_with("https://")) {
        let problem =
            Problem::new(format!("{address}: expected an address that begins with http:// or https://"));
        return Err(problem.hint("name the address of the API: https://HOST/v1").into());
    }
    if has_key && base.starts_with("http://") && !is_loopback(base) {
        let problem =
            Problem::new(format!("{address}: a key is not sent over a connection that others can read"));
        return Err(problem.hint(format!("name an https:// address, or {without}")).into());
    }
    Ok(base)
}

fn is_loopback(address: &str) -> bool {
    let rest = address.trim_start_matches("http://");
    let host = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| host.strip_prefix(own).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

impl Fetch for Http {
    fn get(&self, request: &Request) -> Result<Response, FetchError> {
        let mut builder = self.agent.get(&request.url);
        if let Some(patience) = request.patience {
            builder = builder.config().timeout_global(Some(patience)).build();
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let answer = builder.call().map_err(|error| FetchError(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = head.headers.iter().map(header).collect();
        Ok(Response { status: head.status.as_u16(), headers, body: Box::new(body.into_reader()) })
    }
}
