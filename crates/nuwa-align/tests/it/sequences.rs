//! Sequence to sequence: accumulation, smoothing, resumption, and what is learnt.

use nuwa_align::data::{Columns, text_pairs};
use nuwa_align::sequences::PairForm;
use nuwa_align::{
    BadRecords, LoraSettings, SequenceToSequence, SftSettings, TuningSchedule, TuningSettings, trainer, tune,
};
use nuwa_models::{Batch, Model, ModelConfig, SequencePair, build};
use nuwa_tensor::Random;
use nuwa_train::{Steps, Trainer};

use crate::tuning::{job, weights, whole_and_resumed};
use crate::{difference, exact, gradient};

const START: u32 = 0;

fn model() -> Box<dyn Model> {
    let config = r#"{"model_type": "marian", "vocab_size": 13, "max_position_embeddings": 16, "d_model": 32, "encoder_layers": 1,
        "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64, "decoder_start_token_id": 0, "eos_token_id": 0, "scale_embedding": true,
        "activation_function": "relu"}"#;
    build(&serde_json::from_str::<ModelConfig>(config).unwrap(), 4).unwrap()
}

/// Sources of random ids, each to be written again with 1 and 2 changed for each other.
fn pairs(count: usize) -> Vec<SequencePair> {
    let random = Random::new(3);
    let pair = |index: usize| {
        let own = random.stream(index as u64);
        let length = 2 + own.below(0, 5);
        let mut source: Vec<u32> = (0..length).map(|at| 1 + own.below(1 + at, 12) as u32).collect();
        source.push(0);
        let changed = |id: &u32| if *id == 1 || *id == 2 { 3 - id } else { *id };
        SequencePair { answer: source.iter().map(changed).collect(), source }
    };
    (0..count).map(pair).collect()
}

fn settings() -> SftSettings {
    SftSettings { epochs: Some(2), batch_tokens: Some(1000), tuning: exact(), ..SftSettings::default() }
}

fn objective(settings: &SftSettings) -> SequenceToSequence {
    let mut all = pairs(24);
    let held_out = all.split_off(20);
    SequenceToSequence::of_pairs(all, held_out, PairForm::Decoded(START), settings, 5).unwrap()
}

fn made(settings: &SftSettings) -> Trainer {
    trainer(model(), None, &settings.tuning, 2)
}

#[test]
fn accumulating_small_batches_equals_one_large_one() {
    let run = |micro_batch_tokens: usize| {
        let settings = SftSettings { tuning: TuningSettings { micro_batch_tokens, ..exact() }, ..settings() };
        let mut trainer = made(&settings);
        trainer.set_label_smoothing(0.1);
        let measured = objective(&settings).step(&mut trainer, 0).unwrap();
        (measured, gradient(&mut trainer))
    };
    let (whole, gradient_of_whole) = run(1000);
    for micro_batch_tokens in [1, 40] {
        let (measured, gradient) = run(micro_batch_tokens);
        assert!((measured.loss - whole.loss).abs() < 1e-5, "{measured:?} {whole:?}");
        assert_eq!((&measured.figures, measured.tokens), (&whole.figures, whole.tokens));
        assert!(difference(&gradient, &gradient_of_whole) < 1e-5);
    }
}

#[test]
fn pairs_beside_each_other_change_nothing() {
    let mut trainer = made(&settings());
    let all = pairs(5);
    let together = trainer.losses(&Batch::of_pairs(&all, START, 1.0)).unwrap();
    let alone: Vec<f32> =
        all.iter().flat_map(|pair| trainer.losses(&Batch::of_pairs([pair], START, 1.0)).unwrap()).collect();
    assert!(difference(&together, &alone) < 1e-5, "{together:?} {alone:?}");
}

