//! UniLM learns from pairs: accumulation, resumption, and what is learnt and written.

use nuwa_align::data::TextPair;
use nuwa_align::sequences::SequenceLimits;
use nuwa_align::{SequenceToSequence, SftSettings, TuningSettings, trainer, tune};
use nuwa_infer::{BeamSettings, MaskedWriter};
use nuwa_models::{Model, ModelConfig, build};
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};
use nuwa_train::objectives::Special;
use nuwa_train::{Steps, Trainer};

use crate::tuning::{job, whole_and_resumed};
use crate::{difference, exact, gradient};

fn tokenizer() -> Tokenizer {
    let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
    let tokenizer = train(std::iter::once("abcdef ".repeat(20)), &settings, &mut |_| {}).unwrap();
    tokenizer.with_special_tokens(&Special::NAMES).unwrap()
}

fn model() -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "unilm", "vocab_size": {}, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 16, "type_vocab_size": 6,
            "architectures": ["BertForMaskedLM"]}}"#,
        tokenizer().vocab_size()
    );
    build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), 4).unwrap()
}

/// Letters, and the same in capitals.
fn pairs(count: usize) -> Vec<TextPair> {
    let letters = ["x", "y", "z", "w"];
    let pair = |number: usize| {
        let source = [letters[number % 4], letters[number / 4 % 4], letters[number / 16 % 4]].concat();
        TextPair { target: source.to_uppercase(), source, place: format!("line {number}") }
    };
    (0..count).map(pair).collect()
}

fn settings() -> SftSettings {
    SftSettings { epochs: Some(2), batch_tokens: Some(1000), tuning: exact(), ..SftSettings::default() }
}

fn objective(settings: &SftSettings, count: usize) -> SequenceToSequence {
    let tokenizer = tokenizer();
    let limits = SequenceLimits::of(model().as_ref(), &tokenizer, 5).unwrap();
    SequenceToSequence::new(&tokenizer, &pairs(count), settings, limits, 5).unwrap()
}

fn made(settings: &SftSettings) -> Trainer {
    trainer(model(), None, &settings.tuning, 2)
}

#[test]
fn accumulating_small_batches_equals_one_large_one() {
    let run = |micro_batch_tokens: usize| {
        let settings = SftSettings { tuning: TuningSettings { micro_batch_tokens, ..exact() }, ..settings() };
        let mut trainer = made(&settings);
        let measured = objective(&settings, 12).step(&mut trainer, 0).unwrap();
        (measured, gradient(&mut trainer))
    };
    let (whole, gradient_of_whole) = run(1000);
    for micro_batch_tokens in [1, 40] {
        let (measured, gradient) = run(micro_batch_tokens);
        assert!((measured.loss - whole.loss).abs() < 1e-5, "{measured:?} {whole:?}");
        assert!(difference(&gradient, &gradient_of_whole) < 1e-5);
    }
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let tuning =
        TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), micro_batch_tokens: 30, ..exact() };
    let settings = SftSettings { batch_tokens: Some(60), tuning, ..settings() };
    let [whole, resumed] =
        whole_and_resumed(&settings.tuning, || (made(&settings), objective(&settings, 24)));
    assert!(difference(&whole, &model().parameters().to_host()) > 1e-3, "nothing was learnt");
    assert!(whole == resumed, "other weights after resuming");
}

#[test]
fn what_stands_beside_sources_is_learnt_and_written() {
    let settings = SftSettings { epochs: Some(150), batch_tokens: Some(200), ..settings() };
    let mut objective = objective(&settings, 64);
    let mut trainer = made(&settings);
    let out = tempfile::tempdir().unwrap();
    let before = objective.validate(&mut trainer).unwrap();
    let summary =
        tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut |_| {}).unwrap();
    assert!(summary.steps > 10 && before.is_none(), "too few pairs to hold any out");
    let writer = MaskedWriter::new(trainer.into_model(), tokenizer()).unwrap();
    let all = pairs(64);
    let sources: Vec<_> = all.iter().map(|pair| writer.source_ids(&pair.source).unwrap()).collect();
    let found = writer.answers(&sources, &BeamSettings::default(), None).unwrap();
    let is_right = |(pair, found): &(&TextPair, &Vec<nuwa_infer::Hypothesis>)| {
        writer.text_of(&found[0].tokens).unwrap() == pair.target && found[0].ended
    };
    let right = all.iter().zip(&found).filter(is_right).count();
    assert!(right >= 58, "{right} of 64 are written right");
}
