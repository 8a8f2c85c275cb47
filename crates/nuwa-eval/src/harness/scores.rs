//! What answers are worth, and figures over all of them: lm-evaluation-harness's `metric_list`.

use fancy_regex::Regex;
use serde_json::{Map, Value};

use super::config::Output;
use super::python;
use super::twins::Twin;
use crate::metrics::{BleuSettings, ChrfSettings, Confusion, Together};
use crate::{Metric, Ratio};

/// A metric of a task file.
#[derive(Debug, Clone)]
pub struct MetricSpec {
    pub name: String,
    pub measure: Measure,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub enum Measure {
    Accuracy,
    /// Log-likelihoods divided by the characters of choices.
    AccuracyByCharacters,
    /// Log-likelihoods divided by the bytes of choices.
    AccuracyByBytes,
    /// Log-likelihoods less those without a context.
    AccuracyOfInformation,
    F1,
    Matthews,
    Brier,
    /// `e` to the mean negative log-likelihood.
    Perplexity,
    WordPerplexity,
    BytePerplexity,
    BitsPerByte,
    ExactMatch(ExactMatch),
    /// BLEU or chrF of all answers, 0 to 100.
    Together(Together),
    /// Nothing is measured: answers are only written.
    Bypass,
}

/// What is left out before an answer is compared.
#[derive(Debug, Clone, Default)]
pub struct ExactMatch {
    ignored: Vec<Regex>,
    case: bool,
    punctuation: bool,
    numbers: bool,
}

/// What a document gives to a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// The figure is their mean.
    Value(f64),
    /// The figure is over pairs of the right class and the chosen one.
    Classes(usize, usize),
    /// The figure follows from a ratio of sums: a log-likelihood, and words or bytes.
    Sums(f64, f64),
    /// The figure is that of all answers together.
    Together(Together),
}

impl MetricSpec {
    /// From its name and arguments.
    ///
    /// # Errors
    /// In words, when it is unknown, belongs to tasks of another kind, or an argument is unknown.
    pub fn new(
        name: &str,
        mut keys: Map<String, Value>,
        output: Output,
        results: Option<Twin>,
    ) -> Result<Self, String> {
        let aggregation = keys.remove("aggregation");
        keys.remove("higher_is_better");
        // Said of groups; of a task whose answers are chosen the harness reads it and does nothing with it.
        if output == Output::MultipleChoice {
            keys.remove("weight_by_size");
        }
        let of_library = keys.remove("hf_evaluate").is_some_and(|value| value == true);
        let measure = match (output, name) {
            (_, _) if of_library && name != "exact_match" => None,
            (Output::MultipleChoice | Output::Likelihood, "acc") => Some(Measure::Accuracy),
            (Output::MultipleChoice, "acc_norm") if results.is_none() => Some(Measure::AccuracyByCharacters),
            (Output::MultipleChoice, "acc_bytes") if results.is_none() => Some(Measure::AccuracyByBytes),
            (Output::MultipleChoice, "acc_mutual_info") if results.is_none() => {
                Some(Measure::AccuracyOfInformation)
            }
            (Output::MultipleChoice, "f1") => Some(Measure::F1),
            (Output::MultipleChoice, "mcc") => Some(Measure::Matthews),
            (Output::MultipleChoice, "brier_score") => Some(Measure::Brier),
            (Output::Likelihood, "perplexity") => Some(Measure::Perplexity),
            (Output::Rolling, "word_perplexity") => Some(Measure::WordPerplexity),
            (Output::Rolling, "byte_perplexity") => Some(Measure::BytePerplexity),
            (Output::Rolling, "bits_per_byte") => Some(Measure::BitsPerByte),
            (Output::Generate, "exact_match") => Some(Measure::ExactMatch(ExactMatch::new(&mut keys)?)),
            (Output::Generate, "bleu") => Some(Measure::Together(Together::bleu(BleuSettings::default()))),
            (Output::Generate, "chrf") => Some(Measure::Together(Together::chrf(ChrfSettings::CHRF))),
            (Output::Generate, "bypass") => Some(Measure::Bypass),
            _ => None,
        };
        let measure = measure.ok_or_else(|| {
            format!("the metric {name:?} is unknown for this output_type; known are {}", known(output))
        })?;
        if let Some(key) = keys.keys().next() {
            return Err(format!("the metric {name} has an unknown key {key}"));
        }
        if !aggregation.as_ref().is_none_or(|own| measure.is_aggregated_by(own)) {
            let own = aggregation.unwrap_or_default();
            return Err(format!("the metric {name} is aggregated by {own}, which is unknown for it"));
        }
        Ok(Self { name: name.into(), measure })
    }

