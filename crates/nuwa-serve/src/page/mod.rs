//! The page at `/`: one document with its script and its style beside it, and no foreign host.

/// The document; it names `/page.css` and `/page.js`.
pub const DOCUMENT: &str = include_str!("index.html");

/// Its script: one file for the browser, several for who reads them.
pub const SCRIPT: &str = concat!(
    include_str!("strings.js"),
    include_str!("markdown.js"),
    include_str!("store.js"),
    include_str!("server.js"),
    include_str!("view.js"),
    include_str!("settings.js"),
    include_str!("page.js"),
);

/// Its style.
pub const STYLE: &str = include_str!("page.css");
