//! The file of a guard: TOML.

use std::ops::Range;
use std::path::{Path, PathBuf};

use nuwa_text::classify::Classifier;
use serde::Deserialize;
use toml::Spanned;

use crate::normal::Normal;
use crate::pattern::Pattern;
use crate::words::Words;
use crate::{Error, Guard, Result, Rule, RuleClassifier, Side};

/// What a user is told where the file does not say it.
const MESSAGE: &str = "This was stopped by a content filter. 内容过滤器拦截了这段文字。";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardFile {
    message: Option<String>,
    log: Option<PathBuf>,
    #[serde(default)]
    exceptions: Vec<Spanned<String>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    classifiers: Vec<ClassifierTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    category: String,
    #[serde(default)]
    words: Vec<Spanned<String>>,
    #[serde(default)]
    files: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    patterns: Vec<Spanned<String>>,
    #[serde(default = "both")]
    on: Vec<Side>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifierTable {
    category: String,
    file: Spanned<PathBuf>,
    threshold: Option<Spanned<f32>>,
    #[serde(default = "both")]
    on: Vec<Side>,
    message: Option<String>,
}

fn both() -> Vec<Side> {
    vec![Side::Prompt, Side::Answer]
}

/// A file while it is read.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Guard {
    /// Reads a guard and the files that it names, which lie beside it.
    ///
    /// # Errors
    /// When a file cannot be read, or an entry is none; the line is named.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&nuwa_files::read_to_string(path)?, path)
    }

    /// The same of the text of the file at `path`.
    ///
    /// # Errors
    /// As [`Guard::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let source = Source { path, text };
        let file: GuardFile = toml::from_str(text).map_err(|error| source.no_toml(&error))?;
        if file.rules.is_empty() && file.classifiers.is_empty() {
            return Err(source.wrong(0..0, "it has no rule, expected [[rules]] or [[classifiers]]"));
        }
        let usual = file.message.unwrap_or_else(|| MESSAGE.into());
        let log = file.log.map(|log| source.beside(&log));
        let mut guard = Self {
            rules: Vec::new(),
            words: Words::default(),
            patterns: Vec::new(),
            classifiers: Vec::new(),
            log,
        };
        for exception in &file.exceptions {
            guard.words.add(&source.entry(exception)?, None);
        }
        for table in file.rules {
            guard.add_rule(&source, table, &usual)?;
        }
        for table in file.classifiers {
            guard.classifiers.push(source.classifier(table, &usual)?);
        }
        Ok(guard)
    }

    fn add_rule(&mut self, source: &Source<'_>, table: Spanned<RuleTable>, usual: &str) -> Result<()> {
        let place = table.span();
        let RuleTable { category, words, files, patterns, on, message } = table.into_inner();
        if words.is_empty() && files.is_empty() && patterns.is_empty() {
            let problem = format!("the rule {category:?} has no words, no files and no patterns");
            return Err(source.wrong(place, problem));
        }
        let number = self.rules.len();
        for word in &words {
            self.words.add(&source.entry(word)?, Some(number));
        }
        for file in &files {
            source.list(file)?.iter().for_each(|word| self.words.add(word, Some(number)));
        }
        for pattern in &patterns {
            let made = Pattern::new(pattern.get_ref());
            let made = made.map_err(|problem| {
                let problem = problem.trim_end();
                source.wrong(pattern.span(), format!("the pattern {:?}: {problem}", pattern.get_ref()))
            })?;
            self.patterns.push((made, number));
        }
        self.rules.push(Rule { category, on, message: message.unwrap_or_else(|| usual.into()) });
        Ok(())
    }
}

impl Source<'_> {
    fn wrong(&self, place: Range<usize>, problem: impl Into<String>) -> Error {
        let line = self.text[..place.start.min(self.text.len())].matches('\n').count() + 1;
        Error::Entry { path: self.path.into(), line, problem: problem.into() }
    }

    fn no_toml(&self, error: &toml::de::Error) -> Error {
        self.wrong(error.span().unwrap_or(0..0), error.message().trim_end().replace('\n', " "))
    }

    fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    /// A word or phrase in the form in which texts are compared.
    fn entry(&self, entry: &Spanned<String>) -> Result<String> {
        let normal = Normal::of(entry.get_ref().trim()).text;
        match normal.is_empty() {
            true => Err(self.wrong(entry.span(), "an entry is empty, expected a word or a phrase")),
            false => Ok(normal),
        }
    }

    /// The entries of a file, one a line.
    fn list(&self, file: &Spanned<PathBuf>) -> Result<Vec<String>> {
        let path = self.beside(file.get_ref());
        let text = nuwa_files::read_to_string(&path)
            .map_err(|error| self.wrong(file.span(), format!("the list of words: {error}")))?;
        let lines = text.trim_start_matches('\u{feff}').lines().map(|line| Normal::of(line.trim()).text);
        let words: Vec<String> = lines.filter(|word| !word.is_empty()).collect();
        match words.is_empty() {
            true => Err(self.wrong(file.span(), format!("{} holds no word", path.display()))),
            false => Ok(words),
        }
    }

    fn classifier(&self, table: ClassifierTable, usual: &str) -> Result<RuleClassifier> {
        let ClassifierTable { category, file, threshold, on, message } = table;
        let classifier = Classifier::load(&self.beside(file.get_ref()))
            .map_err(|error| self.wrong(file.span(), format!("the classifier: {error}")))?;
        if let Some(wrong) = threshold.as_ref().filter(|value| !(0.0..=1.0).contains(value.get_ref())) {
            let problem = format!("threshold = {}: expected a probability from 0 to 1", wrong.get_ref());
            return Err(self.wrong(wrong.span(), problem));
        }
        let threshold = threshold.map_or(classifier.threshold(), Spanned::into_inner);
        let rule = Rule { category, on, message: message.unwrap_or_else(|| usual.into()) };
        Ok(RuleClassifier { rule, classifier, threshold })
    }
}
