//! An answer as it comes: streamed at once, chosen among several, or looked up.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use nuwa_guard::{Blocked, Side};
use nuwa_infer::{Answer, Conversation, Error, Finish, Flow, GenerateSettings};

use super::search::{counts, put_before, rounds, sources};
use super::{ANSWERING, STOP, Session};
use crate::console::{message, print, print_line};
use crate::failure::Problem;
use crate::guarding::{self, Watch, guarded};
use nuwa_report::numbers::counted;
use nuwa_report::text::printable;

/// An answer that was printed.
pub struct Answered {
    /// What the conversation goes on with.
    pub text: String,
    /// How many of the oldest turns the model did not see.
    pub forgotten: usize,
}

impl Session {
    /// Answers the last turn; none where it was stopped.
    pub(super) fn answer(&mut self, settings: &GenerateSettings) -> anyhow::Result<Option<Answered>> {
        self.looked_up = None;
        let asks_tools = self.scheduler.engine().tokenizer().taught_tools();
        if self.search.is_some() && asks_tools && self.choosing.is_none() {
            return self.look_up(settings);
        }
        let (asked, found) = self.with_what_was_found()?;
        let answered = match self.choosing.is_some() {
            true => self.best_of_several(&asked, settings)?,
            false => self.streamed(&asked, settings)?,
        };
        if let (Some(_), Some(sources)) = (&answered, found) {
            print_line(&sources)?;
        }
        Ok(answered)
    }

    /// The conversation as the model is asked it, and a line of the sources of what was put before the question: as much as fits.
    fn with_what_was_found(&mut self) -> anyhow::Result<(Conversation, Option<String>)> {
        let Some(search) = &self.search else { return Ok((self.conversation.clone(), None)) };
        let engine = self.scheduler.engine();
        let reserve = (engine.model().context() / 8).max(1);
        for count in counts() {
            let (asked, found) = search.put_before(&self.conversation, count);
            match asked.prompt(engine, reserve) {
                Err(Error::QuestionTooLong { .. }) if count > 0 => {}
                other => {
                    other?;
                    self.looked_up = Some(put_before(&found));
                    return Ok((asked, sources(found.iter())));
                }
            }
        }
        Ok((self.conversation.clone(), None))
    }

    fn streamed(
        &mut self,
        asked: &Conversation,
        settings: &GenerateSettings,
    ) -> anyhow::Result<Option<Answered>> {
        let scheduler = &mut self.scheduler;
        let watch = self.watch.as_ref();
        let (answer, blocked) =
            shown(watch, |goes_on, on_text| asked.answer(scheduler, settings, goes_on, on_text))?;
        if let Some(blocked) = blocked {
            guarding::tell(&blocked);
            return Ok(None);
        }
        if answer.finish == Finish::Interrupted {
            return Ok(None);
        }
        self.tell_if_cut_off(&answer);
        Ok(Some(Answered { text: answer.text, forgotten: answer.forgotten }))
    }

    fn tell_if_cut_off(&self, answer: &Answer) {
        if answer.finish == Finish::Length {
            let limit = match answer.tokens.len() < self.settings.max_tokens {
                true => "the context is full",
                false => "--max-tokens allows more",
            };
            message(&format!("(cut off after {}: {limit})", counted(answer.tokens.len() as u64, "token")));
        }
    }

    fn best_of_several(
        &mut self,
        asked: &Conversation,
        settings: &GenerateSettings,
    ) -> anyhow::Result<Option<Answered>> {
        let Self { conversation, scheduler, choosing, watch, .. } = self;
        let Some(choosing) = choosing else { return Ok(None) };
        let rules = choosing.rules();
        let mut candidates = interruptible(|goes_on| asked.candidates(scheduler, settings, &rules, goes_on))?;
        if candidates.interrupted {
            return Ok(None);
        }
        if let Some(watch) = watch {
            let mut kept = Vec::new();
            for candidate in std::mem::take(&mut candidates.answers) {
                if watch.check(&candidate.text, Side::Answer)?.is_none() {
                    kept.push(candidate);
                }
            }
            candidates.answers = kept;
        }
        let forgotten = candidates.forgotten;
        Ok(Some(Answered { text: choosing.give(conversation, candidates)?, forgotten }))
    }

