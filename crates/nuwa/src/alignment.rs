//! Fine-tuning as the program does it: data in, the display, the model folder at the end.

mod labels;
mod preferences;
mod sequences;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nuwa_align::data::{Columns, Lessons, Reading};
use nuwa_align::rl::reward::Ranking;
use nuwa_align::sequences::SequenceStats;
use nuwa_align::{
    Epochs, Job, LoraAdapters, LoraSettings, Mixed, PairEpochs, PreferenceLoss, PretrainingText, RecordSteps,
    Sft, SftSettings, Summary, TextSource, TextStats, TuningSettings, Watch, dpo, kto, pack, trainer,
    tune_watched,
};
use nuwa_format::Base;
use nuwa_models::{Family, Model, ModelConfig};
use nuwa_report::numbers;
use nuwa_report::records::{FineTuningOutcome, LabelOutcome, Reinforcement};
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Figures, Sample, StepLine, TrainEvent, Trainer, ValidationLine, remove_checkpoint};

mod reinforcement;

pub use labels::{AskedLabels, figures_text};
pub use reinforcement::{Feedback, reward_model};
pub use sequences::learns_pairs;

use crate::console::{Display, ShownStep};
use crate::failure::Problem;
use crate::interrupt::{self, Waiting};
use crate::{machine, suggestion};

/// What is fine-tuned, on what, and where to.
pub struct Alignment<'a> {
    /// The model folder to begin with.
    pub model: &'a Path,
    /// Files or folders of records.
    pub data: &'a [PathBuf],
    /// Files of lines that belong to those of the data, where these are lines too.
    pub targets: &'a [PathBuf],
    /// Their columns, where they have names of their own.
    pub columns: &'a Columns,
    /// Token shards of the text that the model was pretrained on, where they are at hand.
    pub shards: Option<&'a Path>,
    /// A chat template in place of the model's own.
    pub template: Option<&'a str>,
    /// The folder for the model, the metrics and the checkpoint.
    pub out: &'a Path,
    /// Decides the order, what is held out, and the first values of adapters.
    pub seed: u64,
}

/// A model, or adapters on it, in training.
struct FineTuner {
    trainer: Trainer,
    adapters: Option<Arc<LoraAdapters>>,
    /// The hash of the model's weights before anything was changed.
    base: String,
}

