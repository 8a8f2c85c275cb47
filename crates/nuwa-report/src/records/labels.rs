use nuwa_align::data::Truth;
use nuwa_align::labelling::{JudgedText, LabelStats, likeliest_label};
use nuwa_align::{Labels, Problem};
use nuwa_eval::metrics::{Confusion, RegressionScores};
use nuwa_eval::statistics::{Bootstrap, Z95, bootstrap_error, wilson};
use nuwa_eval::{ErrorsOver, Metric, TaskResult};
use serde::{Deserialize, Serialize};

/// What a model with a head for labels learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelOutcome {
    /// The labels.
    pub labels: Labels,
    /// What became of the texts.
    pub texts: LabelStats,
    /// How well the labels of held-out texts are told, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<LabelFigures>,
}

/// How well labels are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelFigures {
    /// Texts.
    pub texts: usize,
    /// The figures by their names, each with its 95 % interval where one is known.
    pub figures: Vec<(String, f64, Option<[f64; 2]>)>,
    /// What was taken for what, where each text has one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
}

/// From this probability on a text is taken to have one of several labels.
const HAS: f64 = 0.5;

impl LabelFigures {
    /// Those of what was told of texts: of one label accuracy, what always telling the commonest would reach, macro F1 and Matthews'
    /// correlation; of several, the share of texts of which all are right, macro and micro F1; of numbers, errors and correlations.
    pub fn of(labels: &Labels, judged: &[JudgedText]) -> Self {
        match labels.problem {
            Problem::One => Self::of_one(labels, judged),
            Problem::Several => Self::of_several(labels, judged),
            Problem::Number => Self::of_numbers(judged),
        }
    }

    /// The same as the result of a task of the evaluation. Standard errors of what each text has one label of are taken over 1,000
    /// samples of the texts, of a share that of so many.
    pub fn task_result(&self) -> TaskResult {
        let sampled = |figure: fn(&Confusion) -> f64| {
            let confusion = self.confusion.as_ref()?;
            let texts = pairs(confusion);
            let of = |sample: &[usize]| {
                figure(&Confusion::new(confusion.classes.clone(), sample.iter().map(|&text| texts[text])))
            };
            bootstrap_error(texts.len(), Bootstrap::default(), of)
        };
        let error = |name: &str, value: f64| match name {
            "accuracy" => Some((value * (1.0 - value) / self.texts.max(1) as f64).sqrt()),
            "f1_macro" => sampled(|confusion| confusion.macro_average().f1),
            "matthews" => sampled(Confusion::matthews),
            _ => None,
        };
        let metrics = self.figures.iter().map(|(name, value, _)| {
            let own = if name == "accuracy" { "acc" } else { name };
            (own.to_string(), Metric { value: *value, stderr: error(name, *value) })
        });
        TaskResult {
            version: 1,
            n: self.texts as u64,
            metrics: metrics.collect(),
            standard_errors: ErrorsOver::Items,
            confusion: self.confusion.clone(),
            ..TaskResult::default()
        }
    }

    /// The figure of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(own, ..)| own == name).map(|(_, value, _)| *value)
    }

    fn of_one(labels: &Labels, judged: &[JudgedText]) -> Self {
        let pair = |judged: &JudgedText| match judged.truth {
            Truth::One(right) => Some([right, likeliest_label(&judged.told)]),
            _ => None,
        };
        let confusion = Confusion::new(labels.names.clone(), judged.iter().filter_map(pair));
        let plain = |name: &str, value: f64| (name.to_string(), value, None);
        let figures = vec![
            counted_share("accuracy", confusion.accuracy(), judged.len()),
            plain("commonest_class", confusion.usual()),
            plain("f1_macro", confusion.macro_average().f1),
            plain("matthews", confusion.matthews()),
        ];
        Self { texts: judged.len(), figures, confusion: Some(confusion) }
    }

    fn of_several(labels: &Labels, judged: &[JudgedText]) -> Self {
        let (mut counts, mut whole) = (vec![[0_u64; 3]; labels.names.len()], 0_u64);
        for JudgedText { truth, told } in judged {
            let Truth::Several(has) = truth else { continue };
            let taken = || told.iter().map(|probability| *probability >= HAS);
            whole += u64::from(taken().eq(has.iter().copied()));
            for ((count, taken), has) in counts.iter_mut().zip(taken()).zip(has) {
                count[0] += u64::from(taken && *has);
                count[1] += u64::from(taken);
                count[2] += u64::from(*has);
            }
        }
        let f1 = |[hits, taken, right]: [u64; 3]| match taken + right {
            0 => 0.0,
            both => 2.0 * hits as f64 / both as f64,
        };
        let sum = |at: usize| counts.iter().map(|count| count[at]).sum();
        let macro_mean = counts.iter().copied().map(f1).sum::<f64>() / counts.len().max(1) as f64;
        let share = whole as f64 / judged.len().max(1) as f64;
        let figures = vec![
            counted_share("accuracy", share, judged.len()),
            ("f1_macro".to_string(), macro_mean, None),
            ("f1_micro".to_string(), f1([sum(0), sum(1), sum(2)]), None),
        ];
        Self { texts: judged.len(), figures, confusion: None }
    }

    fn of_numbers(judged: &[JudgedText]) -> Self {
        let pair = |judged: &JudgedText| match judged.truth {
            Truth::Number(right) => judged.told.first().map(|told| (right, *told)),
            _ => None,
        };
        let (right, told): (Vec<f64>, Vec<f64>) = judged.iter().filter_map(pair).unzip();
        let scores = RegressionScores::of(&right, &told);
        let all = [
            ("mae", Some(scores.mae)),
            ("rmse", Some(scores.rmse)),
            ("r2", scores.r2),
            ("pearson", scores.pearson),
            ("spearman", scores.spearman),
        ];
        let figures =
            all.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?, None))).collect();
        Self { texts: judged.len(), figures, confusion: None }
    }
}

