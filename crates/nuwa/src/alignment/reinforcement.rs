//! Learning from feedback as the program does it: reward models, PPO and GRPO.

use std::path::Path;

use nuwa_align::data::{self, Preference, Prompt, Reading};
use nuwa_align::rl::grpo::Preview;
use nuwa_align::rl::{
    Actor, Grpo, GrpoSettings, Ppo, PpoSettings, Prompts, Reference, RewardModel, RewardSettings, Rewards,
    RolloutSettings, Scorer, Source,
};
use nuwa_align::{Error, Job, LoraAdapters, PretrainingText, RecordSteps, TuningSettings, divide, trainer};
use nuwa_infer::{GenerateSettings, SamplingSettings};
use nuwa_models::{Model, Scored};
use nuwa_report::numbers;
use nuwa_report::records::{FineTuningOutcome, Reinforcement};
use nuwa_tensor::Precision;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Sample, Trainer};

use super::{Accounts, Alignment, FineTuner, check_weighs};
use crate::console::Display;
use crate::failure::Problem;
use crate::suggestion;
use crate::training::continue_text;
use crate::world_rule::{self, WorldRule};

/// What answers are rewarded by.
pub struct Feedback<'a> {
    /// The folder of a reward model.
    pub reward: Option<&'a Path>,
    /// Rules, as they are written.
    pub rules: &'a [String],
}

/// Tokens of an answer where nothing says how long answers are, and the fewest otherwise.
const USUAL_TOKENS: usize = 64;
const FEWEST_TOKENS: usize = 16;

