//! A search of settings: small models are trained with many, the best of them longer, and what is best is carried to a larger model.
//!
//! First a race at one small size: the points of a [Sobol sequence](sobol), then some that a [model of the loss](surrogate) asks
//! for, are trained with a quarter of the tokens, and the best quarter of them with all (successive halving, Jamieson and Talwalkar
//! 2016). The defaults are in the last round without having to qualify: short runs like small batches and high rates, so that the best
//! of the short ones can be worse than they are. Then winner and defaults are trained with several seeds, to tell whether the one is
//! better, and those that are kept, the winner where it is and the defaults where it is not, at half and twice the size, at several
//! learning rates. From these [fits] tell the rate and the loss to expect at the target.
//!
//! What is trained next follows from the settings, the seed and the results so far alone, and each result is a line that a search which
//! was killed reads again: it ends as one that was not.

pub mod fits;
mod runner;
pub mod sobol;
pub mod space;
pub mod surrogate;
mod trials;

use std::collections::BTreeMap;

use nuwa_tensor::Random;
use serde::{Deserialize, Serialize};

use crate::plan::sizes;
use fits::{Best, Interval, LossLaw, MeasuredLoss};
pub use runner::{TrialJob, train};
use space::{Dimension, Value, Values};
pub use trials::{Stage, Trial, TrialLine, TrialLog};

/// What is wrong with a search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A setting that cannot be varied.
    #[error("{key} cannot be searched: expected one of {}", space::SEARCHABLE.map(|one| one.key).join(", "))]
    Key {
        /// The name.
        key: String,
    },
    /// A range that is none.
    #[error("{key} = {value}: expected {expected}")]
    Range {
        /// The name.
        key: String,
        /// What was said.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A setting that was named twice.
    #[error("{key} is searched twice")]
    Twice {
        /// The name.
        key: String,
    },
    /// More settings than a search can vary at one time.
    #[error("{count} settings to search: expected at most {}", sobol::MOST_DIMENSIONS)]
    Dimensions {
        /// How many.
        count: usize,
    },
    /// A target that is not far enough from the smallest trials.
    #[error("a target of {target} weights is too near to the smallest trials: expected at least {least}")]
    Target {
        /// The weights of the target.
        target: u64,
        /// The least that can be searched for.
        least: u64,
    },
    /// Too little for the smallest trials.
    #[error(
        "budget and text are enough for {tokens} tokens of training in all: the smallest search needs {needed}"
    )]
    Budget {
        /// What there is.
        tokens: u64,
        /// What is needed.
        needed: u64,
    },
    /// A file of trials that is another search's.
    #[error("{}, line {line}: not a trial of this search: {problem}", path.display())]
    Log {
        /// The file.
        path: std::path::PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What differs.
        problem: String,
    },
    /// A trial failed.
    #[error(transparent)]
    Train(#[from] crate::Error),
}

impl From<nuwa_files::Error> for SearchError {
    fn from(error: nuwa_files::Error) -> Self {
        Self::Train(error.into())
    }
}

/// What is searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// The weights of the model that settings are looked for.
    pub target: u64,
    /// The tokens it will be trained on.
    pub target_tokens: u64,
    /// What is varied.
    pub over: Vec<Dimension>,
    /// Tokens of training that all trials together may take.
    pub tokens: u64,
    /// Tokens of the text.
    pub text: u64,
    /// Decides what is tried, and the trials' weights and data.
    pub seed: u64,
}

/// Tokens for each weight of a trial with all of its tokens: what plans take where text is plentiful.
const TOKENS_PER_PARAMETER: u64 = 12;

/// How often the text may be repeated in a trial: up to so often it is as good as new (Muennighoff et al. 2023).
const MOST_EPOCHS: u64 = 4;

/// The least size of trials, the embedding included: smaller ones tell nothing of larger ones.
const LEAST_PARAMETERS: u64 = 20_000;

/// By what tokens grow from the first round of the race to the second, and models fall away.
const ETA: usize = 4;

/// Weights, and learning rates with their figures.
type AtSize = (u64, Vec<(f64, f64)>);

/// The factors of the learning rate that are tried at each size.
const RATES: [f64; 3] = [0.5, 1.0, 2.0];

/// By what the tokens of one run at each size are fewer: what more text is worth cannot be told by sizes alone.
const SHORTER: u64 = 4;

