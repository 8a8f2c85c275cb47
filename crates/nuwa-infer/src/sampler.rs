use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use nuwa_tensor::Random;

use crate::{Error, Result, SamplingSettings};

/// Logits that are looked at together.
const BLOCK: usize = 64;

/// A token that may come next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: u32,
    /// How likely it is in proportion to the others; weights need not add up to 1.
    pub weight: f32,
}

/// Chooses the next id from a model's logits.
///
/// Choice number `n` under a seed always uses the same random number, so a text does not depend on when its tokens
/// were asked for.
#[derive(Debug)]
pub struct Sampler {
    settings: SamplingSettings,
    random: Random,
    choices: u64,
    /// The ids that occur already, each once.
    occurring: Vec<u32>,
    occurs: Vec<bool>,
    /// How often each id was written.
    written: BTreeMap<u32, u32>,
    forbidden: Arc<[u32]>,
    /// What is added to logits, by id.
    bias: Vec<(u32, f32)>,
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler over `vocabulary` ids.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub fn new(settings: &SamplingSettings, vocabulary: usize, seed: u64) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            settings: settings.clone(),
            random: Random::new(seed).named("sampling"),
            choices: 0,
            occurring: Vec::new(),
            occurs: vec![false; vocabulary],
            written: BTreeMap::new(),
            forbidden: Arc::default(),
            bias: Vec::new(),
            logits: Vec::with_capacity(vocabulary),
            candidates: Vec::with_capacity(vocabulary),
        })
    }

    /// Never chooses one of `ids`.
    #[must_use]
    pub fn without(mut self, ids: impl Into<Arc<[u32]>>) -> Self {
        self.forbidden = ids.into();
        self
    }

    /// Adds to the logits of some ids, behind the penalties.
    #[must_use]
    pub fn with_bias(mut self, bias: &[(u32, f32)]) -> Self {
        self.bias = bias.to_vec();
        self
    }

    /// Takes note of ids that the model wrote, for all penalties; those of a prompt are only observed.
    pub fn wrote(&mut self, ids: &[u32]) {
        self.observe(ids);
        for &id in ids {
            *self.written.entry(id).or_default() += 1;
        }
    }

    /// Takes note of ids in the text, for the repetition penalty.
    pub fn observe(&mut self, ids: &[u32]) {
        for &id in ids {
            if let Some(occurs @ false) = self.occurs.get_mut(id as usize) {
                *occurs = true;
                self.occurring.push(id);
            }
        }
    }

    /// The next id, given the logits of all. It is not observed by itself.
    ///
    /// # Errors
    /// When a logit is no finite number.
    pub fn choose(&mut self, logits: &[f32]) -> Result<u32> {
        self.choose_among(logits, None)
    }

    /// As [`Sampler::choose`], among the ids that are `allowed`; among all where that is none.
    ///
    /// # Errors
    /// As there, and when no id is allowed that may be chosen at all.
    pub fn choose_among(&mut self, logits: &[f32], allowed: Option<&[bool]>) -> Result<u32> {
        let draw = self.random.uniform(self.choices);
        let candidates = self.candidates_among(logits, allowed)?;
        let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        let mut left = draw * total;
        let chosen = candidates.iter().find(|candidate| {
            left -= f64::from(candidate.weight);
            left < 0.0
        });
        // Rounding may leave a crumb after the last one.
        let id = chosen.or(candidates.last()).map_or(0, |candidate| candidate.id);
        self.choices += 1;
        Ok(id)
    }

    /// The ids that may come next with their weights; none of the weights is 0.
    ///
    /// # Errors
    /// When a logit is no finite number.
    pub fn candidates(&mut self, logits: &[f32]) -> Result<&[Candidate]> {
        self.candidates_among(logits, None)
    }

    fn candidates_among(&mut self, logits: &[f32], allowed: Option<&[bool]>) -> Result<&[Candidate]> {
        self.take_logits(logits)?;
        for (logit, allowed) in self.logits.iter_mut().zip(allowed.into_iter().flatten()) {
            if !allowed {
                *logit = f32::NEG_INFINITY;
            }
        }
        self.candidates.clear();
        let best = best(&self.logits);
        if allowed.is_some() && self.logits.get(best) == Some(&f32::NEG_INFINITY) {
            return Err(Error::NothingAllowed);
        }
        if self.settings.temperature == 0.0 {
            self.candidates.push(Candidate { id: best as u32, weight: 1.0 });
            return Ok(&self.candidates);
        }
        let (largest, factor) = (self.logits[best], (1.0 / self.settings.temperature) as f32);
        // Not 0 times infinity: the best has weight 1 at any temperature.
        let weight = |logit: f32| if logit == largest { 1.0 } else { ((logit - largest) * factor).exp() };
        // What is not above 0 goes, NaN with it: a forbidden token at infinite temperature.
        let all = self.logits.iter().enumerate();
        let all = all.map(|(id, &logit)| Candidate { id: id as u32, weight: weight(logit) });
        self.candidates.extend(all.filter(|candidate| candidate.weight > 0.0));
        keep_top_k(&mut self.candidates, self.settings.top_k);
        keep_top_p(&mut self.candidates, self.settings.top_p);
        let least = self.settings.min_p as f32;
        self.candidates.retain(|candidate| candidate.weight >= least);
        Ok(&self.candidates)
    }

    fn take_logits(&mut self, logits: &[f32]) -> Result<()> {
        // Without an end before the last one, so that vectors look at many at once.
        let has_other = logits.iter().fold(false, |found, logit| found | !logit.is_finite());
        if has_other && let Some(id) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::NotFinite { value: logits[id], id });
        }
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.penalise();
        for &(id, bias) in &self.bias {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        for &id in &*self.forbidden {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    fn penalise(&mut self) {
        let SamplingSettings { repetition_penalty, frequency_penalty, presence_penalty, .. } = self.settings;
        let repetition = repetition_penalty as f32;
        for &id in &self.occurring {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit *= if *logit < 0.0 { repetition } else { 1.0 / repetition };
            }
        }
        for (&id, &times) in &self.written {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit -= (frequency_penalty * f64::from(times) + presence_penalty) as f32;
            }
        }
    }
}

