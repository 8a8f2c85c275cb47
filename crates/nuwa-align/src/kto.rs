//! Optimisation on single answers that are desirable or not, by the loss of [`preference::kto`](crate::preference::kto).
//!
//! How far the model is from its reference is estimated before each step from all its answers, however the step is accumulated:
//! each is put behind the prompt of another one of the same step. So `B` answers at one time `k` times equal `B k` at one time.

use nuwa_tensor::Objective as Value;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};

use crate::data::JudgedAnswer;
use crate::epochs::PairEpochs;
use crate::fitting::{Fates, Joining, fitting};
use crate::likelihood::{Measure, positions};
use crate::mismatch::mismatched;
use crate::pack::{Example, groups, steps};
use crate::preference::kto::{AnswerLoss, answer_loss, distance, weights};
use crate::sft::divide;
use crate::tune::{RecordSteps, packed};
use crate::{DpoSettings, Error, Result};

/// What became of every answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerStats {
    /// Answers in all.
    pub answers: u64,
    /// Answers whose prompts lost their oldest turns, so that they fit the context.
    pub shortened: u64,
    /// Answers that are longer than the context even so, and are not used.
    pub too_long: u64,
    /// Answers that stand after others in one conversation.
    pub joined: u64,
    /// Desirable answers that are learnt from.
    pub desirable: u64,
    /// Undesirable ones.
    pub undesirable: u64,
    /// What a desirable and an undesirable answer weigh in the loss.
    pub weights: [f32; 2],
}

/// An answer as it goes through the model.
#[derive(Debug, Clone)]
struct Opinion {
    answer: [Example; 1],
    is_good: bool,
    /// The reference's log-probability.
    reference: f32,
}

/// An answer behind the prompt of another.
#[derive(Debug, Clone)]
struct Mismatch {
    example: [Example; 1],
    /// The reference's log-probability.
    reference: f32,
}

/// Preference optimisation on single answers.
#[derive(Debug)]
pub struct Kto {
    opinions: Vec<Opinion>,
    held_out: Vec<Opinion>,
    steps: Vec<Vec<usize>>,
    /// The mismatches of each step, and those of what is held out.
    mismatches: Vec<Vec<Mismatch>>,
    held_out_mismatches: Vec<Mismatch>,
    micro_batch: usize,
    beta: f32,
    measure: Measure,
    stats: AnswerStats,
    epochs: PairEpochs,
    fingerprint: String,
}

impl Kto {
    /// Renders `answers` for the context of `trainer`'s model, which as it is now is the reference.
    ///
    /// # Errors
    /// When a setting is out of range, the template fails, or there are not answers of both kinds to learn from.
    pub fn new(
        tokenizer: &Tokenizer,
        answers: &[JudgedAnswer],
        settings: &DpoSettings,
        trainer: &mut Trainer,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let context = trainer.model().context();
        let [trained, held_out] = divide(answers, settings.tuning.held_out(), seed);
        let (joining, mut fates) = (Joining { share: settings.joined, context, seed }, Fates::default());
        let mut rendered = |answers: &[&JudgedAnswer], joining: &Joining| -> Result<Vec<(Example, bool)>> {
            let examples = fitting(tokenizer, answers, joining, &mut fates)?;
            let judged = examples.into_iter().zip(answers);
            Ok(judged.filter_map(|(example, one)| example.map(|[example]| (example, one.is_good))).collect())
        };
        let examples = rendered(&trained, &joining)?;
        let held_out = rendered(&held_out, &Joining { share: 0.0, ..joining })?;
        if examples.is_empty() {
            let reason =
                format!("all {} answers are longer than the context of {context} tokens", answers.len());
            return Err(Error::Empty { path: "the data".into(), reason });
        }
        let mut kto = Self::of_examples(examples, held_out, settings, trainer, seed)?;
        let Fates { shortened, too_long, joined } = fates;
        let answers = answers.len() as u64;
        kto.stats = AnswerStats { answers, shortened, too_long, joined, ..kto.stats };
        Ok(kto)
    }

