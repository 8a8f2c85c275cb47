//! The loop: accumulation, resumption, and what is learnt.

use std::sync::{Arc, Mutex};

use nuwa_align::{
    Dpo, DpoSettings, Error, Job, LoraAdapters, LoraSettings, RecordSteps, Sft, SftSettings, Summary,
    TuningSettings, trainer, tune,
};
use nuwa_nn::{Schedule, ScheduleKind};
use nuwa_train::{Measured, PrecisionChoice, Steps, TrainEvent, Trainer, remove_checkpoint};

use crate::{difference, exact, examples, gradient, load, sft_settings, tuned};

#[test]
fn accumulating_small_batches_equals_one_large_one() {
    let run = |micro_batch_tokens: usize| {
        let settings =
            SftSettings { tuning: TuningSettings { micro_batch_tokens, ..exact() }, ..sft_settings() };
        let mut trainer = tuned("llama");
        let mut sft = Sft::of_examples(examples(12), Vec::new(), &settings, 1).unwrap();
        let loss = sft.step(&mut trainer, 0).unwrap().loss;
        (loss, gradient(&mut trainer))
    };
    let (whole, gradient_of_whole) = run(1000);
    for micro_batch_tokens in [1, 15, 40] {
        let (loss, gradient) = run(micro_batch_tokens);
        assert!((loss - whole).abs() < 1e-6, "{loss} {whole}");
        assert!(difference(&gradient, &gradient_of_whole) < 1e-6);
    }
}

/// Examples do not see each other by batch norm either, whatever is packed beside them, and what its running statistics were in
/// pretraining they stay.
#[test]
fn batch_norm_is_that_of_use_in_fine_tuning() {
    let config = serde_json::from_str(
        r#"{"model_type": "custom", "vocab_size": 97, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "max_position_embeddings": 64, "custom": {"norm": "batch"}}"#,
    );
    let config: nuwa_models::ModelConfig = config.unwrap();
    let buffers = |trainer: &Trainer| -> Vec<Vec<f32>> {
        let own = trainer.model().parameters().iter().filter(|parameter| parameter.entry().is_buffer());
        own.map(|buffer| buffer.to_host()).collect()
    };
    let run = |micro_batch_tokens: usize, has_adapters: bool| {
        let model = nuwa_models::build(&config, 3).unwrap();
        for parameter in model.parameters().iter().filter(|parameter| parameter.entry().is_buffer()) {
            parameter.set(|values| values.iter_mut().for_each(|value| *value = 0.5 * *value + 0.01));
        }
        let lora = LoraSettings { rank: 4, ..LoraSettings::default() };
        let adapters = has_adapters.then(|| Arc::new(LoraAdapters::new(model.as_ref(), &lora, 1).unwrap()));
        let mut trainer = trainer(model, adapters, &exact(), 0);
        let settings =
            SftSettings { tuning: TuningSettings { micro_batch_tokens, ..exact() }, ..sft_settings() };
        let mut sft = Sft::of_examples(examples(12), Vec::new(), &settings, 1).unwrap();
        let before = buffers(&trainer);
        let loss = sft.step(&mut trainer, 0).unwrap().loss;
        let gradient = gradient(&mut trainer);
        trainer.set_schedule(Schedule::new(ScheduleKind::Constant, 1e-2, 2));
        trainer.step(&mut sft, 0).unwrap();
        assert_eq!(buffers(&trainer), before);
        (loss, gradient)
    };
    for has_adapters in [false, true] {
        let ((whole, of_whole), (loss, of_parts)) = (run(1000, has_adapters), run(15, has_adapters));
        assert!((loss - whole).abs() < 1e-6 && difference(&of_parts, &of_whole) < 1e-6);
        assert!(of_whole.iter().any(|slope| *slope != 0.0));
    }
}

#[test]
fn dpo_accumulates_alike() {
    let pairs: Vec<_> = examples(12).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
    let run = |micro_batch_tokens: usize| {
        let settings = DpoSettings {
            tuning: TuningSettings { micro_batch_tokens, ..exact() },
            ..DpoSettings::default()
        };
        let mut trainer = tuned("gpt2");
        let mut dpo = Dpo::of_pairs(pairs.clone(), Vec::new(), &settings, &mut trainer, 1).unwrap();
        let loss = dpo.step(&mut trainer, 0).unwrap().loss;
        (loss, gradient(&mut trainer))
    };
    let (whole, gradient_of_whole) = run(1000);
    assert!((whole - std::f64::consts::LN_2).abs() < 1e-5, "a model is its own reference: {whole}");
    let (loss, gradient) = run(20);
    assert!((loss - whole).abs() < 1e-6 && difference(&gradient, &gradient_of_whole) < 1e-6);
}

