//! Sources that are not on the disk yet: data sets of the Hugging Face Hub.

use std::path::{Path, PathBuf};

use nuwa_data::collect::CollectSettings;
use nuwa_data::collect::hub::{DataSet, Downloaded, Hub};

use crate::console::{Display, message};
use crate::http::Http;

/// The server that is asked where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// The same sources with what had to be fetched now in folders below `folder`.
pub fn fetched(
    sources: &[PathBuf],
    folder: &Path,
    settings: &CollectSettings,
    display: &mut Display,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut local = Vec::with_capacity(sources.len());
    for source in sources {
        match data_set(source) {
            None => local.push(source.clone()),
            Some(set) => local.push(download(&set?, source, folder, settings, display)?),
        }
    }
    Ok(local)
}

/// Whether a source is to be fetched.
pub fn is_online(source: &Path) -> bool {
    data_set(source).is_some()
}

fn data_set(source: &Path) -> Option<nuwa_data::Result<DataSet>> {
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
    let hub = Hub { fetch: &fetch, endpoint, token: variable("HF_TOKEN") };
    let endings = &settings.extra_text_extensions;
    let Downloaded { folder, other_parts } =
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
    Ok(folder)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
