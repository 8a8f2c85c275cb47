use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nuwa_guard::{Blocked, Guard, GuardedStream};
use nuwa_infer::{Chosen, Finish, Request};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::asked::Asked;
use super::error::ApiError;
use crate::app::App;
use crate::event::Event;
use crate::served::ServedModel;
use crate::worker::{Job, Told, WriteJob};

/// How long the status of a stream waits for its first token: an error until then has a status of its own.
const FIRST: Duration = Duration::from_secs(10);

/// What is heard of one text of a request.
#[derive(Debug, Default)]
pub struct Heard {
    /// Which one.
    pub choice: usize,
    /// What may be shown now and was not before.
    pub text: String,
    /// The tokens of it.
    pub chosen: Vec<Chosen>,
    /// Why it ended, where it has.
    pub finish: Option<&'static str>,
    /// What the guard found.
    pub blocked: Option<Blocked>,
}

/// How many tokens a request took.
#[derive(Debug, Default, Clone, Copy)]
pub struct Usage {
    pub prompt: usize,
    pub reused: usize,
    pub written: usize,
}

/// Who listens to a request.
pub struct Listening {
    told: UnboundedReceiver<Told>,
    ahead: VecDeque<Told>,
    pub usage: Usage,
    /// Tokens of the texts that have not ended, as they came.
    unended: BTreeMap<usize, usize>,
}

impl Listening {
    /// Hands the request over, once for each of its texts.
    pub fn begin(asked: &Asked, model: &ServedModel, requests: Vec<Request>) -> Result<Self, ApiError> {
        let prompt = requests.first().map_or(0, |request| request.prompt.ids.len());
        let (sender, told) = unbounded_channel();
        let job = WriteJob { requests, told: sender, deadline: asked.deadline(), came: Instant::now() };
        asked.submit(model, Job::Write(job))?;
        let usage = Usage { prompt, ..Usage::default() };
        Ok(Self { told, ahead: VecDeque::new(), usage, unended: BTreeMap::new() })
    }

    /// Waits for a sign that the request runs, for a while.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn first(&mut self) -> Result<(), ApiError> {
        match timeout(FIRST, self.told.recv()).await {
            Err(_) => Ok(()),
            Ok(None) => Err(gone()),
            Ok(Some(Told::Failed(failure))) => Err(failure.into()),
            Ok(Some(told)) => {
                self.ahead.push_back(told);
                Ok(())
            }
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// When nothing more comes.
    pub async fn next(&mut self) -> Result<Told, ApiError> {
        let told = match self.ahead.pop_front() {
            Some(told) => told,
            None => self.told.recv().await.ok_or_else(gone)?,
        };
        self.noted(told)
    }

    /// What has come already; none where one would have to wait.
    pub fn ready(&mut self) -> Option<Result<Told, ApiError>> {
        let told = self.ahead.pop_front().or_else(|| self.told.try_recv().ok())?;
        Some(self.noted(told))
    }

    fn noted(&mut self, told: Told) -> Result<Told, ApiError> {
        match told {
            Told::Failed(failure) => Err(failure.into()),
            // Counted as they come, too: the log of a stream whose client goes says how many there were.
            Told::Piece { choice, chosen: Some(_), .. } => {
                self.usage.written += 1;
                *self.unended.entry(choice).or_default() += 1;
                Ok(told)
            }
            Told::Ended { choice, generation } => {
                self.usage.written -= self.unended.remove(&choice).unwrap_or(0);
                self.usage.written += generation.tokens.len();
                if choice == 0 {
                    self.usage.reused = generation.reused;
                }
                Ok(Told::Ended { choice, generation })
            }
            told => Ok(told),
        }
    }
}

fn gone() -> ApiError {
    ApiError::server("the model's thread has ended")
}

/// One text of a request as it may be shown: under the eyes of a guard, and in a chat without the blanks before its first word,
/// which are the template's.
struct Shown<'a> {
    choice: usize,
    guard: Option<GuardedStream<'a>>,
    trims: bool,
    has_begun: bool,
    has_ended: bool,
}

impl<'a> Shown<'a> {
    fn new(choice: usize, guard: Option<&'a Guard>, trims: bool) -> Self {
        Self { choice, guard: guard.map(Guard::stream), trims, has_begun: false, has_ended: false }
    }

