//! What `chat --search` looks things up in: documents by their words, and sums.

use std::path::{Path, PathBuf};

use clap::Args;
use nuwa_files::documents;
use nuwa_infer::{Conversation, GroundedAnswer, NOTHING, Snippet, calculate};
use nuwa_text::search::SearchIndex;

use crate::base;
use crate::console::message;
use crate::failure::Problem;
use crate::prompted::passages;
use nuwa_report::numbers::{bytes, counted};
use nuwa_report::text::{clipped, printable};

/// Whether and where `chat` looks things up.
#[derive(Debug, Args)]
pub struct SearchArguments {
    /// Look things up in documents before answering, and name the sources: a model that was taught to asks for what it needs (and
    /// for sums) in up to four rounds; for any other the passages that fit the question best are put before it
    #[arg(long)]
    search: bool,
    /// Where to look: documents as `nuwa collect` or `nuwa clean` writes them [default: the cleaned documents of the model's run]
    #[arg(long, value_name = "DIR", requires = "search")]
    documents: Option<PathBuf>,
}

/// Bytes of a passage, at most: several fit a small context.
const PASSAGE: usize = 300;

/// Text that is kept in memory, at most.
const MOST_BYTES: usize = 256 << 20;

/// Passages that are put before a question.
const PUT_BEFORE: usize = 2;

/// Characters of a snippet that is shown.
const SHOWN: usize = 160;

impl SearchArguments {
    /// What to look things up in, where that was asked for.
    pub fn begin(&self, model: &Path, answers: bool) -> anyhow::Result<Option<Search>> {
        if !self.search {
            return Ok(None);
        }
        if !answers {
            let problem =
                Problem::new("this is a base model: it continues text, and has no answer to look up");
            return Err(problem.hint("teach it to answer first: nuwa sft --help").into());
        }
        let folder = match &self.documents {
            Some(folder) => folder.clone(),
            None => of_run(model).ok_or_else(|| {
                Problem::new(format!(
                    "{} is not the model of a run, so it has no documents beside it",
                    model.display()
                ))
                .hint("name documents that nuwa collect or nuwa clean wrote: --documents DIR")
            })?,
        };
        let search = Search::read(&folder)?;
        message(&format!(
            "looks things up in {} of {}",
            counted(search.passages.len() as u64, "passage"),
            folder.display()
        ));
        Ok(Some(search))
    }
}

/// The cleaned documents of the run that a model folder lies in.
fn of_run(model: &Path) -> Option<PathBuf> {
    let place = base::run_of(model)?;
    let runs = [Some(place), place.parent()];
    runs.into_iter().flatten().map(|run| run.join("clean")).find(|folder| folder.is_dir())
}

/// Passages of documents, to be found by their words.
#[derive(Default)]
pub struct Search {
    passages: Vec<Snippet>,
    index: SearchIndex,
}

impl Search {
    /// Reads a folder or a file of documents.
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let (mut search, mut kept) = (Self::default(), 0);
        for document in documents::read(folder)? {
            let document = document?;
            kept += document.text.len();
            if kept > MOST_BYTES {
                message(&format!(
                    "note: only the first {} of text are looked into",
                    bytes(MOST_BYTES as u64)
                ));
                break;
            }
            passages(&document.text, PASSAGE).for_each(|(_, passage)| search.add(passage, &document.id));
        }
        Ok(search)
    }

    fn add(&mut self, passage: &str, source: &str) {
        self.index.add(passage);
        self.passages.push(Snippet { text: passage.to_string(), source: source.to_string() });
    }

    /// The passages that fit best, the best first.
    fn best(&self, query: &str, count: usize) -> impl Iterator<Item = &Snippet> {
        self.index.search(query, count).into_iter().map(|hit| &self.passages[hit.passage])
    }

    /// What the tool set answers: what a sum comes to, or the best passage.
    pub fn look_up(&self, query: &str) -> Option<Snippet> {
        match calculate(query) {
            Some(value) => Some(Snippet { text: format!("{value}"), source: "calculator".into() }),
            None => self.best(query, 1).next().cloned(),
        }
    }

    /// The conversation with the passages that fit its last turn before it, and these; as many as fit beside the question.
    pub fn put_before(&self, conversation: &Conversation, count: usize) -> (Conversation, Vec<Snippet>) {
        let mut asked = conversation.clone();
        let Some(turn) = asked.turns.last_mut() else { return (asked, Vec::new()) };
        let found: Vec<Snippet> = self.best(&turn.content, count).cloned().collect();
        let texts = found.iter().map(|snippet| snippet.text.as_str()).chain([turn.content.as_str()]);
        turn.content = texts.collect::<Vec<_>>().join("\n");
        (asked, found)
    }
}

/// Passages that are tried before a question, ever fewer.
pub fn counts() -> impl Iterator<Item = usize> {
    (0..=PUT_BEFORE).rev()
}

/// The sources below an answer, each once.
pub fn sources<'a>(found: impl Iterator<Item = &'a Snippet>) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for snippet in found {
        if !names.contains(&&*snippet.source) {
            names.push(&snippet.source);
        }
    }
    (!names.is_empty()).then(|| format!("sources: {}", printable(&names.join(", "))))
}

/// What was looked up, round by round.
pub fn rounds(grounded: &GroundedAnswer) -> String {
    let round = |(round, number): (&nuwa_infer::Round, usize)| {
        let found = round.snippet.as_ref().map_or(NOTHING.to_string(), shown);
        format!("round {number}: TS, {}\n  {found}", printable(&round.query))
    };
    match grounded.rounds.is_empty() {
        true => "nothing was looked up: the model answered at once".into(),
        false => grounded.rounds.iter().zip(1..).map(round).collect::<Vec<_>>().join("\n"),
    }
}

/// What was put before a question.
pub fn put_before(found: &[Snippet]) -> String {
    let found: Vec<String> = found.iter().map(|snippet| format!("  {}", shown(snippet))).collect();
    match found.is_empty() {
        true => "nothing was found, or nothing fits beside the question".into(),
        false => format!(
            "this model was not taught to look things up, so these passages were put before the question:\n{}",
            found.join("\n")
        ),
    }
}

fn shown(snippet: &Snippet) -> String {
    format!("[{}] {}", printable(&snippet.source), clipped(&snippet.text.replace('\n', " "), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_worked_out_and_all_else_is_looked_up() {
        let mut search = Search::default();
        search.add("Dorn is a town.", "en-1");
        search.add("Vell is a river.", "en-2");
        let found = |query: &str| {
            search.look_up(query).map(|snippet| format!("{}: {}", snippet.source, snippet.text))
        };
        assert_eq!(found("3 + 4").as_deref(), Some("calculator: 7"));
        assert_eq!(found("What is Vell?").as_deref(), Some("en-2: Vell is a river."));
        assert_eq!(found("Zabo"), None);
        let (asked, snippets) = search.put_before(&Conversation::of("Dorn?"), 2);
        assert_eq!(asked.turns[0].content, "Dorn is a town.\nDorn?");
        assert_eq!(sources(snippets.iter().chain(&snippets)).as_deref(), Some("sources: en-1"));
        assert_eq!(sources([].iter()), None);
    }
}
