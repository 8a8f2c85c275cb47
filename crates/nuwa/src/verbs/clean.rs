use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use nuwa_data::clean::{CleanSummary, Portion, StepSummary, clean};

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::interrupt;
use crate::numbers::{bytes, grouped};
use crate::report::cleaning::shares;

/// Repair, filter and deduplicate documents
///
/// Kept documents go to documents-*.jsonl.zst, each rejected one with the step and the reason to rejected.jsonl.zst,
/// and the counts of every step to clean.json.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa clean documents --out cleaned --memory 2GB
  nuwa clean documents --set 'clean.steps=[\"unicode\", \"exact-duplicates\"]' --out cleaned
  nuwa clean documents --set clean.mix.languages.en=2 --set clean.mix.languages.zh=1 --out mixed")]
pub struct Clean {
    /// Documents: .jsonl files (also .gz, .zst) or folders of them, as `nuwa collect` writes them
    #[arg(required = true, value_name = "FILE_OR_FOLDER")]
    documents: Vec<PathBuf>,
    /// The folder for what is kept, what is rejected, and the counts
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Stay within so much memory, such as 500MB or 2GB (the setting clean.memory)
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Clean {
    pub fn run(self) -> anyhow::Result<()> {
        let mut recipe = self.settings.recipe()?;
        recipe.clean.memory = self.memory.unwrap_or(recipe.clean.memory);
        interrupt::begin("clean", false)?;
        let mut display = Display::new();
        let summary =
            clean(&self.documents, &self.out, &recipe.clean, &mut |progress| display.show(progress))?;
        drop(display);
        print_figures(self.json, &summary, || text(&summary))
    }
}

/// The figures: a line in all, and a line for each step that did something.
pub fn text(summary: &CleanSummary) -> String {
    let (kept, all) = (grouped(summary.documents_out), grouped(summary.documents_in));
    let size = format!("{} of {}", bytes(summary.bytes_out), bytes(summary.bytes_in));
    let did_something = |step: &&StepSummary| {
        step.changed + step.rejected > 0 || !step.labels.is_empty() || !step.totals.is_empty()
    };
    let steps = summary.steps.iter().filter(did_something).map(step_text);
    format!("kept {kept} of {all} documents, {size}{}", steps.collect::<String>())
}

fn step_text(step: &StepSummary) -> String {
    let reasons: Vec<String> =
        step.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let (name, changed, rejected) = (&step.name, grouped(step.changed), grouped(step.rejected));
    format!(
        "\n  {name}: {changed} changed, {rejected} rejected{reasons}{}{}{}",
        listed("found", &step.labels),
        totals(&step.totals),
        portions(&step.portions)
    )
}

/// Shares of the text, each on a line of its own.
fn portions(portions: &[Portion]) -> String {
    portions.iter().map(|portion| format!("\n    {}: {}", portion.name, shares(portion))).collect()
}

/// What a step worked with: "960 items looked for".
fn totals(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("; {} {name}", grouped(*count))).collect()
}

/// Counts by name, the largest first.
fn listed(what: &str, counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let counts: Vec<String> =
        counts.into_iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    if counts.is_empty() { String::new() } else { format!("; {what} {}", counts.join(", ")) }
}
