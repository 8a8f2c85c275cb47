//! Training as a whole: accumulation, resuming, refusal of NaN, the plan, and the checkpoint's format.

mod batch_norm;
mod causal;
mod course;
mod optimizers;
mod permutation;
mod sequences;

use std::path::Path;
use std::sync::Arc;

use nuwa_files::Progress;
use nuwa_models::{Model, PresetName};
use nuwa_nn::{Optimizer, OptimizerKind, OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
use nuwa_tensor::{Precision, Random};
use nuwa_train::checkpoint::{self, Found};
use nuwa_train::objectives::{Causal, Objective};
use nuwa_train::plan::{Goal, Plan, Request, make};
use nuwa_train::{
    Error, Hooks, Job, Loader, ModelSettings, PrecisionChoice, PretrainSettings, Pretraining, Recompute,
    TrainEvent, Trainer, TrainerSettings, pretrain,
};

const VOCABULARY: usize = 24;

/// Documents of a language that can be learnt: each id follows from the one before it, nine times in ten.
fn write_shards(folder: &Path, part: Part, documents: u64) {
    let random = Random::new(9).named(part.stem());
    let mut writer = ShardWriter::create(folder, part, IdWidth::for_vocabulary(VOCABULARY), 100_000);
    for document in 0..documents {
        let random = random.stream(document);
        let mut ids = vec![1 + random.below(0, 23) as u32];
        for index in 1..60 {
            let last = ids[ids.len() - 1];
            let surprise = random.below(index, 10) == 0;
            ids.push(1 + (5 * last + if surprise { 7 } else { 0 }) % (VOCABULARY as u32 - 1));
        }
        ids.push(0);
        writer.push(&ids, &"x".repeat(120)).unwrap();
    }
    writer.finish().unwrap();
}

struct World {
    folder: tempfile::TempDir,
    model: ModelSettings,
}

fn small() -> ModelSettings {
    ModelSettings { width: Some(32), layers: Some(1), context: Some(16), ..ModelSettings::default() }
}

/// The next token, within documents.
fn causal() -> Arc<dyn Objective> {
    Arc::new(Causal { eos: Some(0) })
}

impl World {
    fn new() -> Self {
        Self::of(small())
    }

    fn of(model: ModelSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_shards(&folder.path().join("shards"), Part::Train, 40);
        write_shards(&folder.path().join("shards"), Part::Validation, 5);
        Self { folder, model }
    }

    fn shards(&self) -> std::path::PathBuf {
        self.folder.path().join("shards")
    }

    fn plan(&self, settings: &PretrainSettings, tokens: u64) -> Plan {
        let request = Request {
            objective: &causal(),
            whole: None,
            shards: &self.shards(),
            vocabulary: VOCABULARY,
            eos: Some(0),
            goal: Goal::Sizes { parameters: 10_000, tokens },
            afterwards: Default::default(),
            model: &self.model,
            given: None,
            pilot_seconds: None,
            pretrain: settings,
            memory: None,
            resident: None,
            seed: 3,
        };
        make(&request, &mut |_| {}).unwrap()
    }

    /// Trains, stopping by a panic in the observer after `kill_at` steps.
    fn train(&self, out: &str, settings: &PretrainSettings, kill_at: Option<u64>) -> Option<Vec<f32>> {
        let mut observe = |event: &TrainEvent| {
            if let (TrainEvent::Step(line), Some(kill_at)) = (event, kill_at) {
                assert!(line.step != kill_at, "killed");
            }
        };
        let run = std::panic::AssertUnwindSafe(|| self.train_watched(out, settings, &mut observe));
        std::panic::catch_unwind(run).ok()
    }

    fn train_watched(
        &self,
        out: &str,
        settings: &PretrainSettings,
        observe: &mut dyn FnMut(&TrainEvent),
    ) -> Vec<f32> {
        let (plan, out) = (self.plan(settings, 16_000), self.folder.path().join(out));
        let job = Job {
            objective: &causal(),
            shards: &self.shards(),
            out: &out,
            plan: &plan,
            settings,
            eos: Some(0),
            seed: 3,
            init: None,
            clock: None,
        };
        let mut hooks = Hooks { observe, sample: &mut |_| None, stop: &|| false };
        pretrain(&job, &mut hooks).unwrap().0.parameters().to_host()
    }
}

fn settings() -> PretrainSettings {
    PretrainSettings {
        batch_tokens: Some(64),
        dropout: Some(0.1),
        checkpoint_seconds: 0,
        ..PretrainSettings::default()
    }
}

#[test]
fn a_killed_run_ends_with_the_same_bits() {
    let world = World::new();
    let whole = world.train("whole", &settings(), None).unwrap();
    assert!(world.train("killed", &settings(), Some(40)).is_none());
    assert!(world.train("killed", &settings(), Some(133)).is_none());
    let resumed = world.train("killed", &settings(), None).unwrap();
    assert!(whole == resumed, "weights differ after resuming");
    let lines = |out: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(world.folder.path().join(out).join("metrics.jsonl")).unwrap();
        let without_times = |line: &str| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            for name in ["seconds", "tokens_per_second"] {
                value.as_object_mut().unwrap().remove(name);
            }
            value
        };
        text.lines().map(without_times).collect()
    };
    assert_eq!(lines("whole"), lines("killed"));
}

