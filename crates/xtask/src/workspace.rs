//! The workspace as the rules see it: crates with their manifests and sources, and the pages at the root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Everything that the rules look at, read into memory.
#[derive(Debug, Default)]
pub struct Workspace {
    /// `Cargo.toml` at the root.
    pub manifest: toml::Table,
    /// The crates under `crates/`, by name.
    pub crates: Vec<Crate>,
    /// Markdown pages outside the crates' sources, by path from the root.
    pub pages: Vec<File>,
    /// All paths below the root that a page may point to.
    pub paths: Vec<String>,
}

/// A crate.
#[derive(Debug, Default)]
pub struct Crate {
    /// Its folder's name.
    pub name: String,
    /// `Cargo.toml`.
    pub manifest: toml::Table,
    /// All its Rust files.
    pub sources: Vec<File>,
}

/// A file of text.
#[derive(Debug, Default)]
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Workspace {
    /// Reads the workspace that this crate belongs to.
    pub fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        list(&root, &root, &mut files)?;
        files.sort();
        let read = |path: &String| -> Result<File> {
            let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
            Ok(File { path: path.clone(), text })
        };
        let of_kind = |kind: &str| {
            files.iter().filter(|path| path.ends_with(kind)).map(read).collect::<Result<Vec<_>>>()
        };
        let mut sources = of_kind(".rs")?;
        let manifests = of_kind("/Cargo.toml")?;
        let members = manifests.iter().filter(|manifest| manifest.path.starts_with("crates/"));
        let crates = members.map(|manifest| Crate::of(manifest, &mut sources)).collect::<Result<_>>()?;
        let manifest = read(&"Cargo.toml".into())?.text.parse().context("Cargo.toml is not TOML")?;
        Ok(Self { manifest, crates, pages: of_kind(".md")?, paths: files })
    }

    /// The page at `path`.
    pub fn page(&self, path: &str) -> Option<&File> {
        self.pages.iter().find(|page| page.path == path)
    }
}

impl Crate {
    fn of(manifest: &File, sources: &mut Vec<File>) -> Result<Self> {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_string();
        let manifest = manifest.text.parse().with_context(|| format!("{} is not TOML", manifest.path))?;
        let sources = sources.extract_if(.., |file| file.path.starts_with(folder)).collect();
        Ok(Self { name, manifest, sources })
    }

    /// Whether it is for other crates to use; the program and these chores are not.
    pub fn is_library(&self) -> bool {
        self.sources.iter().any(|file| file.path.ends_with("/src/lib.rs"))
    }
}

/// The files below `folder` that belong to the project, as paths from `root`; built files and the samples of tests,
/// broken on purpose, do not.
fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && name != ".ci";
        match path.is_dir() {
            true if hidden || ["target", "runs", "samples"].contains(&name.as_str()) => {}
            true => list(root, &path, files)?,
            false => files.push(relative(root, &path)),
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let steps = path.strip_prefix(root).unwrap_or(path).iter();
    steps.map(|step| step.to_string_lossy()).collect::<Vec<_>>().join("/")
}
