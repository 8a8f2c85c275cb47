//! One line that says how a figure was made, so that two figures can be told to be comparable or not.

use std::fmt;

/// How a figure was made: `task:NAME@VERSION|shots:25:random1234|norm:chars|bos:yes|chat:no|n:1172|data:...|nuwa:...`.
///
/// `shots` is followed by how examples are chosen (`random1234`: drawn by Python's generator with that seed; `first_n`),
/// `norm` is what log-likelihoods are divided by, `bos` says whether a prompt begins with the token that begins a text, `n` is
/// the number of items, `data` the beginning of the SHA-256 of the items, `nuwa` the version of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    parts: Vec<(&'static str, String)>,
}

impl Signature {
    /// That of a task's figure.
    pub fn new(task: &str, version: impl fmt::Display) -> Self {
        Self { parts: vec![("task", format!("{task}@{version}"))] }
    }

    /// With one more part.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.parts.push((name, value.to_string()));
        self
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|(name, value)| write!(out, "{name}:{value}|"))?;
        write!(out, "nuwa:{}", env!("CARGO_PKG_VERSION"))
    }
}

/// Yes or no, as signatures say it.
pub(crate) fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// Hexadecimal digits of a hash in a signature.
const DIGITS: usize = 12;

/// The beginning of the SHA-256 of texts, a line each.
pub(crate) fn data_digest(texts: impl IntoIterator<Item = String>) -> String {
    let lines: String = texts.into_iter().map(|text| text + "\n").collect();
    nuwa_files::sha256_bytes(lines.as_bytes())[..DIGITS].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_the_order_they_were_given_in() {
        let signature = Signature::new("arc_challenge", 1).with("shots", "25:random1234").with("n", 1172);
        let expected =
            format!("task:arc_challenge@1|shots:25:random1234|n:1172|nuwa:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(signature.to_string(), expected);
    }

    /// `printf 'a\nb\n' | sha256sum`
    #[test]
    fn the_digest_is_of_lines() {
        assert_eq!(data_digest(["a".to_string(), "b".to_string()]), "911169ddaaf1");
    }
}
