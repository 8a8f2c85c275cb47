//! Words that were given up for the field's own: nobody has to learn two names for one thing.

use crate::workspace::{File, Workspace};

use super::sources::{code, has_word, numbered};

/// Names in code that nothing has any more, and what took their place. What files of earlier versions hold is read by its old name in
/// a string, which is no name in code.
const NAMES: [(&str, &str); 14] = [
    ("LowRank", "LoraAdapters"),
    ("Passenger", "InFlight"),
    ("Sieve", "BloomFilter"),
    ("Visibility", "AttentionMask"),
    ("beginning_of_text", "bos"),
    ("adds_beginning_of_text", "adds_bos"),
    ("end_of_text", "eos"),
    ("held_back", "held_out"),
    ("next_scores", "next_logits"),
    ("nuwa_data", "the crate of that room"),
    ("silent_tape", "inference_tape"),
    ("with_kind", "with_dtype"),
    ("Road", "Pipeline"),
    ("road", "pipeline"),
];

/// Phrases in comments and pages, and what is said now.
const PHRASES: [(&str, &str); 5] = [
    ("the way back", "backward"),
    ("silent tape", "inference tape"),
    ("held-back", "held-out"),
    ("nuwa-data", "the name of the room"),
    ("low-rank adapters", "LoRA adapters"),
];

/// Pages that tell of earlier times.
const HISTORY: [&str; 2] = ["CHANGELOG.md", "docs/log.md"];

/// Checks every Rust file of every crate, and every page but those that tell of earlier times.
pub fn check(workspace: &Workspace) -> Vec<String> {
    let sources = workspace.crates.iter().flat_map(|member| &member.sources);
    let sources = sources.filter(|file| !file.path.ends_with("tidy/words.rs"));
    let pages = workspace.pages.iter().filter(|page| !HISTORY.contains(&page.path.as_str()));
    let in_code = sources.clone().flat_map(names);
    in_code.chain(sources.chain(pages).flat_map(phrases)).collect()
}

fn names(file: &File) -> Vec<String> {
    let found = numbered(file).flat_map(|(number, line)| {
        let code = code(line);
        let gone = NAMES.iter().filter(move |(name, _)| has_word(&code, name));
        gone.map(move |(name, now)| format!("{}:{number}: `{name}` is called {now} now", file.path))
    });
    found.collect()
}

fn phrases(file: &File) -> Vec<String> {
    let found = numbered(file).flat_map(|(number, line)| {
        let gone = PHRASES.iter().filter(|(phrase, _)| line.contains(phrase));
        gone.map(move |(phrase, now)| format!("{}:{number}: \"{phrase}\": say {now}", file.path))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Crate;

    fn complaints(source: &str, page: &str) -> usize {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let member = Crate { sources: vec![file("crates/a/src/lib.rs", source)], ..Crate::default() };
        let pages =
            vec![file("README.md", page), file("docs/log.md", "LowRank, on the way back, in nuwa-data")];
        check(&Workspace { crates: vec![member], pages, ..Workspace::default() }).len()
    }

    #[test]
    fn names_that_are_gone_are_found_in_code_alone() {
        assert_eq!(complaints("let adapters = LowRank::new();", ""), 1);
        assert_eq!(complaints("let a = tokenizer.end_of_text();", ""), 1);
        assert_eq!(complaints("#[serde(alias = \"end_of_text\")]\nlet the_end_of_text_ends = 1;", ""), 0);
    }

    #[test]
    fn phrases_are_found_everywhere_but_in_history() {
        assert_eq!(complaints("// kept for the way back", "on the way back"), 2);
        assert_eq!(complaints("", "see nuwa-data"), 1);
        assert_eq!(complaints("// kept for backward", "see nuwa-clean"), 0);
    }
}
