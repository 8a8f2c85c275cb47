//! Who is let in: whoever calls this machine by a name of its own, is no other site's page, and gives a key where there are keys.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use hyper::{Method, Request};

use crate::api::ApiError;
use crate::settings::ServeSettings;
use crate::worker::Client;

/// What admission found.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    pub client: Client,
    /// The page of another site that may read the answer.
    pub foreign: Option<String>,
}

/// Lets a request in, or says why not. `is_open` are routes that need no key.
pub fn admit<B>(request: &Request<B>, peer: IpAddr, settings: &ServeSettings, is_open: bool) -> Result<Admitted, ApiError> {
    let headers = request.headers();
    let host = single(headers, HOST.as_str())?.ok_or_else(|| ApiError::invalid("the header Host is missing"))?;
    if !is_own(host, settings) {
        let told = format!("this server is not called {host}; whoever runs it can allow the name");
        return Err(ApiError::permission(&told, "host_not_allowed"));
    }
    let foreign = foreign_origin(headers, host, settings)?;
    let client = match is_open {
        true => Client::Machine(peer),
        false => holder(headers, peer, settings)?,
    };
    if request.method() == Method::POST {
        check_json(headers)?;
    }
    Ok(Admitted { client, foreign })
}

/// The value of a header that comes at most once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(Some).ok_or_else(|| ApiError::invalid(&format!("the header {name}: expected one visible text")))
}

/// Whether a host, with or without a port, is a name of this machine. A page of another site that leads its own name here (DNS
/// rebinding) still sends that name.
fn is_own(host: &str, settings: &ServeSettings) -> bool {
    let Some(name) = without_port(host) else { return false };
    let is_loopback = ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
    let is_allowed = settings.allowed_hosts.iter().any(|own| name.eq_ignore_ascii_case(own));
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    // An address is no name that could be led elsewhere; one of many addresses is not known beforehand.
    let is_bound = address.is_some_and(|address| address == settings.host || settings.host.is_unspecified());
    is_loopback || is_allowed || is_bound
}

fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port.is_empty() || is_port).then_some(name)
}

/// The page that asks, where it is another site's and allowed.
fn foreign_origin(headers: &HeaderMap, host: &str, settings: &ServeSettings) -> Result<Option<String>, ApiError> {
    let Some(origin) = single(headers, ORIGIN.as_str())? else { return Ok(None) };
    let is_own = ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host));
    if is_own {
        return Ok(None);
    }
    match settings.allowed_origins.iter().any(|allowed| allowed == origin) {
        true => Ok(Some(origin.to_string())),
        false => {
            let told = format!("a page of {origin} asks, which is not allowed here; whoever runs the server can allow it");
            Err(ApiError::permission(&told, "origin_not_allowed"))
        }
    }
}

fn holder(headers: &HeaderMap, peer: IpAddr, settings: &ServeSettings) -> Result<Client, ApiError> {
    if settings.keys.is_empty() {
        return Ok(Client::Machine(peer));
    }
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let given = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()));
    let given = given.ok_or_else(|| ApiError::key("this server wants a key: send it in the header Authorization: Bearer KEY"))?;
    // Each key is looked at, so that the time does not tell which one it was.
    let fits: Vec<bool> = settings.keys.iter().map(|key| key.is(given)).collect();
    let index = fits.iter().position(|fits| *fits);
    index.map(Client::Key).ok_or_else(|| ApiError::key("the key is not one of this server's"))
}

/// A form of another site cannot send JSON without asking first.
fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = single(headers, CONTENT_TYPE.as_str())?.unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let told = "the header Content-Type: expected application/json";
    is_json.then_some(()).ok_or_else(|| ApiError::new(415, "invalid_request_error", told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ApiKey;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn asked(settings: &ServeSettings, method: &str, headers: &[(&str, &str)]) -> Result<Admitted, u16> {
        let mut request = Request::builder().method(method).uri("/v1/models");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap(), PEER, settings, false).map_err(|error| error.status)
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let settings = ServeSettings { allowed_hosts: vec!["box.example".into()], ..ServeSettings::default() };
        let with = |host: &str| asked(&settings, "GET", &[("host", host)]).map(drop);
        for own in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:65535", "[::1]", "box.example:80"] {
            assert_eq!(with(own), Ok(()), "{own}");
        }
        for other in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:", "localhost:a", "192.168.0.7", "[::1", "[::1]x", ""] {
            assert_eq!(with(other), Err(403), "{other}");
        }
        assert_eq!(asked(&settings, "GET", &[]), Err(400));
        assert_eq!(asked(&settings, "GET", &[("host", "localhost"), ("host", "localhost")]), Err(400));
        let open = ServeSettings { host: IpAddr::from([0, 0, 0, 0]), ..ServeSettings::default() };
        assert!(asked(&open, "GET", &[("host", "192.168.0.7:8080")]).is_ok());
        assert_eq!(asked(&open, "GET", &[("host", "evil.example")]), Err(403));
    }

    #[test]
    fn pages_of_other_sites_are_refused_unless_they_are_named() {
        let settings = ServeSettings { allowed_origins: vec!["http://a.example:3000".into()], ..ServeSettings::default() };
        let json = ("content-type", "application/json");
        let with = |origin: &str| asked(&settings, "POST", &[("host", "localhost:8"), ("origin", origin), json]);
        assert_eq!(with("http://localhost:8").unwrap().foreign, None);
        assert_eq!(with("http://a.example:3000").unwrap().foreign.as_deref(), Some("http://a.example:3000"));
        for origin in ["null", "http://localhost:9", "http://127.0.0.1:8", "http://evil.example", "http://a.example"] {
            assert_eq!(with(origin), Err(403), "{origin}");
        }
        let of = |kind: &str| asked(&settings, "POST", &[("host", "localhost"), ("content-type", kind)]).map(drop);
        assert_eq!(of("application/json; charset=utf-8"), Ok(()));
        assert_eq!(of("text/plain"), Err(415));
        assert_eq!(asked(&settings, "POST", &[("host", "localhost")]), Err(415));
    }

    #[test]
    fn a_key_is_wanted_where_there_are_keys() {
        let keys = ["0123456789abcdef", "fedcba9876543210"].map(|key| ApiKey::new(key).unwrap());
        let settings = ServeSettings { keys: keys.to_vec(), ..ServeSettings::default() };
        let with = |name: &str, value: &str| asked(&settings, "GET", &[("host", "localhost"), (name, value)]).map(|admitted| admitted.client);
        assert_eq!(with("authorization", "Bearer fedcba9876543210"), Ok(Client::Key(1)));
        assert_eq!(with("x-api-key", "0123456789abcdef"), Ok(Client::Key(0)));
        for (name, value) in [("authorization", "0123456789abcdef"), ("authorization", "Bearer 0123456789abcdee"), ("x", "y")] {
            assert_eq!(with(name, value), Err(401), "{name}: {value}");
        }
    }
}
