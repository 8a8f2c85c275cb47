use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use nuwa_files::Remedy;

/// Reasons for which something is passed over, where a setting or a right changes that.
pub(crate) const LEADS_OUT: &str = "a link that leads out of the folder";
pub(crate) const MAY_NOT_BE_READ: &str = "may not be read";
pub(crate) const TOO_DEEP: &str = "an archive too deep within archives";

/// What can go wrong while documents are made of files, sites and data sets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A folder, or a file of many records, holds nothing that can be read as text.
    #[error("{} holds no text that can be read{}", path.display(), counts(skipped))]
    EmptyFolder {
        /// The folder or the file.
        path: PathBuf,
        /// How many files or records were passed over, by reason.
        skipped: BTreeMap<String, u64>,
    },
    /// A file of zero characters, or of nothing but blanks.
    #[error("{} is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not text.
    #[error("{} is not text but {kind}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// What it looks like ("a zip archive").
        kind: &'static str,
    },
    /// A file whose kind is known, but is not read.
    #[error("{}: {what} is not supported", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, or what in it ("text in ISO-2022-KR").
        what: String,
    },
    /// A file too large for a format that must be read in one piece.
    #[error("{} is a page of more than {limit} bytes", path.display())]
    LargePage {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A table in which no column is known to hold the text.
    #[error("{} has no column `{wanted}`", path.display())]
    NoTextColumn {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        wanted: String,
        /// The columns that are there.
        columns: Vec<String>,
    },
    /// A row of a table that cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line that the row begins in, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A JSON object without the field that holds the text.
    #[error("{}, line {line}: no field `{field}`", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field that was looked for.
        field: String,
        /// The fields that hold strings instead.
        others: Vec<String>,
    },
    /// A record to tune a model on, where texts are collected.
    #[error("{}, line {line}: a record of {} (`{held}`), not a text", path.display(), if *is_preference { "preferences" } else { "a dialogue" })]
    Dialogues {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The fields that show it.
        held: &'static str,
        /// A preferred answer and a worse one.
        is_preference: bool,
    },
    /// The field that should hold the text holds something else.
    #[error("{}, line {line}: `{field}` is {found}, expected a string", path.display())]
    TextNotString {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field.
        field: String,
        /// What it holds ("a number").
        found: &'static str,
    },
    /// An address of a data set that cannot be one.
    #[error(
        "{given} names no data set: expected hf:owner/name, hf:owner/name@revision or hf:owner/name/path"
    )]
    DataSetName {
        /// What was given.
        given: String,
    },
    /// A data set without a file that can be read.
    #[error("the data set {name} holds no file that can be read{}", below(path))]
    NoDataFiles {
        /// The data set, `owner/name`.
        name: String,
        /// The path in it that was asked for.
        path: String,
        /// The files that are there.
        others: Vec<String>,
    },
    /// An address that cannot be crawled.
    #[error("{given} is no address of a page")]
    CrawlAddress {
        /// What was given.
        given: String,
    },
    /// A site that does not want to be crawled.
    #[error("{url}: the site's robots.txt {}", if *unreadable { "cannot be had, so nothing may be asked for" } else { "forbids it" })]
    CrawlForbidden {
        /// The address.
        url: String,
        /// There may be rules, but the server would not give them.
        unreadable: bool,
    },
    /// A site that wants to be asked so seldom that nothing would come of it.
    #[error("{url}: the site's robots.txt asks for a pause of {seconds} seconds between two pages")]
    CrawlSlow {
        /// The address.
        url: String,
        /// The pause.
        seconds: f64,
    },
    /// A data set larger than it may be.
    #[error("{url}: the data set has more than {limit} bytes")]
    LargeDownload {
        /// The address of the file at which the limit was reached.
        url: String,
        /// The most that is downloaded, in bytes.
        limit: u64,
    },
    /// A site that does not answer.
    #[error("{url}: {problem}")]
    CrawlSilent {
        /// The address.
        url: String,
        /// What happened.
        problem: String,
    },
    /// A crawl without a page.
    #[error("{url}: no page could be had{}", counts(reasons))]
    CrawlNothing {
        /// The address.
        url: String,
        /// How many addresses gave none for each reason.
        reasons: BTreeMap<String, u64>,
    },
    /// No answer from a server, or one that makes no sense.
    #[error("{url}: {problem}")]
    Web {
        /// The address.
        url: String,
        /// What happened.
        problem: String,
    },
    /// A server that answered, but would not give what was asked for.
    #[error("{url}: the server answered {status}{}", status_name(*status))]
    Refused {
        /// The address.
        url: String,
        /// The status of its answer.
        status: u16,
    },
    /// An answer that broke off; what came is kept, and gone on with the next time.
    #[error("{url}: broke off: {problem}")]
    Interrupted {
        /// The address.
        url: String,
        /// What happened.
        problem: String,
    },
    /// A setting outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting's name, as in a recipe.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

