//! Whose run a folder holds: a run belongs to what it was built from, so two sources of one name do not share a folder.
//!
//! `source.json` in the run folder names each source twice: from the root, and from the run folder. The second holds where the
//! whole project was moved or copied.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Problem;
use crate::online::is_online;

/// The content of `source.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    sources: Vec<OwnSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OwnSource {
    /// From the root; an address as it is.
    path: PathBuf,
    /// From the run folder.
    from_run: PathBuf,
}

impl OwnSource {
    fn new(source: &Path, run: &Path) -> Self {
        if is_online(source) {
            return Self { path: source.into(), from_run: source.into() };
        }
        let path = from_root(source);
        Self { from_run: between(&from_root(run), &path), path }
    }

    fn is(&self, other: &Self) -> bool {
        self.path == other.path || self.from_run == other.from_run
    }
}

impl Owner {
    /// A build of `from` in the folder `run`.
    pub fn new(from: &[PathBuf], run: &Path) -> Self {
        Self { sources: from.iter().map(|source| OwnSource::new(source, run)).collect() }
    }

    /// Whose run lies in the folder; none where it holds no run, or one that does not say it.
    pub fn read(run: &Path) -> Option<Self> {
        nuwa_files::read_json(&note(run)).ok().or_else(|| Self::of_recipe(run))
    }

    /// Of a run of an earlier version, as far as its paths are still found from here.
    fn of_recipe(run: &Path) -> Option<Self> {
        #[derive(Deserialize)]
        struct Named {
            from: Vec<PathBuf>,
        }
        let text = std::fs::read_to_string(run.join("recipe.toml")).ok()?;
        let Named { from } = toml::from_str(&text).ok()?;
        from.iter().all(|source| is_online(source) || source.exists()).then(|| Self::new(&from, run))
    }

    /// Whether it is one and the same build, whose text may since have become more or less.
    fn is(&self, other: &Self) -> bool {
        let holds = |all: &[OwnSource], some: &[OwnSource]| {
            !some.is_empty() && some.iter().all(|one| all.iter().any(|other| other.is(one)))
        };
        let (one, other) = (&self.sources, &other.sources);
        (one.is_empty() && other.is_empty()) || holds(one, other) || holds(other, one)
    }

    /// The sources by their paths, or addresses; none of the embedded world.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| source.path.as_path())
    }

    fn text(&self) -> String {
        let names: Vec<String> = self.sources().map(|source| source.display().to_string()).collect();
        if names.is_empty() { "the embedded world".into() } else { names.join(", ") }
    }

    /// Refuses a folder with the run of another source.
    pub fn check(&self, run: &Path) -> anyhow::Result<()> {
        let Some(other) = Self::read(run).filter(|other| !other.is(self)) else { return Ok(()) };
        let problem = format!("{} holds the run of {}, not of {}", run.display(), other.text(), self.text());
        Err(Problem::new(problem).hint("choose another folder with --out").into())
    }

    /// The same, and writes down that the run is this source's; with the folder locked.
    pub fn claim(&self, run: &Path) -> anyhow::Result<()> {
        self.check(run)?;
        Ok(nuwa_files::write_json(&note(run), self)?)
    }
}

fn note(run: &Path) -> PathBuf {
    run.join("source.json")
}

/// The folder of a build of `from`: `wanted`, or where that holds the run of another source, `wanted-2` and so on; and what there
/// is to say of it.
pub fn own_folder(from: &[PathBuf], wanted: &Path) -> (PathBuf, Option<String>) {
    let name = wanted.file_name().unwrap_or_default().to_string_lossy();
    let later = (2..).map(|number| wanted.with_file_name(format!("{name}-{number}")));
    let mut places = std::iter::once(wanted.to_path_buf()).chain(later);
    let is_free = |place: &PathBuf| {
        let owner = Owner::new(from, place);
        Owner::read(place).is_none_or(|other| other.is(&owner))
    };
    let place = places.find(is_free).expect("there is no end of numbers");
    let other = Owner::read(wanted).filter(|_| place != wanted);
    let said = other.map(|other| {
        format!(
            "{} holds the run of {}; this one goes to {}",
            wanted.display(),
            other.text(),
            place.display()
        )
    });
    (place, said)
}