pub fn job<'a>(out: &'a std::path::Path, settings: &'a TuningSettings) -> Job<'a> {
    Job { out, settings, learning_rate: 1e-2, base: "", samples: 0, stop: || false }
}

fn sft(settings: &SftSettings) -> Sft {
    let mut all = examples(24);
    let held_out = all.split_off(20);
    Sft::of_examples(all, held_out, settings, 5).unwrap()
}

/// Breaks off after some steps, as a full disk or a kill would.
pub struct Breaking<O>(pub O, pub u64);

impl<O: RecordSteps> RecordSteps for Breaking<O> {
    fn count(&self) -> u64 {
        self.0.count()
    }
}

impl<O: RecordSteps> Steps for Breaking<O> {
    fn tokens(&self, step: u64) -> u64 {
        self.0.tokens(step)
    }
    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        match step == self.1 {
            true => Err(nuwa_train::Error::Steps("killed".into())),
            false => self.0.step(trainer, step),
        }
    }
    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        self.0.validate(trainer)
    }
    fn resumes_at(&self, step: u64) -> bool {
        self.0.resumes_at(step)
    }
    fn companions(&self) -> Vec<&Trainer> {
        self.0.companions()
    }
    fn companions_mut(&mut self) -> Vec<&mut Trainer> {
        self.0.companions_mut()
    }
    fn state(&self) -> serde_json::Value {
        self.0.state()
    }
    fn restore(&mut self, state: &serde_json::Value) {
        self.0.restore(state);
    }
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }
}

pub fn weights(trainer: &Trainer) -> Vec<f32> {
    trainer.model().parameters().to_host()
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let tuning = TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), ..exact() };
    let settings = SftSettings { batch_tokens: Some(40), epochs: Some(2), tuning, ..SftSettings::default() };
    let make = || trainer(load("llama"), None, &settings.tuning, 2);
    let run = |objective: &mut dyn RecordSteps, trainer: &mut Trainer, out: &std::path::Path| {
        let mut first = None;
        let result: Result<Summary, Error> =
            tune(&job(out, &settings.tuning), trainer, objective, &mut |event| {
                if let TrainEvent::Started { done, .. } = event {
                    first = Some(*done);
                }
            });
        (result, first.unwrap())
    };
    let whole = tempfile::tempdir().unwrap();
    let mut expected = make();
    let (summary, _) = run(&mut sft(&settings), &mut expected, whole.path());
    let summary = summary.unwrap();
    assert!(summary.steps > 6, "{}", summary.steps);

    let broken = tempfile::tempdir().unwrap();
    let (result, _) = run(&mut Breaking(sft(&settings), 3), &mut make(), broken.path());
    result.unwrap_err();
    let mut resumed = make();
    let (again, done) = run(&mut sft(&settings), &mut resumed, broken.path());
    let again = again.unwrap();
    assert_eq!(done, 3);
    assert_eq!(weights(&resumed), weights(&expected), "bit for bit");
    assert_eq!((again.before, again.after), (summary.before, summary.after));
    let metrics = |folder: &std::path::Path| {
        let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        text.lines().filter(|line| line.contains("learning_rate")).count()
    };
    assert_eq!(metrics(broken.path()), metrics(whole.path()));
    assert!(broken.path().join("checkpoint.bin").exists(), "until the model is written, it is all there is");
    remove_checkpoint(broken.path()).unwrap();
    assert!(!broken.path().join("checkpoint.bin").exists());
}

/// Runs an objective as a whole, and one that is killed after three steps and goes on; the weights of both.
pub fn whole_and_resumed<O: RecordSteps>(
    settings: &TuningSettings,
    make: impl Fn() -> (Trainer, O),
) -> [Vec<f32>; 2] {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut expected, mut objective) = make();
    tune(&job(whole.path(), settings), &mut expected, &mut objective, &mut |_| {}).unwrap();
    let (mut killed, objective) = make();
    let mut objective = Breaking(objective, 3);
    tune(&job(broken.path(), settings), &mut killed, &mut objective, &mut |_| {}).unwrap_err();
    let (mut resumed, mut objective) = make();
    let mut done = 0;
    let mut observe = |event: &TrainEvent| {
        if let TrainEvent::Started { done: before, .. } = event {
            done = *before;
        }
    };
    tune(&job(broken.path(), settings), &mut resumed, &mut objective, &mut observe).unwrap();
    assert_eq!(done, 3);
    [weights(&expected), weights(&resumed)]
}

