//! Data sets of a server that speaks the Hub's API, here without a network.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::path::Path;

use nuwa_collect::Error;
use nuwa_collect::hub::{DataSet, Downloaded, Hub};
use nuwa_collect::{CollectSettings, Fetch, FetchError, Request, Response};

use super::collected;

const ENDPOINT: &str = "https://hub.test";

/// Answers by path; keeps what was asked.
#[derive(Default)]
struct Server {
    files: HashMap<String, Vec<u8>>,
    /// Paths whose content breaks off once, after so many bytes.
    breaks: RefCell<HashMap<String, usize>>,
    /// Paths that are elsewhere.
    moved: HashMap<String, String>,
    /// The token without which nothing is given.
    token: Option<String>,
    asked: RefCell<Vec<Request>>,
}

/// A connection that is lost after some bytes.
struct Lost(Cursor<Vec<u8>>);

impl Read for Lost {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            count => Ok(count),
        }
    }
}

impl Fetch for Server {
    fn get(&self, request: &Request) -> Result<Response, FetchError> {
        self.asked.borrow_mut().push(request.clone());
        let header =
            |name: &str| request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let answer = |status, headers: Vec<(String, String)>, body: Vec<u8>| {
            Ok(Response { status, headers, body: Box::new(Cursor::new(body)) })
        };
        let expected = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if expected.is_some()
            && request.url.starts_with(ENDPOINT)
            && header("Authorization") != expected.as_ref()
        {
            return answer(401, Vec::new(), Vec::new());
        }
        if let Some(place) = self.moved.get(&request.url) {
            return answer(302, vec![("Location".into(), place.clone())], Vec::new());
        }
        let Some(content) = self.files.get(&request.url) else { return answer(404, Vec::new(), Vec::new()) };
        let from = header("Range").map(|range| range["bytes=".len()..range.len() - 1].parse().unwrap());
        let rest = content[from.unwrap_or(0)..].to_vec();
        let last = content.len() - 1;
        let headers = vec![
            ("content-length".into(), rest.len().to_string()),
            ("content-range".into(), format!("bytes {}-{last}/{}", from.unwrap_or(0), content.len())),
        ];
        let status = if from.is_some() { 206 } else { 200 };
        match self.breaks.borrow_mut().remove(&request.url) {
            Some(after) => {
                let body = Box::new(Lost(Cursor::new(rest[..after].to_vec())));
                Ok(Response { status, headers, body })
            }
            None => answer(status, headers, rest),
        }
    }
}

fn server(files: &[(&str, &str)]) -> Server {
    let names: Vec<_> = files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name })).collect();
    let listing =
        serde_json::json!({ "sha": "c0ffee", "siblings": names, "cardData": { "license": "cc-by-4.0" } });
    let mut server = Server::default();
    let list = format!("{ENDPOINT}/api/datasets/some/texts/revision/main");
    server.files.insert(list, listing.to_string().into_bytes());
    for (name, text) in files {
        server.files.insert(address(name), text.as_bytes().to_vec());
    }
    server
}

fn address(name: &str) -> String {
    format!("{ENDPOINT}/datasets/some/texts/resolve/c0ffee/{name}")
}

fn download(server: &Server, folder: &Path) -> Result<Downloaded, Error> {
    download_up_to(1 << 30, server, folder)
}

fn download_up_to(largest: u64, server: &Server, folder: &Path) -> Result<Downloaded, Error> {
    let set = DataSet::parse("hf:some/texts").unwrap()?;
    let hub = Hub { fetch: server, endpoint: ENDPOINT.into(), token: server.token.clone(), largest };
    hub.download(&set, folder, &[], &mut |_| {})
}

#[test]
fn documents_say_which_data_set_they_are_of() {
    let line = r#"{"text": "A first text."}"#;
    let server = server(&[("README.md", "about"), ("train/a.jsonl", line), ("test/a.jsonl", line)]);
    let folder = tempfile::tempdir().unwrap();
    let there = download(&server, folder.path()).unwrap();
    assert_eq!(there.other_parts, ["test/a.jsonl"]);
    let documents = collected(std::slice::from_ref(&there.folder), &CollectSettings::default()).unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].source, "hf:some/texts@c0ffee/train/a.jsonl");
    assert_eq!(documents[0].meta["license"], "cc-by-4.0");
    assert_eq!(documents[0].meta["revision"], "c0ffee");

    let asked = server.asked.borrow().len();
    assert_eq!(download(&server, folder.path()).unwrap().folder, there.folder);
    assert_eq!(server.asked.borrow().len(), asked, "what is there is not asked for again");
}

