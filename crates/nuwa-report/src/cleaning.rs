//! What cleaning did, step by step, in words and shares: for the report and for the page about the documents.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use nuwa_clean::{CleanSummary, Portion, StepSummary};
use nuwa_world::{Audit, Caught as Fate, Noise};
use serde::Serialize;

use crate::facts::Fact;
use crate::numbers::{self, bytes, grouped, seconds};
use crate::text::printable;
use crate::words::report as words;
use crate::words::{Text, names};

/// The steps as a funnel.
#[derive(Debug, Serialize)]
pub struct Funnel {
    /// What was kept, in a sentence.
    pub sentence: Text,
    /// The steps in their order.
    pub steps: Vec<FunnelStep>,
}

/// A step of the funnel. Shares are per cent of all that cleaning began with.
#[derive(Debug, Serialize)]
pub struct FunnelStep {
    /// As the settings call it, in words.
    pub key: String,
    pub name: Text,
    /// "3,000 → 2,871 documents", or "3,000 documents" where none was lost.
    pub documents: Text,
    pub bytes: String,
    pub seconds: String,
    pub kept_share: f64,
    pub rejected_share: f64,
    pub bytes_share: f64,
    pub changed: Option<String>,
    pub rejected: Option<String>,
    pub reasons: Vec<NamedCount>,
    pub labels: Vec<NamedCount>,
    pub totals: Vec<NamedCount>,
    pub portions: Vec<Fact>,
    pub replaced: Option<String>,
    pub replacements: Vec<Fact>,
}

/// How often something was counted.
#[derive(Debug, Serialize)]
pub struct NamedCount {
    /// As the files call it.
    pub key: String,
    pub name: Text,
    pub value: String,
}

/// What cleaning caught of planted noise.
#[derive(Debug, Serialize)]
pub struct Caught {
    pub rows: Vec<CaughtRow>,
    pub lost: Text,
}

/// One kind of noise.
#[derive(Debug, Serialize)]
pub struct CaughtRow {
    pub kind: Text,
    pub planted: u64,
    pub rejected: u64,
    pub repaired: u64,
    pub share: String,
}

/// The funnel of what cleaning counted.
pub fn funnel(summary: &CleanSummary) -> Funnel {
    let share = numbers::percent(summary.documents_out as f64, summary.documents_in as f64);
    let (kept, all) = (summary.documents_out, summary.documents_in);
    Funnel {
        sentence: words::funnel(kept, all, &share, summary.bytes_out, summary.bytes_in),
        steps: summary.steps.iter().map(|one| step(one, summary)).collect(),
    }
}

fn step(step: &StepSummary, all: &CleanSummary) -> FunnelStep {
    let share = |part: u64, whole: u64| (100.0 * part as f64 / whole.max(1) as f64).min(100.0);
    let some = |count: u64| (count > 0).then(|| grouped(count));
    FunnelStep {
        key: names::spaced(&step.name),
        name: names::name(&step.name),
        documents: words::documents(&became(grouped(step.documents_in), grouped(step.documents_out))),
        bytes: became(bytes(step.bytes_in), bytes(step.bytes_out)),
        seconds: seconds(step.seconds),
        kept_share: share(step.documents_out, all.documents_in),
        rejected_share: share(step.rejected, all.documents_in),
        bytes_share: share(step.bytes_out, all.bytes_in),
        changed: some(step.changed),
        rejected: some(step.rejected),
        reasons: counts(&step.reasons),
        labels: counts(&step.labels),
        totals: counts(&step.totals),
        portions: step.portions.iter().map(portion).collect(),
        replaced: some(step.replaced),
        replacements: replacements(step),
    }
}

fn portion(portion: &Portion) -> Fact {
    Fact::new(Text::same(portion.name.as_str()), shares(portion))
}

/// How a portion's share of the text changed, in English: `20.1 % → 49.9 %, target 50.0 %`.
pub fn shares_text(portion: &Portion) -> String {
    shares(portion).en
}

fn shares(portion: &Portion) -> Text {
    let [before, after, asked] =
        [portion.before, portion.after, portion.asked].map(|share| numbers::percent(share, 1.0));
    words::asked(&before, &after, &asked)
}

/// "3,000 → 2,871", or the one number where both are written alike.
fn became(before: String, after: String) -> String {
    if before == after { after } else { format!("{before} → {after}") }
}

fn replacements(step: &StepSummary) -> Vec<Fact> {
    let row = |one: &nuwa_clean::Replacement| {
        let name = printable(&format!("{} → {}", one.from, one.to));
        Fact::new(Text::same(name), Text::same(grouped(one.count)))
    };
    step.replacements.iter().map(row).collect()
}

/// Counts by name, the largest first.
pub fn counts(by_name: &BTreeMap<String, u64>) -> Vec<NamedCount> {
    let mut pairs: Vec<(&String, u64)> = by_name.iter().map(|(name, count)| (name, *count)).collect();
    pairs.sort_by_key(|(_, count)| Reverse(*count));
    let count = |(name, count): (&String, u64)| {
        let key = printable(name);
        NamedCount { name: names::reason(&key), key, value: grouped(count) }
    };
    pairs.into_iter().map(count).collect()
}

/// What was caught of the noise in the embedded world.
pub fn caught(audit: &Audit) -> Caught {
    let row = |(kind, caught): (&Noise, &Fate)| CaughtRow {
        kind: names::name(kind.name()),
        planted: caught.planted,
        rejected: caught.rejected,
        repaired: caught.repaired,
        share: numbers::percent((caught.rejected + caught.repaired) as f64, caught.planted as f64),
    };
    let share = numbers::percent(audit.lost as f64, audit.clean as f64);
    let lost = words::lost(audit.clean, audit.lost, &share);
    Caught { rows: audit.noise.iter().map(row).collect(), lost }
}
