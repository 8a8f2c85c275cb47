//! The rules of the house, each a function from the workspace to complaints.

mod circles;
mod names;
mod pages;
mod rooms;
mod sources;
mod words;

use crate::workspace::Workspace;

/// What is out of order, in words that say what to do.
pub fn check(workspace: &Workspace) -> Vec<String> {
    let rules = [rooms::check, circles::check, names::check, sources::check, pages::check, words::check];
    rules.iter().flat_map(|rule| rule(workspace)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let complaints = check(&Workspace::read().unwrap());
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }
}
