//! Objectives of encoder-decoders: models learn by them, what is measured, and a killed run goes on.

use std::sync::Arc;

use nuwa_models::{Family, ModelConfig};
use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{Part, Shards};
use nuwa_tensor::Precision;
use nuwa_train::objectives::{
    Continuation, Infilling, InfillingTokens, Objective, SequenceTokens, SpanCorruption, Words,
};
use nuwa_train::plan::{Goal, Plan, Request, make};
use nuwa_train::{
    Hooks, Job, Loader, ModelSettings, PretrainSettings, Pretraining, SpanSettings, TrainEvent, Trainer,
    TrainerSettings, pretrain,
};

use crate::{VOCABULARY, World, settings};

const CONTEXT: usize = 32;
const TOKENS: SequenceTokens = SequenceTokens { start: 0, end: 0 };
/// Ids beyond those of the shards: a mask, and sentinels behind it.
const MASK: u32 = VOCABULARY as u32;
const SENTINELS: u32 = 8;

fn objectives() -> [Arc<dyn Objective>; 3] {
    let sentinels = (MASK + 1..MASK + 1 + SENTINELS).rev().collect();
    let infilling = InfillingTokens { sequence: TOKENS, mask: MASK, words: no_words() };
    [
        Arc::new(Continuation::new(TOKENS, 3)),
        Arc::new(SpanCorruption::new(SpanSettings::default(), TOKENS, sentinels, 3)),
        Arc::new(Infilling::new(SpanSettings::default(), infilling, 3)),
    ]
}

/// Those of a tokenizer of bytes, in which no id of the shards ends a sentence but that of a line break.
fn no_words() -> Words {
    let settings = nuwa_tokenizer::TrainSettings { vocab_size: 260, ..Default::default() };
    let text = "clay and water ".repeat(9);
    Words::new(&nuwa_tokenizer::train(std::iter::once(text), &settings, &mut |_| {}).unwrap())
}

fn configs() -> [ModelConfig; 3] {
    let vocabulary = MASK + 1 + SENTINELS;
    let post_norm = |model_type: &str, more: &str| {
        format!(
            r#"{{"model_type": "{model_type}", "vocab_size": {vocabulary}, "max_position_embeddings": {CONTEXT}, "d_model": 32,
                "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
                "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_start_token_id": 0, "eos_token_id": 0{more}}}"#
        )
    };
    let t5 = format!(
        r#"{{"model_type": "t5", "vocab_size": {vocabulary}, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1,
            "num_decoder_layers": 1, "num_heads": 2, "n_positions": {CONTEXT}, "decoder_start_token_id": 0}}"#
    );
    let all = [
        post_norm("marian", r#", "scale_embedding": true, "activation_function": "relu""#),
        t5,
        post_norm("bart", ""),
    ];
    all.map(|json| serde_json::from_str(&json).unwrap())
}

#[test]
fn each_family_learns_by_its_objective() {
    let world = World::new();
    for (config, objective) in configs().into_iter().zip(objectives()) {
        let loader = Loader::new(Shards::open(&world.shards(), Part::Train).unwrap(), CONTEXT, 3).unwrap();
        let mut steps = Pretraining::new(loader, objective, [4, 2]);
        let (optimizer, precision) = (OptimizerSettings::default(), Precision::F32);
        let settings = TrainerSettings { optimizer, precision, seed: 3, ..TrainerSettings::default() };
        let mut trainer = Trainer::new(nuwa_models::build(&config, 5).unwrap(), None, settings);
        trainer.set_schedule(Schedule {
            warmup: 10,
            ..Schedule::new(ScheduleKind::InverseSquareRoot, 1e-2, 60)
        });
        let held_out = Shards::open(&world.shards(), Part::Validation).unwrap();
        let measure =
            |trainer: &mut Trainer, steps: &Pretraining| steps.measure(trainer, &held_out, 1000).unwrap();
        let before = measure(&mut trainer, &steps);
        for step in 0..60 {
            let measured = trainer.step(&mut steps, step).unwrap().measured;
            let figure = measured.figures["target_loss"];
            assert!(
                (measured.loss - figure).abs() < 0.1 * figure,
                "two passes of about as many targets: {measured:?}"
            );
            assert_eq!(measured.tokens, 8 * CONTEXT as u64);
        }
        let after = measure(&mut trainer, &steps);
        assert!(after.loss < before.loss - 0.3, "{:?}: {} {}", config.family(), before.loss, after.loss);
        assert!((after.loss - after.figures["target_loss"]).abs() < 1e-9 && after.bits_per_byte.is_none());
        assert!((0.0..=1.0).contains(&after.figures["target_accuracy"]));
    }
}

fn plan(world: &World, settings: &PretrainSettings, objective: &Arc<dyn Objective>) -> Plan {
    let model = ModelSettings {
        family: Family::of("marian").unwrap(),
        width: Some(32),
        layers: Some(2),
        context: Some(CONTEXT),
        ..ModelSettings::default()
    };
    let request = Request {
        objective,
        whole: None,
        shards: &world.shards(),
        vocabulary: VOCABULARY,
        eos: Some(0),
        goal: Goal::Sizes { parameters: 20_000, tokens: 2_000 },
        afterwards: Default::default(),
        model: &model,
        given: None,
        pilot_seconds: None,
        pretrain: settings,
        memory: None,
        resident: None,
        seed: 3,
    };
    make(&request, &mut |_| {}).unwrap()
}

#[test]
fn a_killed_run_of_an_encoder_decoder_ends_with_the_same_bits() {
    let (world, settings) = (World::new(), settings());
    let objective: Arc<dyn Objective> = Arc::new(Continuation::new(TOKENS, 3));
    let plan = plan(&world, &settings, &objective);
    assert_eq!(plan.model.decoder_start(), Some(0));
    let run = |out: &str, kill_at: u64| {
        let out = world.folder.path().join(out);
        let (shards, mut done) = (world.shards(), 0);
        let job = Job {
            objective: &objective,
            shards: &shards,
            out: &out,
            plan: &plan,
            settings: &settings,
            eos: Some(0),
            seed: 3,
            init: None,
            clock: None,
        };
        let step = std::cell::Cell::new(0);
        let mut observe = |event: &TrainEvent| match event {
            TrainEvent::Started { done: before, .. } => done = *before,
            TrainEvent::Step(line) => step.set(line.step),
            _ => {}
        };
        let stop = || step.get() >= kill_at;
        let mut hooks = Hooks { observe: &mut observe, sample: &mut |_| None, stop: &stop };
        let trained = pretrain(&job, &mut hooks).map(|(model, _)| model.parameters().to_host());
        (trained.ok(), done)
    };
    let (whole, _) = run("whole", u64::MAX);
    assert!(run("killed", 5).0.is_none());
    let (resumed, done) = run("killed", u64::MAX);
    assert_eq!(done, 5);
    assert!(whole.is_some() && whole == resumed, "weights differ after resuming");
}
