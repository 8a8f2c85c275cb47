//! Direct preference optimisation: Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a
//! Reward Model" (2023).
//!
//! With `p(y)` the model's log-probability of an answer (the sum over its tokens; their mean where
//! [`length_normalised`](crate::DpoSettings::length_normalised)) and `q(y)` the reference's, computed once before the first
//! step: `z = beta ((p(chosen) - q(chosen)) - (p(rejected) - q(rejected)))` and
//! `loss = -(1 - e) log sigmoid(z) - e log sigmoid(-z)`, with `e` the label smoothing (conservative DPO, Mitchell 2023).
//! Reference-free: `q = 0`. With an SFT weight `w`, `w * mean nll of the chosen answer's tokens` is added (Pang et al. 2024).
//!
//! The loss depends on the model through the likelihood of tokens alone; its slope in the loss of each token of an answer
//! is `+- (sigmoid(z) - (1 - e)) beta`, divided by the answer's length where normalised.

use std::cmp::Ordering;

use nuwa_tensor::Objective as Value;
use nuwa_tokenizer::{Message, Tokenizer};
use nuwa_train::{Figures, Measured, Steps, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Preference;
use crate::epochs::PairEpochs;
use crate::join;
use crate::pack::{Example, groups, steps};
use crate::render::render;
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
        self.answers.iter().map(Example::positions).sum()
    }
}

/// Preference optimisation on pairs.
#[derive(Debug)]
pub struct Dpo {
    pairs: Vec<Pair>,
    held_out: Vec<Pair>,
    steps: Vec<Vec<usize>>,
    micro_batch: usize,
    settings: DpoSettings,
    stats: PairStats,
    epochs: PairEpochs,
    fingerprint: String,
}

/// What one pair comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLoss {
    /// The loss.
    pub loss: f32,
    /// `d loss / d p(chosen)`; that of the rejected answer is its negative.
    pub slope: f32,
    /// `beta (p - q)` of the chosen and of the rejected answer.
    pub rewards: [f32; 2],
}

