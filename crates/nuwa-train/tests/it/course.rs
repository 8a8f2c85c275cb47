//! Runs against the clock, and runs that know their text by heart.

use std::path::Path;

use nuwa_nn::ScheduleKind;
use nuwa_shards::{IdWidth, Part, ShardWriter};
use nuwa_tensor::Random;
use nuwa_train::clock::{Afterwards, Clock};
use nuwa_train::course::Ended;
use nuwa_train::plan::Plan;
use nuwa_train::{Hooks, Job, PretrainSettings, Summary, TrainEvent, pretrain, remove_best};

use crate::{VOCABULARY, World, causal, settings, small};

/// A plan that leaves it to the clock when the rate falls.
fn clocked(world: &World, settings: &PretrainSettings) -> Plan {
    let plan = world.plan(settings, 16_000);
    Plan {
        schedule: ScheduleKind::WarmupStableDecay,
        clocked: true,
        most_steps: 1_000_000,
        validate_every: 10,
        ..plan
    }
}

fn run(
    world: &World,
    out: &str,
    plan: &Plan,
    settings: &PretrainSettings,
    clock: Option<Clock>,
    observe: &mut dyn FnMut(&TrainEvent),
) -> (Vec<f32>, Summary) {
    let (shards, out) = (world.shards(), world.folder.path().join(out));
    let job = Job {
        objective: &causal(),
        shards: &shards,
        out: &out,
        plan,
        settings,
        eos: Some(0),
        seed: 3,
        init: None,
        clock,
    };
    let (model, summary) =
        pretrain(&job, &mut Hooks { observe, sample: &mut |_| None, stop: &|| false }).unwrap();
    let weights = model.parameters().to_host();
    (weights, summary)
}

/// The plan that repeats a run without a clock.
fn repeated(plan: &Plan, summary: &Summary) -> Plan {
    let fall = summary.fall.unwrap();
    Plan { clocked: false, steps: fall.end, decay: fall.end - fall.start, ..plan.clone() }
}

fn a_second() -> Option<Clock> {
    Some(Clock { seconds: 1.0, afterwards: Afterwards { tokens: 100.0, seconds: 0.1 } })
}

/// Text that nothing can be learnt from but by heart.
fn write_noise(folder: &Path, part: Part, documents: u64) {
    let random = Random::new(7).named(part.stem());
    let mut writer = ShardWriter::create(folder, part, IdWidth::for_vocabulary(VOCABULARY), 100_000);
    for document in 0..documents {
        let random = random.stream(document);
        let mut ids: Vec<u32> = (0..60).map(|index| 1 + random.below(index, 23) as u32).collect();
        ids.push(0);
        writer.push(&ids, &"x".repeat(120)).unwrap();
    }
    writer.finish().unwrap();
}

fn noise() -> World {
    let folder = tempfile::tempdir().unwrap();
    for (part, documents) in [(Part::Train, 10), (Part::Validation, 6), (Part::Test, 6)] {
        write_noise(&folder.path().join("shards"), part, documents);
    }
    World { folder, model: small() }
}

#[test]
fn a_run_against_the_clock_is_repeated_without_it() {
    let world = World::new();
    let plan = clocked(&world, &settings());
    let (weights, summary) = run(&world, "clock", &plan, &settings(), a_second(), &mut |_| {});
    assert_ne!(summary.ended, Ended::Planned, "{summary:?}");
    let plan = repeated(&plan, &summary);
    let (again, repeated) = run(&world, "again", &plan, &settings(), None, &mut |_| {});
    assert!(weights == again, "other weights: {summary:?} {repeated:?}");
    assert_eq!((summary.fall, summary.kept_step), (repeated.fall, repeated.kept_step));
}

#[test]
fn a_fall_that_was_decided_survives_a_kill() {
    let world = World::new();
    let (plan, settings) = (clocked(&world, &settings()), settings());
    let mut decided = None;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&world, "run", &plan, &settings, a_second(), &mut |event| match event {
            TrainEvent::Falls { fall, .. } => decided = Some(*fall),
            TrainEvent::Step(_) => assert!(decided.is_none(), "killed"),
            _ => {}
        })
    }));
    assert!(killed.is_err() && decided.is_some());
    let long = Some(Clock { seconds: 1e9, ..a_second().unwrap() });
    let (weights, summary) = run(&world, "run", &plan, &settings, long, &mut |_| {});
    assert_eq!(summary.fall, decided);
    let (again, _) = run(&world, "again", &repeated(&plan, &summary), &settings, None, &mut |_| {});
    assert!(weights == again, "other weights: {summary:?}");
}

#[test]
fn what_is_known_by_heart_goes_back_to_the_best_model() {
    let world = noise();
    let settings = PretrainSettings { learning_rate: Some(1e-2), dropout: Some(0.0), ..settings() };
    let plan = clocked(&world, &settings);
    let mut losses = Vec::new();
    let mut went_back = false;
    let long = Some(Clock { seconds: 1e9, ..a_second().unwrap() });
    let (weights, summary) = run(&world, "run", &plan, &settings, long, &mut |event| match event {
        TrainEvent::Validated(line) => losses.push(line.validation_loss),
        TrainEvent::Falls { step, fall } => went_back = fall.start < *step,
        _ => {}
    });
    assert!(went_back && summary.ended == Ended::Validation, "{summary:?}");
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(summary.validation_loss.unwrap() <= losses[losses.len() - 1], "{losses:?}");
    assert!(summary.validation_loss.unwrap() - best < 0.05, "{summary:?} {losses:?}");
    let (again, repeated) = run(&world, "again", &repeated(&plan, &summary), &settings, None, &mut |_| {});
    assert!(weights == again, "other weights: {summary:?} {repeated:?}");

    let without = PretrainSettings { keep_best: false, ..settings };
    let plan = Plan { most_steps: 400, ..plan };
    let (_, to_the_end) = run(&world, "to the end", &plan, &without, long, &mut |_| {});
    assert!(to_the_end.steps == 400 && to_the_end.kept_step == 400, "{to_the_end:?}");
    assert!(to_the_end.bits_per_byte > summary.bits_per_byte, "{to_the_end:?} {summary:?}");
}

#[test]
fn a_planned_run_keeps_its_best_model_and_stops() {
    let world = noise();
    let settings = PretrainSettings { learning_rate: Some(1e-2), dropout: Some(0.0), ..settings() };
    let plan = world.plan(&settings, 30_000);
    let (_, summary) = run(&world, "run", &plan, &settings, None, &mut |_| {});
    assert!(summary.steps < plan.steps && summary.kept_step < summary.steps, "{summary:?}");
    assert_eq!(summary.ended, Ended::Validation);
    let best = world.folder.path().join("run/best.bin");
    assert!(best.exists(), "until the model is written, it is all there is of it");
    remove_best(&world.folder.path().join("run")).unwrap();
    assert!(!best.exists());
}