    /// Preference optimisation on answers that are rendered already, each with whether it is desirable.
    ///
    /// # Errors
    /// When a setting is out of range, or all answers are of one kind.
    pub fn of_examples(
        examples: Vec<(Example, bool)>,
        held_out: Vec<(Example, bool)>,
        settings: &DpoSettings,
        trainer: &mut Trainer,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let stats = account(&examples, settings)?;
        let ids: Vec<_> =
            examples.iter().chain(&held_out).map(|(answer, is_good)| (&answer.ids, is_good)).collect();
        let data = nuwa_files::hash_bytes(serde_json::json!(ids).to_string().as_bytes());
        let epochs = PairEpochs::of_answers(settings.epochs, settings.batch_pairs, examples.len());
        let fingerprint = serde_json::json!(["kto", data, settings.deciding(epochs), seed]).to_string();
        let steps = steps(&vec![1; examples.len()], epochs.batch_pairs, epochs.epochs, seed);
        let unasked = |(answer, is_good)| Opinion { answer: [answer], is_good, reference: 0.0 };
        let opinions: Vec<Opinion> = examples.into_iter().map(unasked).collect();
        let held_out: Vec<Opinion> = held_out.into_iter().map(unasked).collect();
        let context = trainer.model().context();
        let all_held_out: Vec<usize> = (0..held_out.len()).collect();
        let mut kto = Self {
            mismatches: steps.iter().map(|order| mismatches(&opinions, order, context)).collect(),
            held_out_mismatches: mismatches(&held_out, &all_held_out, context),
            opinions,
            held_out,
            steps,
            micro_batch: settings.tuning.micro_batch_tokens,
            beta: settings.beta(),
            measure: Measure::new(settings.by_token()),
            stats,
            epochs,
            fingerprint,
        };
        kto.ask_reference(trainer)?;
        Ok(kto)
    }

    /// How often the answers are seen, and how many at a time.
    pub fn epochs(&self) -> PairEpochs {
        self.epochs
    }

    /// What became of the answers.
    pub fn stats(&self) -> &AnswerStats {
        &self.stats
    }

    /// Answers that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// Computes the reference's log-probabilities, which are kept with the answers.
    fn ask_reference(&mut self, trainer: &mut Trainer) -> Result<()> {
        let (measure, micro_batch) = (self.measure, self.micro_batch);
        for opinions in [&mut self.opinions, &mut self.held_out] {
            let units: Vec<&[Example]> = opinions.iter().map(|one| one.answer.as_slice()).collect();
            let found = measure.ask(trainer, &units, micro_batch)?;
            opinions.iter_mut().zip(found).for_each(|(one, found)| one.reference = found);
        }
        for mismatches in self.mismatches.iter_mut().chain([&mut self.held_out_mismatches]) {
            let units: Vec<&[Example]> = mismatches.iter().map(|one| one.example.as_slice()).collect();
            let found = measure.ask(trainer, &units, micro_batch)?;
            mismatches.iter_mut().zip(found).for_each(|(one, found)| one.reference = found);
        }
        Ok(())
    }

    /// How far the model is from its reference, by the mismatches of a step.
    fn distance(&self, trainer: &mut Trainer, mismatches: &[Mismatch]) -> nuwa_train::Result<f32> {
        let units: Vec<&[Example]> = mismatches.iter().map(|one| one.example.as_slice()).collect();
        let found = self.measure.ask(trainer, &units, self.micro_batch)?;
        let ratios: Vec<f32> =
            found.into_iter().zip(mismatches).map(|(model, one)| model - one.reference).collect();
        Ok(distance(&ratios))
    }

    fn groups(&self, order: impl IntoIterator<Item = usize>, opinions: &[Opinion]) -> Vec<Vec<usize>> {
        let sizes: Vec<usize> = opinions.iter().map(|one| positions(&one.answer)).collect();
        groups(order, &sizes, self.micro_batch)
    }

    /// The loss of `opinions` as a share of `batch`, and its slope in the loss of each token of an answer.
    fn value(&self, opinions: &[&Opinion], losses: &[f32], batch: usize, sums: &mut Sums) -> Value {
        let answers: Vec<&Example> = opinions.iter().flat_map(|one| &one.answer).collect();
        let found = self.measure.of(&answers, losses);
        let share = 1.0 / batch as f32;
        let mut value = Value { value: 0.0, slopes: Vec::with_capacity(losses.len()) };
        for ((opinion, answer), model) in opinions.iter().zip(answers).zip(found) {
            let weight = self.stats.weights[usize::from(!opinion.is_good)];
            let ratio = model - opinion.reference;
            let loss = answer_loss(ratio, opinion.is_good, sums.distance, self.beta, weight);
            sums.add(&loss, opinion.is_good);
            value.value += share * loss.loss;
            let slope = -share * loss.slope / self.measure.length(answer);
            value.slopes.extend(std::iter::repeat_n(slope, answer.trained_tokens()));
        }
        value
    }
}

/// How many answers of each kind there are, and what they weigh.
fn account(examples: &[(Example, bool)], settings: &DpoSettings) -> Result<AnswerStats> {
    let answers = examples.len() as u64;
    let desirable = examples.iter().filter(|(_, is_good)| *is_good).count() as u64;
    let undesirable = answers - desirable;
    if desirable == 0 || undesirable == 0 {
        let kind = if desirable > 0 { "desirable" } else { "undesirable" };
        let reason =
            format!("all {answers} answers are {kind}, and KTO learns from the difference of both kinds");
        return Err(Error::Empty { path: "the data".into(), reason });
    }
    let weights = match (settings.desirable_weight, settings.undesirable_weight) {
        (None, None) => weights(desirable, undesirable),
        (desirable, undesirable) => [desirable.unwrap_or(1.0), undesirable.unwrap_or(1.0)],
    };
    Ok(AnswerStats { answers, desirable, undesirable, weights, ..AnswerStats::default() })
}

