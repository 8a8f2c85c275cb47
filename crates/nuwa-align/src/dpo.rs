//! Optimisation on pairs of a chosen and a rejected answer: direct preference optimisation and its relatives.
//!
//! The loss of a pair is one of [`preference`](crate::preference), from the log-probabilities of both answers by the model and by the
//! reference, which are computed once before the first step. With an SFT weight `w`, `w * mean nll of the chosen answer's tokens` is
//! added (Pang et al., "Iterative Reasoning Preference Optimization", 2024).
//!
//! The losses depend on the model through the likelihood of tokens alone; the slope in the loss of each token of an answer is
//! the negative of that in the answer's log-probability, divided by its length where this is a mean.

use std::cmp::Ordering;

use nuwa_tensor::Objective as Value;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};

use crate::data::Preference;
use crate::epochs::PairEpochs;
use crate::fitting::{Fates, Joining, fitting};
use crate::likelihood::{Measure, positions};
use crate::pack::{Example, groups, steps};
use crate::preference::{PairLikelihood, PairLoss, PairRule, aot};
use crate::sft::divide;
use crate::tune::{RecordSteps, packed};
use crate::{DpoSettings, Error, Result};

/// What became of every pair.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PairStats {
    /// Pairs in all.
    pub pairs: u64,
    /// Pairs whose oldest turns were left out, so that they fit the context.
    pub shortened: u64,
    /// Pairs that are longer than the context even so, and are not used.
    pub too_long: u64,
    /// Pairs that stand after others in one conversation.
    #[serde(default)]
    pub joined: u64,
}

/// A pair as it goes through the model.
#[derive(Debug, Clone)]
struct Pair {
    /// Chosen and rejected.
    answers: [Example; 2],
    /// The reference's log-probabilities of the two.
    reference: [f32; 2],
}

impl Pair {
    fn positions(&self) -> usize {
        positions(&self.answers)
    }

    /// `q(c) - q(r)`.
    fn reference_difference(&self) -> f32 {
        self.reference[0] - self.reference[1]
    }
}

/// A pair, and the reference's difference that the model's is held against.
type Held<'a> = (&'a Pair, f32);

/// Preference optimisation on pairs.
#[derive(Debug)]
pub struct Dpo {
    pairs: Vec<Pair>,
    held_out: Vec<Pair>,
    steps: Vec<Vec<usize>>,
    micro_batch: usize,
    rule: PairRule,
    measure: Measure,
    sft_weight: f32,
    stats: PairStats,
    epochs: PairEpochs,
    fingerprint: String,
}

impl Dpo {
    /// Renders `preferences` for a model of `context`. The reference's log-probabilities are those of `trainer`'s model as
    /// it is now.
    ///
    /// # Errors
    /// When a setting is out of range, the template fails, or nothing is left to train on.
    pub fn new(
        tokenizer: &Tokenizer,
        preferences: &[Preference],
        settings: &DpoSettings,
        trainer: &mut Trainer,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let context = trainer.model().context();
        let [trained, held_out] = divide(preferences, settings.tuning.held_out(), seed);
        let (joining, mut fates) = (Joining { share: settings.joined, context, seed }, Fates::default());
        let pairs = fitting(tokenizer, &trained, &joining, &mut fates)?;
        let alone = Joining { share: 0.0, ..joining };
        let held_out = fitting(tokenizer, &held_out, &alone, &mut fates)?;
        let [pairs, held_out] =
            [pairs, held_out].map(|pairs| pairs.into_iter().flatten().collect::<Vec<_>>());
        let count = preferences.len() as u64;
        if pairs.is_empty() {
            let reason = format!("all {count} pairs are longer than the context of {context} tokens");
            return Err(Error::Empty { path: "the data".into(), reason });
        }
        let Fates { shortened, too_long, joined } = fates;
        let stats = PairStats { pairs: count, shortened, too_long, joined };
        Ok(Self { stats, ..Self::of_pairs(pairs, held_out, settings, trainer, seed)? })
    }

