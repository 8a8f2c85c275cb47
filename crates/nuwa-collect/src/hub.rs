//! Data sets of the Hugging Face Hub, or of a server that speaks its API, as files.
//!
//! `hf:owner/name` names a data set, `hf:owner/name@revision` a branch, a tag or a commit of it, and a path behind either only
//! what lies below: `hf:owner/name/data/train`. One request lists the files (`GET /api/datasets/owner/name/revision/REVISION`)
//! and says which commit they are of; each is then taken from `/datasets/owner/name/resolve/COMMIT/PATH`, so that a data set
//! that changes meanwhile is not mixed with itself. What was broken off goes on where it was (`Range`).
//!
//! Where names speak of training and of other parts, only those of training are taken: the others are what models are measured
//! by. Commit and license go into the folder's `.source.json`, and from there into every document.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use nuwa_files::Progress;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fetch::{Fetch, Request, Response};
use super::format::is_known_name;
use super::origin::Origin;
use crate::{Error, Result};

/// What an address of a data set begins with.
const SCHEME: &str = "hf:";

/// A data set as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// Whose it is, and its name: `owner/name`.
    pub name: String,
    /// A branch, a tag or a commit; `main` where none is named.
    pub revision: String,
    /// Only files whose path begins so; empty for all.
    pub path: String,
}

impl DataSet {
    /// Reads `hf:owner/name[@revision][/path]`; `None` for what does not begin with `hf:`.
    pub fn parse(text: &str) -> Option<Result<Self>> {
        let rest = text.strip_prefix(SCHEME)?;
        let malformed = || Error::DataSetName { given: text.to_string() };
        let parsed = split_name(rest).filter(|set| set.name.split('/').all(is_plain));
        Some(parsed.filter(|set| set.path.split('/').all(|part| part != "..")).ok_or_else(malformed))
    }

    /// The name of a folder for it.
    pub fn folder_name(&self) -> String {
        let parts = [&self.name, "@", &self.revision, "/", &self.path];
        parts.concat().trim_end_matches('/').replace('/', "--")
    }
}

fn split_name(text: &str) -> Option<DataSet> {
    let (owner, rest) = text.split_once('/')?;
    let (name, rest) = rest.find(['@', '/']).map_or((rest, ""), |end| rest.split_at(end));
    let (revision, path) = match rest.strip_prefix('@') {
        None => ("main", rest),
        // References such as refs/convert/parquet have two slashes of their own.
        Some(rest) => {
            let slashes = if rest.starts_with("refs/") { 2 } else { 0 };
            rest.match_indices('/').nth(slashes).map_or((rest, ""), |(end, _)| rest.split_at(end))
        }
    };
    let path = path.trim_matches('/').to_string();
    let set = DataSet { name: format!("{owner}/{name}"), revision: revision.into(), path };
    (!revision.is_empty()).then_some(set)
}

/// Names on the Hub are of these characters; a name of dots would be another folder.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(allowed) && !name.chars().all(|c| c == '.')
}

/// A server of data sets.
pub struct Hub<'a> {
    /// What sends the requests.
    pub fetch: &'a dyn Fetch,
    /// Where the server is, without a slash at the end: `https://huggingface.co`.
    pub endpoint: String,
    /// The user's token, for data sets that are not open to all.
    pub token: Option<String>,
    /// The most bytes that a data set may have, all of its files together.
    pub largest: u64,
}

/// A data set on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The folder that holds its files.
    pub folder: PathBuf,
    /// Files that were left alone since they are not of the training part.
    pub other_parts: Vec<String>,
    /// Files whose names no file here can have.
    pub unusable: Vec<String>,
}

