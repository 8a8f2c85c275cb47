//! What was found and what became of it, line by line, so that a crawl that was killed goes on where it stopped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use nuwa_files::documents::json_problem;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::address::Address;
use super::{CrawlSettings, CrawlSummary};
use crate::Result;

/// Hidden, so that it is not taken for documents.
pub(super) const FILE: &str = ".frontier.jsonl";
/// Pages of one path that differ in their query alone; more are a calendar, or a search.
const QUERIES: u32 = 200;
/// Addresses that wait, for each page that is wanted, and beside them.
const WAITING: usize = 4;
const WAITING_BESIDE: usize = 1000;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first: a crawl with another start or other settings is another crawl.
    Start(Start),
    Found(Waiting),
    /// An address that needs no visit.
    Known(String),
    Done(Done),
}

/// What a crawl follows from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Start {
    pub url: String,
    pub settings: CrawlSettings,
}

/// An address to be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub url: String,
    /// Links from the start.
    pub depth: u32,
    /// Redirects that led here.
    #[serde(default)]
    pub redirects: u32,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub url: String,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// How a visit ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Stored,
    /// As it was in the crawl before.
    Unchanged,
    Redirected,
    /// By robots.txt, or by the page itself.
    Forbidden,
    /// Not text, with its type.
    OtherType(String),
    Failed(String),
}

/// Where a page is stored, and what tells whether it has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub file: usize,
    pub start: u64,
    pub end: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// The journal with all that follows from it.
///
/// Memory: 8 bytes for each address that was found; the addresses that wait, of which there are at most four times as many as
/// pages wanted, and a thousand.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    writer: BufWriter<File>,
    start: Start,
    seen: HashSet<u64>,
    queries: HashMap<u64, u32>,
    waiting: VecDeque<Waiting>,
    /// The start, and where redirects have led from it.
    pub homes: Vec<String>,
    visits: u64,
    pub summary: CrawlSummary,
    /// Where the last stored page ends.
    pub last: Option<Kept>,
}

impl Journal {
    /// Begins a journal in `folder`, or goes on with the one there; `None` where that is of another crawl.
    pub fn open(folder: &Path, start: Start) -> Result<Option<Self>> {
        fs::create_dir_all(folder).map_err(nuwa_files::Error::write(folder))?;
        let path = folder.join(FILE);
        let (lines, whole) = lines(&path)?;
        if lines.first().is_some_and(|line| *line != Line::Start(start.clone())) {
            return Ok(None);
        }
        let file = nuwa_files::open_for_append(&path)?;
        // Half a line at the end is of a write that was cut off.
        file.set_len(whole).map_err(nuwa_files::Error::write(&path))?;
        let mut journal = Self {
            path,
            writer: BufWriter::new(file),
            start,
            seen: HashSet::new(),
            queries: HashMap::new(),
            waiting: VecDeque::new(),
            homes: Vec::new(),
            visits: 0,
            summary: CrawlSummary::default(),
            last: None,
        };
        if lines.is_empty() {
            journal.write(&Line::Start(journal.start.clone()))?;
        }
        lines.into_iter().for_each(|line| journal.replay(line));
        Ok(Some(journal))
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Start(_) => {}
            Line::Found(waiting) => {
                self.see(&waiting.url);
                self.count_query(&waiting.url);
                if waiting.depth == 0 {
                    self.homes.push(waiting.url.clone());
                }
                self.waiting.push_back(waiting);
            }
            Line::Known(url) => {
                self.see(&url);
            }
            Line::Done(done) => {
                // Visits end in the order in which they were found.
                if let Some(at) = self.waiting.iter().position(|waiting| waiting.url == done.url) {
                    self.waiting.remove(at);
                }
                self.count(done);
            }
        }
    }

    /// Whether no visit has ended yet.
    pub fn is_new(&self) -> bool {
        self.visits == 0
    }

    fn see(&mut self, url: &str) -> bool {
        self.seen.insert(xxh3_64(url.as_bytes()))
    }

    /// An address that needs no visit: its page is known by another one.
    pub fn pass_over(&mut self, address: &Address) -> Result<()> {
        match self.see(address.as_str()) {
            true => self.write(&Line::Known(address.as_str().into())),
            false => Ok(()),
        }
    }

    /// Takes an address if it is new and there is room.
    pub fn found(&mut self, address: &Address, depth: u32, redirects: u32) -> Result<()> {
        if self.seen.contains(&xxh3_64(address.as_str().as_bytes())) {
            return Ok(());
        }
        let pages = usize::try_from(self.start.settings.max_pages).unwrap_or(usize::MAX);
        let most = pages.saturating_mul(WAITING).saturating_add(WAITING_BESIDE);
        if self.waiting.len() >= most || self.count_query(address.as_str()) > QUERIES {
            self.summary.left_out += 1;
            return Ok(());
        }
        self.see(address.as_str());
        let waiting = Waiting { url: address.as_str().into(), depth, redirects };
        self.write(&Line::Found(waiting.clone()))?;
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// How many addresses of its path differ in their query alone; 0 for one without.
    fn count_query(&mut self, url: &str) -> u32 {
        let Some((path, _)) = url.split_once('?') else { return 0 };
        let count = self.queries.entry(xxh3_64(path.as_bytes())).or_default();
        *count += 1;
        *count
    }

    /// The next address to visit.
    pub fn next(&self) -> Option<Waiting> {
        self.waiting.front().cloned()
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// The visit of the next address has ended.
    pub fn done(&mut self, done: Done) -> Result<()> {
        self.put_off();
        self.note(done)
    }

    /// The next address waits no longer; without a note of its visit, it waits again when the journal is opened the next time.
    pub fn put_off(&mut self) {
        self.waiting.pop_front();
    }

    /// What became of an address that waits no longer.
    pub fn note(&mut self, done: Done) -> Result<()> {
        self.write(&Line::Done(done.clone()))?;
        self.count(done);
        self.writer.flush().map_err(nuwa_files::Error::write(&self.path))?;
        Ok(())
    }

    fn count(&mut self, done: Done) {
        self.visits += 1;
        let summary = &mut self.summary;
        match done.outcome {
            Outcome::Stored => summary.pages += 1,
            Outcome::Unchanged => {
                summary.pages += 1;
                summary.unchanged += 1;
            }
            Outcome::Redirected => summary.redirected += 1,
            Outcome::Forbidden => summary.forbidden += 1,
            Outcome::OtherType(kind) => *summary.other_types.entry(kind).or_default() += 1,
            Outcome::Failed(reason) => *summary.failed.entry(reason).or_default() += 1,
        }
        self.last = done.kept.or(self.last.take());
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).expect("a line is plain values");
        bytes.push(b'\n');
        Ok(self.writer.write_all(&bytes).map_err(nuwa_files::Error::write(&self.path))?)
    }
}

