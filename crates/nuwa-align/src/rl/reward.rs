//! A reward model: Stiennon et al., "Learning to Summarize from Human Feedback" (2020); Ouyang et al. (2022).
//!
//! With `r_a` the score of answer `a`, read at its last token: for a pair of which `c` is preferred to `d`,
//! `loss = -log sigmoid(r_c - r_d - m) + z (r_c + r_d)^2`, with `m` the margin that the record asks for, if any, and `z` the
//! centring (Eisenstein et al. 2023). All answers to one prompt go through the model together, each once; a prompt's loss is the
//! mean over its pairs, and that of a step the mean over its prompts, however it is accumulated. So an answer that is in several
//! pairs is not seen more often than others.
//!
//! The slope of a pair's loss in `r_c` is `sigmoid(d) - 1 + 2 z (r_c + r_d)` with `d = r_c - r_d - m`, that in `r_d` is
//! `1 - sigmoid(d) + 2 z (r_c + r_d)`.

use std::collections::BTreeMap;

use nuwa_tensor::Objective;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};

use super::RewardSettings;
use super::values::{Asked, value_pass, values};
use crate::data::Preference;
use crate::dpo::PairStats;
use crate::epochs::PairEpochs;
use crate::fitting::fit;
use crate::pack::{Example, steps};
use crate::sft::divide;
use crate::tune::RecordSteps;
use crate::{Error, Result};

/// A prompt with its answers, and which of them are preferred to which.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The prompt with each answer.
    pub answers: Vec<Example>,
    /// Pairs of answers: the preferred, the other, and the margin between their scores.
    pub pairs: Vec<(usize, usize, f32)>,
}

/// Training of a reward model.
#[derive(Debug)]
pub struct RewardModel {
    trained: Vec<Compared>,
    held_out: Vec<Compared>,
    steps: Vec<Vec<usize>>,
    settings: RewardSettings,
    stats: PairStats,
    epochs: PairEpochs,
    fingerprint: String,
}

/// What a pair comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScorePair {
    /// The loss.
    pub loss: f32,
    /// `d loss / d score` of the preferred answer and of the other.
    pub slopes: [f32; 2],
}

/// The loss of a pair of scores.
pub fn pair_loss([chosen, rejected]: [f32; 2], margin: f32, centering: f32) -> ScorePair {
    let difference = chosen - rejected - margin;
    let softplus = (-difference).max(0.0) + (-difference.abs()).exp().ln_1p();
    let missing = 1.0 / (1.0 + difference.exp());
    let sum = chosen + rejected;
    let pull = 2.0 * centering * sum;
    ScorePair { loss: softplus + centering * sum * sum, slopes: [pull - missing, pull + missing] }
}

impl RewardModel {
    /// Renders `preferences` for a model of `context`; pairs of one prompt are compared together.
    ///
    /// # Errors
    /// When a setting is out of range, the template fails, or nothing is left to train on.
    pub fn new(
        tokenizer: &Tokenizer,
        preferences: &[Preference],
        settings: &RewardSettings,
        context: usize,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let mut stats = PairStats { pairs: preferences.len() as u64, ..PairStats::default() };
        let mut all: Vec<Compared> = Vec::new();
        for prompt in by_prompt(preferences) {
            all.extend(compared(tokenizer, &prompt, context, &mut stats)?);
        }
        let [trained, held_out] = divide(&all, settings.tuning.held_out(), seed).map(owned);
        if trained.is_empty() {
            let reason = format!("all {} pairs are longer than the context of {context} tokens", stats.pairs);
            return Err(Error::Empty { path: "the data".into(), reason });
        }
        Ok(Self { stats, ..Self::of_compared(trained, held_out, settings, seed)? })
    }

