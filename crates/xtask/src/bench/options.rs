//! Options of the form `--name value`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

/// The values that were given, by name.
#[derive(Debug)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `arguments`; names that are not among `known` are refused.
    pub fn parse(arguments: &[String], known: &[&str]) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let name = argument.strip_prefix("--").filter(|name| known.contains(name));
            let Some(name) = name else {
                bail!("unknown argument {argument}; known are --{}", known.join(", --"));
            };
            let value = rest.next().with_context(|| format!("--{name} lacks its value"))?;
            values.insert(name.to_string(), value.clone());
        }
        Ok(Self(values))
    }

    /// The value of `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The path at `name`, if it was given.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A count of at least `least`, if it was given.
    pub fn count(&self, name: &str, least: usize) -> Result<Option<usize>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let count = text.parse().ok().filter(|&count: &usize| count >= least);
        Ok(Some(count.with_context(|| format!("--{name} {text}: expected a number of at least {least}"))?))
    }

    /// One of `choices`, if it was given.
    pub fn one_of(&self, name: &str, choices: &[&str]) -> Result<Option<String>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        ensure!(choices.contains(&text), "--{name} {text}: expected {}", choices.join(" or "));
        Ok(Some(text.to_string()))
    }

    /// Some of `choices`, separated by commas; all where none was given.
    pub fn some_of(&self, name: &str, choices: &[&str]) -> Result<Vec<String>> {
        let Some(text) = self.get(name) else { return Ok(choices.iter().map(ToString::to_string).collect()) };
        let chosen = text.split(',').map(|word| {
            ensure!(choices.contains(&word), "--{name} {word}: expected some of {}", choices.join(","));
            Ok(word.to_string())
        });
        chosen.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        Options::parse(&words, &["sizes", "pairs", "isa"])
    }

    #[test]
    fn values_are_read_by_name() {
        let options = parse("--sizes tiny,mid --pairs 3 --isa avx2").unwrap();
        assert_eq!(options.some_of("sizes", &["tiny", "mid", "small"]).unwrap(), ["tiny", "mid"]);
        assert_eq!(options.some_of("families", &["gpt", "llama"]).unwrap(), ["gpt", "llama"]);
        assert_eq!(options.count("pairs", 1).unwrap(), Some(3));
        assert_eq!(options.one_of("isa", &["avx2"]).unwrap().as_deref(), Some("avx2"));
        assert_eq!(options.count("steps", 1).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |result: Result<Options>| result.unwrap_err().to_string();
        assert!(message(parse("--size tiny")).contains("--size"));
        assert!(message(parse("tiny")).contains("unknown argument tiny"));
        assert!(message(parse("--pairs")).contains("--pairs lacks its value"));
        let options = parse("--sizes huge --pairs 0 --isa avx").unwrap();
        assert!(options.some_of("sizes", &["tiny"]).is_err());
        assert!(options.count("pairs", 1).is_err());
        assert!(options.one_of("isa", &["avx2"]).is_err());
    }
}