impl Alignment<'_> {
    /// Supervised fine-tuning.
    pub fn sft(&self, settings: &SftSettings, display: &mut Display) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let model = nuwa_format::load_model(self.model)?;
        if learns_pairs(&model.config()) {
            return self.sequence_to_sequence(model, settings, display);
        }
        nuwa_infer::check_writes(model.as_ref())?;
        self.check_no_targets()?;
        let tokenizer = self.tokenizer()?;
        let (lessons, reading) = Lessons::read(self.data, self.columns, settings.tuning.bad_records)?;
        let mut tuner = self.tuner_of(model, &settings.lora, &settings.tuning)?;
        tuner.trainer.set_label_smoothing(settings.label_smoothing.unwrap_or(0.0));
        let context = tuner.trainer.model().context();
        let question =
            suggestion::question(lessons.conversations().map(|dialogue| dialogue.messages.as_slice()));
        let objective = Sft::of_lessons(&tokenizer, &lessons, settings, context, self.seed)?;
        let tokenizer = tokenizer.with_taught_ratings(lessons.attributes());
        let tokenizer = if lessons.ask_tools() { tokenizer.with_taught_tools() } else { tokenizer };
        drop(lessons);
        let mut objective =
            self.mixed(objective, &settings.pretraining, &settings.tuning, &tokenizer, context)?;
        if let Some(told) = chosen(settings, objective.objective()) {
            display.note(&told);
        }
        let rate = settings.rate(tuner.trainer.model().parameters().count());
        let job = self.job(&settings.tuning, rate, &tuner.base);
        let (summary, memory) = self.run(&job, &mut tuner.trainer, &mut objective, display)?;
        let (own, text) = (objective.objective(), objective.text().cloned());
        let accounts = Accounts {
            dialogues: Some(own.stats().clone()),
            course: Some(own.epochs()),
            text,
            held_out: own.held_out(),
            question,
            reading,
            ..Accounts::default()
        };
        self.finish("sft.json", tuner, &tokenizer, accounts, summary, memory)
    }

    fn job<'a>(&'a self, settings: &'a TuningSettings, learning_rate: f32, base: &'a str) -> Job<'a> {
        Job { out: self.out, settings, learning_rate, base, samples: 0, stop: interrupt::is_asked }
    }

    fn tokenizer(&self) -> anyhow::Result<Tokenizer> {
        let tokenizer = Tokenizer::load(self.model)?;
        Ok(match self.template {
            Some(template) => tokenizer.with_chat_template(template)?,
            None => tokenizer,
        })
    }

    /// `objective` with text of the pretraining beside it, where that is at hand.
    fn mixed<O: RecordSteps>(
        &self,
        objective: O,
        settings: &PretrainingText,
        tuning: &TuningSettings,
        tokenizer: &Tokenizer,
        context: usize,
    ) -> anyhow::Result<Mixed<O>> {
        let Some(shards) = self.shards else { return Ok(Mixed::alone(objective)) };
        let (eos, micro_batch) = (tokenizer.eos(), tuning.micro_batch_tokens);
        let source = TextSource { shards, eos, context, micro_batch, seed: self.seed };
        Ok(Mixed::new(objective, settings, &source)?)
    }

    fn tuner(&self, lora: &LoraSettings, settings: &TuningSettings) -> anyhow::Result<FineTuner> {
        check_weighs(&nuwa_format::load_config(self.model)?)?;
        let model = nuwa_format::load_model(self.model)?;
        nuwa_infer::check_writes(model.as_ref())?;
        self.tuner_of(model, lora, settings)
    }

    fn tuner_of(
        &self,
        model: Box<dyn Model>,
        lora: &LoraSettings,
        settings: &TuningSettings,
    ) -> anyhow::Result<FineTuner> {
        let base = nuwa_format::weights_hash(model.as_ref());
        let adapters = match lora.rank {
            0 => None,
            _ => Some(Arc::new(LoraAdapters::new(model.as_ref(), lora, self.seed)?)),
        };
        Ok(FineTuner { trainer: trainer(model, adapters.clone(), settings, self.seed), adapters, base })
    }

    fn run(
        &self,
        job: &Job<'_>,
        trainer: &mut Trainer,
        objective: &mut dyn RecordSteps,
        display: &mut Display,
    ) -> anyhow::Result<(Summary, Option<u64>)> {
        self.sampled_run(job, trainer, objective, display, &mut |_| None)
    }

    /// The same, where the model writes something now and then.
    fn sampled_run(
        &self,
        job: &Job<'_>,
        trainer: &mut Trainer,
        objective: &mut dyn RecordSteps,
        display: &mut Display,
        sample: &mut dyn FnMut(&dyn Model) -> Option<Sample>,
    ) -> anyhow::Result<(Summary, Option<u64>)> {
        let mut watch = TuningWatch { display, steps: objective.count(), done: 0, memory: None, alike: 0 };
        let _waiting = Waiting::begin();
        let watching = Watch { observe: &mut |event| watch.show(event), sample };
        let summary = tune_watched(job, trainer, objective, watching)?;
        Ok((summary, watch.memory))
    }

    fn finish(
        &self,
        name: &str,
        tuner: FineTuner,
        tokenizer: &Tokenizer,
        accounts: Accounts,
        summary: Summary,
        peak_memory_bytes: Option<u64>,
    ) -> anyhow::Result<FineTuningOutcome> {
        let tuned_parameters = tuner.trainer.parameters().count();
        let written = self.save(tuner, tokenizer, accounts.labels.as_ref())?;
        let outcome = FineTuningOutcome {
            tuned_parameters,
            peak_memory_bytes,
            reading: accounts.reading,
            loss: accounts.loss,
            dialogues: accounts.dialogues,
            sequences: accounts.sequences,
            pairs: accounts.pairs,
            answers: accounts.answers,
            course: accounts.course,
            pair_course: accounts.pair_course,
            pretraining: accounts.text,
            ranking: accounts.ranking,
            labels: accounts.labels,
            reinforcement: accounts.reinforcement,
            held_out: accounts.held_out,
            question: accounts.question,
            summary,
            written,
        };
        nuwa_files::write_json(&self.out.join(name), &outcome)?;
        remove_checkpoint(self.out)?;
        Ok(outcome)
    }

    /// The model with its tokenizer, or the adapters alone.
    fn save(
        &self,
        tuner: FineTuner,
        tokenizer: &Tokenizer,
        labels: Option<&LabelOutcome>,
    ) -> anyhow::Result<PathBuf> {
        let FineTuner { trainer, adapters, base } = tuner;
        let (model, base) = (trainer.into_model(), Base::new(self.model, base));
        let Some(adapters) = adapters else {
            let folder = self.out.join("model");
            match (model.score(), labels) {
                (Some(_), Some(own)) => {
                    nuwa_format::save_labelled(model.as_ref(), &own.labels, tokenizer, &folder)?;
                }
                (Some(_), None) => nuwa_format::save_scored(model.as_ref(), tokenizer, &folder)?,
                (None, _) => nuwa_format::save_with_tokenizer(model.as_ref(), tokenizer, &folder)?,
            }
            return Ok(folder);
        };
        let folder = self.out.join("adapter");
        let transposed = model.names().iter().any(|name| name.transposed);
        let adapter = adapters.to_adapter(model.as_ref());
        nuwa_format::save_adapter(&adapter, &base, transposed, &folder)?;
        tokenizer.save(&folder)?;
        Ok(folder)
    }
}

