use nuwa_models::{Input, Model, Text};
use nuwa_nn::{AdamW, Context, Schedule};
use nuwa_tensor::{LossRows, Parameters, Precision, Random, Tape, Tensor, on_worker};

use crate::pack::Piece;
use crate::{LowRank, Result, TuningSettings};

/// Pieces one after the other, as they go through the model: each sees itself alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packed {
    /// The id at each position.
    pub inputs: Vec<u32>,
    /// The id that comes next.
    pub targets: Vec<u32>,
    /// Where the piece of each position begins.
    pub starts: Vec<u32>,
    /// Whether the next id is trained on.
    pub trained: Vec<bool>,
}

impl Packed {
    /// These pieces in their order.
    pub fn new<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Self {
        let mut packed = Self::default();
        for piece in pieces {
            let start = packed.inputs.len() as u32;
            packed.inputs.extend_from_slice(&piece.ids[..piece.positions()]);
            packed.targets.extend_from_slice(&piece.ids[1..]);
            packed.trained.extend_from_slice(&piece.trained[1..]);
            packed.starts.resize(packed.inputs.len(), start);
        }
        packed
    }

    /// The positions that are trained on: the rows that the output head needs.
    pub fn rows(&self) -> Vec<u32> {
        self.of_trained(&(0..self.inputs.len() as u32).collect::<Vec<_>>())
    }

    /// What belongs to the positions that are trained on.
    fn of_trained(&self, all: &[u32]) -> Vec<u32> {
        all.iter().zip(&self.trained).filter(|(_, trained)| **trained).map(|(one, _)| *one).collect()
    }

    fn text(&self) -> Text {
        Text::causal(self.inputs.clone(), 1).within_documents(self.starts.clone())
    }
}

/// What of the model is changed.
enum Changed {
    Everything(AdamW),
    Adapters(LowRank, AdamW),
}

/// A model in tuning: passes add to the gradient, an update uses it up.
pub struct Tuner {
    model: Box<dyn Model>,
    base: String,
    changed: Changed,
    schedule: Schedule,
    dropout: f32,
    tape: Tape,
    silent: Tape,
    random: Random,
}

impl Tuner {
    /// Tunes `model`, or adapters on it.
    pub fn new(
        model: Box<dyn Model>,
        adapters: Option<LowRank>,
        settings: &TuningSettings,
        seed: u64,
    ) -> Self {
        let base = nuwa_format::weights_hash(model.as_ref());
        let optimizer = &settings.optimizer;
        let changed = match adapters {
            Some(adapters) => {
                let state = AdamW::new(adapters.parameters(), optimizer);
                Changed::Adapters(adapters, state)
            }
            None => Changed::Everything(AdamW::new(model.parameters(), optimizer)),
        };
        let tape = Tape::training().with_precision(Precision::from(settings.precision));
        let silent = tape.for_inference();
        let schedule = settings.schedule(0.0, 1);
        let (dropout, random) = (settings.dropout, Random::new(seed).named("dropout"));
        Self { model, base, changed, schedule, dropout, tape, silent, random }
    }

    /// The model as it is now.
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The hash of the model's weights before anything was changed.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The model and, where adapters were tuned, these.
    pub fn finish(self) -> (Box<dyn Model>, Option<LowRank>) {
        match self.changed {
            Changed::Everything(_) => (self.model, None),
            Changed::Adapters(adapters, _) => (self.model, Some(adapters)),
        }
    }

