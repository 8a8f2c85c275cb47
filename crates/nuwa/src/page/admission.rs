//! Who is let in: whoever holds the token, names this machine, and is not another site's page.

use super::request::{Head, Method};
use super::response::Response;
use super::token;

/// Names of this machine itself. Any port will do, so that a page can be reached through a tunnel.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The method and the path behind the token.
pub fn admit(head: &Head, secret: &str) -> Result<(Method, String), Response> {
    let host = head.single("host")?.ok_or_else(|| Response::refused(400, "the header Host is missing"))?;
    if !is_loopback(host) {
        return Err(Response::refused(403, "this page is only for the machine that serves it"));
    }
    let method = match head.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        _ => return Err(Response::refused(405, "only GET and POST are known here")),
    };
    check_origin(head, host, method)?;
    let path = head.target.split(['?', '#']).next().unwrap_or_default();
    let (given, rest) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    if !token::equal(given, secret) {
        return Err(Response::refused(
            403,
            "this address lacks its token: open the one that the program printed",
        ));
    }
    Ok((method, rest.to_string()))
}

/// A host name and, where there is one, a port.
fn is_loopback(host: &str) -> bool {
    LOOPBACK.iter().any(|name| match host.strip_prefix(name) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    })
}

/// What changes something comes from the page itself, in a form that no other site can send without asking first.
fn check_origin(head: &Head, host: &str, method: Method) -> Result<(), Response> {
    let origin = head.single("origin")?;
    let is_own = |origin: &str| origin.strip_prefix("http://") == Some(host);
    match (origin, method) {
        (Some(origin), _) if !is_own(origin) => {
            return Err(Response::refused(403, "the request comes from another page"));
        }
        (None, Method::Post) => return Err(Response::refused(403, "the header Origin is missing")),
        _ => {}
    }
    let content = head.single("content-type")?.unwrap_or_default();
    let is_json = content.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    match method {
        Method::Post if !is_json => Err(Response::refused(415, "expected application/json")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::request;

    const SECRET: &str = "00112233445566778899aabbccddeeff";

    fn asked(method: &str, target: &str, headers: &str) -> Result<(Method, String), u16> {
        let sent = format!("{method} {target} HTTP/1.1\r\n{headers}\r\n");
        let read = request::read(&mut sent.as_bytes(), |head| admit(head, SECRET));
        read.map(|read| read.unwrap().0).map_err(|refused| refused.status())
    }

    #[test]
    fn the_token_is_needed() {
        let with = |target: &str| asked("GET", target, "Host: localhost:80\r\n");
        let get = |path: &str| Ok((Method::Get, path.to_string()));
        assert_eq!(with(&format!("/{SECRET}/")), get(""));
        assert_eq!(with(&format!("/{SECRET}/next?language=zh")), get("next"));
        let wrong = SECRET.replace('f', "e");
        for target in
            ["/", "/next", "//", &format!("/{SECRET}"), &format!("/{wrong}/"), &format!("/{SECRET}0/"), "*"]
        {
            assert_eq!(with(target), Err(403), "{target}");
        }
    }

    #[test]
    fn another_host_is_refused_even_where_its_name_leads_here() {
        let with = |host: &str| asked("GET", &format!("/{SECRET}/"), &format!("Host: {host}\r\n")).is_ok();
        for own in ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:65535"] {
            assert!(with(own), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "localhost:",
            "localhost:a",
            "127.0.0.2",
        ] {
            assert!(!with(other), "{other}");
        }
        assert_eq!(asked("GET", "/", ""), Err(400), "none");
        assert_eq!(asked("GET", "/", "Host: localhost\r\nHost: localhost\r\n"), Err(400), "two");
    }

    #[test]
    fn what_changes_something_comes_from_the_page_itself() {
        let post = |headers: &str| {
            asked("POST", &format!("/{SECRET}/decide"), &format!("Host: localhost:8\r\n{headers}")).map(drop)
        };
        let json = "Content-Type: application/json\r\n";
        assert_eq!(post(&format!("Origin: http://localhost:8\r\n{json}")), Ok(()));
        assert_eq!(post(json), Err(403));
        for origin in
            ["null", "http://localhost:9", "http://127.0.0.1:8", "https://localhost:8", "http://evil.example"]
        {
            assert_eq!(post(&format!("Origin: {origin}\r\n{json}")), Err(403), "{origin}");
        }
        assert_eq!(post("Origin: http://localhost:8\r\nContent-Type: text/plain\r\n"), Err(415));
        assert_eq!(post("Origin: http://localhost:8\r\n"), Err(415));
        assert_eq!(asked("DELETE", "/", "Host: localhost\r\n"), Err(405));
        let read =
            asked("GET", &format!("/{SECRET}/"), "Host: localhost:8\r\nOrigin: http://evil.example\r\n");
        assert_eq!(read, Err(403));
    }
}
