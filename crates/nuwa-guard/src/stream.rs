use crate::{Blocked, Guard, Side};

/// The most characters that are held back: an expression such as `.*` might hold back everything.
const MOST_HELD: usize = 256;
/// Characters before what is held back that patterns and exceptions may look at.
const LEAST_CONTEXT: usize = 64;
/// A classifier looks at the answer again when it has grown by so many bytes.
const CLASSIFIED_BYTES: usize = 200;

/// What becomes of a text that is being written.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// What can be shown now.
    pub release: String,
    /// Why nothing after that is shown.
    pub blocked: Option<Blocked>,
}

/// An answer while it is written.
#[derive(Debug)]
pub struct GuardedStream<'a> {
    guard: &'a Guard,
    /// Some of what was released, and behind it what is held back.
    text: String,
    /// Where that begins.
    held_from: usize,
    /// All of the answer, where a classifier wants it.
    answer: String,
    classified: usize,
}

impl<'a> GuardedStream<'a> {
    pub(crate) fn new(guard: &'a Guard) -> Self {
        Self { guard, text: String::new(), held_from: 0, answer: String::new(), classified: 0 }
    }

    /// Takes what was written next.
    pub fn push(&mut self, piece: &str) -> Step {
        self.text.push_str(piece);
        if !self.guard.classifiers.is_empty() {
            self.answer.push_str(piece);
        }
        let grown = self.answer.len() - self.classified;
        self.step(false, grown >= CLASSIFIED_BYTES)
    }

    /// There is no more: what was held back is released, if nothing is wrong with it.
    pub fn finish(&mut self) -> Step {
        self.step(true, true)
    }

    fn step(&mut self, whole: bool, classify: bool) -> Step {
        let scan = self.guard.scan(&self.text, self.held_from, Side::Answer, whole);
        if let Some((start, blocked)) = scan.blocked {
            return Step { release: self.release_to(start.min(scan.open)), blocked: Some(blocked) };
        }
        if classify && !self.guard.classifiers.is_empty() {
            self.classified = self.answer.len();
            if let Some(blocked) = self.guard.classified(&self.answer, Side::Answer) {
                return Step { release: String::new(), blocked: Some(blocked) };
            }
        }
        Step { release: self.release_to(scan.open.max(self.limit())), blocked: None }
    }

    /// What stands before this was held back long enough.
    fn limit(&self) -> usize {
        self.text.char_indices().rev().nth(MOST_HELD - 1).map_or(0, |(at, _)| at)
    }

    fn release_to(&mut self, place: usize) -> String {
        let place = place.max(self.held_from);
        let released = self.text[self.held_from..place].to_string();
        let context = LEAST_CONTEXT.max(self.guard.words.longest_exception);
        let before = self.text[..place].char_indices().rev();
        let kept = before.map(|(at, _)| at).nth(context - 1).unwrap_or(0);
        self.text.drain(..kept);
        self.held_from = place - kept;
        released
    }
}
