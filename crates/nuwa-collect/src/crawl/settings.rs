//! How far a crawl goes, and how fast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far a crawl goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlSettings {
    /// How many links a page may be away from the start; 0 takes the start alone.
    pub depth: u32,
    /// The most pages that are stored of one start, 1 or more.
    pub max_pages: u64,
    /// Seconds to wait between two requests, 0 or more; longer where robots.txt asks for it.
    #[schemars(extend("x-decides" = false))]
    pub delay: f64,
    /// The longest pause between two requests that a robots.txt may ask for, in seconds, 0 to 86400; a site that asks for more is not
    /// crawled.
    #[schemars(extend("x-decides" = false))]
    pub longest_delay: f64,
    /// Hosts besides the start's that links, redirects and sitemaps may lead to, for example ["docs.example.org"].
    pub hosts: Vec<String>,
    /// Takes the pages that a site's sitemaps list as well.
    pub sitemaps: bool,
    /// Where the owner of a site can reach you, an address of a page or a mail: sent along with every request.
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
