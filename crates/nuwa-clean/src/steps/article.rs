//! `article`: takes the text that a page is about out of its HTML; other documents pass as they are.
//!
//! Why: menus, sidebars and footers are the same on every page of a site and would be learnt by heart.
//! How: `nuwa_collect::html`, in the manner of Readability (Mozilla's reader view,
//! <https://github.com/mozilla/readability>). Headings, lists, tables and code keep their form. The page's title
//! goes to `meta.title`.

use nuwa_collect::html;
use nuwa_files::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Verdict};

/// How much of a page is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArticleSettings {
    /// Extract the main article; false keeps all visible text, including navigation.
    pub only_article: bool,
}

impl Default for ArticleSettings {
    fn default() -> Self {
        Self { only_article: true }
    }
}

/// The step.
#[derive(Debug)]
pub struct ArticleText {
    settings: ArticleSettings,
}

impl ArticleText {
    /// With these settings.
    pub fn new(settings: &ArticleSettings) -> Self {
        Self { settings: settings.clone() }
    }
}

impl DocumentStep for ArticleText {
    fn name(&self) -> &'static str {
        "article"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        if document.meta.get("format").is_none_or(|format| format != "html") {
            return Verdict::Kept;
        }
        let article = match self.settings.only_article {
            true => html::article(&document.text),
            false => html::visible_text(&document.text),
        };
        if article.text.trim().is_empty() {
            return Verdict::rejected("a page without text", "");
        }
        document.text = article.text;
        // Text now: a second run of the step must not take "<" in it for markup.
        document.meta.insert("format".into(), "text from html".into());
        if let Some(title) = article.title {
            document.meta.insert("title".into(), title.into());
        }
        Verdict::Changed
    }
}
