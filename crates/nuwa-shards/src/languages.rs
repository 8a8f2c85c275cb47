//! The languages of documents, beside their shards: `languages.json`, for models that are told them.
//!
//! `{"format": 1, "languages": ["en", "zh"], "train": [[1200, 0], [3400, 1]], "val": [..], "test": [..]}`: the tokens of a part
//! up to number 1200 are in the first language, those from there to number 3400 in the second, and so on. Memory: 16 bytes for each
//! change of language.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Part, Result};

/// The file's name.
pub(crate) const LANGUAGES: &str = "languages.json";

const FORMAT: u32 = 1;

/// Where a run of tokens in one language ends, and which language it is.
type Run = (u64, u32);

/// Which tokens are in which language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Languages {
    format: u32,
    /// Their codes, by number.
    languages: Vec<String>,
    train: Vec<Run>,
    val: Vec<Run>,
    test: Vec<Run>,
}

impl Languages {
    /// Of no document yet.
    pub fn new() -> Self {
        Self { format: FORMAT, ..Self::default() }
    }

    /// Those of the shards in `folder`.
    ///
    /// # Errors
    /// When the folder does not say them, or the file is damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(LANGUAGES);
        if !path.is_file() {
            return Err(Error::NoLanguages { folder: folder.to_path_buf() });
        }
        let found: Self = nuwa_files::read_json(&path)?;
        found.check(path)?;
        Ok(found)
    }

    fn check(&self, path: PathBuf) -> Result<()> {
        let wrong = |problem: String| Err(Error::Shard { path: path.clone(), problem });
        if self.format != FORMAT {
            return wrong(format!("format = {}, expected {FORMAT}", self.format));
        }
        for runs in [&self.train, &self.val, &self.test] {
            if runs.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                return wrong("the ends of its runs do not go up".into());
            }
            if let Some((_, language)) =
                runs.iter().find(|(_, language)| *language as usize >= self.languages.len())
            {
                return wrong(format!("language {language} of {}", self.languages.len()));
            }
        }
        Ok(())
    }

    /// Writes them, in the order of their codes: the same languages have the same numbers in every folder.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let mut sorted: Vec<&String> = self.languages.iter().collect();
        sorted.sort();
        let place = |language: &u32| {
            let own = &self.languages[*language as usize];
            sorted.iter().position(|code| *code == own).map_or(*language, |place| place as u32)
        };
        let runs = |runs: &[Run]| runs.iter().map(|(end, language)| (*end, place(language))).collect();
        let written = Self {
            format: FORMAT,
            train: runs(&self.train),
            val: runs(&self.val),
            test: runs(&self.test),
            languages: sorted.iter().map(|code| code.to_string()).collect(),
        };
        Ok(nuwa_files::write_json(&folder.join(LANGUAGES), &written)?)
    }

    /// Removes what an earlier run left in `folder`.
    pub(crate) fn remove(folder: &Path) -> Result<()> {
        let path = folder.join(LANGUAGES);
        match path.exists() {
            true => Ok(std::fs::remove_file(&path).map_err(nuwa_files::Error::write(&path))?),
            false => Ok(()),
        }
    }

    /// Their codes, by number.
    pub fn names(&self) -> &[String] {
        &self.languages
    }

    /// The number of a language, which is the next one where it is new.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        let place = self.languages.iter().position(|known| known == name).unwrap_or_else(|| {
            self.languages.push(name.into());
            self.languages.len() - 1
        });
        place as u32
    }

    /// Takes note of the next `tokens` of a part.
    pub(crate) fn push(&mut self, part: Part, tokens: u64, language: u32) {
        let runs = match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.val,
            Part::Test => &mut self.test,
        };
        let end = runs.last().map_or(0, |run| run.0) + tokens;
        match runs.last_mut() {
            Some(run) if run.1 == language => run.0 = end,
            _ => runs.push((end, language)),
        }
    }

    fn runs(&self, part: Part) -> &[Run] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.val,
            Part::Test => &self.test,
        }
    }

    /// The languages of `count` tokens of a part from number `start` on; those beyond its end are as its last.
    pub fn of(&self, part: Part, start: u64, count: usize) -> Vec<u32> {
        let runs = self.runs(part);
        let mut run = runs.partition_point(|(end, _)| *end <= start);
        let last = runs.last().map_or(0, |(_, language)| *language);
        let next = |token: u64| {
            while runs.get(run).is_some_and(|(end, _)| *end <= token) {
                run += 1;
            }
            runs.get(run).map_or(last, |(_, language)| *language)
        };
        (start..start + count as u64).map(next).collect()
    }

    /// The share of the tokens of a part that are in each language.
    pub fn shares(&self, part: Part) -> Vec<f64> {
        let (mut tokens, mut start) = (vec![0.0; self.languages.len()], 0);
        for &(end, language) in self.runs(part) {
            tokens[language as usize] += (end - start) as f64;
            start = end;
        }
        tokens.into_iter().map(|own| own / start.max(1) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages() -> Languages {
        let mut all = Languages::new();
        for (name, tokens) in [("en", 3), ("zh", 2), ("zh", 1), ("en", 2)] {
            let number = all.number(name);
            all.push(Part::Train, tokens, number);
        }
        all
    }

    #[test]
    fn tokens_have_the_languages_of_their_documents() {
        let all = languages();
        assert_eq!(all.names(), ["en", "zh"]);
        assert_eq!(all.of(Part::Train, 0, 8), [0, 0, 0, 1, 1, 1, 0, 0]);
        assert_eq!(all.of(Part::Train, 4, 3), [1, 1, 0]);
        assert_eq!(all.of(Part::Train, 7, 3), [0, 0, 0]);
        assert_eq!(all.shares(Part::Train), [0.625, 0.375]);
    }

    #[test]
    fn they_come_back_from_the_disk_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Languages::load(folder.path()).unwrap_err();
        assert!(matches!(missing, Error::NoLanguages { .. }) && missing.hint().is_some());
        languages().save(folder.path()).unwrap();
        assert_eq!(Languages::load(folder.path()).unwrap(), languages());
        for (from, to) in
            [("\"format\": 1", "\"format\": 2"), ("\"zh\"", "\"zh\", \"fr\"]]"), ("[\n", "[[9, 0], ")]
        {
            let text = std::fs::read_to_string(folder.path().join(LANGUAGES)).unwrap();
            std::fs::write(folder.path().join(LANGUAGES), text.replacen(from, to, 1)).unwrap();
            assert!(Languages::load(folder.path()).is_err(), "{to}");
            languages().save(folder.path()).unwrap();
        }
        let mut wrong = languages();
        wrong.languages.pop();
        nuwa_files::write_json(&folder.path().join(LANGUAGES), &wrong).unwrap();
        assert!(Languages::load(folder.path()).unwrap_err().to_string().contains("language 1 of 1"));
        let mut other = Languages::new();
        for name in ["zh", "en"] {
            let number = other.number(name);
            other.push(Part::Test, 2, number);
        }
        other.save(folder.path()).unwrap();
        let sorted = Languages::load(folder.path()).unwrap();
        assert_eq!(
            (sorted.names(), sorted.of(Part::Test, 0, 4)),
            (&["en".to_string(), "zh".into()][..], vec![1, 1, 0, 0])
        );
        Languages::remove(folder.path()).unwrap();
        assert!(Languages::load(folder.path()).is_err());
    }
}
