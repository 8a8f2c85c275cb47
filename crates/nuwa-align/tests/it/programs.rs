//! Programs that score answers, good ones and bad.
#![cfg(unix)]

use std::time::{Duration, Instant};

use nuwa_align::Result;
use nuwa_align::data::{Record, prompt};
use nuwa_align::rules::{Judged, Rules};
use serde_json::json;

use crate::forms::file;

/// What a shell script makes of these answers, within so many seconds.
fn scores(script: &str, seconds: f64, answers: &[&str]) -> Result<Vec<Option<f32>>> {
    let (folder, path) = file(script, "judge.sh");
    let spec = format!("program@{seconds}:sh {}*1", path.display());
    let fields = json!({"prompt": "Where?", "answer": "Arlen", "kind": "fact"});
    let prompt = prompt(&Record::new((fields.as_object().unwrap().clone(), "prompts.jsonl:1".into())))?;
    let judged: Vec<Judged<'_>> =
        answers.iter().map(|answer| Judged { prompt: &prompt, answer, ended: true }).collect();
    let scores = Rules::parse(&[spec])?.scores(&judged);
    drop(folder);
    Ok(scores?.into_iter().map(|score| score.total).collect())
}

fn fails(script: &str, seconds: f64, answers: &[&str], parts: &[&str]) {
    let error = scores(script, seconds, answers).unwrap_err();
    let told = error.to_string();
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    assert!(error.hint().is_some());
}

const LONG: f64 = 30.0;

#[test]
fn a_program_reads_a_line_and_prints_a_number_for_each_answer() {
    let counts = "while read -r line; do case \"$line\" in *Corvo*) echo null;; *) echo 0.5;; esac; done";
    assert_eq!(scores(counts, LONG, &["Arlen", "Corvo", "a\nb"]).unwrap(), [Some(0.5), None, Some(0.5)]);
    assert_eq!(scores("exit 1", LONG, &[]).unwrap(), [], "without answers nothing is started");
    let looks = r#"read -r line; case "$line" in *'"answers":["Arlen"]'*'"ended":true'*'"kind":"fact"'*) echo 1;; *) echo 0;; esac"#;
    assert_eq!(scores(looks, LONG, &["x"]).unwrap(), [Some(1.0)]);
}

#[test]
fn more_than_fits_a_pipe_goes_through() {
    let long = "word ".repeat(100_000);
    let answers: Vec<&str> = vec![&long; 8];
    let script = "yes complaint | head -c 200000 >&2; while read -r line; do echo ${#line}; done";
    let lengths = scores(script, LONG, &answers).unwrap();
    assert!(lengths.iter().all(|length| length.unwrap() > 500_000.0), "{lengths:?}");
    assert_eq!(scores("echo 1", LONG, &[&long]).unwrap(), [Some(1.0)], "what it does not read is no matter");
}

#[test]
fn a_program_that_hangs_is_stopped_with_all_that_it_started() {
    for script in ["echo 1; echo looking >&2; sleep 600", "sleep 600 & wait", "exec >&- 2>&-; sleep 600"] {
        let began = Instant::now();
        fails(script, 0.5, &["a", "b"], &["did not end within 0.5 s and was stopped", "of 2 scores"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{script}");
    }
    fails("echo 1; echo looking >&2; sleep 600", 0.5, &["a", "b"], &["printed 1 of 2", "it said: looking"]);
}

#[test]
fn what_is_no_score_says_which_line_it_is() {
    fails("echo 1", LONG, &["a", "b"], &["it printed 1 lines for 2 answers"]);
    fails("echo 1; echo 2", LONG, &["a"], &["it printed 2 lines for 1 answers"]);
    fails("echo 1; echo NaN", LONG, &["a", "b"], &["line 2", "\"NaN\"", "finite number or null"]);
    fails("echo 1e300", LONG, &["a"], &["line 1", "\"1e300\""]);
    fails("echo good", LONG, &["a"], &["\"good\""]);
    fails("echo '\"1\"'", LONG, &["a"], &["expected a finite number"]);
    fails("yes 1", LONG, &["a"], &["it printed more than"]);
}

#[test]
fn a_program_that_fails_is_quoted() {
    fails(
        "echo 'no model' >&2; exit 3",
        LONG,
        &["a"],
        &["sh ended with exit status: 3", "it said: no model"],
    );
    fails("echo 1; kill -9 $$", LONG, &["a"], &["signal: 9"]);
    let spec = "program:/no/such/judge".to_string();
    let fields = json!({"prompt": "Where?"});
    let prompt = prompt(&Record::new((fields.as_object().unwrap().clone(), "p:1".into()))).unwrap();
    let judged = Judged { prompt: &prompt, answer: "a", ended: true };
    let error = Rules::parse(&[spec]).unwrap().scores(&[judged]).unwrap_err().to_string();
    assert!(error.contains("/no/such/judge could not be started"), "{error}");
}
