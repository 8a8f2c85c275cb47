//! How rules are written.

use std::path::Path;
use std::time::Duration;

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};

use super::Rule;
use super::compared::{Compared, Comparison, Pattern};
use super::formed::{Ended, InLanguage, Json, Length, NoRepetition, Script};
use super::program::Program;
use crate::{Error, Result};

/// Every rule, as it is written, and what it scores.
pub const FORMS: [(&str, &str); 11] = [
    (
        "exact",
        "1 if the answer equals a reference answer; letters' case, width, marks and blanks do not count",
    ),
    ("contains", "1 if a reference answer stands in the answer, word by word"),
    ("numeric[:TOLERANCE]", "1 if the last number of the answer is that of a reference answer"),
    ("choice", "1 if the answer chooses the letter of a reference answer: B, (B), the answer is B"),
    ("regex:PATTERN", "1 if the pattern matches; a group named `answer` must equal a reference answer"),
    ("json[:SCHEMA_FILE]", "1 if the answer is valid JSON and fulfils the schema"),
    (
        "length:MIN-MAX",
        "1 from MIN to MAX words (of Chinese: characters), falling towards 0 outside; either may be left out",
    ),
    ("language[:zh|en]", "share of the words that are in that language, or in that of the prompt"),
    ("no-repetition[:N]", "minus the share of word sequences of length N (3) that were there before"),
    ("ended", "1 if the answer came to its end and was not cut off"),
    (
        "program[@SECONDS]:COMMAND",
        "what a program prints for each answer; it has that time (10 s) for all of them",
    ),
];

/// Words that are repeated where nothing else is said.
const USUAL_SEQUENCE: usize = 3;
/// How long a program may take where nothing else is said.
const USUAL_SECONDS: f64 = 10.0;
/// The longest that it can be allowed: a day.
const MOST_SECONDS: f64 = 86_400.0;

/// An error about a rule.
pub fn wrong(rule: &str, problem: impl Into<String>, advice: impl Into<String>) -> Error {
    Error::Rule { rule: rule.into(), problem: problem.into(), advice: advice.into() }
}

/// What stands before the weight, and the weight: 1 where there is none.
pub fn without_weight(spec: &str) -> Result<(&str, f32)> {
    let spec = spec.trim();
    let Some((rule, weight)) = spec.rsplit_once('*') else { return Ok((spec, 1.0)) };
    match weight.trim().parse::<f32>() {
        Ok(weight) if weight.is_finite() => Ok((rule.trim_end(), weight)),
        // A pattern or a command may hold the sign.
        _ if rule.contains(':') => Ok((spec, 1.0)),
        _ => {
            let problem = format!("its weight is {:?}, expected a number", weight.trim());
            Err(wrong(spec, problem, "write the weight behind the rule, such as exact*0.5"))
        }
    }
}

/// The rule of this crate that is written so; `own` are those of the program, to be named among the known ones.
pub fn built_in(written: &str, own: &[Box<dyn Rule>]) -> Result<Box<dyn Rule>> {
    let (name, argument) = match written.split_once(':') {
        Some((name, argument)) => (name.trim(), Some(argument.trim())),
        None => (written, None),
    };
    let (name, seconds) = match name.split_once('@') {
        Some((name, seconds)) => (name, Some(seconds)),
        None => (name, None),
    };
    let spec = Spec { written, argument };
    if name == "program" {
        return spec.program(seconds);
    }
    if seconds.is_some() {
        return Err(wrong(written, "it has a time limit, which only programs have", form_of(name)));
    }
    Ok(match name {
        "exact" => Box::new(Compared::new(written, spec.none(Comparison::Exact)?)),
        "contains" => Box::new(Compared::new(written, spec.none(Comparison::Contains)?)),
        "choice" => Box::new(Compared::new(written, spec.none(Comparison::Choice)?)),
        "numeric" => Box::new(Compared::new(written, Comparison::Numeric { tolerance: spec.tolerance()? })),
        "regex" => Box::new(Pattern::new(written, spec.some("a pattern")?)?),
        "json" => Box::new(Json::new(written, argument.map(Path::new))?),
        "length" => Box::new(spec.length()?),
        "language" => Box::new(InLanguage::new(spec.language()?)),
        "no-repetition" => Box::new(NoRepetition::new(written, spec.sequence()?)),
        "ended" => Box::new(spec.none(Ended)?),
        _ => return Err(unknown(written, name, own)),
    })
}

