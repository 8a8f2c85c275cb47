//! Learning from rewards against `fixtures/align`, made by PyTorch from TRL's formulas, and against itself.

use std::path::Path;

use nuwa_align::data::Prompt;
use nuwa_align::pack::Example;
use nuwa_align::rl::advantages::KlEstimator;
use nuwa_align::rl::losses::{Averaging, Clip, RatioLevel, clipped, value_loss};
use nuwa_align::rl::policy::{log_probabilities, policy_pass};
use nuwa_align::rl::reward::Compared;
use nuwa_align::rl::values::{Asked, value_pass, values};
use nuwa_align::rl::{
    Actor, Grpo, GrpoSettings, Ppo, PpoSettings, Prompts, Reference, RewardModel, RewardSettings, Rewards,
    RolloutSettings, Scorer, Source,
};
use nuwa_align::rules::{Judged, Rule, Rules};
use nuwa_align::{LoraAdapters, LoraSettings, RecordSteps, TuningSettings, trainer, tune};
use nuwa_models::{Model, Scored};
use nuwa_tensor::{Objective, Precision};
use nuwa_tokenizer::{Message, Tokenizer, TrainSettings};
use nuwa_train::{Steps, Trainer};

use crate::golden::{Golden, golden, off};
use crate::tuning::{Breaking, job, weights};
use crate::{difference, exact, fixtures, tuned};

const MODELS: [&str; 2] = ["gpt2", "llama"];
const MICRO_BATCH: usize = 4096;

fn reward_trainer(name: &str) -> Trainer {
    let model = nuwa_format::scored_from(&fixtures().join("models").join(name), 0).unwrap();
    let head = model.score().unwrap().weight();
    head.set(|values| values.iter_mut().enumerate().for_each(|(k, value)| *value = 0.05 * (k as f32).sin()));
    trainer(Box::new(model), None, &exact(), 0)
}

/// `all` cut into the tokens of each answer.
fn per_answer(golden: &Golden, all: &[f32]) -> Vec<Vec<f32>> {
    let mut rest = all;
    let next = |answer: &Example| {
        let (own, others) = rest.split_at(answer.trained_tokens());
        rest = others;
        own.to_vec()
    };
    golden.examples.iter().map(next).collect()
}

fn expect(name: &str, what: &str, golden: &Golden, loss: f64, trainer: &mut Trainer) {
    let expected = golden.floats[&format!("{what}.loss")][0];
    assert!((loss as f32 - expected).abs() < 1e-5, "{name} {what}: {loss} {expected}");
    let off = off(trainer, golden, what);
    assert!(off < 1e-5, "{name} {what}: gradients differ by {off}");
}

#[test]
fn policies_learn_as_trl_has_it() {
    for name in MODELS {
        let golden = golden(&format!("rl_{name}"));
        let (old, reference) =
            (per_answer(&golden, &golden.floats["old"]), per_answer(&golden, &golden.floats["reference"]));
        let examples: Vec<&Example> = golden.examples.iter().collect();
        let tokens: usize = examples.iter().map(|example| example.trained_tokens()).sum();
        // All at one time, and one by one.
        for micro_batch in [MICRO_BATCH, 1] {
            let mut trainer = tuned(name);
            let ppo = |answer: usize, found: &[f32]| {
                let of = |(at, new): (usize, &f32)| {
                    let advantage = (1.3 * at as f32 + answer as f32).sin();
                    let own = clipped((new - old[answer][at]).exp(), advantage, Clip { low: 0.2, high: 0.2 });
                    (own.loss / tokens as f32, own.slope / tokens as f32)
                };
                found.iter().enumerate().map(of).collect()
            };
            let loss = policy_pass(&mut trainer, &examples, micro_batch, 0, ppo).unwrap();
            expect(name, "ppo", &golden, loss, &mut trainer);
            for (what, level) in [("grpo", RatioLevel::Token), ("gspo", RatioLevel::Sequence)] {
                let mut trainer = tuned(name);
                let weigh = |answer: usize, found: &[f32]| {
                    let advantage = [1.0, -0.5, 0.25, -1.0, 0.7, -0.2][answer];
                    let differences: Vec<f32> =
                        found.iter().zip(&old[answer]).map(|(new, old)| new - old).collect();
                    let weight = Averaging::Answers.weight(found.len(), examples.len(), tokens, 99);
                    let own = level.losses(&differences, advantage, Clip { low: 0.2, high: 0.28 });
                    let of = |(at, own): (usize, nuwa_align::rl::losses::Clipped)| {
                        let from = found[at] - reference[answer][at];
                        let (kl, slope) = (KlEstimator::K3.of(from), 1.0 - (-from).exp());
                        (weight * (own.loss + 0.04 * kl), weight * (own.slope + 0.04 * slope))
                    };
                    own.into_iter().enumerate().map(of).collect()
                };
                let loss = policy_pass(&mut trainer, &examples, micro_batch, 0, weigh).unwrap();
                expect(name, what, &golden, loss, &mut trainer);
            }
        }
    }
}

