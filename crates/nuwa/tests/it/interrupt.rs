//! Ctrl-C.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::building::{TINY, wait_for, weights};
use crate::support::{Place, story};
use crate::terminal::{Terminal, shown};

/// A build of a source whose name needs quotes, into a folder.
fn build(place: &Place, out: &str) -> Command {
    let mut command = place.command("build --from");
    command.arg("my story.txt").args(TINY.split_whitespace()).args(["--out", out]);
    command
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// The command that stands in a hint.
fn hinted(said: &str) -> &str {
    let hints: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once("same command again: "))
        .map(|(_, command)| command)
        .collect();
    assert_eq!(hints.len(), 1, "once: {said}");
    hints[0]
}

#[test]
fn training_stops_with_a_checkpoint_and_says_how_to_go_on() {
    let place = Place::new();
    place.write("my story.txt", story(1500));
    assert!(build(&place, "whole").output().unwrap().status.success());
    let mut child = build(&place, "stopped").stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("stopped/pretrain/metrics.jsonl"), 15);
    interrupt(&child);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(
        said.contains("interrupted after step ") && said.contains("of which a checkpoint is kept"),
        "{said}"
    );
    assert!(place.path("stopped/pretrain/checkpoint.bin").exists() && !said.contains("error:"), "{said}");

    let mut shell = Command::new("sh");
    shell.current_dir(place.path("")).arg("-c").arg(hinted(&said));
    let last = shell.output().unwrap();
    let told = String::from_utf8_lossy(&last.stderr);
    assert!(last.status.success() && told.contains("goes on after step"), "{told}");
    assert!(weights(&place, "stopped") == weights(&place, "whole"), "bit for bit");
}

#[test]
fn other_stages_stop_at_once_and_so_does_who_asks_twice() {
    let place = Place::new();
    place.write("my story.txt", story(1500));
    let mut child = build(&place, "run").stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("run/tokenizer/unfinished.json"), 1);
    interrupt(&child);
    interrupt(&child);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("\ninterrupted in ") && said.contains("finished stages are kept"), "{said}");
    assert!(hinted(&said).contains(" build --from 'my story.txt' --params"), "{said}");
    let listed = place.succeed("runs .").out;
    assert!(listed.contains("interrupted in ") && listed.contains("my story.txt"), "{listed}");
}

#[test]
fn at_a_terminal_the_view_goes_and_the_hint_stays() {
    let place = Place::new();
    place.write("my story.txt", story(1500));
    let mut command = build(&place, "run");
    let (mut child, screen) = Terminal::open().start(command.env("TERM", "xterm"));
    let reading = std::thread::spawn(move || shown(screen));
    wait_for(&place.path("run/pretrain/metrics.jsonl"), 15);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let shown = reading.join().unwrap();
    assert!(shown.contains("\rstopping after this step; Ctrl-C again stops at once"), "{shown}");
    let (_, last) = shown.rsplit_once("\u{1b}[J").unwrap();
    assert!(last.starts_with("interrupted after step ") && last.contains("\nhint: "), "{last}");
}