#[test]
fn a_run_that_is_asked_to_stop_keeps_its_last_step() {
    let world = World::new();
    let rarely = PretrainSettings { checkpoint_seconds: 3600, ..settings() };
    let whole = world.train("whole", &rarely, None).unwrap();
    let (plan, shards) = (world.plan(&rarely, 16_000), world.shards());
    let out = world.folder.path().join("stopped");
    let job = Job {
        objective: &causal(),
        shards: &shards,
        out: &out,
        plan: &plan,
        settings: &rarely,
        eos: Some(0),
        seed: 3,
        init: None,
        clock: None,
    };
    let stop_after = |steps: u64| {
        let done = std::cell::Cell::new(0);
        let mut observe = |event: &TrainEvent| {
            if let TrainEvent::Step(line) = event {
                done.set(line.step);
            }
        };
        let stop = || done.get() >= steps;
        let mut hooks = Hooks { observe: &mut observe, sample: &mut |_| None, stop: &stop };
        pretrain(&job, &mut hooks).map(|(model, _)| model.parameters().to_host())
    };
    for step in [7, 90] {
        let stopped = stop_after(step).unwrap_err();
        assert!(
            matches!(stopped, Error::Stopped { step: at, steps } if at == step && steps == plan.steps),
            "{stopped}"
        );
    }
    assert!(stop_after(plan.steps).unwrap() == whole, "weights differ after resuming");
}

#[test]
fn a_run_of_another_kind_keeps_what_an_earlier_one_left() {
    let world = World::new();
    let at = |name: &str| world.folder.path().join("run").join(name);
    let read = |name: &str| std::fs::read(at(name)).unwrap();
    assert!(world.train("run", &settings(), Some(40)).is_none());
    let (checkpoint, metrics) = (read("checkpoint.bin"), read("metrics.jsonl"));
    std::fs::create_dir(at("model")).unwrap();
    std::fs::write(at("model/config.json"), "hours").unwrap();
    let other = PretrainSettings { floor: 0.3, ..settings() };
    assert!(world.train("run", &other, Some(10)).is_none());
    assert_eq!((read("old/checkpoint.bin"), read("old/metrics.jsonl")), (checkpoint, metrics));
    assert_eq!(read("old/model/config.json"), b"hours");
    assert!(world.train("run", &other, Some(20)).is_none());
    assert!(!at("old-2").exists(), "the same run goes on");
    std::fs::remove_file(at("checkpoint.bin")).unwrap();
    let metrics = read("metrics.jsonl");
    assert!(world.train("run", &other, Some(3)).is_none());
    assert_eq!(read("old-2/metrics.jsonl"), metrics, "its checkpoint was deleted: it begins anew");
}

