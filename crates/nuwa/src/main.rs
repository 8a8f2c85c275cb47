//! Nuwa: from raw text to your own language model, one verb at a time.
#![forbid(unsafe_code)]

mod afterwards;
mod alignment;
mod apart;
mod base;
mod check;
mod console;
mod evaluation;
mod failure;
mod feedback;
mod guarding;
mod hints;
mod http;
mod init;
mod input;
mod interrupt;
mod items;
mod judge;
mod machine;
mod matrix;
mod model;
mod named;
mod numbers;
mod online;
mod page;
mod pipeline;
mod planning;
mod pretraining;
mod probing;
mod prompted;
mod prompts;
mod provenance;
mod recipe;
mod records;
mod repeat;
mod run;
mod runs;
mod source;
mod space;
mod stages;
mod suggestion;
mod taught;
mod texts;
mod tokenized;
mod training;
mod verbs;
mod world_rule;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if apart::is_asked() {
        return apart::read();
    }
    apart::begin();
    match verbs::Program::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