/// Sizes of the last part, by that of the race.
const SIZES: [f64; 3] = [0.5, 1.0, 2.0];

/// Seeds with which winner and defaults are compared.
const SEEDS: u64 = 3;

/// What the power of the best rate over the size is thought to be before anything is measured, and how doubtful that is.
const USUAL_POWER: [f64; 2] = [-0.25, 0.1];

/// What a search is made of: the sizes of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// Weights of the models of the race.
    pub parameters: u64,
    /// Tokens of its last round.
    pub tokens: u64,
    /// Settings that are tried first, and then those that the model of the loss asks for.
    pub tried: [usize; 2],
}

impl Extent {
    /// How many models are trained in all, at most: fewer where the defaults win the race, which are then not compared with themselves.
    pub fn trials(&self) -> usize {
        let [first, asked] = self.tried;
        first + asked + second_round(self.tried) + 1 + SIZES.len() * (RATES.len() + 1) + 2 * SEEDS as usize
    }
}

impl Search {
    /// How large the race is, so that all takes the tokens there are.
    ///
    /// # Errors
    /// When these are too few, the target is too small, or what is varied cannot be.
    pub fn extent(&self) -> Result<Extent, SearchError> {
        self.check()?;
        let tried = tried(self.over.len());
        let runs = tokens_by_those_of_a_run(tried);
        let of_text = self.text * MOST_EPOCHS;
        let tokens = ((self.tokens as f64 / runs) as u64).min(of_text);
        let most = self.target / 8;
        let parameters = (tokens / TOKENS_PER_PARAMETER).min(most);
        if parameters >= LEAST_PARAMETERS {
            return Ok(Extent { parameters, tokens: parameters * TOKENS_PER_PARAMETER, tried });
        }
        if most < LEAST_PARAMETERS {
            return Err(SearchError::Target { target: self.target, least: 8 * LEAST_PARAMETERS });
        }
        let needed = (LEAST_PARAMETERS * TOKENS_PER_PARAMETER) as f64 * runs;
        Err(SearchError::Budget {
            tokens: self.tokens.min((of_text as f64 * runs) as u64),
            needed: needed.ceil() as u64,
        })
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.over.len() > sobol::MOST_DIMENSIONS {
            return Err(SearchError::Dimensions { count: self.over.len() });
        }
        let twice = self
            .over
            .iter()
            .enumerate()
            .find(|(index, one)| self.over[..*index].iter().any(|other| other.key == one.key));
        match twice {
            Some((_, one)) => Err(SearchError::Twice { key: one.key.clone() }),
            None => Ok(()),
        }
    }
}

/// Tokens of training that a search over so many settings may take in all, to end in so many seconds; `speed` tells how many tokens a second
/// a model of so many weights is trained on. Never fewer than the smallest search wants.
///
/// # Errors
/// Those of `speed`.
pub fn tokens_within(
    seconds: f64,
    dimensions: usize,
    target: u64,
    speed: &mut dyn FnMut(u64) -> Result<f64, SearchError>,
) -> Result<u64, SearchError> {
    let points = tried(dimensions);
    let most = (target / 8).max(LEAST_PARAMETERS);
    let mut parameters = LEAST_PARAMETERS;
    for _ in 0..2 {
        // Work grows with the square of the size, of which each token costs a part in proportion to it.
        let tried = parameters.max(LEAST_PARAMETERS);
        let work = speed(tried)? * tried as f64;
        let of_size = TOKENS_PER_PARAMETER as f64 * seconds_by_those_of_a_run(points) / work;
        parameters = ((USED_SHARE * seconds / of_size).sqrt() as u64).clamp(LEAST_PARAMETERS / 4, most);
    }
    Ok(((parameters * TOKENS_PER_PARAMETER) as f64 * tokens_by_those_of_a_run(points)).ceil() as u64)
}

/// The share of the time that is training: the rest is building models and measuring them.
const USED_SHARE: f64 = 0.8;

/// How many points are tried at first, and how many the model of the loss asks for.
fn tried(dimensions: usize) -> [usize; 2] {
    let first = (3 * dimensions).clamp(6, 24).next_multiple_of(ETA);
    [first, first / ETA]
}

/// Seconds of all trials together, by those of one run of the race's last round.
fn seconds_by_those_of_a_run(tried: [usize; 2]) -> f64 {
    // A model of half the size has half the tokens and twice the speed, one of twice the size the other way round.
    by_a_run(tried, |size| size * size)
}

