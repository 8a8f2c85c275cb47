//! Inputs damaged at random for every parser that is ours.
//!
//! A [`Target`] is a parser with good inputs to begin from. [`Mutator`] damages them, the same way for the same seed and
//! number; the example `fuzz` runs a target on as many as asked, and the folder `fuzz/` hands the targets to libFuzzer.
#![forbid(unsafe_code)]

mod data;
mod files;
mod models;
mod mutate;
mod text;

pub use files::Files;
pub use mutate::Mutator;

/// A parser, and what to feed it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Reads any bytes; it may refuse them, but neither panic nor hang.
    pub run: fn(&[u8]),
    /// Good inputs, which are damaged at random.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets, by name.
pub fn targets() -> Vec<Target> {
    let mut all: Vec<Target> = [models::TARGETS, text::TARGETS, data::TARGETS].concat();
    all.sort_by_key(|target| target.name);
    all
}

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

/// Runs the target of this name, as libFuzzer's programs do.
///
/// # Panics
/// When there is none, or when the target does: that is what a fuzzer looks for.
pub fn run(name: &str, bytes: &[u8]) {
    (target(name).expect("a target of this name").run)(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_good_inputs() {
        for target in targets() {
            assert!((target.seeds)().iter().any(|seed| !seed.is_empty()), "{}", target.name);
        }
    }
}
