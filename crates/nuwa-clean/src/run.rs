//! The passes: read, work, write, each in its own thread, over queues of a few batches; a chunk of documents at a time, after
//! each of which interrupted work can be gone on with.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nuwa_files::Document;
use nuwa_files::Progress;
use nuwa_files::documents::{Line, Lines, LinesWriter, move_parts, next_batch, to_lines};
use rayon::prelude::*;

use super::chain::{self, InFlight, Passed, RejectedLine};
use super::changes::Changes;
use super::limits::Limits;
use super::samples::Samples;
use super::state::{Place, State, Unfinished};
use super::step::{Step, Workspace};
use super::summary::{CleanSummary, StepSummary};
use crate::Result;
use crate::bias::Bias;

/// Batches waiting between two threads.
const QUEUE: usize = 2;
/// Of the memory this part is left to documents on their way and to what steps keep for each document.
const REST: usize = 2;

/// The work to be done.
pub(super) struct Work<'a> {
    pub files: Vec<PathBuf>,
    pub out: &'a Path,
    pub steps: Vec<Step>,
    pub limits: Limits,
    pub bias: Option<Bias>,
    /// What the result follows from, where interrupted work is to be gone on with.
    pub basis: Option<String>,
    /// How many documents there are, where it is known.
    pub documents: Option<u64>,
}

pub(super) fn run(work: Work, progress: &mut dyn FnMut(Progress)) -> Result<CleanSummary> {
    let Work { files, out, steps, limits, bias, basis, documents } = work;
    let names: Vec<&'static str> = steps.iter().map(Step::name).collect();
    let counts =
        names.iter().map(|name| StepSummary { name: (*name).into(), ..Default::default() }).collect();
    let mut cleaning = Cleaning {
        unfinished: Unfinished::new(out, basis),
        chunk_bytes: limits.chunk_bytes,
        at: Place { total: documents, ..Place::default() },
        summary: CleanSummary { steps: counts, ..Default::default() },
        changes: Changes::new(names.len()),
        samples: Samples::new(limits.samples, names),
        bias,
        progress,
        started: Instant::now(),
        written: Instant::now(),
        between_states: limits.between_states,
        seconds_before: 0.0,
    };
    if let Some(state) = cleaning.unfinished.take_up()? {
        cleaning.resume(state);
    }
    match cleaning.passes(files, steps, limits.memory / REST) {
        Ok(()) => cleaning.finish(out),
        Err(error) => {
            cleaning.unfinished.leave()?;
            Err(error)
        }
    }
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

/// A segment of the chain, and the step that the next one begins with.
struct Segment<'a> {
    steps: &'a mut [Step],
    /// The position of the first in the whole chain.
    first: usize,
    next: Option<&'a mut Step>,
}

impl Segment<'_> {
    fn end(&self) -> usize {
        self.first + self.steps.len()
    }
}

struct Cleaning<'a> {
    unfinished: Unfinished,
    chunk_bytes: usize,
    at: Place,
    summary: CleanSummary,
    samples: Samples,
    bias: Option<Bias>,
    changes: Changes,
    progress: &'a mut dyn FnMut(Progress),
    started: Instant,
    /// When it was last written down how far the work is, and the time to let pass before it is again.
    written: Instant,
    between_states: Duration,
    /// What the interrupted runs took.
    seconds_before: f64,
}