/// Tokens of all trials together, by those of one run of the race's last round.
fn tokens_by_those_of_a_run(tried: [usize; 2]) -> f64 {
    by_a_run(tried, |size| size)
}

/// The cost of all trials, by that of one run of the race's last round; `cost` is that of a run at a size.
fn by_a_run(tried: [usize; 2], cost: fn(f64) -> f64) -> f64 {
    let at_each = RATES.len() as f64 + 1.0 / SHORTER as f64;
    race_by_a_run(tried) + 2.0 * SEEDS as f64 + at_each * SIZES.map(cost).iter().sum::<f64>()
}

/// Runs of the race, the defaults' among them.
fn race_by_a_run(tried: [usize; 2]) -> f64 {
    tried.iter().sum::<usize>() as f64 / ETA as f64 + second_round(tried) as f64 + 1.0
}

/// How many points are trained with all tokens, beside the defaults.
fn second_round(tried: [usize; 2]) -> usize {
    (tried.iter().sum::<usize>() / ETA).max(1)
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The settings that won; empty where the defaults did.
    pub winner: Values,
    /// The learning rate at the target, of the winner where it [is better](Self::is_better), else of the defaults.
    pub learning_rate: Option<Interval>,
    /// The best batch at the target, in tokens, by the law and what the same settings have beside it.
    pub batch_tokens: u64,
    /// The loss of the target with the same settings, in the unit of [`TrialLine::figure`].
    pub loss: Option<Interval>,
    /// The law that it follows from.
    pub law: Option<LossLaw>,
    /// The mean figure of the winner and of the defaults at the race's size, with several seeds each.
    pub compared: [f64; 2],
    /// The standard error of their difference.
    pub error: f64,
}

impl Findings {
    /// By how many standard errors the winner is better.
    pub fn by_errors(&self) -> f64 {
        by_errors(self.compared, self.error)
    }

    /// Whether it is better by more than chance: more than two standard errors.
    pub fn is_better(&self) -> bool {
        self.by_errors() > ENOUGH
    }
}

/// Searches. `log` has the results so far; `train` trains one model and gives what it came to; both are asked in one order that follows from
/// the search and the results alone.
///
/// # Errors
/// When the search cannot be, or a trial fails.
pub fn search(
    search: &Search,
    log: &mut TrialLog,
    train: &mut dyn FnMut(&Trial) -> Result<TrialLine, SearchError>,
) -> Result<Findings, SearchError> {
    let extent = search.extent()?;
    let mut race = Race { search, extent, log, train };
    let winner = race.winner()?;
    let compared = race.compared(&winner)?;
    let kept = if is_better(&compared) { winner.clone() } else { Values::new() };
    let at_sizes = race.at_sizes(&kept)?;
    Ok(race.findings(winner, &kept, at_sizes, compared))
}

fn is_better([winner, defaults]: &[Vec<f64>; 2]) -> bool {
    by_errors([mean(winner), mean(defaults)], error_of_difference(&[winner, defaults])) > ENOUGH
}

/// By how many standard errors a winner must be better than the defaults.
const ENOUGH: f64 = 2.0;

fn by_errors([winner, defaults]: [f64; 2], error: f64) -> f64 {
    (defaults - winner) / error.max(1e-9)
}

/// The standard error of the difference of two means.
fn error_of_difference(figures: &[&[f64]; 2]) -> f64 {
    figures.iter().map(|figures| deviation(figures).powi(2) / figures.len() as f64).sum::<f64>().sqrt()
}

struct Race<'a> {
    search: &'a Search,
    extent: Extent,
    log: &'a mut TrialLog,
    train: &'a mut dyn FnMut(&Trial) -> Result<TrialLine, SearchError>,
}

/// A point of the cube, and the figure of its trial.
#[derive(Debug, Clone)]
struct Runner {
    point: Vec<f64>,
    figure: f64,
}

/// The point of a start: more of them are near the middle, where the usual settings are, than at the ends.
fn nearer_the_middle(over: &[Dimension], mut point: Vec<f64>) -> Vec<f64> {
    for (coordinate, dimension) in point.iter_mut().zip(over) {
        if !matches!(dimension.range, space::Range::Words(_)) {
            let away = 2.0 * *coordinate - 1.0;
            *coordinate = 0.5 + 0.5 * away * away.abs().sqrt();
        }
    }
    point
}

