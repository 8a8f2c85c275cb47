//! A request as it comes over the wire, up to limits.

use std::io::{ErrorKind, Read};

use super::response::Response;

/// What a page sends is far smaller.
const MOST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
pub const MOST_BODY: usize = 64 << 10;

/// What is asked of a page's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// A request that was let in.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// What stands behind the token; empty for the page itself.
    pub path: String,
    pub body: Vec<u8>,
}

/// The first lines of a request, before anything is believed of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header that may stand once; none where it is absent.
    pub fn single(&self, name: &str) -> Result<Option<&str>, Response> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (first, None) => Ok(first.map(|(_, value)| value.as_str())),
            _ => Err(Response::refused(400, &format!("the header {name} stands more than once"))),
        }
    }

    /// How many bytes follow the head.
    fn body_length(&self) -> Result<usize, Response> {
        if self.single("transfer-encoding")?.is_some() {
            return Err(Response::refused(411, "a body is sent with its Content-Length"));
        }
        let Some(length) = self.single("content-length")? else { return Ok(0) };
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        match length.parse::<usize>() {
            Ok(length) if is_number && length <= MOST_BODY => Ok(length),
            // Digits that are no number are too many of them.
            _ if is_number => Err(Response::refused(413, &format!("a body has at most {MOST_BODY} bytes"))),
            _ => Err(Response::refused(400, "Content-Length is no number")),
        }
    }
}

/// Reads a request, and its body where `admit` lets its head in; none where the other side said nothing and went.
pub fn read<T>(
    stream: &mut impl Read,
    admit: impl FnOnce(&Head) -> Result<T, Response>,
) -> Result<Option<(T, Vec<u8>)>, Response> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        match parse(&bytes)? {
            Some(parsed) => break parsed,
            None if bytes.len() >= MOST_HEAD => {
                return Err(Response::refused(431, "the headers are too long"));
            }
            None => {}
        }
        match more(stream, &mut bytes) {
            Ok(true) => {}
            // A browser opens connections that it may never need.
            Ok(false) | Err(_) if bytes.is_empty() => return Ok(None),
            Ok(false) => return Err(cut_short()),
            Err(refused) => return Err(refused),
        }
    };
    let admitted = admit(&head)?;
    let end = length + head.body_length()?;
    while bytes.len() < end {
        if !more(stream, &mut bytes)? {
            return Err(cut_short());
        }
    }
    bytes.truncate(end);
    bytes.drain(..length);
    Ok(Some((admitted, bytes)))
}

/// The head and its length; none where it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Response> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let header = |header: &httparse::Header<'_>| {
                (header.name.to_string(), String::from_utf8_lossy(header.value).into_owned())
            };
            let headers = request.headers.iter().map(header).collect();
            let text = |part: Option<&str>| part.unwrap_or_default().to_string();
            Ok(Some((Head { method: text(request.method), target: text(request.path), headers }, length)))
        }
        Err(httparse::Error::TooManyHeaders) => Err(Response::refused(431, "there are too many headers")),
        Err(error) => Err(Response::refused(400, &format!("this is not HTTP: {error}"))),
    }
}

/// Reads some more; false at the end.
fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Result<bool, Response> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(count) => {
                bytes.extend_from_slice(&buffer[..count]);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                return Err(Response::refused(408, "the request took too long to come"));
            }
            Err(_) => return Err(cut_short()),
        }
    }
}

fn cut_short() -> Response {
    Response::refused(400, "the request is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &[u8]) -> u16 {
        match read(&mut &request[..], |_| Ok(())) {
            Ok(_) => 200,
            Err(refused) => refused.status(),
        }
    }

    /// Gives a byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn a_request_is_read_however_it_comes() {
        let sent = b"POST /a/decide HTTP/1.1\r\nhost: x\r\nCONTENT-LENGTH: 3\r\n\r\nabcdef";
        let admit = |head: &Head| Ok((head.target.clone(), head.single("Host")?.map(str::to_string)));
        let admitted = ("/a/decide".to_string(), Some("x".to_string()));
        assert_eq!(read(&mut &sent[..], admit).unwrap(), Some((admitted.clone(), b"abc".to_vec())));
        assert_eq!(read(&mut Drip(sent), admit).unwrap(), Some((admitted, b"abc".to_vec())));
        assert_eq!(read(&mut &b""[..], admit).unwrap(), None);
    }

    #[test]
    fn bad_requests_are_refused() {
        let with = |headers: &str| status(format!("POST / HTTP/1.1\r\n{headers}\r\n").as_bytes());
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), 200);
        assert_eq!(status(b"\x16\x03\x01\x02\x00"), 400, "TLS");
        assert_eq!(status(b"GET /\r\n\r\n"), 400);
        assert_eq!(status(b"GET / HTTP/2.0\r\n\r\n"), 400);
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: x"), 400, "cut short");
        assert_eq!(with("Content-Length: 5\r\n"), 400, "the body is cut short");
        assert_eq!(with("Content-Length: +0\r\n"), 400);
        assert_eq!(with("Content-Length: -1\r\n"), 400);
        assert_eq!(with("Content-Length: 0\r\nContent-Length: 0\r\n"), 400);
        assert_eq!(with("Content-Length: 65537\r\n"), 413);
        assert_eq!(with("Content-Length: 99999999999999999999999999\r\n"), 413);
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), 411);
        assert_eq!(with(&"A: b\r\n".repeat(65)), 431);
        assert_eq!(with(&format!("A: {}\r\n", "b".repeat(20_000))), 431);
        assert_eq!(status(&[b'A'; 20_000]), 431);
    }

    #[test]
    fn a_body_is_not_read_where_the_head_is_refused() {
        let sent = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
        let refused = read(&mut &sent[..], |_| Err::<(), _>(Response::refused(403, "no"))).unwrap_err();
        assert_eq!(refused.status(), 403);
    }
}
