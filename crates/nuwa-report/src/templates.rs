//! The templates of all pages, and what keeps their scripts apart from what they show.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::error::Result;

/// A page with what its own script is known by.
#[derive(Serialize)]
pub struct Sealed<T> {
    #[serde(flatten)]
    page: T,
    nonce: String,
}

impl<T> Sealed<T> {
    /// `page`, which shows `shown`: the nonce follows from all of that, so that nothing shown can hold it.
    pub fn new(page: T, shown: &impl Serialize) -> Result<Self> {
        Ok(Self { page, nonce: nuwa_files::hash_bytes(&serde_json::to_vec(shown)?) })
    }
}

/// Fills the template called `name` in.
pub fn render(name: &str, shown: impl Serialize) -> Result<String> {
    Ok(environment()?.get_template(name)?.render(minijinja::value::Serde(shown))?)
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // A text that is missing is a failure, and no blank.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // Escaping follows the name: on for .html, off for .md.
    environment.add_template("report.html", include_str!("templates/report.html"))?;
    environment.add_template("classes.html", include_str!("templates/classes.html"))?;
    environment.add_template("inspect.html", include_str!("templates/inspect.html"))?;
    environment.add_template("inspect.css", include_str!("templates/inspect.css"))?;
    environment.add_template("inspect.js", include_str!("templates/inspect.js"))?;
    environment.add_template("language.js", include_str!("templates/language.js"))?;
    environment.add_template("sheet.html", include_str!("templates/sheet.html"))?;
    environment.add_template("head.html", include_str!("templates/head.html"))?;
    environment.add_template("parts.html", include_str!("templates/parts.html"))?;
    environment.add_template("style.css", include_str!("templates/style.css"))?;
    environment.add_template("model_card.md", include_str!("templates/model_card.md"))?;
    environment.add_template("data_card.md", include_str!("templates/data_card.md"))?;
    Ok(environment)
}