const CONVERT: &str = "convert it to plain text, Markdown, HTML or JSON lines first";
const BAD_LINE: &str = "correct the line (JSON lines hold one object each); when collecting, collect.bad_lines = \"skip\" \
    leaves such lines out and counts them";

impl Error {
    /// A [`nuwa_files::Error`] about reading `path`, for `map_err`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let about = nuwa_files::Error::read(path);
        |source| Self::File(about(source))
    }

    /// A file whose content is not what its format promises.
    pub(crate) fn damage(path: &Path, problem: String) -> Self {
        Self::File(nuwa_files::Error::damage(path, problem))
    }

    /// What is wrong in a line that is left out, and which line it is.
    pub(crate) fn in_line(&self) -> (&'static str, Option<u64>) {
        match self {
            Self::File(nuwa_files::Error::Line { line, .. }) => {
                ("a line of invalid JSON, left out", Some(*line))
            }
            Self::NoText { line, .. } => ("a record without the field of the text, left out", Some(*line)),
            Self::Dialogues { line, .. } => ("a dialogue among texts, left out", Some(*line)),
            Self::TextNotString { line, .. } => ("a record whose text is no string, left out", Some(*line)),
            Self::File(nuwa_files::Error::LongLine { line, .. }) => {
                ("a line too long, left out", Some(*line))
            }
            Self::Row { line, .. } => ("a row with a wrong number of fields, left out", Some(*line)),
            _ => ("a line that cannot be used, left out", None),
        }
    }

    /// The setting with which it would go through.
    pub fn remedy(&self) -> Option<Remedy> {
        Some(match self {
            Self::EmptyFolder { skipped, .. } if skipped.contains_key(LEADS_OUT) => {
                Remedy::new("to follow links out of the folder", "collect.follow_links=true")
            }
            Self::EmptyFolder { skipped, .. } if skipped.contains_key(TOO_DEEP) => {
                Remedy::new("to go deeper", "collect.nested_archives=10")
            }
            Self::Binary { kind, .. } if kind.contains("than it may") || kind.contains("beyond measure") => {
                Remedy::new("if it is no bomb, allow more", "collect.effort=10")
            }
            Self::CrawlSlow { seconds, .. } if *seconds <= 86_400.0 => {
                Remedy::new("to wait that long", format!("collect.crawl.longest_delay={seconds}"))
            }
            Self::LargeDownload { limit, .. } => Remedy::new(
                "take a part of it (hf:OWNER/NAME/PATH), or allow more",
                format!("collect.largest_download={}", limit.saturating_mul(10)),
            ),
            Self::CrawlSilent { problem, .. } if problem.contains("which was not named") => {
                Remedy::new("name the host if it belongs to the site", "collect.crawl.hosts=[\"HOST\"]")
            }
            _ => return None,
        })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        if let Some(remedy) = self.remedy() {
            return Some(remedy.to_string());
        }
        let hint = match self {
            Self::File(error) => return file_hint(error),
            Self::EmptyFolder { path, .. } if !path.is_dir() => CONVERT.into(),
            Self::EmptyFolder { .. } => {
                "it must hold files of known endings; name other endings of plain text in \
                collect.extra_text_extensions"
                    .into()
            }
            Self::EmptyFile { .. } => "give a file with some text in it".into(),
            Self::Binary { kind: "a zip archive", .. } => "give it a name that ends in .zip".into(),
            Self::Binary { kind: "a PDF", .. } => "give it a name that ends in .pdf".into(),
            Self::Binary { kind: "a Parquet table", .. } => "give it a name that ends in .parquet".into(),
            Self::Binary { kind, .. } if kind.contains("archive") => "unpack it and give the folder".into(),
            Self::Binary { kind, .. } if kind.contains("PDF") => {
                "make a text of it with another program first".into()
            }
            Self::Binary { .. } => CONVERT.into(),
            Self::Unsupported { what, .. } => match what.strip_prefix("text in ") {
                Some(encoding) => format!("make UTF-8 of it first: iconv -f {encoding} -t UTF-8 FILE > NEW"),
                None => CONVERT.into(),
            },
            Self::LargePage { .. } => "split the page, or save it as plain text".into(),
            Self::TextNotString { .. } => BAD_LINE.into(),
            Self::Row { .. } => "correct the row, or leave such rows out and count them: \
                collect.bad_lines = \"skip\""
                .into(),
            Self::NoTextColumn { columns, .. } => format!(
                "set collect.text_field to the column that holds the text; here: {}",
                columns.join(", ")
            ),
            Self::Dialogues { is_preference: true, .. } => "fine-tune a model on it with DPO".into(),
            Self::Dialogues { .. } => {
                "fine-tune a model on it (SFT); to learn one of its fields as text, set collect.text_field"
                    .into()
            }
            Self::NoText { others, .. } => other_fields_hint(others),
            Self::DataSetName { .. } => "the name stands at the top of the data set's page, for example \
                hf:roneneldan/TinyStories"
                .into(),
            Self::NoDataFiles { others, .. } => data_files_hint(others),
            Self::CrawlAddress { .. } => {
                "it begins with http:// or https://, as in https://example.org/docs/".into()
            }
            Self::CrawlForbidden { unreadable: true, .. } => "try again later".into(),
            Self::CrawlForbidden { .. } => {
                "ask its owner, or look whether the site offers its text as a download".into()
            }
            Self::CrawlSlow { .. } => "ask its owner, or take another source".into(),
            Self::CrawlSilent { .. } => {
                "check the address and the connection, then start again: what has come is kept".into()
            }
            Self::CrawlNothing { .. } => {
                "open the address in a browser and give the one that it ends at".into()
            }
            Self::LargeDownload { .. } => return None,
            Self::Web { .. } => {
                "check the connection and the address; HF_ENDPOINT names another server of data sets".into()
            }
            Self::Refused { status: 401 | 403, .. } => {
                "the data set does not exist, or is not open to all: accept its \
                conditions on its page and put your token into HF_TOKEN"
                    .into()
            }
            Self::Refused { status: 404, .. } => "check the spelling of owner, name and revision".into(),
            Self::Refused { .. } => "try again later; what has come is kept".into(),
            Self::Interrupted { .. } => "start again: what has come is kept, and gone on with".into(),
            Self::Setting { .. } => "correct the value in the recipe".into(),
        };
        Some(hint)
    }

    /// Why a file in a folder is passed over, where this error is no reason to stop.
    pub(crate) fn skip_reason(&self) -> Option<String> {
        match self {
            Self::EmptyFile { .. } => Some("empty".into()),
            Self::Binary { kind, .. } => Some((*kind).into()),
            Self::Dialogues { is_preference: true, .. } => Some("preferences, which belong to DPO".into()),
            Self::Dialogues { .. } => Some("dialogues, which belong to SFT".into()),
            Self::Unsupported { what, .. } => Some(format!("{what} is not supported")),
            Self::LargePage { .. } => Some("page too large".into()),
            Self::NoTextColumn { .. } => Some("a table without a column of text".into()),
            Self::File(error) => file_skipped(error),
            _ => None,
        }
    }
}

