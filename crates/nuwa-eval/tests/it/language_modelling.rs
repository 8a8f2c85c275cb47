//! Bits per byte and the like, against numbers worked out by hand.

use std::f64::consts::LN_2;

use nuwa_eval::language_modelling::{Settings, evaluate};
use nuwa_eval::{ErrorsOver, Scorer, TaskResult, TextError};
use nuwa_infer::{Engine, Window};

use crate::support::{ByHand, CONTEXT, VOCABULARY, engine, texts, tokenizer};

const LONG: &str =
    "Nuwa mended the sky with stones of five colours. 女娲炼五色石以补苍天。 The people slept.";

fn run(scorer: &dyn Scorer, documents: &[&str], settings: &Settings) -> TaskResult {
    evaluate(scorer, &mut texts(documents), settings, &mut |_| ()).unwrap()
}

fn value(result: &TaskResult, name: &str) -> f64 {
    result.metrics[name].value
}

fn near(got: f64, expected: f64) {
    assert!((got / expected - 1.0).abs() < 1e-5, "{got}, expected {expected}");
}

#[test]
fn a_uniform_model_needs_the_logarithm_of_its_vocabulary_for_each_token() {
    let engine = engine();
    engine.model().head().weight.set(|weights| weights.fill(0.0));
    let documents = ["clay", LONG, "天"];
    let result = run(&engine, &documents, &Settings::default());
    let tokens: usize = documents.iter().map(|text| engine.tokenizer().encode(text).unwrap().len()).sum();
    let bytes: usize = documents.iter().map(|text| text.len()).sum();
    let characters: usize = documents.iter().map(|text| text.chars().count()).sum();
    let bits = tokens as f64 * (VOCABULARY as f64).log2();
    near(value(&result, "perplexity"), VOCABULARY as f64);
    near(value(&result, "bits_per_byte"), bits / bytes as f64);
    near(value(&result, "bits_per_character"), bits / characters as f64);
    near(value(&result, "word_perplexity").ln(), bits * LN_2 / result.counts["words"] as f64);
    assert_eq!((result.n, result.counts["tokens"], result.counts["bytes"]), (3, tokens as u64, bytes as u64));
    assert!(result.metrics["perplexity"].stderr.unwrap() < 0.01, "every block costs the same a token");
    assert_eq!(result.warnings, []);
}

#[test]
fn windows_equal_a_pass_over_each_beginning() {
    let engine = engine();
    let stride = 5;
    let result = run(&engine, &[LONG], &Settings { context: 0, stride });
    let mut ids = vec![engine.tokenizer().eos().unwrap()];
    ids.extend(engine.tokenizer().encode(LONG).unwrap());
    let mut loss = 0.0;
    for place in 1..ids.len() {
        // The window that scores this place, found from the definition: blocks of 16, 5, 5, ...
        let block_end =
            if place <= CONTEXT { CONTEXT } else { CONTEXT + (place - CONTEXT).div_ceil(stride) * stride };
        let first = (block_end.min(ids.len() - 1)).saturating_sub(CONTEXT);
        let window = Window { ids: &ids[first..=place], scored_from: place - first };
        loss += f64::from(Engine::score(&engine, &[window]).unwrap()[0][0]);
    }
    near(value(&result, "bits_per_byte"), loss / LN_2 / LONG.len() as f64);
}

#[test]
fn the_cut_into_windows_changes_no_sum() {
    let documents = [LONG, "", "a", LONG];
    let whole = ByHand::new(tokenizer(300), 1000, |id| id as f32);
    let expected = run(&whole, &documents, &Settings::default());
    assert_eq!(expected.n, 3, "a text without tokens is not counted");
    for (context, stride) in [(1, 1), (2, 1), (7, 3), (16, 16), (40, 0)] {
        let scorer = ByHand::new(tokenizer(300), 64, |id| id as f32);
        let result = run(&scorer, &documents, &Settings { context, stride });
        near(value(&result, "bits_per_byte"), value(&expected, "bits_per_byte"));
        assert_eq!(result.counts, expected.counts);
        assert!(scorer.windows.borrow().iter().all(|&(length, _)| length <= context + 1));
    }
}

#[test]
fn tokenizers_of_different_sizes_compare_by_bytes() {
    // Each token costs one nat, so a byte costs as much as it takes tokens.
    let cost = |tokenizer: nuwa_tokenizer::Tokenizer| {
        let ids = tokenizer.encode(LONG).unwrap();
        let scorer = ByHand::new(tokenizer, 8, |_| 1.0);
        let result = run(&scorer, &[LONG], &Settings::default());
        near(value(&result, "bits_per_byte"), ids.len() as f64 / LN_2 / LONG.len() as f64);
        (ids.len(), value(&result, "bits_per_byte"))
    };
    let (more, dear) = cost(tokenizer(259));
    let (fewer, cheap) = cost(tokenizer(300));
    assert!(fewer < more);
    near(dear / cheap, more as f64 / fewer as f64);
}