    /// A reward model of answers that are rendered already.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn of_compared(
        trained: Vec<Compared>,
        held_out: Vec<Compared>,
        settings: &RewardSettings,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let epochs = PairEpochs::of(settings.epochs, settings.batch_prompts, trained.len());
        let of = |one: &Compared| {
            let ids: Vec<&Vec<u32>> = one.answers.iter().map(|answer| &answer.ids).collect();
            serde_json::json!([ids, one.pairs])
        };
        let data: Vec<_> = trained.iter().chain(&held_out).map(of).collect();
        let data = nuwa_files::hash_bytes(serde_json::json!(data).to_string().as_bytes());
        let deciding = RewardSettings {
            epochs: Some(epochs.epochs),
            batch_prompts: Some(epochs.batch_pairs),
            tuning: settings.tuning.deciding(),
            ..settings.clone()
        };
        Ok(Self {
            steps: steps(&vec![1; trained.len()], epochs.batch_pairs, epochs.epochs, seed),
            trained,
            held_out,
            settings: settings.clone(),
            stats: PairStats::default(),
            epochs,
            fingerprint: serde_json::json!(["reward", data, deciding, seed]).to_string(),
        })
    }

    /// How often the prompts are seen, and how many at a time.
    pub fn epochs(&self) -> PairEpochs {
        self.epochs
    }

    /// What became of the pairs.
    pub fn stats(&self) -> &PairStats {
        &self.stats
    }

    /// Pairs that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.iter().map(|one| one.pairs.len()).sum()
    }

    /// How well the model that `trainer` has now ranks the pairs that are held out; none where there are none.
    ///
    /// # Errors
    /// When an answer does not fit the model.
    pub fn ranking(&self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Ranking>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let scores = self.scores(trainer, &self.held_out)?;
        let pairs = self.held_out.iter().zip(&scores).flat_map(|(one, scores)| {
            one.pairs.iter().map(|&(chosen, rejected, _)| RankedPair {
                scores: [scores[chosen], scores[rejected]],
                lengths: [chosen, rejected].map(|answer| one.answers[answer].trained_tokens()),
            })
        });
        Ok(Some(Ranking::of(&pairs.collect::<Vec<_>>())))
    }

    /// The scores of all answers, prompt by prompt.
    fn scores(&self, trainer: &mut Trainer, all: &[Compared]) -> nuwa_train::Result<Vec<Vec<f32>>> {
        let answers: Vec<&Example> = all.iter().flat_map(|one| &one.answers).collect();
        let micro_batch = self.settings.tuning.micro_batch_tokens;
        let found = values(&answers, Asked::Last, micro_batch, |text, rows| trainer.scores(text, rows))?;
        let mut found = found.into_iter().map(|own| own[0]);
        Ok(all.iter().map(|one| found.by_ref().take(one.answers.len()).collect()).collect())
    }
}

/// Adds what the pairs of a prompt come to, as a share of all prompts, to the slopes of its answers; gives the loss.
fn weigh(
    one: &Compared,
    scores: &[f32],
    share: f32,
    centering: f32,
    slopes: &mut [f32],
    sums: &mut Sums,
) -> f32 {
    let share = share / one.pairs.len() as f32;
    let mut loss = 0.0;
    for &(chosen, rejected, margin) in &one.pairs {
        let pair = [scores[chosen], scores[rejected]];
        let own = pair_loss(pair, margin, centering);
        loss += share * own.loss;
        slopes[chosen] += share * own.slopes[0];
        slopes[rejected] += share * own.slopes[1];
        sums.add(pair);
    }
    loss
}

impl RecordSteps for RewardModel {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for RewardModel {
    fn tokens(&self, step: u64) -> u64 {
        let of = |&index: &usize| -> u64 {
            self.trained[index].answers.iter().map(|answer| answer.ids.len() as u64).sum()
        };
        self.steps[step as usize].iter().map(of).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let chosen: Vec<&Compared> =
            self.steps[step as usize].iter().map(|&index| &self.trained[index]).collect();
        let answers: Vec<&Example> = chosen.iter().flat_map(|one| &one.answers).collect();
        let (mut together, mut next) = (Vec::new(), 0);
        for one in &chosen {
            together.push((next..next + one.answers.len()).collect::<Vec<usize>>());
            next += one.answers.len();
        }
        let of_first: BTreeMap<usize, &Compared> =
            together.iter().zip(&chosen).map(|(group, one)| (group[0], *one)).collect();
        let (share, centering) = (1.0 / chosen.len() as f32, self.settings.centering);
        let mut sums = Sums::default();
        let objective = |indices: &[usize], found: &[Vec<f32>]| {
            let scores: Vec<f32> = found.iter().map(|own| own[0]).collect();
            let mut objective = Objective { value: 0.0, slopes: vec![0.0; scores.len()] };
            let mut at = 0;
            while at < indices.len() {
                let one = of_first[&indices[at]];
                let own = at..at + one.answers.len();
                let slopes = &mut objective.slopes[own.clone()];
                objective.value += weigh(one, &scores[own.clone()], share, centering, slopes, &mut sums);
                at = own.end;
            }
            objective
        };
        let micro_batch = self.settings.tuning.micro_batch_tokens;
        let asked = (&together[..], Asked::Last);
        let loss = value_pass(trainer, &answers, asked, micro_batch, step, objective)?;
        Ok(Measured { loss, tokens: self.tokens(step), figures: sums.figures() })
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let scores = self.scores(trainer, &self.held_out)?;
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        let share = 1.0 / self.held_out.len() as f32;
        for (one, scores) in self.held_out.iter().zip(&scores) {
            let mut slopes = vec![0.0; scores.len()];
            let loss = weigh(one, scores, share, self.settings.centering, &mut slopes, &mut sums);
            measured.loss += f64::from(loss);
            measured.tokens += one.answers.iter().map(|answer| answer.ids.len() as u64).sum::<u64>();
        }
        measured.figures = sums.figures();
        Ok(Some(measured))
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
    margins: f64,
    scores: f64,
}

impl Sums {
    fn add(&mut self, [chosen, rejected]: [f32; 2]) {
        self.pairs += 1.0;
        self.right += rightness([chosen, rejected]);
        self.margins += f64::from(chosen) - f64::from(rejected);
        self.scores += 0.5 * (f64::from(chosen) + f64::from(rejected));
    }

