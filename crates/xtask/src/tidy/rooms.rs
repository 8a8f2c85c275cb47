//! The table of rooms in `ARCHITECTURE.md` against the manifests: a crate uses what the table lets it use.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Crate, Workspace};

/// For each crate, the crates that it names in the table's last column.
type Rooms = BTreeMap<String, BTreeSet<String>>;

const HEAD: &str = "| crate | is | may use |";

/// Every crate is a room of the table, every room a crate, and no crate uses what its row does not lead to.
pub fn check(workspace: &Workspace) -> Vec<String> {
    let Some(page) = workspace.page("ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md is missing".into()];
    };
    let rooms = parse(&page.text);
    if rooms.is_empty() {
        return vec![format!("ARCHITECTURE.md has no table with the head `{HEAD}`")];
    }
    let names: BTreeSet<&str> = workspace.crates.iter().map(|member| member.name.as_str()).collect();
    let absent = rooms.keys().filter(|room| !names.contains(room.as_str()));
    let absent =
        absent.map(|room| format!("ARCHITECTURE.md names the room {room}, but crates/{room} is not there"));
    absent.chain(workspace.crates.iter().flat_map(|member| check_crate(member, &rooms))).collect()
}

fn check_crate(member: &Crate, rooms: &Rooms) -> Vec<String> {
    let name = &member.name;
    if !rooms.contains_key(name) {
        return vec![format!("crates/{name} is not in the table of rooms in ARCHITECTURE.md")];
    }
    let allowed = reach(name, rooms);
    let used = dependencies(&member.manifest);
    let foreign = used.iter().filter(|used| is_room(used) && !allowed.contains(used.as_str()));
    foreign
        .map(|used| format!("crates/{name} uses {used}, which its row in ARCHITECTURE.md does not lead to"))
        .collect()
}

/// Reads the table: the crate of the first column, the rooms of the last.
fn parse(page: &str) -> Rooms {
    let table = page.lines().skip_while(|line| line.trim() != HEAD).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        Some((cells.first()?.trim_matches('`').to_string(), cells.last()?.to_string()))
    });
    let cells: Vec<(String, String)> = cells.collect();
    let all: BTreeSet<String> = cells.iter().map(|(name, _)| name.clone()).collect();
    let named = |uses: &str| match uses {
        "everything" => all.clone(),
        _ => uses.split(',').map(|word| full_name(word.trim())).collect(),
    };
    cells.iter().map(|(name, uses)| (name.clone(), named(uses))).collect()
}

fn full_name(word: &str) -> String {
    format!("nuwa-{}", word.trim_matches('`').trim_start_matches("nuwa-"))
}

/// What `name` may use: what its row names, and what lies below that.
fn reach<'a>(name: &str, rooms: &'a Rooms) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = rooms.get(name).into_iter().flatten().collect();
    while let Some(room) = open.pop() {
        if reached.insert(room.as_str()) {
            open.extend(rooms.get(room).into_iter().flatten());
        }
    }
    reached
}

fn is_room(dependency: &str) -> bool {
    dependency == "nuwa" || dependency.starts_with("nuwa-")
}

/// The crates that the built crate uses; what only its tests use is free.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "build-dependencies" => used.extend(table.keys().cloned()),
            "target" => used.extend(table.values().filter_map(toml::Value::as_table).flat_map(dependencies)),
            _ => {}
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::File;

    const PAGE: &str = "# House\n\n| crate | is | may use |\n| --- | --- | --- |\n| `nuwa-tensor` | numbers | - |\n\
        | `nuwa-nn` | layers | tensor |\n| `nuwa-models` | families | nn |\n| `nuwa` | the program | everything |\n\nEnd.\n";

    fn complaints(name: &str, manifest: &str) -> Vec<String> {
        let names =
            ["nuwa-tensor", "nuwa-nn", "nuwa-models", "nuwa"].into_iter().filter(|known| *known != name);
        let others = names.map(|name| Crate { name: name.into(), ..Crate::default() });
        let member = Crate { name: name.into(), manifest: manifest.parse().unwrap(), ..Crate::default() };
        let page = File { path: "ARCHITECTURE.md".into(), text: PAGE.into() };
        check(&Workspace {
            crates: others.chain([member]).collect(),
            pages: vec![page],
            ..Workspace::default()
        })
    }

    #[test]
    fn what_lies_below_may_be_used() {
        assert_eq!(
            complaints("nuwa-models", "[dependencies]\nnuwa-nn = \"1\"\nnuwa-tensor = \"1\"\nserde = \"1\""),
            [""; 0]
        );
        assert_eq!(complaints("nuwa", "[dependencies]\nnuwa-models = \"1\""), [""; 0]);
        assert_eq!(complaints("nuwa-tensor", "[dev-dependencies]\nnuwa-nn = \"1\""), [""; 0]);
    }

    #[test]
    fn what_lies_above_or_beside_may_not() {
        for manifest in [
            "[dependencies]\nnuwa-models = \"1\"",
            "[dependencies.nuwa-models]\nworkspace = true",
            "[build-dependencies]\nnuwa-models = \"1\"",
            "[target.'cfg(unix)'.dependencies]\nnuwa-models = \"1\"",
        ] {
            let found = complaints("nuwa-nn", manifest);
            assert_eq!(
                found,
                ["crates/nuwa-nn uses nuwa-models, which its row in ARCHITECTURE.md does not lead to"]
            );
        }
    }

    #[test]
    fn table_and_folders_are_the_same() {
        let found = complaints("nuwa-shed", "");
        assert_eq!(found, ["crates/nuwa-shed is not in the table of rooms in ARCHITECTURE.md"]);
        let page = File { path: "ARCHITECTURE.md".into(), text: PAGE.into() };
        let found = check(&Workspace { pages: vec![page], ..Workspace::default() });
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(check(&Workspace::default()), ["ARCHITECTURE.md is missing"]);
    }
}
