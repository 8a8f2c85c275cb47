//! Figures for Prometheus, in its text format (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nuwa_infer::CacheUse;

/// The bounds of histograms, in seconds.
const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds over which tokens per second are taken.
const WINDOW: usize = 10;

/// Counts of how long something took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (count, bound) in self.counts.iter_mut().zip(BOUNDS) {
            *count += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, model: &str) {
        for (count, bound) in self.counts.iter().zip(BOUNDS) {
            let _ = writeln!(out, "{name}_bucket{{model=\"{model}\",le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{model=\"{model}\",le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(out, "{name}_sum{{model=\"{model}\"}} {}", self.sum);
        let _ = writeln!(out, "{name}_count{{model=\"{model}\"}} {}", self.count);
    }
}

/// Figures of one model.
#[derive(Debug, Clone, Default)]
pub struct ModelFigures {
    pub prompt_tokens: u64,
    pub reused_tokens: u64,
    pub written_tokens: u64,
    pub cancelled: u64,
    pub refused: u64,
    pub first_token: Histogram,
    pub whole: Histogram,
    pub cache: CacheUse,
    /// Tokens written in each of the last seconds.
    recent: BTreeMap<u64, u64>,
}

/// Figures of all.
#[derive(Debug)]
pub struct Metrics {
    began: Instant,
    models: BTreeMap<String, Mutex<ModelFigures>>,
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

impl Metrics {
    pub fn new(models: impl Iterator<Item = String>) -> Self {
        let models = models.map(|name| (name, Mutex::default())).collect();
        Self { began: Instant::now(), models, requests: Mutex::default() }
    }

    pub fn answered(&self, route: &'static str, status: u16) {
        *locked(&self.requests).entry((route, status)).or_default() += 1;
    }

    /// Changes the figures of a model.
    pub fn of(&self, model: &str, change: impl FnOnce(&mut ModelFigures)) {
        if let Some(figures) = self.models.get(model) {
            change(&mut locked(figures));
        }
    }

    /// A model wrote some tokens just now.
    pub fn wrote(&self, model: &str, tokens: u64) {
        let second = self.began.elapsed().as_secs();
        self.of(model, |figures| {
            figures.written_tokens += tokens;
            *figures.recent.entry(second).or_default() += tokens;
            while figures.recent.len() > WINDOW + 1 {
                figures.recent.pop_first();
            }
        });
    }

    /// All figures; `waiting` are the requests that wait for each model.
    pub fn text(&self, waiting: &BTreeMap<String, usize>) -> String {
        let mut out = String::new();
        head(&mut out, "nuwa_requests_total", "counter", "Requests by route and status.");
        for ((route, status), count) in locked(&self.requests).iter() {
            let _ = writeln!(out, "nuwa_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        let models: Vec<(String, ModelFigures)> =
            self.models.iter().map(|(name, figures)| (escaped(name), locked(figures).clone())).collect();
        let now = self.began.elapsed().as_secs();
        let waits = |name: &str| waiting.iter().find(|(own, _)| escaped(own) == name).map_or(0, |(_, count)| *count);
        let share = |cache: &CacheUse| cache.positions as f64 / cache.capacity.max(1) as f64;
        type Figure<'a> = (&'a str, &'a str, &'a str, Box<dyn Fn(&str, &ModelFigures) -> f64 + 'a>);
        let figures: [Figure<'_>; 10] = [
            ("nuwa_prompt_tokens_total", "counter", "Tokens of prompts.", Box::new(|_, own| own.prompt_tokens as f64)),
            (
                "nuwa_prompt_tokens_reused_total",
                "counter",
                "Tokens of prompts that were in a cache.",
                Box::new(|_, own| own.reused_tokens as f64),
            ),
            ("nuwa_completion_tokens_total", "counter", "Tokens written.", Box::new(|_, own| own.written_tokens as f64)),
            ("nuwa_cancelled_total", "counter", "Requests whose client went.", Box::new(|_, own| own.cancelled as f64)),
            ("nuwa_refused_total", "counter", "Requests for which the queue was full.", Box::new(|_, own| own.refused as f64)),
            ("nuwa_tokens_per_second", "gauge", "Tokens written a second, over ten seconds.", Box::new(|_, own| own.rate(now))),
            ("nuwa_queue_length", "gauge", "Requests that wait for a slot.", Box::new(|name, _| waits(name) as f64)),
            ("nuwa_running", "gauge", "Texts that are read or written.", Box::new(|_, own| own.cache.busy as f64)),
            ("nuwa_cache_positions", "gauge", "Positions in key-value caches.", Box::new(|_, own| own.cache.positions as f64)),
            ("nuwa_cache_use", "gauge", "The share of key-value caches in use, 0 to 1.", Box::new(|_, own| share(&own.cache))),
        ];
        for (name, kind, help, value) in &figures {
            head(&mut out, name, kind, help);
            for (model, own) in &models {
                let _ = writeln!(out, "{name}{{model=\"{model}\"}} {}", value(model, own));
            }
        }
        head(&mut out, "nuwa_time_to_first_token_seconds", "histogram", "From a request to its first token.");
        models.iter().for_each(|(name, own)| own.first_token.write(&mut out, "nuwa_time_to_first_token_seconds", name));
        head(&mut out, "nuwa_request_seconds", "histogram", "From a request to its end.");
        models.iter().for_each(|(name, own)| own.whole.write(&mut out, "nuwa_request_seconds", name));
        out
    }
}

impl ModelFigures {
    /// Tokens a second, over the seconds before this one.
    fn rate(&self, now: u64) -> f64 {
        let first = now.saturating_sub(WINDOW as u64);
        let tokens: u64 = self.recent.range(first..now).map(|(_, tokens)| tokens).sum();
        tokens as f64 / (now - first).max(1) as f64
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label as Prometheus reads it.
fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_in_the_format_of_prometheus() {
        let metrics = Metrics::new(["a\"b".to_string()].into_iter());
        metrics.answered("/v1/models", 200);
        metrics.answered("/v1/models", 200);
        metrics.of("a\"b", |own| own.first_token.add(Duration::from_millis(20)));
        metrics.of("unknown", |own| own.refused += 1);
        metrics.wrote("a\"b", 3);
        let text = metrics.text(&BTreeMap::from([("a\"b".to_string(), 4)]));
        for line in [
            "nuwa_requests_total{route=\"/v1/models\",status=\"200\"} 2",
            "nuwa_completion_tokens_total{model=\"a\\\"b\"} 3",
            "nuwa_queue_length{model=\"a\\\"b\"} 4",
            "nuwa_time_to_first_token_seconds_bucket{model=\"a\\\"b\",le=\"0.01\"} 0",
            "nuwa_time_to_first_token_seconds_bucket{model=\"a\\\"b\",le=\"0.025\"} 1",
            "nuwa_time_to_first_token_seconds_count{model=\"a\\\"b\"} 1",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}: {text}");
        }
    }
}