#[derive(Deserialize)]
struct Listing {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Redirects that are followed for one file.
const REDIRECTS: usize = 8;
/// How often a file is gone on with, of which hardly anything came, before its error counts.
const ATTEMPTS: usize = 4;
/// Fewer bytes in a minute, or before an answer breaks off, are hardly anything.
const LEAST: u64 = 1 << 15;
const MINUTE: Duration = Duration::from_secs(60);
/// A listing of more than this is not read.
const LARGEST_LISTING: u64 = 1 << 27;

impl Hub<'_> {
    /// Brings a data set into a folder of its own below `folder`; one that is there already is not asked for again.
    ///
    /// # Errors
    /// When there is no such data set, it needs a token, the Hub does not answer, or a file cannot be written.
    pub fn download(
        &self,
        set: &DataSet,
        folder: &Path,
        extra_endings: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Downloaded> {
        let whole = folder.join(set.folder_name());
        if Origin::of_folder(&whole)?.is_some() {
            return Ok(Downloaded { folder: whole, other_parts: Vec::new(), unusable: Vec::new() });
        }
        let listing = self.listing(set)?;
        // Of one commit only: what a broken download left of another is no part of this one.
        let folder = folder.join(format!(".{}.{}.part", set.folder_name(), checked(&listing.sha, set)?));
        let Choice { files, other_parts, unusable } = choose(set, &listing, extra_endings)?;
        let commit = format!("{}/datasets/{}/resolve/{}", self.endpoint, set.name, listing.sha);
        let mut tell = |done: usize| {
            progress(Progress {
                task: "downloading the data set",
                done: done as u64,
                total: Some(files.len() as u64),
                unit: "files",
                bytes: None,
            });
        };
        let mut left = self.largest;
        for (done, file) in files.iter().enumerate() {
            tell(done);
            let target = folder.join(file);
            self.file(&format!("{commit}/{}", encoded(file)), &target, left)?;
            left = left.saturating_sub(size(&target));
        }
        tell(files.len());
        origin(set, &listing).write(&folder)?;
        nuwa_files::rename(&folder, &whole)?;
        Ok(Downloaded { folder: whole, other_parts, unusable })
    }

    fn listing(&self, set: &DataSet) -> Result<Listing> {
        let revision = set.revision.replace('/', "%2F");
        let url = format!("{}/api/datasets/{}/revision/{revision}", self.endpoint, set.name);
        let answer = self.get(&url, None)?;
        let mut text = Vec::new();
        answer.body.take(LARGEST_LISTING).read_to_end(&mut text).map_err(|error| failed(&url, error))?;
        serde_json::from_slice(&text)
            .map_err(|error| failed(&url, format_args!("not a data set's listing: {error}")))
    }

    /// One file of at most `left` bytes, under its name only when it is whole.
    fn file(&self, url: &str, target: &Path, left: u64) -> Result<()> {
        if target.exists() {
            return Ok(());
        }
        let folder = target.parent().unwrap_or(target);
        fs::create_dir_all(folder).map_err(nuwa_files::Error::write(folder))?;
        let part = target
            .with_file_name(format!(".{}.part", target.file_name().unwrap_or_default().to_string_lossy()));
        let (mut attempt, mut most) = (1, size(&part));
        while let Err(error) = self.go_on(url, &part, left) {
            let have = size(&part);
            attempt = if have >= most + LEAST { 1 } else { attempt + 1 };
            most = most.max(have);
            if attempt > ATTEMPTS || !matches!(error, Error::Interrupted { .. }) {
                return Err(error);
            }
        }
        Ok(nuwa_files::rename(&part, target)?)
    }

    /// Takes what is missing of a file.
    fn go_on(&self, url: &str, part: &Path, left: u64) -> Result<()> {
        let have = size(part);
        let answer = self.get(url, (have > 0).then_some(have))?;
        let goes_on = answer.status == 206;
        let range = answer.header("content-range").unwrap_or_default();
        if goes_on && !range.starts_with(&format!("bytes {have}-")) {
            return Err(failed(url, format_args!("asked for the rest from byte {have}, got {range:?}")));
        }
        let expected = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
        let left = if goes_on { left.saturating_sub(have) } else { left };
        let too_large = || Error::LargeDownload { url: url.into(), limit: self.largest };
        if expected.is_some_and(|expected| expected > left) {
            return Err(too_large());
        }
        let mut options = File::options();
        let options = options.create(true).append(goes_on).write(true).truncate(!goes_on);
        let mut file = BufWriter::new(options.open(part).map_err(nuwa_files::Error::write(part))?);
        let broken = |problem: String| Error::Interrupted { url: url.into(), problem };
        let copied = copy(answer.body.take(left.saturating_add(1)), &mut file, part, &broken)?;
        if copied > left {
            return Err(too_large());
        }
        let file = file.into_inner().map_err(|error| nuwa_files::Error::write(part)(error.into_error()))?;
        file.sync_all().map_err(nuwa_files::Error::write(part))?;
        match expected {
            Some(expected) if expected != copied => Err(broken(format!("{copied} of {expected} bytes came"))),
            _ => Ok(()),
        }
    }

    /// The answer to a request, behind redirects; from byte `from` on, if the server can.
    fn get(&self, url: &str, from: Option<u64>) -> Result<Response> {
        let mut url = url.to_string();
        for _ in 0..REDIRECTS {
            let answer = self.fetch.get(&self.request(&url, from)).map_err(|error| failed(&url, error))?;
            match (answer.status, answer.header("location")) {
                (200 | 206, _) => return Ok(answer),
                // All of the file is there already, or another file is: begin anew.
                (416, _) if from.is_some() => return self.get(&url, None),
                (301 | 302 | 303 | 307 | 308, Some(location)) => url = joined(&url, location),
                (status, _) => return Err(Error::Refused { url, status }),
            }
        }
        Err(failed(&url, format_args!("more than {REDIRECTS} redirects")))
    }

    /// The token goes to the server itself only, not to where it sends us.
    fn request(&self, url: &str, from: Option<u64>) -> Request {
        let mut request = Request::new(url);
        if let Some(token) = self.token.as_ref().filter(|_| host(url) == host(&self.endpoint)) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        match from {
            Some(from) => request.header("Range", format!("bytes={from}-")),
            None => request,
        }
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn failed(url: &str, problem: impl std::fmt::Display) -> Error {
    Error::Web { url: url.into(), problem: problem.to_string() }
}

/// Copies the body; an error of the network is another than one of the disk.
fn copy(
    mut from: impl Read,
    to: &mut impl Write,
    path: &Path,
    broken: &dyn Fn(String) -> Error,
) -> Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut copied = 0;
    let mut pace = Pace::new(Instant::now());
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                to.flush().map_err(nuwa_files::Error::write(path))?;
                return Err(broken(error.to_string()));
            }
        };
        to.write_all(&buffer[..count]).map_err(nuwa_files::Error::write(path))?;
        copied += count as u64;
        if !pace.is_kept(copied, Instant::now()) {
            to.flush().map_err(nuwa_files::Error::write(path))?;
            return Err(broken(format!("fewer than {LEAST} bytes came in a minute")));
        }
    }
}

