use std::sync::Arc;
use std::time::Instant;

use nuwa_files::Progress;
use nuwa_nn::{Schedule, ScheduleKind};
use nuwa_shards::{Part, Shards};

use super::{PilotResult, Plan, Request};
use crate::inside::GradientNoise;
use crate::pretrain::trainer_settings;
use crate::{Loader, Pretraining, Result, Trainer, TrainerSettings};

/// Steps that fill caches and buffers and are not counted.
const WARM_UP: usize = 1;

/// The fewest steps that tell the speed.
pub(super) const FEWEST_STEPS: usize = WARM_UP + 2;

/// Steps over which the learning rate of a pilot rises.
const RISE: u64 = 10;

/// Tokens of the held-out text that it is measured on.
const MOST_HELD_OUT: u64 = 10_000;

/// A short training run of a planned model on the real text.
pub(super) struct Pilot {
    trainer: Trainer,
    source: Pretraining,
    /// The test part, where there is any.
    held_out: Option<Shards>,
    batch_tokens: u64,
    /// Seconds of each step.
    steps: Vec<f64>,
    /// After how many tokens it was measured, and bits a byte of the held-out text.
    measured: Vec<(u64, f64)>,
    noise_scale: Option<f64>,
}

impl Pilot {
    pub fn start(request: &Request<'_>, plan: &Plan) -> Result<Self> {
        let loader = Loader::new(Shards::open(request.shards, Part::Train)?, plan.context, request.seed)?;
        let model = plan.build(request.seed)?;
        let peak = plan.learning_rate;
        // The rate rises and stays.
        let schedule = Schedule { warmup: RISE, ..Schedule::new(ScheduleKind::Constant, peak, u64::MAX) };
        let sizes = [plan.sequences, plan.accumulation];
        let settings = TrainerSettings {
            optimizer: request.pretrain.optimizer.clone(),
            ..trainer_settings(plan, request.pretrain, model.parameters(), request.seed)
        };
        let mut trainer = Trainer::new(model, None, settings);
        trainer.set_schedule(schedule);
        Ok(Self {
            trainer,
            source: Pretraining::new(loader, Arc::clone(request.objective), sizes),
            held_out: Shards::open_if_any(request.shards, Part::Test)?,
            batch_tokens: plan.batch_tokens(),
            steps: Vec::new(),
            measured: Vec::new(),
            noise_scale: None,
        })
    }

    pub fn run_steps(&mut self, count: usize, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        for done in 0..count {
            progress(tried(done as u64, count as u64, "steps"));
            self.step()?;
        }
        progress(tried(count as u64, count as u64, "steps"));
        Ok(())
    }

    pub fn run_seconds(&mut self, seconds: f64, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let began = Instant::now();
        loop {
            let elapsed = began.elapsed().as_secs_f64();
            progress(tried(elapsed.min(seconds) as u64, seconds as u64, "seconds"));
            if elapsed >= seconds && self.steps.len() >= FEWEST_STEPS {
                return Ok(());
            }
            self.step()?;
        }
    }

    /// Measures the noise of gradients, and on the held-out text what was learnt so far.
    pub fn measure(&mut self) -> Result<()> {
        let noise = self.source.gradient_noise(&mut self.trainer, self.steps.len() as u64)?;
        self.noise_scale = noise.and_then(GradientNoise::scale);
        let Some(held_out) = self.held_out.as_ref().filter(|part| part.tokens() > 1) else { return Ok(()) };
        let measured = self.source.measure(&mut self.trainer, held_out, MOST_HELD_OUT)?;
        if let Some(bits) = measured.bits_per_byte {
            self.measured.push((self.steps.len() as u64 * self.batch_tokens, bits));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let began = Instant::now();
        self.trainer.step(&mut self.source, self.steps.len() as u64)?;
        self.steps.push(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// From the median step, so that a hiccup of the machine does not count.
    pub fn tokens_per_second(&self) -> f64 {
        let mut seconds: Vec<f64> = self.steps.iter().skip(WARM_UP).copied().collect();
        seconds.sort_by(f64::total_cmp);
        self.batch_tokens as f64 / seconds[seconds.len() / 2]
    }

    pub fn held_bytes(&self) -> u64 {
        self.trainer.held_bytes() as u64
    }

    pub fn result(&self) -> PilotResult {
        PilotResult {
            steps: self.steps.len() as u64,
            tokens: self.steps.len() as u64 * self.batch_tokens,
            seconds: self.steps.iter().sum(),
            tokens_per_second: self.tokens_per_second(),
            held_out: self.measured.clone(),
            noise_scale: self.noise_scale,
        }
    }
}

fn tried(done: u64, total: u64, unit: &'static str) -> Progress {
    Progress { task: "trying the model", done, total: Some(total), unit, bytes: None }
}