/// What is right of each text and what was told, in the order of the counts.
fn pairs(confusion: &Confusion) -> Vec<[usize; 2]> {
    let cells = confusion.counts.iter().enumerate().flat_map(|(right, row)| {
        row.iter().enumerate().map(move |(chosen, count)| (*count as usize, [right, chosen]))
    });
    cells.flat_map(|(count, pair)| std::iter::repeat_n(pair, count)).collect()
}

/// A share of so many texts, with Wilson's interval.
fn counted_share(name: &str, share: f64, texts: usize) -> (String, f64, Option<[f64; 2]>) {
    let interval = wilson(share * texts as f64, texts as f64, Z95);
    (name.to_string(), share, Some(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(problem: Problem) -> Labels {
        Labels { problem, names: ["a", "b"].map(String::from).to_vec() }
    }

    #[test]
    fn figures_are_a_task_with_errors() {
        let judged: Vec<JudgedText> = (0..40)
            .map(|text| JudgedText {
                truth: Truth::One(text % 2),
                told: if text % 4 == 0 {
                    vec![0.2, 0.8]
                } else if text % 2 == 0 {
                    vec![0.9, 0.1]
                } else {
                    vec![0.3, 0.7]
                },
            })
            .collect();
        let names = Labels { problem: Problem::One, names: vec!["a".into(), "b".into()] };
        let result = LabelFigures::of(&names, &judged).task_result();
        let accuracy = result.metrics["acc"];
        assert_eq!((result.n, accuracy.value), (40, 0.75));
        assert!((accuracy.stderr.unwrap() - (0.75_f64 * 0.25 / 40.0).sqrt()).abs() < 1e-12);
        let f1 = result.metrics["f1_macro"].stderr.unwrap();
        assert!((0.04..0.12).contains(&f1), "{f1}");
    }

    #[test]
    fn each_kind_of_labels_has_its_figures() {
        let one = |right: usize, told: [f64; 2]| JudgedText { truth: Truth::One(right), told: told.to_vec() };
        let found = LabelFigures::of(
            &labels(Problem::One),
            &[one(0, [0.9, 0.1]), one(0, [0.2, 0.8]), one(1, [0.3, 0.7]), one(1, [0.1, 0.9])],
        );
        assert_eq!((found.get("accuracy"), found.get("commonest_class")), (Some(0.75), Some(0.5)));
        assert_eq!(found.confusion.unwrap().counts, [[1, 1], [0, 2]]);

        let several = |has: [bool; 2], told: [f64; 2]| JudgedText {
            truth: Truth::Several(has.to_vec()),
            told: told.to_vec(),
        };
        let found = LabelFigures::of(
            &labels(Problem::Several),
            &[several([true, true], [0.9, 0.2]), several([false, true], [0.1, 0.6])],
        );
        // sklearn: F1 of a is 1, of b 2/3; micro 4/5.
        assert_eq!(found.get("accuracy"), Some(0.5));
        assert!((found.get("f1_macro").unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert!((found.get("f1_micro").unwrap() - 0.8).abs() < 1e-12);

        let number = |right: f64, told: f64| JudgedText { truth: Truth::Number(right), told: vec![told] };
        let found = LabelFigures::of(
            &labels(Problem::Number),
            &[number(1.0, 1.5), number(3.0, 2.5), number(2.0, 2.0)],
        );
        assert!((found.get("mae").unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert!((found.get("spearman").unwrap() - 1.0).abs() < 1e-12);
    }
}