    /// Lets the model ask the tool set before it answers.
    fn look_up(&mut self, settings: &GenerateSettings) -> anyhow::Result<Option<Answered>> {
        let Self { conversation, scheduler, search, .. } = self;
        let Some(search) = search else { return Ok(None) };
        let mut tools = |query: &str| search.look_up(query);
        let told = interruptible(|goes_on| conversation.grounded(scheduler, settings, &mut tools, goes_on))?;
        if told.interrupted {
            return Ok(None);
        }
        self.looked_up = Some(rounds(&told));
        let Some(answer) = told.answer else {
            return Err(Problem::new("the model went on looking things up and gave no answer")
                .hint("/why shows what it asked; put the question in other words")
                .into());
        };
        if let Some(blocked) = self.stopped(&answer.text, Side::Answer)? {
            guarding::tell(&blocked);
            return Ok(None);
        }
        print_line(&printable(&answer.text))?;
        let found = told.rounds.iter().filter_map(|round| round.snippet.as_ref());
        if let Some(sources) = sources(found) {
            print_line(&sources)?;
        }
        self.tell_if_cut_off(&answer);
        Ok(Some(Answered { text: answer.text, forgotten: answer.forgotten }))
    }

    /// Why a whole text is not let through.
    pub(super) fn stopped(&self, text: &str, side: Side) -> anyhow::Result<Option<Blocked>> {
        Ok(self.watch.as_ref().map(|watch| watch.check(text, side)).transpose()?.flatten())
    }

    /// Takes a draft as the answer.
    pub(super) fn choose(&mut self, number: &str) -> anyhow::Result<()> {
        let Some(choosing) = &mut self.choosing else {
            let problem = Problem::new("answers are not chosen among several here");
            return Err(problem.hint("start with --drafts 3").into());
        };
        let chosen = choosing.choose(number)?;
        if let Some(turn) = self.conversation.turns.last_mut() {
            turn.content = chosen;
        }
        Ok(())
    }
}

/// Does work that Ctrl-C stops.
fn interruptible<T>(
    work: impl FnOnce(&mut dyn FnMut() -> Flow) -> nuwa_infer::Result<T>,
) -> nuwa_infer::Result<T> {
    STOP.store(false, Ordering::Relaxed);
    ANSWERING.store(true, Ordering::Relaxed);
    let done = work(&mut || match STOP.load(Ordering::Relaxed) {
        true => Flow::Break(()),
        false => Flow::Continue(()),
    });
    ANSWERING.store(false, Ordering::Relaxed);
    done
}

/// Writes a text to standard output as it comes, until it ends, Ctrl-C or the guard stops it, or nobody reads it any more.
pub fn shown<T>(
    watch: Option<&Watch>,
    write: impl FnOnce(&mut dyn FnMut() -> Flow, &mut dyn FnMut(&str)) -> nuwa_infer::Result<T>,
) -> anyhow::Result<(T, Option<Blocked>)> {
    printed(|goes_on, on_text| guarded(watch, goes_on, on_text, write))
}

/// Writes a text to standard output as it comes, until it ends, Ctrl-C stops it, or nobody reads it any more.
pub fn printed<T>(
    write: impl FnOnce(&mut dyn FnMut() -> Flow, &mut dyn FnMut(&str)) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    STOP.store(false, Ordering::Relaxed);
    ANSWERING.store(true, Ordering::Relaxed);
    let printed = RefCell::new(Ok(()));
    let mut on_text = |text: &str| {
        if printed.borrow().is_ok() {
            *printed.borrow_mut() = print(&printable(text));
        }
    };
    let mut goes_on = || match STOP.load(Ordering::Relaxed) || printed.borrow().is_err() {
        true => Flow::Break(()),
        false => Flow::Continue(()),
    };
    let written = write(&mut goes_on, &mut on_text);
    ANSWERING.store(false, Ordering::Relaxed);
    let written = written?;
    printed.into_inner()?;
    print_line("")?;
    Ok(written)
}