impl Alignment<'_> {
    /// A reward model from preferences.
    pub fn reward(
        &self,
        settings: &RewardSettings,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let tokenizer = self.tokenizer()?;
        let understand =
            |record: &data::Record| data::preferences(record).map_err(|error| error.in_stage("reward"));
        let (pairs, reading) = data::read(self.data, self.columns, settings.tuning.bad_records, understand)?;
        let pairs: Vec<Preference> = pairs.into_iter().flatten().collect();
        check_weighs(&nuwa_format::load_config(self.model)?)?;
        let model = nuwa_format::scored_from(self.model, self.seed)?;
        let base = nuwa_format::weights_hash(&model);
        let adapters = match settings.lora.rank {
            0 => None,
            _ => Some(std::sync::Arc::new(LoraAdapters::new(&model, &settings.lora, self.seed)?)),
        };
        let (context, count) = (model.context(), model.parameters().count());
        let mut objective = RewardModel::new(&tokenizer, &pairs, settings, context, self.seed)?;
        drop(pairs);
        let trainer = trainer(Box::new(model), adapters, &settings.tuning, self.seed);
        let mut tuner = FineTuner { trainer, adapters: None, base };
        let job = self.job(&settings.tuning, settings.rate(count), &tuner.base);
        let (summary, memory) = self.run(&job, &mut tuner.trainer, &mut objective, display)?;
        let ranking = objective.ranking(&mut tuner.trainer)?;
        let accounts = Accounts {
            pairs: Some(objective.stats().clone()),
            pair_course: Some(objective.epochs()),
            held_out: objective.held_out(),
            ranking,
            reading,
            ..Accounts::default()
        };
        self.finish("reward.json", tuner, &tokenizer, accounts, summary, memory)
    }

    /// PPO with a reward model, rules, or both.
    pub fn ppo(
        &self,
        settings: &PpoSettings,
        feedback: &Feedback<'_>,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let tokenizer = self.tokenizer()?;
        let tuner = self.tuner(&settings.lora, &settings.tuning)?;
        let (source, told) =
            self.source(&tokenizer, &tuner, (&settings.rollouts, &settings.tuning), feedback, true)?;
        self.announce(&told, display);
        let [rate, value_rate] = settings.rates(tuner.trainer.model().parameters().count());
        let mut critic = self.critic(feedback, &settings.tuning)?;
        critic.set_schedule(settings.tuning.schedule(value_rate, settings.rollouts.steps()));
        let objective = Ppo::new(source, critic, settings)?;
        let learning = Learning { name: "ppo.json", rate, told, preview: None };
        self.learn(objective, (&settings.pretraining, &settings.tuning), tuner, learning, display)
    }

    /// GRPO with a reward model, rules, or both.
    pub fn grpo(
        &self,
        settings: &GrpoSettings,
        feedback: &Feedback<'_>,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let tokenizer = self.tokenizer()?;
        let tuner = self.tuner(&settings.lora, &settings.tuning)?;
        let held_against = settings.kl > 0.0;
        let rollouts = (&settings.rollouts, &settings.tuning);
        let (source, told) = self.source(&tokenizer, &tuner, rollouts, feedback, held_against)?;
        self.announce(&told, display);
        let objective = Grpo::new(source, settings)?;
        let preview = objective.preview(&tuner.trainer)?;
        display.note(&preview_text(&preview));
        check_preview(&preview)?;
        let rate = settings.rate(tuner.trainer.model().parameters().count());
        let learning = Learning { name: "grpo.json", rate, told, preview: Some(preview) };
        self.learn(objective, (&settings.pretraining, &settings.tuning), tuner, learning, display)
    }

    /// Does the steps of `objective`, and writes what came of them.
    fn learn<O: RecordSteps>(
        &self,
        objective: O,
        (pretraining, tuning): (&PretrainingText, &TuningSettings),
        mut tuner: FineTuner,
        Learning { name, rate, told, preview }: Learning,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        let context = tuner.trainer.model().context();
        let mut objective = self.mixed(objective, pretraining, tuning, &told.tokenizer, context)?;
        let job = Job { samples: told.rollouts.samples, ..self.job(tuning, rate, &tuner.base) };
        let sample = &mut |model: &dyn Model| told.sample(model);
        let (summary, memory) =
            self.sampled_run(&job, &mut tuner.trainer, &mut objective, display, sample)?;
        let accounts = told.accounts(objective.text().cloned(), preview);
        self.finish(name, tuner, &told.tokenizer, accounts, summary, memory)
    }

    /// Where answers come from, and what was read of the prompts.
    fn source(
        &self,
        tokenizer: &Tokenizer,
        tuner: &FineTuner,
        (rollouts, tuning): (&RolloutSettings, &TuningSettings),
        feedback: &Feedback<'_>,
        held_against: bool,
    ) -> anyhow::Result<(Source, Told)> {
        let (prompts, reading) = data::prompts(self.data, self.columns, tuning.bad_records)?;
        let rewards = self.rewards(tokenizer, &prompts, feedback, tuning)?;
        let (model, precision) = (tuner.trainer.model(), Precision::from(tuning.precision));
        let question = suggestion::question(prompts.iter().map(|prompt| prompt.messages.as_slice()));
        let most = rollouts.max_tokens.map_or_else(|| longest_answer(tokenizer, &prompts), Ok)?;
        let [trained, held_out] = divide(&prompts, tuning.held_out(), self.seed)
            .map(|part| part.into_iter().cloned().collect::<Vec<Prompt>>());
        let context = model.context();
        let (all, few) = (prompts.len(), held_out.is_empty());
        let prompts = Prompts::new(tokenizer, trained, context, most)?;
        let held_out = match few {
            true => Prompts { prompts: Vec::new(), ids: Vec::new(), too_long: 0 },
            false => Prompts::new(tokenizer, held_out, context, most)?,
        };
        let reference = match held_against {
            true => Some(Reference::of(&tuner.trainer, tuner.adapters.is_some(), precision)?),
            false => None,
        };
        let told = Told {
            reading,
            prompts: all,
            too_long: prompts.too_long + held_out.too_long,
            held_out: held_out.len(),
            most,
            rewards: rewards.names(),
            question,
            rollouts: rollouts.clone(),
            learnt: prompts.len(),
            tokenizer: tokenizer.clone(),
            asked: prompts.prompts[0].question().to_string(),
            ids: prompts.ids[0].clone(),
        };
        let actor = Actor::new(model, tokenizer.clone(), most, self.seed)?;
        let micro_batch = tuning.micro_batch_tokens;
        Ok((Source { prompts, held_out, actor, rewards, reference, micro_batch, seed: self.seed }, told))
    }

    fn rewards(
        &self,
        tokenizer: &Tokenizer,
        prompts: &[Prompt],
        feedback: &Feedback<'_>,
        tuning: &TuningSettings,
    ) -> anyhow::Result<Rewards> {
        if feedback.reward.is_none() && feedback.rules.is_empty() {
            let problem = Problem::new("nothing says what a good answer is");
            return Err(problem.hint("name a reward model (--reward RM), or a rule: --rule exact").into());
        }
        let mut rewards = Rewards { truth: Some(Box::new(WorldRule)), ..Rewards::default() };
        if let Some(folder) = feedback.reward {
            let model = reward_model(folder)?;
            check_tokenizer(tokenizer, &Tokenizer::load(folder)?)?;
            let precision = Precision::from(tuning.precision);
            rewards.model = Some(Scorer::new(model, precision, tuning.micro_batch_tokens));
        }
        if !feedback.rules.is_empty() {
            let rules = world_rule::rules(feedback.rules)?;
            rules.check(prompts)?;
            rewards.rules = Some(rules);
        }
        Ok(rewards)
    }

    /// A value function, which begins as the reward model, or as the policy with a new head where there is none.
    fn critic(&self, feedback: &Feedback<'_>, tuning: &TuningSettings) -> anyhow::Result<Trainer> {
        let model = match feedback.reward {
            Some(folder) => nuwa_format::load_scored(folder)?,
            None => nuwa_format::scored_from(self.model, self.seed)?,
        };
        Ok(trainer(Box::new(model), None, tuning, self.seed))
    }

    fn announce(&self, told: &Told, display: &mut Display) {
        let grouped = |count: usize| numbers::counted(count as u64, "prompt");
        let mut text = format!("{}, {} of them held out", grouped(told.prompts), told.held_out);
        if told.too_long > 0 {
            text += &format!(
                "; {} left out, being too long for an answer of {} tokens",
                told.too_long, told.most
            );
        }
        display.note(&format!(
            "{text}; answers of up to {} tokens, rewarded by {}",
            told.most,
            told.rewards.join(", ")
        ));
    }
}