/// How fast an answer comes: one that drips would never end.
struct Pace {
    since: Instant,
    had: u64,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { since: now, had: 0 }
    }

    /// Whether enough came in the last minute.
    fn is_kept(&mut self, copied: u64, now: Instant) -> bool {
        if now.duration_since(self.since) < MINUTE {
            return true;
        }
        let came = copied - self.had;
        *self = Self { since: now, had: copied };
        came >= LEAST
    }
}

/// The files of a listing.
#[derive(Debug, Default, PartialEq)]
struct Choice {
    /// To take.
    files: Vec<String>,
    /// Of other parts.
    other_parts: Vec<String>,
    /// That no file here can be called.
    unusable: Vec<String>,
}

fn choose(set: &DataSet, listing: &Listing, extra_endings: &[String]) -> Result<Choice> {
    let names = listing.siblings.iter().map(|file| file.rfilename.as_str());
    let below = names.filter(|name| is_below(name, &set.path)).filter(|name| stays_below(name));
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        below.partition(|name| is_known_name(Path::new(name), extra_endings) && !is_about(name));
    if known.is_empty() {
        let others = unknown.into_iter().map(String::from).collect();
        return Err(Error::NoDataFiles { name: set.name.clone(), path: set.path.clone(), others });
    }
    let has_training = known.iter().any(|name| speaks_of(name, &["train", "training"]));
    let is_other = |name: &str| {
        set.path.is_empty()
            && has_training
            && speaks_of(name, &["test", "validation", "valid", "val", "dev", "eval"])
            && !speaks_of(name, &["train", "training"])
    };
    let (other, chosen): (Vec<&str>, Vec<&str>) = known.into_iter().partition(|name| is_other(name));
    let folders: HashSet<&str> = chosen.iter().flat_map(|name| folders_of(name)).collect();
    let (chosen, unusable): (Vec<&str>, Vec<&str>) =
        chosen.into_iter().partition(|name| is_possible(name) && !folders.contains(name));
    let owned = |names: Vec<&str>| names.into_iter().map(String::from).collect();
    Ok(Choice { files: owned(chosen), other_parts: owned(other), unusable: owned(unusable) })
}

