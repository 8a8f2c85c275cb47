//! Rules for the Markdown pages.

use crate::workspace::{File, Workspace};

/// The most lines that `ARCHITECTURE.md` may have: it is to be read in one sitting.
const LONGEST_ARCHITECTURE: usize = 200;

/// The overview is short, the two READMEs are twins, each crate says what it is, and no link leads nowhere.
pub fn check(workspace: &Workspace) -> Vec<String> {
    let mut complaints = Vec::new();
    complaints.extend(architecture(workspace));
    complaints.extend(twins(workspace));
    complaints.extend(program(workspace));
    complaints.extend(crate_pages(workspace));
    complaints.extend(workspace.pages.iter().flat_map(|page| dead_links(page, &workspace.paths)));
    complaints
}

fn architecture(workspace: &Workspace) -> Option<String> {
    let lines = workspace.page("ARCHITECTURE.md")?.text.lines().count();
    let too_long = lines > LONGEST_ARCHITECTURE;
    too_long.then(|| format!("ARCHITECTURE.md has {lines} lines; at most {LONGEST_ARCHITECTURE} are read"))
}

/// The Chinese README has the sections and the commands of the English one.
fn twins(workspace: &Workspace) -> Option<String> {
    let (english, chinese) = ("README.md", "README.zh-CN.md");
    let (Some(first), Some(second)) = (workspace.page(english), workspace.page(chinese)) else {
        return Some(format!("{english} and {chinese} are twins: one of them is missing"));
    };
    let sections = |page: &File| page.text.lines().filter(|line| line.starts_with("## ")).count();
    if sections(first) != sections(second) {
        let (first, second) = (sections(first), sections(second));
        return Some(format!(
            "{english} has {first} sections and {chinese} {second}: they are to say the same"
        ));
    }
    let missing =
        commands(&first.text).into_iter().find(|command| !second.text.contains(command.as_str()))?;
    Some(format!("{chinese} lacks a command of {english}: `{missing}`"))
}

/// `cargo run`, as the READMEs have it, names no program: the workspace's default has to be the one.
fn program(workspace: &Workspace) -> Option<String> {
    let default = workspace.manifest.get("workspace")?.get("default-members");
    let is_program = default.is_some_and(|members| *members == toml::Value::from(vec!["crates/nuwa"]));
    (!is_program).then(|| {
        "Cargo.toml needs default-members = [\"crates/nuwa\"], or `cargo run` does not know which program"
            .into()
    })
}

/// The lines of indented code, without their remarks.
fn commands(page: &str) -> Vec<String> {
    let indented = page.lines().filter_map(|line| line.strip_prefix("    "));
    let plain = indented.map(|line| line.split(" #").next().unwrap_or_default().trim().to_string());
    plain.filter(|command| !command.is_empty()).collect()
}

fn crate_pages(workspace: &Workspace) -> Vec<String> {
    let missing = workspace.crates.iter().filter(|member| {
        let path = format!("crates/{}/README.md", member.name);
        workspace.page(&path).is_none()
    });
    missing.map(|member| format!("crates/{} has no README.md of a few lines", member.name)).collect()
}

/// Links of a page to files of the project that are not there.
fn dead_links(page: &File, paths: &[String]) -> Vec<String> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let targets = page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let dead = targets.filter(|target| {
        let path = target.split('#').next().unwrap_or_default();
        let outside = path.is_empty() || path.contains(':') || path.starts_with("../shared/");
        !outside && !exists(&joined(folder, path), paths)
    });
    dead.map(|target| format!("{} links to {target}, which is not there", page.path)).collect()
}

fn exists(path: &str, paths: &[String]) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    paths.iter().any(|known| known == path || known.starts_with(&folder))
}

/// `path` as seen from `folder`, with its `..` resolved.
fn joined(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            ".." => drop(steps.pop()),
            "." => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(pages: &[(&str, &str)]) -> Workspace {
        let pages = pages.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() });
        Workspace {
            pages: pages.collect(),
            paths: vec!["docs/log.md".into(), "README.md".into()],
            ..Workspace::default()
        }
    }

    #[test]
    fn an_overview_is_short() {
        let long = "line\n".repeat(201);
        let mut pages = vec![("ARCHITECTURE.md", long.as_str()), ("README.md", ""), ("README.zh-CN.md", "")];
        assert_eq!(check(&house(&pages)).len(), 1);
        pages[0].1 = &long[..200 * 5];
        assert_eq!(check(&house(&pages)), [""; 0]);
    }

    #[test]
    fn readmes_are_twins() {
        let check = |english: &str, chinese: &str| {
            check(&house(&[("README.md", english), ("README.zh-CN.md", chinese)])).len()
        };
        assert_eq!(check("## Start\n\n    cargo test   # all\n", "## 开始\n\n    cargo test   # 全部\n"), 0);
        assert_eq!(check("## Start\n", "开始\n"), 1);
        assert_eq!(check("## Start\n\n    cargo test\n", "## 开始\n\n    cargo run\n"), 1);
        assert_eq!(super::check(&house(&[("README.md", "")])).len(), 1);
    }

    #[test]
    fn cargo_run_finds_the_program() {
        let said = |manifest: &str| {
            program(&Workspace { manifest: manifest.parse().unwrap(), ..Workspace::default() })
        };
        assert!(said("[workspace]\nmembers = [\"crates/*\"]").is_some());
        assert!(said("[workspace]\ndefault-members = [\"crates/xtask\"]").is_some());
        assert!(said("[workspace]\ndefault-members = [\"crates/nuwa\"]").is_none());
    }

    #[test]
    fn links_lead_somewhere() {
        let dead = |path: &str, text: &str| {
            dead_links(&File { path: path.into(), text: text.into() }, &house(&[]).paths).len()
        };
        assert_eq!(
            dead("README.md", "[a](docs/log.md#top) [b](docs) [c](https://example.org/x) [d](#here)"),
            0
        );
        assert_eq!(dead("docs/a.md", "[a](log.md) [b](../README.md) ![c](gone.png)"), 1);
    }
}
