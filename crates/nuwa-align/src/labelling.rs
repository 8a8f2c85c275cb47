//! Fine-tuning of a head for labels, with the model below it (Devlin et al. 2018, Radford et al. 2018).
//!
//! With `s` the numbers that the head gives for the row that stands for a text: of one label out of `n` the loss is
//! `log sum_k exp(s_k) - s_y`, of several the mean over the labels of `log(1 + exp(s_k)) - y_k s_k`, of a number `(s - y)^2`, as
//! transformers has them. A step's loss is the mean over its texts, however it is accumulated. The slopes in `s_k` are
//! `softmax(s)_k - [k = y]`, `(sigmoid(s_k) - y_k) / n` and `2 (s - y)`.

use std::collections::BTreeSet;

use nuwa_format::{Labels, Problem};
pub use nuwa_infer::likeliest_label;
use nuwa_infer::{TextReader, WholeText, told};
use nuwa_tensor::Objective;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use serde::{Deserialize, Serialize};

use crate::data::{LabelledTexts, Truth};
pub use crate::label_loss::{LabelLoss, label_loss};
use crate::pack::{groups, steps};
use crate::sft::divide;
use crate::tune::RecordSteps;
use crate::{Error, Result, SftSettings};

/// Steps an epoch should have at least.
const STEPS_AN_EPOCH: usize = 8;
/// Texts a step that are chosen.
const TEXTS_A_STEP: [usize; 2] = [1, 32];
/// Steps that labels need to be learnt.
const ENOUGH_STEPS: usize = 300;
/// Epochs that are chosen.
const EPOCHS: [u64; 2] = [3, 30];

/// A text and what is right of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledExample {
    /// The text as the model reads it.
    pub text: WholeText,
    /// What is right.
    pub truth: Truth,
}

/// What became of the texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelStats {
    /// Texts that are trained on.
    pub texts: u64,
    /// Of all texts, those that were cut to the context.
    pub cut: u64,
    /// Epochs over them.
    pub epochs: u64,
    /// Texts of each label that are trained on, in the order of the labels; none of numbers.
    pub of_label: Vec<u64>,
}

/// What a model told of a text, and what is right.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedText {
    /// What is right.
    pub truth: Truth,
    /// For each label its probability, or the number.
    pub told: Vec<f64>,
}

/// Training of a head for labels.
#[derive(Debug)]
pub struct Labelling {
    trained: Vec<LabelledExample>,
    held_out: Vec<LabelledExample>,
    steps: Vec<Vec<usize>>,
    labels: Labels,
    reader: TextReader,
    micro_batch: usize,
    stats: LabelStats,
    fingerprint: String,
}

impl Labelling {
    /// Training on `texts`, of which a share is held out, or `held_out` where there are some. A label that would be in what is held
    /// out alone stays in what is trained on.
    ///
    /// # Errors
    /// When a setting is out of range, a text does not fit, nothing is left to train on, or what is held out has a label that no
    /// text has that is trained on.
    pub fn new(
        reader: TextReader,
        texts: &LabelledTexts,
        held_out: Option<&LabelledTexts>,
        settings: &SftSettings,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let all = examples(&reader, texts)?;
        let (trained, held_out) = match held_out {
            Some(held_out) => (all, examples(&reader, held_out)?),
            None => divided(all, settings.tuning.held_out(), seed),
        };
        Self::of_examples(reader, texts.labels.clone(), [trained, held_out], settings, seed)
    }

