//! The data of suites in a folder, found by the names that such files usually have.

use std::path::{Path, PathBuf};

use super::Member;
use crate::Result;

/// Endings of files that hold items.
const ENDINGS: [&str; 5] = ["jsonl", "json", "csv", "tsv", "parquet"];
/// Endings of files that hold compressed ones.
const PACKED: [&str; 4] = ["gz", "zst", "bz2", "xz"];

/// The files below a folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    folder: PathBuf,
    /// Their paths without the folder and without endings, each with the whole path.
    files: Vec<(String, PathBuf)>,
}

/// The files of one task of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFiles {
    /// The items, in one file or in several parts.
    pub items: Vec<PathBuf>,
    /// What examples are taken from; none where that is the items themselves.
    pub examples: Option<Vec<PathBuf>>,
}

impl DataFolder {
    /// What lies below `folder`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let all = nuwa_files::files_in(folder)?;
        let files = all.into_iter().filter_map(|path| {
            let within = path.strip_prefix(folder).ok()?.to_str()?.replace('\\', "/");
            Some((stem(&within)?.to_string(), path))
        });
        Ok(Self { files: files.collect(), folder: folder.to_path_buf() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The files of a task of a suite; none where its items are missing.
    pub fn files_of(&self, member: &Member) -> Option<MemberFiles> {
        let whole = || self.find(&member.names);
        let of_part = |part: &String| self.part(&member.names, part);
        let items = member.items.iter().find_map(of_part).or_else(whole)?;
        let examples = member.examples.iter().find_map(of_part).filter(|found| *found != items);
        Some(MemberFiles { items, examples: examples.filter(|_| member.shots > 0) })
    }

    /// The files of a part (`test`, `train` ...) of data that is called by one of these names.
    pub fn part(&self, names: &[String], part: &str) -> Option<Vec<PathBuf>> {
        self.find(&spelt(names, part))
    }

    /// The files of the first of these names that there are any of, in order.
    fn find(&self, names: &[String]) -> Option<Vec<PathBuf>> {
        names.iter().find_map(|name| {
            let own = |(stem, _): &&(String, PathBuf)| is_named(stem, name);
            let found: Vec<PathBuf> = self.files.iter().filter(own).map(|(_, path)| path.clone()).collect();
            (!found.is_empty()).then_some(found)
        })
    }
}

/// The names of files that hold a part: `arc_challenge_test`, `arc_challenge-test`, `arc_challenge/test`; validation also by its
/// short names.
fn spelt(names: &[String], part: &str) -> Vec<String> {
    let parts: &[&str] = if part == "validation" { &["validation", "val", "valid"] } else { &[part] };
    let marked = |name: &String, part: &str| ["_", "-", "/"].map(|mark| format!("{name}{mark}{part}"));
    names
        .iter()
        .flat_map(|name| parts.iter().flat_map(|part| marked(name, part)).collect::<Vec<_>>())
        .collect()
}

/// A path without the endings of a file that holds items; none for other files.
fn stem(path: &str) -> Option<&str> {
    let plain = match path.rsplit_once('.') {
        Some((stem, ending)) if PACKED.contains(&ending) => stem,
        _ => path,
    };
    let (stem, ending) = plain.rsplit_once('.')?;
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str()).then_some(stem)
}

/// Whether a path ends with the name, or with it and numbers: `hellaswag_2000`, `test-00000-of-00001`.
fn is_named(stem: &str, name: &str) -> bool {
    let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare =
        bare.strip_suffix("-of-").map_or(bare, |rest| rest.trim_end_matches(|c: char| c.is_ascii_digit()));
    let without_numbers = bare.strip_suffix(['-', '_']).filter(|_| bare.len() < stem.len());
    [Some(stem), without_numbers]
        .into_iter()
        .flatten()
        .any(|stem| stem.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::Suite;

    #[test]
    fn files_are_found_by_their_usual_names() {
        for (path, name, expected) in [
            ("arc_challenge_test.jsonl", "arc_challenge_test", true),
            ("a/hellaswag_2000.jsonl.gz", "hellaswag", true),
            ("ARC-Challenge/test-00000-of-00001.parquet", "ARC-Challenge/test", true),
            ("arc_challenge_test.txt", "arc_challenge_test", false),
            ("my_arc_challenge_test.json", "arc_challenge_test", false),
            ("cmmlu_dev.jsonl", "mmlu_dev", false),
            ("hellaswag_train.json", "hellaswag", false),
        ] {
            assert_eq!(stem(path).is_some_and(|stem| is_named(stem, name)), expected, "{path}");
        }
    }

    #[test]
    fn where_a_part_is_missing_the_next_one_stands_in() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["arc_challenge_val.jsonl", "mmlu_dev.jsonl", "mmlu_val.jsonl", "mmlu_test.jsonl"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let data = DataFolder::read(folder.path()).unwrap();
        let suite = Suite::built_in("open-llm").unwrap();
        let path = |name: &str| vec![folder.path().join(name)];
        let found: Vec<Option<MemberFiles>> =
            suite.members.iter().map(|member| data.files_of(member)).collect();
        let of = |items: &str, examples: Option<&str>| {
            Some(MemberFiles { items: path(items), examples: examples.map(path) })
        };
        assert_eq!(found[0], of("arc_challenge_val.jsonl", None), "the items themselves are the examples");
        assert_eq!(found[1], None);
        assert_eq!(found[2], of("mmlu_test.jsonl", Some("mmlu_dev.jsonl")));
    }
}