/// The figure that stands for a loss that was no number: worse than any.
const DIVERGED: f64 = f64::INFINITY;

/// What it counts as in a mean: more than any text has.
const WORST: f64 = 100.0;

impl Race<'_> {
    fn random(&self) -> Random {
        Random::new(self.search.seed).named("search")
    }

    fn trial(&mut self, trial: Trial) -> Result<f64, SearchError> {
        Ok(self.log.next(&trial, self.train)?.figure.unwrap_or(DIVERGED))
    }

    /// A trial of the race.
    fn run(&mut self, stage: Stage, values: &Values, share: usize) -> Result<f64, SearchError> {
        let Extent { parameters, tokens, .. } = self.extent;
        let (tokens, seed, values) = (tokens / share as u64, self.search.seed, values.clone());
        self.trial(Trial { stage, parameters, tokens, seed, values })
    }

    /// The settings that win the race: none where the defaults do.
    fn winner(&mut self) -> Result<Values, SearchError> {
        if self.search.over.is_empty() {
            return Ok(Values::new());
        }
        let mut runners = self.first_round()?;
        runners.sort_by(|a, b| a.figure.total_cmp(&b.figure));
        runners.truncate(second_round(self.extent.tried));
        let mut best = (self.run(Stage::Race, &Values::new(), 1)?, Values::new());
        for runner in runners {
            let values = space::values(&self.search.over, &runner.point);
            let figure = self.run(Stage::Race, &values, 1)?;
            if figure < best.0 {
                best = (figure, values);
            }
        }
        Ok(best.1)
    }

    fn first_round(&mut self) -> Result<Vec<Runner>, SearchError> {
        let search = self.search;
        let over = &search.over;
        let [first, asked] = self.extent.tried;
        let mut runners: Vec<Runner> = Vec::new();
        for index in 0..first + asked {
            let by_model = (index >= first).then(|| self.asked_for(&runners, index)).flatten();
            let stage = if by_model.is_some() { Stage::Model } else { Stage::Start };
            let point = by_model.unwrap_or_else(|| {
                let even = sobol::point(index as u32, over.len(), self.random().named("start"));
                nearer_the_middle(over, even)
            });
            let figure = self.run(stage, &space::values(over, &point), ETA)?;
            runners.push(Runner { point, figure });
        }
        Ok(runners)
    }

    /// The point that the model of the loss asks for.
    fn asked_for(&self, runners: &[Runner], index: usize) -> Option<Vec<f64>> {
        let worst = runners.iter().map(|runner| runner.figure).filter(|figure| figure.is_finite());
        let worst = worst.fold(f64::NEG_INFINITY, f64::max);
        let points: Vec<Vec<f64>> = runners.iter().map(|runner| runner.point.clone()).collect();
        // A loss that was no number counts as the worst one: how bad it is says nothing of what lies near.
        let figures: Vec<f64> = runners.iter().map(|runner| runner.figure.min(worst)).collect();
        let over = &self.search.over;
        let random = self.random().named("model").stream(index as u64);
        figures.iter().all(|figure| figure.is_finite()).then(|| {
            surrogate::most_promising(&points, &figures, over.len(), random, |point| {
                space::expanded(over, point)
            })
        })?
    }

    /// Settings at half, once and twice the size, at several learning rates: sizes, and rates with their figures.
    fn at_sizes(&mut self, kept: &Values) -> Result<Vec<AtSize>, SearchError> {
        let Extent { parameters, .. } = self.extent;
        let seed = self.search.seed;
        let mut found = Vec::new();
        for size in SIZES.map(|size| (parameters as f64 * size) as u64) {
            let tokens = size * TOKENS_PER_PARAMETER;
            let of_rate = |factor| with_rate(kept, factor);
            let shorter = tokens / SHORTER;
            self.trial(Trial {
                stage: Stage::Sizes,
                parameters: size,
                tokens: shorter,
                seed,
                values: of_rate(1.0),
            })?;
            let mut rates = Vec::new();
            for factor in RATES {
                let trial =
                    Trial { stage: Stage::Sizes, parameters: size, tokens, seed, values: of_rate(factor) };
                let line = self.log.next(&trial, self.train)?;
                rates.extend(line.figure.map(|figure| (f64::from(line.learning_rate), figure)));
            }
            found.push((size, rates));
        }
        Ok(found)
    }

    /// The figures of winner and defaults with several seeds.
    fn compared(&mut self, winner: &Values) -> Result<[Vec<f64>; 2], SearchError> {
        let defaults = self.with_seeds(&Values::new())?;
        let winner = if winner.is_empty() { defaults.clone() } else { self.with_seeds(winner)? };
        Ok([winner, defaults])
    }

    fn with_seeds(&mut self, values: &Values) -> Result<Vec<f64>, SearchError> {
        let Extent { parameters, tokens, .. } = self.extent;
        let mut figures = Vec::new();
        for number in 1..=SEEDS {
            let seed = self.search.seed.wrapping_add(number);
            let trial = Trial { stage: Stage::Seeds, parameters, tokens, seed, values: values.clone() };
            figures.push(self.trial(trial)?.min(WORST));
        }
        Ok(figures)
    }

    fn findings(
        &self,
        winner: Values,
        kept: &Values,
        at_sizes: Vec<AtSize>,
        compared: [Vec<f64>; 2],
    ) -> Findings {
        let Search { target, target_tokens, .. } = *self.search;
        let noise = compared.iter().map(|figures| deviation(figures)).fold(1e-4, f64::max);
        let bests: Vec<Best> = at_sizes
            .iter()
            .filter_map(|(size, rates)| fits::best_value(*size as f64, rates, noise))
            .collect();
        let learning_rate = fits::best_at(&bests, target as f64, USUAL_POWER);
        let measured = self.measured(kept);
        let at = [target as f64, target_tokens as f64];
        let batch = match kept.get("batch_tokens") {
            Some(Value::Number(factor)) => sizes::batch_tokens(target_tokens) as f64 * factor,
            _ => sizes::batch_tokens(target_tokens) as f64,
        };
        Findings {
            learning_rate,
            batch_tokens: batch.round() as u64,
            loss: fits::forecast(&measured, noise, at, self.random().named("forecast")),
            law: LossLaw::fit(&measured),
            compared: compared.each_ref().map(|figures| mean(figures)),
            error: error_of_difference(&compared.each_ref().map(Vec::as_slice)),
            winner,
        }
    }

    /// The mean losses of settings for each size and number of tokens, at their own rate, less what the best rate of the size gave: were
    /// some the best of several and others not, the law would take for size what is choice.
    fn measured(&self, kept: &Values) -> Vec<MeasuredLoss> {
        let kept = with_rate(kept, 1.0);
        let mut losses: BTreeMap<(u64, u64), Vec<f64>> = BTreeMap::new();
        for line in self.log.lines().iter().filter(|line| with_rate(&line.trial.values, 1.0) == kept) {
            let at = losses.entry((line.parameters, line.tokens)).or_default();
            at.extend(line.figure);
        }
        let of = |((parameters, tokens), losses): ((u64, u64), Vec<f64>)| MeasuredLoss {
            parameters: parameters as f64,
            tokens: tokens as f64,
            loss: mean(&losses) - self.gain(&kept, parameters),
        };
        losses.into_iter().filter(|(_, losses)| !losses.is_empty()).map(of).collect()
    }

    /// By how much the best of the rates that were tried at a size is better than the settings' own.
    fn gain(&self, kept: &Values, parameters: u64) -> f64 {
        let of_size = |line: &&TrialLine| line.trial.stage == Stage::Sizes && line.parameters == parameters;
        let lines = self.log.lines().iter().filter(of_size);
        let whole = lines.clone().map(|line| line.tokens).max();
        let runs: Vec<&TrialLine> = lines.filter(|line| Some(line.tokens) == whole).collect();
        let own = runs.iter().find(|line| line.trial.values == *kept).and_then(|line| line.figure);
        let best = runs.iter().filter_map(|line| line.figure).reduce(f64::min);
        own.zip(best).map_or(0.0, |(own, best)| own - best)
    }
}

/// The learning rate by that of the size.
fn rate_of(values: &Values) -> f64 {
    match values.get("learning_rate") {
        Some(Value::Number(rate)) => *rate,
        _ => 1.0,
    }
}

/// The same with another rate.
fn with_rate(values: &Values, factor: f64) -> Values {
    let rate = Value::Number(rate_of(values) * factor);
    values.clone().into_iter().chain([("learning_rate".to_string(), rate)]).collect()
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}

/// The standard deviation of a sample.
fn deviation(figures: &[f64]) -> f64 {
    let mean = mean(figures);
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    (squares / (figures.len().max(2) - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests;
