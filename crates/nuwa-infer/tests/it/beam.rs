//! Beam search equals a search of everything, and what is answered depends on no other source.

use std::sync::Arc;

use nuwa_infer::{BeamSettings, Engine, Hypothesis};
use nuwa_models::{Batch, Context, Model, ModelConfig, SequencePair, build, losses};
use nuwa_tensor::Tape;
use nuwa_tokenizer::Tokenizer;

use crate::support::{self, argmax};

/// Ids of a vocabulary so small that all answers of a few tokens can be looked at; one of them ends an answer.
const SMALL: u32 = 5;
const END: u32 = 0;
const MOST: usize = 4;

fn decoder(seed: u64) -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {SMALL}, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.4, "max_position_embeddings": 16}}"#
    );
    build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), seed).unwrap()
}

fn families(vocabulary: usize) -> Vec<Box<dyn Model>> {
    let post_norm = |model_type: &str, more: &str| {
        format!(
            r#"{{"model_type": "{model_type}", "vocab_size": {vocabulary}, "max_position_embeddings": 24, "d_model": 16,
                "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
                "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 0, "eos_token_id": 0{more}}}"#
        )
    };
    let t5 = format!(
        r#"{{"model_type": "t5", "vocab_size": {vocabulary}, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2,
            "num_decoder_layers": 2, "num_heads": 4, "n_positions": 24, "decoder_start_token_id": 0}}"#
    );
    let all = [
        post_norm("marian", r#", "scale_embedding": true, "activation_function": "relu""#),
        t5,
        post_norm("bart", r#", "init_std": 0.5"#),
    ];
    all.iter().map(|json| build(&serde_json::from_str::<ModelConfig>(json).unwrap(), 3).unwrap()).collect()
}

/// A tokenizer of four letters, whose first id ends a text.
fn letters() -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"version": "1.0", "added_tokens": [{"id": 0, "content": "<end>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true}], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "truncation": null, "padding": null,
        "model": {"type": "BPE", "vocab": {"<end>": 0, "a": 1, "b": 2, "c": 3, "d": 4}, "merges": []}}"#;
    std::fs::write(folder.path().join("tokenizer.json"), json).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"eos_token": "<end>"}"#).unwrap();
    Tokenizer::load(folder.path()).unwrap()
}

/// Every answer of at most [`MOST`] tokens: those that end, and those that are cut off.
fn all_answers() -> Vec<Vec<u32>> {
    let (mut done, mut open) = (Vec::new(), vec![Vec::new()]);
    for _ in 0..MOST {
        let mut next = Vec::new();
        for answer in open {
            for id in 0..SMALL {
                let longer: Vec<u32> = [answer.as_slice(), &[id]].concat();
                if id == END { done.push(longer) } else { next.push(longer) }
            }
        }
        open = next;
    }
    done.extend(open);
    done
}

/// The best of all answers, given what each is worth.
fn best(penalty: f64, log_probability: impl Fn(&[u32]) -> f64) -> (Vec<u32>, f64) {
    let scored = all_answers().into_iter().map(|answer| {
        let score = log_probability(&answer) / ((5.0 + answer.len() as f64) / 6.0).powf(penalty);
        (answer, score)
    });
    scored.reduce(|best, other| if other.1 > best.1 { other } else { best }).unwrap()
}

fn wide(length_penalty: f64, early_stopping: bool) -> BeamSettings {
    BeamSettings { beams: 1000, length_penalty, early_stopping, returned: 1 }
}

/// An answer with its end.
fn whole(hypothesis: &Hypothesis) -> Vec<u32> {
    hypothesis.tokens.iter().copied().chain(hypothesis.ended.then_some(END)).collect()
}

const PENALTIES: [f64; 5] = [-1.0, 0.0, 0.6, 1.0, 3.0];

