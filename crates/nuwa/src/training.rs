//! A training run as the program does it: the display, the samples, the model folder at the end.

use std::path::Path;
use std::time::Instant;

use nuwa_infer::{GenerateSettings, Sampler, SamplingSettings, Sequence};
use nuwa_models::Model;
use nuwa_report::numbers;
use nuwa_report::records::PretrainingOutcome;
use nuwa_shards::{Part, Shards};
use nuwa_tokenizer::Tokenizer;
use nuwa_train::clock::{Afterwards, Clock};
use nuwa_train::course::{Ended, Fall};
use nuwa_train::objectives;
use nuwa_train::plan::Plan;
use nuwa_train::{
    Figures, Hooks, Job, PretrainSettings, Sample, StepLine, Summary, TrainEvent, ValidationLine, pretrain,
    remove_best,
};

use crate::console::{Display, ShownStep, Smoothed};
use crate::interrupt::{self, Waiting};
use crate::{machine, repeat, suggestion};

/// What to train, on what, and where to.
pub struct Training<'a> {
    /// The folder of the shards.
    pub shards: &'a Path,
    /// The tokenizer that made them.
    pub tokenizer: &'a Tokenizer,
    /// The folder for the model, the metrics and the checkpoint.
    pub out: &'a Path,
    /// What to train.
    pub plan: &'a Plan,
    /// How.
    pub settings: &'a PretrainSettings,
    /// Decides initial weights, data order and dropout.
    pub seed: u64,
    /// The model whose training goes on.
    pub init: Option<&'a dyn Model>,
    /// What follows within the same budget.
    pub afterwards: Afterwards,
}

impl Training<'_> {
    /// Trains, or goes on training, and writes `out/model` and `out/pretrain.json`.
    pub fn run(&self, display: &mut Display) -> anyhow::Result<PretrainingOutcome> {
        let init = self.init.map(|model| model.parameters().to_host());
        let kind = (&self.plan.model).into();
        let (tokenizer, objective) =
            objectives::of(kind, (self.tokenizer, self.shards), self.settings, self.seed)?;
        let job = Job {
            objective: &objective,
            shards: self.shards,
            out: self.out,
            plan: self.plan,
            settings: self.settings,
            eos: self.tokenizer.eos(),
            seed: self.seed,
            init: init.as_deref(),
            clock: self.plan.seconds_left.map(|seconds| Clock { seconds, afterwards: self.afterwards }),
        };
        let prompt = self.prompt()?;
        let mut watch = TrainingWatch::new(display);
        let mut sample = |model: &dyn Model| self.sample(model, &prompt);
        let mut observe = |event: &TrainEvent| watch.show(event);
        let mut hooks = Hooks { observe: &mut observe, sample: &mut sample, stop: &interrupt::is_asked };
        let waiting = Waiting::begin();
        let (model, summary) = pretrain(&job, &mut hooks)?;
        drop(waiting);
        let folder = self.out.join("model");
        let peak_memory_bytes = watch.peak_memory;
        nuwa_format::save_with_tokenizer(model.as_ref(), &tokenizer, &folder)?;
        let parameters = model.parameters().count();
        let prompt = self.tokenizer.decode(&prompt)?;
        let repeat = repeat::settings(self.plan, &summary);
        let outcome = PretrainingOutcome { parameters, peak_memory_bytes, prompt, repeat, summary };
        nuwa_files::write_json(&self.out.join("pretrain.json"), &outcome)?;
        remove_best(self.out)?;
        Ok(outcome)
    }

    /// What samples begin with: as the settings say, else the beginning of a sentence of the held-out text.
    fn prompt(&self) -> anyhow::Result<Vec<u32>> {
        const LOOKED_AT: usize = 600;
        const WORDS: usize = 12;
        if !self.settings.sample_prompt.is_empty() {
            return Ok(self.tokenizer.encode(&self.settings.sample_prompt)?);
        }
        let Some(text) = self.held_out(LOOKED_AT)? else {
            return Ok(self.tokenizer.eos().into_iter().collect());
        };
        let words = suggestion::beginning(&text).unwrap_or_else(|| text.chars().take(WORDS).collect());
        let mut ids = self.tokenizer.encode(&words)?;
        ids.truncate((self.plan.context / 2).max(1));
        Ok(ids)
    }

    /// The first tokens of the held-out text, as text.
    fn held_out(&self, tokens: usize) -> anyhow::Result<Option<String>> {
        let held_out = Shards::open_if_any(self.shards, Part::Test)?;
        let Some(shards) = held_out.filter(|shards| shards.tokens() > 0) else { return Ok(None) };
        let mut ids = vec![0; tokens.min(shards.tokens() as usize)];
        shards.read(0, &mut ids)?;
        let documents = ids.split(|id| Some(*id) == self.tokenizer.eos());
        let text = documents.map(|ids| self.tokenizer.decode(ids)).collect::<Result<Vec<_>, _>>()?.join("\n");
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// A sample is for looking at: where none can be written, training goes on without.
    fn sample(&self, model: &dyn Model, prompt: &[u32]) -> Option<Sample> {
        let sampling = SamplingSettings { temperature: 0.8, ..SamplingSettings::default() };
        let settings =
            GenerateSettings { max_tokens: 100, seed: self.seed, sampling, ..GenerateSettings::default() };
        let ends: Vec<u32> = self.tokenizer.eos().into_iter().collect();
        let text = continue_text(model, self.tokenizer, prompt, &ends, &settings).ok()?;
        Some(Sample { prompt: self.tokenizer.decode(prompt).ok()?, text })
    }
}

