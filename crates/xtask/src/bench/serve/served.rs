//! Servers in processes of their own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::super::ours::root;
use super::client::{Answer, Client};

/// Tokens that a client's question and answer may have, where a server is told.
const CONTEXT: usize = 512;

/// A server in a process of its own.
pub struct Served {
    process: Child,
    /// Host and port.
    pub address: String,
}

impl Served {
    /// Our own.
    pub fn start(program: &Path, model: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").arg(model).args(["--port", "0"]);
        Self::of(command)
    }

    /// llama.cpp's, with a slot for each client.
    pub fn rival(python: &Path, model: &Path, slots: usize) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut command = Command::new(python);
        command.arg(root().join("crates/xtask/rivals/llama_cpp_server.py")).arg(model);
        command.args([slots.to_string(), CONTEXT.to_string(), threads.to_string()]);
        Self::of(command).context("the rival is xllamacpp: PYTHON -m pip install xllamacpp")
    }

    fn of(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut line = String::new();
        let out = process.stdout.take().context("the program has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("http://").map(String::from);
        Ok(Self {
            process,
            address: address.with_context(|| format!("the program printed no address but {line:?}"))?,
        })
    }

    /// Memory in use, in kB.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .context("the system tells no memory")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("the system tells no memory")?;
        line.trim().trim_end_matches(" kB").trim().parse().context("the system tells no memory")
    }

    /// Whether it answers a question.
    pub fn answers(&self) -> Result<()> {
        match Client::connect(&self.address)?.ask(0, 4)? {
            Answer::Whole { .. } => Ok(()),
            Answer::Refused(status) => bail!("the server that was started again answered {status}"),
        }
    }
}

/// Killed without a word (`kill -9`).
impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