#[test]
fn damaged_validation_shards_are_an_error_and_absent_ones_are_not() {
    let world = World::new();
    let plan = world.plan(&settings(), 1000);
    let train = |out: &str| {
        let out = world.folder.path().join(out);
        let (settings, shards) = (settings(), world.shards());
        let (plan, settings) = (&plan, &settings);
        let (eos, seed) = (Some(0), 3);
        let objective = &causal();
        let shards = &shards;
        let (out, init, clock) = (&out, None, None);
        let job = Job { objective, shards, out, plan, settings, eos, seed, init, clock };
        let mut hooks = Hooks { observe: &mut |_| {}, sample: &mut |_| None, stop: &|| false };
        pretrain(&job, &mut hooks).map(|(_, summary)| summary.validation_loss)
    };
    assert!(train("whole").unwrap().is_some());
    let bytes = std::fs::read(world.shards().join("val-00000.bin")).unwrap();
    std::fs::write(world.shards().join("val-00000.bin"), &bytes[..bytes.len() - 2]).unwrap();
    let error = train("cut").unwrap_err();
    assert!(error.to_string().contains("val-00000.bin"), "{error}");
    std::fs::remove_file(world.shards().join("val-00000.bin")).unwrap();
    let error = train("lost").unwrap_err();
    assert!(error.to_string().contains("val-00000.bin: it is missing"), "{error}");
    std::fs::remove_file(world.shards().join("val-00000.idx")).unwrap();
    assert_eq!(train("absent").unwrap(), None);
}

#[test]
fn the_loss_falls_and_metrics_say_so() {
    let world = World::new();
    world.train("run", &settings(), None).unwrap();
    let text = std::fs::read_to_string(world.folder.path().join("run/metrics.jsonl")).unwrap();
    let values: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let validations: Vec<f64> = values.iter().filter_map(|v| v["validation_loss"].as_f64()).collect();
    assert_eq!(validations.len(), 11);
    assert!(validations[10] < 0.8 * validations[0], "{validations:?}");
    assert_eq!(values.iter().filter(|v| v["loss"].is_f64()).count(), 250);
}

fn trainer(world: &World, sizes: [usize; 2]) -> (Trainer, Pretraining) {
    let plan = world.plan(&settings(), 1000);
    let model = nuwa_models::build(&plan.model, 5).unwrap();
    let settings = TrainerSettings {
        optimizer: OptimizerSettings::default(),
        precision: Precision::F32,
        seed: 3,
        ..TrainerSettings::default()
    };
    let mut trainer = Trainer::new(model, None, settings);
    let kind = ScheduleKind::Cosine;
    trainer.set_schedule(Schedule { floor: 0.1, warmup: 2, ..Schedule::new(kind, 1e-2, 10) });
    let loader = Loader::new(Shards::open(&world.shards(), Part::Train).unwrap(), 16, 3).unwrap();
    (trainer, Pretraining::new(loader, causal(), sizes))
}

#[test]
fn accumulation_gives_the_step_of_the_whole_batch() {
    let world = World::new();
    let (mut whole, mut at_once) = trainer(&world, [6, 1]);
    let (mut parts, mut in_parts) = trainer(&world, [2, 3]);
    for step in 0..5 {
        let a = whole.step(&mut at_once, step).unwrap();
        let b = parts.step(&mut in_parts, step).unwrap();
        assert!((a.measured.loss - b.measured.loss).abs() < 1e-5, "step {step}: {a:?} {b:?}");
        assert!((a.gradient_norm / b.gradient_norm - 1.0).abs() < 1e-4, "step {step}: {a:?} {b:?}");
    }
    let (a, b) = (whole.parameters().to_host(), parts.parameters().to_host());
    let largest = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-4, "weights differ by {largest}");
}