    /// Preference optimisation on pairs (chosen, rejected) that are rendered already.
    ///
    /// # Errors
    /// When a setting is out of range, or the loss is not one of pairs.
    pub fn of_pairs(
        pairs: Vec<[Example; 2]>,
        held_out: Vec<[Example; 2]>,
        settings: &DpoSettings,
        trainer: &mut Trainer,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let ids: Vec<_> = pairs.iter().chain(&held_out).flatten().map(|answer| &answer.ids).collect();
        let data = nuwa_files::hash_bytes(serde_json::json!(ids).to_string().as_bytes());
        let epochs = PairEpochs::of(settings.epochs, settings.batch_pairs, pairs.len());
        let deciding = settings.deciding(epochs);
        let unasked = |answers| Pair { answers, reference: [0.0; 2] };
        let mut dpo = Self {
            steps: steps(&vec![1; pairs.len()], epochs.batch_pairs, epochs.epochs, seed),
            epochs,
            pairs: pairs.into_iter().map(unasked).collect(),
            held_out: held_out.into_iter().map(unasked).collect(),
            micro_batch: settings.tuning.micro_batch_tokens,
            rule: settings.pair_rule()?,
            measure: Measure::new(settings.by_token()),
            sft_weight: settings.sft_weight,
            stats: PairStats::default(),
            fingerprint: serde_json::json!(["dpo", data, deciding, seed]).to_string(),
        };
        if settings.asks_reference() {
            let mut pairs = std::mem::take(&mut dpo.pairs);
            let mut held_out = std::mem::take(&mut dpo.held_out);
            dpo.ask_reference(trainer, &mut pairs)?;
            dpo.ask_reference(trainer, &mut held_out)?;
            (dpo.pairs, dpo.held_out) = (pairs, held_out);
        }
        Ok(dpo)
    }

    /// How often the pairs are seen, and how many at a time.
    pub fn epochs(&self) -> PairEpochs {
        self.epochs
    }

    /// What became of the pairs.
    pub fn stats(&self) -> &PairStats {
        &self.stats
    }

    /// Pairs that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// Computes the reference's log-probabilities, which are kept with the pairs.
    fn ask_reference(&self, trainer: &mut Trainer, pairs: &mut [Pair]) -> Result<()> {
        let found = self.ask(trainer, pairs.iter())?;
        pairs.iter_mut().zip(found).for_each(|(pair, found)| pair.reference = found);
        Ok(())
    }

    /// The log-probabilities of pairs by the model as it is now.
    fn ask<'a>(
        &self,
        trainer: &mut Trainer,
        pairs: impl Iterator<Item = &'a Pair>,
    ) -> nuwa_train::Result<Vec<[f32; 2]>> {
        let units: Vec<&[Example]> = pairs.map(|pair| pair.answers.as_slice()).collect();
        let found = self.measure.ask(trainer, &units, self.micro_batch)?;
        Ok(found.as_chunks().0.to_vec())
    }

    /// The pairs of a step with what each is held against: where the loss sorts, that follows from all of them.
    fn held<'a>(
        &self,
        trainer: &mut Trainer,
        pairs: impl Iterator<Item = &'a Pair>,
    ) -> nuwa_train::Result<Vec<Held<'a>>> {
        let pairs: Vec<&Pair> = pairs.collect();
        let own: Vec<f32> = pairs.iter().map(|pair| pair.reference_difference()).collect();
        let against = if self.rule.sorts() {
            let found = self.ask(trainer, pairs.iter().copied())?;
            let model: Vec<f32> = found.into_iter().map(|[chosen, rejected]| chosen - rejected).collect();
            aot::matched(&model, &own)
        } else {
            own
        };
        Ok(pairs.into_iter().zip(against).collect())
    }

    /// The pairs in passes of at most a micro-batch.
    fn passes<'a, 'b>(&self, pairs: &'b [Held<'a>]) -> impl Iterator<Item = &'b [Held<'a>]> + use<'a, 'b> {
        let sizes: Vec<usize> = pairs.iter().map(|(pair, _)| pair.positions()).collect();
        groups(0..pairs.len(), &sizes, self.micro_batch)
            .into_iter()
            .map(|group| &pairs[group[0]..group[0] + group.len()])
    }

    /// The loss of `pairs` as a share of `batch` pairs, and its slope in the loss of each token of an answer.
    fn value(&self, pairs: &[Held<'_>], losses: &[f32], batch: usize, figures: &mut Sums) -> Value {
        let answers: Vec<&Example> = pairs.iter().flat_map(|(pair, _)| &pair.answers).collect();
        let found = self.measure.of(&answers, losses);
        let share = 1.0 / batch as f32;
        let mut value = Value { value: 0.0, slopes: Vec::with_capacity(losses.len()) };
        for ((pair, against), model) in pairs.iter().zip(found.as_chunks().0) {
            let likelihood = PairLikelihood { model: *model, reference: pair.reference, against: *against };
            let loss = self.rule.loss(&likelihood);
            let chosen = &pair.answers[0];
            let per_token = self.sft_weight / chosen.trained_tokens() as f32;
            let mean = -model[0] * self.measure.length(chosen) / chosen.trained_tokens() as f32;
            figures.add(&loss);
            value.value += share * (loss.loss + self.sft_weight * mean);
            for ((answer, slope), extra) in pair.answers.iter().zip(loss.slopes).zip([per_token, 0.0]) {
                let slope = share * (-slope / self.measure.length(answer) + extra);
                value.slopes.extend(std::iter::repeat_n(slope, answer.trained_tokens()));
            }
        }
        value
    }
}

