//! A stretch of the chain between two passes over the corpus, applied to batches.

use std::time::{Duration, Instant};

use nuwa_files::Document;
use rayon::prelude::*;
use serde::Serialize;

use super::changes::{Change, Limits};
use super::step::{CorpusStep, DocumentStep, Labels, Reason, Step, Verdict};
use super::summary::StepSummary;
use crate::Result;
use crate::bottom_k_sample::hash;

/// A rejected document with the position of the step in the stretch.
pub(super) struct Rejected {
    pub document: Document,
    pub step: usize,
    pub reason: Reason,
    pub detail: String,
}

impl Rejected {
    pub(super) fn line<'a>(&'a self, names: &[&'a str]) -> RejectedLine<'a> {
        RejectedLine {
            id: &self.document.id,
            source: &self.document.source,
            lang: self.document.lang.as_deref(),
            step: names[self.step],
            reason: &self.reason,
            detail: &self.detail,
            text: &self.document.text,
        }
    }
}

/// A document on its way, with the last step that changed it.
pub(super) struct InFlight {
    pub document: Document,
    pub changed_by: Option<usize>,
}

/// What a batch became.
#[derive(Default)]
pub(super) struct Passed {
    pub kept: Vec<InFlight>,
    pub rejected: Vec<Rejected>,
    /// Changes that may be kept as examples, with the step's position.
    pub changes: Vec<(usize, Change)>,
}

/// A line of `rejected.jsonl.zst`.
#[derive(Serialize)]
pub(super) struct RejectedLine<'a> {
    pub id: &'a str,
    pub source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<&'a str>,
    pub step: &'a str,
    pub reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub detail: &'a str,
    pub text: &'a str,
}

/// Sends a batch through the steps; `first` is the position of `steps[0]` in the whole chain.
pub(super) fn pass(
    steps: &mut [Step],
    first: usize,
    counts: &mut [StepSummary],
    limits: &Limits,
    batch: Vec<InFlight>,
) -> Result<Passed> {
    let mut passed = Passed { kept: batch, ..Passed::default() };
    let mut position = 0;
    while position < steps.len() {
        match &mut steps[position] {
            Step::Corpus(step) => {
                pass_corpus(step.as_mut(), first + position, &mut counts[position], limits, &mut passed)?;
                position += 1;
            }
            Step::Document(_) | Step::Learning(_) => {
                let run = document_steps(&steps[position..]);
                let counts = &mut counts[position..position + run.len()];
                pass_documents(&run, first + position, counts, limits, &mut passed);
                position += run.len();
            }
        }
    }
    Ok(passed)
}