#[test]
fn a_loss_that_is_not_a_number_is_refused_and_the_last_good_state_kept() {
    let world = World::new();
    let (mut trainer, mut objective) = trainer(&world, [2, 1]);
    trainer.step(&mut objective, 0).unwrap();
    let good = trainer.parameters().to_host();
    trainer.model().head().weight.set(|values| values[0] = f32::NAN);
    let error = trainer.step(&mut objective, 1).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 1, .. }), "{error}");
    let after = trainer.parameters().to_host();
    assert!(after.iter().zip(&good).skip(1).all(|(a, b)| a == b), "a refused step changed weights");
}

#[test]
fn checkpoints_are_checked() {
    let world = World::new();
    let (trainer, _) = trainer(&world, [2, 1]);
    let path = world.folder.path().join("checkpoint.bin");
    let header = checkpoint::Header {
        step: 7,
        seconds: 1.5,
        fingerprint: "abc".into(),
        elements: trainer.parameters().length(),
        optimizer_steps: 7,
        optimizer: Default::default(),
        course: Default::default(),
        first_validation: None,
        tokens: 0,
        companions: Vec::new(),
        state: Default::default(),
    };
    checkpoint::save(&path, &header, &[(trainer.parameters(), trainer.optimizer())]).unwrap();
    let load = |fingerprint: &str| {
        checkpoint::load(&path, fingerprint, &[(trainer.parameters(), trainer.optimizer())])
    };
    assert!(matches!(load("abc").unwrap(), Found::Checkpoint(found, _) if *found == header));
    assert!(matches!(load("another run").unwrap(), Found::Other));
    let lion = OptimizerSettings { kind: OptimizerKind::Lion, ..OptimizerSettings::default() };
    let lion = Optimizer::new(trainer.parameters(), &lion);
    let refused = checkpoint::load(&path, "abc", &[(trainer.parameters(), &lion)]).unwrap_err().to_string();
    let refused = refused.replace(&path.display().to_string(), "FILE");
    insta::assert_snapshot!(refused, @"FILE is not a usable checkpoint: it holds the state of adamw, the run trains by lion");

    let bytes = std::fs::read(&path).unwrap();
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load("abc").unwrap_err().to_string().replace(&path.display().to_string(), "FILE")
    };
    insta::assert_snapshot!(message(&bytes[..400]), @"FILE is not a usable checkpoint: it ends before its three blocks of 14272 numbers do");
    insta::assert_snapshot!(message(&bytes[..bytes.len() - 1]), @"FILE is not a usable checkpoint: it ends before its three blocks of 14272 numbers do");
    insta::assert_snapshot!(message(&[&bytes[..], &[0]].concat()), @"FILE is not a usable checkpoint: it goes on after its last block");
    insta::assert_snapshot!(message(b"PK\x03\x04 something else"), @"FILE is not a usable checkpoint: it does not begin with NUWACKPT");
    let mut newer = bytes.clone();
    newer[8] = 9;
    let mut older = bytes.clone();
    older[8] = 1;
    std::fs::write(&path, older).unwrap();
    assert!(matches!(load("abc").unwrap(), Found::Older(1)));
    insta::assert_snapshot!(message(&newer), @"FILE is not a usable checkpoint: its version is 9, this program reads 3");
}

