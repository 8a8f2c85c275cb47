//! Rules for Rust files.

use crate::workspace::{Crate, File, Workspace};

/// The one crate that may be unsafe.
const UNSAFE: &str = "nuwa-tensor";

/// Marks of unfinished work; written in halves, so that this file does not find itself.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("#[", "ignore"),
];

/// What a library leaves to the program.
const NOT_FOR_LIBRARIES: [(&str, &str); 8] = [
    ("println!", "prints"),
    ("print!", "prints"),
    ("dbg!", "prints"),
    ("env::var", "reads the environment"),
    ("env::args", "reads the command line"),
    ("std::net", "opens sockets"),
    ("process::Command", "starts programs"),
    ("process::exit", "ends the program"),
];

/// Where a library starts a program all the same: the rule that is a program of the user's own.
const STARTS_PROGRAMS: &str = "crates/nuwa-align/src/rules/program.rs";

/// The one library that opens sockets: serving is what it is for.
const OPENS_SOCKETS: &str = "crates/nuwa-serve/";

/// Checks every Rust file of every crate.
pub fn check(workspace: &Workspace) -> Vec<String> {
    workspace.crates.iter().flat_map(check_crate).collect()
}

fn check_crate(member: &Crate) -> Vec<String> {
    let mut complaints: Vec<String> = manifest(member).into_iter().collect();
    for file in &member.sources {
        complaints.extend(marks(file));
        if is_root(file) || file.path.ends_with("/mod.rs") && file.path.contains("/src/") {
            complaints.extend(header(file));
        }
        if is_root(file) && member.name != UNSAFE {
            complaints.extend(forbids_unsafe(file));
        }
        complaints.extend(explained_unsafe(file));
        if member.is_library() && file.path.contains("/src/") && file.path != STARTS_PROGRAMS {
            complaints.extend(left_to_the_program(file));
        }
    }
    complaints
}

fn is_root(file: &File) -> bool {
    file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs")
}

fn manifest(member: &Crate) -> Option<String> {
    let shared = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    let missing = shared.and_then(toml::Value::as_bool) != Some(true);
    missing.then(|| format!("crates/{}/Cargo.toml lacks `[lints] workspace = true`", member.name))
}

fn marks(file: &File) -> Vec<String> {
    let found = numbered(file).filter_map(|(number, line)| {
        let mark = MARKS.iter().find(|mark| line.contains(**mark))?;
        Some(format!("{}:{number}: `{mark}`: finish it or leave it out", file.path))
    });
    found.collect()
}

fn header(file: &File) -> Option<String> {
    let missing = !file.text.starts_with("//!");
    missing.then(|| format!("{}:1: a module begins with `//!` lines that say what it is for", file.path))
}

fn forbids_unsafe(file: &File) -> Option<String> {
    let missing = !file.text.lines().any(|line| line == "#![forbid(unsafe_code)]");
    missing.then(|| format!("{} lacks `#![forbid(unsafe_code)]`", file.path))
}

/// Each `unsafe` has a comment with `SAFETY` in the lines right above it, or the section `# Safety` in its docs.
fn explained_unsafe(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let explained = |index: usize| {
        let above = lines[..index].iter().rev().take_while(|line| is_comment_or_attribute(line));
        above.into_iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"))
    };
    let bare = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| has_word(&code(line), "unsafe") && !explained(*index));
    bare.map(|(index, _)| format!("{}:{}: `unsafe` without a `// SAFETY:` above it", file.path, index + 1))
        .collect()
}

fn is_comment_or_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with("#[")
}

/// A library leaves printing and the outside world to the program; its unit tests are free.
fn left_to_the_program(file: &File) -> Vec<String> {
    if file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let is_test = |line: &str| line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test,");
    let lines = numbered(file).take_while(|(_, line)| !is_test(line.trim()));
    let found = lines.filter_map(|(number, line)| {
        let code = code(line);
        let serves = |call: &str| call == "std::net" && file.path.starts_with(OPENS_SOCKETS);
        let (_, what) = NOT_FOR_LIBRARIES.iter().find(|(call, _)| code.contains(call) && !serves(call))?;
        Some(format!("{}:{number}: a library {what}; that is for the program", file.path))
    });
    found.collect()
}

pub fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// A line without its strings and its comment.
pub fn code(line: &str) -> String {
    let line = line.replace("'\"'", "' '").replace("\\\"", "");
    let outside: Vec<&str> = line.split('"').step_by(2).collect();
    let outside = outside.join("\"\"");
    outside.split("//").next().unwrap_or_default().to_string()
}

pub fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(name: &str, text: &str) -> usize {
        let manifest = "[lints]\nworkspace = true".parse().unwrap();
        let path = format!("crates/{name}/src/lib.rs");
        let sources = vec![File { path, text: text.into() }];
        check_crate(&Crate { name: name.into(), manifest, sources }).len()
    }

    const GOOD: &str = "//! A room.\n#![forbid(unsafe_code)]\n";

    #[test]
    fn a_plain_library_is_tidy() {
        assert_eq!(complaints("nuwa-clean", GOOD), 0);
        assert_eq!(complaints("nuwa-clean", "//! A room.\n"), 1, "unsafe is not forbidden");
        assert_eq!(complaints("nuwa-clean", "#![forbid(unsafe_code)]\n"), 1, "no header");
        assert_eq!(complaints("nuwa-tensor", "//! A room.\n"), 0);
    }

    #[test]
    fn a_library_does_not_print_or_look_around() {
        for bad in
            ["println!(\"a\");", "eprint!(\"a\");", "std::env::var(\"HOME\");", "use std::net::TcpStream;"]
        {
            assert_eq!(complaints("nuwa-clean", &format!("{GOOD}fn f() {{ {bad} }}\n")), 1, "{bad}");
        }
        for good in
            ["// println!(1)", "/// [`std::env::var`]", "let a = \"println!\";", "let b = env!(\"A\");"]
        {
            assert_eq!(complaints("nuwa-clean", &format!("{GOOD}{good}\n")), 0, "{good}");
        }
        assert_eq!(complaints("nuwa-clean", &format!("{GOOD}#[cfg(test)]\nmod tests {{ println!() }}\n")), 0);
    }

    #[test]
    fn unsafe_says_why_it_is_sound() {
        let check = |text: &str| complaints("nuwa-tensor", &format!("//! A room.\n{text}"));
        assert_eq!(check("unsafe { f() }"), 1);
        assert_eq!(check("// SAFETY: checked above,\n// and below.\nunsafe { f() }"), 0);
        assert_eq!(check("// SAFETY: far away.\nlet a = 1;\nunsafe { f() }"), 1);
        assert_eq!(check("/// # Safety\n///\n/// `a` is even.\n#[inline]\nunsafe fn f() {}"), 0);
        assert_eq!(check("// nothing unsafe here\nlet a = \"unsafe\";"), 0);
    }

    #[test]
    fn unfinished_work_is_found() {
        for mark in MARKS {
            assert_eq!(complaints("nuwa-clean", &format!("{GOOD}// {mark} later\n")), 1, "{mark}");
        }
    }
}
