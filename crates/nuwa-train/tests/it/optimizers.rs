//! Optimizers, schedules, regularisation, growing batches, batches that fit the memory, and starts, in whole runs.

use nuwa_nn::{InitialisationScheme, OptimizerKind, OptimizerSettings, ScheduleKind};
use nuwa_train::inside::LayerSizes;
use nuwa_train::plan::{Goal, Plan, Request, make};
use nuwa_train::{
    Figures, Hooks, Job, MicroBatch, ModelSettings, Parametrization, PretrainSettings, TrainEvent, pretrain,
};

use crate::{VOCABULARY, World, causal, settings};

const KINDS: [OptimizerKind; 5] = [
    OptimizerKind::AdamW,
    OptimizerKind::Muon,
    OptimizerKind::Lion,
    OptimizerKind::Adafactor,
    OptimizerKind::Sgd,
];

fn of_kind(kind: OptimizerKind) -> PretrainSettings {
    PretrainSettings { optimizer: OptimizerSettings { kind, ..OptimizerSettings::default() }, ..settings() }
}

/// The validation losses of a run, and the figures of its steps.
fn run(world: &World, out: &str, settings: &PretrainSettings) -> (Vec<f64>, Vec<(u64, Figures)>) {
    let (mut losses, mut steps) = (Vec::new(), Vec::new());
    world.train_watched(out, settings, &mut |event| match event {
        TrainEvent::Validated(line) => losses.push(line.validation_loss),
        TrainEvent::Step(line) => steps.push((line.tokens, line.figures.clone())),
        _ => {}
    });
    (losses, steps)
}

#[test]
fn every_optimizer_learns_at_the_rate_it_has_by_itself() {
    let world = World::new();
    for kind in KINDS {
        let (losses, _) = run(&world, kind.name(), &of_kind(kind));
        let [first, last] = [losses[0], losses[losses.len() - 1]];
        assert!(last < 0.9 * first, "{kind:?}: {losses:?}");
    }
}

#[test]
fn a_killed_run_of_every_optimizer_ends_with_the_same_bits() {
    let world = World::new();
    for kind in KINDS {
        let ramped = PretrainSettings {
            batch_ramp: 0.5,
            stochastic_depth: 0.2,
            label_smoothing: 0.1,
            z_loss: 1e-3,
            attention_dropout: Some(0.1),
            embedding_dropout: Some(0.2),
            ..of_kind(kind)
        };
        let [whole, killed] = ["whole", "killed"].map(|name| format!("{}-{name}", kind.name()));
        let expected = world.train(&whole, &ramped, None).unwrap();
        assert!(world.train(&killed, &ramped, Some(70)).is_none());
        assert!(expected == world.train(&killed, &ramped, None).unwrap(), "{kind:?}");
    }
}

#[test]
fn every_schedule_runs_to_its_end() {
    let world = World::new();
    for kind in
        [ScheduleKind::Linear, ScheduleKind::Constant, ScheduleKind::Cycles, ScheduleKind::WarmupStableDecay]
    {
        let settings = PretrainSettings { schedule: Some(kind), ..settings() };
        let (losses, _) = run(&world, &format!("{kind:?}"), &settings);
        assert!(losses[losses.len() - 1] < 0.9 * losses[0], "{kind:?}: {losses:?}");
    }
}

#[test]
fn a_growing_batch_sees_the_tokens_of_the_plan() {
    let world = World::new();
    let settings = PretrainSettings { batch_tokens: Some(256), batch_ramp: 0.5, ..settings() };
    let (_, steps) = run(&world, "ramp", &settings);
    let batches: Vec<u64> = steps.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(batches.is_sorted() && batches[0] < 100, "{batches:?}");
    assert_eq!(batches[batches.len() - 1], 256);
    let tokens = steps[steps.len() - 1].0;
    assert!((15_000..17_000).contains(&tokens), "{tokens}");
}

#[test]
fn l1_leaves_weights_that_are_exactly_zero() {
    let world = World::new();
    let with = |l1: f32| {
        let settings = PretrainSettings {
            optimizer: OptimizerSettings { l1, ..OptimizerSettings::default() },
            ..settings()
        };
        let weights = world.train(&format!("l1-{l1}"), &settings, None).unwrap();
        weights.iter().filter(|weight| **weight == 0.0).count()
    };
    let [without, with] = [0.0, 1.0].map(with);
    // Padding between parameters is 0 as well.
    assert!(with > without + 1000, "{without} {with}");
}

#[test]
fn what_happens_within_is_told_and_changes_nothing() {
    let world = World::new();
    let settings = PretrainSettings { batch_tokens: Some(128), ..settings() };
    let (_, steps) = run(&world, "told", &settings);
    let sizes = LayerSizes::from_figures(&steps[0].1).unwrap();
    assert_eq!((sizes.activations.len(), sizes.gradients.len(), sizes.weights.len()), (1, 1, 1));
    assert!(sizes.gradients[0] > 0.0 && sizes.weights[0] > 0.0, "{sizes:?}");
    assert!(steps[8].1.contains_key("noise_trace") && !steps[7].1.contains_key("noise_trace"));
}

fn plan(
    world: &World,
    model: &ModelSettings,
    pretrain: &PretrainSettings,
    memory: Option<u64>,
) -> nuwa_train::Result<Plan> {
    let request = Request {
        objective: &causal(),
        whole: None,
        shards: &world.shards(),
        vocabulary: VOCABULARY,
        eos: Some(0),
        goal: Goal::Sizes { parameters: 10_000, tokens: 16_000 },
        afterwards: Default::default(),
        model,
        given: None,
        pilot_seconds: None,
        pretrain,
        memory,
        resident: Some(0),
        seed: 3,
    };
    make(&request, &mut |_| {})
}