#[test]
fn values_and_rewards_are_read_and_learnt_as_transformers_and_trl_have_it() {
    for name in MODELS {
        let golden = golden(&format!("rl_{name}"));
        let examples: Vec<&Example> = golden.examples.iter().collect();
        let mut critic = reward_trainer(name);
        let states =
            values(&examples, Asked::States, MICRO_BATCH, |text, rows| critic.scores(text, rows)).unwrap();
        assert!(difference(&states.concat(), &golden.floats["values"]) < 1e-5, "{name}");
        let tokens: usize = examples.iter().map(|example| example.trained_tokens()).sum();
        let alone: Vec<Vec<usize>> = (0..examples.len()).map(|index| vec![index]).collect();
        let weigh = |indices: &[usize], found: &[Vec<f32>]| {
            let mut objective = Objective { value: 0.0, slopes: Vec::new() };
            for (&answer, found) in indices.iter().zip(found) {
                for (at, &value) in found[..found.len() - 1].iter().enumerate() {
                    let old = states[answer][at] + 0.3 * (at as f32).sin();
                    let own = value_loss(value, old, (0.7 * at as f32 + answer as f32).cos(), 0.2);
                    objective.value += own.loss / tokens as f32;
                    objective.slopes.push(own.slope / tokens as f32);
                }
                objective.slopes.push(0.0);
            }
            objective
        };
        for micro_batch in [MICRO_BATCH, 1] {
            let mut critic = reward_trainer(name);
            let asked = (&alone[..], Asked::States);
            let loss = value_pass(&mut critic, &examples, asked, micro_batch, 0, weigh).unwrap();
            expect(name, "value", &golden, loss, &mut critic);
            let mut model = reward_trainer(name);
            let mut objective = reward_model(&golden, micro_batch);
            let measured = objective.step(&mut model, 0).unwrap();
            expect(name, "reward", &golden, measured.loss, &mut model);
        }
    }
}

fn reward_model(golden: &Golden, micro_batch_tokens: usize) -> RewardModel {
    let compared = |pair: &[Example]| Compared { answers: pair.to_vec(), pairs: vec![(0, 1, 0.5)] };
    let settings = RewardSettings {
        epochs: Some(2),
        batch_prompts: Some(16),
        tuning: TuningSettings { micro_batch_tokens, ..exact() },
        ..RewardSettings::default()
    };
    let all = golden.examples.chunks_exact(2).map(compared).collect();
    RewardModel::of_compared(all, Vec::new(), &settings, 0).unwrap()
}

#[test]
fn a_reward_model_comes_back_from_its_folder_with_the_same_scores() {
    let tokenizer = tokenizer();
    for name in MODELS {
        let folder = tempfile::tempdir().unwrap();
        let mut before = reward_trainer(name);
        nuwa_format::save_scored(before.model(), &tokenizer, folder.path()).unwrap();
        assert!(nuwa_format::is_scored(folder.path()).unwrap());
        let loaded: Scored = nuwa_format::load_scored(folder.path()).unwrap();
        let mut after = trainer(Box::new(loaded), None, &exact(), 0);
        let example = Example::of(vec![1, 2, 3, 4], vec![false, false, true, true]);
        let score = |trainer: &mut Trainer| {
            values(&[&example], Asked::Last, 99, |text, rows| trainer.scores(text, rows)).unwrap()
        };
        assert_eq!(score(&mut before), score(&mut after));
        let told = nuwa_format::load_model(folder.path()).map(drop).unwrap_err().to_string();
        assert!(told.ends_with("holds a reward model: it scores answers and writes none"), "{told}");
        let told = nuwa_format::scored_from(folder.path(), 0).map(drop).unwrap_err();
        assert!(told.hint().is_some());
        let told = nuwa_format::load_scored(&fixtures().join("models").join(name)).map(drop).unwrap_err();
        assert!(told.to_string().ends_with("its weights have no score.weight"), "{told}");
    }
}

/// Letters, each a token, and a chat template of ids alone.
fn tokenizer() -> Tokenizer {
    let settings = TrainSettings { vocab_size: 265, ..TrainSettings::default() };
    nuwa_tokenizer::train(std::iter::once("ab cd ef gh ".repeat(20)), &settings, &mut |_| {}).unwrap()
}

fn policy(tokenizer: &Tokenizer) -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}}"#,
        tokenizer.vocab_size()
    );
    nuwa_models::build(&serde_json::from_str(&config).unwrap(), 3).unwrap()
}

