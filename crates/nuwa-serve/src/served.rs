use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nuwa_infer::{Embedder, Engine};

use crate::Result;

/// A model that is served under a name.
pub struct ServedModel {
    pub(crate) name: String,
    /// What writes; none of an encoder.
    pub(crate) engine: Option<Engine>,
    /// What makes vectors; none where the model reads no text as a whole.
    pub(crate) embedder: Option<Embedder>,
    /// When its weights were written, in seconds since 1970.
    pub(crate) created: u64,
}

impl ServedModel {
    /// A model that writes, which was read from `folder`. It makes vectors too, of length 1.
    pub fn writing(name: &str, engine: Engine, folder: &Path) -> Self {
        // Whether it makes vectors is told where they are asked for.
        let embedder = Embedder::of_engine(&engine, folder, true).ok();
        Self { name: name.into(), engine: Some(engine), embedder, created: written_at(folder) }
    }

    /// An encoder in `folder`, which makes vectors, of length 1, and does not write.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the model reads no text as a whole.
    pub fn embedding(name: &str, folder: &Path) -> Result<Self> {
        let embedder = Some(Embedder::load(folder, None, true)?);
        Ok(Self { name: name.into(), engine: None, embedder, created: written_at(folder) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most tokens that it sees.
    pub(crate) fn context(&self) -> usize {
        match (&self.engine, &self.embedder) {
            (Some(engine), _) => engine.model().context(),
            (None, embedder) => embedder.as_ref().map_or(0, |embedder| embedder.reader().context()),
        }
    }
}

fn written_at(folder: &Path) -> u64 {
    let modified = folder.join("config.json").metadata().and_then(|file| file.modified());
    let since = modified.unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