    /// Training on texts that are read already: what is trained on, and what is held out.
    ///
    /// # Errors
    /// As [`Labelling::new`].
    pub fn of_examples(
        reader: TextReader,
        labels: Labels,
        [trained, held_out]: [Vec<LabelledExample>; 2],
        settings: &SftSettings,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        check_known(&labels, &trained, &held_out)?;
        let (epochs, steps) = course(&trained, settings, seed);
        let content: Vec<_> = trained.iter().chain(&held_out).map(content).collect();
        let data = nuwa_files::hash_bytes(serde_json::json!(content).to_string().as_bytes());
        let deciding =
            SftSettings { epochs: Some(epochs), tuning: settings.tuning.deciding(), ..settings.clone() };
        let cut = trained.iter().chain(&held_out).filter(|example| example.text.cut > 0).count() as u64;
        let of_label = counts(&labels, &trained);
        Ok(Self {
            steps,
            stats: LabelStats { texts: trained.len() as u64, cut, epochs, of_label },
            fingerprint: serde_json::json!(["labels", labels, data, deciding, seed]).to_string(),
            micro_batch: settings.tuning.micro_batch_tokens,
            trained,
            held_out,
            labels,
            reader,
        })
    }

    /// What became of the texts.
    pub fn stats(&self) -> &LabelStats {
        &self.stats
    }

    /// Texts that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// What the model that `trainer` has now tells of the texts that are held out.
    ///
    /// # Errors
    /// When a text does not fit the model.
    pub fn judged(&self, trainer: &mut Trainer) -> nuwa_train::Result<Vec<JudgedText>> {
        let scores = self.scores(trainer)?;
        let judged = self.held_out.iter().zip(scores).map(|(example, scores)| JudgedText {
            truth: example.truth.clone(),
            told: told(self.labels.problem, &scores),
        });
        Ok(judged.collect())
    }

    /// The numbers of all texts that are held out.
    fn scores(&self, trainer: &mut Trainer) -> nuwa_train::Result<Vec<Vec<f32>>> {
        let mut all = Vec::with_capacity(self.held_out.len());
        let texts: Vec<&WholeText> = self.held_out.iter().map(|example| &example.text).collect();
        for pass in passes(&texts, self.micro_batch) {
            let members: Vec<&WholeText> = pass.iter().map(|&at| texts[at]).collect();
            let found = trainer.scores(&self.reader.packed(&members), &self.reader.rows(&members))?;
            all.extend(found.chunks_exact(self.labels.names.len()).map(<[f32]>::to_vec));
        }
        Ok(all)
    }
}

/// The places of texts that go through the model at one time.
fn passes(texts: &[&WholeText], micro_batch: usize) -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
    groups(0..texts.len(), &sizes, micro_batch)
}

