//! Rewards that can be checked: rules that score answers without a model.
//!
//! A rule is written `NAME`, `NAME:ARGUMENT`, and with a weight `NAME:ARGUMENT*WEIGHT` ([`FORMS`] lists them all); a number behind the
//! last `*` is always the weight, so that a pattern that ends like this is written with `*1` behind it. Several rules add up, each
//! with its weight. Scores go from 0 to 1, but for `no-repetition` (-1 to 0) and for programs.
//!
//! ```
//! use nuwa_align::data::{Record, prompt};
//! use nuwa_align::rules::{Judged, Rules};
//!
//! let fields = serde_json::json!({"prompt": "What is 3 + 4?", "answer": 7});
//! let prompt = prompt(&Record::new((fields.as_object().unwrap().clone(), "sums.jsonl:1".into())))?;
//! let rules = Rules::parse(&["numeric".into(), "ended*0.1".into()])?;
//! rules.check(std::slice::from_ref(&prompt))?;
//! let scores = rules.scores(&[Judged { prompt: &prompt, answer: "That makes 7.", ended: true }])?;
//! assert_eq!(scores[0].total, Some(1.1));
//! assert_eq!(scores[0].parts, [Some(1.0), Some(1.0)]);
//! # Ok::<(), nuwa_align::Error>(())
//! ```

mod compared;
mod formed;
mod numbers;
mod program;
mod schema;
mod spec;
mod words;

use std::fmt::Debug;

pub use spec::FORMS;

use crate::data::Prompt;
use crate::{Error, Result};

/// An answer to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// What it answers to.
    pub prompt: &'a Prompt,
    /// What was answered.
    pub answer: &'a str,
    /// Whether it came to its end by itself, and was not cut off.
    pub ended: bool,
}

/// What scores answers.
pub trait Rule: Send + Sync + Debug {
    /// As it is written, without a weight.
    fn name(&self) -> String;

    /// A score for each answer, in their order; none for one that this rule cannot score.
    ///
    /// # Errors
    /// When the rule itself fails: a program that hangs, say. An answer is never an error.
    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>>;

    /// Whether it can score answers to these prompts at all, asked before any work begins.
    ///
    /// # Errors
    /// When it can score none of them.
    fn check(&self, _prompts: &[Prompt]) -> Result<()> {
        Ok(())
    }
}

/// Several rules, each with its weight.
#[derive(Debug, Default)]
pub struct Rules {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    rule: Box<dyn Rule>,
    weight: f32,
}

/// What rules make of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleScore {
    /// The weighted sum of what could be scored; none where nothing could.
    pub total: Option<f32>,
    /// The score of each rule, without its weight.
    pub parts: Vec<Option<f32>>,
}

/// What one rule made of many answers.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleStats {
    /// The rule, as it is written.
    pub name: String,
    /// How many answers it could score.
    pub scored: usize,
    /// The mean of its scores, without its weight; 0 where there are none.
    pub mean: f32,
    /// Their standard deviation (n - 1); 0 where there are fewer than two.
    pub deviation: f32,
}

impl Rules {
    /// The rules that are written so.
    ///
    /// # Errors
    /// When one is unknown, its argument or weight is wrong, or it comes twice.
    pub fn parse(specs: &[String]) -> Result<Self> {
        Self::parse_with(specs, Vec::new())
    }

    /// The same, where the program brings rules of its `own`, known by their names.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn parse_with(specs: &[String], mut own: Vec<Box<dyn Rule>>) -> Result<Self> {
        let mut rules = Self::default();
        for spec in specs {
            let (written, weight) = spec::without_weight(spec)?;
            let rule = match own.iter().position(|rule| rule.name() == written) {
                Some(place) => own.swap_remove(place),
                None => spec::built_in(written, &own)?,
            };
            if rules.names().contains(&rule.name()) {
                return Err(spec::wrong(spec, "it is named twice", "give each rule once, with its weight"));
            }
            rules.push(rule, weight);
        }
        Ok(rules)
    }

    /// Adds a rule.
    pub fn push(&mut self, rule: Box<dyn Rule>, weight: f32) {
        self.parts.push(Part { rule, weight });
    }

    /// The rules as they are written, without weights, in the order of the parts of a score.
    pub fn names(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.rule.name()).collect()
    }

    /// The largest sum, of answers that every rule with a weight above 0 scores 1.
    pub fn largest(&self) -> f32 {
        self.parts.iter().map(|part| part.weight.max(0.0)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether each rule can score answers to some of these prompts.
    ///
    /// # Errors
    /// Naming the first rule that can score none.
    pub fn check(&self, prompts: &[Prompt]) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.rule.check(prompts))
    }

    /// Scores answers, in their order.
    ///
    /// # Errors
    /// When a rule fails, or gives a score that is no finite number.
    pub fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<RuleScore>> {
        let columns = self.parts.iter().map(|part| part.scores(judged)).collect::<Result<Vec<_>>>()?;
        let score = |row: usize| {
            let parts: Vec<Option<f32>> = columns.iter().map(|column| column[row]).collect();
            let weighted =
                parts.iter().zip(&self.parts).filter_map(|(score, part)| Some(part.weight * (*score)?));
            RuleScore { total: weighted.reduce(|sum, score| sum + score), parts }
        };
        Ok((0..judged.len()).map(score).collect())
    }

    /// What each rule made of these answers.
    pub fn stats(&self, scores: &[RuleScore]) -> Vec<RuleStats> {
        let of = |(index, name): (usize, String)| {
            let own: Vec<f64> = scores.iter().filter_map(|score| score.parts[index]).map(f64::from).collect();
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            let squares: f64 = own.iter().map(|score| (score - mean).powi(2)).sum();
            let deviation = (squares / own.len().saturating_sub(1).max(1) as f64).sqrt();
            RuleStats { name, scored: own.len(), mean: mean as f32, deviation: deviation as f32 }
        };
        self.names().into_iter().enumerate().map(of).collect()
    }
}

impl Part {
    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        let name = || self.rule.name();
        let scores = self.rule.scores(judged)?;
        if scores.len() != judged.len() {
            let problem = format!("it gave {} scores for {} answers", scores.len(), judged.len());
            return Err(spec::wrong(&name(), problem, "a rule gives one score for each answer"));
        }
        let odd = scores.iter().zip(judged).find(|(score, _)| score.is_some_and(|score| !score.is_finite()));
        match odd {
            Some((score, judged)) => {
                let problem = format!(
                    "the score of an answer to {} is {}, expected a finite number",
                    judged.prompt.place,
                    score.unwrap_or_default()
                );
                Err(spec::wrong(&name(), problem, "let it give null where an answer cannot be scored"))
            }
            None => Ok(scores),
        }
    }
}

/// An error that none of these prompts has a reference answer that a rule can compare with.
fn no_references(rule: &str, prompts: &[Prompt], what: &str) -> Error {
    let has_some = prompts.iter().find(|prompt| !prompt.answers.is_empty());
    let problem = match has_some {
        Some(prompt) => format!(
            "it needs reference answers with {what}, and none of the {} prompts has one (that of {} is {:?})",
            prompts.len(),
            prompt.place,
            prompt.answers[0].chars().take(60).collect::<String>()
        ),
        None => format!("it needs reference answers, and none of the {} prompts has one", prompts.len()),
    };
    let advice = "give prompts with a field answer, answers, reference or solution, or use a rule that needs none: length, ended, \
        language, json, no-repetition, program";
    spec::wrong(rule, problem, advice)
}

// Texts with the digits of pi are texts.
#[cfg(test)]
#[allow(clippy::approx_constant)]
mod tests;