fn mismatches(opinions: &[Opinion], order: &[usize], context: usize) -> Vec<Mismatch> {
    let answers: Vec<&Example> = opinions.iter().flat_map(|one| &one.answer).collect();
    let examples = mismatched(&answers, order, context).into_iter();
    examples.map(|example| Mismatch { example: [example], reference: 0.0 }).collect()
}

impl RecordSteps for Kto {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for Kto {
    fn tokens(&self, step: u64) -> u64 {
        self.steps[step as usize].iter().map(|&index| positions(&self.opinions[index].answer) as u64).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let order = &self.steps[step as usize];
        let mut sums = Sums::new(self.distance(trainer, &self.mismatches[step as usize])?);
        let mut measured = Measured::default();
        for (group, pass) in self.groups(order.iter().copied(), &self.opinions).into_iter().zip(0..) {
            let opinions: Vec<&Opinion> = group.iter().map(|&index| &self.opinions[index]).collect();
            let packed = packed(opinions.iter().flat_map(|one| &one.answer), 1.0);
            let weigh = |losses: &[f32]| self.value(&opinions, losses, order.len(), &mut sums);
            measured.loss += f64::from(trainer.objective_pass(&packed, (step << 16) | pass, weigh)?);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok(measured)
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let count = self.held_out.len();
        let mut sums = Sums::new(self.distance(trainer, &self.held_out_mismatches)?);
        let mut measured = Measured::default();
        for group in self.groups(0..count, &self.held_out) {
            let opinions: Vec<&Opinion> = group.iter().map(|&index| &self.held_out[index]).collect();
            let packed = packed(opinions.iter().flat_map(|one| &one.answer), 1.0);
            let losses = trainer.losses(&packed)?;
            measured.loss += f64::from(self.value(&opinions, &losses, count, &mut sums).value);
            measured.tokens += packed.source.ids.len() as u64;
        }
        measured.figures = sums.figures();
        Ok((count > 0).then_some(measured))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// What the answers of a step come to.
#[derive(Debug)]
struct Sums {
    distance: f32,
    /// The rewards of desirable and of undesirable answers.
    rewards: [Vec<f32>; 2],
}

impl Sums {
    fn new(distance: f32) -> Self {
        Self { distance, rewards: [Vec::new(), Vec::new()] }
    }

    fn add(&mut self, loss: &AnswerLoss, is_good: bool) {
        self.rewards[usize::from(!is_good)].push(loss.reward);
    }

    /// Of a step without answers of both kinds, what can be said of one.
    fn figures(&self) -> Figures {
        let mean = |rewards: &[f32]| {
            let sum: f64 = rewards.iter().map(|reward| f64::from(*reward)).sum();
            (!rewards.is_empty()).then(|| sum / rewards.len() as f64)
        };
        let [desirable, undesirable] = [0, 1].map(|kind| mean(&self.rewards[kind]));
        let margin = desirable.zip(undesirable).map(|(one, other)| one - other);
        let named = [
            ("accuracy", ranked_right(&self.rewards)),
            ("margin", margin),
            ("desirable_reward", desirable),
            ("undesirable_reward", undesirable),
            ("kl", Some(f64::from(self.distance))),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect()
    }
}

/// The share of all pairs of a desirable and an undesirable answer in which the desirable one is rewarded more; a tie is half
/// right, as chance is.
fn ranked_right(rewards: &[Vec<f32>; 2]) -> Option<f64> {
    let [desirable, undesirable] = rewards;
    let mut others = undesirable.clone();
    others.sort_by(f32::total_cmp);
    let right = |reward: &f32| {
        let below = others.partition_point(|other| other < reward);
        let ties = others[below..].partition_point(|other| other <= reward);
        below as f64 + ties as f64 / 2.0
    };
    let pairs = desirable.len() * undesirable.len();
    (pairs > 0).then(|| desirable.iter().map(right).sum::<f64>() / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_over_all_pairs() {
        let right = |desirable: &[f32], undesirable: &[f32]| {
            ranked_right(&[desirable.to_vec(), undesirable.to_vec()])
        };
        assert_eq!(right(&[2.0, 0.0], &[1.0]), Some(0.5));
        assert_eq!(right(&[0.0, 0.0], &[0.0, 0.0]), Some(0.5));
        assert_eq!(right(&[3.0], &[1.0, 2.0, 3.0, 4.0]), Some(2.5 / 4.0));
        assert_eq!(right(&[], &[1.0]), None);
    }

    #[test]
    fn answers_of_one_kind_are_refused() {
        let example = Example::of(vec![1, 2], vec![false, true]);
        let told = account(&vec![(example, true); 3], &DpoSettings::default()).unwrap_err().to_string();
        assert!(told.contains("all 3 answers are desirable"), "{told}");
    }
}