/// The frozen sample of version 3: a checkpoint of a model of few numbers, written by hand to the format's description.
#[test]
fn version_3_of_the_checkpoint_stays_readable() {
    let config = r#"{"model_type":"gpt2","vocab_size":1,"n_positions":1,"n_embd":1,"n_layer":1,"n_head":1}"#;
    let model: Box<dyn Model> = nuwa_models::build(&serde_json::from_str(config).unwrap(), 1).unwrap();
    let elements = model.parameters().length();
    let json = r#"{"step":3,"seconds":0.5,"fingerprint":"f","elements":ELEMENTS,"optimizer_steps":3,"course":{"fall":
        {"start":0,"end":9},"best":{"step":2,"tokens":8,"validation_loss":1.5,"bits_per_byte":0.5},"worse":1,
        "ended":"planned"},"first_validation":null}"#;
    let json = json.replace("ELEMENTS", &elements.to_string());
    let mut bytes = b"NUWACKPT\x03\x00\x00\x00".to_vec();
    bytes.extend((json.len() as u32).to_le_bytes());
    bytes.extend(json.as_bytes());
    for value in 0..3 * elements {
        bytes.extend((value as f32).to_le_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.bin");
    std::fs::write(&path, bytes).unwrap();
    let optimizer = Optimizer::new(model.parameters(), &OptimizerSettings::default());
    let Found::Checkpoint(header, states) =
        checkpoint::load(&path, "f", &[(model.parameters(), &optimizer)]).unwrap()
    else {
        panic!("no checkpoint of this run");
    };
    let state = &states[0];
    assert_eq!((header.step, state.steps()), (3, 3));
    assert_eq!(header.course.best.unwrap().bits_per_byte(), Some(0.5));
    assert_eq!(model.parameters().to_host()[5], 5.0);
    let (mut first, mut second) = ([0.0], [0.0]);
    state.copy_first_to_host(0, &mut first);
    state.copy_second_to_host(1, &mut second);
    assert_eq!((first[0], second[0]), (elements as f32, (2 * elements + 1) as f32));
}

#[test]
fn a_checkpoint_of_an_older_format_is_named_and_kept_aside() {
    let world = World::new();
    assert!(world.train("run", &settings(), Some(40)).is_none());
    let path = world.folder.path().join("run/checkpoint.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let kept = std::cell::RefCell::new(Vec::new());
    world.train_watched("run", &settings(), &mut |event| {
        if let TrainEvent::Kept(one) = event {
            kept.borrow_mut()
                .push(one.to_string().replace(&world.folder.path().display().to_string(), "DIR"));
        }
    });
    insta::assert_snapshot!(kept.into_inner().join("\n"), @"an earlier run in DIR/run (checkpoint.bin, metrics.jsonl; its checkpoint has the older format 1) is kept as DIR/run/old");
    assert_eq!(std::fs::read(world.folder.path().join("run/old/checkpoint.bin")).unwrap(), bytes);
}

#[test]
fn sizes_give_the_same_plan_every_time() {
    let world = World::new();
    let without_times = |mut plan: Plan| {
        plan.pilot = None;
        plan.predicted.seconds = 0.0;
        plan
    };
    let plan = || without_times(world.plan(&PretrainSettings::default(), 20_000));
    assert_eq!(plan(), plan());
}

#[test]
fn a_budget_is_turned_into_a_plan_that_fits_it() {
    let world = World::new();
    let (model, pretrain) = (ModelSettings::default(), PretrainSettings::default());
    let shards = world.shards();
    write_shards(&shards, Part::Test, 5);
    let objective = causal();
    let request = |seconds: f64, memory: Option<u64>| Request {
        objective: &objective,
        whole: None,
        shards: &shards,
        vocabulary: VOCABULARY,
        eos: Some(0),
        goal: Goal::Seconds(seconds),
        afterwards: Default::default(),
        model: &model,
        given: None,
        pilot_seconds: None,
        pretrain: &pretrain,
        memory,
        resident: None,
        seed: 1,
    };
    let mut heard: Vec<Progress> = Vec::new();
    let plan = make(&request(6.0, None), &mut |progress| heard.push(progress)).unwrap();
    let whole = |unit: &str| {
        heard.iter().filter(|heard| heard.unit == unit && heard.total == Some(heard.done)).count()
    };
    assert!(whole("steps") == 2 && whole("seconds") >= 1, "{heard:?}");
    assert!(heard.iter().all(|heard| Some(heard.done) <= heard.total && heard.task == "trying the model"));
    assert!(plan.predicted.seconds < 6.0, "{plan:?}");
    assert!(plan.predicted.bits_per_byte.is_some() && plan.steps > 10, "{plan:?}");
    insta::assert_snapshot!(make(&request(0.5, None), &mut |_| {}).unwrap_err(), @"the budget leaves 0.5 s for training, too little for a useful run");
    let short = make(&request(6.0, Some(1_000)), &mut |_| {}).unwrap_err();
    assert!(matches!(short, Error::Memory { .. }), "{short}");
}

#[test]
fn memory_that_is_short_makes_blocks_compute_again() {
    let world = World::new();
    let shards = world.shards();
    let model =
        ModelSettings { width: Some(64), layers: Some(12), context: Some(64), ..ModelSettings::default() };
    let plan = |pretrain: &PretrainSettings, memory: u64| {
        let request = Request {
            objective: &causal(),
            whole: None,
            shards: &shards,
            vocabulary: VOCABULARY,
            eos: Some(0),
            goal: Goal::Sizes { parameters: 600_000, tokens: 6_000 },
            afterwards: Default::default(),
            model: &model,
            given: None,
            pilot_seconds: None,
            pretrain,
            memory: Some(memory),
            resident: None,
            seed: 1,
        };
        make(&request, &mut |_| {})
    };
    let usual = PretrainSettings {
        batch_tokens: Some(2048),
        precision: PrecisionChoice::F32,
        ..PretrainSettings::default()
    };
    let roomy = plan(&usual, 8_000_000_000).unwrap();
    assert!(!roomy.recompute);
    let short = plan(&usual, roomy.predicted.memory_bytes * 3 / 4).unwrap();
    assert!(short.recompute && short.predicted.memory_bytes < roomy.predicted.memory_bytes, "{short:?}");
    let never = PretrainSettings { recompute: Recompute::Off, ..usual };
    let refused = plan(&never, roomy.predicted.memory_bytes * 3 / 4).unwrap_err();
    assert!(matches!(refused, Error::Memory { .. }), "{refused}");
}

/// Before there is any text.
#[test]
fn a_preset_that_does_not_fit_names_the_largest_that_does() {
    let preset = PresetName::all().find(|name| name.to_string() == "gpt3-2.7b");
    let model = ModelSettings { preset, context: Some(256), ..ModelSettings::default() };
    let refused = |memory: u64| {
        let request = Request {
            objective: &causal(),
            whole: None,
            shards: Path::new("nowhere"),
            vocabulary: 8192,
            eos: None,
            goal: Goal::Sizes { parameters: 1, tokens: 1_000_000 },
            afterwards: Default::default(),
            model: &model,
            given: None,
            pilot_seconds: None,
            pretrain: &PretrainSettings { precision: PrecisionChoice::F32, ..PretrainSettings::default() },
            memory: Some(memory),
            resident: None,
            seed: 1,
        };
        nuwa_train::plan::check(&request).unwrap_err()
    };
    let told = refused(8_000_000_000).to_string();
    assert!(told.starts_with("training gpt3-2.7b needs about "), "{told}");
    assert!(told.contains(" GB of memory, 8.0 GB are free; the largest preset that fits is "), "{told}");
    let Error::PresetMemory { largest: Some(largest), .. } = refused(8_000_000_000) else { panic!("{told}") };
    let weights = largest.config(8192, Some(256), None).unwrap().size().parameters;
    assert!((200_000_000..500_000_000).contains(&weights), "{largest} has {weights}");
    let none = refused(1_000_000).to_string();
    assert!(none.ends_with("0.0 GB are free; no preset fits"), "{none}");
}

#[test]
fn a_corpus_shorter_than_one_sequence_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer =
        ShardWriter::create(folder.path(), Part::Train, IdWidth::for_vocabulary(VOCABULARY), 1000);
    writer.push(&[1, 2, 3, 0], "abc").unwrap();
    writer.finish().unwrap();
    let error = Loader::new(Shards::open(folder.path(), Part::Train).unwrap(), 16, 1).unwrap_err();
    insta::assert_snapshot!(error, @"the training text holds 4 tokens, one sequence needs 17");
    insta::assert_snapshot!(error.hint().unwrap(), @"give more text, or a shorter context: model.context = 64 (any even number from 8 on)");
}