/// The whole lines of a journal, and the bytes that they take; nothing where there is none.
fn lines(path: &Path) -> Result<(Vec<Line>, u64)> {
    if !path.exists() {
        return Ok((Vec::new(), 0));
    }
    let text = nuwa_files::read_at_most(path, u64::MAX)?;
    let (mut lines, mut whole) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        whole += line.len();
        match serde_json::from_slice(line) {
            Ok(parsed) => lines.push(parsed),
            // The last line may be of a write that was cut off; one before it would take the rest of the crawl with it.
            Err(_) if whole == text.len() => return Ok((lines, (whole - line.len()) as u64)),
            Err(error) => {
                let (path, line) = (path.to_path_buf(), Some(lines.len() as u64 + 1));
                return Err(
                    nuwa_files::Error::Unfinished { path, line, problem: json_problem(&error) }.into()
                );
            }
        }
    }
    Ok((lines, whole as u64))
}

/// Where a crawl that has ended keeps its pages.
pub(super) fn kept_pages(folder: &Path) -> Result<HashMap<String, Kept>> {
    let (lines, _) = lines(&folder.join(FILE))?;
    let kept = lines.into_iter().filter_map(|line| match line {
        Line::Done(Done { url, kept: Some(kept), .. }) => Some((url, kept)),
        _ => None,
    });
    Ok(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_dropped_and_a_damaged_line_before_it_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let whole = "{\"known\":\"https://a.example/\"}\n";
        for torn in [&b"{\"kno"[..], b"{\"known\":\"\xe4\xbd\n", b"\0\0"] {
            fs::write(&path, [whole.as_bytes(), torn].concat()).unwrap();
            let (found, length) = lines(&path).unwrap();
            assert_eq!((found.len(), length), (1, whole.len() as u64));
        }
        fs::write(&path, format!("{whole}{{\n{whole}")).unwrap();
        let error = lines(&path).unwrap_err();
        assert!(error.to_string().contains(".frontier.jsonl, line 2: EOF"), "{error}");
    }
}