    /// What becomes of a piece.
    fn hear(&mut self, text: &str, chosen: Option<Chosen>) -> Heard {
        if self.has_ended {
            return Heard { choice: self.choice, ..Heard::default() };
        }
        let (text, blocked) = match &mut self.guard {
            None => (text.to_string(), None),
            Some(guard) => {
                let step = guard.push(text);
                (step.release, step.blocked)
            }
        };
        self.heard(text, chosen, blocked, None)
    }

    /// The end.
    fn end(&mut self, finish: Finish) -> Heard {
        if self.has_ended {
            return Heard { choice: self.choice, ..Heard::default() };
        }
        let (rest, blocked) = match &mut self.guard {
            None => (String::new(), None),
            Some(guard) => {
                let step = guard.finish();
                (step.release, step.blocked)
            }
        };
        let finish = if finish == Finish::Length { "length" } else { "stop" };
        self.heard(rest, None, blocked, Some(finish))
    }

    fn heard(
        &mut self,
        text: String,
        chosen: Option<Chosen>,
        blocked: Option<Blocked>,
        finish: Option<&'static str>,
    ) -> Heard {
        let text = match self.trims && !self.has_begun {
            true => text.trim_start().to_string(),
            false => text,
        };
        self.has_begun |= !text.is_empty();
        let finish = if blocked.is_some() { Some("content_filter") } else { finish };
        self.has_ended |= finish.is_some();
        Heard { choice: self.choice, text, chosen: chosen.into_iter().collect(), finish, blocked }
    }
}

/// The texts of a request as they may be shown.
pub struct Texts<'a> {
    listening: Listening,
    shown: Vec<Shown<'a>>,
    ends: Vec<u32>,
    app: &'a App,
}

impl<'a> Texts<'a> {
    /// `count` texts, which end with the ids `ends`.
    pub fn new(app: &'a App, listening: Listening, count: usize, ends: Vec<u32>, trims: bool) -> Self {
        let guard = app.settings.guard.as_ref();
        let shown = (0..count).map(|choice| Shown::new(choice, guard, trims)).collect();
        Self { listening, shown, ends, app }
    }

    /// What is heard next; nothing at the end of all.
    ///
    /// # Errors
    /// When nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Heard>, ApiError> {
        if self.have_ended() {
            return Ok(None);
        }
        let told = self.listening.next().await?;
        self.heard(told).map(Some)
    }

    /// What has come already; none where one would have to wait, and at the end of all.
    pub fn ready(&mut self) -> Option<Result<Heard, ApiError>> {
        let told = if self.have_ended() { None } else { self.listening.ready() };
        Some(told?.and_then(|told| self.heard(told)))
    }

    fn have_ended(&self) -> bool {
        self.shown.iter().all(|shown| shown.has_ended)
    }

    fn heard(&mut self, told: Told) -> Result<Heard, ApiError> {
        let ends = &self.ends;
        let heard = match told {
            Told::Piece { choice, text, chosen } => {
                // The token that ends a text is no part of it.
                let chosen = chosen.filter(|chosen| !ends.contains(&chosen.token.id));
                self.shown.get_mut(choice).map(|shown| shown.hear(&text, chosen))
            }
            Told::Ended { choice, generation } => {
                self.shown.get_mut(choice).map(|shown| shown.end(generation.finish))
            }
            Told::Failed(failure) => return Err(failure.into()),
        };
        let heard = heard.unwrap_or_default();
        if let Some(blocked) = &heard.blocked {
            (self.app.observer)(Event::Blocked(blocked.clone()));
        }
        Ok(heard)
    }

    /// The tokens so far.
    pub fn usage(&self) -> Usage {
        self.listening.usage
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Texts::next`].
    pub async fn whole(&mut self) -> Result<Vec<WholeAnswer>, ApiError> {
        let mut all: Vec<WholeAnswer> = self.shown.iter().map(|_| WholeAnswer::default()).collect();
        while let Some(heard) = self.next().await? {
            let Some(answer) = all.get_mut(heard.choice) else { continue };
            answer.text += &heard.text;
            answer.chosen.extend(heard.chosen);
            answer.finish = heard.finish.unwrap_or(answer.finish);
        }
        Ok(all)
    }
}

/// A text that has ended.
#[derive(Debug, Default)]
pub struct WholeAnswer {
    pub text: String,
    pub chosen: Vec<Chosen>,
    pub finish: &'static str,
}