/// A path from the root without links, as far as it exists.
fn from_root(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let found = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, real)) = found else { return path };
    match path.strip_prefix(part) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    }
}

/// The way from a folder to a path, both from the root.
fn between(folder: &Path, path: &Path) -> PathBuf {
    let [folder, path] = [folder, path].map(|path| path.components().collect::<Vec<_>>());
    let shared = folder.iter().zip(&path).take_while(|(one, other)| one == other).count();
    let up = folder[shared..].iter().map(|_| Component::ParentDir);
    up.chain(path[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with two sources of one name.
    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/docs", "b/docs", "runs"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        folder
    }

    fn claimed(project: &Path, source: &str) -> PathBuf {
        let from = [project.join(source)];
        let (place, _) = own_folder(&from, &project.join("runs/docs"));
        Owner::new(&from, &place).claim(&place).unwrap();
        place.strip_prefix(project).unwrap().to_path_buf()
    }

    #[test]
    fn each_source_has_its_own_folder() {
        let project = project();
        for _ in 0..2 {
            assert_eq!(claimed(project.path(), "a/docs"), Path::new("runs/docs"));
            assert_eq!(claimed(project.path(), "b/docs"), Path::new("runs/docs-2"));
        }
        assert_eq!(claimed(project.path(), "b/../b/docs/"), Path::new("runs/docs-2"), "another spelling");
        let said = own_folder(&[project.path().join("b/docs")], &project.path().join("runs/docs")).1.unwrap();
        assert!(said.contains("a/docs; this one goes to ") && said.ends_with("runs/docs-2"), "{said}");
    }

    #[test]
    fn more_text_is_the_same_run_and_other_text_is_not() {
        let folder = project();
        let owner = |names: &[&str]| {
            let from: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
            Owner::new(&from, folder.path())
        };
        assert!(owner(&["a/docs", "b/docs"]).is(&owner(&["a/docs"])));
        assert!(owner(&["b/docs"]).is(&owner(&["a/docs", "b/docs"])));
        assert!(!owner(&["a/docs", "b/docs"]).is(&owner(&["a/docs", "runs"])));
        assert!(!owner(&[]).is(&owner(&["a/docs"])), "the embedded world is a source of its own");
        assert!(owner(&[]).is(&owner(&[])));
        let online = |name: &str| Owner::new(&[name.into()], folder.path());
        assert!(!online("hf:one/docs").is(&online("hf:two/docs")));
    }

    #[test]
    fn a_moved_project_keeps_its_runs() {
        let folder = project();
        claimed(folder.path(), "a/docs");
        let moved = tempfile::tempdir().unwrap();
        let moved = moved.path().join("elsewhere");
        fs::rename(folder.path(), &moved).unwrap();
        assert_eq!(claimed(&moved, "a/docs"), Path::new("runs/docs"));
        assert_eq!(claimed(&moved, "b/docs"), Path::new("runs/docs-2"));
    }

    #[test]
    fn a_run_of_an_earlier_version_says_its_source_in_its_recipe() {
        let folder = project();
        fs::create_dir(folder.path().join("runs/docs")).unwrap();
        let recipe = format!("from = [{:?}]\nseed = 1\n", folder.path().join("a/docs"));
        fs::write(folder.path().join("runs/docs/recipe.toml"), recipe).unwrap();
        assert_eq!(claimed(folder.path(), "b/docs"), Path::new("runs/docs-2"));
        assert_eq!(claimed(folder.path(), "a/docs"), Path::new("runs/docs"));
        fs::write(folder.path().join("runs/docs-2/source.json"), "{\"sour").unwrap();
        assert_eq!(
            claimed(folder.path(), "b/docs"),
            Path::new("runs/docs-2"),
            "a damaged note tells nothing"
        );
    }
}
