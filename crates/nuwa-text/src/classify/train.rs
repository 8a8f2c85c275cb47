//! Learning: stochastic gradient descent on the logistic loss, with a step of its own for each weight.
//!
//! AdaGrad (Duchi et al. 2011): w -= rate x g / sqrt(sum of g^2), g = weight of the class x (p - y) x value. The order
//! is a function of the number of the pass, and one example follows the other, so the same examples give the same bits
//! whatever the number of threads. All models of the cross validation learn in the same passes, each without the
//! examples of its fold; so the n-grams of a text are made once a pass. Texts are learnt in the pieces in which they are
//! judged, so that short texts can be judged too, and no long one outweighs the others.

use nuwa_files::Progress;
use rayon::prelude::*;

use super::features::Features;
use super::form::{SHAPE_BITS, content, shape};
use super::measure::{self, CrossValidation, Scored};
use super::{Classifier, Examples, Judges, pieces, sigmoid};
use crate::mix;
use crate::{Error, Result};

/// How a classifier learns.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSettings {
    /// Parts that the examples are cut into; each is judged by a model that has not seen it. 2 to 20.
    pub folds: usize,
    /// How often all examples are gone through, 1 to 100.
    pub passes: usize,
    /// How far a weight goes at first, above 0.
    pub learning_rate: f32,
    /// The hash table has 2 to the power of this many places, 8 to 24; the file has four bytes for each.
    pub bits: u32,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { folds: 5, passes: 5, learning_rate: 0.5, bits: 20 }
    }
}

/// Passages of one text that are learnt from; of longer texts every second or third, and so on.
const PASSAGES_OF_A_TEXT: usize = 50;
/// Passages whose n-grams are in memory at a time.
const CHUNK: usize = 512;

impl TrainSettings {
    fn check(&self, positives: usize, negatives: usize) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if !(2..=20).contains(&self.folds) {
            return wrong("folds", self.folds.to_string(), "2 to 20");
        }
        if !(1..=100).contains(&self.passes) {
            return wrong("passes", self.passes.to_string(), "1 to 100");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a number above 0");
        }
        if !(8..=24).contains(&self.bits) {
            return wrong("bits", self.bits.to_string(), "8 to 24");
        }
        for (name, count) in [("positive examples", positives), ("negative examples", negatives)] {
            if count < self.folds {
                return wrong(name, count.to_string(), "at least one for each fold, better hundreds");
            }
        }
        Ok(())
    }
}

/// Learns to tell positive from negative texts; with what that is worth on examples that were held out.
///
/// # Errors
/// When a setting is out of its range, or there are fewer examples than folds.
pub fn train(
    positive: &Examples,
    negative: &Examples,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Classifier, CrossValidation)> {
    settings.check(positive.texts.len(), negative.texts.len())?;
    let texts: Vec<Example> = examples(positive, negative, settings.folds);
    let contents: Vec<String> = texts.par_iter().map(|example| content(example.text)).collect();
    let passages = passages(&contents);
    let weights = class_weights(&passages, &texts);
    // The last learner leaves nothing out.
    let mut learners: Vec<Learner> =
        (0..=settings.folds).map(|fold| Learner::new(fold, settings, weights)).collect();
    let total = Some((settings.passes * passages.len()) as u64);
    for pass in 0..settings.passes {
        let order = order(passages.len(), pass as u64);
        for (number, chunk) in order.chunks(CHUNK).enumerate() {
            let features = |at: &usize| {
                let passage = &passages[*at];
                (passage.example, Features::of(passage.text, settings.bits))
            };
            let features: Vec<(usize, Features)> = chunk.par_iter().map(features).collect();
            learners.par_iter_mut().for_each(|learner| learner.learn(&features, &texts));
            let done = (pass * passages.len() + number * CHUNK + chunk.len()) as u64;
            progress(Progress { task: "learning", done, total, unit: "passages", bytes: None });
        }
    }
    let whole = learners.pop().expect("one for each fold and one for all");
    let held_out: Vec<Scored> = texts
        .par_iter()
        .zip(&contents)
        .map(|(example, content)| {
            let sum = learners[example.fold].model.mean(content);
            Scored { score: sum, positive: example.positive }
        })
        .collect();
    Ok(finish(whole.model, held_out, &form_alone(&texts, settings), settings.folds))
}