/// What the settings of this crate can do about a file, else what can be done about any.
fn file_hint(error: &nuwa_files::Error) -> Option<String> {
    match error {
        nuwa_files::Error::Line { .. } | nuwa_files::Error::LongLine { .. } => Some(BAD_LINE.into()),
        nuwa_files::Error::Expanded { .. } => {
            Some("if it is no bomb, unpack it and give the folder, or raise collect.largest_expansion".into())
        }
        error => error.hint(),
    }
}

/// Why a file in a folder is passed over where it cannot be read.
fn file_skipped(error: &nuwa_files::Error) -> Option<String> {
    match error {
        nuwa_files::Error::Expanded { .. } => Some("expands too far for its size".into()),
        nuwa_files::Error::Read { source, .. } if nuwa_files::is_damage(source) => {
            Some("damaged or cut short".into())
        }
        nuwa_files::Error::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Some(MAY_NOT_BE_READ.into())
        }
        _ => None,
    }
}

fn other_fields_hint(others: &[String]) -> String {
    match others {
        [] => "name the field that holds the text in collect.text_field".into(),
        names => {
            format!("set collect.text_field to the field that holds the text; here: {}", names.join(", "))
        }
    }
}

/// " (2 empty, 1 a PNG image)", or nothing.
fn counts(reasons: &BTreeMap<String, u64>) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let list: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!(" ({})", list.join(", "))
}

fn below(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" below {path}") }
}

fn status_name(status: u16) -> &'static str {
    match status {
        401 => " (unauthorized)",
        403 => " (forbidden)",
        404 => " (not found)",
        429 => " (too many requests)",
        503 => " (unavailable)",
        _ => "",
    }
}

const FILES_NAMED: usize = 10;

fn data_files_hint(others: &[String]) -> String {
    let named = others.iter().take(FILES_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let files = if named.is_empty() { "no files".to_string() } else { named };
    format!(
        "there are {files}; the Hub keeps many data sets as Parquet too: add @refs/convert/parquet to the name"
    )
}