/// The index of the largest logit, the first of equal ones.
fn best(logits: &[f32]) -> usize {
    // Of each place in a block the largest, which vectors find at once.
    let mut largest = [f32::NEG_INFINITY; BLOCK];
    for block in logits.chunks(BLOCK) {
        for (largest, &logit) in largest.iter_mut().zip(block) {
            *largest = if logit > *largest { logit } else { *largest };
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|&logit| logit == largest).unwrap_or(0)
}

/// From likely to unlikely; equal ones by id, so that the order is always the same.
fn by_weight(a: &Candidate, b: &Candidate) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id))
}

fn keep_top_k(candidates: &mut Vec<Candidate>, k: usize) {
    if k == 0 || k >= candidates.len() {
        return;
    }
    candidates.select_nth_unstable_by(k - 1, by_weight);
    candidates.truncate(k);
    candidates.sort_unstable_by(by_weight);
}

/// Keeps a token while those before it, from likely to unlikely, have not reached `p` together.
fn keep_top_p(candidates: &mut Vec<Candidate>, p: f64) {
    if p >= 1.0 {
        return;
    }
    let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
    // Tokens below this cannot make up `1 - p` even together, so they go without being sorted. (A little less, for
    // the rounding of the sum.)
    let negligible = (total * (1.0 - p) / candidates.len() as f64) as f32 * 0.999;
    candidates.retain(|candidate| candidate.weight > negligible);
    candidates.sort_unstable_by(by_weight);
    let mut before = 0.0;
    let kept = candidates.iter().take_while(|candidate| {
        let keeps = before < p * total;
        before += f64::from(candidate.weight);
        keeps
    });
    let kept = kept.count().max(1);
    candidates.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(settings: SamplingSettings, seed: u64) -> Sampler {
        Sampler::new(&settings, 4, seed).unwrap()
    }

    fn plain() -> SamplingSettings {
        SamplingSettings { temperature: 1.0, top_p: 1.0, ..SamplingSettings::default() }
    }

    #[test]
    fn the_likeliest_is_taken_at_temperature_zero_and_the_first_of_equals() {
        let mut greedy = sampler(SamplingSettings::greedy(), 0);
        assert_eq!(greedy.choose(&[0.0, 2.0, 2.0, -1.0]).unwrap(), 1);
        let mut without = sampler(SamplingSettings::greedy(), 0).without([1]);
        assert_eq!(without.choose(&[0.0, 2.0, 2.0, -1.0]).unwrap(), 2);
    }

    #[test]
    fn choices_follow_the_probabilities() {
        let logits = [0.1_f32, 0.2, 0.3, 0.4].map(f32::ln);
        let mut sampler = sampler(plain(), 5);
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            counts[sampler.choose(&logits).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip([2000, 4000, 6000, 8000]) {
            assert!(i32::abs(count - expected) < 300, "{counts:?}");
        }
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let draw = |seed| {
            let mut sampler = sampler(plain(), seed);
            (0..40).map(|_| sampler.choose(&[0.0; 4]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    fn probabilities(sampler: &mut Sampler, logits: &[f32]) -> Vec<f64> {
        let candidates = sampler.candidates(logits).unwrap();
        let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        let mut all = vec![0.0; logits.len()];
        for candidate in candidates {
            all[candidate.id as usize] = f64::from(candidate.weight) / total;
        }
        all
    }

    /// `softmax(logit - frequency * times - presence * [times > 0])`, in f64.
    fn expected(logits: &[f32], times: &[u32], frequency: f64, presence: f64) -> Vec<f64> {
        let lowered = logits.iter().zip(times).map(|(&logit, &times)| {
            f64::from(logit) - frequency * f64::from(times) - if times > 0 { presence } else { 0.0 }
        });
        let weights: Vec<f64> = lowered.map(f64::exp).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }

    proptest::proptest! {
        #[test]
        fn frequency_and_presence_lower_what_was_written_by_the_formula(
            logits in proptest::collection::vec(-8.0_f32..8.0, 4),
            times in proptest::collection::vec(0_u32..5, 4),
            frequency in -2.0_f64..2.0,
            presence in -2.0_f64..2.0,
        ) {
            let settings =
                SamplingSettings { frequency_penalty: frequency, presence_penalty: presence, ..plain() };
            let mut sampler = sampler(settings, 0);
            // A prompt is not counted.
            sampler.observe(&[0, 1, 2, 3]);
            for (id, &times) in times.iter().enumerate() {
                sampler.wrote(&vec![id as u32; times as usize]);
            }
            let got = probabilities(&mut sampler, &logits);
            for (got, expected) in got.iter().zip(expected(&logits, &times, frequency, presence)) {
                proptest::prop_assert!((got - expected).abs() < 2e-5, "{got} {expected}");
            }
        }
    }

    #[test]
    fn draws_follow_the_lowered_probabilities() {
        let settings = SamplingSettings { frequency_penalty: 0.5, presence_penalty: 0.3, ..plain() };
        let (logits, times) = ([0.1_f32, 0.2, 0.3, 0.4].map(f32::ln), [0, 1, 2, 3]);
        let mut sampler = sampler(settings, 5);
        sampler.wrote(&[1, 2, 2, 3, 3, 3]);
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            counts[sampler.choose(&logits).unwrap() as usize] += 1.0;
        }
        for (count, expected) in counts.iter().zip(expected(&logits, &times, 0.5, 0.3)) {
            assert!((count / 20_000.0 - expected).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn extreme_temperatures_stay_numbers() {
        for temperature in [1e-300, 1e-30, 1e30, 1e300] {
            let mut sampler = sampler(SamplingSettings { temperature, ..plain() }, 0);
            let weights: Vec<f32> =
                sampler.candidates(&[3.0, 1e30, -1e30, 0.0]).unwrap().iter().map(|c| c.weight).collect();
            assert!(weights.iter().all(|weight| weight.is_finite()), "{temperature}: {weights:?}");
        }
    }

    #[test]
    fn equal_logits_are_cut_to_exactly_k() {
        let mut sampler = sampler(SamplingSettings { top_k: 2, ..plain() }, 0);
        let ids: Vec<u32> = sampler.candidates(&[1.0; 4]).unwrap().iter().map(|c| c.id).collect();
        assert_eq!(ids, [0, 1]);
    }

    #[test]
    fn what_is_not_allowed_is_not_chosen_and_a_bias_shifts_the_choice() {
        let greedy = || sampler(SamplingSettings::greedy(), 0);
        let logits = [3.0, 2.0, 1.0, 0.0];
        let among = |allowed: [bool; 4]| greedy().choose_among(&logits, Some(&allowed));
        assert_eq!(among([false, true, false, true]).unwrap(), 1);
        assert!(matches!(among([false; 4]), Err(Error::NothingAllowed)));
        assert_eq!(greedy().with_bias(&[(3, 3.5), (0, -100.0), (9, 1.0)]).choose(&logits).unwrap(), 3);
        let mut drawn = sampler(plain(), 1);
        assert!((0..200).all(|_| matches!(
            drawn.choose_among(&logits, Some(&[true, false, true, false])).unwrap(),
            0 | 2
        )));
    }

    #[test]
    fn a_logit_that_is_no_number_is_an_error() {
        let error = sampler(plain(), 0).choose(&[0.0, f32::NAN, 0.0, 0.0]).unwrap_err();
        assert!(error.to_string().contains("NaN for token 1"), "{error}");
    }
}
