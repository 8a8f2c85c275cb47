//! Scored answers: `prompt`, `completions` (a list) and `scores` (as many numbers).

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::order::in_order_up_to_a_question;
use super::preferences::{answer_of, check_answer, check_prompt, given_prompt};
use super::record::{Record, kind};
use super::{JudgedAnswer, Preference};
use crate::Result;

/// Fields that hold the answers, and those that hold their scores.
const ANSWERS: [&str; 3] = ["completions", "responses", "answers"];
const SCORES: [&str; 2] = ["scores", "rewards"];

/// A prompt and the answers to it, each with a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// What the answers answer to.
    pub prompt: Vec<Message>,
    /// The answers with their scores, in the order of the record.
    pub answers: Vec<(Vec<Message>, f64)>,
    /// File, and line or item.
    pub place: String,
}

/// Whether a record holds answers with scores.
pub fn is_scored(record: &Record) -> bool {
    record.first_of(&SCORES).is_some() && record.first_of(&ANSWERS).is_some()
}

/// The scored answers of a record.
///
/// # Errors
/// When a field is missing or of the wrong kind, there are not as many scores as answers, or a score is no number.
pub fn scored(record: &Record) -> Result<Scored> {
    let (answers, scores) = (record.first_of(&ANSWERS), record.first_of(&SCORES));
    let (answers, scores) = (answers.unwrap_or(ANSWERS[0]), scores.unwrap_or(SCORES[0]));
    let (given, numbers) = (list(record, answers)?, list(record, scores)?);
    if given.len() != numbers.len() || given.is_empty() {
        let problem =
            format!("it has {} {answers} and {} {scores}, expected as many", given.len(), numbers.len());
        return Err(record.wrong(problem));
    }
    let prompt = in_order_up_to_a_question(record, given_prompt(record)?)?;
    check_prompt(record, &prompt)?;
    let one = |((value, number), place): ((&Value, &Value), usize)| {
        let what = format!("item {place} of {answers}");
        let answer = answer_of(record, &what, value)?;
        check_answer(record, &what, &answer)?;
        Ok((answer, score(record, &format!("item {place} of {scores}"), number)?))
    };
    let answers = given.iter().zip(&numbers).zip(1..).map(one).collect::<Result<_>>()?;
    Ok(Scored { prompt, answers, place: record.place.clone() })
}

/// A list; in a table it is written as text.
fn list(record: &Record, name: &str) -> Result<Vec<Value>> {
    let value = record.get(name).unwrap_or(&Value::Null);
    let parsed: Option<Value> = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    match parsed.as_ref().unwrap_or(value) {
        Value::Array(items) => Ok(items.clone()),
        other => Err(record.wrong(format!("{name} is {}, expected a list", kind(other)))),
    }
}

fn score(record: &Record, what: &str, value: &Value) -> Result<f64> {
    let number = value.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| record.wrong(format!("{what} is {}, expected a number", kind(value))))
}

impl Scored {
    /// The best answer over the worst; none where all have the same score.
    pub fn best_and_worst(&self) -> Option<Preference> {
        let by_score = |one: &&(Vec<Message>, f64), other: &&(Vec<Message>, f64)| one.1.total_cmp(&other.1);
        let (best, worst) =
            (self.answers.iter().rev().max_by(by_score)?, self.answers.iter().min_by(by_score)?);
        self.pair(best, worst)
    }

    /// Every two answers of which one has the higher score.
    pub fn pairs(&self) -> Vec<Preference> {
        let over = |best| self.answers.iter().filter_map(move |worst| self.pair(best, worst));
        self.answers.iter().flat_map(over).collect()
    }

    /// One answer over another; none where its score is not higher, or both say the same.
    fn pair(&self, best: &(Vec<Message>, f64), worst: &(Vec<Message>, f64)) -> Option<Preference> {
        let differ = best.1 > worst.1 && best.0 != worst.0;
        differ.then(|| Preference {
            prompt: self.prompt.clone(),
            chosen: best.0.clone(),
            rejected: worst.0.clone(),
            margin: 0.0,
            place: self.place.clone(),
        })
    }

    /// Each answer, good from `threshold` on; without one, those above the mean are good, those below it bad, and one that is
    /// the mean is neither.
    pub fn judged(&self, threshold: Option<f64>) -> Vec<JudgedAnswer> {
        let mean = self.answers.iter().map(|(_, score)| score).sum::<f64>() / self.answers.len() as f64;
        let verdict = |score: f64| match threshold {
            Some(threshold) => Some(score >= threshold),
            None => (score != mean).then_some(score > mean),
        };
        let one = |(answer, score): &(Vec<Message>, f64)| {
            let is_good = verdict(*score)?;
            Some(JudgedAnswer {
                prompt: self.prompt.clone(),
                answer: answer.clone(),
                is_good,
                place: self.place.clone(),
            })
        };
        self.answers.iter().filter_map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_answers_of_unlike_scores_are_a_pair() {
        let answers = [("a", 2.0), ("b", 0.5), ("c", 2.0), ("d", 1.0)];
        let of = |(text, score): (&str, f64)| (vec![Message::new("assistant", text)], score);
        let scored = Scored {
            prompt: vec![Message::new("user", "?")],
            answers: answers.map(of).to_vec(),
            place: "x:1".into(),
        };
        let told: Vec<String> = scored
            .pairs()
            .iter()
            .map(|pair| format!("{}>{}", pair.chosen[0].content, pair.rejected[0].content))
            .collect();
        assert_eq!(told, ["a>b", "a>d", "c>b", "c>d", "d>b"]);
        assert_eq!(scored.best_and_worst().unwrap().rejected[0].content, "b");
    }
}
