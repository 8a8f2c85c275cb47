use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The word of a reader that a file expands too far; carried inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("it expands to more than {limit} bytes")]
pub(crate) struct Expansion {
    pub limit: u64,
}

impl Expansion {
    fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// Whether this is what `error` says.
    pub fn is(error: &io::Error) -> bool {
        Self::of(error).is_some()
    }
}

/// Reasons for which something is passed over, where a setting or a right changes that.
pub(crate) const LEADS_OUT: &str = "a link that leads out of the folder";
pub(crate) const MAY_NOT_BE_READ: &str = "may not be read";
pub(crate) const TOO_DEEP: &str = "an archive too deep within archives";

/// What can go wrong between a folder of text and a folder of shards.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing an artifact failed, or a file of this program cannot be read.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A path that was asked for is not there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The system, or a decompressor, stopped in the middle of a file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What was answered.
        source: io::Error,
    },
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
    /// A compressed file or an archive that expands too far for its size.
    #[error("{} expands to more than {limit} bytes", path.display())]
    Expanded {
        /// The file, or the archive's member at which the limit was reached.
        path: PathBuf,
        /// The most that it may expand to, in bytes.
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
    /// What tells how far interrupted work is cannot be read.
    #[error("cannot go on with interrupted work: {}{}: {problem}", path.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where the file has lines.
        line: Option<u64>,
        /// What is wrong with it.
        problem: String,
    },
    /// A line that is not a JSON object.
    #[error("{}, line {line}: invalid JSON: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What the parser answered, with the column.
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
    /// A line longer than any document may be.
    #[error("{}, line {line}: longer than {limit} bytes", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The most that is read, in bytes.
        limit: u64,
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
    /// A path that should hold documents holds something else, or nothing.
    #[error("{} holds no documents: expected {expected}", path.display())]
    NoDocuments {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// No document survived cleaning.
    #[error("cleaning step `{step}` rejected the last of {documents} documents{}", counts(reasons))]
    EverythingRejected {
        /// The step after which nothing was left.
        step: String,
        /// How many documents cleaning began with.
        documents: u64,
        /// That step's rejections, by reason.
        reasons: BTreeMap<String, u64>,
        /// The arguments that keep such documents; empty for a chain of one's own.
        way_out: String,
    },
    /// Text of which no share was asked for.
    #[error("{setting} gives no weight to {what}")]
    MixUnnamed {
        /// The setting.
        setting: &'static str,
        /// A source or a language.
        what: String,
    },
    /// A share of text that is not there.
    #[error("{setting}.{name}: no document belongs to it; there are {}", some(known))]
    MixUnknown {
        /// The setting.
        setting: &'static str,
        /// The name in it.
        name: String,
        /// Some of what there is.
        known: Vec<String>,
    },
    /// Shares of sources and of languages that exclude each other.
    #[error(
        "{setting}.{name}: a share of {:.1} % cannot be had together with the other shares, at best {:.1} %",
        100.0 * asked,
        100.0 * reached
    )]
    MixImpossible {
        /// The setting.
        setting: &'static str,
        /// The name in it.
        name: String,
        /// The share asked for.
        asked: f64,
        /// The share at which the search ended.
        reached: f64,
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
    /// The corpus is too small to give up a part for validation.
    #[error("{} is too small to hold back a validation part", path.display())]
    NoValidation {
        /// The documents.
        path: PathBuf,
    },
    /// A shard or index that is damaged or of another kind.
    #[error("{}: {problem}", path.display())]
    Shard {
        /// The `.bin` or `.idx` file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A classifier that is damaged or of another kind.
    #[error("{}: {problem}", path.display())]
    Classifier {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A list of words that no search can be made of.
    #[error("{}: {problem}", path.display())]
    WordList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of groups of terms that cannot be used.
    #[error("{}: {problem}", path.display())]
    TermGroups {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        problem: String,
    },
    /// A file of evaluation items that cannot be read as such.
    #[error("{}, item {place}: {problem}", path.display())]
    Items {
        /// The file or folder.
        path: PathBuf,
        /// The line, or the item's number in a list, counted from 1.
        place: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Tokens were asked for that the shards do not have.
    #[error("tokens {start}..{end} asked for, but there are {tokens}")]
    OutOfRange {
        /// The first token.
        start: u64,
        /// One past the last.
        end: u64,
        /// How many there are.
        tokens: u64,
    },
    /// The tokenizer has no token that ends a document.
    #[error("the tokenizer has no end-of-text token")]
    NoEndOfText,
    /// The tokenizer failed on a document.
    #[error("cannot tokenize document {id}: {problem}")]
    Tokenize {
        /// The document's id.
        id: String,
        /// What the tokenizer answered.
        problem: String,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Read`] (or [`Error::Missing`]) about `path`, for `map_err`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match Expansion::of(&source) {
            Some(Expansion { limit }) => Self::Expanded { path, limit: *limit },
            None if source.kind() == io::ErrorKind::NotFound => Self::Missing { path },
            None => Self::Read { path, source },
        }
    }

    /// A file whose content is not what its format promises.
    pub(crate) fn damage(path: &Path, problem: String) -> Self {
        Self::Read { path: path.to_path_buf(), source: io::Error::new(io::ErrorKind::InvalidData, problem) }
    }

    /// What is wrong in a line that is left out, and which line it is.
    pub(crate) fn in_line(&self) -> (&'static str, Option<u64>) {
        match self {
            Self::Json { line, .. } => ("a line of invalid JSON, left out", Some(*line)),
            Self::NoText { line, .. } => ("a record without the field of the text, left out", Some(*line)),
            Self::Dialogues { line, .. } => ("a dialogue among texts, left out", Some(*line)),
            Self::TextNotString { line, .. } => ("a record whose text is no string, left out", Some(*line)),
            Self::LongLine { line, .. } => ("a line too long, left out", Some(*line)),
            Self::Row { line, .. } => ("a row with a wrong number of fields, left out", Some(*line)),
            _ => ("a line that cannot be used, left out", None),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Missing { .. } => "check the spelling; a relative path starts at the current folder".into(),
            Self::Read { source, .. } => return read_hint(source),
            Self::EmptyFolder { skipped, .. } if skipped.contains_key(LEADS_OUT) => {
                "to follow links out of the folder: --set collect.follow_links=true".into()
            }
            Self::EmptyFolder { skipped, .. } if skipped.contains_key(TOO_DEEP) => {
                "to go deeper: --set collect.nested_archives=10".into()
            }
            Self::EmptyFolder { path, .. } if !path.is_dir() => {
                "convert it to plain text, Markdown, HTML or JSON lines first".into()
            }
            Self::EmptyFolder { .. } => {
                "it must hold files of known endings (nuwa collect --help lists them); name other endings of plain \
                text in collect.extra_text_extensions"
                    .into()
            }
            Self::EmptyFile { .. } => "give a file with some text in it".into(),
            Self::Binary { kind, .. } if kind.contains("than it may") || kind.contains("beyond measure") => {
                "if it is no bomb, allow more: --set collect.effort=10".into()
            }
            Self::Binary { kind: "a zip archive", .. } => "give it a name that ends in .zip".into(),
            Self::Binary { kind: "a PDF", .. } => "give it a name that ends in .pdf".into(),
            Self::Binary { kind: "a Parquet table", .. } => "give it a name that ends in .parquet".into(),
            Self::Binary { kind, .. } if kind.contains("archive") => "unpack it and give the folder".into(),
            Self::Binary { kind, .. } if kind.contains("PDF") => "make a text of it with another program first".into(),
            Self::Binary { .. } => "convert it to plain text, Markdown, HTML or JSON lines first".into(),
            Self::Unsupported { what, .. } => match what.strip_prefix("text in ") {
                Some(encoding) => format!("make UTF-8 of it first: iconv -f {encoding} -t UTF-8 FILE > NEW"),
                None => "convert it to plain text, Markdown, HTML or JSON lines first".into(),
            },
            Self::LargePage { .. } => "split the page, or save it as plain text".into(),
            Self::Unfinished { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                let aside = format!("{}.old", folder.display());
                let [folder, aside] = [folder.to_path_buf(), aside.into()].map(nuwa_files::quoted_path);
                format!("to begin anew, move the work aside and run the same command again: mv {folder} {aside}")
            }
            Self::Json { .. } | Self::LongLine { .. } | Self::TextNotString { .. } => {
                "correct the line (JSON lines hold one object each); when \
                collecting, collect.bad_lines = \"skip\" leaves such lines out and counts them"
                    .into()
            }
            Self::Row { .. } => "correct the row, or leave such rows out and count them: \
                collect.bad_lines = \"skip\""
                .into(),
            Self::Expanded { .. } => "if it is no bomb, unpack it and give the folder, or raise \
                collect.largest_expansion"
                .into(),
            Self::NoTextColumn { columns, .. } => format!(
                "set collect.text_field to the column that holds the text; here: {}",
                columns.join(", ")
            ),
            Self::Dialogues { path, is_preference: true, .. } => format!(
                "tune a model on it: nuwa dpo MODEL --data {0} --out DIR, or nuwa build --preferences {0}",
                nuwa_files::quoted_path(path)
            ),
            Self::Dialogues { path, .. } => format!(
                "tune a model on it: nuwa sft MODEL --data {0} --out DIR, or nuwa build --answers {0}; to learn \
                one of its fields as text, set collect.text_field",
                nuwa_files::quoted_path(path)
            ),
            Self::NoText { others, .. } => other_fields_hint(others),
            Self::DataSetName { .. } => "the name stands at the top of the data set's page, for example \
                hf:roneneldan/TinyStories"
                .into(),
            Self::NoDataFiles { others, .. } => data_files_hint(others),
            Self::CrawlAddress { .. } => "it begins with http:// or https://, as in https://example.org/docs/".into(),
            Self::CrawlForbidden { unreadable: true, .. } => "try again later".into(),
            Self::CrawlForbidden { .. } => {
                "ask its owner, or look whether the site offers its text as a download".into()
            }
            Self::CrawlSlow { seconds, .. } if *seconds <= 86_400.0 => {
                format!("to wait that long: --set collect.crawl.longest_delay={seconds}")
            }
            Self::CrawlSlow { .. } => "ask its owner, or take another source".into(),
            Self::LargeDownload { limit, .. } => format!(
                "take a part of it (hf:OWNER/NAME/PATH), or allow more: --set collect.largest_download={}",
                limit.saturating_mul(10)
            ),
            Self::CrawlSilent { problem, .. } if problem.contains("which was not named") => {
                "name the host if it belongs to the site: --set 'collect.crawl.hosts=[\"HOST\"]'".into()
            }
            Self::CrawlSilent { .. } => {
                "check the address and the connection, then start again: what has come is kept".into()
            }
            Self::CrawlNothing { .. } => "open the address in a browser and give the one that it ends at".into(),
            Self::Web { .. } => {
                "check the connection and the address; HF_ENDPOINT names another server of data sets".into()
            }
            Self::Refused { status: 401 | 403, .. } => "the data set does not exist, or is not open to all: accept its \
                conditions on its page and put your token into HF_TOKEN"
                .into(),
            Self::Refused { status: 404, .. } => "check the spelling of owner, name and revision".into(),
            Self::Refused { .. } => "try again later; what has come is kept".into(),
            Self::Interrupted { .. } => "start again: what has come is kept, and gone on with".into(),
            Self::NoDocuments { .. } => {
                "turn raw files into documents first: nuwa collect PATH --out DIR".into()
            }
            Self::EverythingRejected { way_out, .. } if way_out.is_empty() => {
                "look at rejected.jsonl.zst, then relax that step or leave it out".into()
            }
            Self::EverythingRejected { way_out, .. } => {
                format!("look at rejected.jsonl.zst; to keep such documents, add: {way_out}")
            }
            Self::MixUnnamed { setting, .. } => {
                format!("add a name that fits it, or give all the rest a weight (0 leaves it out): {setting}.others = 1")
            }
            Self::MixUnknown { setting, .. } => format!(
                "write a whole part of a path or a code of a language, or take it out of {setting}"
            ),
            Self::MixImpossible { .. } => {
                "a source has only the languages it has: ask for shares of sources or of languages, not both".into()
            }
            Self::Setting { .. } => "correct the value in the recipe or in --set".into(),
            Self::NoValidation { .. } => "give more text, or set tokenize.split.validation_share = 0".into(),
            Self::Shard { .. } => {
                "the file may have been cut short; write the shards again: nuwa tokenize".into()
            }
            Self::Classifier { .. } => {
                "train it again: nuwa classifier --positive FILE --negative FILE --out FILE".into()
            }
            Self::WordList { .. } => "give one word or phrase a line, and fewer of them".into(),
            Self::TermGroups { .. } => {
                "a group is a table with lists of terms by language: [nurses] and below it en = [\"nurse\", \"nurses\"]"
                    .into()
            }
            Self::Items { .. } => {
                "items are JSON lines, a JSON list, or CSV or TSV with a header; name such files in \
                clean.decontaminate.items"
                    .into()
            }
            Self::OutOfRange { .. } => return None,
            Self::NoEndOfText => {
                "name one as `eos_token` in tokenizer_config.json, or train a tokenizer with \
                nuwa tokenizer train"
                    .into()
            }
            Self::Tokenize { .. } => {
                "train the tokenizer on this corpus, or use one that covers all bytes".into()
            }
        };
        Some(hint)
    }

    /// Why a file in a folder is passed over, where this error is no reason to stop.
    pub(crate) fn skip_reason(&self) -> Option<String> {
        match self {
            Self::EmptyFile { .. } => Some("empty".into()),
            Self::Binary { kind, .. } => Some((*kind).into()),
            Self::Dialogues { is_preference: true, .. } => {
                Some("preferences, which belong to nuwa dpo".into())
            }
            Self::Dialogues { .. } => Some("dialogues, which belong to nuwa sft".into()),
            Self::Unsupported { what, .. } => Some(format!("{what} is not supported")),
            Self::LargePage { .. } => Some("page too large".into()),
            Self::Expanded { .. } => Some("expands too far for its size".into()),
            Self::NoTextColumn { .. } => Some("a table without a column of text".into()),
            Self::Read { source, .. } if is_damage(source) => Some("damaged or cut short".into()),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(MAY_NOT_BE_READ.into())
            }
            _ => None,
        }
    }
}

fn read_hint(source: &io::Error) -> Option<String> {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Some("allow reading it, or leave it out".into()),
        _ if is_damage(source) => Some("the file is damaged or cut short; fetch it again".into()),
        _ => None,
    }
}

/// Whether a decompressor, rather than the system, gave this error; what needs more memory than it may have is meant too.
fn is_damage(source: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, OutOfMemory, UnexpectedEof, Unsupported};
    let kinds = [UnexpectedEof, InvalidInput, InvalidData, Unsupported, OutOfMemory, Other];
    source.raw_os_error().is_none() && kinds.contains(&source.kind())
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
fn some(known: &[String]) -> String {
    let named: Vec<&str> = known.iter().take(8).map(String::as_str).collect();
    let more = if known.len() > named.len() { " ..." } else { "" };
    format!("{}{more}", named.join(", "))
}

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