/// Shows a step documents that were led through it before, so that it is where it was.
pub(super) fn pass_over(step: &mut Step, mut batch: Vec<InFlight>) -> Result<()> {
    match step {
        Step::Document(_) => {}
        Step::Learning(step) => batch.par_iter_mut().for_each(|in_flight| {
            step.apply(&mut in_flight.document);
        }),
        Step::Corpus(step) => {
            step.apply(&mut batch.iter_mut().map(|one| &mut one.document).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// The per-document steps at the beginning of `steps`: a document goes through all of them in one go.
fn document_steps(steps: &[Step]) -> Vec<&dyn DocumentStep> {
    steps.iter().map_while(Step::as_document).collect()
}

/// Leads a batch through a step that knows the whole corpus.
fn pass_corpus(
    step: &mut dyn CorpusStep,
    position: usize,
    count: &mut StepSummary,
    limits: &Limits,
    passed: &mut Passed,
) -> Result<()> {
    let mut batch = std::mem::take(&mut passed.kept);
    let before = |in_flight: &InFlight| Before::of(&in_flight.document, position, limits);
    let before: Vec<Before> = batch.iter().map(before).collect();
    let started = Instant::now();
    let mut documents: Vec<&mut Document> = batch.iter_mut().map(|one| &mut one.document).collect();
    let verdicts = step.apply(&mut documents)?;
    count.seconds += started.elapsed().as_secs_f64();
    assert_eq!(verdicts.len(), batch.len(), "a verdict for each document");
    for ((in_flight, before), verdict) in batch.into_iter().zip(before).zip(verdicts) {
        let trace = before.trace(step.name(), &in_flight.document, verdict);
        settle(in_flight, vec![trace], position, std::slice::from_mut(count), passed);
    }
    Ok(())
}

/// A document as it reached a step.
struct Before {
    bytes: usize,
    /// Its text, where a change is one that may be kept.
    text: Option<String>,
}

impl Before {
    fn of(document: &Document, position: usize, limits: &Limits) -> Self {
        let is_wanted = limits.want(hash(&document.id), position);
        Self { bytes: document.text.len(), text: is_wanted.then(|| document.text.clone()) }
    }

    /// What the step made of it; the time is that of the batch, and counted there.
    fn trace(self, step: &str, document: &Document, verdict: Verdict) -> Trace {
        let seen = self.text.filter(|_| verdict == Verdict::Changed);
        Trace {
            verdict,
            change: seen.map(|text| Change::of(document, step, &text)),
            labels: Labels::new(),
            bytes_in: self.bytes,
            bytes_out: document.text.len(),
            time: Duration::ZERO,
        }
    }
}

/// What one step made of one document.
struct Trace {
    verdict: Verdict,
    /// The text before and after, where it is one of those that are kept to be looked at.
    change: Option<Change>,
    labels: Labels,
    bytes_in: usize,
    bytes_out: usize,
    time: Duration,
}

fn pass_documents(
    steps: &[&dyn DocumentStep],
    first: usize,
    counts: &mut [StepSummary],
    limits: &Limits,
    passed: &mut Passed,
) {
    let batch = std::mem::take(&mut passed.kept);
    let done: Vec<(InFlight, Vec<Trace>)> = batch
        .into_par_iter()
        .with_max_len(8)
        .map(|mut in_flight| {
            let traces = trace(steps, first, limits, &mut in_flight.document);
            (in_flight, traces)
        })
        .collect();
    for (in_flight, traces) in done {
        settle(in_flight, traces, first, counts, passed);
    }
}

/// Counts what steps made of a document, and puts it where it belongs.
fn settle(
    mut in_flight: InFlight,
    traces: Vec<Trace>,
    first: usize,
    counts: &mut [StepSummary],
    passed: &mut Passed,
) {
    let mut rejected = None;
    for (position, trace) in traces.into_iter().enumerate() {
        let count = &mut counts[position];
        count.seconds += trace.time.as_secs_f64();
        count_verdict(count, &trace.verdict, trace.bytes_in, trace.bytes_out);
        count_labels(count, &trace.labels);
        passed.changes.extend(trace.change.map(|change| (first + position, change)));
        match trace.verdict {
            Verdict::Kept => {}
            Verdict::Changed => in_flight.changed_by = Some(first + position),
            Verdict::Rejected { reason, detail } => rejected = Some((first + position, reason, detail)),
        }
    }
    match rejected {
        Some((step, reason, detail)) => {
            passed.rejected.push(Rejected { document: in_flight.document, step, reason, detail });
        }
        None => passed.kept.push(in_flight),
    }
}

/// Leads the document through the steps, up to the one that rejects it.
fn trace(steps: &[&dyn DocumentStep], first: usize, limits: &Limits, document: &mut Document) -> Vec<Trace> {
    let mut traces = Vec::with_capacity(steps.len());
    let (hash, mut before) = (hash(&document.id), String::new());
    for (position, step) in (first..).zip(steps) {
        let bytes_in = document.text.len();
        let is_wanted = limits.want(hash, position);
        if is_wanted {
            before.clone_from(&document.text);
        }
        let started = Instant::now();
        let mut labels = Labels::new();
        let verdict = step.apply_and_count(document, &mut labels);
        let (bytes_out, time) = (document.text.len(), started.elapsed());
        let is_seen = is_wanted && verdict == Verdict::Changed;
        let change = is_seen.then(|| Change::of(document, step.name(), &before));
        let stop = matches!(verdict, Verdict::Rejected { .. });
        traces.push(Trace { verdict, change, labels, bytes_in, bytes_out, time });
        if stop {
            break;
        }
    }
    traces
}

fn count_verdict(count: &mut StepSummary, verdict: &Verdict, bytes_in: usize, bytes_out: usize) {
    count.documents_in += 1;
    count.bytes_in += bytes_in as u64;
    if let Verdict::Rejected { reason, .. } = verdict {
        count.rejected += 1;
        match count.reasons.get_mut(reason.as_ref()) {
            Some(times) => *times += 1,
            None => drop(count.reasons.insert(reason.to_string(), 1)),
        }
        return;
    }
    count.documents_out += 1;
    count.bytes_out += bytes_out as u64;
    count.changed += u64::from(*verdict == Verdict::Changed);
}

pub(super) fn count_labels(count: &mut StepSummary, labels: &Labels) {
    for (label, times) in labels {
        match count.labels.get_mut(label.as_ref()) {
            Some(sum) => *sum += times,
            None => drop(count.labels.insert(label.to_string(), *times)),
        }
    }
}
