//! How much of the processors other programs took while something was measured: a ratio taken beside other work says
//! nothing.

use std::fs;

/// Above this share a measurement counts as disturbed.
pub const DISTURBED: f64 = 0.05;

/// The counters at the start of a measurement, in clock ticks.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// Of all processors, idle ones included.
    all: f64,
    /// Of the processors at work; what a hypervisor took for others among it.
    busy: f64,
    /// Of this process and those that it started and waited for.
    own: f64,
}

impl Meter {
    /// Reads the counters; none where the system has no `/proc`.
    pub fn start() -> Option<Self> {
        let system = fs::read_to_string("/proc/stat").ok()?;
        let process = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&system, &process)
    }

    /// The share of the processors' time since the start that went to others, 0 to 1.
    pub fn others(self) -> Option<f64> {
        Some(self.until(Self::start()?))
    }

    fn until(self, end: Self) -> f64 {
        let others = (end.busy - self.busy) - (end.own - self.own);
        (others / (end.all - self.all).max(1.0)).clamp(0.0, 1.0)
    }

    fn parse(system: &str, process: &str) -> Option<Self> {
        let times = system.lines().next()?.strip_prefix("cpu ")?;
        let times = times.split_whitespace().take(8).map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?;
        let [user, nice, kernel, idle, waiting, interrupts, deferred, stolen] = times.try_into().ok()?;
        let busy = user + nice + kernel + interrupts + deferred + stolen;
        // The program's name stands in parentheses and may hold anything; the times of itself and its children are the
        // 12th to 15th words after it.
        let (_, words) = process.rsplit_once(')')?;
        let own =
            words.split_whitespace().skip(11).take(4).map(str::parse::<f64>).sum::<Result<f64, _>>().ok()?;
        Some(Self { all: busy + idle + waiting, busy, own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(system: &str, own: &str) -> Meter {
        Meter::parse(system, &format!("1 (a) b) R 1 2 3 4 5 6 7 8 9 10 {own} 20 0")).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_others() {
        let start = meter("cpu  100 0 10 500 0 0 0 0 0 0\ncpu0 1", "1 1 0 0");
        let end = meter("cpu  180 0 20 590 0 0 0 20 0 0\ncpu0 1", "1 1 50 10");
        assert_eq!(start.until(end), 0.25);
        assert_eq!(start.until(start), 0.0);
    }

    #[test]
    fn other_systems_have_no_meter() {
        assert!(Meter::parse("", "").is_none());
        assert!(Meter::parse("cpu  1 2 3", "1 (a) R").is_none());
    }
}