    fn figures(&self) -> Figures {
        let mean = |sum: f64| sum / self.pairs.max(1.0);
        let named =
            [("accuracy", mean(self.right)), ("margin", mean(self.margins)), ("score", mean(self.scores))];
        named.map(|(name, value)| (name.to_string(), value)).into()
    }
}

/// 1 where the preferred answer has the higher score; a tie is half right, as chance is.
fn rightness([chosen, rejected]: [f32; 2]) -> f64 {
    match chosen.partial_cmp(&rejected) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    }
}

/// The scores of a pair, the preferred answer's first, with the tokens of both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedPair {
    /// The scores.
    pub scores: [f32; 2],
    /// The tokens of the answers.
    pub lengths: [usize; 2],
}

/// How well a reward model ranks pairs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Pairs.
    pub pairs: usize,
    /// The share whose preferred answer has the higher score, and its standard error.
    pub accuracy: [f64; 2],
    /// The mean difference of the scores.
    pub margin: f64,
    /// How often the model is right where it is so sure.
    pub calibration: Vec<Bin>,
    /// The mean distance of how sure it is from how often it is right, weighted by pairs: the expected calibration error.
    pub calibration_error: f64,
    /// The accuracy by the difference of lengths: the preferred answer shorter, as long, longer.
    pub by_length: Vec<Bin>,
    /// The correlation of score and length over all answers.
    pub length_correlation: f64,
}

/// Pairs of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Which: `0.5 to 0.6`, `shorter`.
    pub name: String,
    /// Pairs.
    pub pairs: usize,
    /// The mean probability that the model gives the answer it prefers, `sigmoid(|r_c - r_d|)`.
    pub confidence: f64,
    /// The share that it ranks right.
    pub accuracy: f64,
}

/// Edges of the bins of how sure the model is.
const EDGES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

impl Ranking {
    /// That of given pairs.
    pub fn of(pairs: &[RankedPair]) -> Self {
        let count = pairs.len().max(1) as f64;
        let accuracy = pairs.iter().map(|pair| rightness(pair.scores)).sum::<f64>() / count;
        let difference = |pair: &RankedPair| f64::from(pair.scores[0]) - f64::from(pair.scores[1]);
        let confidence = |pair: &RankedPair| 1.0 / (1.0 + (-difference(pair).abs()).exp());
        let bin = |name: String, of: &dyn Fn(&&RankedPair) -> bool| {
            let own: Vec<&RankedPair> = pairs.iter().filter(of).collect();
            let mean = |of: &dyn Fn(&RankedPair) -> f64| {
                own.iter().map(|pair| of(pair)).sum::<f64>() / own.len().max(1) as f64
            };
            let accuracy = mean(&|pair| rightness(pair.scores));
            Bin { name, pairs: own.len(), confidence: mean(&confidence), accuracy }
        };
        let between = |edges: &[f64]| {
            let (low, high) = (edges[0], edges[1]);
            let is_in = |pair: &&RankedPair| {
                let sure = confidence(pair);
                sure >= low && (sure < high || high == 1.0)
            };
            bin(format!("{low:.1} to {high:.1}"), &is_in)
        };
        let calibration: Vec<Bin> = EDGES.windows(2).map(between).collect();
        let off = |bin: &Bin| bin.pairs as f64 * (bin.confidence - bin.accuracy).abs();
        let by = |name: &str, order: std::cmp::Ordering| {
            bin(name.into(), &|pair| pair.lengths[0].cmp(&pair.lengths[1]) == order)
        };
        Self {
            pairs: pairs.len(),
            accuracy: [accuracy, (accuracy * (1.0 - accuracy) / count).sqrt()],
            margin: pairs.iter().map(difference).sum::<f64>() / count,
            calibration_error: calibration.iter().map(off).sum::<f64>() / count,
            calibration,
            by_length: vec![
                by("shorter", std::cmp::Ordering::Less),
                by("as long", std::cmp::Ordering::Equal),
                by("longer", std::cmp::Ordering::Greater),
            ],
            length_correlation: correlation(pairs),
        }
    }
}

