use std::path::PathBuf;

use super::*;

/// A made-up loss with a best learning rate of 1.5 times the usual one, that falls with size and tokens.
fn figure(trial: &Trial) -> f64 {
    let number = |key: &str, usual: f64| match trial.values.get(key) {
        Some(Value::Number(number)) => *number,
        _ => usual,
    };
    let rate = (number("learning_rate", 1.0) / 1.5).ln();
    let warmup = number("warmup", 0.05) - 0.08;
    let decay = (number("weight_decay", 0.1) / 0.2).ln();
    let law = 0.9 + 30.0 * (trial.parameters as f64).powf(-0.35) + 50.0 * (trial.tokens as f64).powf(-0.3);
    let noise = Random::new(trial.seed).uniform(trial.tokens) - 0.5;
    law + 0.05 * rate * rate + 2.0 * warmup * warmup + 0.004 * decay * decay + 0.002 * noise
}

fn line(trial: &Trial) -> TrialLine {
    let Trial { parameters, tokens, .. } = *trial;
    let rate = rate_of(&trial.values) as f32 * sizes::learning_rate(parameters);
    TrialLine {
        trial: trial.clone(),
        parameters,
        tokens,
        figure: Some(figure(trial)),
        learning_rate: rate,
        seconds: 1.0,
    }
}

fn usual() -> Search {
    Search {
        target: 10_000_000,
        target_tokens: 120_000_000,
        over: Dimension::usual(),
        tokens: 50_000_000,
        text: 1_000_000_000,
        seed: 1,
    }
}

fn log_in(folder: &tempfile::TempDir) -> (PathBuf, TrialLog) {
    let path = folder.path().join("trials.jsonl");
    let log = TrialLog::open(&path).unwrap();
    (path, log)
}

fn run(log: &mut TrialLog, stops_after: usize) -> Result<Findings, SearchError> {
    let mut left = stops_after;
    search(&usual(), log, &mut |trial| {
        if left == 0 {
            return Err(crate::Error::Stopped { step: 1, steps: 2 }.into());
        }
        left -= 1;
        Ok(line(trial))
    })
}

#[test]
fn a_search_finds_what_is_best_and_forecasts_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut log) = log_in(&folder);
    let found = run(&mut log, usize::MAX).unwrap();
    assert!((0.8..2.8).contains(&rate_of(&found.winner)), "{found:?}");
    assert!(found.is_better(), "{found:?}");
    let rate = found.learning_rate.unwrap();
    let truth = 1.5 * f64::from(sizes::learning_rate(10_000_000));
    assert!((rate.nearly_certain[0]..rate.nearly_certain[1]).contains(&truth), "{rate:?} {truth}");
    let loss = found.loss.unwrap();
    // What the recipe keeps, which is not the best there is.
    let target = Trial {
        stage: Stage::Sizes,
        parameters: 10_000_000,
        tokens: 120_000_000,
        seed: 9,
        values: found.winner,
    };
    let truth = figure(&target);
    assert!((loss.nearly_certain[0]..loss.nearly_certain[1]).contains(&truth), "{loss:?} {truth}");
    let spent: u64 = log.lines().iter().map(|line| line.tokens).sum();
    assert!((30_000_000..51_000_000).contains(&spent), "{spent}");
}

#[test]
fn a_search_that_was_killed_ends_as_one_that_was_not() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole_path, mut log) = log_in(&whole);
    let expected = run(&mut log, usize::MAX).unwrap();
    let path = killed.path().join("trials.jsonl");
    let mut found = None;
    for _ in 0..100 {
        let mut log = TrialLog::open(&path).unwrap();
        if let Ok(findings) = run(&mut log, 7) {
            found = Some(findings);
            break;
        }
        // Half a line, as a kill leaves it.
        let torn = [std::fs::read(&path).unwrap(), b"{\"trial\":{\"sta".to_vec()].concat();
        std::fs::write(&path, torn).unwrap();
    }
    assert_eq!(found, Some(expected));
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(whole_path).unwrap());
}

#[test]
fn another_search_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut log) = log_in(&folder);
    assert!(run(&mut log, 3).is_err());
    let mut log = TrialLog::open(&path).unwrap();
    let other = Search { seed: 2, ..usual() };
    let error = search(&other, &mut log, &mut |trial| Ok(line(trial))).unwrap_err();
    assert!(error.to_string().contains("line 1: not a trial of this search"), "{error}");
    std::fs::write(&path, "{}\n").unwrap();
    assert!(TrialLog::open(&path).unwrap_err().to_string().contains("line 1"));
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let refused = [
        Search { target: 100_000, ..usual() },
        Search { tokens: 1_000_000, ..usual() },
        Search { text: 1000, ..usual() },
        Search { over: ["warmup", "warmup"].map(|key| Dimension::parse(key).unwrap()).to_vec(), ..usual() },
    ];
    let told = refused.map(|search| search.extent().unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"), @r"
    a target of 100000 weights is too near to the smallest trials: expected at least 160000
    budget and text are enough for 1000000 tokens of training in all: the smallest search needs 6030000
    budget and text are enough for 100500 tokens of training in all: the smallest search needs 6030000
    warmup is searched twice
    ");
}
