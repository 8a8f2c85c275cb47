//! Chores of the workspace: `cargo xtask tidy`, `cargo xtask fuzz`, `cargo xtask hashes`, `cargo xtask bench`.
#![forbid(unsafe_code)]

mod bench;
mod tidy;
mod workspace;

use std::process::{Command, ExitCode};

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask tidy            hold the sources against the rules of ARCHITECTURE.md
       cargo xtask fuzz TARGET     feed a parser with damaged inputs (`list` names the parsers); options:
                                   --iterations N (100000), --seconds N, --seed N (1), --from N, --save FILE
       cargo xtask hashes          weights after 20 steps of each kind of training, as hashes; with --release compiled so
       cargo xtask bench train     training steps in turn with PyTorch
       cargo xtask bench growth    speed and memory over context and width
       cargo xtask bench clean     cleaning in turn with datatrove
       cargo xtask bench budgets   builds within budgets: foreseen and measured
       cargo xtask bench serve     a server under load
       cargo xtask bench help      the options of all of them";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("tidy") => tidy(),
        Some("bench") => bench(&arguments[1..]),
        Some("hashes") => cargo(&["--package", "nuwa-align", "--example", "hashes"], &arguments[1..]),
        Some("fuzz") if arguments.len() > 1 && arguments[1] != "help" => fuzz(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    let complaints = match Workspace::read() {
        Ok(workspace) => tidy::check(&workspace),
        Err(error) => vec![format!("{error:#}")],
    };
    for complaint in &complaints {
        eprintln!("error: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fuzz(arguments: &[String]) -> ExitCode {
    cargo(&["--release", "--package", "nuwa-fuzz", "--example", "fuzz", "--"], arguments)
}

/// Runs an example of a crate that these chores need not compile.
fn cargo(example: &[&str], arguments: &[String]) -> ExitCode {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet"]).args(example);
    match cargo.args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cannot run cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> ExitCode {
    match bench::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
