//! Functions of task files that are built in, known by the hash of their text in Python: a changed function is another one.

use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use serde_json::{Map, Value, json};

/// A function that task files name, in Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// HellaSwag's `process_docs`: captions without their marks.
    HellaSwag,
    /// WinoGrande's `doc_to_text`: the number of the right beginning.
    WinoGrandeText,
    /// WinoGrande's `doc_to_target`: what follows the blank.
    WinoGrandeTarget,
    /// WinoGrande's `doc_to_choice`: the beginnings.
    WinoGrandeChoice,
    /// TruthfulQA's `process_results_mc2`: the share of probability that true answers get.
    TruthfulMass,
    /// WikiText's `wikitext_detokenizer`.
    WikiTextPage,
    /// WikiText's `process_results`: words and bytes of the page before that.
    WikiTextResults,
}

/// The function's name, what else of its file it calls, the XXH3-128 of their text, and its twin. Of lm-evaluation-harness 0.4.13.
const KNOWN: [(&str, &[&str], &str, Twin); 7] = [
    ("process_docs", &["preprocess"], "680ac5f133bc2751fb011be98264f260", Twin::HellaSwag),
    ("doc_to_text", &[], "7cf35d466195aff5c50ad4e2d2da63f2", Twin::WinoGrandeText),
    ("doc_to_target", &[], "dab4e3e1d2268d0bc356f91961e8d41d", Twin::WinoGrandeTarget),
    ("doc_to_choice", &[], "e7db2454a65dc5efaa50a6f2587c408c", Twin::WinoGrandeChoice),
    ("process_results_mc2", &[], "c436a89b9fb2ff5dcd5ceef454a1cb8e", Twin::TruthfulMass),
    ("wikitext_detokenizer", &[], "7665349d83f1b08de33ae59c039c58cf", Twin::WikiTextPage),
    ("process_results", &[], "107fbdbf198ecdad2cb3ef8d02fa287d", Twin::WikiTextResults),
];

impl Twin {
    /// That of `module.function`, which the task file `named` names; none where the function is another one, or not there.
    pub fn of(function: &str, named: &Path) -> Option<Self> {
        let name = function.rsplit('.').next()?;
        let text = nuwa_files::read_to_string(&source_file(function, named)).ok()?;
        let is_it = |(known, helpers, hash, _): &&(&str, &[&str], &str, Self)| {
            let parts: Vec<String> =
                std::iter::once(known).chain(helpers.iter()).map(|name| function_text(&text, name)).collect();
            *known == name && nuwa_files::hash_bytes(parts.join("\n\n").as_bytes()) == **hash
        };
        KNOWN.iter().find(is_it).map(|(_, _, _, twin)| *twin)
    }

    /// What it makes of a document's fields.
    ///
    /// # Errors
    /// In words, when a field is missing.
    pub fn apply(self, fields: &Map<String, Value>) -> Result<Value, String> {
        let text = |name: &str| {
            let value = fields.get(name).and_then(Value::as_str);
            value.ok_or_else(|| format!("{name} is missing or no text"))
        };
        let at_blank = || {
            let sentence = text("sentence")?;
            sentence.split_once('_').ok_or_else(|| format!("there is no \"_\" in {sentence:?}"))
        };
        match self {
            Self::HellaSwag => captions(fields),
            Self::WinoGrandeText => match text("answer")? {
                "1" => Ok(0.into()),
                "2" => Ok(1.into()),
                other => Err(format!("answer is {other:?}, expected \"1\" or \"2\"")),
            },
            Self::WinoGrandeTarget => Ok(at_blank()?.1.trim().into()),
            Self::WinoGrandeChoice => {
                let before = at_blank()?.0;
                Ok(json!([format!("{before}{}", text("option1")?), format!("{before}{}", text("option2")?)]))
            }
            Self::WikiTextPage => Ok(page(text("page")?).into()),
            Self::WikiTextResults => Ok(text("page")?.into()),
            Self::TruthfulMass => Ok(fields.get("mc2_targets").cloned().unwrap_or_default()),
        }
    }
}

/// The file of `module.function` beside the task file that names it.
pub fn source_file(function: &str, named: &Path) -> PathBuf {
    let module = function.rsplit_once('.').map_or("", |(module, _)| module);
    named.parent().unwrap_or(Path::new("")).join(format!("{}.py", module.replace('.', "/")))
}

