//! A finished run as a page for people (`report.html`) and as a model card (`model/README.md`).
//!
//! Reads only the run folder: the recipe, the manifests and each stage's own figures. What is absent is left out
//! and named in the page's notes, so that a run that stopped half way still has a report.

mod card;
mod chart;
mod chat_form;
pub mod cleaning;
mod columns;
mod curves;
mod difference;
mod facts;
mod fine_tuning;
mod headline;
pub mod inspection;
mod metrics;
mod numbers;
mod run;
mod scores;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::run::About;
use card::Card;
use run::Run;
use view::Page;

/// Writes `report.html` into the folder of a run that may have these stages, and returns its path.
///
/// The page stands alone: its style and pictures are inside it, and it asks for nothing from elsewhere.
pub fn write(run: &Path, stages: &[&'static About]) -> Result<PathBuf> {
    let page = Page::of(&Run::read(run, stages)?);
    let page = Sealed { nonce: nonce(&page)?, page };
    let path = run.join("report.html");
    let html = environment()?.get_template("report.html")?.render(Serde(&page))?;
    nuwa_files::write_atomically(&path, html.as_bytes())?;
    Ok(path)
}

/// Writes the model card, `model/README.md`, into the folder of a run.
pub fn model_card(run: &Path, stages: &[&'static About]) -> Result<()> {
    let run = Run::read(run, stages)?;
    let card = BTreeMap::from([("card", Card::of(&run)?)]);
    let card = environment()?.get_template("model_card.md")?.render(Serde(card))?;
    nuwa_files::write_atomically(&run.folder.join("model/README.md"), card.as_bytes())?;
    Ok(())
}

/// A page with what its own script is known by.
#[derive(Serialize)]
struct Sealed<T> {
    #[serde(flatten)]
    page: T,
    nonce: String,
}

/// What the script of a page is known by: it follows from all that the page shows, so that nothing shown can hold it.
fn nonce(shown: &impl Serialize) -> Result<String> {
    Ok(nuwa_files::hash_bytes(&serde_json::to_vec(shown)?))
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // A text that is missing is a failure, and no blank.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // Escaping follows the name: on for .html, off for .md.
    environment.add_template("report.html", include_str!("templates/report.html"))?;
    environment.add_template("inspect.html", include_str!("templates/inspect.html"))?;
    environment.add_template("inspect.css", include_str!("templates/inspect.css"))?;
    environment.add_template("inspect.js", include_str!("templates/inspect.js"))?;
    environment.add_template("language.js", include_str!("templates/language.js"))?;
    environment.add_template("parts.html", include_str!("templates/parts.html"))?;
    environment.add_template("style.css", include_str!("templates/style.css"))?;
    environment.add_template("model_card.md", include_str!("templates/model_card.md"))?;
    Ok(environment)
}
