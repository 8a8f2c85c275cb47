use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder to run the program in.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What the program said and did.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nuwa"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).stdin(Stdio::null());
        // Servers of tests are on this machine; a proxy would look for them on its own.
        for proxy in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command
    }

    /// Runs the program with arguments separated by blanks.
    pub fn nuwa(&self, arguments: &str) -> Answer {
        Answer::of(self.command(arguments).output().unwrap())
    }

    pub fn nuwa_with_input(&self, arguments: &str, input: &[u8]) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Answer::of(child.wait_with_output().unwrap())
    }

    /// Runs the program, which must fail with exit code 1 and print no result; the message.
    pub fn failure(&self, arguments: &str) -> String {
        self.nuwa(arguments).failure()
    }

    pub fn succeed(&self, arguments: &str) -> Answer {
        let answer = self.nuwa(arguments);
        assert_eq!(answer.code, Some(0), "{arguments}: {answer:?}");
        answer
    }
}

impl Answer {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn failure(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        let message = self.err.find("error: ").unwrap_or_else(|| panic!("no error in {}", self.err));
        self.err[message..].to_string()
    }
}

/// A text that looks enough like language to learn a little from, and repeats itself little enough to be kept: words
/// of made-up syllables, common ones more often than rare ones.
pub fn story(sentences: usize) -> String {
    let syllables = ["mi", "ra", "ton", "el", "sha", "bo", "ken", "lu", "dri", "va", "os", "pe"];
    let mut state: u64 = 7;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut text = String::new();
    for sentence in 0..sentences {
        for word in 0..6 + draw(8) {
            let common = 1 + draw(140);
            let rank = draw(common);
            let spelt = [rank % 12, rank / 12, (rank * 7) % 12].map(|at| syllables[at]);
            text += if word == 0 { "" } else { " " };
            text += &spelt[..2 + rank % 2].concat();
        }
        text += if sentence % 5 == 4 { ".\n\n" } else { ". " };
    }
    text
}

/// Every file below a folder, with its content.
#[allow(dead_code)]
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Serves these paths until the test ends; its address.
pub fn serve<S: AsRef<str> + Send + 'static>(files: impl Into<Vec<(&'static str, S)>>) -> String {
    let files = files.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
            let asked = first.split(' ').nth(1).unwrap();
            let (status, body) = match files.iter().find(|(path, _)| *path == asked) {
                Some((_, body)) => ("200 OK", body.as_ref()),
                None => ("404 Not Found", ""),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
    address
}
