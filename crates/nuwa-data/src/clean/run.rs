//! The passes: read, work, write, each in its own thread, over queues of a few batches.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use nuwa_files::Progress;
use rayon::prelude::*;

use super::Limits;
use super::chain::{self, Passed, Passenger, Rejected, RejectedLine};
use super::changes::Changes;
use super::step::{Step, Workspace};
use super::summary::{CleanSummary, Sample, StepSummary};
use crate::bias::Bias;
use crate::documents::{Document, Line, Lines, LinesWriter, next_batch, to_lines};
use crate::{Result, text};

/// Batches waiting between two threads.
const QUEUE: usize = 2;
const SAMPLE_CHARACTERS: usize = 600;
/// Of the memory this part is left to documents on their way and to what steps keep for each document.
const REST: usize = 2;

pub(super) fn run(
    files: Vec<PathBuf>,
    out: &Path,
    mut steps: Vec<Step>,
    limits: Limits,
    bias: Option<Bias>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CleanSummary> {
    let started = Instant::now();
    let names: Vec<&'static str> = steps.iter().map(Step::name).collect();
    let counts =
        names.iter().map(|name| StepSummary { name: (*name).into(), ..Default::default() }).collect();
    let mut cleaning = Cleaning {
        rejected: LinesWriter::single(out, "rejected"),
        summary: CleanSummary { steps: counts, ..Default::default() },
        changes: Changes::new(names.len()),
        samples: Samples::new(limits.samples, names),
        bias,
        progress,
        total: None,
    };
    let workspaces = TemporaryFolder(out.join(".steps"));
    for (position, step) in steps.iter_mut().enumerate() {
        let folder = workspaces.0.join(position.to_string());
        step.begin(&Workspace { folder, memory: limits.memory / REST })?;
    }
    let mut stretches = stretches(steps).into_iter().peekable();
    let mut source = files;
    let mut spill: Option<TemporaryFolder> = None;
    let mut first = 0;
    let mut passes = 0;
    while let Some(mut stretch) = stretches.next() {
        let next = stretches.peek_mut().and_then(|after| after.first_mut());
        let (target, stem) = match &next {
            Some(_) => (out.join(format!(".pass-{passes}")), "spill"),
            None => (out.to_path_buf(), "documents"),
        };
        let new_spill = next.is_some().then(|| TemporaryFolder(target.clone()));
        let stretch_end = first + stretch.len();
        source = cleaning.pass(source, LinesWriter::parts(&target, stem), &mut stretch, first, next)?;
        spill = new_spill;
        if let Some(step) = stretches.peek_mut().and_then(|after| after.first_mut()) {
            for _ in 1..step.observations() {
                cleaning.observe_again(&source, step, stretch_end)?;
            }
        }
        cleaning.keep_totals(&stretch, first);
        first += stretch.len();
        passes += 1;
    }
    drop((spill, workspaces));
    if let Some(bias) = &cleaning.bias {
        nuwa_files::write_json(&out.join("bias.json"), &bias.report())?;
    }
    cleaning.finish(started, out)
}

/// The chain cut before each step that must have seen the whole corpus.
fn stretches(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut stretches = vec![Vec::new()];
    for step in steps {
        if step.observations() > 0 {
            stretches.push(Vec::new());
        }
        stretches.last_mut().expect("there is always one").push(step);
    }
    stretches
}

/// What is only needed while the work goes on; gone when dropped, also after an error.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What cannot be removed is a hidden folder that the next run writes over.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Cleaning<'a> {
    rejected: LinesWriter,
    summary: CleanSummary,
    samples: Samples,
    bias: Option<Bias>,
    changes: Changes,
    progress: &'a mut dyn FnMut(Progress),
    /// Documents that reach the coming pass, known after the first.
    total: Option<u64>,
}