/// The text of a function: from its `def` to the next line that is not within it.
fn function_text(source: &str, name: &str) -> String {
    let begins = format!("def {name}(");
    let lines = source.lines().skip_while(|line| !line.starts_with(&begins));
    let within = |(place, line): &(usize, &str)| {
        *place == 0 || line.trim().is_empty() || line.starts_with([' ', '\t'])
    };
    let lines: Vec<&str> = lines.enumerate().take_while(within).map(|(_, line)| line.trim_end()).collect();
    lines.join("\n").trim_end().to_string()
}

/// HellaSwag's documents as they are asked.
fn captions(fields: &Map<String, Value>) -> Result<Value, String> {
    let text = |name: &str| {
        let value = fields.get(name).and_then(Value::as_str);
        value.ok_or_else(|| format!("{name} is missing or no text"))
    };
    let endings = fields.get("endings").and_then(Value::as_array).ok_or("endings is no list")?;
    let endings: Vec<String> =
        endings.iter().map(|ending| plain(ending.as_str().unwrap_or_default())).collect();
    let label = fields.get("label").ok_or("label is missing")?;
    let gold = label.as_str().map_or_else(|| label.as_i64(), |text| text.trim().parse().ok());
    let context = format!("{}: {} {}", text("activity_label")?, text("ctx_a")?, capitalised(text("ctx_b")?));
    let mut all = fields.clone();
    all.insert("query".into(), plain(&context).into());
    all.insert("choices".into(), endings.into());
    all.insert("gold".into(), gold.ok_or_else(|| format!("label is {label}, expected a number"))?.into());
    Ok(all.into())
}

fn plain(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    replaced(text, r"\[.*?\]", "").replace("  ", " ")
}

/// Python's `str.capitalize`.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + &characters.as_str().to_lowercase()
}

/// All matches replaced; the patterns here are known to be whole.
fn replaced(text: String, pattern: &str, put: &str) -> String {
    match Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(&text, put).into_owned(),
        Err(_) => text,
    }
}

/// A page of WikiText without the marks of its tokens.
fn page(text: &str) -> String {
    let mut page = text.replace("s '", "s'");
    page = replaced(page, r"/' [0-9]/", "/'[0-9]/");
    let marks = [(" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", ".")];
    let signs = [(" : ", ": "), (" ; ", "; "), (" . ", ". "), (" ! ", "! "), (" ? ", "? "), (" , ", ", ")];
    for (from, to) in marks.into_iter().chain(signs) {
        page = page.replace(from, to);
    }
    for (pattern, put) in [
        (r"\(\s*([^\)]*?)\s*\)", "($1)"),
        (r"\[\s*([^\]]*?)\s*\]", "[$1]"),
        (r"\{\s*([^}]*?)\s*\}", "{$1}"),
        ("\"\\s*([^\"]*?)\\s*\"", "\"$1\""),
        (r"'\s*([^']*?)\s*'", "'$1'"),
    ] {
        page = replaced(page, pattern, put);
    }
    let others = [
        ("= = = =", "===="),
        ("= = =", "==="),
        ("= =", "=="),
        (" ° ", "°"),
        (" \n", "\n"),
        ("\n ", "\n"),
        (" N ", " 1 "),
        (" 's", "'s"),
    ];
    others.into_iter().fold(page, |page, (from, to)| page.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_end_where_the_next_begins() {
        let source = "import re\n\ndef one(a):\n    b = a\n\n    return b\n\n\ndef two():\n    pass\n";
        assert_eq!(function_text(source, "one"), "def one(a):\n    b = a\n\n    return b");
        assert_eq!(function_text(source, "three"), "");
    }

    #[test]
    fn a_changed_function_has_no_twin() {
        let folder = tempfile::tempdir().unwrap();
        let text = "def doc_to_text(doc):\n    answer_to_num = {\"1\": 0, \"2\": 1}\n    return answer_to_num[doc[\"answer\"]]\n";
        std::fs::write(folder.path().join("own.py"), text).unwrap();
        let named = folder.path().join("own.yaml");
        assert_eq!(Twin::of("own.doc_to_text", &named), Some(Twin::WinoGrandeText));
        assert_eq!(Twin::of("own.doc_to_target", &named), None);
        std::fs::write(folder.path().join("own.py"), text.replace("\"1\": 0", "\"1\": 1")).unwrap();
        assert_eq!(Twin::of("own.doc_to_text", &named), None);
        assert_eq!(Twin::of("gone.doc_to_text", &named), None);
    }

    #[test]
    fn pages_lose_the_marks_of_their_tokens() {
        let text = " = Rope = \n It was 1 @,@ 200 m ( long ) , \" said \" he . \n";
        assert_eq!(page(text), " = Rope =\nIt was 1,200 m (long), \"said\" he.\n");
    }
}
