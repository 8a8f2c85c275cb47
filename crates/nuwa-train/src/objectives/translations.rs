//! Sentences with their translations, from files: `en-zh:FILE`, a pair a line, the two between a tab; what stands behind a second
//! tab (Tatoeba's attributions) is left out.

use std::path::Path;

use nuwa_files::compressed;
use nuwa_shards::Languages;
use nuwa_tokenizer::Tokenizer;

use super::cross_lingual::Translation;
use crate::settings::ensure;
use crate::{Error, Result};

/// The setting that names such files.
const SETTING: &str = "pretrain.languages.parallel";

/// The pairs of a file that is named so.
///
/// # Errors
/// When the name does not say two languages that the shards have, or the file cannot be read or holds no pair.
pub fn read(named: &str, languages: &Languages, tokenizer: &Tokenizer) -> Result<Vec<Translation>> {
    let parts = named.split_once(':').and_then(|(both, file)| Some((both.split_once('-')?, file)));
    let Some(((first, second), file)) = parts else {
        return Err(wrong(named, "two languages and a file, such as en-zh:pairs.tsv"));
    };
    let known = languages.names();
    let number = |name: &str| {
        let place = known.iter().position(|own| own == name).map(|place| place as u32);
        place.ok_or_else(|| wrong(named, &format!("languages of the shards, which are {}", known.join(", "))))
    };
    let languages = [number(first)?, number(second)?];
    let path = Path::new(file);
    let text =
        String::from_utf8(compressed::read(path)?).map_err(|_| wrong(named, "a file of UTF-8 text"))?;
    let mut pairs = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let mut columns = line.split('\t').map(str::trim).filter(|column| !column.is_empty());
        let (Some(one), Some(other)) = (columns.next(), columns.next()) else { continue };
        let sentences = [tokenizer.encode(one)?, tokenizer.encode(other)?];
        if sentences.iter().all(|sentence| !sentence.is_empty()) {
            pairs.push(Translation { sentences, languages });
        }
    }
    ensure(!pairs.is_empty(), SETTING, named, "a file with a pair of sentences a line, a tab between them")?;
    Ok(pairs)
}

fn wrong(named: &str, expected: &str) -> Error {
    Error::Setting { name: SETTING.into(), value: named.into(), expected: expected.into() }
}