impl Cleaning<'_> {
    /// One pass over the documents of `files`; gives the files written.
    fn pass(
        &mut self,
        files: Vec<PathBuf>,
        writer: LinesWriter,
        stretch: &mut [Step],
        first: usize,
        mut next: Option<&mut Step>,
    ) -> Result<Vec<PathBuf>> {
        let is_first = self.total.is_none();
        let is_last = next.is_none();
        let (line_sender, line_receiver) = sync_channel(QUEUE);
        let (text_sender, text_receiver) = sync_channel(QUEUE);
        let reader_files = files.clone();
        let (written, count) = thread::scope(|scope| {
            scope.spawn(move || read(reader_files, &line_sender));
            let writing = scope.spawn(move || write(writer, text_receiver));
            let mut count = 0;
            let mut done = 0;
            for lines in line_receiver {
                let batch = parse(&lines?, &files)?;
                done += batch.len() as u64;
                if is_first {
                    self.summary.documents_in += batch.len() as u64;
                    self.summary.bytes_in +=
                        batch.iter().map(|one| one.document.text.len() as u64).sum::<u64>();
                }
                self.count_bias(&batch, is_first, Bias::before);
                let counts = &mut self.summary.steps[first..first + stretch.len()];
                let mut passed = chain::pass(stretch, first, counts, &self.changes.limits(), batch)?;
                self.changes.add(&mut passed.changes);
                self.count_bias(&passed.kept, is_last, Bias::after);
                count += passed.kept.len() as u64;
                self.keep(&passed, is_last)?;
                if let Some(step) = next.as_deref_mut() {
                    self.observe(step, first + stretch.len(), &passed.kept)?;
                }
                self.report(done);
                let documents: Vec<_> = passed.kept.iter().map(|one| &one.document).collect();
                if text_sender.send(to_lines(&documents)).is_err() {
                    break;
                }
            }
            drop(text_sender);
            Ok::<_, crate::Error>((writing.join().expect("the writer does not panic")?, count))
        })?;
        if let Some(step) = next {
            self.conclude(step, first + stretch.len())?;
        }
        self.total = Some(count);
        Ok(written)
    }

    /// A pass in which a step only looks at documents that it has seen before.
    fn observe_again(&mut self, files: &[PathBuf], step: &mut Step, position: usize) -> Result<()> {
        let (line_sender, line_receiver) = sync_channel(QUEUE);
        let reader_files = files.to_vec();
        thread::scope(|scope| {
            scope.spawn(move || read(reader_files, &line_sender));
            let mut done = 0;
            for lines in line_receiver {
                let batch = parse(&lines?, files)?;
                self.observe(step, position, &batch)?;
                done += batch.len() as u64;
                self.report(done);
            }
            self.conclude(step, position)
        })
    }

    fn report(&mut self, done: u64) {
        let (task, unit) = ("cleaning documents", "documents");
        (self.progress)(Progress { task, done, total: self.total, unit });
    }

    fn count_bias(&mut self, batch: &[Passenger], wanted: bool, count: fn(&mut Bias, &[&Document])) {
        if let Some(bias) = self.bias.as_mut().filter(|_| wanted) {
            count(bias, &batch.iter().map(|one| &one.document).collect::<Vec<_>>());
        }
    }

    fn observe(&mut self, step: &mut Step, position: usize, batch: &[Passenger]) -> Result<()> {
        let started = Instant::now();
        let documents: Vec<&Document> = batch.iter().map(|one| &one.document).collect();
        step.observe(&documents)?;
        self.summary.steps[position].seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn conclude(&mut self, step: &mut Step, position: usize) -> Result<()> {
        let started = Instant::now();
        step.conclude()?;
        self.summary.steps[position].seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn keep_totals(&mut self, stretch: &[Step], first: usize) {
        for (step, count) in stretch.iter().zip(&mut self.summary.steps[first..]) {
            if let Some(step) = step.as_corpus() {
                chain::count_labels(count, &step.found());
                count.portions = step.portions();
            }
            if let Some(step) = step.as_document() {
                count.take_replacements(step.replacements());
                let totals = step.totals().into_iter();
                count.totals = totals.map(|(name, total)| (name.into_owned(), total)).collect();
            }
        }
    }

    /// Counts and samples what leaves the chain, writes down what was rejected.
    fn keep(&mut self, passed: &Passed, is_last: bool) -> Result<()> {
        for rejected in &passed.rejected {
            self.samples.rejected(rejected);
        }
        let names = &self.samples.names;
        let lines: Vec<RejectedLine> = passed.rejected.iter().map(|one| one.line(names)).collect();
        self.rejected.write(&lines)?;
        for passenger in passed.kept.iter() {
            self.samples.passed(passenger, is_last);
            if is_last {
                self.summary.documents_out += 1;
                self.summary.bytes_out += passenger.document.text.len() as u64;
            }
        }
        Ok(())
    }

    fn finish(mut self, started: Instant, out: &Path) -> Result<CleanSummary> {
        self.rejected.finish()?;
        self.changes.write(out)?;
        self.summary.samples = self.samples.all;
        self.summary.seconds = started.elapsed().as_secs_f64();
        Ok(self.summary)
    }
}

/// Reads lines in batches until the end, an error, or until nobody listens any more.
fn read(files: Vec<PathBuf>, batches: &SyncSender<Result<Vec<Line>>>) {
    let mut lines = Lines::open(files);
    loop {
        let batch = next_batch(&mut lines, |line| line.bytes.len());
        let ended = !matches!(&batch, Ok(lines) if !lines.is_empty());
        if batch.as_ref().is_ok_and(Vec::is_empty) || batches.send(batch).is_err() || ended {
            return;
        }
    }
}

fn write(mut writer: LinesWriter, texts: Receiver<Vec<u8>>) -> Result<Vec<PathBuf>> {
    for text in texts {
        writer.write_lines(&text)?;
    }
    writer.finish()
}

fn parse(lines: &[Line], files: &[PathBuf]) -> Result<Vec<Passenger>> {
    let parse = |line: &Line| Ok(Passenger { document: line.parse(files)?, changed_by: None });
    lines.par_iter().map(parse).collect()
}

/// A few documents of each kind: the first ones, which are the same in every run.
struct Samples {
    of_each: usize,
    names: Vec<&'static str>,
    seen: HashMap<String, usize>,
    all: Vec<Sample>,
}

impl Samples {
    fn new(of_each: usize, names: Vec<&'static str>) -> Self {
        Self { of_each, names, seen: HashMap::new(), all: Vec::new() }
    }

    fn wants(&mut self, kind: String) -> bool {
        let seen = self.seen.entry(kind).or_default();
        *seen += 1;
        *seen <= self.of_each
    }

    fn rejected(&mut self, rejected: &Rejected) {
        let step = self.names[rejected.step];
        if self.wants(format!("{step}: {}", rejected.reason)) {
            let reason = Some(rejected.reason.to_string());
            self.add(&rejected.document, "rejected", Some(step), reason);
        }
    }

    fn passed(&mut self, passenger: &Passenger, is_last: bool) {
        if let Some(step) = passenger.changed_by.map(|step| self.names[step]) {
            if self.wants(format!("changed by {step}")) {
                self.add(&passenger.document, "changed", Some(step), None);
            }
        } else if is_last && self.wants("kept".into()) {
            self.add(&passenger.document, "kept", None, None);
        }
    }

    fn add(&mut self, document: &Document, outcome: &str, step: Option<&str>, reason: Option<String>) {
        self.all.push(Sample {
            id: document.id.clone(),
            outcome: outcome.into(),
            step: step.map(str::to_string),
            reason,
            text: text::clip(&document.text, SAMPLE_CHARACTERS),
        });
    }
}