fn small() -> ModelSettings {
    ModelSettings { width: Some(32), layers: Some(2), context: Some(16), ..ModelSettings::default() }
}

#[test]
fn a_batch_that_fits_the_memory_is_found() {
    let world = World::new();
    let settings = PretrainSettings { batch_tokens: Some(8192), micro_batch: MicroBatch::Auto, ..settings() };
    let plenty = plan(&world, &small(), &settings, Some(1 << 40)).unwrap();
    assert_eq!((plenty.sequences, plenty.accumulation), (512, 1));
    let little = plan(&world, &small(), &settings, Some(30_000_000)).unwrap();
    assert!(little.sequences < 512 && little.accumulation > 1, "{little:?}");
    assert_eq!(little.batch_tokens(), plenty.batch_tokens());
    assert!(little.predicted.memory_bytes <= 30_000_000, "{little:?}");
}

#[test]
fn a_start_by_name_and_mup_train_and_are_refused_where_they_cannot() {
    let world = World::new();
    let with = |settings: ModelSettings| plan(&world, &settings, &settings_of_sizes(), None);
    let usual = with(small()).unwrap();
    let named = with(ModelSettings { initialisation: InitialisationScheme::Xavier, ..small() }).unwrap();
    let mup =
        with(ModelSettings { parametrization: Parametrization::Mup, mup_base_width: Some(8), ..small() })
            .unwrap();
    assert!(usual.start.rates(nuwa_models::build(&usual.model, 1).unwrap().parameters(), 32).is_empty());
    assert_ne!(usual.what_is_trained(), named.what_is_trained());
    let model = nuwa_models::build(&mup.model, 1).unwrap();
    assert!(mup.start.rates(model.parameters(), 32).contains(&0.25));
    let bert = ModelSettings {
        parametrization: Parametrization::Mup,
        family: nuwa_models::Family::Marian,
        ..small()
    };
    let told = with(bert).unwrap_err().to_string();
    assert!(told.contains("model.parametrization"), "{told}");
    let told = with(ModelSettings { initialisation_scale: Some(0.0), ..small() }).unwrap_err().to_string();
    assert_eq!(told, "model.initialisation_scale = 0: expected 0.01 to 100");
}

fn settings_of_sizes() -> PretrainSettings {
    PretrainSettings { batch_tokens: Some(64), ..PretrainSettings::default() }
}

#[test]
fn settings_out_of_range_are_named() {
    let told = [
        PretrainSettings { z_loss: -1.0, ..settings() },
        PretrainSettings { stochastic_depth: 1.0, ..settings() },
        PretrainSettings { batch_ramp: 2.0, ..settings() },
        PretrainSettings { cycles: 0, ..settings() },
        PretrainSettings {
            optimizer: OptimizerSettings { l1: -1.0, ..OptimizerSettings::default() },
            ..settings()
        },
    ]
    .map(|settings| settings.check().unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"), @r"
    pretrain.z_loss = -1: expected a number from 0 to 1
    pretrain.stochastic_depth = 1: expected a share from 0 to 0.9
    pretrain.batch_ramp = 2: expected a share from 0 to 1
    pretrain.cycles = 0: expected 1 to 1000
    pretrain.optimizer.l1 = -1: expected 0 or more
    ");
}

/// The size of what the last block gives after a few steps at one learning rate.
fn size_after_steps(world: &World, width: usize, parametrization: Parametrization) -> f32 {
    let model = ModelSettings {
        width: Some(width),
        layers: Some(2),
        context: Some(16),
        parametrization,
        mup_base_width: Some(32),
        ..ModelSettings::default()
    };
    let settings = PretrainSettings {
        learning_rate: Some(1e-2),
        warmup: 0.0,
        batch_tokens: Some(512),
        schedule: Some(ScheduleKind::Constant),
        precision: nuwa_train::PrecisionChoice::F32,
        ..settings()
    };
    let plan = plan_of_steps(world, &model, &settings);
    let out = world.folder.path().join(format!("{width}-{parametrization:?}"));
    let mut last = 0.0;
    let mut observe = |event: &TrainEvent| {
        if let TrainEvent::Step(line) = event {
            let sizes = LayerSizes::from_figures(&line.figures);
            last = sizes.map_or(last, |sizes| sizes.activations[1]);
        }
    };
    let shards = world.shards();
    let job = Job {
        objective: &causal(),
        shards: &shards,
        out: &out,
        plan: &plan,
        settings: &settings,
        eos: Some(0),
        seed: 3,
        init: None,
        clock: None,
    };
    let mut hooks = Hooks { observe: &mut observe, sample: &mut |_| None, stop: &|| false };
    pretrain(&job, &mut hooks).unwrap();
    last
}

/// A plan of nine steps, of which the last one tells what is within the model.
fn plan_of_steps(world: &World, model: &ModelSettings, pretrain: &PretrainSettings) -> Plan {
    let plan = plan(world, model, pretrain, None).unwrap();
    Plan { steps: 9, most_steps: 9, ..plan }
}

#[test]
fn the_coordinate_check_is_flat_with_mup_and_is_not_without() {
    let world = World::new();
    let grows = |parametrization| {
        let sizes = [32, 256].map(|width| size_after_steps(&world, width, parametrization));
        sizes[1] / sizes[0]
    };
    let [usual, mup] = [Parametrization::Standard, Parametrization::Mup].map(grows);
    assert!(mup < 1.5 && mup > 0.5, "{mup} {usual}");
    assert!(usual > 2.0 * mup, "{mup} {usual}");
}
