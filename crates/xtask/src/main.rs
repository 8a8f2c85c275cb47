//! Chores of the workspace: `cargo xtask tidy`, `cargo xtask bench`.
#![forbid(unsafe_code)]

mod bench;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask tidy            hold the sources against the rules of ARCHITECTURE.md
       cargo xtask bench train     training steps in turn with PyTorch
       cargo xtask bench growth    speed and memory over context and width
       cargo xtask bench clean     cleaning in turn with datatrove
       cargo xtask bench help      the options of all three";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("tidy") => tidy(),
        Some("bench") => bench(&arguments[1..]),
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

fn bench(arguments: &[String]) -> ExitCode {
    match bench::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
