//! The figures against those of sacreBLEU, rouge-score, NLTK, scikit-learn and SciPy: `fixtures/metrics`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::statistics::{Z95, mcnemar, wilson};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/metrics").join(name);
    nuwa_files::read_json(&path).unwrap()
}

/// Equal up to 1e-9 of what the figure's scale is.
fn assert_near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}"
    );
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// What `of` gives of each hypothesis and the first so many references.
fn each<T>(golden: &Value, count: usize, references: &Value, of: impl Fn(&str, &[&str]) -> T) -> Vec<T> {
    let all = [texts(&golden["first"]), texts(&golden["second"])];
    let all = &all[..references.as_u64().unwrap() as usize];
    let hypotheses = texts(&golden["hypotheses"]);
    let references = |index: usize| all.iter().map(|group| group[index]).collect::<Vec<_>>();
    (0..count).map(|index| of(hypotheses[index], &references(index))).collect()
}

/// A signature without the program that computed the figure.
fn of_sacrebleu(signature: &str) -> &str {
    signature.rsplit_once("|nuwa:").unwrap().0
}

fn bleu_settings(settings: &Value) -> BleuSettings {
    let name = settings["tokenize"].as_str().unwrap_or("13a");
    let value = settings["smooth_value"].as_f64();
    BleuSettings {
        tokens: BleuTokens::ALL.into_iter().find(|tokens| tokens.name() == name).unwrap(),
        smoothing: match settings["smooth_method"].as_str() {
            Some("floor") => Smoothing::Floor(value.unwrap_or(0.1)),
            Some("add-k") => Smoothing::AddK(value.unwrap_or(1.0)),
            Some("none") => Smoothing::Off,
            _ => Smoothing::Exponential,
        },
        lowercase: settings["lowercase"].as_bool().unwrap_or(false),
        effective_order: false,
    }
}

#[test]
fn bleu_equals_sacrebleu() {
    let golden = fixture("texts.json");
    let cases = golden["bleu"].as_array().unwrap();
    assert_eq!(cases.len(), 19);
    for case in cases {
        let settings = bleu_settings(&case["settings"]);
        let what = case["signature"].as_str().unwrap();
        let sentences = case["sentences"].as_array().unwrap();
        let counts = each(&golden, sentences.len(), &case["references"], |text, references| {
            settings.counts(text, references)
        });
        let single = BleuSettings { effective_order: true, ..settings };
        for (index, (counts, expected)) in counts.iter().zip(sentences).enumerate() {
            assert_near(single.score(counts).score, expected, &format!("{what}, text {index}"));
        }
        let total = BleuCounts::sum(&counts);
        let score = settings.score(&total);
        assert_near(score.score, &case["score"], what);
        assert_near(score.brevity_penalty, &case["brevity_penalty"], what);
        assert_eq!((Some(total.length), Some(total.reference_length)), {
            (case["length"].as_u64(), case["reference_length"].as_u64())
        });
        for (found, expected) in score.precisions.iter().zip(case["precisions"].as_array().unwrap()) {
            assert_near(*found, expected, what);
        }
        let references = case["references"].as_u64().map(|count| count as usize);
        assert_eq!(of_sacrebleu(&settings.signature(references, None)), what);
    }
}

#[test]
fn chrf_equals_sacrebleu() {
    let golden = fixture("texts.json");
    let cases = golden["chrf"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let is = |name: &str| case["settings"][name].as_bool().unwrap_or(false);
        let settings = ChrfSettings {
            words: case["settings"]["word_order"].as_u64().unwrap_or(0) as usize,
            lowercase: is("lowercase"),
            blanks: is("whitespace"),
            mean_of_orders: is("eps_smoothing"),
            ..ChrfSettings::CHRF
        };
        let what = case["signature"].as_str().unwrap();
        let sentences = case["sentences"].as_array().unwrap();
        let counts = each(&golden, sentences.len(), &case["references"], |text, references| {
            settings.counts(text, references)
        });
        for (index, (counts, expected)) in counts.iter().zip(sentences).enumerate() {
            assert_near(settings.score(counts), expected, &format!("{what}, text {index}"));
        }
        assert_near(settings.score(&ChrfCounts::sum(&counts)), &case["score"], what);
        let references = case["references"].as_u64().map(|count| count as usize);
        assert_eq!(of_sacrebleu(&settings.signature(references, None)), what);
    }
}

#[test]
fn rouge_equals_rouge_score() {
    let golden = fixture("texts.json");
    let kinds = [
        ("words", RougeTokens::Words),
        ("stems", RougeTokens::Stems),
        ("characters", RougeTokens::Characters),
    ];
    for (name, tokens) in kinds {
        let case = &golden["rouge"][name];
        let rows = case["scores"].as_array().unwrap();
        let found = each(&golden, rows.len(), &case["references"], |text, references| {
            tokens.scores(text, references)
        });
        for (index, (scores, row)) in found.iter().zip(rows).enumerate() {
            let all = [scores.rouge1, scores.rouge2, scores.rouge_l, scores.rouge_lsum];
            for (overlap, expected) in all.iter().zip(row.as_array().unwrap()) {
                let what = format!("{name}, text {index}");
                assert_near(overlap.precision, &expected[0], &what);
                assert_near(overlap.recall, &expected[1], &what);
                assert_near(overlap.f1, &expected[2], &what);
            }
        }
    }
}

#[test]
fn answers_are_worth_what_squad_says() {
    let golden = fixture("texts.json");
    let rows = golden["squad"].as_array().unwrap();
    let found = each(&golden, rows.len(), &Value::from(2), answer_scores);
    for (index, (scores, expected)) in found.iter().zip(rows).enumerate() {
        assert_near(scores.exact, &expected[0], &format!("exact, text {index}"));
        assert_near(scores.f1, &expected[1], &format!("f1, text {index}"));
    }
}

