//! Text that a verb is given on standard input or in a file.

use std::io::{self, Read};
use std::path::Path;

use crate::failure::Problem;

/// All of standard input.
pub fn standard_input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    text("standard input", bytes)
}

/// All of a file.
pub fn file(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).map_err(nuwa_files::Error::read(path))?;
    text(&path.display().to_string(), bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(format!("{name} is not UTF-8: byte {at} begins no character"))
            .hint("convert it first, for example with iconv -f GB18030 -t UTF-8")
            .into()
    })
}
