use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of the learning rate after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Half a cosine from the peak to the floor (Loshchilov and Hutter, "SGDR", 2017).
    Cosine,
    /// Constant at the peak, then decays in the last part of the run (Hu et al., "MiniCPM", 2024).
    WarmupStableDecay,
    /// Falls with the square root of the steps since the beginning (Vaswani et al., "Attention is all you need", 2017).
    InverseSquareRoot,
    /// A straight line from the peak to the floor.
    Linear,
    /// Stays at the peak.
    Constant,
    /// Several half cosines of equal length, each from the peak to the floor (SGDR with restarts).
    Cycles,
}

/// How the rate falls in the last part of warm-up, stable, decay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecayShape {
    /// A straight line.
    #[default]
    Linear,
    /// Half a cosine.
    Cosine,
    /// `1 - sqrt(t)`: fast, then slowly (Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
    /// Durations", 2024).
    SquareRoot,
    /// By the same factor in each step: `floor^t`.
    Exponential,
}

/// The learning rate of each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The shape.
    pub kind: ScheduleKind,
    /// The highest rate.
    pub peak: f32,
    /// The rate at the end, as a share of the peak; the least one.
    pub floor: f32,
    /// Steps over which the rate rises from 0.
    pub warmup: u64,
    /// Steps of the final fall; only for [`ScheduleKind::WarmupStableDecay`].
    pub decay: u64,
    /// The shape of that fall.
    pub shape: DecayShape,
    /// The number of cycles, at least 1; only for [`ScheduleKind::Cycles`].
    pub cycles: u64,
    /// All steps.
    pub steps: u64,
}

impl Schedule {
    /// Of `steps` steps up to `peak`, without warm-up and floor; what a shape has of its own is usual: a decay of three tenths of all steps, a
    /// straight line, 4 cycles.
    pub fn new(kind: ScheduleKind, peak: f32, steps: u64) -> Self {
        Self {
            kind,
            peak,
            floor: 0.0,
            warmup: 0,
            decay: steps / 10 * 3 + steps % 10 * 3 / 10,
            shape: DecayShape::Linear,
            cycles: 4,
            steps,
        }
    }

    /// The rate of step `step`, counted from 0.
    ///
    /// Warm-up: `peak (step + 1) / warmup`. With `t` the share of the way from the end of the warm-up to the end of the run, it is
    /// `floor + (1 - floor) h(t)` of the peak: `h = (1 + cos(pi t)) / 2` of a cosine, `1 - t` of a line, 1 of a constant; of cycles the
    /// cosine of the way through the cycle. Stable: the peak, then [`DecayShape`] of the way through the decay. Inverse square root:
    /// `peak sqrt(warmup / (step + 1))`, of a warm-up of at least 1; that is `d^-0.5 min(s^-0.5, s warmup^-1.5)` of the paper at
    /// step `s = step + 1`, whose peak is `(d warmup)^-0.5`.
    pub fn rate(&self, step: u64) -> f32 {
        if step < self.warmup {
            return self.peak * (step + 1) as f32 / self.warmup as f32;
        }
        let floor = f64::from(self.floor);
        let height = match self.kind {
            ScheduleKind::Cosine => half_cosine(self.way(step, self.warmup)),
            ScheduleKind::Linear => 1.0 - self.way(step, self.warmup),
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cycles => half_cosine(self.way_of_cycle(step)),
            ScheduleKind::WarmupStableDecay => {
                self.decayed(self.way(step, self.steps.saturating_sub(self.decay).max(self.warmup)))
            }
            ScheduleKind::InverseSquareRoot => {
                let share = (self.warmup.max(1) as f64 / (step + 1) as f64).sqrt();
                return self.peak * share.max(floor) as f32;
            }
        };
        self.peak * (floor + (1.0 - floor) * height) as f32
    }

    /// The share of the way from `start` to the end.
    fn way(&self, step: u64, start: u64) -> f64 {
        let length = self.steps.saturating_sub(start).max(1);
        (step.saturating_sub(start) as f64 / length as f64).min(1.0)
    }

    fn way_of_cycle(&self, step: u64) -> f64 {
        let way = self.way(step, self.warmup);
        if way < 1.0 { (way * self.cycles.max(1) as f64).fract() } else { 1.0 }
    }

