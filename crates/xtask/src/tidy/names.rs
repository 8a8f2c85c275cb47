//! Public types of one library have names of their own.

use std::collections::BTreeMap;

use crate::workspace::{Crate, Workspace};

const KINDS: [&str; 4] = ["pub struct ", "pub enum ", "pub trait ", "pub type "];

/// Names that two public types of a library share.
pub fn check(workspace: &Workspace) -> Vec<String> {
    workspace.crates.iter().filter(|member| member.is_library()).flat_map(check_crate).collect()
}

fn check_crate(member: &Crate) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in member.sources.iter().filter(|file| file.path.contains("/src/")) {
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for name in code.lines().filter_map(type_name) {
            files.entry(name).or_default().push(&file.path);
        }
    }
    let shared = files.into_iter().filter(|(_, files)| files.len() > 1);
    shared.map(|(name, files)| format!("two public types are called {name}: {}", files.join(", "))).collect()
}

fn type_name(line: &str) -> Option<&str> {
    let rest = KINDS.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::File;

    #[test]
    fn a_name_is_given_once() {
        let shared = |second: &str| {
            let file = |name: &str, text: &str| File {
                path: format!("crates/nuwa-a/src/{name}"),
                text: text.into(),
            };
            let sources = vec![file("lib.rs", "pub struct Sum<T>(T);\n"), file("b.rs", second)];
            check_crate(&Crate { name: "nuwa-a".into(), sources, ..Crate::default() })
        };
        assert_eq!(
            shared("struct Sum;\npub enum Sums {}\n#[cfg(test)]\nmod tests { pub struct Sum; }\n"),
            [""; 0]
        );
        let told = "two public types are called Sum: crates/nuwa-a/src/lib.rs, crates/nuwa-a/src/b.rs";
        assert_eq!(shared("pub enum Sum { One }\n"), [told]);
    }
}
