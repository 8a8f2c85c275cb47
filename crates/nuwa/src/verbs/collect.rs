use std::path::PathBuf;

use clap::Args;
use nuwa_data::collect::{CollectSummary, collect};

use super::settings::Settings;
use crate::console::{Display, print_figures};
use crate::numbers::{bytes, counted};
use crate::online;

/// Read files and folders of text into documents
///
/// Reads text (.txt, .md), pages (.html), JSON lines (.jsonl), tables (.csv, .tsv, .parquet), PDF (.pdf), mails (.eml,
/// .mbox), web crawls (.warc, .wet) and the members of archives (.zip, .tar, .tgz), all also as .gz, .zst, .bz2 and .xz;
/// folders with all that is below them. What a folder holds besides is passed over and counted; a file that is named must
/// be readable. Data sets of the Hugging Face Hub are named hf:OWNER/NAME, with @REVISION or /PATH behind; they are
/// downloaded into DIR/downloads once (HF_ENDPOINT names another server, HF_TOKEN holds your token).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa collect ~/documents book.txt.gz --out documents
  nuwa collect posts.jsonl --set collect.text_field=body --out documents
  nuwa collect hf:roneneldan/TinyStories --out documents
  nuwa collect crawl.warc.gz mails.mbox papers.zip --out documents")]
pub struct Collect {
    /// Files, folders and data sets of the Hub
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The folder for documents-*.jsonl.zst and collect.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Collect {
    pub fn run(self) -> anyhow::Result<()> {
        let recipe = self.settings.recipe()?;
        let mut display = Display::new();
        let paths = online::fetched(&self.paths, &self.out.join("downloads"), &recipe.collect, &mut display)?;
        let summary = collect(&paths, &self.out, &recipe.collect, &mut |progress| display.show(progress))?;
        drop(display);
        print_figures(self.json, &summary, || text(&summary))
    }
}

/// The figures in a sentence or two.
pub fn text(summary: &CollectSummary) -> String {
    let CollectSummary { documents, files, skipped_files, skipped_lines, .. } = summary;
    let (documents, files) = (counted(*documents, "document"), counted(*files, "file"));
    let of = format!("{documents} of {files}, {}", bytes(summary.bytes));
    let reasons: Vec<String> =
        summary.skipped_reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let files = match skipped_files {
        0 => String::new(),
        count => format!("; passed over {} ({})", counted(*count, "file"), reasons.join(", ")),
    };
    let lines = match skipped_lines {
        0 => String::new(),
        count => format!("; left out {}", counted(*count, "line")),
    };
    let reasons: Vec<String> =
        summary.skipped_records.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let records =
        if reasons.is_empty() { String::new() } else { format!("; no text in {}", reasons.join(", ")) };
    of + &files + &lines + &records
}
