//! A task of lm-evaluation-harness, run on a model.

use std::collections::{BTreeMap, BTreeSet};

use nuwa_files::Progress;
use nuwa_infer::Window;
use serde_json::Value;

use super::HarnessTask;
use super::config::{DataSource, Output, TaskConfig};
use super::jinja::Templates;
use super::prompt::{Fields, Prompter, Question};
use super::python;
use super::sampling::ExampleSampler;
use super::scores::{Given, Measure};
use super::twins::Twin;
use crate::metrics::brier_over_classes;
use crate::remark::ErrorsOver;
use crate::result::{Shown, Unit};
use crate::signature::{data_digest, yes_or_no};
use crate::tasks::likelihood::{Pair, log_likelihoods};
use crate::tasks::{Items, Sampler};
use crate::{Error, Result, Scorer, Signature, TaskResult};

/// Documents that are put to the model together.
const GROUP: usize = 32;
/// Documents that are shown in results.
const SHOWN: usize = 3;

/// How a task is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct HarnessOptions {
    /// Only the first so many documents.
    pub limit: Option<usize>,
    /// How many examples stand before each; as the task says, where it is not said.
    pub shots: Option<usize>,
    /// How they are chosen; as the task says, where it is not said.
    pub sampler: Option<Sampler>,
}

/// Brings the documents of a split.
pub type Splits<'a> = &'a mut dyn FnMut(&DataSource, &str) -> Result<Items>;

impl HarnessTask {
    /// Runs the task on the documents that `splits` brings.
    ///
    /// # Errors
    /// When documents cannot be read, a template fails on one, or the model fails.
    pub fn evaluate(
        &self,
        scorer: &dyn Scorer,
        splits: Splits<'_>,
        options: HarnessOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<TaskResult> {
        let config = &self.config;
        let split =
            config.asked_split().ok_or_else(|| self.wrong("names no test_split and no validation_split"))?;
        let items = splits(&config.source, split)?;
        let documents = processed(config.process, &items)?;
        let shots = options.shots.unwrap_or(config.shots);
        let sampler = options.sampler.unwrap_or(config.fewshot.sampler);
        let pool = if shots > 0 { self.pool(splits)? } else { Vec::new() };
        let are_asked = pool == documents;
        let mut examples = ExampleSampler::new(pool, sampler, config.examples_may_be_asked() || are_asked);
        let columns: BTreeSet<String> =
            documents.iter().flat_map(|document| document.keys().cloned()).collect();
        let run = Run {
            prompter: Prompter { config, templates: Templates::new(), columns },
            items: &items,
            scorer,
        };
        let count = options.limit.unwrap_or(usize::MAX).min(documents.len());
        let mut asked = Vec::with_capacity(count);
        for (place, document) in documents.iter().take(count).enumerate() {
            let before = examples.before(document, shots);
            if before.len() < shots {
                let path = config.file.clone();
                return Err(Error::TooFewExamples {
                    path,
                    wanted: shots,
                    found: before.len(),
                    kind: String::new(),
                });
            }
            let question = run.prompter.ask(document, &before);
            asked.push((document, question.map_err(|reason| run.wrong(place, reason))?));
        }
        let mut tally = Tally::default();
        for (number, some) in asked.chunks(GROUP).enumerate() {
            run.judge(some, number * GROUP, &mut tally)?;
            let (done, total) = (tally.n as u64, Some(count as u64));
            progress(Progress { task: "answering", done, total, unit: "items", bytes: None });
        }
        let digest =
            data_digest(asked.iter().map(|(document, _)| Value::Object((*document).clone()).to_string()));
        let hashed: String = asked.iter().map(|(_, question)| question.hashed()).collect();
        let shots = (shots, sampler.signed(shots, are_asked));
        Ok(tally.result(config, scorer, shots, &digest, nuwa_files::hash_bytes(hashed.as_bytes())))
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::TaskFile { path: self.config.file.clone(), reason: format!("{} {reason}", self.config.name) }
    }

    /// The documents that examples are taken from.
    fn pool(&self, splits: Splits<'_>) -> Result<Vec<Fields>> {
        let config = &self.config;
        let pool = match (config.example_split(), &config.fewshot.samples) {
            (Some(split), _) => processed(config.fewshot.process, &splits(&config.source, split)?)?,
            (None, Some(samples)) => samples.clone(),
            (None, None) => return Err(self.wrong("names no split that examples could be taken from")),
        };
        let Some(indices) = &config.fewshot.indices else { return Ok(pool) };
        let chosen = indices.iter().map(|place| pool.get(*place).cloned()).collect::<Option<_>>();
        chosen.ok_or_else(|| self.wrong(&format!("names fewshot_indices beyond its {} examples", pool.len())))
    }
}

/// The documents of items, as `process_docs` makes them.
fn processed(process: Option<Twin>, items: &Items) -> Result<Vec<Fields>> {
    let one = |(fields, place): &(Fields, usize)| match process {
        None => Ok(fields.clone()),
        Some(twin) => match twin.apply(fields).map_err(|reason| items.wrong(*place, reason))? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(fields.clone()),
        },
    };
    items.all.iter().map(one).collect()
}

