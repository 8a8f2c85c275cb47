//! The time that a run may take, and how much of it is left.

use std::collections::VecDeque;

/// The time for training and what follows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Seconds from the first step on, over all resumptions.
    pub seconds: f64,
    /// What follows within them.
    pub afterwards: Afterwards,
}

/// What follows training: fine-tuning, measuring, writing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Afterwards {
    /// Its work as tokens of training, so that it is known at the speed that this machine has just then.
    pub tokens: f64,
    /// What does not depend on that speed, in seconds.
    pub seconds: f64,
}

/// The share of the time that training gets, however slow the machine has become: without it a busy moment would turn what
/// follows into nearly all of the time, and a model that learnt nothing is worth no fine-tuning. The run then takes longer.
pub const LEAST_TRAINING: f64 = 0.2;

impl Clock {
    /// Seconds left for steps after so many, when a token of training takes so long.
    pub fn left(&self, seconds: f64, seconds_per_token: f64) -> f64 {
        let after = self.afterwards.seconds + self.afterwards.tokens * seconds_per_token;
        (self.seconds - after).max(self.seconds * LEAST_TRAINING) - seconds
    }
}

/// Seconds a step takes, with all that comes between steps: over the last stretch of time, so that a machine that has become
/// busy is seen, and a single hiccup is not.
#[derive(Debug)]
pub struct Pace {
    marks: VecDeque<(u64, f64)>,
}

/// Seconds between two marks, and how many are kept.
const BETWEEN_MARKS: f64 = 2.0;
const MARKS: usize = 8;

impl Pace {
    /// Counts from here.
    pub fn new(step: u64, seconds: f64) -> Self {
        Self { marks: VecDeque::from([(step, seconds)]) }
    }

    /// Takes in that `step` was done after so many seconds, and gives the seconds of a step; none before the first one.
    pub fn after(&mut self, step: u64, seconds: f64) -> Option<f64> {
        let (first, began) = self.marks[0];
        let (_, last) = self.marks[self.marks.len() - 1];
        if seconds - last >= BETWEEN_MARKS {
            self.marks.push_back((step, seconds));
            if self.marks.len() > MARKS {
                self.marks.pop_front();
            }
        }
        (step > first).then(|| (seconds - began) / (step - first) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_costs_more_on_a_slower_machine() {
        let afterwards = Afterwards { tokens: 1000.0, seconds: 2.0 };
        let clock = Clock { seconds: 100.0, afterwards };
        assert_eq!(clock.left(50.0, 0.01), 38.0);
        assert_eq!(clock.left(50.0, 0.02), 28.0);
    }

    #[test]
    fn training_keeps_its_share_on_a_machine_that_became_slow() {
        let clock = Clock { seconds: 100.0, afterwards: Afterwards { tokens: 1000.0, seconds: 2.0 } };
        assert_eq!(clock.left(5.0, 1.0), 100.0 * LEAST_TRAINING - 5.0);
    }

    #[test]
    fn the_pace_follows_a_machine_that_became_slower() {
        let mut pace = Pace::new(0, 0.0);
        assert_eq!(pace.after(0, 0.5), None);
        for step in 1..=100 {
            assert!((pace.after(step, step as f64 * 0.1).unwrap() - 0.1).abs() < 1e-9);
        }
        let later = (1..=100).filter_map(|step| pace.after(100 + step, 10.0 + step as f64 * 0.2)).last();
        assert!((later.unwrap() - 0.2).abs() < 0.01, "{later:?}");
    }
}
