//! The list of runs, and what is removed.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::Place;

/// A folder as a finished build leaves it, as far as a list looks.
fn finished(place: &Place, name: &str, source: &str) {
    let write = |file: &str, content: serde_json::Value| {
        place.write(&format!("runs/{name}/{file}"), content.to_string());
    };
    let source = place.path(source);
    place.write(&format!("runs/{name}/recipe.toml"), "seed = 0\n");
    write("source.json", json!({"sources": [{"path": source, "from_run": "../../book.txt"}]}));
    let basis = json!({"stage": "report", "version": "0.1.0", "format": 1, "inputs": {}, "settings": null, "seed": null});
    let mut manifest = basis.as_object().unwrap().clone();
    manifest.extend([
        ("started".into(), json!(1_709_210_000)),
        ("seconds".into(), json!(96.5)),
        ("outputs".into(), json!({})),
    ]);
    write("report/manifest.json", manifest.into());
    write("pretrain/pretrain.json", json!({"parameters": 991_744}));
    write(
        "eval/eval.json",
        json!({"tasks": {"language_modelling": {"metrics": {"bits_per_byte": {"value": 2.0804}}}}}),
    );
    place.write(&format!("runs/{name}/model/model.safetensors"), vec![0; 4_000_000]);
}

#[test]
fn runs_are_listed_with_their_figures() {
    let place = Place::new();
    assert_snapshot!(place.failure("runs"), @r"
    error: there is no folder runs
    hint: name the folder that runs lie in, or make a run first: nuwa build
    ");
    finished(&place, "book", "book.txt");
    place.write("runs/女娲/recipe.toml", "seed = 0\n").write("runs/女娲/source.json", r#"{"sources": []}"#);
    place.write("runs/女娲/clean/unfinished.json", "null").write("runs/notes/recipe.toml", "mine");
    let listed = place.succeed("runs").out;
    let of = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_string();
    let cells = |name: &str| {
        of(name).split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join("|")
    };
    assert_eq!(cells("run"), "run|state|bits/byte|answers|weights|on disk|date|from");
    assert_eq!(cells("book"), "book|finished|2.080|-|992k|4.0 MB|2024-02-29 12:34|book.txt");
    assert!(cells("女娲").starts_with("女娲|interrupted in clean|-|-|-|"), "{listed}");
    assert!(of("女娲").ends_with("the embedded world") && !listed.contains("notes"), "{listed}");
    let figures: serde_json::Value = serde_json::from_str(&place.succeed("runs --json").out).unwrap();
    let book = figures.as_array().unwrap().iter().find(|run| run["name"] == "book").unwrap();
    assert_eq!(
        (&book["state"], &book["parameters"], &book["changed"]),
        (&json!("finished"), &json!(991_744), &json!(1_709_210_096))
    );
    assert_eq!(figures[0]["state"], "interrupted", "the last one first");
    assert_eq!(figures[0]["stage"], "clean");
}

#[test]
fn only_runs_are_removed_and_only_when_it_was_said() {
    let place = Place::new();
    finished(&place, "book", "book.txt");
    finished(&place, "other", "book.txt");
    place.write("texts/recipe.toml", "seed = 0\n").write("texts/thesis.txt", "years of work");
    let root = place.path("").canonicalize().unwrap().display().to_string();
    let refused = |arguments: &str| place.failure(arguments).replace(root.trim_end_matches('/'), "ROOT");
    assert_snapshot!(refused("runs rm book"), @r"
    error: nobody is there to be asked whether to remove 1 run
    hint: add --yes to remove without being asked
    ");
    assert_snapshot!(refused("runs rm texts --yes"), @r"
    error: ROOT/texts is not the folder of a run, so it is not removed
    hint: nuwa runs lists the runs there are below runs/
    ");
    assert_snapshot!(refused("runs rm runs --yes"), @r"
    error: ROOT/runs is not the folder of a run, so it is not removed
    hint: nuwa runs lists the runs there are below runs/
    ");
    assert_snapshot!(refused("runs rm book bok --yes"), @r"
    error: there is no run bok
    hint: nuwa runs lists those there are below runs/
    ");
    place.write("runs/book/my notes.txt", "mine");
    assert_snapshot!(refused("runs rm book --yes"), @r"
    error: ROOT/runs/book holds what no build wrote: my notes.txt
    hint: move it away or remove it first, for example: mv 'ROOT/runs/book/my notes.txt' .
    ");
    std::fs::remove_file(place.path("runs/book/my notes.txt")).unwrap();
    let held = std::fs::File::create(place.path("runs/book/.lock")).unwrap();
    held.lock().unwrap();
    assert_snapshot!(refused("runs rm other book --yes"), @r"
    error: a build is working in ROOT/runs/book
    hint: wait until it ends, or stop it with Ctrl-C first
    ");
    assert!(place.path("runs/other").exists(), "all or none");
    drop(held);
    place.write("runs/book/pretrain.old-2/metrics.jsonl", "").write("runs/book/.writing-a.tmp", "");
    let answer = place.succeed("runs rm book runs/book other --yes");
    assert_eq!((answer.out.as_str(), answer.err.matches("removed ").count()), ("", 2), "{}", answer.err);
    assert!(!place.path("runs/book").exists() && !place.path("runs/other").exists());
    assert!(place.path("texts/thesis.txt").exists());
}

#[cfg(unix)]
#[test]
fn at_a_terminal_it_is_asked_first() {
    use std::io::Write;

    use crate::terminal::{Terminal, shown};

    let place = Place::new();
    finished(&place, "book", "book.txt");
    for (answer, remains) in [("\n", true), ("nein\n", true), ("y\n", false)] {
        let (mut child, mut screen) = Terminal::open().start(&mut place.command("runs rm book"));
        screen.write_all(answer.as_bytes()).unwrap();
        let shown = shown(screen);
        assert!(child.wait().unwrap().success() && shown.contains("remove it for ever? [y/N]"), "{shown}");
        assert_eq!(place.path("runs/book").exists(), remains, "{answer:?}: {shown}");
    }
}