/// `(1 - s) nll + s mean of -log p`, from the likelihood of every token of the vocabulary.
#[test]
fn smoothing_is_that_of_the_paper_and_only_where_something_is_learnt() {
    let (mut trainer, pair) = (made(&settings()), pairs(1).remove(0));
    let batch = Batch::of_pairs([&pair], START, 1.0);
    let plain = trainer.losses(&batch).unwrap();
    let all: Vec<Vec<f32>> = (0..13)
        .map(|id| {
            let mut asked = batch.clone();
            asked.targets.ids.fill(id);
            trainer.losses(&asked).unwrap()
        })
        .collect();
    let mean = |row: usize| all.iter().map(|losses| losses[row]).sum::<f32>() / 13.0;
    let expected: f32 = plain.iter().enumerate().map(|(row, nll)| 0.9 * nll + 0.1 * mean(row)).sum();
    trainer.set_label_smoothing(0.1);
    assert_eq!(trainer.losses(&batch).unwrap(), plain, "what is measured is not smoothed");
    let smoothed = trainer.pass(&batch, 0).unwrap().total();
    assert!((smoothed - expected).abs() < 1e-4, "{smoothed} {expected}");
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    for schedule in [TuningSchedule::Cosine, TuningSchedule::InverseSquareRoot] {
        let tuning = TuningSettings {
            checkpoint_seconds: 0,
            dropout: Some(0.1),
            micro_batch_tokens: 30,
            warmup: 0.2,
            schedule,
            ..exact()
        };
        let settings = SftSettings { batch_tokens: Some(60), tuning, ..settings() };
        let [whole, resumed] = whole_and_resumed(&settings.tuning, || {
            let mut trainer = made(&settings);
            trainer.set_label_smoothing(0.1);
            (trainer, objective(&settings))
        });
        assert!(difference(&whole, &model().parameters().to_host()) > 1e-3, "nothing was learnt");
        assert!(whole == resumed, "other weights after resuming: {schedule:?}");
    }
}

#[test]
fn what_stands_beside_sources_is_learnt() {
    let settings = SftSettings { epochs: Some(12), batch_tokens: Some(200), ..settings() };
    let mut all = pairs(420);
    let held_out = all.split_off(400);
    let mut objective =
        SequenceToSequence::of_pairs(all, held_out, PairForm::Decoded(START), &settings, 5).unwrap();
    let mut trainer = made(&settings);
    trainer.set_label_smoothing(0.1);
    let out = tempfile::tempdir().unwrap();
    let summary =
        tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut |_| {}).unwrap();
    let accuracy = |line: Option<nuwa_train::ValidationLine>| line.unwrap().figures["accuracy"];
    let (before, after) = (accuracy(summary.before), accuracy(summary.after));
    assert!(before < 0.3 && after > 0.8, "{before} {after}");
    assert!(difference(&weights(&trainer), &model().parameters().to_host()) > 1e-3);
}

#[test]
fn records_name_their_sides() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        vec![path]
    };
    let columns = |pairs: &[(&str, &str)]| -> Columns {
        pairs.iter().map(|(usual, own)| (usual.to_string(), own.to_string())).collect()
    };
    let read = |paths: &[std::path::PathBuf], named: &[(&str, &str)]| {
        let (pairs, reading) = text_pairs(paths, &columns(named), BadRecords::Error).unwrap();
        (pairs.into_iter().map(|pair| (pair.source, pair.target)).collect::<Vec<_>>(), reading)
    };
    let one = |source: &str, target: &str| (source.to_string(), target.to_string());
    let table = file("a.csv", "source,target\none,一\n\"two, too\",二\nthree,\n");
    let (pairs, reading) = read(&table, &[]);
    assert_eq!(pairs, [one("one", "一"), one("two, too", "二")]);
    assert_eq!((reading.records, reading.skipped["its source or its target is empty"]), (3, 1));
    let table = file("b.tsv", "english\tchinese\none\t一\n");
    assert_eq!(read(&table, &[("source", "chinese"), ("target", "english")]).0, [one("一", "one")]);
    let of_languages = file("c.jsonl", "{\"id\": 1, \"translation\": {\"en\": \"one\", \"zh\": \"一\"}}\n");
    assert_eq!(read(&of_languages, &[("source", "en"), ("target", "zh")]).0, [one("one", "一")]);
}

#[test]
fn adapters_learn_from_pairs_too() {
    let lora = LoraSettings { rank: 2, ..LoraSettings::default() };
    let (settings, model) = (settings(), model());
    let adapters = std::sync::Arc::new(nuwa_align::LoraAdapters::new(model.as_ref(), &lora, 1).unwrap());
    let mut trainer = trainer(model, Some(adapters), &settings.tuning, 2);
    objective(&settings).step(&mut trainer, 0).unwrap();
    assert!(gradient(&mut trainer).iter().any(|slope| *slope != 0.0));
}