#[test]
fn standard_errors_are_over_texts_when_there_are_enough() {
    let scorer = ByHand::new(tokenizer(259), 64, |id| (id % 7) as f32);
    let many: Vec<String> = (0..40).map(|i| format!("text {i} {}", "abcdefgh".repeat(i % 5))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let result = run(&scorer, &many, &Settings::default());
    assert_eq!(result.standard_errors, ErrorsOver::Texts(40));
    let losses: Vec<(f64, f64)> = many
        .iter()
        .map(|text| {
            let ids = scorer.tokenizer.encode(text).unwrap();
            (ids.iter().map(|id| f64::from(id % 7)).sum::<f64>() / LN_2, text.len() as f64)
        })
        .collect();
    let bytes: f64 = losses.iter().map(|(_, bytes)| bytes).sum();
    let ratio = losses.iter().map(|(bits, _)| bits).sum::<f64>() / bytes;
    let squares: f64 = losses.iter().map(|(bits, bytes)| (bits - ratio * bytes).powi(2)).sum();
    near(value(&result, "bits_per_byte"), ratio);
    near(result.metrics["bits_per_byte"].stderr.unwrap(), (squares * 40.0 / 39.0).sqrt() / bytes);

    let few = run(&scorer, &many[..3], &Settings { context: 8, stride: 4 });
    assert!(few.standard_errors.to_string().contains("blocks, as there are fewer than 30 texts"));
    assert!(few.metrics["bits_per_byte"].stderr.is_some());
    let one = run(&scorer, &["ab"], &Settings::default());
    assert_eq!(one.metrics["bits_per_byte"].stderr, None);
}

#[test]
fn the_json_has_the_form_of_eval_json() {
    let scorer = ByHand::new(tokenizer(259), 4, |_| 1.0);
    let result =
        nuwa_eval::evaluate(&scorer, "language_modelling", &mut texts(&[LONG, LONG]), Some(1), &mut |_| ());
    let json = serde_json::to_value(result.unwrap()).unwrap();
    assert_eq!((json["version"].as_u64(), json["n"].as_u64()), (Some(1), Some(1)));
    for name in ["bits_per_byte", "bits_per_character", "perplexity", "word_perplexity"] {
        assert!(json["metrics"][name]["value"].is_f64(), "{json}");
        assert!(json["metrics"][name]["stderr"].is_f64(), "{json}");
    }
    assert_eq!(serde_json::from_value::<TaskResult>(json.clone()).unwrap().data_hash, json["data_hash"]);
}

#[test]
fn a_word_as_long_as_the_text_has_no_perplexity_but_bits() {
    let scorer = ByHand::new(tokenizer(259), 64, |_| 9.0);
    let result = run(&scorer, &["x".repeat(200).as_str()], &Settings::default());
    assert!(!result.metrics.contains_key("word_perplexity"));
    near(value(&result, "bits_per_byte"), 9.0 / LN_2);
}

#[test]
fn more_texts_than_fit_one_pass_are_all_scored() {
    let scorer = ByHand::new(tokenizer(259), 64, |_| 1.0);
    let long = "mended ".repeat(4000);
    let documents: Vec<&str> = (0..3000).map(|i| if i == 1000 { long.as_str() } else { "clay" }).collect();
    let result = run(&scorer, &documents, &Settings::default());
    assert_eq!(result.counts["tokens"], 2999 * 4 + 28_000);
    near(value(&result, "bits_per_byte"), 1.0 / LN_2);
    assert!(scorer.calls.get() > 6 && scorer.calls.get() < 20, "{} calls", scorer.calls.get());
}

#[test]
fn progress_counts_tokens() {
    let scorer = ByHand::new(tokenizer(259), 64, |_| 1.0);
    let mut last = 0;
    evaluate(&scorer, &mut texts(&[LONG, "ab"]), &Settings::default(), &mut |progress| last = progress.done)
        .unwrap();
    assert_eq!(last as usize, LONG.len() + 2);
}

#[test]
fn nothing_to_evaluate_is_an_error() {
    let scorer = ByHand::new(tokenizer(259), 4, |_| 1.0);
    for documents in [&[][..], &["", ""][..]] {
        let error = evaluate(&scorer, &mut texts(documents), &Settings::default(), &mut |_| ()).unwrap_err();
        let expected =
            format!("nothing to evaluate on: the {} texts that were read hold no token", documents.len());
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }
}

#[test]
fn wrong_settings_tasks_and_readers_are_named() {
    let scorer = ByHand::new(tokenizer(259), 4, |_| 1.0);
    let of =
        |settings| evaluate(&scorer, &mut texts(&["a"]), &settings, &mut |_| ()).unwrap_err().to_string();
    assert_eq!(of(Settings { context: 5, stride: 0 }), "context = 5: expected at most 4");
    assert_eq!(of(Settings { context: 0, stride: 5 }), "stride = 5: expected at most 4");
    let unknown = nuwa_eval::evaluate(&scorer, "arc", &mut texts(&["a"]), None, &mut |_| ()).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no task \"arc\"");
    let mut broken = std::iter::once(Err(TextError::from("line 17 is no JSON")));
    let error = evaluate(&scorer, &mut broken, &Settings::default(), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "reading the texts failed: line 17 is no JSON");
}