/// The folders that a file lies in: `a` and `a/b` of `a/b/c`.
fn folders_of(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

/// Parts of a path are as long as file systems take them, with what is put around the names of unfinished files.
const LONGEST_PART: usize = 240;

fn is_possible(name: &str) -> bool {
    let is_possible = |part: &str| !part.is_empty() && part.len() <= LONGEST_PART;
    !name.contains(char::is_control) && name.len() <= 2048 && name.split('/').all(is_possible)
}

/// Whether a path goes on from `start` where a word of it ends: `data/train` has `data/train-0.parquet`, `data` no `database/a`.
fn is_below(name: &str, start: &str) -> bool {
    let ends = |rest: &str| start.is_empty() || !rest.starts_with(|c: char| c.is_alphanumeric());
    name.strip_prefix(start).is_some_and(ends)
}

/// The commit, which becomes part of a folder's name.
fn checked<'a>(sha: &'a str, set: &DataSet) -> Result<&'a str> {
    let problem = || failed(&set.name, format_args!("the server gave {sha:?} for a commit"));
    is_plain(sha).then_some(sha).ok_or_else(problem)
}

/// No path that leads out of the folder, and none that is hidden.
fn stays_below(name: &str) -> bool {
    let plain = |part: Component| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with('.'),
        _ => false,
    };
    !name.contains('\\') && Path::new(name).components().all(plain)
}

/// Texts about the data set are not texts of it.
fn is_about(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    let texts = ["readme", "license", "licence", "changelog", "citation", "contributing"];
    let settings = ["config", "dataset_info", "dataset_infos", "dataset_dict", "state", "metadata", "stats"];
    texts.contains(&stem) || (name.ends_with(".json") && settings.contains(&stem))
}

/// Whether one of `words` stands in a path, as a word of its own.
fn speaks_of(path: &str, words: &[&str]) -> bool {
    path.to_lowercase().split(|c: char| !c.is_ascii_alphabetic()).any(|word| words.contains(&word))
}

fn origin(set: &DataSet, listing: &Listing) -> Origin {
    let mut meta = Map::new();
    meta.insert("revision".into(), listing.sha.clone().into());
    let license = listing.card.as_ref().and_then(|card| card.get("license"));
    match license {
        Some(Value::String(license)) => drop(meta.insert("license".into(), license.clone().into())),
        Some(Value::Array(several)) => {
            let names: Vec<&str> = several.iter().filter_map(Value::as_str).collect();
            meta.insert("license".into(), names.join(", ").into());
        }
        _ => {}
    }
    Origin { source: format!("{SCHEME}{}@{}", set.name, listing.sha), meta }
}