/// Continues `prompt` with a model that is still in training, or answers it, up to any of the ids `ends`.
pub fn continue_text(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    ends: &[u32],
    settings: &GenerateSettings,
) -> anyhow::Result<String> {
    let (mut sequence, most) = match model.config().is_encoder_decoder() {
        true => {
            (Sequence::answering(model, &[prompt, ends].concat())?, settings.max_tokens.min(model.context()))
        }
        false => (Sequence::new(model, prompt, settings.max_tokens)?, settings.max_tokens),
    };
    let unwritable: Vec<u32> =
        (0..model.vocabulary() as u32).filter(|id| tokenizer.id_to_token(*id).is_none()).collect();
    let mut sampler =
        Sampler::new(&settings.sampling, model.vocabulary(), settings.seed)?.without(unwritable);
    for _ in 0..most {
        let id = sampler.choose(&sequence.next_logits()?.to_host())?;
        if ends.contains(&id) {
            break;
        }
        sequence.push(id);
    }
    Ok(tokenizer.decode(sequence.written())?)
}

/// Losses and accuracies of masked words, of the next sentence, and of tokens predicted in any order.
pub fn figures(figures: &Figures) -> String {
    let part = |name: &str, key: &str| {
        let (loss, accuracy) =
            (figures.get(&format!("{key}_loss"))?, figures.get(&format!("{key}_accuracy"))?);
        Some(format!("{name} {loss:.3}, {:.1} % right", 100.0 * accuracy))
    };
    let told = [
        ("masked", "masked"),
        ("next sentence", "next_sentence"),
        ("a predicted token", "predicted"),
        ("a token of the answer", "target"),
    ];
    let parts: Vec<String> = told.iter().filter_map(|(name, key)| part(name, key)).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

/// That the learning rate falls, and from where.
fn falls(step: u64, fall: Fall) -> String {
    let Fall { start, end } = fall;
    match start < step {
        true => format!(
            "step {step}: validation found nothing better since step {start}; goes back there, and the learning rate falls until step {end}"
        ),
        false => format!("step {step}: the learning rate falls from here until step {end}"),
    }
}

/// How training ended, where that is not as it was planned.
pub fn ended(outcome: &PretrainingOutcome) -> Option<String> {
    let Summary { steps, kept_step, seconds, ended, .. } = &outcome.summary;
    let kept = match kept_step < steps && *kept_step > 0 {
        true => format!("kept the model of step {kept_step} of {steps}, the best on the validation part"),
        false => String::new(),
    };
    let stopped = match ended {
        Ended::Validation => format!(
            "stopped after {}: the validation loss fell no further, so only more text would help",
            numbers::seconds(*seconds)
        ),
        Ended::Planned | Ended::Time => String::new(),
    };
    let told: Vec<String> = [stopped, kept].into_iter().filter(|text| !text.is_empty()).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Draws a run: the step line, and what stays to be read.
struct TrainingWatch<'a> {
    display: &'a mut Display,
    steps: u64,
    /// The most memory seen at the end of a step.
    peak_memory: Option<u64>,
    /// When the loop began, and at which step.
    begun: (Instant, u64),
    /// Seconds of a step alone.
    pace: Smoothed,
}

impl<'a> TrainingWatch<'a> {
    fn new(display: &'a mut Display) -> Self {
        Self { display, steps: 0, peak_memory: None, begun: (Instant::now(), 0), pace: Smoothed::default() }
    }

    fn show(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Started { steps, done } => {
                self.steps = *steps;
                self.begun = (Instant::now(), *done);
                if *done > 0 {
                    self.display.note(&format!("pretrain   goes on after step {done} of {steps}"));
                }
            }
            TrainEvent::Step(line) => {
                self.steps = line.steps;
                let memory = machine::resident_memory();
                self.peak_memory = self.peak_memory.max(memory);
                let (step, steps, loss) = (line.step, self.steps, line.loss);
                let text = self.step_line(line, memory);
                self.display.show_step(ShownStep { step, steps, loss, line: &text });
            }
            TrainEvent::Validated(line) => {
                let text = self.validation_line(line);
                self.display.note(&text);
            }
            TrainEvent::Sampled { step, sample } => {
                let text = self.sample_line(*step, sample);
                self.display.note(&text);
            }
            TrainEvent::Falls { step, fall } => self.display.note(&falls(*step, *fall)),
            TrainEvent::Kept(kept) => self.display.note(&kept.to_string()),
            TrainEvent::Saved { .. } => {}
        }
    }

    /// The time left counts what comes between steps as well; the speed is that of the steps alone.
    fn step_line(&mut self, line: &StepLine, memory: Option<u64>) -> String {
        let batch = line.tokens as f64 / line.step as f64;
        let pace = self.pace.with(batch / line.tokens_per_second);
        let (began, before) = self.begun;
        let each = began.elapsed().as_secs_f64() / line.step.saturating_sub(before).max(1) as f64;
        let left = numbers::seconds(each * self.steps.saturating_sub(line.step) as f64);
        let memory = memory.map_or("?".into(), numbers::bytes);
        format!(
            "step {}/{}  loss {:.3}{}  gradient {:.2}  rate {:.2e}  {:.0} ms  {} tokens/s  {memory}  {left} left",
            line.step,
            self.steps,
            line.loss,
            figures(&line.figures),
            line.gradient_norm,
            line.learning_rate,
            pace * 1e3,
            numbers::rounded(batch / pace),
        )
    }

    fn validation_line(&self, line: &ValidationLine) -> String {
        let ValidationLine { step, validation_loss, .. } = line;
        let bits = line.bits_per_byte().map_or(String::new(), |bits| format!(", {bits:.3} bits per byte"));
        let figures = figures(&line.figures);
        format!("step {step}/{}  validation loss {validation_loss:.3}{bits}{figures}", self.steps)
    }

    /// The beginning of a sample, on one line.
    fn sample_line(&self, step: u64, sample: &Sample) -> String {
        const SHOWN: usize = 100;
        let text = sample.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let start: String = text.chars().take(SHOWN).collect();
        format!("step {step}/{}  writes \u{201c}{start}\u{201d}", self.steps)
    }
}
