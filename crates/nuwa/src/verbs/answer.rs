use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::prompting::{WritingArguments, told_finish};
use crate::console::{message, print, print_line};
use crate::failure::Problem;
use crate::model;
use crate::numbers::Count;
use crate::prompted::{Asker, Passage, Passages, PromptTemplate, Reserve, Task, given, language_of};
use nuwa_report::numbers::counted;
use nuwa_report::text::{clipped, printable};

/// Answer questions from documents, and name the places
///
/// Reads files and folders of any format that nuwa collect reads, looks for the passages that fit a question best by their words (BM25),
/// asks the model to answer from them, and prints their files and lines below. Where no
/// passage holds a word of the question, that is said, and the model is not asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa answer smollm2 \"Who signed the contract?\" --context contract.pdf
  nuwa answer runs/world \"Where does Mina live?\" --context runs/world/world/corpus
  nuwa answer smollm2 --context notes/ --passages 6 --json < questions.txt
  nuwa answer smollm2 \"What is due in May?\" --context notes/ --prompt-file strict.jinja")]
pub struct Answer {
    /// A model folder, or a run folder, of a model that chats
    model: PathBuf,
    /// The questions; `-` reads standard input, a question a line [default: standard input]
    questions: Vec<String>,
    /// Files and folders that hold the answers; may be repeated
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    context: Vec<PathBuf>,
    /// The most passages that the model is given
    #[arg(long, value_name = "N", default_value = "4")]
    passages: Count,
    #[command(flatten)]
    writing: WritingArguments,
    /// Print a JSON object a question: question, answer (null where nothing was found), and passages with source, line, text and score
    #[arg(long)]
    json: bool,
}

/// Bytes of a passage, at most: some sentences, several of which fit a small context.
const PASSAGE: usize = 600;

/// Characters of a passage that are shown below an answer.
const SHOWN: usize = 100;

/// A passage as the prompt file and `--json` have it.
#[derive(Debug, Serialize)]
struct Given<'a> {
    number: usize,
    source: &'a str,
    line: usize,
    text: &'a str,
    score: f64,
}

/// What the prompt file is given.
#[derive(Serialize)]
struct Values<'a> {
    question: &'a str,
    language: Option<&'static str>,
    passages: &'a [Given<'a>],
}

/// An answer as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    question: &'a str,
    answer: Option<&'a str>,
    passages: &'a [Given<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<&'static str>,
}

impl Answer {
    pub fn run(self) -> anyhow::Result<()> {
        self.writing.settings().check()?;
        let template = self.writing.prompt.template(Task::Answer)?;
        let folder = model::folder(&self.model)?;
        let questions = self.questions()?;
        let passages = Passages::read(&self.context, PASSAGE)?;
        message(&format!("{} to answer from", counted(passages.len() as u64, "passage")));
        let mut asker = self.writing.asker(&folder)?;
        for question in &questions {
            self.answer(&mut asker, &template, &passages, question)?;
        }
        Ok(())
    }

    /// The questions, each a line.
    fn questions(&self) -> anyhow::Result<Vec<String>> {
        let lines = given(&self.questions, &[])?.into_iter().map(|given| given.text);
        let lines: Vec<String> = lines
            .flat_map(|text| {
                text.lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .map(String::from)
                    .collect::<Vec<_>>()
            })
            .collect();
        Ok(lines)
    }

    fn answer(
        &self,
        asker: &mut Asker,
        template: &PromptTemplate,
        passages: &Passages,
        question: &str,
    ) -> anyhow::Result<()> {
        let found = passages.best(question, self.passages.0 as usize);
        if found.is_empty() {
            return self.tell_nothing(question);
        }
        let prompt = |passages: &[Given<'_>]| {
            template.render(Values { question, language: language_of(question), passages })
        };
        let fitting = fitting(asker, &found, &prompt)?;
        let ids = asker.prompt(&prompt(&fitting)?)?;
        let written = asker.write_all(vec![ids], None)?.remove(0);
        let finish = told_finish(written.finish, question);
        let text = written.text.trim();
        if self.json {
            let line = Line { question, answer: Some(text), passages: &fitting, finish: Some(finish) };
            return print(&format!("{}\n", serde_json::to_string(&line)?));
        }
        print_line(&printable(text))?;
        fitting.iter().try_for_each(|given| print_line(&printable(&shown(given))))
    }

    fn tell_nothing(&self, question: &str) -> anyhow::Result<()> {
        match self.json {
            true => {
                let line = Line { question, answer: None, passages: &[], finish: None };
                print(&format!("{}\n", serde_json::to_string(&line)?))
            }
            false => print_line("nothing was found: no passage holds a word of the question"),
        }
    }
}

/// As many of the best passages as fit the context beside the question and an answer, numbered in that order.
fn fitting<'a>(
    asker: &Asker,
    found: &[(&'a Passage, f64)],
    prompt: &dyn Fn(&[Given<'_>]) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Given<'a>>> {
    let most = asker.most_tokens();
    let mut kept: Vec<Given<'a>> = Vec::new();
    for (number, (passage, score)) in (1..).zip(found) {
        kept.push(Given {
            number,
            source: &passage.source,
            line: passage.line,
            text: &passage.text,
            score: *score,
        });
        // With room for the answer that was asked for, or half of the context.
        let fits = prompt(&kept).and_then(|text| asker.fits(&text, Reserve::Tokens(most)));
        if !fits? {
            kept.pop();
            break;
        }
    }
    match kept.is_empty() {
        true => Err(Problem::new("not even one passage fits the model's context beside the question")
            .hint("shorten the question, or take a model with a longer context")
            .into()),
        false => Ok(kept),
    }
}

fn shown(given: &Given<'_>) -> String {
    let Given { number, source, line, text, .. } = given;
    format!("[{number}] {source}:{line}  {}", clipped(&text.replace('\n', " "), SHOWN))
}
