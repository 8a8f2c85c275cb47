//! How far a crawl goes, and how fast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far a crawl goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlSettings {
    /// Maximum link depth from the start page; 0 fetches only the start page.
    pub depth: u32,
    /// Maximum number of pages stored per start page; at least 1.
    pub max_pages: u64,
    /// Seconds between two requests, 0 or more; longer if robots.txt asks for it.
    #[schemars(extend("x-decides" = false))]
    pub delay: f64,
    /// Longest crawl delay that is accepted from a robots.txt, in seconds, 0 to 86400; sites that
    /// ask for more are not crawled.
    #[schemars(extend("x-decides" = false))]
    pub longest_delay: f64,
    /// Other hosts that links, redirects and sitemaps may lead to, for example
    /// ["docs.example.org"].
    pub hosts: Vec<String>,
    /// Also fetch the pages listed in a site's sitemaps.
    pub sitemaps: bool,
    /// How the owner of a site can reach you (a web page or e-mail address); sent with every
    /// request.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("x-decides" = false))]
    pub contact: String,
}

impl Default for CrawlSettings {
    fn default() -> Self {
        Self {
            depth: 3,
            max_pages: 1000,
            delay: 1.0,
            longest_delay: 60.0,
            hosts: Vec::new(),
            sitemaps: true,
            contact: String::new(),
        }
    }
}

impl CrawlSettings {
    /// Whether each value lies in its range.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if self.max_pages == 0 {
            return wrong("collect.crawl.max_pages", "0".into(), "1 or more");
        }
        if !(0.0..=86_400.0).contains(&self.delay) {
            return wrong("collect.crawl.delay", self.delay.to_string(), "0 to 86400 seconds");
        }
        if !(0.0..=86_400.0).contains(&self.longest_delay) {
            let given = self.longest_delay.to_string();
            return wrong("collect.crawl.longest_delay", given, "0 to 86400 seconds");
        }
        if self.contact.contains(['\r', '\n']) {
            return wrong("collect.crawl.contact", self.contact.clone(), "one line");
        }
        Ok(())
    }
}