impl Question {
    fn hashed(&self) -> String {
        let all = self.contexts.iter().chain(&self.choices).map(String::as_str);
        all.chain([python::text(&self.target).as_str()]).collect::<Vec<_>>().join("\u{0}") + "\u{1}"
    }
}

struct Run<'a> {
    prompter: Prompter<'a>,
    items: &'a Items,
    scorer: &'a dyn Scorer,
}

/// What documents gave to each figure.
#[derive(Default)]
struct Tally {
    n: usize,
    given: BTreeMap<String, Vec<Given>>,
    chances: Vec<f64>,
    shown: Vec<Shown>,
}

type Asked<'a> = (&'a Fields, Question);

impl Run<'_> {
    fn wrong(&self, place: usize, reason: String) -> Error {
        let line = self.items.all.get(place).map_or(0, |(_, line)| *line);
        self.items.wrong(line, format!("{reason} of task {}", self.prompter.config.name))
    }

    fn judge(&self, asked: &[Asked<'_>], first: usize, tally: &mut Tally) -> Result<()> {
        match self.prompter.config.output {
            Output::MultipleChoice => self.choose(asked, first, tally),
            Output::Generate => self.write(asked, first, tally),
            Output::Likelihood => self.likelihood(asked, tally),
            Output::Rolling => self.rolling(asked, tally),
        }
    }

    fn has(&self, fits: fn(&Measure) -> bool) -> bool {
        self.prompter.config.metrics.iter().any(|metric| fits(&metric.measure))
    }

    fn choose(&self, asked: &[Asked<'_>], first: usize, tally: &mut Tally) -> Result<()> {
        let delimiter = &self.prompter.config.form.target_delimiter;
        let informs = self.has(|measure| matches!(measure, Measure::AccuracyOfInformation));
        let mut pairs = Vec::new();
        for (place, (_, question)) in asked.iter().enumerate() {
            if question.choices.is_empty() {
                return Err(self.wrong(first + place, "there are no choices (doc_to_choice)".into()));
            }
            for (number, choice) in question.choices.iter().enumerate() {
                let (context, rest) = match &question.continuation {
                    Some(rest) => (&question.contexts[number], rest),
                    None => (&question.contexts[0], choice),
                };
                pairs.push(Pair::new(self.scorer, false, context, &format!("{delimiter}{rest}"))?);
            }
            for choice in question.choices.iter().filter(|_| informs) {
                pairs.push(Pair::new(self.scorer, false, "", &format!("{delimiter}{choice}"))?);
            }
        }
        let mut found = log_likelihoods(self.scorer, &pairs)?.into_iter();
        for (document, question) in asked {
            let own: Vec<f64> = found.by_ref().take(question.choices.len()).collect();
            let plain: Vec<f64> = found.by_ref().take(if informs { own.len() } else { 0 }).collect();
            self.chosen(document, question, &own, &plain, tally);
        }
        Ok(())
    }

    /// What the log-likelihoods of a document's choices say; `plain` are those without a context.
    fn chosen(&self, document: &Fields, question: &Question, own: &[f64], plain: &[f64], tally: &mut Tally) {
        let config = self.prompter.config;
        let Question { choices, right, .. } = question;
        let best = best(own);
        let hit = |number: usize| Given::Value(f64::from(u8::from(right.contains(&number))));
        let by = |length: &dyn Fn(&String) -> usize| {
            let lengths = choices.iter().map(|choice| length(choice) as f64);
            self::best(&own.iter().zip(lengths).map(|(value, length)| value / length).collect::<Vec<_>>())
        };
        for metric in &config.metrics {
            let given = match &metric.measure {
                Measure::Accuracy if config.results == Some(Twin::TruthfulMass) => {
                    Some(Given::Value(truthful_mass(document, own)))
                }
                Measure::Accuracy => Some(hit(best)),
                Measure::AccuracyByCharacters => Some(hit(by(&|choice| choice.chars().count()))),
                Measure::AccuracyByBytes => Some(hit(by(&|choice| choice.len()))),
                Measure::AccuracyOfInformation => {
                    let gains: Vec<f64> =
                        own.iter().zip(plain).map(|(with, without)| with - without).collect();
                    Some(hit(self::best(&gains)))
                }
                Measure::F1 | Measure::Matthews => right.first().map(|right| Given::Classes(*right, best)),
                Measure::Brier => {
                    right.first().map(|right| Given::Value(brier_over_classes(&[*right], &[shares(own)])))
                }
                _ => None,
            };
            tally.give(&metric.name, given);
        }
        tally.chances.push(right.len() as f64 / choices.len() as f64);
        tally.show(Shown {
            prompt: question.contexts[0].clone(),
            expected: right.first().map(|right| choices[*right].clone()).unwrap_or_default(),
            given: choices[best].clone(),
            is_right: right.contains(&best),
            log_likelihoods: own.to_vec(),
        });
    }

    fn write(&self, asked: &[Asked<'_>], first: usize, tally: &mut Tally) -> Result<()> {
        let config = self.prompter.config;
        let most = config.generation.most_tokens;
        let room = self.scorer.context().saturating_sub(most).max(1);
        let prompts = asked.iter().map(|(_, question)| self.prompt(&question.contexts[0], room));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let ends: Vec<u32> = self.scorer.tokenizer().eos().into_iter().collect();
        let written = self.scorer.write(&prompts, most, &config.generation.until, &ends)?;
        for (place, ((document, question), answer)) in asked.iter().zip(written).enumerate() {
            // Written greedily, all repeats are the same.
            let answers = vec![answer; config.repeats.max(1)];
            for pipeline in &config.pipelines {
                let answer = pipeline.apply(&answers, document);
                let answer = answer.map_err(|reason| self.wrong(first + place, reason))?;
                for metric in &config.metrics {
                    let name = match pipeline.name.as_str() {
                        "none" => metric.name.clone(),
                        filter => format!("{},{filter}", metric.name),
                    };
                    tally.give(&name, compared(&metric.measure, &answer, question));
                }
            }
            tally.show(Shown {
                prompt: question.contexts[0].clone(),
                expected: golds(question).first().cloned().unwrap_or_default(),
                given: answers[0].clone(),
                is_right: golds(question).contains(&answers[0]),
                log_likelihoods: Vec::new(),
            });
        }
        Ok(())
    }

    /// The ids of a prompt, the last `room` of them.
    fn prompt(&self, text: &str, room: usize) -> Result<Vec<u32>> {
        let tokenizer = self.scorer.tokenizer();
        let start = self.scorer.start_of_text().filter(|_| tokenizer.adds_bos());
        let ids = tokenizer.encode(text).map_err(nuwa_infer::Error::from)?;
        let ids: Vec<u32> = start.into_iter().chain(ids).collect();
        Ok(ids[ids.len().saturating_sub(room)..].to_vec())
    }

    fn likelihood(&self, asked: &[Asked<'_>], tally: &mut Tally) -> Result<()> {
        let pair = |(_, question): &Asked<'_>| {
            Pair::new(self.scorer, false, &question.contexts[0], &python::text(&question.target))
        };
        let pairs = asked.iter().map(pair).collect::<Result<Vec<_>>>()?;
        let found = log_likelihoods(self.scorer, &pairs)?;
        let is_likeliest = match self.has(|measure| matches!(measure, Measure::Accuracy)) {
            true => pairs.iter().map(|pair| self.is_likeliest(pair)).collect::<Result<Vec<_>>>()?,
            false => vec![false; pairs.len()],
        };
        for ((value, is_likeliest), (_, question)) in found.into_iter().zip(is_likeliest).zip(asked) {
            for metric in &self.prompter.config.metrics {
                let given = match metric.measure {
                    Measure::Accuracy => f64::from(u8::from(is_likeliest)),
                    _ => value,
                };
                tally.give(&metric.name, Some(Given::Value(given)));
            }
            tally.show(Shown {
                prompt: question.contexts[0].clone(),
                expected: python::text(&question.target),
                is_right: is_likeliest,
                log_likelihoods: vec![value],
                ..Shown::default()
            });
        }
        Ok(())
    }

    /// Whether the model writes the continuation where it always takes the likeliest token.
    fn is_likeliest(&self, pair: &Pair) -> Result<bool> {
        let (context, continuation) = pair.parts();
        let written = self.scorer.write(&[context.to_vec()], continuation.len(), &[], &[])?;
        let expected = self.scorer.tokenizer().decode(continuation).map_err(nuwa_infer::Error::from)?;
        Ok(written.first() == Some(&expected))
    }

    fn rolling(&self, asked: &[Asked<'_>], tally: &mut Tally) -> Result<()> {
        let config = self.prompter.config;
        for (document, question) in asked {
            let text = python::text(&question.target);
            let likelihood = self.whole_text(&text)?;
            let page = document.get("page").filter(|_| config.results == Some(Twin::WikiTextResults));
            let counted = page.map_or_else(|| text.clone(), python::text);
            for metric in &config.metrics {
                let size = match metric.measure {
                    Measure::WordPerplexity => words(&counted),
                    _ => counted.len(),
                };
                tally.give(&metric.name, Some(Given::Sums(likelihood, size as f64)));
            }
            tally.show(Shown { expected: text, log_likelihoods: vec![likelihood], ..Shown::default() });
        }
        Ok(())
    }

    /// The log-likelihood of a text in windows side by side, each token given as much as the context holds.
    fn whole_text(&self, text: &str) -> Result<f64> {
        let start = self.scorer.start_of_text().ok_or(Error::NoStart)?;
        let ids = self.scorer.tokenizer().encode(text).map_err(nuwa_infer::Error::from)?;
        let ids: Vec<u32> = std::iter::once(start).chain(ids).collect();
        let most = self.scorer.context();
        let ends = (1..ids.len()).step_by(most).map(|first| (first + most).min(ids.len()));
        let windows: Vec<Window<'_>> = ends
            .scan(1, |scored, end| {
                let begin = end.saturating_sub(most + 1);
                let window = Window { ids: &ids[begin..end], scored_from: *scored - begin };
                *scored = end;
                Some(window)
            })
            .collect();
        let losses = self.scorer.score(&windows)?;
        Ok(-losses.into_iter().flatten().map(f64::from).sum::<f64>())
    }
}

/// The words of a text as `re.split(r"\s+", text)` counts them.
fn words(text: &str) -> usize {
    let inner = text.trim_matches(python::is_space);
    let ends =
        usize::from(text.starts_with(python::is_space)) + usize::from(text.ends_with(python::is_space));
    match inner.is_empty() {
        true => 1 + usize::from(!text.is_empty()),
        false => inner.split(python::is_space).filter(|word| !word.is_empty()).count() + ends,
    }
}

/// The answers that count as right.
fn golds(question: &Question) -> Vec<String> {
    match &question.target {
        Value::Array(several) => several.iter().map(python::text).collect(),
        target => match target.as_u64().and_then(|number| question.choices.get(number as usize)) {
            Some(choice) => vec![choice.clone()],
            None => vec![python::text(target)],
        },
    }
}

fn compared(measure: &Measure, answer: &str, question: &Question) -> Option<Given> {
    let golds = golds(question);
    match measure {
        Measure::ExactMatch(exact) => {
            let is_right = golds.iter().any(|gold| exact.compare(answer, gold));
            Some(Given::Value(f64::from(u8::from(is_right))))
        }
        Measure::Together(together) => {
            let golds: Vec<&str> = golds.iter().map(String::as_str).collect();
            Some(Given::Together(together.of(answer, &golds)))
        }
        _ => None,
    }
}

/// The first of the largest.
fn best(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, place| if values[place] > values[best] { place } else { best })
}

fn shares(log_likelihoods: &[f64]) -> Vec<f64> {
    let largest = log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_likelihoods.iter().map(|value| (value - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The share of probability that the answers marked with 1 get.
fn truthful_mass(document: &Fields, log_likelihoods: &[f64]) -> f64 {
    let labels = document.get("mc2_targets").and_then(|targets| targets["labels"].as_array());
    let is_true = labels.into_iter().flatten().map(|label| label.as_f64() == Some(1.0));
    shares(log_likelihoods)
        .into_iter()
        .zip(is_true)
        .filter(|(_, is_true)| *is_true)
        .map(|(share, _)| share)
        .sum()
}

impl Tally {
    fn give(&mut self, name: &str, given: Option<Given>) {
        self.given.entry(name.to_string()).or_default().extend(given);
    }

    fn show(&mut self, shown: Shown) {
        self.n += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(shown);
        }
    }

    fn result(
        self,
        config: &TaskConfig,
        scorer: &dyn Scorer,
        (shots, signed): (usize, String),
        data: &str,
        data_hash: String,
    ) -> TaskResult {
        let measure = |name: &str| {
            let bare = name.split(',').next().unwrap_or(name);
            config.metrics.iter().find(|metric| metric.name == bare).map(|metric| &metric.measure)
        };
        let figures =
            self.given.iter().filter_map(|(name, given)| Some((name.clone(), measure(name)?.figure(given)?)));
        let units = self.given.iter().map(|(name, given)| (name.clone(), units(given)));
        let chances = &self.chances;
        let mut result = TaskResult {
            version: config.version.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0),
            n: self.n as u64,
            metrics: figures.collect(),
            settings: [("chat".to_string(), 0), ("shots".into(), shots as u64)].into(),
            standard_errors: ErrorsOver::Items,
            data_hash,
            chance: (!chances.is_empty()).then(|| chances.iter().sum::<f64>() / chances.len() as f64),
            shown: self.shown,
            units: units.filter(|(_, units)| !units.is_empty()).collect(),
            ..TaskResult::default()
        };
        let has_start = scorer.tokenizer().adds_bos() && scorer.start_of_text().is_some();
        let signature = Signature::new(&config.name, &config.version).with("shots", signed);
        result.sign(|name| {
            let normalisation = measure(name).map_or("none", Measure::normalisation);
            let filter = name.split_once(',').map(|(_, filter)| filter);
            let signature = match filter {
                Some(filter) => signature.clone().with("filter", filter),
                None => signature.clone(),
            };
            let signature = signature.with("norm", normalisation).with("bos", yes_or_no(has_start));
            signature.with("chat", "no").with("n", self.n).with("data", data)
        });
        result
    }
}

/// What documents gave, for comparisons document by document.
fn units(given: &[Given]) -> Vec<Unit> {
    let unit = |one: &Given| match one {
        Given::Value(value) => Some(Unit { y: *value, x: 1.0 }),
        Given::Sums(likelihood, size) => Some(Unit { y: -likelihood, x: *size }),
        Given::Classes(..) | Given::Together(_) => None,
    };
    given.iter().filter_map(unit).collect()
}