/// Scheme, host and port.
fn host(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

fn joined(url: &str, location: &str) -> String {
    match location {
        location if location.contains("://") => location.to_string(),
        location if location.starts_with('/') => format!("{}{location}", host(url)),
        location => format!("{}/{location}", url.rsplit_once('/').map_or(url, |(folder, _)| folder)),
    }
}

/// A path with what an address may not hold written as `%XX` (RFC 3986, section 2.1).
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<[String; 3]> {
        let set = DataSet::parse(text)?.ok()?;
        Some([set.name, set.revision, set.path])
    }

    #[test]
    fn names_have_revisions_and_paths() {
        let all = |name: &str, revision: &str, path: &str| Some([name.into(), revision.into(), path.into()]);
        assert_eq!(parsed("hf:o/n"), all("o/n", "main", ""));
        assert_eq!(parsed("hf:o/n/data/train"), all("o/n", "main", "data/train"));
        assert_eq!(parsed("hf:o/n@v1"), all("o/n", "v1", ""));
        assert_eq!(parsed("hf:o/n@v1/data/"), all("o/n", "v1", "data"));
        assert_eq!(parsed("hf:o/n@refs/convert/parquet"), all("o/n", "refs/convert/parquet", ""));
        assert_eq!(parsed("hf:o/n@refs/convert/parquet/en"), all("o/n", "refs/convert/parquet", "en"));
        assert!(DataSet::parse("books/a.txt").is_none());
        for wrong in ["hf:", "hf:name", "hf:/name", "hf:o/", "hf:o/n@", "hf:../n", "hf:o/n/../x", "hf:o/a b"]
        {
            assert!(DataSet::parse(wrong).unwrap().is_err(), "{wrong}");
        }
    }

    #[test]
    fn training_parts_are_taken_where_names_tell() {
        let set = DataSet::parse("hf:o/n").unwrap().unwrap();
        let listing = |names: &[&str]| Listing {
            sha: "1".into(),
            siblings: names.iter().map(|name| Sibling { rfilename: name.to_string() }).collect(),
            card: None,
        };
        let names = [
            "README.md",
            ".gitattributes",
            "data/train-0.parquet",
            "data/test-0.parquet",
            "../x.txt",
            "a.py",
        ];
        let choice = choose(&set, &listing(&names), &[]).unwrap();
        assert_eq!(
            (&choice.files[..], &choice.other_parts[..]),
            (&["data/train-0.parquet".to_string()][..], &["data/test-0.parquet".to_string()][..])
        );
        let below = DataSet::parse("hf:o/n/data").unwrap().unwrap();
        let names = ["data/test.jsonl", "data.jsonl", "database/a.jsonl", "data/train.jsonl"];
        let chosen = choose(&below, &listing(&names), &[]).unwrap().files;
        assert_eq!(chosen, ["data/test.jsonl", "data.jsonl", "data/train.jsonl"]);
        let chosen = choose(&set, &listing(&["latest.jsonl", "test.jsonl"]), &[]).unwrap().files;
        assert_eq!(chosen.len(), 2, "without a training part all are taken");
        let long = format!("{}.txt", "x".repeat(300));
        let names = ["a.txt", "b.txt", "b.txt/c.txt", "d\0.txt", "e\u{1b}[2J.txt", "f//g.txt", &long];
        let choice = choose(&set, &listing(&names), &[]).unwrap();
        assert_eq!(choice.files, ["a.txt", "b.txt/c.txt"]);
        assert_eq!(choice.unusable.len(), 5);
        let error = choose(&set, &listing(&["README.md", "x.py"]), &[]).unwrap_err();
        assert!(matches!(error, Error::NoDataFiles { others, .. } if others == ["README.md", "x.py"]));
    }

    #[test]
    fn a_drip_is_no_download() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.is_kept(1, start + MINUTE / 2), "a minute is not over");
        assert!(pace.is_kept(LEAST, start + MINUTE));
        assert!(pace.is_kept(3 * LEAST, start + 2 * MINUTE));
        assert!(!pace.is_kept(3 * LEAST + 60, start + 3 * MINUTE));
    }

    #[test]
    fn addresses_are_joined_and_encoded() {
        assert_eq!(joined("https://h:1/a/b", "/c"), "https://h:1/c");
        assert_eq!(joined("https://h/a/b", "c"), "https://h/a/c");
        assert_eq!(joined("https://h/a", "http://i/x"), "http://i/x");
        assert_eq!(encoded("a b/ü#.txt"), "a%20b/%C3%BC%23.txt");
    }
}