/// Refuses a model that writes and whose head has a bias: losses of preferences and rewards are of log-likelihoods, through which such a
/// bias gets no gradient.
fn check_weighs(config: &ModelConfig) -> anyhow::Result<()> {
    nuwa_infer::check_config_writes(config)?;
    if !matches!(config.family(), Family::Xlnet | Family::Xlm) {
        return Ok(());
    }
    let family = config.family().registered().model_type;
    let problem = format!(
        "the head of {family} adds a bias to its logits, so it cannot learn from preferences or rewards"
    );
    let hint = "take a model without one, such as GPT-2 or LLaMA, or teach this one by answers: nuwa sft";
    Err(Problem::new(problem).hint(hint).into())
}

/// `12 records: 25 epochs, 100 steps`, where the settings leave that open.
fn chosen(settings: &SftSettings, sft: &Sft) -> Option<String> {
    let open = settings.epochs.is_none() || settings.batch_tokens.is_none();
    open.then(|| {
        let Epochs { epochs, batch_tokens } = sft.epochs();
        let records = numbers::counted(sft.stats().dialogues, "record");
        let (epochs, steps) = (numbers::counted(epochs, "epoch"), numbers::counted(sft.count(), "step"));
        format!("{records}: {epochs}, {steps} of up to {} tokens", numbers::grouped(batch_tokens as u64))
    })
}

/// What became of what was learnt from.
#[derive(Default)]
struct Accounts {
    reading: Reading,
    loss: Option<PreferenceLoss>,
    dialogues: Option<pack::PackingStats>,
    sequences: Option<SequenceStats>,
    pairs: Option<dpo::PairStats>,
    answers: Option<kto::AnswerStats>,
    course: Option<Epochs>,
    pair_course: Option<PairEpochs>,
    text: Option<TextStats>,
    ranking: Option<Ranking>,
    labels: Option<LabelOutcome>,
    reinforcement: Option<Reinforcement>,
    held_out: usize,
    /// A question of the records.
    question: Option<String>,
}

/// Draws a run.
struct TuningWatch<'a> {
    display: &'a mut Display,
    steps: u64,
    done: u64,
    memory: Option<u64>,
    /// Steps in a row whose answers were all worth the same.
    alike: u64,
}

/// Steps in a row after which it is said that rewards teach nothing: a few rounds.
const MOST_ALIKE: u64 = 12;