    /// Those of a task that names none.
    pub fn usual(output: Output) -> Vec<Self> {
        let of = |name: &str, measure| Self { name: name.into(), measure };
        match output {
            Output::MultipleChoice => {
                vec![of("acc", Measure::Accuracy), of("acc_norm", Measure::AccuracyByCharacters)]
            }
            Output::Likelihood => vec![of("perplexity", Measure::Perplexity), of("acc", Measure::Accuracy)],
            Output::Rolling => vec![
                of("word_perplexity", Measure::WordPerplexity),
                of("byte_perplexity", Measure::BytePerplexity),
                of("bits_per_byte", Measure::BitsPerByte),
            ],
            Output::Generate => vec![of("exact_match", Measure::ExactMatch(ExactMatch::default()))],
        }
    }
}

fn known(output: Output) -> &'static str {
    match output {
        Output::MultipleChoice => "acc, acc_norm, acc_bytes, acc_mutual_info, f1, mcc and brier_score",
        Output::Likelihood => "acc and perplexity",
        Output::Rolling => "word_perplexity, byte_perplexity and bits_per_byte",
        Output::Generate => "exact_match, bleu, chrf and bypass",
    }
}

impl Measure {
    /// What log-likelihoods are divided by, in signatures.
    pub fn normalisation(&self) -> &'static str {
        match self {
            Self::AccuracyByCharacters => "chars",
            Self::AccuracyByBytes => "bytes",
            Self::AccuracyOfInformation => "information",
            _ => "none",
        }
    }

    fn is_aggregated_by(&self, aggregation: &Value) -> bool {
        let usual = match self {
            Self::F1 => "f1",
            Self::Matthews => "matthews_corrcoef",
            Self::Brier => "brier_score",
            Self::Perplexity => "perplexity",
            Self::WordPerplexity | Self::BytePerplexity => "weighted_perplexity",
            Self::BitsPerByte => "bits_per_byte",
            Self::Bypass => "bypass",
            Self::Together(Together::Bleu(..)) => "bleu",
            Self::Together(Together::Chrf(..)) => "chrf",
            _ => "mean",
        };
        let is_mean = usual == "mean" && aggregation == "nanmean";
        aggregation == usual || is_mean
    }

    /// The figure over all that was given.
    pub fn figure(&self, given: &[Given]) -> Option<Metric> {
        let values: Vec<f64> = given
            .iter()
            .filter_map(|one| if let Given::Value(value) = one { Some(*value) } else { None })
            .collect();
        let classes: Vec<[usize; 2]> = given
            .iter()
            .filter_map(
                |one| if let Given::Classes(right, chosen) = one { Some([*right, *chosen]) } else { None },
            )
            .collect();
        let together: Vec<Together> = given
            .iter()
            .filter_map(|one| if let Given::Together(own) = one { Some(own.clone()) } else { None })
            .collect();
        let mut sums = Ratio::default();
        for one in given {
            if let Given::Sums(likelihood, size) = one {
                sums.add(-likelihood, *size);
            }
        }
        let plain = |value: f64| Some(Metric { value, stderr: None });
        match self {
            Self::Bypass => None,
            Self::F1 => plain(confusion(&classes).class(1).f1),
            Self::Matthews => plain(confusion(&classes).matthews()),
            Self::Together(_) => Some(Together::figure(&together)),
            Self::Perplexity => mean(&values).map(|mean| Metric { value: -mean.value, ..mean }.exponential()),
            Self::WordPerplexity | Self::BytePerplexity => sums.metric().map(Metric::exponential),
            Self::BitsPerByte => sums.metric().map(|metric| metric.scaled(1.0 / std::f64::consts::LN_2)),
            _ => mean(&values),
        }
        .and_then(Metric::finite)
    }
}

fn mean(values: &[f64]) -> Option<Metric> {
    let mut ratio = Ratio::default();
    values.iter().for_each(|value| ratio.add(*value, 1.0));
    ratio.metric()
}

/// Right classes and chosen ones; of classes by number there are at least two.
fn confusion(classes: &[[usize; 2]]) -> Confusion {
    let most = classes.iter().flatten().max().map_or(2, |most| (most + 1).max(2));
    Confusion::new((0..most).map(|class| class.to_string()).collect(), classes.iter().copied())
}

