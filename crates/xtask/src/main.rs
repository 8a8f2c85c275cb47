//! Chores of the workspace: `cargo xtask tidy`.
#![forbid(unsafe_code)]

mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "usage: cargo xtask tidy    hold the sources against the rules of ARCHITECTURE.md";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy(),
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
