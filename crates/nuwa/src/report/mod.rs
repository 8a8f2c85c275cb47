//! A finished run as a page for people (`report.html`) and as a model card (`model/README.md`).
//!
//! Reads only the run folder: the recipe, the manifests and each stage's own figures. What is absent is left out
//! and named in the page's notes, so that a run that stopped half way still has a report.

mod card;
mod chart;
mod chat_form;
pub mod cleaning;
mod columns;
mod difference;
mod facts;
pub mod inspection;
mod metrics;
mod numbers;
mod run;
mod tuning;
mod view;
mod worth;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::Result;
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;

use crate::run::About;
use card::Card;
use run::Run;
use view::Page;

/// Writes `report.html` into the folder of a run that may have these stages, and returns its path.
///
/// The page stands alone: its style and pictures are inside it, and it asks for nothing from elsewhere.
pub fn write(run: &Path, stages: &[&'static About]) -> Result<PathBuf> {
    let page = Page::of(&Run::read(run, stages)?);
    let path = run.join("report.html");
    let html = environment()?.get_template("report.html")?.render(Serde(&page))?;
    nuwa_files::write_atomically(&path, html.as_bytes())?;
    Ok(path)
}

/// Writes the model card, `model/README.md`, into the folder of a run.
pub fn model_card(run: &Path, stages: &[&'static About]) -> Result<()> {
    let run = Run::read(run, stages)?;
    let card = environment()?.get_template("model_card.md")?.render(Serde(Card::of(&run)?))?;
    nuwa_files::write_atomically(&run.folder.join("model/README.md"), card.as_bytes())?;
    Ok(())
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // Escaping follows the name: on for .html, off for .md.
    environment.add_template("report.html", include_str!("templates/report.html"))?;
    environment.add_template("inspect.html", include_str!("templates/inspect.html"))?;
    environment.add_template("inspect.css", include_str!("templates/inspect.css"))?;
    environment.add_template("inspect.js", include_str!("templates/inspect.js"))?;
    environment.add_template("parts.html", include_str!("templates/parts.html"))?;
    environment.add_template("style.css", include_str!("templates/style.css"))?;
    environment.add_template("model_card.md", include_str!("templates/model_card.md"))?;
    Ok(environment)
}
