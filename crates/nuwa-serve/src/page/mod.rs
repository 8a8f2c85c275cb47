//! The page at `/`: one document with its script and its style beside it, and no foreign host.

/// The document; it names `/page.css` and `/page.js`.
pub const DOCUMENT: &str = include_str!("index.html");
/// Its script.
pub const SCRIPT: &str = include_str!("page.js");
/// Its style.
pub const STYLE: &str = include_str!("page.css");
