//! The process that reads one file for another one and may come to grief over it: standard input to standard output, within limits.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use nuwa_collect::{Limits, apart_by, read_apart};

/// The argument that makes the program such a process; nobody types it.
const ARGUMENT: &str = "--read-apart";

/// Whether this is such a process.
pub fn is_asked() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT))
}

/// Reads the file.
pub fn read() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(2).collect();
    let read = input().and_then(|input| read_apart(&arguments, input, &mut io::stdout().lock(), limit));
    match read {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// From now on files that need it are read by such processes.
pub fn begin() {
    if program().is_some() {
        apart_by(start);
    }
}

fn start(arguments: &[&str], input: Stdio) -> io::Result<Child> {
    let mut command = Command::new(program().ok_or(io::ErrorKind::NotFound)?);
    command.arg(ARGUMENT).args(arguments).stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
    // So that what interrupts this program does not interrupt that one.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// This program, even if its file is replaced while it runs.
fn program() -> Option<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Some("/proc/self/exe".into()),
        false => std::env::current_exe().ok(),
    }
}

#[cfg(unix)]
fn input() -> io::Result<File> {
    use std::os::fd::AsFd;

    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn input() -> io::Result<File> {
    use std::os::windows::io::AsHandle;

    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(unix)]
fn limit(limits: Limits) {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    // A limit that is narrower already stays.
    let _ = setrlimit(Resource::As, at_most(limits.memory));
    let _ = setrlimit(Resource::Cpu, at_most(limits.seconds));
    let _ = setrlimit(Resource::Core, at_most(0));
}

#[cfg(not(unix))]
fn limit(_: Limits) {}