#[test]
fn adapters_that_were_killed_go_on_as_if_they_had_not_been() {
    let tuning =
        TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), micro_batch_tokens: 15, ..exact() };
    let settings = SftSettings { batch_tokens: Some(40), epochs: Some(2), tuning, ..SftSettings::default() };
    let lora = LoraSettings { rank: 3, ..LoraSettings::default() };
    let [whole, resumed] = whole_and_resumed(&settings.tuning, || {
        let model = load("llama");
        let adapters = Arc::new(LoraAdapters::new(model.as_ref(), &lora, 1).unwrap());
        (trainer(model, Some(adapters), &settings.tuning, 2), sft(&settings))
    });
    assert!(difference(&whole, &load("llama").parameters().to_host()) > 1e-3, "nothing was learnt");
    assert!(whole == resumed, "other weights after resuming");
}

#[test]
fn preferences_that_were_killed_go_on_as_if_they_had_not_been() {
    let pairs: Vec<_> = examples(24).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
    for precision in [PrecisionChoice::F32, PrecisionChoice::Bf16] {
        let tuning = TuningSettings {
            checkpoint_seconds: 0,
            dropout: Some(0.1),
            micro_batch_tokens: 30,
            precision,
            ..exact()
        };
        let (epochs, batch_pairs) = (Some(2), Some(3));
        let settings = DpoSettings { epochs, batch_pairs, sft_weight: 0.1, tuning, ..DpoSettings::default() };
        let [whole, resumed] = whole_and_resumed(&settings.tuning, || {
            let mut trainer = trainer(load("llama"), None, &settings.tuning, 2);
            let dpo = Dpo::of_pairs(pairs.clone(), Vec::new(), &settings, &mut trainer, 5).unwrap();
            (trainer, dpo)
        });
        assert!(difference(&whole, &load("llama").parameters().to_host()) > 1e-3, "nothing was learnt");
        assert!(whole == resumed, "other weights after resuming: {precision:?}");
    }
}

/// Backward through attention of one long row, dropout and bf16 included.
#[test]
fn the_number_of_threads_changes_no_bit_of_tuning() {
    for precision in [PrecisionChoice::F32, PrecisionChoice::Bf16] {
        let tuning = TuningSettings { dropout: Some(0.1), precision, ..exact() };
        let settings =
            SftSettings { batch_tokens: Some(200), epochs: Some(2), tuning, ..SftSettings::default() };
        let run = |threads: usize| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let out = tempfile::tempdir().unwrap();
                let mut trainer = trainer(load("llama"), None, &settings.tuning, 2);
                let job = job(out.path(), &settings.tuning);
                tune(&job, &mut trainer, &mut sft(&settings), &mut |_| {}).unwrap();
                weights(&trainer)
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5), "bits depend on the number of threads: {precision:?}");
    }
}

#[test]
fn tuning_that_is_asked_to_stop_goes_on_where_it_stopped() {
    let out = tempfile::tempdir().unwrap();
    let tuning = TuningSettings { checkpoint_seconds: 3600, ..exact() };
    let settings = SftSettings { batch_tokens: Some(40), epochs: Some(2), tuning, ..SftSettings::default() };
    let run = |stop: fn() -> bool| {
        let mut trainer = trainer(load("llama"), None, &settings.tuning, 2);
        let job = Job { stop, ..job(out.path(), &settings.tuning) };
        let mut done = 0;
        let mut observe = |event: &TrainEvent| {
            if let TrainEvent::Started { done: before, .. } = event {
                done = *before;
            }
        };
        let result = tune(&job, &mut trainer, &mut sft(&settings), &mut observe);
        (done, result.map_err(|error| error.to_string()))
    };
    for before in [0, 1] {
        let (done, result) = run(|| true);
        let stopped = result.unwrap_err();
        assert_eq!(done, before);
        assert!(stopped.starts_with(&format!("training was stopped after step {}", before + 1)), "{stopped}");
    }
    let (done, result) = run(|| false);
    assert_eq!(done, 2);
    result.unwrap();
}

