//! Sources that are not on the disk yet: data sets of the Hugging Face Hub, and sites of the web.

use std::path::{Path, PathBuf};

use nuwa_collect::CollectSettings;
use nuwa_collect::crawl::{CrawlSummary, Crawled, Crawler, is_address};
use nuwa_collect::hub::{DataSet, Downloaded, Hub};
use nuwa_report::numbers::{counted, grouped};

use crate::console::{Display, message};
use crate::http::Http;

/// The server that is asked where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// Whether sites that were crawled before are asked for what has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    Yes,
    No,
}

/// The same sources with what had to be fetched now in folders below `folder`.
pub fn fetched(
    sources: &[PathBuf],
    folder: &Path,
    settings: &CollectSettings,
    again: Again,
    display: &mut Display,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut local = Vec::with_capacity(sources.len());
    for source in sources {
        local.push(match (data_set(source), address(source)) {
            (Some(set), _) => download(&set?, source, folder, settings, display)?,
            (None, Some(url)) => crawl(url, folder, settings, again, display)?,
            (None, None) => source.clone(),
        });
    }
    Ok(local)
}

/// Whether a source is to be fetched.
pub fn is_online(source: &Path) -> bool {
    data_set(source).is_some() || address(source).is_some()
}

fn address(source: &Path) -> Option<&str> {
    source.to_str().filter(|source| is_address(source))
}

fn crawl(
    url: &str,
    folder: &Path,
    settings: &CollectSettings,
    again: Again,
    display: &mut Display,
) -> anyhow::Result<PathBuf> {
    let fetch = Http::new();
    let crawler = Crawler { fetch: &fetch, wait: &std::thread::sleep, settings: &settings.crawl };
    let Crawled { folder, summary } =
        crawler.crawl(url, folder, again == Again::Yes, &mut |progress| display.show(progress))?;
    message(&format!("{url}: {}", crawl_text(&summary)));
    Ok(folder)
}

/// What became of a crawl, in a line.
fn crawl_text(summary: &CrawlSummary) -> String {
    let others: u64 = summary.other_types.values().sum();
    let failed: Vec<String> =
        summary.failed.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let facts = [
        (summary.unchanged, "unchanged".to_string()),
        (summary.forbidden, "forbidden".to_string()),
        (others, "not text".to_string()),
        (summary.failed.values().sum(), format!("without an answer ({})", failed.join(", "))),
        (summary.left_out, "left out (--max-pages takes more)".to_string()),
    ];
    let facts = facts.into_iter().filter(|(count, _)| *count > 0);
    let facts: String = facts.map(|(count, fact)| format!(", {} {fact}", grouped(count))).collect();
    counted(summary.pages, "page") + &facts
}

fn data_set(source: &Path) -> Option<nuwa_collect::Result<DataSet>> {
    DataSet::parse(source.to_str()?)
}

fn download(
    set: &DataSet,
    source: &Path,
    folder: &Path,
    settings: &CollectSettings,
    display: &mut Display,
) -> anyhow::Result<PathBuf> {
    let fetch = Http::new();
    let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
    let endpoint = endpoint.trim_end_matches('/').to_string();
    let hub =
        Hub { fetch: &fetch, endpoint, token: variable("HF_TOKEN"), largest: settings.largest_download };
    let endings = &settings.extra_text_extensions;
    let Downloaded { folder, other_parts, unusable } =
        hub.download(set, folder, endings, &mut |progress| display.show(progress))?;
    if let Some(first) = other_parts.first() {
        let count = other_parts.len();
        message(&format!(
            "left out {count} of {}'s files, which are not its training part ({first} ...); \
            a path takes them: hf:{}@{}/{first}",
            source.display(),
            set.name,
            set.revision
        ));
    }
    if let Some(first) = unusable.first() {
        let count = counted(unusable.len() as u64, "file");
        let source = source.display();
        message(&format!("left out {count} of {source} whose names no file here can have ({first:?} ...)"));
    }
    Ok(folder)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
