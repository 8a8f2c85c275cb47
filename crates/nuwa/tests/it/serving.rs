//! The program while it serves a page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::Place;

/// The program while it serves its page.
pub struct Serving {
    program: Child,
    err: ChildStderr,
    _out: BufReader<ChildStdout>,
    pub address: String,
}

impl Serving {
    /// Starts it with arguments separated by blanks, and waits for the address that it prints.
    pub fn start(place: &Place, arguments: &str) -> Self {
        let mut command = place.command(arguments);
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (program.stdout.take().unwrap(), program.stderr.take().unwrap());
        let (mut out, mut address) = (BufReader::new(out), String::new());
        out.read_line(&mut address).unwrap();
        Self { program, err, _out: out, address: address.trim().into() }
    }

    /// Status and body of what the page would ask.
    pub fn ask(&self, path: &str, body: Option<Value>) -> (u16, String) {
        let rest = self.address.strip_prefix("http://").unwrap();
        let (host, token) = rest.split_once('/').unwrap();
        let sent = body.map_or_else(String::new, |body| body.to_string());
        let method = if sent.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} /{token}{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{sent}",
            sent.len()
        );
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    /// Kills it without a word.
    pub fn kill(mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }

    /// Presses Ctrl-C; what the program said.
    pub fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.program), Signal::INT).unwrap();
        let mut said = String::new();
        self.err.read_to_string(&mut said).unwrap();
        assert_eq!(self.program.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}
