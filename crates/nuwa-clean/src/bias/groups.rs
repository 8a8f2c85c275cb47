//! Groups of terms: a name, and for each language the words and phrases that stand for it.

use std::collections::BTreeMap;
use std::path::Path;

use super::words::Token;
use crate::{Error, Result};

/// The groups that are counted.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub names: Vec<String>,
    terms: Vec<Term>,
    /// The numbers of the terms that begin with a token, the longest first.
    by_first: BTreeMap<u64, Vec<u32>>,
}

#[derive(Debug, Clone)]
pub(super) struct Term {
    pub text: String,
    /// None for a word in which a term stands by accident.
    pub group: Option<usize>,
    language: String,
    tokens: Vec<u64>,
}

const DEFAULT: &str = include_str!("default.toml");

type Written = BTreeMap<String, BTreeMap<String, Vec<String>>>;

impl Groups {
    /// Those of the file, or the default ones.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        match path {
            None => Ok(Self::new(toml::from_str(DEFAULT).expect("a test reads it"))),
            Some(path) => {
                let text = nuwa_files::read_to_string(path)?;
                let wrong = |problem: String| Error::TermGroups { path: path.to_path_buf(), problem };
                let written = toml::from_str(&text).map_err(|error| wrong(place(&text, &error)))?;
                let groups = Self::new(written);
                match groups.terms.iter().any(|term| term.group.is_some()) {
                    true => Ok(groups),
                    false => Err(wrong("no group has a term".into())),
                }
            }
        }
    }

    fn new(written: Written) -> Self {
        let names = written.keys().cloned().collect();
        let mut terms = Vec::new();
        for (group, languages) in written.into_values().enumerate() {
            for (language, texts) in languages {
                terms.extend(texts.iter().map(|text| Term::new(text, group, &language)));
            }
        }
        terms.retain(|term| !term.tokens.is_empty());
        let mut by_first: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (number, term) in terms.iter().enumerate() {
            by_first.entry(term.tokens[0]).or_default().push(number as u32);
        }
        let longest_first = |number: &u32| std::cmp::Reverse(terms[*number as usize].tokens.len());
        by_first.values_mut().for_each(|numbers| numbers.sort_by_key(longest_first));
        Self { names, terms, by_first }
    }

    pub fn term(&self, number: u32) -> &Term {
        &self.terms[number as usize]
    }

    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.terms.iter()
    }

    /// The longest term that begins here.
    pub fn at(&self, tokens: &[Token], language: Option<&str>) -> Option<u32> {
        let numbers = self.by_first.get(&tokens.first()?.hash)?;
        numbers.iter().copied().find(|number| {
            let term = self.term(*number);
            let holds = language.is_none_or(|language| language.split('-').next() == Some(&term.language));
            holds
                && term.tokens.len() <= tokens.len()
                && term.tokens.iter().zip(tokens).all(|(hash, token)| *hash == token.hash)
        })
    }
}

impl Term {
    fn new(text: &str, group: usize, language: &str) -> Self {
        let (text, group) = match text.strip_prefix('!') {
            Some(text) => (text, None),
            None => (text, Some(group)),
        };
        let tokens = Token::all(text).iter().map(|token| token.hash).collect();
        Self { text: text.into(), group, language: language.into(), tokens }
    }

    /// How many tokens it is long.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn has(&self, hash: u64) -> bool {
        self.tokens.contains(&hash)
    }
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
    let line = line.map_or(String::new(), |line| format!("line {line}: "));
    format!("{line}{}", error.message().trim())
}
