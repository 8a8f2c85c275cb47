//! Files of different folders of one crate do not use each other in a circle.
//!
//! A use is a path that begins with `crate`, `super`, `self` or a module of the file's own, followed through re-exports to
//! the file that has the item. Re-exports are no uses, nor are the paths of a module to the modules in it: it lists them,
//! as do the files in [`LISTS`]. What only tests use is free.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Crate, Workspace};

/// Files that list modules beside them, as a module lists those in it.
const LISTS: [&str; 1] = ["crates/nuwa-models/src/registry.rs"];

/// Names of modules, and of an item at the end, from the root of the crate.
type Path = Vec<String>;

/// A file, and what it says of others.
#[derive(Default)]
struct Module {
    file: String,
    /// The names that it re-exports, each with where it comes from.
    exports: BTreeMap<String, Path>,
    uses: BTreeSet<Path>,
}

type Modules = BTreeMap<Path, Module>;

/// The circles of every crate.
pub fn check(workspace: &Workspace) -> Vec<String> {
    workspace.crates.iter().flat_map(check_crate).collect()
}

fn check_crate(member: &Crate) -> Vec<String> {
    let modules = modules(member);
    let edges: BTreeMap<&Path, BTreeSet<Path>> =
        modules.iter().map(|(path, module)| (path, edges(path, module, &modules))).collect();
    let reached: BTreeMap<&Path, BTreeSet<Path>> =
        modules.keys().map(|path| (path, reach(path, &edges))).collect();
    let circle = |path: &Path| -> Vec<&str> {
        let both = reached[path].iter().filter(|other| reached[*other].contains(path));
        both.map(|other| modules[other].file.as_str()).collect()
    };
    let circles: BTreeSet<Vec<&str>> = modules.keys().map(circle).collect();
    let folder = |file: &&str| file.rsplit_once('/').map_or("", |(folder, _)| folder).to_string();
    let across = |circle: &Vec<&str>| circle.iter().map(folder).collect::<BTreeSet<_>>().len() > 1;
    let circles = circles.into_iter().filter(across);
    circles.map(|files| format!("these files use each other in a circle: {}", files.join(", "))).collect()
}

fn modules(member: &Crate) -> Modules {
    let root = format!("crates/{}/src/", member.name);
    let sources = member.sources.iter();
    let files: Vec<(Path, &str, String)> = sources
        .filter_map(|file| {
            Some((module_path(file.path.strip_prefix(&root)?), file.path.as_str(), code(&file.text)))
        })
        .collect();
    let known: BTreeSet<Path> = files.iter().map(|(path, ..)| path.clone()).collect();
    files.into_iter().map(|(path, file, code)| (path.clone(), read(&path, file, &code, &known))).collect()
}

fn module_path(name: &str) -> Path {
    let mut path: Path = name.trim_end_matches(".rs").split('/').map(String::from).collect();
    path.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
    path
}

/// The text without remarks and without the tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default().to_string() + "\n").collect()
}

fn read(own: &Path, file: &str, code: &str, known: &BTreeSet<Path>) -> Module {
    let mut module = Module { file: file.into(), ..Module::default() };
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some((public, tree)) = use_statement(line) else {
            module.uses.extend(paths_in(line).filter_map(|path| absolute(own, &path, known)));
            continue;
        };
        let mut tree = tree.to_string();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push_str(more.trim());
        }
        for (path, name) in expand(tree.split(';').next().unwrap_or_default()) {
            match (absolute(own, &path, known), public) {
                (Some(path), true) => drop(module.exports.insert(name, path)),
                (path, _) => module.uses.extend(path),
            }
        }
    }
    module
}

/// Whether the line begins a `use` that is public, and what follows it.
fn use_statement(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    let (before, tree) = line.split_once("use ")?;
    (before.is_empty() || before.starts_with("pub")).then_some((!before.is_empty(), tree))
}

fn paths_in(line: &str) -> impl Iterator<Item = Path> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let paths =
        words.filter(|word| ["crate::", "super::", "self::"].iter().any(|root| word.starts_with(root)));
    paths.map(|path| path.split("::").map(String::from).collect())
}