#[test]
fn what_broke_off_goes_on_where_it_was() {
    let server = server(&[("a.txt", "0123456789"), ("b c.txt", "more")]);
    let mut server = server;
    let content = server.files.remove(&address("b c.txt")).unwrap();
    server.files.insert(address("b%20c.txt"), content);
    server.breaks.borrow_mut().insert(address("a.txt"), 4);
    let folder = tempfile::tempdir().unwrap();
    let there = download(&server, folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(there.folder.join("a.txt")).unwrap(), "0123456789");
    assert_eq!(std::fs::read_to_string(there.folder.join("b c.txt")).unwrap(), "more");
    let asked = server.asked.borrow();
    let ranges: Vec<_> = asked.iter().flat_map(|request| &request.headers).collect();
    assert_eq!(ranges, [&("Range".to_string(), "bytes=4-".to_string())]);
}

#[test]
fn a_data_set_that_changed_meanwhile_is_not_mixed_with_itself() {
    let mut server = server(&[("a.txt", "old a"), ("b.txt", "old b")]);
    let folder = tempfile::tempdir().unwrap();
    let gone = server.files.remove(&address("b.txt")).unwrap();
    assert!(download(&server, folder.path()).is_err());
    let listing = server.files.get_mut(&format!("{ENDPOINT}/api/datasets/some/texts/revision/main")).unwrap();
    *listing = String::from_utf8(listing.clone()).unwrap().replace("c0ffee", "decaf").into_bytes();
    for name in ["a.txt", "b.txt"] {
        server.files.insert(address(name).replace("c0ffee", "decaf"), format!("new {name}").into_bytes());
    }
    server.files.insert(address("b.txt"), gone);
    let there = download(&server, folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(there.folder.join("a.txt")).unwrap(), "new a.txt");
    let documents = collected(std::slice::from_ref(&there.folder), &CollectSettings::default()).unwrap();
    assert_eq!(documents[0].source, "hf:some/texts@decaf/a.txt");
}

#[test]
fn a_token_stays_with_the_server_it_is_for() {
    let mut server = server(&[("a.txt", "text")]);
    server.token = Some("secret".into());
    let elsewhere = "https://elsewhere.test/a.txt".to_string();
    let content = server.files.remove(&address("a.txt")).unwrap();
    server.files.insert(elsewhere.clone(), content);
    server.moved.insert(address("a.txt"), elsewhere.clone());
    let folder = tempfile::tempdir().unwrap();
    download(&server, folder.path()).unwrap();
    let asked = server.asked.borrow();
    let last = asked.last().unwrap();
    assert_eq!(last, &Request::new(elsewhere));
}

#[test]
fn what_cannot_be_had_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = download(&Server::default(), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Refused { status: 404, .. }), "{error}");
    let error = download(&server(&[("a.bin", "x")]), folder.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("a.bin"), "{error}");

    let mut closed = server(&[("a.txt", "text")]);
    closed.token = Some("secret".into());
    let set = DataSet::parse("hf:some/texts").unwrap().unwrap();
    let hub = Hub { fetch: &closed, endpoint: ENDPOINT.into(), token: None, largest: 1000 };
    let error = hub.download(&set, folder.path(), &[], &mut |_| {}).unwrap_err();
    assert!(error.hint().unwrap().contains("HF_TOKEN"), "{error}");

    let mut circle = server(&[("a.txt", "text")]);
    circle.moved.insert(address("a.txt"), address("a.txt"));
    let error = download(&circle, folder.path()).unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");

    let mut nonsense = Server::default();
    nonsense.files.insert(format!("{ENDPOINT}/api/datasets/some/texts/revision/main"), b"<html>".to_vec());
    let error = download(&nonsense, folder.path()).unwrap_err();
    assert!(error.to_string().contains("not a data set's listing"), "{error}");
}

#[test]
fn a_data_set_larger_than_allowed_is_refused() {
    let text = |length: usize| format!("{{\"text\": \"{}\"}}", "a".repeat(length));
    let server = server(&[("a.jsonl", &text(600)), ("b.jsonl", &text(600))]);
    let folder = tempfile::tempdir().unwrap();
    let error = download_up_to(1000, &server, folder.path()).unwrap_err();
    insta::assert_snapshot!(format!("{error}\nhint: {}", error.hint().unwrap()), @r"
    https://hub.test/datasets/some/texts/resolve/c0ffee/b.jsonl: the data set has more than 1000 bytes
    hint: take a part of it (hf:OWNER/NAME/PATH), or allow more: collect.largest_download=10000
    ");
    assert!(download_up_to(2000, &server, folder.path()).is_ok());
}
