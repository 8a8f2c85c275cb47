use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::admission::admit;
use super::request::{self, MOST_BODY, Request};
use super::response::Response;
use super::token;
use crate::failure::Problem;

/// A browser has some six at a time.
const MOST_CONNECTIONS: usize = 32;

/// How long a request may take to come, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers requests that were let in.
pub type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A server of one page, on the loopback interface.
pub struct Server {
    listener: TcpListener,
    port: u16,
    secret: String,
    patience: Duration,
}

impl Server {
    /// Takes a port, where `port` is 0 a free one.
    pub fn bind(port: u16) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| refused(port, &error))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port, secret: token::random()?, patience: PATIENCE })
    }

    /// The address of the page. Who knows it is let in.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.secret)
    }

    /// Answers from threads of its own, as long as the program runs.
    pub fn start(self, handler: Arc<Handler>) {
        thread::spawn(move || self.listen(&handler));
    }

    fn listen(&self, handler: &Arc<Handler>) {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in self.listener.incoming() {
            // A connection that broke before it was taken, or no more files for the moment.
            let Ok(stream) = stream else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            let place = Place::take(&open);
            // Where all places are taken, the connection is closed without a word.
            let Some(place) = place else { continue };
            let (handler, secret, patience) = (Arc::clone(handler), self.secret.clone(), self.patience);
            // Where there are no more threads, the connection is closed too.
            let _ = thread::Builder::new().spawn(move || {
                let _place = place;
                // Whoever goes away before the answer does not miss it.
                let _ = answer(&stream, &secret, patience, &*handler);
            });
        }
    }
}

/// One of the connections that may be open.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refused(port: u16, error: &io::Error) -> Problem {
    let told = match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} is in use by another program"),
        _ => format!("port {port} cannot be listened on: {error}"),
    };
    Problem::new(told).hint("name another one with --port, or leave it out: a free one is then taken")
}

/// A stream that has to come to its end in time, however slowly its bytes come.
struct Timed<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        (&mut &*self.stream).read(buffer)
    }
}

fn answer(stream: &TcpStream, secret: &str, patience: Duration, handler: &Handler) -> io::Result<()> {
    let mut timed = Timed { stream, deadline: Instant::now() + patience };
    let response = match request::read(&mut timed, |head| admit(head, secret)) {
        Ok(Some(((method, path), body))) => handler(&Request { method, path, body }),
        Ok(None) => return Ok(()),
        Err(refused) => refused,
    };
    stream.set_write_timeout(Some(patience))?;
    response.write(&mut &*stream)?;
    stream.shutdown(Shutdown::Write)?;
    // What still comes is read before the connection is closed, else the other side may lose the answer.
    io::copy(&mut timed.take(2 * MOST_BODY as u64), &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::page::Method;

    /// A server that says what it was asked; its port and the path of its page.
    fn started(patience: Duration) -> (u16, String) {
        let server = Server { patience, ..Server::bind(0).unwrap() };
        let (port, path) = (server.port, format!("/{}/", server.secret));
        server.start(Arc::new(|request: &Request| match request.method {
            Method::Get => {
                Response::page(&format!("<script nonce=\"{{{{nonce}}}}\">{}</script>", request.path))
            }
            Method::Post => Response::json(&String::from_utf8_lossy(&request.body)),
        }));
        (port, path)
    }

    fn said(port: u16, sent: &[u8]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(sent).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn a_page_runs_nothing_but_its_own() {
        let (port, path) = started(PATIENCE);
        let said = said(port, format!("GET {path}a HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes());
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        let nonce = said.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        assert!(said.ends_with(&format!("<script nonce=\"{nonce}\">a</script>")), "{said}");
        for header in
            ["default-src 'none'", "frame-ancestors 'none'", "no-store", "nosniff", "X-Frame-Options: DENY"]
        {
            assert!(said.contains(header), "{header}: {said}");
        }
    }

    #[test]
    fn what_the_page_sends_is_answered_and_a_large_body_is_not() {
        let (port, path) = started(PATIENCE);
        let post = |body: &str| {
            let origin = format!("http://127.0.0.1:{port}");
            let head = format!(
                "POST {path}decide HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            said(port, (head + body).as_bytes())
        };
        assert!(post("好").ends_with("\r\n\r\n\"好\""));
        let refused = post(&"a".repeat(MOST_BODY + 1));
        assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("65536"), "{refused}");
    }

    #[test]
    fn a_slow_client_is_given_up_and_others_are_served_meanwhile() {
        let (port, path) = started(Duration::from_millis(300));
        let began = Instant::now();
        let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut dripping = slow.try_clone().unwrap();
        thread::spawn(move || {
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbbb".iter().cycle()
            {
                thread::sleep(Duration::from_millis(20));
                if dripping.write_all(&[*byte]).is_err() {
                    break;
                }
            }
        });
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(said(port, request.as_bytes()).starts_with("HTTP/1.1 200 "));
        let mut said = Vec::new();
        let _ = slow.read_to_end(&mut said);
        assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
        assert_eq!(silent.read(&mut [0]).unwrap(), 0, "closed without a word");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = Server::bind(0).unwrap();
        let told = Server::bind(taken.port).err().unwrap().to_string();
        assert_eq!(told, format!("port {} is in use by another program", taken.port));
    }

    #[test]
    fn too_many_connections_are_closed() {
        let open = Arc::new(AtomicUsize::new(0));
        let places: Vec<Option<Place>> = (0..MOST_CONNECTIONS + 2).map(|_| Place::take(&open)).collect();
        assert_eq!(places.iter().flatten().count(), MOST_CONNECTIONS);
        assert_eq!(open.load(Ordering::Relaxed), MOST_CONNECTIONS);
        drop(places);
        assert!(Place::take(&open).is_some());
    }
}
