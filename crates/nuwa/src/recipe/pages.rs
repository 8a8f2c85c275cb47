//! The keys as text: the recipe that `nuwa init` writes and the reference page.

use super::keys::{self, Key, Kind};

const HEAD: &str = "\
# A recipe for `nuwa build`. Every key stands here with its default and what it means; a key that is left out
# keeps its default. Keys behind a single `#` are chosen by the plan, or not needed, unless you write them.
# On the command line, `--set table.key=value` goes before what stands here.
";

const SHORT_HEAD: &str = "\
# A recipe for `nuwa build` with the keys that matter most; all others keep their defaults (`nuwa init` shows them).
# Keys behind a single `#` are chosen by the plan, or not needed, unless you write them.
";

/// The keys of a short recipe: those at the top first, as TOML has it.
const SHORT: [&str; 10] = [
    "from",
    "answers",
    "preferences",
    "out",
    "budget",
    "seed",
    "clean.preset",
    "clean.language.languages",
    "tokenizer.vocab_size",
    "tokenize.split.validation_share",
];

const WIDTH: usize = 110;

/// A recipe with every key, its default and its documentation.
pub fn documented() -> String {
    let keys = keys::all().iter().map(|key| format!("\n{}{}", comment(&explained(key)), line(key)));
    HEAD.to_string() + &keys.collect::<String>()
}

/// The same with the keys that matter most.
pub fn short() -> String {
    let (mut text, mut table) = (SHORT_HEAD.to_string(), "");
    for key in SHORT.iter().filter_map(|path| keys::find(path)) {
        let above = key.path.rsplit_once('.').map_or("", |(above, _)| above);
        if above != table {
            table = above;
            text += &format!("\n[{table}]\n");
        }
        text += &format!("\n{}{}", comment(&explained(key)), line(key));
    }
    text
}

/// A key as a recipe has it.
fn line(key: &Key) -> String {
    let name = key.path.rsplit('.').next().unwrap_or(&key.path);
    match (&key.kind, &key.default) {
        (Kind::Table, _) => format!("[{}]\n", key.path),
        (_, Some(default)) if key.is_planned() => format!("#{name} = {default}\n"),
        (_, Some(default)) => format!("{name} = {default}\n"),
        (kind, None) => format!("#{name} = {}\n", example(kind)),
    }
}

/// The reference page of all settings.
#[cfg(test)]
pub fn reference() -> String {
    let mut text = "# Settings\n\nMade from the settings' definitions by `UPDATE=1 cargo test -p nuwa reference`; \
        do not edit. A recipe holds these keys (`nuwa init` writes one with all of them), and `--set key=value` \
        overrides one.\n\n## At the top\n"
        .to_string();
    for key in keys::all() {
        text += "\n";
        text += &match (&key.kind, &key.default) {
            (Kind::Table, _) => format!("## `{}`\n\n{}\n", key.path, key.description),
            (kind, Some(default)) if key.is_planned() => {
                format!(
                    "- `{}` ({}; chosen by the plan, else `{default}`): {}\n",
                    key.path,
                    kind.name(),
                    of_reference(key)
                )
            }
            (kind, Some(default)) => {
                format!("- `{}` ({}; default `{default}`): {}\n", key.path, kind.name(), of_reference(key))
            }
            (kind, None) => {
                format!("- `{}` ({}; optional): {}\n", key.path, kind.name(), of_reference(key))
            }
        };
    }
    text
}

/// The description, with the meanings of the words of a choice where they have any: the reference names the words before it.
#[cfg(test)]
fn of_reference(key: &Key) -> String {
    match &key.kind {
        Kind::Choice(words) if words.iter().all(|(_, meaning)| meaning.is_empty()) => key.description.clone(),
        _ => explained(key),
    }
}

/// The description, with the meaning of each word of a choice.
fn explained(key: &Key) -> String {
    let words = match &key.kind {
        Kind::Choice(words) => words,
        Kind::List(item) => match item.as_ref() {
            Kind::Choice(words) => words,
            _ => return key.description.clone(),
        },
        _ => return key.description.clone(),
    };
    let meaning = |(word, meaning): &(String, String)| match meaning.is_empty() {
        true => format!("\"{word}\""),
        false => format!("\"{word}\": {}", meaning.trim_end_matches('.')),
    };
    let meanings: Vec<String> = words.iter().map(meaning).collect();
    format!("{} {}.", key.description, meanings.join("; "))
}

fn example(kind: &Kind) -> &'static str {
    match kind {
        Kind::Time => "\"10m\"",
        Kind::Count => "\"1M\"",
        Kind::Boolean => "false",
        Kind::Whole { .. } | Kind::Number => "1",
        Kind::List(_) => "[]",
        _ => "\"...\"",
    }
}

fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("# {word}"));
        } else {
            lines[last] = format!("{} {word}", lines[last]);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::{Draft, Recipe};
    use super::*;
    use std::path::Path;

    #[test]
    fn the_documented_recipe_says_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, documented()).unwrap();
        let draft = Draft::read(&path).unwrap();
        assert_eq!(draft.recipe().unwrap(), Recipe::default());
        assert!(!draft.says("tokenizer.vocab_size"), "planned keys stay open");
    }

    #[test]
    fn the_short_recipe_has_its_keys_and_says_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Draft::read(&path).unwrap()
        };
        assert_eq!(read(&short()).recipe().unwrap(), Recipe::default());
        let is_key = |line: &&str| !line.is_empty() && !line.starts_with("# ") && !line.starts_with('[');
        let text = short();
        let lines: Vec<&str> = text.lines().filter(is_key).collect();
        assert_eq!(lines.len(), SHORT.len(), "{text}");
        let opened: String = text
            .lines()
            .map(|line| {
                line.strip_prefix('#').filter(|key| !key.starts_with(' ')).unwrap_or(line).to_string() + "\n"
            })
            .collect();
        let draft = read(&opened.replace("\"...\"", "\"runs/x\""));
        assert!(
            SHORT.iter().all(|key| draft.says(key)),
            "each is where it belongs, and holds what it may: {opened}"
        );
    }

    #[test]
    fn the_recipes_of_the_repository_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!paths.is_empty());
        for path in paths {
            Draft::read(&path).unwrap().recipe().unwrap();
        }
    }

    #[test]
    fn the_reference_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == reference(), "run: UPDATE=1 cargo test -p nuwa reference");
    }
}
