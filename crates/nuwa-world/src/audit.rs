//! What cleaning caught of the planted noise, and what it lost of the clean documents.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use nuwa_files::Document;
use nuwa_files::documents;
use serde::{Deserialize, Serialize};

use super::SLURS;
use super::noise::Noise;
use super::offer::CORPUS;
use super::write::Planted;
use crate::Result;

/// How one kind of noise fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// Documents with this noise.
    pub planted: u64,
    /// Of these, rejected.
    pub rejected: u64,
    /// Of these, kept with the noise gone.
    pub repaired: u64,
}

impl Caught {
    /// Rejected or repaired, as a share of the planted.
    pub fn share(&self) -> f64 {
        (self.rejected + self.repaired) as f64 / self.planted.max(1) as f64
    }
}

/// What cleaning did to the world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// By kind of noise.
    pub noise: BTreeMap<Noise, Caught>,
    /// Clean documents that went in.
    pub clean: u64,
    /// Clean documents that were lost: neither they nor a copy of them is kept.
    pub lost: u64,
}

/// Compares the cleaned documents in the folder `cleaned` with what was planted in the world folder `world`.
///
/// # Errors
/// When a file cannot be read.
pub fn audit(world: &Path, cleaned: &Path) -> Result<Audit> {
    let planted = planted(&world.join("planted.jsonl"))?;
    let originals = originals(&world.join(CORPUS))?;
    let mut kept: HashMap<String, String> = HashMap::new();
    for document in documents::read(cleaned)? {
        let document = document?;
        kept.insert(name_of(&document), document.text);
    }
    let mut audit = Audit::default();
    let noisy: HashSet<&str> = planted.iter().map(|planted| planted.id.as_str()).collect();
    for planted in &planted {
        let found = kept.get(&planted.id);
        let caught = audit.noise.entry(planted.kind).or_default();
        caught.planted += 1;
        match found {
            None => caught.rejected += 1,
            Some(text) if is_repaired(planted, text) => caught.repaired += 1,
            Some(_) => {}
        }
    }
    // Of two copies the other one may stay: the text is not lost then, and the duplicate was caught all the same.
    let mut copies = HashSet::new();
    for planted in
        planted.iter().filter(|planted| planted.kind.is_rejected() && kept.contains_key(&planted.id))
    {
        copies.insert(planted.of.as_str());
        if !kept.contains_key(&planted.of) {
            audit.noise.entry(planted.kind).or_default().rejected += 1;
        }
    }
    for id in originals.iter().filter(|id| !noisy.contains(id.as_str())) {
        audit.clean += 1;
        if !kept.contains_key(id) && !copies.contains(id.as_str()) {
            audit.lost += 1;
        }
    }
    Ok(audit)
}

/// The `id` that a line had, or the name of the file.
fn name_of(document: &Document) -> String {
    match document.meta.get("id").and_then(serde_json::Value::as_str) {
        Some(id) => id.to_string(),
        None => Path::new(&document.source).file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// Whether nothing of the noise is left, and nothing of the text is gone. Spaces do not count; nor does what stands in the
/// place of emoji and personal data (names, placeholders), as long as every sentence of the text is still there.
fn is_repaired(planted: &Planted, text: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
    let is_whole = || {
        let text = bare(text);
        bare(&planted.clean).split_inclusive(['.', '。']).all(|sentence| text.contains(sentence))
    };
    match planted.kind {
        Noise::ExactDuplicate | Noise::NearDuplicate => false,
        Noise::BrokenHtml | Noise::Mojibake | Noise::Typo => bare(text) == bare(&planted.clean),
        Noise::Emoji => is_whole() && !text.chars().any(is_picture),
        Noise::Slur => !SLURS.iter().any(|slur| text.contains(slur)),
        Noise::PersonalData => {
            is_whole() && !text.contains("@example.com") && !text.contains("555-0") && !has_mobile(text)
        }
    }
}

fn is_picture(character: char) -> bool {
    matches!(character, '\u{1f300}'..='\u{1faff}' | '❤' | '\u{fe0f}')
}

/// Eleven digits in a row.
fn has_mobile(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_digit()).any(|digits| digits.len() == 11)
}

fn planted(path: &Path) -> Result<Vec<Planted>> {
    let text = nuwa_files::read_to_string(path)?;
    let parse = |(line, number): (&str, u64)| {
        serde_json::from_str(line).map_err(|error| {
            let problem = error.to_string();
            nuwa_files::Error::Line { path: path.to_path_buf(), line: number, problem }.into()
        })
    };
    text.lines().zip(1..).map(parse).collect()
}

/// The ids of all lines of the corpus.
fn originals(corpus: &Path) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for document in documents::read(corpus)? {
        ids.push(document?.id);
    }
    Ok(ids)
}