/// The loss of a pair whose answers have the log-probabilities `model` and, by the reference, `reference`.
pub fn pair_loss(model: [f32; 2], reference: [f32; 2], beta: f32, smoothing: f32) -> PairLoss {
    let rewards = [0, 1].map(|answer| beta * (model[answer] - reference[answer]));
    let z = rewards[0] - rewards[1];
    // -log sigmoid(z) without overflow.
    let softplus = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let loss = (1.0 - smoothing) * softplus(-z) + smoothing * softplus(z);
    let sigmoid = 1.0 / (1.0 + (-z).exp());
    PairLoss { loss, slope: beta * (sigmoid - (1.0 - smoothing)), rewards }
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
        let mut stats = PairStats { pairs: preferences.len() as u64, ..PairStats::default() };
        let [trained, held_out] = divide(preferences, settings.tuning.held_out, seed);
        let joining = Joining { share: settings.joined, context, seed };
        let pairs = fitting(tokenizer, &trained, &joining, &mut stats)?;
        let alone = Joining { share: 0.0, ..joining };
        let held_out = fitting(tokenizer, &held_out, &alone, &mut stats)?;
        if pairs.is_empty() {
            let reason = format!("all {} pairs are longer than the context of {context} tokens", stats.pairs);
            return Err(Error::Empty { path: "the data".into(), reason });
        }
        Ok(Self { stats, ..Self::of_pairs(pairs, held_out, settings, trainer, seed)? })
    }

    /// Preference optimisation on pairs (chosen, rejected) that are rendered already.
    ///
    /// # Errors
    /// When a setting is out of range.
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
        let deciding = DpoSettings {
            epochs: Some(epochs.epochs),
            batch_pairs: Some(epochs.batch_pairs),
            tuning: settings.tuning.deciding(),
            ..settings.clone()
        };
        let unasked = |answers| Pair { answers, reference: [0.0; 2] };
        let mut dpo = Self {
            steps: steps(&vec![1; pairs.len()], epochs.batch_pairs, epochs.epochs, seed),
            epochs,
            pairs: pairs.into_iter().map(unasked).collect(),
            held_out: held_out.into_iter().map(unasked).collect(),
            micro_batch: settings.tuning.micro_batch_tokens,
            settings: settings.clone(),
            stats: PairStats::default(),
            fingerprint: serde_json::json!(["dpo", data, deciding, seed]).to_string(),
        };
        if !settings.reference_free {
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
        for group in self.groups(0..pairs.len(), pairs) {
            let answers: Vec<&Example> = group.iter().flat_map(|&index| &pairs[index].answers).collect();
            let losses = trainer.losses(&packed(answers.iter().copied(), 1.0))?;
            let found = self.log_probabilities(&answers, &losses);
            for (index, found) in group.into_iter().zip(found) {
                pairs[index].reference = found;
            }
        }
        Ok(())
    }

    fn groups(&self, order: impl IntoIterator<Item = usize>, pairs: &[Pair]) -> Vec<Vec<usize>> {
        let sizes: Vec<usize> = pairs.iter().map(Pair::positions).collect();
        groups(order, &sizes, self.micro_batch)
    }

    /// The log-probabilities of answers two by two, from the losses of their tokens.
    fn log_probabilities(&self, answers: &[&Example], losses: &[f32]) -> Vec<[f32; 2]> {
        let mut rest = losses;
        let mut next = |answer: &Example| {
            let (own, others) = rest.split_at(answer.trained_tokens());
            rest = others;
            -own.iter().sum::<f32>() / self.length(answer)
        };
        answers.chunks_exact(2).map(|pair| [next(pair[0]), next(pair[1])]).collect()
    }

    /// What a log-probability is divided by.
    fn length(&self, answer: &Example) -> f32 {
        if self.settings.length_normalised { answer.trained_tokens() as f32 } else { 1.0 }
    }

    /// The loss of `pairs` as a share of `batch` pairs, and its slope in the loss of each token of an answer.
    fn value(&self, pairs: &[&Pair], losses: &[f32], batch: usize, figures: &mut Sums) -> Value {
        let answers: Vec<&Example> = pairs.iter().flat_map(|pair| &pair.answers).collect();
        let found = self.log_probabilities(&answers, losses);
        let share = 1.0 / batch as f32;
        let mut value = Value { value: 0.0, slopes: Vec::with_capacity(losses.len()) };
        for (pair, found) in pairs.iter().zip(found) {
            let loss = pair_loss(found, pair.reference, self.settings.beta, self.settings.label_smoothing);
            let chosen = &pair.answers[0];
            let per_token = self.settings.sft_weight / chosen.trained_tokens() as f32;
            let mean = -found[0] * self.length(chosen) / chosen.trained_tokens() as f32;
            figures.add(&loss);
            value.value += share * (loss.loss + self.settings.sft_weight * mean);
            for (answer, sign, extra) in [(chosen, -1.0, per_token), (&pair.answers[1], 1.0, 0.0)] {
                let slope = share * (sign * loss.slope / self.length(answer) + extra);
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
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        for (group, pass) in self.groups(order.iter().copied(), &self.pairs).into_iter().zip(0..) {
            let pairs: Vec<&Pair> = group.iter().map(|&index| &self.pairs[index]).collect();
            let packed = packed(pairs.iter().flat_map(|pair| &pair.answers), 1.0);
            let weigh = |losses: &[f32]| self.value(&pairs, losses, order.len(), &mut sums);
            measured.loss += f64::from(trainer.objective_pass(&packed, (step << 16) | pass, weigh)?);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        for group in self.groups(0..self.held_out.len(), &self.held_out) {
            let pairs: Vec<&Pair> = group.iter().map(|&index| &self.held_out[index]).collect();
            let packed = packed(pairs.iter().flat_map(|pair| &pair.answers), 1.0);
            let losses = trainer.losses(&packed)?;
            measured.loss += f64::from(self.value(&pairs, &losses, self.held_out.len(), &mut sums).value);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok((!self.held_out.is_empty()).then_some(measured))
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

/// Which pairs stand after others.
#[derive(Debug, Clone, Copy)]
struct Joining {
    share: f64,
    context: usize,
    seed: u64,
}

fn fitting(
    tokenizer: &Tokenizer,
    preferences: &[&Preference],
    joining: &Joining,
    stats: &mut PairStats,
) -> Result<Vec<[Example; 2]>> {
    let context = joining.context;
    let fitted: Vec<Option<Fitted>> = preferences
        .par_iter()
        .map(|preference| fit(tokenizer, preference, context))
        .collect::<Result<_>>()?;
    stats.too_long += fitted.iter().filter(|fitted| fitted.is_none()).count() as u64;
    stats.shortened += fitted.iter().flatten().filter(|fitted| fitted.shortened).count() as u64;
    // One that does not fit is too long for any group.
    let size = |fitted: &Option<Fitted>| fitted.as_ref().map_or(usize::MAX / 2, Fitted::longest);
    let sizes: Vec<usize> = fitted.iter().map(size).collect();
    let before = before_each(preferences, &sizes, joining);
    let longer: Vec<Option<Fitted>> = preferences
        .par_iter()
        .zip(&before)
        .map(|(preference, before)| after(tokenizer, before, preference, context))
        .collect();
    stats.joined += longer.iter().flatten().count() as u64;
    let pairs = longer.into_iter().zip(fitted).filter_map(|(longer, alone)| longer.or(alone));
    Ok(pairs.map(|fitted| fitted.answers).collect())
}

/// The pairs that stand before each in its conversation.
fn before_each<'a>(
    preferences: &[&'a Preference],
    sizes: &[usize],
    joining: &Joining,
) -> Vec<Vec<&'a Preference>> {
    let mut before = vec![Vec::new(); preferences.len()];
    for group in join::groups(preferences, sizes, joining.share, joining.context, joining.seed) {
        for (place, &index) in group.iter().enumerate() {
            before[index] = group[..place].iter().map(|&earlier| preferences[earlier]).collect();
        }
    }
    before
}

/// The pair after others with their chosen answers; none where there are no others, they do not fit, or the template
/// cannot write it.
fn after(
    tokenizer: &Tokenizer,
    before: &[&Preference],
    preference: &Preference,
    context: usize,
) -> Option<Fitted> {
    if before.is_empty() {
        return None;
    }
    let earlier: Vec<Vec<Message>> =
        before.iter().map(|one| one.prompt.iter().chain(&one.chosen).cloned().collect()).collect();
    let parts = earlier.iter().chain([&preference.prompt]).map(Vec::as_slice);
    let whole = Preference { prompt: join::joined(parts), ..preference.clone() };
    fit(tokenizer, &whole, context).ok().flatten().filter(|fitted| !fitted.shortened)
}

/// A pair that fits the context.
pub(crate) struct Fitted {
    pub(crate) answers: [Example; 2],
    pub(crate) shortened: bool,
}

impl Fitted {
    fn longest(&self) -> usize {
        self.answers.iter().map(|answer| answer.ids.len()).max().unwrap_or(0)
    }
}

/// Leaves out the oldest turns of the prompt, but for a system prompt, until both answers fit the context; none where
/// even the last question alone is too long.
pub(crate) fn fit(tokenizer: &Tokenizer, preference: &Preference, context: usize) -> Result<Option<Fitted>> {
    let mut shorter = preference.clone();
    let first = usize::from(shorter.prompt.first().is_some_and(|turn| turn.role == "system"));
    let mut shortened = false;
    loop {
        let [chosen, rejected] = shorter.dialogues().map(|dialogue| {
            let rendered = render(tokenizer, &dialogue, shorter.prompt.len())?;
            Ok::<_, Error>(Example::of(rendered.ids, rendered.trained))
        });
        let answers: [Example; 2] = [chosen?, rejected?];
        if answers.iter().all(|answer| answer.positions() <= context) {
            return Ok(Some(Fitted { answers, shortened }));
        }
        // A prompt goes on beginning with the user.
        let next = shorter.prompt.iter().skip(first + 1).position(|turn| turn.role == "user");
        let Some(next) = next else { return Ok(None) };
        shorter.prompt.drain(first..first + 1 + next);
        shortened = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_a_pair_is_what_the_formula_says() {
        let even = pair_loss([-3.0, -5.0], [-3.0, -5.0], 0.1, 0.0);
        assert!((even.loss - std::f32::consts::LN_2).abs() < 1e-6);
        assert!((even.slope + 0.05).abs() < 1e-7);
        let far = pair_loss([1000.0, -1000.0], [0.0, 0.0], 1.0, 0.0);
        assert_eq!((far.loss, far.slope), (0.0, 0.0));
        let wrong = pair_loss([-1000.0, 1000.0], [0.0, 0.0], 1.0, 0.0);
        assert_eq!((wrong.loss, wrong.slope), (2000.0, -1.0));
    }

    #[test]
    fn a_tie_is_half_right_as_chance_is() {
        let accuracy = |models: &[[f32; 2]]| {
            let mut sums = Sums::default();
            models.iter().for_each(|model| sums.add(&pair_loss(*model, [-3.0, -5.0], 0.1, 0.0)));
            sums.figures()["accuracy"]
        };
        // Before the first step the model is its own reference.
        assert_eq!(accuracy(&[[-3.0, -5.0]; 4]), 0.5);
        assert_eq!(accuracy(&[[-2.0, -5.0], [-3.0, -5.0], [-3.0, -4.0], [f32::NAN, -5.0]]), 1.5 / 4.0);
    }

    #[test]
    fn the_slope_is_that_of_the_loss() {
        for (chosen, smoothing) in [(-4.0, 0.0), (-9.0, 0.0), (-2.0, 0.2)] {
            let at = |x: f32| pair_loss([x, -5.0], [-4.5, -5.5], 0.7, smoothing);
            let step = 1e-2;
            let finite = (at(chosen + step).loss - at(chosen - step).loss) / (2.0 * step);
            assert!((at(chosen).slope - finite).abs() < 1e-3, "{finite} {}", at(chosen).slope);
        }
    }
}