/// The reward model in a folder.
pub fn reward_model(folder: &Path) -> anyhow::Result<Scored> {
    let model = nuwa_format::load_scored(folder)?;
    if model.outputs() == 1 {
        return Ok(model);
    }
    let told = format!("{} gives {} numbers for an answer", folder.display(), model.outputs());
    Err(Problem::new(told).hint("a reward model gives one").into())
}

/// What is learnt from rewards, beside the steps themselves.
struct Learning {
    /// The file of figures.
    name: &'static str,
    rate: f32,
    told: Told,
    preview: Option<Preview>,
}

/// What is known of the prompts before the first step.
struct Told {
    reading: Reading,
    prompts: usize,
    too_long: u64,
    held_out: usize,
    most: usize,
    rewards: Vec<String>,
    question: Option<String>,
    rollouts: RolloutSettings,
    /// Prompts that are learnt from.
    learnt: usize,
    tokenizer: Tokenizer,
    /// What is asked on the way, to be looked at, and as the model reads it.
    asked: String,
    ids: Vec<u32>,
}

impl Told {
    /// The likeliest answer as the policy is now: where none can be written, training goes on without.
    fn sample(&self, model: &dyn Model) -> Option<Sample> {
        let sampling = SamplingSettings::greedy();
        let settings = GenerateSettings { max_tokens: self.most, sampling, ..GenerateSettings::default() };
        let ends: Vec<u32> = self.tokenizer.end_of_turn().into_iter().chain(self.tokenizer.eos()).collect();
        let text = continue_text(model, &self.tokenizer, &self.ids, &ends, &settings).ok()?;
        Some(Sample { prompt: self.asked.clone(), text })
    }

    fn accounts(&self, text: Option<nuwa_align::TextStats>, preview: Option<Preview>) -> Accounts {
        let reinforcement = Reinforcement {
            prompts: self.learnt as u64,
            too_long: self.too_long,
            most_tokens: self.most,
            rewards: self.rewards.clone(),
            rounds: self.rollouts.rounds,
            preview,
        };
        Accounts {
            reinforcement: Some(reinforcement),
            reading: self.reading.clone(),
            text,
            held_out: self.held_out,
            question: self.question.clone(),
            ..Accounts::default()
        }
    }
}

/// As many tokens as the longest reference answer has, within limits; a usual number where there is none.
fn longest_answer(tokenizer: &Tokenizer, prompts: &[Prompt]) -> anyhow::Result<usize> {
    let mut longest = None;
    for answer in prompts.iter().flat_map(|prompt| &prompt.answers) {
        // The token that ends it counts, too.
        longest = longest.max(Some(tokenizer.encode(answer)?.len() + 1));
    }
    Ok(longest.map_or(USUAL_TOKENS, |longest| (longest * 3 / 2).max(FEWEST_TOKENS)))
}

/// The ids of the policy have to mean the same to the reward model.
fn check_tokenizer(policy: &Tokenizer, reward: &Tokenizer) -> anyhow::Result<()> {
    let differ = |difference: String| Err(Error::OtherTokenizer { difference }.into());
    let sizes = [policy, reward].map(Tokenizer::vocab_size);
    if sizes[0] != sizes[1] {
        return differ(format!("{} tokens in place of {}", sizes[1], sizes[0]));
    }
    let other = (0..sizes[0] as u32).find(|&id| policy.id_to_token(id) != reward.id_to_token(id));
    match other {
        None => Ok(()),
        Some(id) => {
            let name = |tokenizer: &Tokenizer| tokenizer.id_to_token(id).unwrap_or_default();
            differ(format!("id {id} is {:?} in place of {:?}", name(reward), name(policy)))
        }
    }
}

/// `before: pass@1 0.20, pass@8 0.55 on 64 prompts; 40 % of them can teach something`.
fn preview_text(preview: &Preview) -> String {
    let Preview { prompts, answers, pass_at_1, pass_at_k, teaching } = preview;
    let passes = pass_at_1
        .zip(*pass_at_k)
        .map_or(String::new(), |(one, all)| format!("pass@1 {one:.3}, pass@{answers} {all:.3} on "));
    format!(
        "before: {passes}{prompts} prompts with {answers} answers each; {:.0} % of the prompts can teach something (their \
         answers are not all worth the same)",
        100.0 * teaching
    )
}

fn check_preview(preview: &Preview) -> anyhow::Result<()> {
    if preview.teaching > 0.0 {
        return Ok(());
    }
    let told = format!(
        "of {} prompts, {} answers each, none had answers that are worth more than others: nothing can be learnt",
        preview.prompts, preview.answers
    );
    let hint = "take a rule that some of the model's answers fulfil and others do not, or tune the model on answers first \
                (nuwa sft)";
    Err(Problem::new(told).hint(hint).into())
}