impl RecordSteps for Dpo {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for Dpo {
    fn tokens(&self, step: u64) -> u64 {
        self.steps[step as usize].iter().map(|&index| self.pairs[index].positions() as u64).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let order = &self.steps[step as usize];
        let held = self.held(trainer, order.iter().map(|&index| &self.pairs[index]))?;
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        for (pairs, pass) in self.passes(&held).zip(0..) {
            let packed = packed(pairs.iter().flat_map(|(pair, _)| &pair.answers), 1.0);
            let weigh = |losses: &[f32]| self.value(pairs, losses, order.len(), &mut sums);
            measured.loss += f64::from(trainer.objective_pass(&packed, (step << 16) | pass, weigh)?);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let held = self.held(trainer, self.held_out.iter())?;
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        for pairs in self.passes(&held) {
            let packed = packed(pairs.iter().flat_map(|(pair, _)| &pair.answers), 1.0);
            let losses = trainer.losses(&packed)?;
            measured.loss += f64::from(self.value(pairs, &losses, held.len(), &mut sums).value);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok((!held.is_empty()).then_some(measured))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// Sums of what pairs come to.
#[derive(Debug, Default)]
struct Sums {
    pairs: f64,
    right: f64,
    rewards: [f64; 2],
}

impl Sums {
    fn add(&mut self, loss: &PairLoss) {
        let [chosen, rejected] = loss.rewards.map(f64::from);
        self.pairs += 1.0;
        // A tie is half right: before the first step all pairs are ties, and that is chance, not failure.
        self.right += match chosen.partial_cmp(&rejected) {
            Some(Ordering::Greater) => 1.0,
            Some(Ordering::Equal) => 0.5,
            _ => 0.0,
        };
        self.rewards[0] += chosen;
        self.rewards[1] += rejected;
    }

    fn figures(&self) -> Figures {
        let mean = |sum: f64| sum / self.pairs.max(1.0);
        let [chosen, rejected] = self.rewards.map(mean);
        let named = [
            ("accuracy", mean(self.right)),
            ("margin", chosen - rejected),
            ("chosen_reward", chosen),
            ("rejected_reward", rejected),
        ];
        named.map(|(name, value)| (name.to_string(), value)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_is_half_right_as_chance_is() {
        let rule = PairRule::Sigmoid { beta: 0.1, smoothing: 0.0 };
        let accuracy = |models: &[[f32; 2]]| {
            let mut sums = Sums::default();
            let loss = |model: &[f32; 2]| rule.loss(&PairLikelihood::new(*model, [-3.0, -5.0]));
            models.iter().for_each(|model| sums.add(&loss(model)));
            sums.figures()["accuracy"]
        };
        // Before the first step the model is its own reference.
        assert_eq!(accuracy(&[[-3.0, -5.0]; 4]), 0.5);
        assert_eq!(accuracy(&[[-2.0, -5.0], [-3.0, -5.0], [-3.0, -4.0], [f32::NAN, -5.0]]), 1.5 / 4.0);
    }
}