/// Held-out examples, judged by what is left out elsewhere: their form.
fn form_alone(texts: &[Example], settings: &TrainSettings) -> Vec<Scored> {
    let settings = TrainSettings { bits: SHAPE_BITS, ..settings.clone() };
    let shapes: Vec<(usize, Features)> =
        texts.iter().enumerate().map(|(at, example)| (at, Features { all: shape(example.text) })).collect();
    let positive = texts.iter().filter(|example| example.positive).count();
    let weights = weights_of(positive, texts.len());
    let judged = |fold: usize| {
        let mut learner = Learner::new(fold, &settings, weights);
        for pass in 0..settings.passes {
            order(shapes.len(), pass as u64)
                .into_iter()
                .for_each(|at| learner.learn(&shapes[at..=at], texts));
        }
        let held_out = shapes.iter().filter(move |(at, _)| texts[*at].fold == fold);
        let scored = |(at, shape): &(usize, Features)| Scored {
            score: learner.model.sum(shape),
            positive: texts[*at].positive,
        };
        held_out.map(scored).collect::<Vec<_>>()
    };
    (0..settings.folds).flat_map(judged).collect()
}

/// Calibrates, and measures with the calibrated probabilities.
fn finish(
    mut model: Classifier,
    mut held_out: Vec<Scored>,
    form: &[Scored],
    folds: usize,
) -> (Classifier, CrossValidation) {
    (model.slope, model.offset) = measure::calibration(&held_out);
    held_out.iter_mut().for_each(|scored| scored.score = model.calibrated(scored.score));
    let measured = measure::cross_validation(&held_out, form, folds);
    model.threshold = measured.suggested.threshold;
    (model, measured)
}

/// A text with what it is and the fold it belongs to.
struct Example<'a> {
    text: &'a str,
    positive: bool,
    fold: usize,
}

fn examples<'a>(positive: &'a Examples, negative: &'a Examples, folds: usize) -> Vec<Example<'a>> {
    let of = |examples: &'a Examples, positive: bool| {
        let numbered = examples.texts.iter().enumerate();
        numbered.map(move |(number, text)| Example { text, positive, fold: number % folds })
    };
    of(positive, true).chain(of(negative, false)).collect()
}

struct Passage<'a> {
    example: usize,
    text: &'a str,
}

fn passages(contents: &[String]) -> Vec<Passage<'_>> {
    let of = |(example, content)| {
        let passages = pieces(content);
        let step = passages.len().div_ceil(PASSAGES_OF_A_TEXT).max(1);
        passages.into_iter().step_by(step).map(move |text| Passage { example, text })
    };
    contents.iter().map(String::as_str).enumerate().flat_map(of).collect()
}

/// What a passage of each class weighs (negative, positive), so that both weigh the same in all.
fn class_weights(passages: &[Passage], examples: &[Example]) -> [f32; 2] {
    let positive = passages.iter().filter(|passage| examples[passage.example].positive).count();
    weights_of(positive, passages.len())
}

fn weights_of(positive: usize, all: usize) -> [f32; 2] {
    let (positive, all) = (positive as f32, all as f32);
    [all / (2.0 * (all - positive)), all / (2.0 * positive)]
}

/// A permutation that follows from the number of the pass.
fn order(count: usize, pass: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_cached_key(|at| mix(mix(pass + 1, *at as u64), 0));
    order
}

struct Learner {
    /// The fold that it does not see.
    left_out: usize,
    model: Classifier,
    squares: Vec<f32>,
    rate: f32,
    class_weights: [f32; 2],
}

impl Learner {
    fn new(left_out: usize, settings: &TrainSettings, class_weights: [f32; 2]) -> Self {
        let places = 1 << settings.bits;
        let model = Classifier {
            weights: vec![0.0; places],
            bias: 0.0,
            slope: 1.0,
            offset: 0.0,
            threshold: 0.5,
            judges: Judges::PiecesOfContent,
        };
        Self { left_out, model, squares: vec![1e-4; places], rate: settings.learning_rate, class_weights }
    }