    fn decayed(&self, way: f64) -> f64 {
        let floor = f64::from(self.floor);
        match self.shape {
            DecayShape::Linear => 1.0 - way,
            DecayShape::Cosine => half_cosine(way),
            DecayShape::SquareRoot => 1.0 - way.sqrt(),
            // Of a floor of 0 as if it were a thousandth, for nothing falls to 0 by a factor.
            DecayShape::Exponential => {
                let least = floor.max(1e-3);
                if least >= 1.0 { 1.0 } else { (least.powf(way) - least) / (1.0 - least) }
            }
        }
    }
}

fn half_cosine(way: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * way).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind) -> Schedule {
        Schedule { floor: 0.1, warmup: 10, decay: 20, ..Schedule::new(kind, 1.0, 110) }
    }

    #[test]
    fn cosine_rises_peaks_and_falls_to_its_floor() {
        let schedule = schedule(ScheduleKind::Cosine);
        assert_eq!(schedule.rate(0), 0.1);
        assert_eq!(schedule.rate(9), 1.0);
        assert_eq!(schedule.rate(10), 1.0);
        assert!((schedule.rate(60) - 0.55).abs() < 1e-6);
        assert!((schedule.rate(110) - 0.1).abs() < 1e-6);
        assert!((schedule.rate(500) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn the_inverse_square_root_is_that_of_the_transformer() {
        let (width, warmup) = (512.0_f64, 4000);
        let peak = (width * warmup as f64).powf(-0.5) as f32;
        let schedule = Schedule { peak, warmup, floor: 0.0, ..schedule(ScheduleKind::InverseSquareRoot) };
        for step in [1_u64, 100, 3999, 4000, 4001, 100_000] {
            let s = step as f64;
            let published = width.powf(-0.5) * s.powf(-0.5).min(s * (warmup as f64).powf(-1.5));
            let rate = f64::from(schedule.rate(step - 1));
            assert!((rate / published - 1.0).abs() < 1e-5, "{step}: {rate} {published}");
        }
        let with_floor = Schedule { floor: 0.1, ..schedule };
        assert_eq!(with_floor.rate(10_000_000), 0.1 * peak);
    }

    #[test]
    fn stable_stays_then_falls() {
        let schedule = schedule(ScheduleKind::WarmupStableDecay);
        assert_eq!(schedule.rate(50), 1.0);
        assert_eq!(schedule.rate(90), 1.0);
        assert!((schedule.rate(100) - 0.55).abs() < 1e-6);
        assert!((schedule.rate(110) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn a_line_a_constant_and_cycles() {
        let line = schedule(ScheduleKind::Linear);
        assert_eq!(line.rate(10), 1.0);
        assert!((line.rate(60) - 0.55).abs() < 1e-6);
        assert!((line.rate(110) - 0.1).abs() < 1e-6);
        let constant = schedule(ScheduleKind::Constant);
        assert_eq!([9, 50, 110, 1000].map(|step| constant.rate(step)), [1.0; 4]);
        let cycles = Schedule { cycles: 2, ..schedule(ScheduleKind::Cycles) };
        assert_eq!(cycles.rate(10), 1.0);
        assert!((cycles.rate(35) - 0.55).abs() < 1e-6);
        assert!(cycles.rate(59) < 0.11 && cycles.rate(60) == 1.0);
        assert!((cycles.rate(85) - 0.55).abs() < 1e-6);
        assert!((cycles.rate(110) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn every_decay_goes_from_the_peak_to_the_floor() {
        let shapes =
            [DecayShape::Linear, DecayShape::Cosine, DecayShape::SquareRoot, DecayShape::Exponential];
        let halfway = shapes.map(|shape| {
            let schedule = Schedule { shape, ..schedule(ScheduleKind::WarmupStableDecay) };
            assert_eq!(schedule.rate(90), 1.0, "{shape:?}");
            assert!((schedule.rate(110) - 0.1).abs() < 1e-6, "{shape:?}");
            let rates: Vec<f32> = (90..=110).map(|step| schedule.rate(step)).collect();
            assert!(rates.is_sorted_by(|a, b| a >= b), "{shape:?}");
            schedule.rate(100)
        });
        let expected = [0.55, 0.55, 0.1 + 0.9 * (1.0 - 0.5_f32.sqrt()), 0.1_f32.sqrt()];
        for (found, expected) in halfway.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{halfway:?}");
        }
    }
}
