//! The scores after each stage, for the page: side by side, and the same questions after each stage.

use std::collections::BTreeMap;

use nuwa_eval::TaskResult;
use serde::Serialize;

use crate::numbers;
use crate::run::Run;
use crate::stage_scores::{self, Row, Verdict};
use crate::words::report as words;
use crate::words::{AND, Text, names};

/// Scores of the models that the stages made.
#[derive(Debug, Serialize)]
pub struct Scores {
    stages: Vec<&'static str>,
    rows: Vec<ScoreRow>,
    /// What was gained and lost, in a sentence.
    sentence: Option<Text>,
    about: Text,
    questions: Vec<Question>,
    confusion: Vec<Matrix>,
}

/// A task as a row of the table.
#[derive(Debug, Serialize)]
pub struct ScoreRow {
    task: Text,
    figure: Text,
    cells: Vec<Cell>,
    change: Option<Cell>,
    outcome: Verdict,
}

/// A figure of it.
#[derive(Debug, Serialize)]
pub struct Cell {
    value: String,
    error: String,
    is_best: bool,
}

/// A question with what the model answered after each stage.
#[derive(Debug, Serialize)]
struct Question {
    prompt: String,
    expected: String,
    answers: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    stage: &'static str,
    text: String,
    is_right: bool,
}

/// What the last model took for what.
#[derive(Debug, Serialize)]
struct Matrix {
    title: Text,
    columns: Vec<Text>,
    rows: Vec<MatrixRow>,
}

#[derive(Debug, Serialize)]
struct MatrixRow {
    class: Text,
    counts: Vec<u64>,
}

/// The scores after each stage; none where fewer than two models were measured.
pub fn of(run: &Run) -> Option<Scores> {
    let evaluation = run.eval.as_ref()?;
    let tasks = &evaluation.tasks;
    let stage_scores::Table { stages, rows } = stage_scores::table(tasks, &evaluation.changes, &run.models);
    if stages.len() < 2 {
        return None;
    }
    let some_unpaired = rows.iter().filter_map(|row| row.change).any(|change| !change.paired);
    let questions = questions(tasks, &stages);
    let last = stages.last().copied().unwrap_or_default();
    let confusion = tasks
        .iter()
        .filter_map(|(name, result)| matrix(name.strip_prefix(&format!("{last}/"))?, result))
        .collect();
    let sentence = sentence(&rows);
    let rows = rows.into_iter().map(row).collect();
    Some(Scores { stages, rows, sentence, about: words::about_scores(some_unpaired), questions, confusion })
}

fn sentence(rows: &[Row]) -> Option<Text> {
    let compared: Vec<&Row> = rows.iter().filter(|row| row.change.is_some()).collect();
    let with = |outcome| compared.iter().filter(move |row| row.outcome() == outcome);
    let lost: Vec<Text> = with(Verdict::Lost).map(|row| names::task(&row.task)).collect();
    let (gained, names) = (with(Verdict::Gained).count(), Text::joined(&lost, AND));
    (!compared.is_empty()).then(|| words::gained_and_lost(compared.len(), gained, lost.len(), &names))
}

fn row(row: Row) -> ScoreRow {
    let smaller_is_better = nuwa_eval::smaller_is_better(&row.figure);
    let own = |score: &stage_scores::Score| if smaller_is_better { -score.value } else { score.value };
    let values: Vec<f64> = row.scores.iter().flatten().map(own).collect();
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Where all are the same, none is the best.
    let differ = values.iter().any(|value| *value != best);
    let cell = |score: &Option<stage_scores::Score>| match score {
        Some(score) => {
            let (value, error) = numbers::with_error(score.value, score.error.unwrap_or(0.0));
            Cell { value, error, is_best: differ && own(score) == best }
        }
        None => Cell { value: String::new(), error: String::new(), is_best: false },
    };
    let change = row.change.map(|change| {
        let (value, error) = numbers::with_error(change.value, change.stderr.unwrap_or(0.0));
        let value = if change.value > 0.0 { format!("+{value}") } else { value };
        Cell { value, error, is_best: false }
    });
    ScoreRow {
        task: names::task(&row.task),
        figure: names::metric(&row.figure),
        cells: row.scores.iter().map(cell).collect(),
        change,
        outcome: row.outcome(),
    }
}

/// The items that results show of tasks that are answered in words.
fn questions(tasks: &BTreeMap<String, TaskResult>, stages: &[&'static str]) -> Vec<Question> {
    let first = stages.first().copied().unwrap_or_default();
    let mut questions = Vec::new();
    for (name, result) in tasks {
        let Some(task) =
            name.strip_prefix(&format!("{first}/")).filter(|task| task.starts_with("world_answer"))
        else {
            continue;
        };
        for (index, shown) in result.shown.iter().enumerate() {
            let answer = |stage: &&'static str| {
                let given = tasks.get(&format!("{stage}/{task}"))?.shown.get(index)?;
                Some(Answer { stage, text: given.given.clone(), is_right: given.is_right })
            };
            let answers: Vec<Answer> = stages.iter().filter_map(answer).collect();
            // A base model is given the question in its plain form; people want to read the question itself.
            let asked = tasks
                .get(&format!("{}/{task}", stages[stages.len() - 1]))
                .and_then(|result| result.shown.get(index));
            let prompt = asked.unwrap_or(shown).prompt.clone();
            questions.push(Question { prompt, expected: shown.expected.clone(), answers });
        }
    }
    questions
}

fn matrix(task: &str, result: &TaskResult) -> Option<Matrix> {
    let confusion = result.confusion.as_ref()?;
    let rows = confusion.classes.iter().zip(&confusion.counts);
    let rows = rows.map(|(class, counts)| MatrixRow { class: names::name(class), counts: counts.clone() });
    Some(Matrix {
        title: words::confusion(&names::task(task)),
        columns: confusion.classes.iter().map(|class| words::taken_for(&names::name(class))).collect(),
        rows: rows.collect(),
    })
}