impl TuningWatch<'_> {
    fn show(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Started { steps, done } => {
                (self.steps, self.done) = (*steps, *done);
                if *done > 0 {
                    self.display.note(&format!("goes on after step {done} of {steps}"));
                }
            }
            TrainEvent::Kept(kept) => self.display.note(&kept.to_string()),
            TrainEvent::Step(line) => {
                self.memory = self.memory.max(machine::resident_memory());
                let text = self.step_line(line);
                let (step, steps, loss) = (line.step, self.steps, line.loss);
                self.display.show_step(ShownStep { step, steps, loss, line: &text });
                self.tell_of_rewards(&line.figures);
            }
            TrainEvent::Falls { .. } | TrainEvent::Saved { .. } => {}
            TrainEvent::Sampled { step, sample } => {
                let Sample { prompt, text } = sample;
                self.display.note(&format!("step {step}/{}  {prompt} -> {}", self.steps, text.trim()));
            }
            TrainEvent::Validated(line) => {
                self.display.note(&format!("step {}/{}  {}", line.step, self.steps, validation(line)));
            }
        }
    }

    /// Says once that no answer is worth more than another, so that nobody waits for what cannot come.
    fn tell_of_rewards(&mut self, figures: &Figures) {
        let is_alike = figures.get("reward_sd").is_some_and(|deviation| *deviation == 0.0);
        self.alike = if is_alike { self.alike + 1 } else { 0 };
        if self.alike == MOST_ALIKE {
            let reward = figures.get("reward").copied().unwrap_or_default();
            self.display.note(&format!(
                "all answers of the last {MOST_ALIKE} steps are worth the same ({reward:.3}), so nothing is learnt from them: where no \
                 answer can be worth more, the model is done; else take a rule that some answers fulfil and others do not, or tune the \
                 model on answers first (nuwa sft)"
            ));
        }
    }

    fn step_line(&self, line: &StepLine) -> String {
        let StepLine {
            step, loss, learning_rate, gradient_norm, seconds, tokens_per_second, figures, ..
        } = line;
        let left = seconds / *step as f64 * (self.steps - step) as f64;
        let memory = self.memory.map_or("?".into(), numbers::bytes);
        // The loss of a policy says nothing of its progress.
        let loss = match figures.contains_key("reward") {
            true => String::new(),
            false => format!("  loss {loss:.3}"),
        };
        format!(
            "step {step}/{}{loss}{}  gradient {gradient_norm:.2}  rate {learning_rate:.2e}  {} tokens/s  {memory}  {} left",
            self.steps,
            told(figures),
            numbers::rounded(*tokens_per_second),
            numbers::seconds(left),
        )
    }
}

/// Figures that a line shows, and what they are called there.
const SHOWN: [(&str, &str); 12] = [
    ("accuracy", "accuracy"),
    ("mae", "mean error"),
    ("margin", "margin"),
    ("desirable_reward", "desirable"),
    ("undesirable_reward", "undesirable"),
    ("reward", "reward"),
    ("true_reward", "true"),
    ("kl", "KL"),
    ("entropy", "entropy"),
    ("clip_share", "clipped"),
    ("length", "length"),
    ("ended", "ended"),
];

fn told(figures: &Figures) -> String {
    let shown = SHOWN.into_iter().filter_map(|(name, told)| Some((told, figures.get(name)?)));
    shown.map(|(name, value)| format!("  {name} {value:.3}")).collect()
}

/// `held-out loss 1.234  accuracy 0.600`, of a policy `held-out  reward 0.512  true 0.430`.
fn validation(line: &ValidationLine) -> String {
    match line.figures.contains_key("reward") {
        true => format!("held-out{}", told(&line.figures)),
        false => format!("held-out loss {:.3}{}", line.validation_loss, told(&line.figures)),
    }
}

