use std::fmt::Write;

use anyhow::Context;

/// 128 random bits of the system, in hexadecimal.
pub fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gave no random numbers")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub fn equal(one: &str, other: &str) -> bool {
    let differ = |(one, other): (u8, u8)| one ^ other;
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).map(differ).fold(0, |all, byte| all | byte) == 0
}
