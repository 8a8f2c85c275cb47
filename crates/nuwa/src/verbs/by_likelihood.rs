//! Labels without training: how likely a model finds each as the answer to a question about the text.
//!
//! `score(label) = log P(label | prompt(text)) - log P(label | prompt(""))`, so that a label which the model likes to say anyway is not
//! preferred (Zhao et al., "Calibrate Before Use", 2021; Holtzman et al., "Surface Form Competition", 2021); probabilities are the
//! softmax of the scores. Of a text in pieces the scores are the means over the pieces.

use std::path::Path;

use nuwa_align::Labels;
use nuwa_align::data::PlainText;
use nuwa_infer::{Conversation, Engine, Window};
use serde::Serialize;

use crate::base;
use crate::failure::Problem;
use crate::prompted::{PromptTemplate, language_of, pieces};

/// Tokens that the joints of a prompt and a text may take beyond those that each has by itself.
const JOINTS: usize = 8;

/// A model that weighs labels.
pub struct LabelWeigher<'a> {
    engine: Engine,
    template: &'a PromptTemplate,
    system: Option<&'a str>,
    labels: &'a Labels,
    /// The ids of each label as the answer.
    answers: Vec<Vec<u32>>,
    chats: bool,
}

/// What the prompt file is given.
#[derive(Serialize)]
struct Values<'a> {
    text: &'a str,
    language: Option<&'static str>,
    labels: &'a [String],
}

impl<'a> LabelWeigher<'a> {
    /// The model in `folder`, for these labels.
    pub fn new(
        engine: Engine,
        folder: &Path,
        template: &'a PromptTemplate,
        system: Option<&'a str>,
        labels: &'a Labels,
    ) -> anyhow::Result<Self> {
        let chats = base::answers(folder, &engine)?;
        // A model that only continues texts writes a blank before a word.
        let encode = |label: &String| match chats || !label.is_ascii() {
            true => engine.tokenizer().encode(label),
            false => engine.tokenizer().encode(&format!(" {label}")),
        };
        let answers = labels.names.iter().map(encode).collect::<Result<_, _>>()?;
        Ok(Self { engine, template, system, labels, answers, chats })
    }

    /// The probability of each label for each text.
    pub fn weigh(&self, texts: &[PlainText]) -> anyhow::Result<Vec<Vec<f64>>> {
        let longest = self.answers.iter().map(Vec::len).max().unwrap_or_default();
        let context = self.engine.model().context();
        let count = |text: &str| anyhow::Ok(self.engine.tokenizer().encode(text)?.len());
        let mut told = Vec::with_capacity(texts.len());
        for text in texts {
            let whole = match &text.pair {
                Some(pair) => format!("{}\n{pair}", text.text),
                None => text.text.clone(),
            };
            let language = language_of(&whole);
            let empty = self.ids("", language)?;
            let room = (context + 1).saturating_sub(empty.len() + longest + JOINTS);
            let cut = pieces(&whole, room, &count).map_err(|error| error.context(text.place.clone()))?;
            let mut prompts = vec![empty];
            for piece in &cut {
                prompts.push(self.ids(piece.text, language)?);
            }
            let likely = self.likelihoods(&prompts)?;
            let (prior, rest) = likely.split_first().expect("the empty text is one");
            told.push(probabilities(prior, rest));
        }
        Ok(told)
    }

    /// The ids of the question about a text, up to where a label stands.
    fn ids(&self, text: &str, language: Option<&'static str>) -> anyhow::Result<Vec<u32>> {
        let question = self.template.render(Values { text, language, labels: &self.labels.names })?;
        if !self.chats {
            return Ok(self.engine.prompt_ids(&format!("{question}\n"))?);
        }
        let system = self.system.map(str::to_string);
        Ok(Conversation { system, ..Conversation::of(&question) }.prompt(&self.engine, 1)?.ids)
    }

    /// The logarithm of the probability of each label after each prompt, in nats.
    fn likelihoods(&self, prompts: &[Vec<u32>]) -> anyhow::Result<Vec<Vec<f64>>> {
        let rows: Vec<(Vec<u32>, usize)> = prompts
            .iter()
            .flat_map(|prompt| {
                self.answers.iter().map(move |label| ([&prompt[..], label].concat(), prompt.len()))
            })
            .collect();
        let windows: Vec<Window<'_>> =
            rows.iter().map(|(ids, scored_from)| Window { ids, scored_from: *scored_from }).collect();
        let losses = self.engine.score(&windows)?;
        let sums: Vec<f64> =
            losses.iter().map(|losses| -losses.iter().map(|&loss| f64::from(loss)).sum::<f64>()).collect();
        Ok(sums.chunks(self.answers.len()).map(<[f64]>::to_vec).collect())
    }
}

/// Probabilities of labels by what each gains over the empty text, as the mean over the pieces of a text.
fn probabilities(prior: &[f64], pieces: &[Vec<f64>]) -> Vec<f64> {
    let gain = |label: usize| {
        pieces.iter().map(|piece| piece[label] - prior[label]).sum::<f64>() / pieces.len().max(1) as f64
    };
    let gains: Vec<f64> = (0..prior.len()).map(gain).collect();
    let largest = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = gains.iter().map(|gain| (gain - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The labels of a list between commas.
pub fn labels_of(given: &[String]) -> anyhow::Result<Labels> {
    let names: Vec<String> = given.iter().map(|name| name.trim().to_string()).collect();
    let twice = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name));
    let problem = match twice {
        _ if names.len() < 2 => Some("--labels names fewer than two".to_string()),
        _ if names.iter().any(String::is_empty) => Some("--labels holds an empty name".to_string()),
        Some((_, name)) => Some(format!("--labels names {name} twice")),
        None => None,
    };
    match problem {
        Some(problem) => {
            Err(Problem::new(problem).hint("name each once, with commas between: --labels good,bad").into())
        }
        None => Ok(Labels { problem: nuwa_align::Problem::One, names }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_counts_by_what_it_gains_over_the_empty_text() {
        // The second label is likelier in both, and gains less.
        let told = probabilities(&[-4.0, -1.0], &[vec![-3.0, -1.0]]);
        assert!((told[0] - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12, "{told:?}");
        let of_pieces = probabilities(&[-1.0, -1.0], &[vec![-1.0, -2.0], vec![-3.0, -2.0]]);
        assert_eq!(of_pieces, [0.5, 0.5]);
    }

    #[test]
    fn labels_are_two_different_names_at_least() {
        let told = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            labels_of(&names).map(|labels| labels.names.len()).map_err(|error| error.to_string())
        };
        assert_eq!(told(&["a", " b"]), Ok(2));
        assert_eq!(told(&["a"]), Err("--labels names fewer than two".into()));
        assert_eq!(told(&["a", "b", "a"]), Err("--labels names a twice".into()));
        assert_eq!(told(&["a", " "]), Err("--labels holds an empty name".into()));
    }
}