impl RecordSteps for Labelling {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for Labelling {
    fn tokens(&self, step: u64) -> u64 {
        self.steps[step as usize].iter().map(|&index| self.trained[index].text.ids.len() as u64).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let examples: Vec<&LabelledExample> =
            self.steps[step as usize].iter().map(|&index| &self.trained[index]).collect();
        let texts: Vec<&WholeText> = examples.iter().map(|example| &example.text).collect();
        let (share, outputs) = (1.0 / examples.len() as f64, self.labels.names.len());
        let (mut sums, mut loss) = (Sums::default(), 0.0);
        for (pass, number) in passes(&texts, self.micro_batch).into_iter().zip(0..) {
            let members: Vec<&WholeText> = pass.iter().map(|&at| texts[at]).collect();
            let weigh = |found: &[f32]| {
                let mut objective = Objective { value: 0.0, slopes: Vec::with_capacity(found.len()) };
                for (&at, scores) in pass.iter().zip(found.chunks_exact(outputs)) {
                    let own = label_loss(&examples[at].truth, scores);
                    objective.value += (share * own.loss) as f32;
                    objective.slopes.extend(own.slopes.iter().map(|slope| (share * slope) as f32));
                    sums.add(&examples[at].truth, scores);
                }
                objective
            };
            let (text, rows) = (self.reader.packed(&members), self.reader.rows(&members));
            loss += f64::from(trainer.score_pass((&text, &rows), (step << 16) | number, weigh)?);
        }
        Ok(Measured { loss, tokens: self.tokens(step), figures: sums.figures() })
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let (mut sums, mut measured) = (Sums::default(), Measured::default());
        for (example, scores) in self.held_out.iter().zip(self.scores(trainer)?) {
            measured.loss += label_loss(&example.truth, &scores).loss / self.held_out.len() as f64;
            measured.tokens += example.text.ids.len() as u64;
            sums.add(&example.truth, &scores);
        }
        measured.figures = sums.figures();
        Ok(Some(measured))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// Sums of what texts come to.
#[derive(Debug, Default)]
struct Sums {
    texts: f64,
    right: f64,
    off: f64,
    is_number: bool,
}

impl Sums {
    fn add(&mut self, truth: &Truth, scores: &[f32]) {
        self.texts += 1.0;
        let exact: Vec<f64> = scores.iter().map(|score| f64::from(*score)).collect();
        let is_right = match truth {
            Truth::One(label) => likeliest_label(&exact) == *label,
            Truth::Several(has) => exact.iter().zip(has).all(|(score, has)| (*score > 0.0) == *has),
            Truth::Number(right) => {
                self.is_number = true;
                self.off += (exact[0] - right).abs();
                false
            }
        };
        self.right += f64::from(u8::from(is_right));
    }

    /// The share of texts that are told right, all labels of each; of numbers the mean absolute error.
    fn figures(&self) -> Figures {
        let texts = self.texts.max(1.0);
        let (name, value) =
            if self.is_number { ("mae", self.off / texts) } else { ("accuracy", self.right / texts) };
        [(name.to_string(), value)].into()
    }
}

fn examples(reader: &TextReader, texts: &LabelledTexts) -> Result<Vec<LabelledExample>> {
    let of = |(text, truth): (&crate::data::PlainText, &Truth)| {
        let read = reader.read(&text.text, text.pair.as_deref());
        let text =
            read.map_err(|error| Error::Text { place: text.place.clone(), source: Box::new(error) })?;
        Ok(LabelledExample { text, truth: truth.clone() })
    };
    texts.texts.iter().zip(&texts.truths).map(of).collect()
}

/// What is trained on, and what is held out.
fn divided(all: Vec<LabelledExample>, share: f64, seed: u64) -> (Vec<LabelledExample>, Vec<LabelledExample>) {
    let [trained, held_out] = divide(&all, share, seed);
    let known: BTreeSet<usize> = trained.iter().flat_map(|example| labels_of(&example.truth)).collect();
    let is_known =
        |example: &&&LabelledExample| labels_of(&example.truth).iter().all(|label| known.contains(label));
    let (held_out, rare): (Vec<&LabelledExample>, Vec<&LabelledExample>) =
        held_out.iter().copied().partition(|example| is_known(&example));
    let owned = |examples: Vec<&LabelledExample>| examples.into_iter().cloned().collect();
    (owned(trained.into_iter().chain(rare).collect()), owned(held_out))
}

/// The numbers of the labels of a text.
fn labels_of(truth: &Truth) -> Vec<usize> {
    match truth {
        Truth::One(label) => vec![*label],
        Truth::Several(has) => (0..has.len()).filter(|&label| has[label]).collect(),
        Truth::Number(_) => Vec::new(),
    }
}

fn counts(labels: &Labels, trained: &[LabelledExample]) -> Vec<u64> {
    if labels.problem == Problem::Number {
        return Vec::new();
    }
    let mut counts = vec![0; labels.names.len()];
    for label in trained.iter().flat_map(|example| labels_of(&example.truth)) {
        counts[label] += 1;
    }
    counts
}

/// An error unless each label of what is held out is in what is trained on.
fn check_known(labels: &Labels, trained: &[LabelledExample], held_out: &[LabelledExample]) -> Result<()> {
    if trained.is_empty() {
        let reason = "no text is left to train on".into();
        return Err(Error::Empty { path: "the data".into(), reason });
    }
    let counts = counts(labels, trained);
    let held: BTreeSet<usize> = held_out.iter().flat_map(|example| labels_of(&example.truth)).collect();
    let named = |of: &dyn Fn(usize) -> bool| -> Vec<String> {
        (0..counts.len()).filter(|&label| of(label)).map(|label| labels.names[label].clone()).collect()
    };
    let unknown = named(&|label| held.contains(&label) && counts[label] == 0);
    let known = named(&|label| counts[label] > 0);
    if unknown.is_empty() { Ok(()) } else { Err(Error::UnknownLabels { unknown, known }) }
}

/// How many epochs there are, and the texts of each step: so many tokens where that was said, else as many texts as give enough
/// steps.
fn course(trained: &[LabelledExample], settings: &SftSettings, seed: u64) -> (u64, Vec<Vec<usize>>) {
    let (sizes, batch): (Vec<usize>, usize) = match settings.batch_tokens {
        Some(tokens) => (trained.iter().map(|example| example.text.ids.len()).collect(), tokens),
        None => {
            let [least, most] = TEXTS_A_STEP;
            (vec![1; trained.len()], (trained.len() / STEPS_AN_EPOCH).clamp(least, most))
        }
    };
    let epochs = settings.epochs.unwrap_or_else(|| enough_epochs(sizes.iter().sum(), batch));
    (epochs, steps(&sizes, batch, epochs, seed))
}

/// So many epochs that there are enough steps.
fn enough_epochs(all: usize, batch: usize) -> u64 {
    let an_epoch = all.div_ceil(batch).max(1);
    (ENOUGH_STEPS.div_ceil(an_epoch) as u64).clamp(EPOCHS[0], EPOCHS[1])
}

/// How many epochs so many texts are seen, where a step has as many texts as it is given.
pub fn label_epochs(texts: usize, settings: &SftSettings) -> u64 {
    let [least, most] = TEXTS_A_STEP;
    let batch = (texts / STEPS_AN_EPOCH).clamp(least, most);
    settings.epochs.unwrap_or_else(|| enough_epochs(texts, batch))
}

fn content(example: &LabelledExample) -> serde_json::Value {
    let truth = match &example.truth {
        Truth::One(label) => serde_json::json!(label),
        Truth::Several(has) => serde_json::json!(has),
        Truth::Number(number) => serde_json::json!(number.to_bits()),
    };
    serde_json::json!([example.text.ids, example.text.second, truth])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(truth: Truth) -> LabelledExample {
        LabelledExample { text: WholeText { ids: vec![1], second: 1, cut: 0 }, truth }
    }

    #[test]
    fn a_rare_label_is_not_held_out() {
        let mut all: Vec<LabelledExample> = (0..200).map(|at| example(Truth::One(at % 2))).collect();
        all.extend((2..30).map(|label| example(Truth::One(label))));
        let (trained, held_out) = divided(all, 0.3, 4);
        assert!(held_out.len() > 30 && trained.len() + held_out.len() == 228, "{}", held_out.len());
        let known: BTreeSet<usize> = trained.iter().flat_map(|example| labels_of(&example.truth)).collect();
        assert_eq!(known.len(), 30);
    }

    #[test]
    fn held_out_labels_that_are_not_learnt_are_named() {
        let labels = Labels { problem: Problem::One, names: ["a", "b", "c"].map(String::from).to_vec() };
        let trained = [example(Truth::One(0)), example(Truth::One(1))];
        let told = check_known(&labels, &trained, &[example(Truth::One(2))]).unwrap_err().to_string();
        assert_eq!(told, "the labels \"c\" are not among those that are learnt: \"a\", \"b\"");
        assert!(check_known(&labels, &trained, &trained).is_ok());
    }

    #[test]
    fn few_texts_are_seen_often() {
        let chosen = |texts: usize| {
            let all = vec![example(Truth::Number(0.0)); texts];
            let (epochs, steps) = course(&all, &SftSettings::default(), 0);
            (epochs, steps.len())
        };
        assert_eq!(chosen(20), (30, 300));
        assert_eq!(chosen(800), (12, 300));
        assert_eq!(chosen(64_000), (3, 6000));
    }
}
