use std::collections::{BTreeSet, VecDeque};

use nuwa_align::feedback::{FeedbackFile, FeedbackKind, Judgement, Verdict};
use nuwa_tokenizer::Message;
use serde::Serialize;

use super::answers::ShownAnswer;
use crate::prompts::PromptToJudge;

/// Prompts that are ready before the person comes to them.
const AHEAD: usize = 8;

/// What is asked, in which order, and what was decided.
pub struct Queue {
    file: FeedbackFile,
    kind: FeedbackKind,
    model: String,
    prompts: Vec<PromptToJudge>,
    /// Places of prompts that nothing was sampled for yet.
    waiting: VecDeque<usize>,
    /// Whether something is being sampled just now.
    is_sampling: bool,
    ready: VecDeque<Ready>,
    /// What was decided since the start, the last at the end: it can be shown again at once.
    decided: Vec<Ready>,
    left_out: usize,
}

/// A prompt with its answers.
#[derive(Debug, Clone)]
struct Ready {
    prompt: PromptToJudge,
    answers: Vec<ShownAnswer>,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    kind: FeedbackKind,
    /// Prompts that were decided about, and all that can be.
    done: usize,
    total: usize,
    left_out: usize,
    records: usize,
    can_undo: bool,
    /// What is asked; none where it is still sampled, or where all is done.
    asked: Option<Asked<'a>>,
}

#[derive(Debug, Serialize)]
struct Asked<'a> {
    id: &'a str,
    prompt: &'a [Message],
    answers: &'a [ShownAnswer],
}

/// Why a decision was not taken.
#[derive(Debug)]
pub enum NotTaken {
    /// It is about a prompt that is not the one asked about, as from a second window.
    Elsewhere,
    /// It does not fit, or could not be kept.
    Failed(nuwa_align::Error),
}

impl Queue {
    /// The prompts that `file` has no decision about.
    pub fn new(file: FeedbackFile, kind: FeedbackKind, model: String, prompts: Vec<PromptToJudge>) -> Self {
        let known: BTreeSet<&str> = file.prompts().collect();
        let waiting =
            (0..prompts.len()).filter(|&place| !known.contains(prompts[place].key.as_str())).collect();
        let (ready, decided) = (VecDeque::new(), Vec::new());
        Self { file, kind, model, prompts, waiting, is_sampling: false, ready, decided, left_out: 0 }
    }

    /// The file of decisions.
    pub fn file(&self) -> &FeedbackFile {
        &self.file
    }

    /// How many prompts are still to be decided about.
    pub fn open(&self) -> usize {
        self.waiting.len() + usize::from(self.is_sampling) + self.ready.len()
    }

    /// The next prompt to sample answers for; none where enough are ready.
    pub fn next_to_sample(&mut self) -> Option<PromptToJudge> {
        if self.ready.len() >= AHEAD {
            return None;
        }
        let place = self.waiting.pop_front()?;
        self.is_sampling = true;
        Some(self.prompts[place].clone())
    }

    /// Takes what was sampled; where nothing could be, the prompt is left out.
    pub fn sampled(&mut self, prompt: &PromptToJudge, answers: Option<Vec<ShownAnswer>>) {
        self.is_sampling = false;
        match answers {
            Some(answers) => self.ready.push_back(Ready { prompt: prompt.clone(), answers }),
            None => self.left_out += 1,
        }
    }