#[test]
fn the_widest_beam_of_a_decoder_equals_an_exhaustive_search() {
    for seed in 0..6 {
        let engine = Engine::new(decoder(seed), letters()).unwrap();
        let prompt = vec![1, 1 + (seed % 4) as u32, 3];
        let log_probability = |answer: &[u32]| {
            let ids = [&prompt[..], answer].concat();
            let window = nuwa_infer::Window { ids: &ids, scored_from: prompt.len() };
            -engine.score(&[window]).unwrap()[0].iter().map(|&nll| f64::from(nll)).sum::<f64>()
        };
        for penalty in PENALTIES {
            let (answer, score) = best(penalty, log_probability);
            let found = engine
                .beams(std::slice::from_ref(&prompt), &wide(penalty, false), MOST)
                .unwrap()
                .remove(0)
                .remove(0);
            assert_eq!(whole(&found), answer, "penalty {penalty}, seed {seed}");
            assert!((found.score - score).abs() < 1e-4, "{} {score}", found.score);
        }
    }
}

#[test]
fn the_widest_beam_of_an_encoder_decoder_equals_an_exhaustive_search() {
    for model in families(SMALL as usize) {
        let model: Arc<dyn Model> = model.into();
        let engine = Engine::of_any(Arc::clone(&model), letters()).unwrap();
        let source = engine.source_ids("adbc").unwrap();
        assert_eq!(source, [1, 4, 2, 3, END]);
        let log_probability = |answer: &[u32]| {
            let pair = SequencePair { source: source.clone(), answer: answer.to_vec() };
            let tape = Tape::inference();
            let found =
                losses(model.as_ref(), &Context::new(&tape), &Batch::of_pairs([&pair], 0, 1.0)).unwrap();
            -found.tokens.rows.iter().map(|&nll| f64::from(nll)).sum::<f64>()
        };
        for penalty in PENALTIES {
            let (answer, score) = best(penalty, log_probability);
            let found = engine
                .answers(std::slice::from_ref(&source), &wide(penalty, false), Some(MOST))
                .unwrap()
                .remove(0)
                .remove(0);
            assert_eq!(whole(&found), answer, "penalty {penalty}, {:?}", model.config().family());
            assert!((found.score - score).abs() < 1e-4, "{} {score}", found.score);
        }
    }
}

#[test]
fn several_hypotheses_come_in_order_and_each_once() {
    let engine = Engine::new(decoder(1), letters()).unwrap();
    let settings = BeamSettings { returned: 40, ..wide(0.6, false) };
    let found = engine.beams(&[vec![2, 3]], &settings, MOST).unwrap().remove(0);
    assert_eq!(found.len(), 40);
    assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    let mut answers: Vec<Vec<u32>> = found.iter().map(whole).collect();
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 40);
}

#[test]
fn a_beam_of_one_is_greedy() {
    let engine = support::engine(4);
    let settings = BeamSettings { beams: 1, early_stopping: true, ..BeamSettings::default() };
    let prompts: Vec<Vec<u32>> =
        (1..9_u32).map(|seed| (0..seed).map(|at| (at * 31 + seed) % 300).collect()).collect();
    let found = engine.beams(&prompts, &settings, 12).unwrap();
    let ends = engine.ends_of_text();
    for (prompt, found) in prompts.iter().zip(found) {
        let mut ids = prompt.clone();
        while ids.len() < prompt.len() + 12 {
            let logits = support::logits_without_cache(engine.model(), &ids);
            let writable =
                (0..logits.len()).filter(|id| engine.tokenizer().id_to_token(*id as u32).is_some());
            let masked: Vec<f32> = {
                let mut masked = vec![f32::MIN; logits.len()];
                writable.for_each(|id| masked[id] = logits[id]);
                masked
            };
            let id = argmax(&masked);
            if ends.contains(&id) {
                break;
            }
            ids.push(id);
        }
        assert_eq!(found[0].tokens, ids[prompt.len()..]);
    }
}

fn sources() -> Vec<Vec<u32>> {
    (0..23_u32)
        .map(|seed| (0..1 + seed % 7).map(|at| 1 + (at * 5 + seed) % 4).chain([END]).collect())
        .collect()
}