fn unknown(written: &str, name: &str, own: &[Box<dyn Rule>]) -> Error {
    let mut known: Vec<String> = FORMS.iter().map(|(form, _)| bare(form).to_string()).collect();
    known.extend(own.iter().map(|rule| rule.name()));
    let near = |known: &&String| {
        damerau_levenshtein(name, known) <= 2 || normalized_damerau_levenshtein(name, known) > 0.6
    };
    let nearest = known.iter().filter(near).min_by_key(|known| damerau_levenshtein(name, known));
    let advice = match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("the rules are {}", known.join(", ")),
    };
    wrong(written, "there is no rule of this name", advice)
}

/// The name in a form.
fn bare(form: &str) -> &str {
    form.split(['[', ':']).next().unwrap_or(form)
}

/// How the rule of this name is written, as advice.
fn form_of(name: &str) -> String {
    match FORMS.iter().find(|(form, _)| bare(form) == name) {
        Some((form, what)) => format!("it is written {form}: {what}"),
        None => String::new(),
    }
}

/// A rule's argument.
struct Spec<'a> {
    written: &'a str,
    argument: Option<&'a str>,
}

impl Spec<'_> {
    fn wrong(&self, problem: impl Into<String>) -> Error {
        let name = self.written.split([':', '@']).next().unwrap_or_default();
        wrong(self.written, problem, form_of(name))
    }

    /// `rule`, which takes no argument.
    fn none<T>(&self, rule: T) -> Result<T> {
        match self.argument {
            Some(argument) => Err(self.wrong(format!("it takes no argument, and has {argument:?}"))),
            None => Ok(rule),
        }
    }

    fn some(&self, what: &str) -> Result<&str> {
        self.argument
            .filter(|argument| !argument.is_empty())
            .ok_or_else(|| self.wrong(format!("{what} is missing")))
    }

    fn tolerance(&self) -> Result<f64> {
        let Some(argument) = self.argument else { return Ok(0.0) };
        let number = argument.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| {
            self.wrong(format!("its tolerance is {argument:?}, expected a number of 0 or more"))
        })
    }

    fn sequence(&self) -> Result<usize> {
        let Some(argument) = self.argument else { return Ok(USUAL_SEQUENCE) };
        let number = argument.parse().ok().filter(|number| (1..=100).contains(number));
        number.ok_or_else(|| {
            self.wrong(format!("its length is {argument:?}, expected a whole number from 1 to 100"))
        })
    }

    fn length(&self) -> Result<Length> {
        let argument = self.some("a range")?;
        let bound = |text: &str, open: usize| if text.is_empty() { Some(open) } else { text.parse().ok() };
        let range = argument
            .split_once('-')
            .and_then(|(least, most)| Some((bound(least.trim(), 0)?, bound(most.trim(), usize::MAX)?)))
            .filter(|(least, most)| least <= most && (*least, *most) != (0, usize::MAX));
        let (least, most) = range.ok_or_else(|| {
            self.wrong(format!("its range is {argument:?}, expected two whole numbers such as 5-20"))
        })?;
        Ok(Length::new(self.written, least, most))
    }

    fn language(&self) -> Result<Option<Script>> {
        match self.argument {
            None => Ok(None),
            Some("zh") => Ok(Some(Script::Chinese)),
            Some("en") => Ok(Some(Script::English)),
            Some(other) => Err(self.wrong(format!("its language is {other:?}, expected zh or en"))),
        }
    }

    fn program(&self, seconds: Option<&str>) -> Result<Box<dyn Rule>> {
        let command = self.some("a command")?;
        let limit = match seconds {
            None => USUAL_SECONDS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| (0.001..=MOST_SECONDS).contains(seconds))
                .ok_or_else(|| {
                    self.wrong(format!("its time limit is {text:?}, expected seconds up to {MOST_SECONDS}"))
                })?,
        };
        Ok(Box::new(Program::new(self.written, command, Duration::from_secs_f64(limit))?))
    }
}