impl ExactMatch {
    fn new(keys: &mut Map<String, Value>) -> Result<Self, String> {
        let patterns = keys.remove("regexes_to_ignore");
        let patterns = patterns.iter().filter_map(Value::as_array).flatten();
        let compile = |pattern: &Value| {
            let pattern = python::text(pattern);
            Regex::new(&pattern).map_err(|error| format!("regexes_to_ignore has {pattern:?}: {error}"))
        };
        let ignored = patterns.map(compile).collect::<Result<_, _>>()?;
        let mut flag = |key: &str| keys.remove(key).is_some_and(|value| value == true);
        let [case, punctuation, numbers] =
            ["ignore_case", "ignore_punctuation", "ignore_numbers"].map(&mut flag);
        Ok(Self { ignored, case, punctuation, numbers })
    }

    /// Whether an answer is the right one.
    pub fn compare(&self, answer: &str, right: &str) -> bool {
        self.bare(answer) == self.bare(right)
    }

    fn bare(&self, text: &str) -> String {
        let mut text = text.to_string();
        for pattern in &self.ignored {
            text = pattern.replace_all(&text, "").into_owned();
        }
        if self.case {
            text = text.to_lowercase();
        }
        let is_ignored =
            |c: &char| (self.punctuation && c.is_ascii_punctuation()) || (self.numbers && c.is_ascii_digit());
        text.chars().filter(|character| !is_ignored(character)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str, keys: Value, output: Output) -> Result<MetricSpec, String> {
        MetricSpec::new(name, keys.as_object().unwrap().clone(), output, None)
    }

    #[test]
    fn figures_are_those_of_the_libraries() {
        // scikit-learn: f1_score([0,1,1,0,1], [0,1,0,1,1]) and matthews_corrcoef of the same.
        let given: Vec<Given> =
            [[0, 0], [1, 1], [1, 0], [0, 1], [1, 1]].map(|[a, b]| Given::Classes(a, b)).into();
        assert!((Measure::F1.figure(&given).unwrap().value - 2.0 / 3.0).abs() < 1e-12);
        assert!((Measure::Matthews.figure(&given).unwrap().value - 1.0 / 6.0).abs() < 1e-12);
        let given = [Given::Value(-1.0), Given::Value(-3.0)];
        assert!((Measure::Perplexity.figure(&given).unwrap().value - 2.0_f64.exp()).abs() < 1e-12);
        let given = [Given::Sums(-4.0, 2.0), Given::Sums(-2.0, 4.0)];
        assert!((Measure::WordPerplexity.figure(&given).unwrap().value - 1.0_f64.exp()).abs() < 1e-12);
    }

    #[test]
    fn bleu_and_chrf_are_of_all_answers_together() {
        let answers =
            [("The cat sat on the mat.", "The cat is sitting on the mat."), ("the the the", "the cat")];
        for (name, aggregation) in [("bleu", "bleu"), ("chrf", "chrf")] {
            let keys = json!({"aggregation": aggregation, "higher_is_better": true});
            let measure = spec(name, keys, Output::Generate).unwrap().measure;
            let Measure::Together(together) = &measure else { panic!() };
            let given: Vec<Given> = answers
                .iter()
                .map(|(answer, right)| Given::Together(together.of(answer, &[right])))
                .collect();
            let all = measure.figure(&given).unwrap();
            assert!(all.value > 10.0 && all.value < 60.0 && all.stderr.is_some(), "{name} {all:?}");
            let mean = (measure.figure(&given[..1]).unwrap().value
                + measure.figure(&given[1..]).unwrap().value)
                / 2.0;
            assert!((all.value - mean).abs() > 1.0, "{name} is no mean over answers");
        }
    }

    #[test]
    fn answers_are_compared_without_what_is_ignored() {
        let keys = json!({"ignore_case": true, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]});
        let Measure::ExactMatch(of) = spec("exact_match", keys, Output::Generate).unwrap().measure else {
            panic!()
        };
        assert!(of.compare("1,234.", "two\nlines\n#### 1234") && !of.compare("12", "13"));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let told = |name: &str, keys: Value| spec(name, keys, Output::MultipleChoice).unwrap_err();
        assert!(told("bleurt", json!({})).starts_with("the metric \"bleurt\" is unknown"));
        assert_eq!(told("acc", json!({"k": 1})), "the metric acc has an unknown key k");
        assert_eq!(
            told("acc", json!({"aggregation": "median"})),
            "the metric acc is aggregated by \"median\", which is unknown for it"
        );
    }
}