#[test]
fn a_run_with_other_settings_keeps_what_an_earlier_one_left() {
    let out = tempfile::tempdir().unwrap();
    let run = |epochs: u64, validations: u64, kill_at: u64| {
        let tuning = TuningSettings { checkpoint_seconds: 0, validations, ..exact() };
        let settings =
            SftSettings { batch_tokens: Some(40), epochs: Some(epochs), tuning, ..SftSettings::default() };
        let (mut done, mut kept) = (0, Vec::new());
        let mut trainer = trainer(load("llama"), None, &settings.tuning, 2);
        let mut observe = |event: &TrainEvent| match event {
            TrainEvent::Started { done: before, .. } => done = *before,
            TrainEvent::Kept(one) => kept.push(one.path.clone()),
            _ => {}
        };
        let mut objective = Breaking(sft(&settings), kill_at);
        let _ = tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut observe);
        (done, kept)
    };
    let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
    assert_eq!(run(2, 4, 3), (0, Vec::new()));
    assert_eq!(run(2, 9, 5), (3, Vec::new()), "how often is measured does not decide the outcome");
    let (checkpoint, metrics) = (read("checkpoint.bin"), read("metrics.jsonl"));
    std::fs::create_dir(out.path().join("model")).unwrap();
    std::fs::write(out.path().join("model/config.json"), "hours").unwrap();
    assert_eq!(run(3, 4, 2), (0, vec![out.path().join("old")]));
    assert_eq!((read("old/checkpoint.bin"), read("old/metrics.jsonl")), (checkpoint, metrics));
    assert_eq!(read("old/model/config.json"), b"hours");
    assert_eq!(run(4, 4, 2), (0, vec![out.path().join("old-2")]));
}

#[test]
fn answers_are_learnt_and_margins_rise() {
    let out = tempfile::tempdir().unwrap();
    let settings =
        SftSettings { epochs: Some(12), batch_tokens: Some(60), tuning: exact(), ..SftSettings::default() };
    let all = examples(12);
    let mut objective = Sft::of_examples(all.clone(), all, &settings, 5).unwrap();
    let mut trainer = tuned("gpt2");
    let summary =
        tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut |_| {}).unwrap();
    let (before, after) = (summary.before.unwrap(), summary.after.unwrap());
    assert!(after.validation_loss < before.validation_loss - 1.0, "{before:?} {after:?}");

    let pairs: Vec<_> = examples(12).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
    let settings =
        DpoSettings { epochs: Some(10), batch_pairs: Some(3), tuning: exact(), ..DpoSettings::default() };
    let mut objective = Dpo::of_pairs(pairs.clone(), pairs, &settings, &mut trainer, 5).unwrap();
    let out = tempfile::tempdir().unwrap();
    let job = job(out.path(), &settings.tuning);
    let summary = tune(&job, &mut trainer, &mut objective, &mut |_| {}).unwrap();
    let figures = [summary.before, summary.after].map(|line| line.unwrap().figures);
    assert_eq!(figures[0]["margin"], 0.0);
    assert!(figures[1]["margin"] > 0.5 && figures[1]["accuracy"] == 1.0, "{figures:?}");
}

/// Does best on what is held out after two steps.
struct Overfitting(Sft, Mutex<Vec<f32>>);

impl RecordSteps for Overfitting {
    fn count(&self) -> u64 {
        self.0.count()
    }
}

impl Steps for Overfitting {
    fn tokens(&self, step: u64) -> u64 {
        self.0.tokens(step)
    }
    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        self.0.step(trainer, step)
    }
    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let steps = trainer.optimizer().state().steps();
        if steps == 2 {
            *self.1.lock().unwrap() = weights(trainer);
        }
        let loss = (steps as f64 - 2.0).abs();
        Ok(Some(Measured { loss, ..Default::default() }))
    }
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }
}

#[test]
fn the_weights_that_did_best_are_the_result_after_a_kill_too() {
    let tuning = TuningSettings { checkpoint_seconds: 0, validations: 100, ..exact() };
    let settings = SftSettings { batch_tokens: Some(40), epochs: Some(1), tuning, ..SftSettings::default() };
    let objective = || Overfitting(sft(&settings), Default::default());
    let run = |objective: &mut dyn RecordSteps, trainer: &mut Trainer, out: &std::path::Path| {
        tune(&job(out, &settings.tuning), trainer, objective, &mut |_| {})
    };
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut first, mut best) = (tuned("llama"), objective());
    let summary = run(&mut best, &mut first, whole.path()).unwrap();
    assert_eq!((summary.kept_step, summary.after.unwrap().step), (Some(2), 2));
    assert!(summary.steps > 3, "{}", summary.steps);
    assert_eq!(weights(&first), *best.1.lock().unwrap());

    run(&mut Breaking(objective(), 3), &mut tuned("llama"), broken.path()).unwrap_err();
    let mut resumed = tuned("llama");
    run(&mut objective(), &mut resumed, broken.path()).unwrap();
    assert_eq!(weights(&resumed), weights(&first));
    remove_checkpoint(broken.path()).unwrap();
    assert!(!broken.path().join("best.bin").exists());
}