impl Cleaning<'_> {
    fn resume(&mut self, state: State) {
        self.at = state.at;
        self.seconds_before = state.summary.seconds;
        self.summary = state.summary;
        self.samples.resume(state.taken);
        self.changes.resume(state.changes);
        if let (Some(bias), Some(tallies)) = (&mut self.bias, state.bias) {
            bias.resume(tallies);
        }
    }

    fn passes(&mut self, files: Vec<PathBuf>, steps: Vec<Step>, memory: usize) -> Result<()> {
        let mut stretches = stretches(steps);
        let taken_up = self.at.passes;
        let mut first = 0;
        for pass in 0..stretches.len() {
            let [steps, after @ ..] = &mut stretches[pass..] else { unreachable!("one for each pass") };
            let next = after.first_mut().and_then(|steps| steps.first_mut());
            let mut segment = Segment { steps, first, next };
            first = segment.end();
            if pass < taken_up {
                continue;
            }
            let source = match pass {
                0 => files.clone(),
                _ => self.unfinished.parts(pass - 1, self.at.source_parts),
            };
            if pass == taken_up {
                self.begin(segment.steps, segment.first, memory)?;
                self.learn(&source, &mut segment)?;
            }
            if let Some(next) = segment.next.as_deref_mut() {
                self.begin(std::slice::from_mut(next), first, memory)?;
            }
            self.pass(&source, &mut segment)?;
            stretches[pass].clear();
        }
        Ok(())
    }

    /// Gives steps the folders where they may spill.
    fn begin(&self, steps: &mut [Step], first: usize, memory: usize) -> Result<()> {
        for (position, step) in (first..).zip(steps) {
            let folder = self.unfinished.steps().join(position.to_string());
            step.begin(&Workspace { folder, memory })?;
        }
        Ok(())
    }

    /// Where work is taken up at a pass, the step it begins with looks at everything as it had before.
    fn learn(&mut self, source: &[PathBuf], segment: &mut Segment) -> Result<()> {
        let Some(head) = segment.steps.first_mut() else { return Ok(()) };
        for _ in 0..head.observations() {
            self.observe_files(source, head, segment.first)?;
            self.conclude(head, segment.first)?;
        }
        Ok(())
    }

    /// One pass over the documents of `source`, or what is left of it.
    fn pass(&mut self, source: &[PathBuf], segment: &mut Segment) -> Result<()> {
        let end = segment.end();
        if let Some(next) = segment.next.as_deref_mut() {
            let written = self.unfinished.parts(self.at.passes, self.at.parts);
            self.observe_files(&written, next, end)?;
        }
        let (sender, lines) = sync_channel(QUEUE);
        let files = source.to_vec();
        thread::scope(|scope| {
            // Moved in, so that a reader finds nobody listening after an error.
            let lines = lines;
            scope.spawn(move || read(files, &sender));
            self.pass_over(&lines, source, segment)?;
            while let Ok(first) = lines.recv() {
                self.chunk(first, &lines, source, segment)?;
                self.write_down()?;
            }
            Ok::<_, crate::Error>(())
        })?;
        self.keep_totals(segment);
        self.end_pass()?;
        let Some(next) = segment.next.as_deref_mut() else { return Ok(()) };
        self.conclude(next, end)?;
        let written = self.unfinished.parts(self.at.passes - 1, self.at.source_parts);
        for _ in 1..next.observations() {
            self.observe_files(&written, next, end)?;
            self.conclude(next, end)?;
        }
        Ok(())
    }

    /// Leads the first step past the documents that an interrupted run has done.
    fn pass_over(
        &mut self,
        lines: &Receiver<nuwa_files::Result<Vec<Line>>>,
        source: &[PathBuf],
        segment: &mut Segment,
    ) -> Result<()> {
        let mut done = 0;
        while done < self.at.done {
            let Ok(lines) = lines.recv() else { return Ok(()) };
            let batch = parse(&lines?, source)?;
            done += batch.len() as u64;
            if let Some(head) = segment.steps.first_mut() {
                chain::pass_over(head, batch)?;
            }
        }
        Ok(())
    }

    /// Batches, from `lines` on, into a file of documents and one of rejected ones.
    fn chunk(
        &mut self,
        lines: nuwa_files::Result<Vec<Line>>,
        more: &Receiver<nuwa_files::Result<Vec<Line>>>,
        source: &[PathBuf],
        segment: &mut Segment,
    ) -> Result<()> {
        let writer = self.unfinished.part_writer(&self.at);
        let mut rejected = self.unfinished.rejected_writer(&self.at);
        thread::scope(|scope| {
            let (texts, receiver) = sync_channel(QUEUE);
            let writing = scope.spawn(move || write(writer, receiver));
            let (mut lines, mut bytes) = (Some(lines), 0);
            while let Some(batch) = lines {
                let batch = parse(&batch?, source)?;
                bytes += text_bytes(&batch) as usize;
                let passed = self.batch(batch, segment)?;
                self.keep(&passed, &mut rejected, segment.next.is_none())?;
                let documents: Vec<_> = passed.kept.iter().map(|one| &one.document).collect();
                if texts.send(to_lines(&documents)).is_err() {
                    break;
                }
                lines = if bytes < self.chunk_bytes { more.recv().ok() } else { None };
            }
            drop(texts);
            writing.join().expect("the writer does not panic")
        })?;
        rejected.finish()?;
        self.at.parts += 1;
        self.at.rejected += 1;
        Ok(())
    }

    /// Leads a batch through the segment and shows it to the next step.
    fn batch(&mut self, batch: Vec<InFlight>, segment: &mut Segment) -> Result<Passed> {
        let (is_first, is_last) = (self.at.passes == 0, segment.next.is_none());
        self.at.done += batch.len() as u64;
        self.at.bytes += text_bytes(&batch);
        if is_first {
            self.summary.documents_in += batch.len() as u64;
            self.summary.bytes_in += text_bytes(&batch);
        }
        self.count_bias(&batch, is_first, Bias::before);
        let end = segment.end();
        let counts = &mut self.summary.steps[segment.first..end];
        let mut passed = chain::pass(segment.steps, segment.first, counts, &self.changes.limits(), batch)?;
        self.changes.add(&mut passed.changes);
        self.count_bias(&passed.kept, is_last, Bias::after);
        self.at.kept += passed.kept.len() as u64;
        if let Some(next) = segment.next.as_deref_mut() {
            self.observe(next, end, &passed.kept)?;
        }
        self.report(self.at.done, self.at.bytes);
        Ok(passed)
    }

    /// From here on a new run would begin with the next pass.
    fn end_pass(&mut self) -> Result<()> {
        if self.at.parts == 0 {
            self.unfinished.part_writer(&self.at).finish()?;
            self.at.parts = 1;
        }
        let Place { passes, parts, kept, rejected, .. } = self.at;
        let source_parts = parts;
        self.at = Place { passes: passes + 1, source_parts, total: Some(kept), rejected, ..Place::default() };
        self.write_down()
    }

    /// Writes down how far the work is, unless that was done a moment ago; passes before the last finished one are not needed then.
    fn write_down(&mut self) -> Result<()> {
        if self.written.elapsed() < self.between_states {
            return Ok(());
        }
        self.written = Instant::now();
        self.summary.seconds = self.seconds();
        self.unfinished.write(|| State {
            at: self.at,
            summary: self.summary.clone(),
            taken: self.samples.taken().clone(),
            changes: self.changes.kept(),
            bias: self.bias.as_ref().map(Bias::tallies),
        })?;
        self.unfinished.forget_before(self.at.passes.saturating_sub(1))
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Documents that a step only looks at.
    fn observe_files(&mut self, files: &[PathBuf], step: &mut Step, position: usize) -> Result<()> {
        let (sender, lines) = sync_channel(QUEUE);
        let read_files = files.to_vec();
        thread::scope(|scope| {
            let lines = lines;
            scope.spawn(move || read(read_files, &sender));
            let (mut done, mut bytes) = (0, 0);
            for lines in &lines {
                let batch = parse(&lines?, files)?;
                self.observe(step, position, &batch)?;
                done += batch.len() as u64;
                bytes += text_bytes(&batch);
                self.report(done, bytes);
            }
            Ok(())
        })
    }

    fn report(&mut self, done: u64, bytes: u64) {
        let (task, unit) = ("cleaning documents", "documents");
        (self.progress)(Progress { task, done, total: self.at.total, unit, bytes: Some(bytes) });
    }

    fn count_bias(&mut self, batch: &[InFlight], wanted: bool, count: fn(&mut Bias, &[&Document])) {
        if let Some(bias) = self.bias.as_mut().filter(|_| wanted) {
            count(bias, &batch.iter().map(|one| &one.document).collect::<Vec<_>>());
        }
    }

    fn observe(&mut self, step: &mut Step, position: usize, batch: &[InFlight]) -> Result<()> {
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

    fn keep_totals(&mut self, segment: &Segment) {
        for (step, count) in segment.steps.iter().zip(&mut self.summary.steps[segment.first..]) {
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
    fn keep(&mut self, passed: &Passed, rejected: &mut LinesWriter, is_last: bool) -> Result<()> {
        for rejected in &passed.rejected {
            self.samples.rejected(rejected);
        }
        let names = &self.samples.names;
        let lines: Vec<RejectedLine> = passed.rejected.iter().map(|one| one.line(names)).collect();
        rejected.write(&lines)?;
        for in_flight in &passed.kept {
            self.samples.passed(in_flight, is_last);
        }
        if is_last {
            self.summary.documents_out += passed.kept.len() as u64;
            self.summary.bytes_out += text_bytes(&passed.kept);
        }
        Ok(())
    }

    fn finish(mut self, out: &Path) -> Result<CleanSummary> {
        self.summary.seconds = self.seconds();
        let Place { passes, source_parts, rejected, .. } = self.at;
        move_parts(&self.unfinished.parts(passes - 1, source_parts), out, "documents")?;
        self.unfinished.join_rejected(rejected, &out.join("rejected.jsonl.zst"))?;
        self.changes.write(out)?;
        if let Some(bias) = &self.bias {
            nuwa_files::write_json(&out.join("bias.json"), &bias.report())?;
        }
        self.summary.samples = self.samples.into_all();
        nuwa_files::write_json(&out.join("clean.json"), &self.summary)?;
        self.unfinished.end()?;
        Ok(self.summary)
    }
}

fn text_bytes(batch: &[InFlight]) -> u64 {
    batch.iter().map(|one| one.document.text.len() as u64).sum()
}

/// Reads lines in batches until the end, an error, or until nobody listens any more.
fn read(files: Vec<PathBuf>, batches: &SyncSender<nuwa_files::Result<Vec<Line>>>) {
    let mut lines = Lines::open(files);
    loop {
        let batch = next_batch(&mut lines, |line| line.bytes.len());
        let ended = !matches!(&batch, Ok(lines) if !lines.is_empty());
        if batch.as_ref().is_ok_and(Vec::is_empty) || batches.send(batch).is_err() || ended {
            return;
        }
    }
}

fn write(mut writer: LinesWriter, texts: Receiver<Vec<u8>>) -> Result<()> {
    for text in texts {
        writer.write_lines(&text)?;
    }
    writer.finish()?;
    Ok(())
}

fn parse(lines: &[Line], files: &[PathBuf]) -> Result<Vec<InFlight>> {
    let parse = |line: &Line| Ok(InFlight { document: line.parse(files)?, changed_by: None });
    lines.par_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::bias::BiasSettings;
    use crate::{CleanSettings, StepName};

    /// Documents with copies, near copies, common lines, slips and passages that recur.
    fn corpus(folder: &Path) -> PathBuf {
        let licence =
            "you may copy this text and give it away to whoever wishes to have it as often as they like";
        let line = |number: usize| {
            let own = (0..40).map(|word| format!("word{} ", (number % 300) * 31 + word * 7 + number / 700));
            let own: String = own.collect();
            let text = match number % 5 {
                0 => format!("{own}\n\n{licence} {number}"),
                1 => format!("Menu of the site\n\n{own} She said that he was there."),
                2 => format!("{own} He asked her; it is not tehre. 😀 mail me at a{number}@example.org"),
                3 => "too short".into(),
                _ => format!("The potter kneads clay. It was there. {own}"),
            };
            let document =
                serde_json::json!({ "id": format!("d{number}"), "source": "https://a.org/x", "text": text });
            format!("{document}\n")
        };
        let path = folder.join("documents-00000.jsonl");
        std::fs::write(&path, (0..8000).map(line).collect::<String>()).unwrap();
        path
    }

    fn settings() -> CleanSettings {
        let mut settings = CleanSettings::default();
        settings.steps.insert(3, StepName::Boilerplate);
        settings.steps.insert(5, StepName::Spelling);
        settings.steps.push(StepName::RepeatedPassages);
        settings.repeated_passages.words = 10;
        settings.mix.languages = BTreeMap::from([("others".into(), 1.0)]);
        settings
    }

    fn cleaned(input: &Path, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<CleanSummary> {
        let work = Work {
            files: vec![input.into()],
            out,
            steps: settings().chain()?,
            limits: Limits {
                samples: 3,
                memory: 100_000_000,
                chunk_bytes: 20_000,
                between_states: Duration::ZERO,
            },
            bias: Bias::new(&BiasSettings::default())?,
            basis: Some("the same".into()),
            documents: None,
        };
        run(work, progress)
    }

    /// All that was written but times.
    fn written(out: &Path) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(out).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = match name.ends_with(".zst") {
                true => zstd::stream::decode_all(&bytes[..]).unwrap(),
                false => bytes,
            };
            let text = String::from_utf8(text).unwrap();
            let without_times = text.lines().filter(|line| !line.trim_start().starts_with("\"seconds\""));
            files.insert(name, without_times.collect::<Vec<_>>().join("\n"));
        }
        files
    }

    #[test]
    fn work_that_was_killed_anywhere_ends_as_if_it_had_not_been() {
        let folder = tempfile::tempdir().unwrap();
        let input = corpus(folder.path());
        let out = |name: &str| folder.path().join(name);
        let mut reports = 0;
        let summary = cleaned(&input, &out("whole"), &mut |_| reports += 1).unwrap();
        assert!(summary.steps.iter().all(|step| step.documents_in > 0), "{:?}", summary.steps);
        let whole = written(&out("whole"));
        assert!(whole.len() >= 6 && !whole.contains_key(".clean"), "{:?}", whole.keys());
        let mut taken_up = 0;
        // Killed again and again, each time a little further on.
        for (round, first) in [1, 2, 3].into_iter().enumerate() {
            let out = out(&format!("killed {round}"));
            let mut attempts = 0;
            loop {
                attempts += 1;
                let mut left = first + attempts;
                let mut kill = |_: Progress| {
                    left -= 1;
                    assert!(left > 0, "killed");
                };
                taken_up += u64::from(out.join(".clean/state.json").exists());
                let ended = catch_unwind(AssertUnwindSafe(|| cleaned(&input, &out, &mut kill)));
                match ended {
                    Ok(summary) => break drop(summary.unwrap()),
                    Err(_) => assert!(attempts < reports, "it comes no further"),
                }
            }
            assert!(attempts > 5, "{attempts} attempts of {reports} reports");
            let killed = written(&out);
            for (name, text) in &whole {
                assert!(killed[name] == *text, "{name} of round {round} differs");
            }
            assert_eq!(killed.len(), whole.len());
        }
        assert!(taken_up > 5, "{taken_up}");
    }
}
