//! The objective of pretraining: what sees what, what is measured, and that threads change nothing.

use std::sync::Arc;

use nuwa_models::{Batch, ModelConfig, Targets, Text};
use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
use nuwa_tensor::Precision;
use nuwa_train::objectives::Causal;
use nuwa_train::{Loader, Pretraining, Trainer, TrainerSettings};

use crate::{VOCABULARY, World, settings};

const CONTEXT: usize = 16;

fn trainer(world: &World, precision: Precision) -> Trainer {
    trainer_of(&world.plan(&settings(), 1000).model, precision)
}

fn trainer_of(config: &ModelConfig, precision: Precision) -> Trainer {
    let model = nuwa_models::build(config, 5).unwrap();
    let optimizer = OptimizerSettings::default();
    let settings =
        TrainerSettings { optimizer, precision, dropout: 0.1, seed: 3, ..TrainerSettings::default() };
    let mut trainer = Trainer::new(model, None, settings);
    let kind = ScheduleKind::Cosine;
    trainer.set_schedule(Schedule { floor: 0.1, warmup: 2, ..Schedule::new(kind, 1e-2, 10) });
    trainer
}

fn objective(world: &World, eos: Option<u32>) -> Pretraining {
    let loader = Loader::new(Shards::open(&world.shards(), Part::Train).unwrap(), CONTEXT, 3).unwrap();
    Pretraining::new(loader, Arc::new(Causal { eos }), [3, 2])
}

/// The sum of the losses of a document that stands alone.
fn alone(trainer: &mut Trainer, ids: &[u32]) -> f64 {
    let (inputs, targets) = (ids[..ids.len() - 1].to_vec(), ids[1..].to_vec());
    let weights = vec![1.0; targets.len()];
    let batch = Batch::of_every_row(Text::causal(inputs, 1), targets, weights);
    trainer.losses(&batch).unwrap().into_iter().map(f64::from).sum()
}

#[test]
fn documents_see_themselves_alone_and_bits_are_those_of_their_bytes() {
    let world = World::new();
    let shards = world.folder.path().join("two");
    let mut writer = ShardWriter::create(&shards, Part::Test, IdWidth::for_vocabulary(VOCABULARY), 1000);
    writer.push(&[5, 6, 7, 8, 0], &"x".repeat(20)).unwrap();
    writer.push(&[9, 3, 4, 2, 0], &"x".repeat(10)).unwrap();
    writer.finish().unwrap();
    let shards = Shards::open(&shards, Part::Test).unwrap();
    let mut trainer = trainer(&world, Precision::F32);
    // The token that ends a document is the first position of the next one.
    let expected = alone(&mut trainer, &[5, 6, 7, 8, 0]) + alone(&mut trainer, &[0, 9, 3, 4, 2, 0]);
    let found = objective(&world, Some(0)).measure(&mut trainer, &shards, 1000).unwrap();
    assert_eq!(found.tokens, 9);
    assert!((found.loss * 9.0 - expected).abs() < 1e-4, "{found:?} {expected}");
    let bits = expected / std::f64::consts::LN_2 / 30.0;
    assert!((found.bits_per_byte.unwrap() - bits).abs() < 1e-5, "{found:?} {bits}");
    let across = objective(&world, None).measure(&mut trainer, &shards, 1000).unwrap();
    assert!((across.loss - found.loss).abs() > 1e-4, "without boundaries one sees the other: {across:?}");
}

#[test]
fn a_document_learns_nothing_from_the_one_before_it() {
    let world = World::new();
    let mut trainer = trainer(&world, Precision::F32);
    let mut gradient = |first: u32| {
        let source = Text::causal(vec![first, 6, 0, 9, 3], 1).within_documents(vec![0, 0, 2, 2, 2]);
        let targets = Targets { rows: Some(vec![3, 4]), ids: vec![3, 4], weights: vec![1.0; 2] };
        trainer.pass(&Batch { source, answer: None, targets, classes: None }, 0).unwrap();
        trainer.collect_gradient();
        let found = trainer.parameters().gradients_to_host();
        trainer.parameters().clear_gradients();
        found
    };
    assert!(gradient(5) == gradient(8), "the gradient depends on another document");
}

#[test]
fn the_number_of_threads_changes_no_bit_of_training() {
    let world = World::new();
    let plain = world.plan(&settings(), 1000).model;
    let experts: ModelConfig = serde_json::from_value(serde_json::json!({
        "model_type": "mixtral", "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": CONTEXT,
    }))
    .unwrap();
    let both = [&plain, &experts].map(|config| [(config, Precision::F32), (config, Precision::Bf16)]);
    for (config, precision) in both.into_iter().flatten() {
        let run = |threads: usize| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let (mut trainer, mut objective) =
                    (trainer_of(config, precision), objective(&world, Some(0)));
                for step in 0..4 {
                    trainer.step(&mut objective, step).unwrap();
                }
                trainer.parameters().to_host()
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5), "bits depend on the number of threads: {precision:?}");
    }
}
