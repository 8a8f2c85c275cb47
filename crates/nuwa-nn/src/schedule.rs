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
    /// All steps.
    pub steps: u64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    ///
    /// Warm-up: `peak (step + 1) / warmup`. Cosine: `floor + (1 - floor) (1 + cos(pi t)) / 2` of the peak, `t` the share
    /// of the way from the end of the warm-up. Stable: the peak, then linear to the floor. Inverse square root: `peak
    /// sqrt(warmup / (step + 1))`, of a warm-up of at least 1; that is `d^-0.5 min(s^-0.5, s warmup^-1.5)` of the paper at step `s
    /// = step + 1`, whose peak is `(d warmup)^-0.5`.
    pub fn rate(&self, step: u64) -> f32 {
        if step < self.warmup {
            return self.peak * (step + 1) as f32 / self.warmup as f32;
        }
        let (start, height): (u64, fn(f64) -> f64) = match self.kind {
            ScheduleKind::Cosine => (self.warmup, |t| 0.5 * (1.0 + (std::f64::consts::PI * t).cos())),
            ScheduleKind::WarmupStableDecay => {
                (self.steps.saturating_sub(self.decay).max(self.warmup), |t| 1.0 - t)
            }
            ScheduleKind::InverseSquareRoot => {
                let share = (self.warmup.max(1) as f64 / (step + 1) as f64).sqrt();
                return self.peak * share.max(f64::from(self.floor)) as f32;
            }
        };
        let length = self.steps.saturating_sub(start).max(1);
        let t = (step.saturating_sub(start) as f64 / length as f64).min(1.0);
        let floor = f64::from(self.floor);
        self.peak * (floor + (1.0 - floor) * height(t)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind) -> Schedule {
        Schedule { kind, peak: 1.0, floor: 0.1, warmup: 10, decay: 20, steps: 110 }
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
}