/// The figures in a few sentences.
pub fn text(outcome: &FineTuningOutcome) -> String {
    let FineTuningOutcome { summary, dialogues, sequences: written, pairs, answers, reading, .. } = outcome;
    let steps = numbers::counted(summary.steps, "step");
    let learnt_from = dialogues.as_ref().map(dialogues_text);
    let learnt_from = learnt_from
        .or(outcome.labels.as_ref().map(labels::labels_text))
        .or(written.as_ref().map(sequences::text))
        .or(pairs.as_ref().map(preferences::pairs_text))
        .or(answers.as_ref().map(preferences::answers_text));
    let first = learnt_from.map_or(steps.clone(), |told| format!("{steps} on {told}"));
    let mut lines = vec![outcome.reinforcement.as_ref().map_or(first, |own| rounds_text(&steps, own))];
    if outcome.ranking.is_none() && outcome.labels.is_none() && written.is_none() {
        lines.push(outcome.pretraining.as_ref().map_or_else(no_pretraining_text, pretraining_text));
    }
    lines.extend(outcome.ranking.as_ref().map(ranking_text));
    lines.extend(reading.skipped.iter().map(|(reason, n)| format!("  left out {n}: {reason}")));
    lines.extend(reading.mended.iter().map(|(what, n)| format!("  mended {n}: {what}")));
    if let (Some(before), Some(after)) = (&summary.before, &summary.after) {
        lines.push(format!("  before: {}; after: {}", validation(before), validation(after)));
    }
    lines.extend(summary.kept_step.map(|step| {
        format!("  the model is that of step {step}: later ones did worse on the held-out records")
    }));
    lines.join("\n")
}

/// `240 steps in 60 rounds on 400 prompts, rewarded by model`.
fn rounds_text(steps: &str, own: &Reinforcement) -> String {
    let [rounds, prompts] = [numbers::counted(own.rounds, "round"), numbers::counted(own.prompts, "prompt")];
    let mut text = format!("{steps} in {rounds} on {prompts}, rewarded by {}", own.rewards.join(", "));
    if own.too_long > 0 {
        text += &format!("; {} left no room for an answer", numbers::counted(own.too_long, "prompt"));
    }
    text
}

fn ranking_text(ranking: &Ranking) -> String {
    let Ranking { pairs, accuracy: [accuracy, error], margin, calibration_error, by_length, .. } = ranking;
    let by = by_length.iter().filter(|bin| bin.pairs > 0);
    let by: Vec<String> = by
        .map(|bin| {
            format!(
                "{} {:.0} % of {}",
                bin.name,
                100.0 * bin.accuracy,
                numbers::counted(bin.pairs as u64, "pair")
            )
        })
        .collect();
    format!(
        "  held out: {:.1} ± {:.1} % of {} ranked right, margin {margin:.2}, off by {:.1} % in how sure it is\n  right where the \
         preferred answer is {}; correlation of score and length {:.2}",
        100.0 * accuracy,
        100.0 * error,
        numbers::counted(*pairs as u64, "pair"),
        100.0 * calibration_error,
        by.join(", "),
        ranking.length_correlation
    )
}

fn no_pretraining_text() -> String {
    "  no text of the pretraining beside them (--shards DIR): some of what was learnt from it gets lost"
        .into()
}

fn pretraining_text(account: &TextStats) -> String {
    let TextStats { tokens, share, .. } = account;
    format!(
        "  beside them {} tokens of the pretraining text, {:.0} % of all",
        numbers::grouped(*tokens),
        100.0 * share
    )
}

fn dialogues_text(account: &pack::PackingStats) -> String {
    let grouped = numbers::grouped;
    let mut text = format!(
        "{} of {} dialogues, {} of {} tokens are answers",
        grouped(account.whole + account.split + account.truncated),
        grouped(account.dialogues),
        grouped(account.trained_tokens),
        grouped(account.tokens)
    );
    if account.joined > 0 {
        text += &format!("; {} joined into longer conversations", grouped(account.joined));
    }
    if account.ratings > 0 {
        text += &format!("; {} of answers", numbers::counted(account.ratings, "rating"));
    }
    for (n, what) in [(account.split, "cut into pieces"), (account.truncated, "cut short")] {
        if n > 0 {
            text += &format!("; {n} {what}, being longer than the context");
        }
    }
    for (reason, n) in &account.dropped {
        text += &format!("; {n} dropped: {reason}");
    }
    text
}