/// The paths of a `use`, each with the name that it gets: `a::{b, c as d}` is `a::b` and `a::c`.
fn expand(tree: &str) -> Vec<(Path, String)> {
    let Some((before, within)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Path = path.trim().split("::").map(String::from).collect();
        path.pop_if(|last| last == "self");
        let last = path.last().cloned().unwrap_or_default();
        return vec![(path, if name.is_empty() { last } else { name.trim().to_string() })];
    };
    let before: Path = before.trim().split("::").filter(|step| !step.is_empty()).map(String::from).collect();
    let within = within.rsplit_once('}').map_or(within, |(within, _)| within);
    let mut depth = 0;
    let branches = within.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let branches =
        branches.filter(|branch| !branch.trim().is_empty()).flat_map(|branch| expand(branch.trim()));
    branches.map(|(path, name)| ([before.clone(), path].concat(), name)).collect()
}

/// A path of the module `own` from the root of the crate; none for what another crate has.
fn absolute(own: &Path, path: &[String], known: &BTreeSet<Path>) -> Option<Path> {
    let mut base = own.clone();
    let mut rest = path.iter();
    match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "super" | "self" => {}
        first => {
            return known
                .contains(&[own.as_slice(), &[first.into()]].concat())
                .then(|| [own.as_slice(), path].concat());
        }
    }
    while let Some(step) = rest.clone().next().filter(|step| ["super", "self"].contains(&step.as_str())) {
        rest.next();
        if step == "super" {
            base.pop()?;
        }
    }
    base.extend(rest.cloned());
    Some(base)
}

/// The files that a file uses, other than those of the modules in its own.
fn edges(own: &Path, module: &Module, modules: &Modules) -> BTreeSet<Path> {
    if LISTS.contains(&module.file.as_str()) {
        return BTreeSet::new();
    }
    let targets = module.uses.iter().filter_map(|path| home(path, modules, 8));
    targets.filter(|target| !target.starts_with(own)).collect()
}

/// The module that has the item, whose re-exports are followed `depth` times.
fn home(path: &[String], modules: &Modules, depth: usize) -> Option<Path> {
    let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let export = rest.first().and_then(|name| modules[module].exports.get(name));
    match export.filter(|_| depth > 0) {
        Some(from) => home(&[from.as_slice(), &rest[1..]].concat(), modules, depth - 1),
        None => Some(module.to_vec()),
    }
}

/// All that is used by what `path` uses, and so on.
fn reach(path: &Path, edges: &BTreeMap<&Path, BTreeSet<Path>>) -> BTreeSet<Path> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Path> = edges[path].iter().collect();
    while let Some(path) = open.pop() {
        if reached.insert(path.clone()) {
            open.extend(&edges[path]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::File;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(name, text): &(&str, &str)| File {
            path: format!("crates/nuwa-a/src/{name}"),
            text: (*text).into(),
        };
        let sources = files.iter().map(file).collect();
        check_crate(&Crate { name: "nuwa-a".into(), sources, ..Crate::default() })
    }

    #[test]
    fn folders_that_use_each_other_are_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;\npub use b::Two;\n"),
            ("a/mod.rs", "mod one;\npub use one::One;\n"),
            ("a/one.rs", "use crate::{\n    Error,\n    Two,\n};\npub struct One;\n"),
            ("b.rs", "pub struct Two(crate::a::One);\n"),
        ]);
        let files = "crates/nuwa-a/src/a/one.rs, crates/nuwa-a/src/b.rs";
        assert_eq!(found, [format!("these files use each other in a circle: {files}")]);
    }

    #[test]
    fn a_list_of_modules_files_of_one_folder_and_tests_are_none() {
        let found = circles(&[
            ("lib.rs", "mod a;\npub struct Root;\npub use a::{Item, one::{self, One as First}};\n"),
            ("a/mod.rs", "mod one;\nmod two;\nuse one::One;\npub trait Item {}\n"),
            ("a/one.rs", "use super::two::Two;\nuse super::Item;\nuse crate::Root;\n"),
            ("a/two.rs", "use super::one::One; // use crate::b::Three;\n"),
            ("b.rs", "use crate::First;\n#[cfg(test)]\nmod tests { use crate::c::d::Four; }\n"),
            ("c/d.rs", "use crate::b::Three;\n"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
