//! The course of a run: when the learning rate falls, which state is the best so far, and when to stop.
//!
//! A run that is planned in steps knows from the start when its rate falls. A run against the clock trains at a constant rate
//! until the time that is left is what the fall wants, and decides then. Once text has been repeated, validations tell
//! whether the model still learns: where two thirds more steps than the best state had brought nothing better, a constant rate
//! goes back to that state and falls from there, and a falling rate stops.

use serde::{Deserialize, Serialize};

use crate::ValidationLine;

/// Validations in a row without a new best one, at least, before that counts as an end; a rate that is high makes them noisy.
const PATIENCE: u32 = 3;

/// Steps by those of the best state, at least, before that counts as an end.
const LONGER: f64 = 5.0 / 3.0;

/// Validations while the rate falls, against the clock.
const LOOKS: u64 = 8;

/// The steps in which the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    /// Steps done when it begins.
    pub start: u64,
    /// Steps done when it ends, and the run with it.
    pub end: u64,
}

/// Why a run ends where it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All steps of the plan were done.
    #[default]
    Planned,
    /// The time was used.
    Time,
    /// The validation loss fell no further.
    Validation,
}

/// What a validation means for the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The best one yet: worth keeping.
    Best,
    /// Not the best one; go on.
    GoOn,
    /// The constant rate leads no further: go back to the best state and let the rate fall.
    GoBack,
    /// The falling rate leads no further: stop.
    Stop,
}

/// Where a run is on its course; a checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// When the rate falls; none while the clock has not decided.
    pub fall: Option<Fall>,
    /// What the best state since validations count came to.
    pub best: Option<ValidationLine>,
    /// Validations in a row that were not the best.
    pub worse: u32,
    /// Why it ends where it does.
    pub ended: Ended,
}

impl Course {
    /// Of a run whose fall is known, or not yet.
    pub fn new(fall: Option<Fall>) -> Self {
        Self { fall, ..Self::default() }
    }

    /// Whether the run ends at `step`.
    pub fn ends_at(&self, step: u64) -> bool {
        self.fall.is_some_and(|fall| step >= fall.end)
    }

    /// Whether the rate falls at `step`.
    pub fn falls_at(&self, step: u64) -> bool {
        self.fall.is_some_and(|fall| step >= fall.start)
    }

    /// Lets the rate fall from `start` for `steps`; the best state is looked for anew from there.
    pub fn fall_from(&mut self, start: u64, steps: u64, ended: Ended) -> Fall {
        let fall = Fall { start, end: start + steps.max(1) };
        *self = Self { ended, ..Self::new(Some(fall)) };
        fall
    }

    /// Whether a validation is due at `step`: every so many steps at a constant rate, then evenly spread over the fall.
    pub fn validates_at(&self, step: u64, every: u64, looks: Option<u64>) -> bool {
        match self.fall {
            _ if step == 0 => false,
            Some(Fall { start, end }) if step >= start => {
                let place = |step: u64| (step - start) * looks.unwrap_or(LOOKS) / (end - start).max(1);
                step == start || place(step) > place(step - 1)
            }
            _ => step.is_multiple_of(every.max(1)),
        }
    }

    /// Takes in a validation, which may end the run where it `stops_early`.
    pub fn validated(&mut self, line: &ValidationLine, stops_early: bool) -> Verdict {
        let step = line.step;
        let Some(best) = self.best.as_ref().filter(|best| best.validation_loss <= line.validation_loss)
        else {
            self.best = Some(line.clone());
            self.worse = 0;
            return Verdict::Best;
        };
        self.worse += 1;
        if !stops_early || self.worse < PATIENCE || (step as f64) < best.step as f64 * LONGER {
            return Verdict::GoOn;
        }
        if !self.falls_at(step) {
            return Verdict::GoBack;
        }
        self.ended = Ended::Validation;
        Verdict::Stop
    }
}

/// How many steps of a falling rate belong to `steps` at a constant one, when it falls in so large a share of all.
pub fn steps_of_fall(steps: u64, share: f64) -> u64 {
    let share = share.clamp(0.0, 0.9);
    ((steps as f64 * share / (1.0 - share)).round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Course {
        fn looks(&mut self, step: u64, validation_loss: f64) -> Verdict {
            let line = ValidationLine { step, validation_loss, ..ValidationLine::default() };
            self.validated(&line, true)
        }
    }

    #[test]
    fn a_constant_rate_goes_back_and_a_falling_one_stops() {
        let mut course = Course::new(None);
        assert_eq!(course.looks(10, 3.0), Verdict::Best);
        assert_eq!(course.looks(20, 2.0), Verdict::Best);
        assert_eq!(course.looks(30, 2.5), Verdict::GoOn);
        assert_eq!(course.looks(40, 2.1), Verdict::GoOn);
        assert_eq!(course.looks(50, 2.0), Verdict::GoBack);
        course.fall_from(20, 9, Ended::Validation);
        assert_eq!(course.best, None);
        assert!(course.falls_at(20) && !course.falls_at(19) && course.ends_at(29) && !course.ends_at(28));
        assert_eq!(course.looks(20, 2.0), Verdict::Best);
        let after = [21, 22, 33, 34].map(|step| course.looks(step, 2.2));
        assert_eq!(after, [Verdict::GoOn, Verdict::GoOn, Verdict::GoOn, Verdict::Stop]);
    }

    #[test]
    fn a_better_one_begins_the_count_anew() {
        let mut course = Course::new(None);
        let losses = [3.0, 3.1, 3.1, 2.9, 3.0, 3.0];
        let verdicts = losses.map(|loss| course.looks(1, loss));
        assert!(!verdicts.contains(&Verdict::GoBack), "{verdicts:?}");
    }

    #[test]
    fn noise_soon_after_the_best_is_no_end() {
        let mut course = Course::new(None);
        course.looks(100, 2.0);
        let verdicts: Vec<Verdict> = (101..=167).map(|step| course.looks(step, 2.1)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::GoBack).count(), 1);
        assert_eq!(verdicts.last(), Some(&Verdict::GoBack));
    }

    #[test]
    fn one_that_does_not_stop_early_goes_to_its_end() {
        let mut course = Course::new(Some(Fall { start: 0, end: 100 }));
        course.looks(1, 2.0);
        let line = |step| ValidationLine { step, validation_loss: 3.0, ..ValidationLine::default() };
        assert!((2..100).all(|step| course.validated(&line(step), false) == Verdict::GoOn));
        assert_eq!((course.best.unwrap().step, course.ended), (1, Ended::Planned));
    }

    #[test]
    fn validations_are_spread_over_the_fall_and_end_it() {
        let mut course = Course::new(None);
        course.fall_from(100, 40, Ended::Time);
        let due = |step: &u64| course.validates_at(*step, 30, None);
        let steps: Vec<u64> = (0..=140).filter(due).collect();
        assert_eq!(steps, [30, 60, 90, 100, 105, 110, 115, 120, 125, 130, 135, 140]);
        course.fall_from(7, 3, Ended::Time);
        assert!((7..=10).all(|step| course.validates_at(step, 30, None)));
    }

    #[test]
    fn a_fall_is_a_share_of_all_steps() {
        assert_eq!(steps_of_fall(70, 0.3), 30);
        assert_eq!(steps_of_fall(0, 0.3), 1);
        assert_eq!(steps_of_fall(100, 1.0), 900);
    }
}