    /// What is to be shown now.
    pub fn shown(&self) -> Shown<'_> {
        let total = self.prompts.len() - self.left_out;
        Shown {
            kind: self.kind,
            done: total - self.open(),
            total,
            left_out: self.left_out,
            records: self.file.records(),
            can_undo: self.file.decisions() > 0,
            asked: self.ready.front().map(|ready| Asked {
                id: &ready.prompt.key,
                prompt: &ready.prompt.turns,
                answers: &ready.answers,
            }),
        }
    }

    /// Keeps a decision about the prompt that is shown.
    pub fn decide(&mut self, id: &str, verdict: Verdict) -> Result<(), NotTaken> {
        let ready = self.ready.front().filter(|ready| ready.prompt.key == id).ok_or(NotTaken::Elsewhere)?;
        self.file
            .add(&Judgement {
                prompt: ready.prompt.turns.clone(),
                answers: ready.answers.iter().map(|answer| answer.text.clone()).collect(),
                verdict,
                model: self.model.clone(),
            })
            .map_err(NotTaken::Failed)?;
        self.decided.extend(self.ready.pop_front());
        Ok(())
    }

    /// Takes the last decision back. Its prompt is shown next; one that was decided about before the start is sampled again, and
    /// comes after those that are ready.
    pub fn undo(&mut self) -> Result<(), nuwa_align::Error> {
        let Some(key) = self.file.undo()? else { return Ok(()) };
        if let Some(ready) = self.decided.pop() {
            self.ready.push_front(ready);
        } else if let Some(place) = self.prompts.iter().position(|prompt| prompt.key == key) {
            self.waiting.push_front(place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use nuwa_align::feedback::prompt_key;

    fn prompts(names: &[&str]) -> Vec<PromptToJudge> {
        let prompt = |name: &&str| {
            let turns = vec![Message::new("user", *name)];
            PromptToJudge { key: prompt_key(&turns), turns, place: "a.txt:1".into() }
        };
        names.iter().map(prompt).collect()
    }

    fn queue(path: &Path, names: &[&str]) -> Queue {
        let file = FeedbackFile::open(path, FeedbackKind::Ranks).unwrap();
        Queue::new(file, FeedbackKind::Ranks, "m".into(), prompts(names))
    }

    /// Samples as many as are wanted; their prompts.
    fn sample(queue: &mut Queue) -> Vec<String> {
        let answers = ["one", "two"].map(|text| ShownAnswer { text: text.into(), is_cut_off: false });
        std::iter::from_fn(|| {
            let prompt = queue.next_to_sample()?;
            queue.sampled(&prompt, Some(answers.to_vec()));
            Some(prompt.turns[0].content.clone())
        })
        .collect()
    }

    fn asked(queue: &Queue) -> Option<String> {
        queue.shown().asked.map(|asked| asked.prompt[0].content.clone())
    }

    fn decide(queue: &mut Queue) {
        let id = queue.shown().asked.unwrap().id.to_string();
        queue.decide(&id, Verdict::Ranks(vec![1, 2])).unwrap();
    }

    #[test]
    fn as_many_are_sampled_as_keep_the_person_from_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..AHEAD + 2).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut queue = queue(&folder.path().join("a.jsonl"), &names);
        assert_eq!(asked(&queue), None);
        assert_eq!(sample(&mut queue), names[..AHEAD]);
        assert_eq!(asked(&queue).as_deref(), Some("0"));
        decide(&mut queue);
        assert_eq!(sample(&mut queue), [names[AHEAD]]);
        assert_eq!((queue.shown().done, queue.shown().total), (1, AHEAD + 2));
    }

    #[test]
    fn what_was_taken_back_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut first = queue(&path, &["a", "b", "c"]);
        sample(&mut first);
        decide(&mut first);
        decide(&mut first);
        first.undo().unwrap();
        assert_eq!(asked(&first).as_deref(), Some("b"), "at once");
        decide(&mut first);
        drop(first);

        let mut second = queue(&path, &["a", "b", "c"]);
        assert_eq!((sample(&mut second), second.shown().done), (vec!["c".to_string()], 2));
        second.undo().unwrap();
        assert_eq!((sample(&mut second), asked(&second).as_deref()), (vec!["b".to_string()], Some("c")));
        let stale = second.decide(&prompts(&["b"])[0].key, Verdict::Skipped);
        assert!(matches!(stale, Err(NotTaken::Elsewhere)));
        decide(&mut second);
        decide(&mut second);
        assert_eq!((asked(&second), second.open(), second.shown().records), (None, 0, 3));
    }

    #[test]
    fn a_prompt_without_answers_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = queue(&folder.path().join("a.jsonl"), &["a", "b"]);
        let prompt = queue.next_to_sample().unwrap();
        assert_eq!(queue.open(), 2, "it is being sampled");
        queue.sampled(&prompt, None);
        let shown = queue.shown();
        assert_eq!((shown.done, shown.total, shown.left_out), (0, 1, 1));
    }
}