fn prompts(tokenizer: &Tokenizer, questions: &[&str]) -> Prompts {
    let prompt = |question: &&str| Prompt {
        messages: vec![Message::new("user", *question)],
        answers: Vec::new(),
        fields: serde_json::Map::new(),
        place: "here".into(),
    };
    Prompts::new(tokenizer, questions.iter().map(prompt).collect(), 64, 6).unwrap()
}

/// Answers of fewer tokens are better.
#[derive(Debug)]
struct Short;

impl Rule for Short {
    fn name(&self) -> String {
        "short".into()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> nuwa_align::Result<Vec<Option<f32>>> {
        let score = |one: &Judged<'_>| -0.1 * one.answer.len() as f32 + if one.ended { 1.0 } else { 0.0 };
        Ok(judged.iter().map(|one| Some(score(one))).collect())
    }
}

fn source(trainer: &Trainer, tokenizer: &Tokenizer, adapted: bool) -> Source {
    let mut rules = Rules::default();
    rules.push(Box::new(Short), 1.0);
    let scored = Scored::new(&trainer.model().config(), 1, 5).unwrap();
    Source {
        prompts: prompts(tokenizer, &["ab", "cd", "ef", "gh", "ab cd"]),
        held_out: prompts(tokenizer, &["ef gh", "gh ab"]),
        actor: Actor::new(trainer.model(), tokenizer.clone(), 6, 1).unwrap(),
        rewards: Rewards {
            model: Some(Scorer::new(scored, Precision::F32, 30)),
            rules: Some(rules),
            truth: Some(Box::new(Short)),
        },
        reference: Some(Reference::of(trainer, adapted, Precision::F32).unwrap()),
        micro_batch: 40,
        seed: 7,
    }
}

fn rollouts() -> RolloutSettings {
    RolloutSettings { rounds: 3, answers: 8, epochs: 2, minibatches: 2, ..RolloutSettings::default() }
}

fn tuning() -> TuningSettings {
    TuningSettings { checkpoint_seconds: 0, keep_best: false, micro_batch_tokens: 40, ..exact() }
}

/// A policy in training, with adapters or without.
fn policy_trainer(tokenizer: &Tokenizer, lora: bool) -> Trainer {
    let model = policy(tokenizer);
    let settings = LoraSettings { rank: 2, ..LoraSettings::default() };
    let adapters =
        lora.then(|| std::sync::Arc::new(LoraAdapters::new(model.as_ref(), &settings, 1).unwrap()));
    trainer(model, adapters, &tuning(), 2)
}

fn ppo(trainer_of_policy: &Trainer, tokenizer: &Tokenizer, lora: bool) -> Ppo {
    let settings = PpoSettings {
        rollouts: rollouts(),
        kl_target: Some(0.5),
        kl_horizon: 50.0,
        tuning: tuning(),
        ..PpoSettings::default()
    };
    let critic = Scored::new(&trainer_of_policy.model().config(), 1, 6).unwrap();
    let mut critic = trainer(Box::new(critic), None, &settings.tuning, 2);
    critic.set_schedule(settings.tuning.schedule(1e-2, settings.rollouts.steps()));
    Ppo::new(source(trainer_of_policy, tokenizer, lora), critic, &settings).unwrap()
}

fn grpo(trainer: &Trainer, tokenizer: &Tokenizer, lora: bool) -> Grpo {
    let settings = GrpoSettings {
        rollouts: rollouts(),
        group: 4,
        resample: 2,
        tuning: tuning(),
        ..GrpoSettings::default()
    };
    Grpo::new(source(trainer, tokenizer, lora), &settings).unwrap()
}

fn run(objective: &mut dyn RecordSteps, trainer: &mut Trainer, out: &Path) -> nuwa_align::Result<()> {
    let settings = tuning();
    tune(&job(out, &settings), trainer, objective, &mut |_| {}).map(drop)
}

/// Rollouts are a function of seed and round: a run that is killed in the midst of a round ends with the same weights, with
/// the value function and the adaptive coefficient where they were.
#[test]
fn killed_runs_of_ppo_and_grpo_go_on_bit_for_bit() {
    let tokenizer = tokenizer();
    for lora in [false, true] {
        resumes(&tokenizer, lora, ppo);
        resumes(&tokenizer, lora, grpo);
    }
}

fn resumes<O: RecordSteps>(tokenizer: &Tokenizer, lora: bool, make: fn(&Trainer, &Tokenizer, bool) -> O) {
    let whole = tempfile::tempdir().unwrap();
    let mut expected = policy_trainer(tokenizer, lora);
    let before = weights(&expected);
    let mut objective = make(&expected, tokenizer, lora);
    run(&mut objective, &mut expected, whole.path()).unwrap();
    assert_ne!(weights(&expected), before);
    let broken = tempfile::tempdir().unwrap();
    for at in [2, 5, 7] {
        let mut trainer = policy_trainer(tokenizer, lora);
        let mut breaking = Breaking(make(&trainer, tokenizer, lora), at);
        run(&mut breaking, &mut trainer, broken.path()).unwrap_err();
    }
    let mut resumed = policy_trainer(tokenizer, lora);
    let mut again = make(&resumed, tokenizer, lora);
    run(&mut again, &mut resumed, broken.path()).unwrap();
    let values =
        |objective: &O| -> Vec<f32> { objective.companions().iter().flat_map(|own| weights(own)).collect() };
    assert_eq!(weights(&resumed), weights(&expected), "adapters {lora}");
    assert_eq!(values(&again), values(&objective));
    assert_eq!(again.state(), objective.state());
}

#[test]
fn the_policy_that_sampled_is_the_one_that_learns() {
    let tokenizer = tokenizer();
    for lora in [false, true] {
        let mut trainer = policy_trainer(&tokenizer, lora);
        let mut objective = ppo(&trainer, &tokenizer, lora);
        let figures = objective.step(&mut trainer, 0).unwrap().figures;
        assert!(figures["sampler_difference"] < 1e-4, "{figures:?}");
        assert!(figures["kl"].abs() < 1e-6, "the reference is the policy: {figures:?}");
        assert!((figures["largest_ratio"] - 1.0).abs() < 1e-5 && figures["clip_share"] == 0.0, "{figures:?}");
        let names = ["reward", "reward_model", "reward_short", "true_reward", "entropy", "length", "ended"];
        assert!(names.iter().all(|name| figures.contains_key(*name)), "{figures:?}");
    }
}

/// With adapters the reference costs no second copy, and is what the model was.
#[test]
fn lifted_adapters_are_the_model_before() {
    let tokenizer = tokenizer();
    let mut trainer = policy_trainer(&tokenizer, true);
    let reference = Reference::of(&trainer, true, Precision::F32).unwrap();
    let example = Example::of(vec![5, 6, 7, 8], vec![false, true, true, true]);
    let before = log_probabilities(&mut trainer, &[&example], 99).unwrap();
    let mut objective = grpo(&trainer, &tokenizer, true);
    trainer.set_schedule(tuning().schedule(1e-1, 100));
    trainer.step(&mut objective, 0).unwrap();
    trainer.step(&mut objective, 1).unwrap();
    let after = log_probabilities(&mut trainer, &[&example], 99).unwrap();
    assert_ne!(after, before);
    assert_eq!(reference.log_probabilities(&mut trainer, &[&example], 99).unwrap(), before);
    assert_eq!(log_probabilities(&mut trainer, &[&example], 99).unwrap(), after);
}

#[test]
fn grpo_makes_answers_shorter_where_short_ones_are_better() {
    let tokenizer = tokenizer();
    let mut trainer = policy_trainer(&tokenizer, false);
    let settings = GrpoSettings {
        rollouts: RolloutSettings { rounds: 40, answers: 32, epochs: 1, minibatches: 1, ..rollouts() },
        group: 8,
        kl: 0.0,
        tuning: tuning(),
        ..GrpoSettings::default()
    };
    let mut source = source(&trainer, &tokenizer, false);
    source.rewards.model = None;
    let mut objective = Grpo::new(source, &settings).unwrap();
    trainer.set_schedule(tuning().schedule(1e-2, 40));
    let mut rewards = Vec::new();
    for step in 0..40 {
        rewards.push(trainer.step(&mut objective, step).unwrap().measured.figures["reward"]);
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let (first, last) = (mean(&rewards[..5]), mean(&rewards[35..]));
    assert!(last > first + 0.5, "{first} {last}");
}

#[test]
fn prompts_that_leave_no_room_are_counted_or_refused() {
    let tokenizer = tokenizer();
    let long = "ab cd ef gh ".repeat(20);
    let prompt = |text: &str| Prompt {
        messages: vec![Message::new("user", text)],
        answers: Vec::new(),
        fields: serde_json::Map::new(),
        place: "here".into(),
    };
    let found = Prompts::new(&tokenizer, vec![prompt("ab"), prompt(&long)], 64, 6).unwrap();
    assert_eq!((found.len(), found.too_long), (1, 1));
    let told = Prompts::new(&tokenizer, vec![prompt(&long)], 64, 6).unwrap_err();
    insta::assert_snapshot!(told, @"none of the 1 prompts leaves room for an answer of 6 tokens in the context of 64 tokens");
    insta::assert_snapshot!(told.hint().unwrap(), @"ask for shorter answers (rollouts.max_tokens), or give shorter prompts");
}
