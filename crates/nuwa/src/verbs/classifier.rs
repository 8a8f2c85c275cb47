use std::path::PathBuf;

use clap::Args;
use nuwa_report::numbers::counted;
use nuwa_text::classify::{CrossValidation, Rates, TrainSettings, read_examples, train};

use crate::console::{Display, message, print_figures};

/// From this share on the classes differ in form, and what the figures say of other forms is open.
const FORM_TELLS: f64 = 0.9;

/// Train a text classifier for the cleaning steps toxicity and classified
///
/// Trains a binary classifier on positive and negative examples: toxic and harmless text, or
/// high-quality and ordinary pages. In .jsonl files (also .gz, .zst) the text field of every line
/// is an example, in other files every line; a folder holds documents. Prints the classifier's
/// quality in cross-validation, and a suggested threshold.
///
/// Post headers, links, names, times and layout are ignored; the classifier judges by words, topics
/// and tone. So take negative examples from the same kind of source as the positive ones: harmless
/// posts next to abusive ones. It does not understand meaning: texts that quote or discuss abuse
/// look like abuse, and abuse in words that occur in no example is missed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa classifier --positive abuse.jsonl --negative pages.jsonl --out abuse.classifier
  nuwa clean documents --set 'clean.steps=[\"toxicity\"]' --set clean.toxicity.classifier=abuse.classifier --out cleaned")]
pub struct Classifier {
    /// Positive examples
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    positive: Vec<PathBuf>,
    /// Negative examples
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    negative: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The field of a JSON line that holds the text
    #[arg(long, value_name = "NAME", default_value = "text")]
    text_field: String,
    /// Number of cross-validation folds, 2 to 20
    #[arg(long, value_name = "N", default_value_t = TrainSettings::default().folds)]
    folds: usize,
    /// Number of epochs over the examples, 1 to 100
    #[arg(long, value_name = "N", default_value_t = TrainSettings::default().passes)]
    passes: usize,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Classifier {
    pub fn run(self) -> anyhow::Result<()> {
        let positive = read_examples(&self.positive, &self.text_field)?;
        let negative = read_examples(&self.negative, &self.text_field)?;
        let left_out = positive.left_out + negative.left_out;
        if left_out > 0 {
            message(&format!("{} left out: 200 MB of each kind are enough", counted(left_out, "example")));
        }
        let settings = TrainSettings { folds: self.folds, passes: self.passes, ..TrainSettings::default() };
        let mut display = Display::new();
        let (classifier, measured) =
            train(&positive, &negative, &settings, &mut |progress| display.show(progress))?;
        drop(display);
        classifier.save(&self.out)?;
        if measured.form_alone > FORM_TELLS {
            message(&format!(
                "form alone tells the two kinds apart ({:.0} % right by length, layout and marks): the figures hold for texts in \
                 these forms only; give examples of both kinds in one form, such as innocent posts beside abusive ones",
                100.0 * measured.form_alone
            ));
        }
        print_figures(self.json, &measured, || self.text(&measured))
    }

    fn text(&self, measured: &CrossValidation) -> String {
        let CrossValidation { folds, positives, negatives, at_half, suggested, form_alone } = measured;
        format!(
            "on {} and {}, each judged without having been learnt from ({folds} folds):\n{}{}  form alone (lengths, layout, marks; no words): {:.1} % right\nwritten to {}",
            counted(*positives as u64, "positive example"),
            counted(*negatives as u64, "negative example"),
            row("threshold", at_half),
            row("suggested", suggested),
            100.0 * form_alone,
            self.out.display()
        )
    }
}

fn row(name: &str, rates: &Rates) -> String {
    let Rates { threshold, precision, recall, false_alarms } = *rates;
    let [precision, recall, alarms] =
        [precision, recall, false_alarms].map(|share| format!("{:.1} %", 100.0 * share));
    format!("  {name} {threshold:.3}: precision {precision}, recall {recall}, false alarms {alarms}\n")
}
