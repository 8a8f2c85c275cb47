//! A finished run as pages for people, in English and Chinese: its report ([`write()`], `report.html`), its documents
//! ([`inspection`], `inspect.html`) and the card of its model ([`model_card`], `model/README.md`).
//!
//! Reads only the run folder: the recipe, the manifests and each stage's own figures ([`records`]). What is absent is left out
//! and named in the page's notes, so that a run that stopped half way still has a report.
//!
//! ```
//! use nuwa_report::ReportedStage;
//!
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path();
//! std::fs::write(run.join("recipe.toml"), "seed = 7\n")?;
//! std::fs::create_dir(run.join("pretrain"))?;
//! std::fs::write(run.join("pretrain/metrics.jsonl"), "{\"step\": 1, \"tokens\": 512, \"loss\": 5.7}\n")?;
//! let stages = [ReportedStage::training("pretrain", "预训练")];
//! let page = nuwa_report::write(run, &stages)?;
//! let html = std::fs::read_to_string(page)?;
//! assert!(html.contains("seed = 7") && html.contains("plan&#x2f;plan.json is absent"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod card;
mod card_settings;
mod chart;
mod chat_form;
pub mod classes;
mod cleaning;
mod columns;
pub mod comparing;
mod curves;
mod data_card;
mod difference;
pub mod drawing;
mod error;
mod experts;
mod facts;
mod fine_tuning;
mod headline;
pub mod inspection;
pub mod judging;
mod metrics;
pub mod numbers;
pub mod records;
pub mod repetition;
mod run;
mod scores;
mod sheet;
mod stage;
pub mod stage_scores;
mod templates;
pub mod text;
mod view;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use card_settings::CardSettings;
pub use cleaning::shares_text;
pub use error::{Error, Result};
pub use stage::ReportedStage;

use card::ModelCard;
use data_card::DataCard;
use run::Run;
use templates::{Sealed, render};
use view::Page;

/// Writes `report.html` into the folder of a run that may have these stages, and returns its path.
///
/// The page stands alone: its style and pictures are inside it, and it asks for nothing from elsewhere.
///
/// # Errors
/// When `run` is not the folder of a run, or the page cannot be written.
pub fn write(run: &Path, stages: &[ReportedStage]) -> Result<PathBuf> {
    let page = Page::of(&Run::read(run, stages)?);
    let html = render("report.html", Sealed::new(&page, &page)?)?;
    let path = run.join("report.html");
    nuwa_files::write_atomically(&path, html.as_bytes())?;
    Ok(path)
}

/// Writes the model card, `model/README.md`, into the folder of a run; `answers` are its maker's.
///
/// # Errors
/// When `run` is not the folder of a run, or the card cannot be written.
pub fn model_card(run: &Path, stages: &[ReportedStage], answers: &CardSettings) -> Result<()> {
    let run = Run::read(run, stages)?;
    let card = render("model_card.md", BTreeMap::from([("card", ModelCard::of(&run, answers)?)]))?;
    nuwa_files::write_atomically(&run.folder.join("model/README.md"), card.as_bytes())?;
    Ok(())
}

/// Writes the card of its data, `data-card.md`, into the folder of a run; `answers` are its maker's.
///
/// # Errors
/// When `run` is not the folder of a run, or the card cannot be written.
pub fn data_card(run: &Path, stages: &[ReportedStage], answers: &CardSettings) -> Result<()> {
    let run = Run::read(run, stages)?;
    let card = render("data_card.md", BTreeMap::from([("card", DataCard::of(&run, answers)?)]))?;
    nuwa_files::write_atomically(&run.folder.join("data-card.md"), card.as_bytes())?;
    Ok(())
}