#[test]
fn an_answer_depends_on_no_other_source() {
    for model in families(SMALL as usize) {
        let engine = Engine::of_any(model, letters()).unwrap();
        let settings = BeamSettings { returned: 2, ..BeamSettings::default() };
        let together = engine.answers(&sources(), &settings, None).unwrap();
        for (source, found) in sources().into_iter().zip(&together) {
            let most = (source.len() + nuwa_infer::MORE_TOKENS).min(24);
            assert!(
                found.iter().all(|one| one.tokens.len() <= most && (one.ended || one.tokens.len() == most))
            );
            let alone = engine.answers(&[source], &settings, None).unwrap();
            assert_eq!(alone[0], *found, "to the last bit");
        }
    }
}

#[test]
fn what_a_beam_remembers_is_what_it_wrote() {
    for model in families(SMALL as usize) {
        let model: Arc<dyn Model> = model.into();
        let engine = Engine::of_any(Arc::clone(&model), letters()).unwrap();
        let settings = BeamSettings { returned: 4, ..BeamSettings::default() };
        for (source, found) in
            sources().into_iter().zip(engine.answers(&sources(), &settings, Some(8)).unwrap())
        {
            for hypothesis in found {
                let answer = whole(&hypothesis);
                let tape = Tape::inference();
                let pair = SequencePair { source: source.clone(), answer };
                let found =
                    losses(model.as_ref(), &Context::new(&tape), &Batch::of_pairs([&pair], 0, 1.0)).unwrap();
                let expected = -found.tokens.rows.iter().map(|&nll| f64::from(nll)).sum::<f64>();
                assert!((hypothesis.log_probability - expected).abs() < 1e-3, "{hypothesis:?} {expected}");
            }
        }
    }
}

#[test]
fn wrong_models_and_sources_are_refused() {
    let usual = BeamSettings::default();
    let decoder = Engine::new(decoder(1), letters()).unwrap();
    let problem = decoder.answers(&[vec![1, END]], &usual, None).unwrap_err().to_string();
    assert_eq!(problem, "the model predicts the next token from those before it, and cannot answer a source");
    assert!(decoder.beams(&[vec![1, 9]], &usual, 3).is_err(), "an unknown id");
    assert!(
        decoder.beams(&[vec![]], &usual, 3).is_err() && decoder.beams(&[vec![1; 17]], &usual, 3).is_err()
    );
    let engine = Engine::of_any(families(SMALL as usize).remove(0), letters()).unwrap();
    let problem = engine.beams(&[vec![1]], &usual, 3).unwrap_err().to_string();
    assert!(problem.contains("there is nothing to answer"), "{problem}");
    assert!(engine.answers(&[vec![]], &usual, None).is_err(), "an empty source");
    let problem = engine.answers(&[vec![1; 25]], &usual, None).unwrap_err().to_string();
    assert_eq!(problem, "the source has 25 tokens, but the model reads at most 24");
    let first = engine.first_source_ids(&"abcd".repeat(7)).unwrap();
    assert_eq!((first.len(), first[23]), (24, END));
    let none = engine.answers(&[vec![1, END]], &usual, Some(0)).unwrap().remove(0);
    assert!(none[0].tokens.is_empty() && !none[0].ended);
}

#[test]
fn weights_over_a_source_add_up_to_one_and_follow_it() {
    for model in families(SMALL as usize) {
        let engine = Engine::of_any(model, letters()).unwrap();
        // More rows than a head has places, so that they are looked at in several passes.
        let source = engine.source_ids("abcdabcadbca").unwrap();
        let weights = engine.alignment(&source, &[1, 2, 3, END]).unwrap();
        assert_eq!((weights.len(), weights[0].len()), (4, 13));
        for row in &weights {
            assert!(
                (row.iter().sum::<f32>() - 1.0).abs() < 1e-4 && row.iter().all(|weight| *weight > 0.0),
                "{row:?}"
            );
        }
        let other = engine.source_ids("abcdabcadbcd").unwrap();
        assert_ne!(weights, engine.alignment(&other, &[1, 2, 3, END]).unwrap());
        assert!(engine.alignment(&source, &[]).unwrap().is_empty());
    }
}
