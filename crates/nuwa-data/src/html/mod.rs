//! HTML to text: a parser that never fails, the article without its page, text with the article's structure.
//!
//! The tree is a flat list in document order, and every walk over it is a loop, so a page nested 100,000 deep costs
//! no more than a flat one of its length. It is a reader's parser, not a browser's: misnested markup ends up
//! in a sensible place, not in the exact place that the HTML standard gives it.

mod article;
mod entities;
mod render;
mod tree;

pub use entities::unescape;

use tree::Tree;

/// What a page is about, without the page around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// The page's `<title>`, where it has one.
    pub title: Option<String>,
    /// The text: headings with `#`, list items with `-` or numbers, table rows with `|`, code in fences.
    pub text: String,
}

/// The article of a page: navigation, sidebars, footers, comments and what is hidden are left out.
///
/// Where no part of the page stands out as the article, it is the whole of the page's visible text.
pub fn article(page: &str) -> Article {
    let tree = Tree::parse(page);
    let kept = article::select(&tree);
    let text = render::render(&tree, &kept);
    Article { title: article::title(&tree), text }
}

/// All of a page's visible text, navigation and all.
pub fn visible_text(page: &str) -> Article {
    let tree = Tree::parse(page);
    let kept = article::visible(&tree);
    Article { title: article::title(&tree), text: render::render(&tree, &kept) }
}