    fn learn(&mut self, passages: &[(usize, Features)], examples: &[Example]) {
        for (example, features) in passages {
            let example = &examples[*example];
            if example.fold != self.left_out {
                self.step(features, example.positive);
            }
        }
    }

    fn step(&mut self, features: &Features, positive: bool) {
        let truth = if positive { 1.0 } else { 0.0 };
        let error = self.class_weights[usize::from(positive)] * (sigmoid(self.model.sum(features)) - truth);
        for &(place, value) in &features.all {
            let gradient = error * value;
            let square = &mut self.squares[place as usize];
            *square += gradient * gradient;
            self.model.weights[place as usize] -= self.rate * gradient / square.sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(nouns: &[&str], verb: &str, count: usize) -> Examples {
        let text = |number: usize| {
            let noun = |at: usize| nouns[(number * 7 + at * 3 + number / 5) % nouns.len()];
            format!("the {} {verb} the {} while the {} looks on", noun(0), noun(1), noun(2))
        };
        Examples { texts: (0..count).map(text).collect(), left_out: 0 }
    }

    fn trained() -> (Classifier, CrossValidation) {
        let positive = texts(&["cat", "dog", "owl", "horse", "cow"], "feeds", 60);
        let negative = texts(&["engine", "wheel", "piston", "gear", "bolt"], "drives", 90);
        train(&positive, &negative, &TrainSettings { bits: 12, ..Default::default() }, &mut |_| {}).unwrap()
    }

    #[test]
    fn what_can_be_told_apart_is() {
        let (classifier, measured) = trained();
        assert_eq!((measured.positives, measured.negatives), (60, 90));
        assert_eq!((measured.suggested.precision, measured.suggested.recall), (1.0, 1.0));
        let new =
            ["a dog and a cow sleep", "a wheel and a bolt rust"].map(|text| classifier.probability(text));
        assert!(new[0] > classifier.threshold() && new[1] < classifier.threshold(), "{new:?}");
    }

    #[test]
    fn the_same_examples_give_the_same_bits_on_one_thread_or_many() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(trained), trained());
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_claimed_to_be() {
        let one = texts(&["cat", "dog", "owl", "horse", "cow"], "feeds", 100);
        let (_, measured) =
            train(&one, &one, &TrainSettings { bits: 12, ..Default::default() }, &mut |_| {}).unwrap();
        assert!(measured.at_half.precision < 0.7, "{measured:?}");
    }

    #[test]
    fn form_alone_is_measured_and_not_learnt() {
        let negative = texts(&["engine", "wheel", "piston", "gear", "bolt"], "drives", 60);
        let posted = |(at, text): (usize, &String)| {
            format!(
                "Nobody 0{}/26/19(Fri)22:36:{} no.2113{at}: >>2113{at}\n>{text}\nhttps://example.org/{at}",
                at % 9 + 1,
                at % 60
            )
        };
        let cats = texts(&["cat", "dog", "owl", "horse", "cow"], "feeds", 60);
        let positive = Examples { texts: cats.texts.iter().enumerate().map(posted).collect(), left_out: 0 };
        let settings = TrainSettings { bits: 12, ..Default::default() };
        let (classifier, measured) = train(&positive, &negative, &settings, &mut |_| {}).unwrap();
        assert!(measured.form_alone > 0.95, "{measured:?}");
        let innocents = negative.texts.iter().enumerate().map(posted);
        assert!(innocents.map(|text| classifier.probability(&text)).all(|one| one < classifier.threshold()));
        assert!(cats.texts.iter().all(|text| classifier.probability(text) >= classifier.threshold()));
        let (_, same) = train(&cats, &negative, &settings, &mut |_| {}).unwrap();
        assert!(same.form_alone < 0.9, "{same:?}");
    }

    #[test]
    fn too_few_examples_are_an_error() {
        let few = texts(&["cat"], "feeds", 3);
        let error = train(&few, &few, &TrainSettings::default(), &mut |_| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            "positive examples = 3: expected at least one for each fold, better hundreds"
        );
    }
}
