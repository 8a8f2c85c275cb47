//! Permutation language modelling from shards to weights: it is learnt, with a memory, and a killed run ends with the same bits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nuwa_models::Family;
use nuwa_tokenizer::{TrainSettings, train};
use nuwa_train::objectives::{self, Objective};
use nuwa_train::plan::{Goal, Plan, Request, make};
use nuwa_train::{
    Hooks, Job, ModelSettings, PermutationSettings, PretrainSettings, Summary, TrainEvent, pretrain,
};

use crate::{World, settings};

const SEED: u64 = 3;

/// An odd context, and before each text a memory.
fn with_memory() -> PretrainSettings {
    let permutation = PermutationSettings { memory: 10, ..PermutationSettings::default() };
    PretrainSettings { permutation, learning_rate: Some(1e-2), ..settings() }
}

/// The objective, and the tokens that it needs in all.
fn objective(settings: &PretrainSettings) -> (Arc<dyn Objective>, usize) {
    let text = std::iter::once("clay and water ".repeat(9));
    let tokenizer = train(text, &TrainSettings { vocab_size: 260, ..TrainSettings::default() }, &mut |_| {});
    let text = (&tokenizer.unwrap(), Path::new("shards"));
    let (tokenizer, objective) = objectives::of(Family::Xlnet.into(), text, settings, SEED).unwrap();
    (objective, tokenizer.vocab_size())
}

fn plan(world: &World, settings: &PretrainSettings) -> Plan {
    let (objective, vocabulary) = objective(settings);
    let model = ModelSettings {
        family: Family::Xlnet,
        width: Some(32),
        layers: Some(2),
        context: Some(21),
        ..ModelSettings::default()
    };
    let request = Request {
        objective: &objective,
        whole: None,
        shards: &world.shards(),
        vocabulary,
        eos: Some(0),
        goal: Goal::Sizes { parameters: 40_000, tokens: 32_000 },
        afterwards: Default::default(),
        model: &model,
        given: None,
        pilot_seconds: None,
        pretrain: settings,
        memory: None,
        resident: None,
        seed: SEED,
    };
    make(&request, &mut |_| {}).unwrap()
}

fn run(
    world: &World,
    out: &str,
    settings: &PretrainSettings,
    observe: &mut dyn FnMut(&TrainEvent),
) -> (Vec<f32>, Summary) {
    let (plan, out): (_, PathBuf) = (plan(world, settings), world.folder.path().join(out));
    let job = Job {
        objective: &objective(settings).0,
        shards: &world.shards(),
        out: &out,
        plan: &plan,
        settings,
        eos: Some(0),
        seed: SEED,
        init: None,
        clock: None,
    };
    let mut hooks = Hooks { observe, sample: &mut |_| None, stop: &|| false };
    let (model, summary) = pretrain(&job, &mut hooks).unwrap();
    (model.parameters().to_host(), summary)
}

#[test]
fn it_is_learnt_and_resumed_bit_for_bit() {
    let (world, settings) = (World::new(), with_memory());
    let mut first = None;
    let (whole, summary) = run(&world, "whole", &settings, &mut |event| {
        if let TrainEvent::Step(line) = event {
            first.get_or_insert(line.loss);
        }
    });
    // Each id follows from the one before it nine times in ten, and a uniform guess among 24 costs 3.2 nats.
    let loss = summary.figures["predicted_loss"];
    assert!(first.unwrap() > 5.0 && loss < 3.0, "from {first:?} to {loss}");
    assert!(summary.figures["predicted_accuracy"] > 0.1 && summary.bits_per_byte.is_none(), "{summary:?}");
    for kill_at in [40, 133] {
        let killed = std::panic::AssertUnwindSafe(|| {
            run(&world, "killed", &settings, &mut |event| {
                if let TrainEvent::Step(line) = event {
                    assert!(line.step != kill_at, "killed");
                }
            })
        });
        assert!(std::panic::catch_unwind(killed).is_err());
    }
    let (resumed, _) = run(&world, "killed", &settings, &mut |_| {});
    assert!(whole == resumed, "weights differ after resuming");
}

#[test]
fn a_run_with_another_memory_is_another_run() {
    let of = |memory: u32| {
        let permutation = PermutationSettings { memory, ..PermutationSettings::default() };
        objective(&PretrainSettings { permutation, ..settings() }).0.settings()
    };
    assert_ne!(of(0), of(10));
}