/// Pearson's, of score and length; 0 where either does not vary.
fn correlation(pairs: &[RankedPair]) -> f64 {
    let all = || {
        let both = |pair: &RankedPair| [0, 1].map(|at| (f64::from(pair.scores[at]), pair.lengths[at] as f64));
        pairs.iter().flat_map(both)
    };
    let count = all().count().max(1) as f64;
    let (scores, lengths) = all().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (score, length) = (scores / count, lengths / count);
    let sum = |of: &dyn Fn((f64, f64)) -> f64| all().map(of).sum::<f64>();
    let both = sum(&|one| (one.0 - score) * (one.1 - length));
    let deviations = (sum(&|one| (one.0 - score).powi(2)) * sum(&|one| (one.1 - length).powi(2))).sqrt();
    if deviations > 0.0 { both / deviations } else { 0.0 }
}

fn owned(all: Vec<&Compared>) -> Vec<Compared> {
    all.into_iter().cloned().collect()
}

/// The preferences of each prompt, in the order in which prompts first come.
fn by_prompt(preferences: &[Preference]) -> Vec<Vec<&Preference>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Preference>> = Vec::new();
    for preference in preferences {
        let turns: Vec<_> = preference.prompt.iter().map(|turn| (&turn.role, &turn.content)).collect();
        let place = *places.entry(serde_json::json!(turns).to_string()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(preference),
            None => groups.push(vec![preference]),
        }
    }
    groups
}

/// The answers of one prompt, each once; none where all pairs are too long.
fn compared(
    tokenizer: &Tokenizer,
    preferences: &[&Preference],
    context: usize,
    stats: &mut PairStats,
) -> Result<Option<Compared>> {
    let mut one = Compared { answers: Vec::new(), pairs: Vec::new() };
    for preference in preferences {
        // A score is read behind the last token, which takes a position of its own.
        let Some(fitted) = fit(tokenizer, *preference, context - 1)? else {
            stats.too_long += 1;
            continue;
        };
        stats.shortened += u64::from(fitted.shortened);
        let mut place = |answer: Example| {
            one.answers.iter().position(|other| other.ids == answer.ids).unwrap_or_else(|| {
                one.answers.push(answer);
                one.answers.len() - 1
            })
        };
        let [chosen, rejected] = fitted.examples;
        let pair = (place(chosen), place(rejected), preference.margin);
        one.pairs.push(pair);
    }
    Ok((!one.pairs.is_empty()).then_some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_pairs_is_that_of_trl() {
        let pairs = [[1.2, 0.4], [-0.3, 0.5], [0.0, 0.0]];
        let mean = |margin: f32, centering: f32| {
            pairs.map(|pair| pair_loss(pair, margin, centering).loss).iter().sum::<f32>() / 3.0
        };
        assert!((mean(0.0, 0.0) - 0.745_116_2).abs() < 1e-6);
        assert!((mean(0.5, 0.0) - 1.023_146_9).abs() < 1e-6);
        assert!((mean(0.0, 0.01) - mean(0.0, 0.0) - 0.008_666_667).abs() < 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_loss() {
        let step = 1e-3;
        for (pair, margin, centering) in [([0.3, -0.4], 0.0, 0.0), ([-2.0, 1.0], 0.5, 0.1)] {
            let at = |pair: [f32; 2]| pair_loss(pair, margin, centering);
            let [a, b] = pair;
            let chosen = (at([a + step, b]).loss - at([a - step, b]).loss) / (2.0 * step);
            let rejected = (at([a, b + step]).loss - at([a, b - step]).loss) / (2.0 * step);
            let found = at(pair).slopes;
            assert!((found[0] - chosen).abs() < 1e-3 && (found[1] - rejected).abs() < 1e-3, "{found:?}");
        }
        assert_eq!(pair_loss([1000.0, -1000.0], 0.0, 0.0), ScorePair { loss: 0.0, slopes: [0.0, 0.0] });
    }

    #[test]
    fn a_ranking_tells_how_sure_the_model_is_and_of_what() {
        let pair = |scores, lengths| RankedPair { scores, lengths };
        let found = Ranking::of(&[
            pair([2.0, 0.0], [5, 3]),
            pair([3.0, 0.0], [6, 2]),
            pair([0.0, 0.1], [2, 4]),
            pair([0.0, 0.0], [3, 3]),
        ]);
        assert_eq!((found.pairs, found.accuracy[0]), (4, 0.625));
        let by: Vec<(usize, f64)> = found.by_length.iter().map(|bin| (bin.pairs, bin.accuracy)).collect();
        assert_eq!(by, [(1, 0.0), (1, 0.5), (2, 1.0)]);
        let sure: Vec<usize> = found.calibration.iter().map(|bin| bin.pairs).collect();
        assert_eq!(sure, [2, 0, 0, 1, 1]);
        assert!(found.length_correlation > 0.5, "{found:?}");
    }
}