#[test]
fn stems_equal_nltks() {
    let golden = fixture("stems.json");
    let words = golden.as_object().unwrap();
    assert!(words.len() > 2000, "{}", words.len());
    for (word, expected) in words {
        assert_eq!(stem(word), *expected, "{word}");
    }
}

#[test]
fn classes_equal_scikit_learn() {
    for case in fixture("numbers.json")["classes"].as_array().unwrap() {
        let classes =
            |name: &str| -> Vec<usize> { numbers(&case[name]).iter().map(|class| *class as usize).collect() };
        let (truth, chosen) = (classes("truth"), classes("chosen"));
        let probabilities: Vec<Vec<f64>> =
            case["probabilities"].as_array().unwrap().iter().map(numbers).collect();
        let count = probabilities[0].len();
        let names = (0..count).map(|class| class.to_string()).collect();
        let pairs = truth.iter().zip(&chosen).map(|(truth, chosen)| [*truth, *chosen]);
        let confusion = Confusion::new(names, pairs);
        for (name, average) in
            [("macro", confusion.macro_average()), ("weighted", confusion.weighted_average())]
        {
            assert_near(average.precision, &case[name][0], name);
            assert_near(average.recall, &case[name][1], name);
            assert_near(average.f1, &case[name][2], name);
        }
        assert_near(confusion.accuracy(), &case["micro"][2], "micro");
        assert_near(confusion.accuracy(), &case["accuracy"], "accuracy");
        assert_near(confusion.balanced_accuracy(), &case["balanced_accuracy"], "balanced accuracy");
        assert_near(confusion.matthews(), &case["matthews"], "Matthews");
        assert_near(confusion.kappa().unwrap(), &case["kappa"], "kappa");
        assert_near(confusion.quadratic_kappa().unwrap(), &case["quadratic_kappa"], "quadratic kappa");
        assert_near(log_loss(&truth, &probabilities), &case["log_loss"], "log loss");
        let is_one: Vec<bool> = truth.iter().map(|class| *class == 1).collect();
        let of_one: Vec<f64> = probabilities.iter().map(|row| row[1]).collect();
        assert_near(brier(&is_one, &of_one), &case["brier"], "Brier");
        let area = match count {
            2 => area_under_curve(&is_one, &of_one),
            _ => mean_area_under_curve(&truth, &probabilities),
        };
        assert_near(area.unwrap(), &case["auc"], "area");
    }
}

#[test]
fn numbers_equal_scikit_learn_and_scipy() {
    let golden = fixture("numbers.json");
    for case in golden["regressions"].as_array().unwrap() {
        let scores = RegressionScores::of(&numbers(&case["truth"]), &numbers(&case["predicted"]));
        assert_near(scores.mae, &case["mae"], "mae");
        assert_near(scores.mse, &case["mse"], "mse");
        assert_near(scores.rmse, &case["rmse"], "rmse");
        assert_near(scores.r2.unwrap(), &case["r2"], "r2");
        assert_near(scores.pearson.unwrap(), &case["pearson"], "Pearson");
        assert_near(scores.spearman.unwrap(), &case["spearman"], "Spearman");
        assert_near(scores.kendall.unwrap(), &case["kendall"], "Kendall");
    }
    for case in golden["mcnemar"].as_array().unwrap() {
        let [b, c] = [0, 1].map(|index| case[index].as_u64().unwrap());
        assert_near(mcnemar(b, c), &case[2], "McNemar");
    }
    for case in golden["wilson"].as_array().unwrap() {
        let [successes, n] = [0, 1].map(|index| case[index].as_f64().unwrap());
        let [low, high] = wilson(successes, n, Z95);
        assert_near(low, &case[2], "Wilson");
        assert_near(high, &case[3], "Wilson");
    }
}

/// A file of WMT's newstest of 2023, or `None` after saying that `test` is skipped.
fn wmt(test: &str, name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/parallel/wmt23");
    let path: PathBuf = root.join(format!("generaltest2023.en-de.{name}.de"));
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        println!("skipped: {test}: ../shared/data is absent");
    }
    text
}

#[test]
fn systems_of_wmt23_have_the_figures_of_sacrebleu() {
    const TEST: &str = "systems_of_wmt23_have_the_figures_of_sacrebleu";
    let Some(references) = wmt(TEST, "ref.refA") else { return };
    let expected = [
        ("hyp.AIRC", 26.481_713, 52.192_172),
        ("hyp.GPT4-5shot", 43.586_595, 69.114_785),
        ("hyp.ONLINE-W", 47.815_285, 71.818_591),
    ];
    for (system, bleu, chrf) in expected {
        let Some(hypotheses) = wmt(TEST, system) else { return };
        let pairs = || hypotheses.lines().zip(references.lines());
        let settings = BleuSettings::default();
        let counts: Vec<BleuCounts> = pairs().map(|(text, right)| settings.counts(text, &[right])).collect();
        let score = settings.score(&BleuCounts::sum(&counts)).score;
        assert!((score - bleu).abs() < 1e-6, "{system}: BLEU {score}");
        let settings = ChrfSettings::CHRF;
        let counts: Vec<ChrfCounts> = pairs().map(|(text, right)| settings.counts(text, &[right])).collect();
        let score = settings.score(&ChrfCounts::sum(&counts));
        assert!((score - chrf).abs() < 1e-6, "{system}: chrF {score}");
    }
}