    /// How large each step is; without, nothing changes.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// What the optimizer changes.
    pub fn parameters(&self) -> &Parameters {
        match &self.changed {
            Changed::Everything(_) => self.model.parameters(),
            Changed::Adapters(adapters, _) => adapters.parameters(),
        }
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &AdamW {
        match &self.changed {
            Changed::Everything(optimizer) | Changed::Adapters(_, optimizer) => optimizer,
        }
    }

    /// Goes on with an optimizer from a checkpoint, whose weights are in [`Tuner::parameters`] already.
    pub fn resume(&mut self, resumed: AdamW) {
        match &mut self.changed {
            Changed::Everything(optimizer) => *optimizer = resumed,
            Changed::Adapters(adapters, optimizer) => {
                *optimizer = resumed;
                adapters.apply();
            }
        }
    }

    /// The negative log-likelihood of each target that is trained on, in nats; nothing is learnt.
    ///
    /// # Errors
    /// When an id is outside of the vocabulary, or a piece longer than the context.
    pub fn losses(&mut self, packed: &Packed) -> Result<Vec<f32>> {
        on_worker(move || {
            let (hidden, targets) = self.hidden(&self.silent, packed)?;
            let weights = vec![1.0; targets.len()];
            let rows = LossRows { targets: &targets, weights: &weights };
            Ok(self.silent.cross_entropy(&self.model.head().loss(&hidden, rows))?.rows)
        })
    }

    /// Adds the gradient of `weight * sum of nll` over the targets that are trained on, and gives that sum; `number` decides
    /// what dropout drops.
    ///
    /// # Errors
    /// As [`Tuner::losses`].
    pub fn pass(&mut self, packed: &Packed, weight: f32, number: u64) -> Result<f32> {
        on_worker(move || {
            self.tape.set_random(self.random.stream(number));
            let (hidden, targets) = self.hidden(&self.tape, packed)?;
            let rows = LossRows { targets: &targets, weights: &vec![weight; targets.len()] };
            let losses = self.tape.backward_losses(&[self.model.head().loss(&hidden, rows)])?;
            Ok(losses.iter().map(|loss| loss.total).sum())
        })
    }

    /// As [`Tuner::pass`], of what `weigh` makes of the losses of all targets that are trained on.
    ///
    /// # Errors
    /// As [`Tuner::losses`].
    pub fn objective_pass(
        &mut self,
        packed: &Packed,
        number: u64,
        weigh: impl FnOnce(&[f32]) -> nuwa_tensor::Objective + Send,
    ) -> Result<f32> {
        on_worker(move || {
            self.tape.set_random(self.random.stream(number));
            let (hidden, targets) = self.hidden(&self.tape, packed)?;
            Ok(self.tape.backward_objective(&hidden, self.model.head().weight, &targets, weigh)?.total)
        })
    }

    /// The hidden rows that are trained on, and their targets: the head costs nothing for the others.
    fn hidden(&self, tape: &Tape, packed: &Packed) -> Result<(Tensor, Vec<u32>)> {
        let context = Context::new(tape).with_dropout(self.dropout);
        let rows = self.model.hidden(&context, Input::Text(&packed.text()))?;
        Ok((tape.rows(&rows.hidden, &packed.rows())?, packed.of_trained(&packed.targets)))
    }

    /// Puts what passes added where [`Tuner::parameters`] keeps its gradient. [`Tuner::update`] does so by itself.
    pub fn collect_gradient(&self) {
        if let Changed::Adapters(adapters, _) = &self.changed {
            adapters.take_gradient(self.model.parameters());
        }
    }

    /// Changes the weights by the gradient, which is used up; gives its norm before clipping and the learning rate. A norm
    /// that is not finite changes nothing.
    pub fn update(&mut self, step: u64) -> (f32, f32) {
        let rate = self.schedule.rate(step);
        self.collect_gradient();
        let norm = match &mut self.changed {
            Changed::Everything(optimizer) => optimizer.step(self.model.parameters(), rate),
            Changed::Adapters(adapters, optimizer) => {
                let norm = optimizer.step(adapters.parameters(), rate);
                adapters.apply();
                norm
            }
        };
        (norm, rate)
    }

    /// Forgets the gradient: after a loss that is no number.
    pub fn forget(&self) {
        self.tape.discard();
        self.model.parameters().clear_gradients();
    }
}
