//! A recipe while it is put together: the file, then `--set`, then flags; what was never said keeps its default.

use std::path::Path;

use anyhow::Context;
use nuwa_eval::tasks::deep_line;
use nuwa_report::text::clipped;
use toml::{Table, Value};

use super::check::{Fault, check};
use super::renamed::rename;
use super::settings::Recipe;
use crate::console::message;
use crate::failure::Problem;

/// The keys that were said so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    said: Table,
}

impl Draft {
    /// Reads a recipe file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = nuwa_files::read_to_string(path)?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, name: &str) -> anyhow::Result<Self> {
        if let Some(line) = deep_line(text) {
            let told = format!("{name}, line {line}: more dots than the parts of any key");
            return Err(Problem::new(told)
                .hint("`nuwa init` writes a recipe with every key and what it means")
                .into());
        }
        let mut said: Table = text.parse().map_err(|error: toml::de::Error| not_toml(text, name, &error))?;
        rename(&mut said).iter().for_each(|word| message(&format!("{name}: {word}")));
        check(&mut said).map_err(|Fault { path, message, hint }| {
            let place = line_of(text, &path).map_or(String::new(), |line| format!(", line {line}"));
            Problem::new(format!("{name}{place}: {message}")).hint(hint)
        })?;
        Ok(Self { said })
    }

    /// Takes one `--set key=value`.
    pub fn set(&mut self, assignment: &str) -> anyhow::Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            let hint = "for example --set tokenizer.vocab_size=4096";
            return Err(Problem::new(format!("--set {assignment}: expected key=value")).hint(hint).into());
        };
        self.put(key.trim(), value_of(value.trim()))
            .with_context(|| format!("--set {} cannot be used", clipped(assignment, 200)))
    }

    /// Says `key`, whatever was said before.
    pub fn put(&mut self, key: &str, value: Value) -> anyhow::Result<()> {
        check_depth(key)?;
        let mut alone = nested(key, value);
        rename(&mut alone).iter().for_each(|word| message(word));
        check(&mut alone).map_err(|fault| Problem::new(fault.message).hint(fault.hint))?;
        merge(&mut self.said, alone);
        Ok(())
    }

    /// Unsays keys at the top, which a flag has put aside.
    pub fn forget(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| drop(self.said.remove(*key)));
    }

    /// Whether the key was said, rather than left to its default.
    pub fn says(&self, key: &str) -> bool {
        let mut steps = key.split('.');
        let first = steps.next().and_then(|step| self.said.get(step));
        steps.fold(first, |value, step| value?.get(step)).is_some()
    }

    /// What was said, as a recipe file.
    pub fn text(&self) -> String {
        toml::to_string(&self.said).unwrap_or_default()
    }

    /// The whole recipe, with defaults for what was not said.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        let wrong = |error: toml::de::Error| {
            let place = "`nuwa init` writes a recipe with every key and what it means";
            Problem::new(format!("the recipe cannot be used: {}", error.message())).hint(place)
        };
        Ok(Recipe::try_from_table(self.said.clone()).map_err(wrong)?)
    }
}

impl Recipe {
    fn try_from_table(table: Table) -> Result<Self, toml::de::Error> {
        table.try_into()
    }
}

/// A TOML value, or a plain word: `--set collect.bad_lines=skip` needs no quotes.
fn value_of(text: &str) -> Value {
    let parse = || format!("value = {text}").parse::<Table>().ok()?.remove("value");
    let parsed = deep_line(text).is_none().then(parse).flatten();
    parsed.unwrap_or_else(|| Value::String(text.into()))
}

/// No key has more parts; each of them is a table within a table.
const MOST_PARTS: usize = 16;

fn check_depth(key: &str) -> Result<(), Problem> {
    let parts = key.split('.').count();
    if parts <= MOST_PARTS {
        return Ok(());
    }
    let begins: String = key.chars().take(20).collect();
    Err(Problem::new(format!("unknown key `{begins}...` of {parts} parts"))
        .hint("`nuwa init` writes a recipe with every key and what it means"))
}

fn nested(key: &str, value: Value) -> Table {
    let (first, value) = match key.split_once('.') {
        Some((first, rest)) => (first, Value::Table(nested(rest, value))),
        None => (key, value),
    };
    Table::from_iter([(first.to_string(), value)])
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

fn not_toml(text: &str, name: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(String::new(), |span| format!(", line {}", line_at(text, span.start)));
    Problem::new(format!("{name}{place}: not valid TOML: {}", error.message().trim()))
        .hint("a key stands as `name = value`, text in double quotes, a table as [name]")
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line in which a key is written.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut table = table.get_ref();
    let mut start = None;
    for step in path.split('.') {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == step)?;
        start = Some(key.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    start.map(|start| line_at(text, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_its_line() {
        let error = Draft::parse("seed = 1\n\n[tokenizer]\nvocab_sise = 5\n", "x.toml").unwrap_err();
        assert_eq!(error.to_string(), "x.toml, line 4: unknown key `tokenizer.vocab_sise`");
        let error = Draft::parse("seed = 1\nseed = 2\n", "x.toml").unwrap_err();
        assert_eq!(error.to_string(), "x.toml, line 2: not valid TOML: duplicate key");
    }

    #[test]
    fn later_words_win() {
        let mut draft = Draft::parse("seed = 1\n[collect]\ntext_field = \"a\"\n", "x.toml").unwrap();
        draft.set("seed=7").unwrap();
        draft.set("collect.bad_lines=skip").unwrap();
        draft.set("tokenizer.vocab_size=4k").unwrap();
        let recipe = draft.recipe().unwrap();
        assert_eq!((recipe.seed, recipe.collect.text_field.as_str()), (7, "a"));
        assert_eq!(recipe.tokenizer.vocab_size, 4000);
        assert!(draft.says("collect.bad_lines") && !draft.says("clean.samples"));
    }

    #[test]
    fn a_wrong_set_is_told() {
        let error = Draft::default().set("seed").unwrap_err();
        assert_eq!(error.to_string(), "--set seed: expected key=value");
        assert!(Draft::default().set("tokenizer.vocab_size=big").is_err());
    }

    #[test]
    fn a_key_of_great_depth_is_refused() {
        let key = vec!["a"; 200_000].join(".");
        let error = Draft::default().set(&format!("{key}=1")).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "unknown key `a.a.a.a.a.a.a.a.a.a....` of 200000 parts");
        assert!(error.to_string().len() < 300);
        assert!(Draft::parse(&format!("{key} = 1"), "x.toml").is_err());
        assert!(Draft::parse(&format!("a = {}", "[".repeat(200_000)), "x.toml").is_err());
        assert!(Draft::default().set(&format!("seed={}", "[".repeat(200_000))).is_err());
        assert!(Draft::default().set(&format!("seed={{ {key} = 1 }}")).is_err());
    }

    #[test]
    fn a_resolved_recipe_reads_back_the_same() {
        let recipe = Draft::parse("budget = \"10m\"\nparams = \"1M\"\n", "x").unwrap().recipe().unwrap();
        let text = toml::to_string(&recipe).unwrap();
        assert_eq!(Draft::parse(&text, "y").unwrap().recipe().unwrap(), recipe);
    }
}
