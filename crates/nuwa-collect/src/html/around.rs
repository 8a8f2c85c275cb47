//! What is around an article: what is never shown, what a tag, a role or the name of a class says of itself.

use super::tree::Tree;

pub(super) fn never_shown(tag: &str) -> bool {
    matches!(
        tag,
        "head"
            | "script"
            | "style"
            | "template"
            | "iframe"
            | "svg"
            | "canvas"
            | "object"
            | "embed"
            | "audio"
            | "map"
            | "noscript"
            | "title"
            | "link"
            | "meta"
    )
}

/// A node is left out with everything below it.
pub(super) fn inherit(tree: &Tree, leave_out: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut left_out = vec![false; tree.nodes.len()];
    for at in 1..tree.nodes.len() {
        left_out[at] = left_out[tree.nodes[at].parent] || leave_out(at);
    }
    left_out
}

/// Parts of class names and ids that stand for what is around an article.
pub(super) const AROUND: [&str; 46] = [
    "comment",
    "sidebar",
    "side-bar",
    "share",
    "sharing",
    "social",
    "related",
    "promo",
    "advert",
    "-ad-",
    " ad ",
    " ads ",
    "newsletter",
    "subscribe",
    "cookie",
    "gdpr",
    "consent",
    "breadcrumb",
    "pagination",
    "pager",
    "footer",
    "navbar",
    "navigation",
    " nav",
    "menu",
    "modal",
    "popup",
    "recommend",
    "disqus",
    "masthead",
    "banner",
    "sponsor",
    "toolbar",
    "widget",
    "outbrain",
    "taboola",
    "skip-link",
    "screen-reader",
    "sr-only",
    "visually-hidden",
    "paywall",
    "byline",
    "trending",
    "most-read",
    "read-more",
    "print-only",
];

/// Parts of names that speak for an article, also where one of the above is there too.
pub(super) const ARTICLE: [&str; 7] = ["article", "body", "content", "main", "story", "entry", "post-text"];

pub(super) fn has_any(names: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| names.contains(part))
}

pub(super) fn leave_out(tree: &Tree, strict: bool) -> Vec<bool> {
    let in_article = inherit(tree, |at| matches!(tree.tag(at), "article" | "main"));
    inherit(tree, |at| {
        let Some(element) = tree.element(at) else { return false };
        let by_tag = match element.tag {
            "nav" | "aside" | "button" | "select" | "option" | "input" | "textarea" | "dialog" | "menu"
            | "footer" | "label" => true,
            "header" => !in_article[at],
            "figcaption" => is_caption_of_picture(tree, at),
            tag => never_shown(tag),
        };
        let by_role = matches!(
            element.role.as_str(),
            "navigation"
                | "complementary"
                | "banner"
                | "contentinfo"
                | "dialog"
                | "alertdialog"
                | "alert"
                | "menu"
                | "menubar"
                | "search"
                | "tooltip"
        );
        by_tag || by_role || element.hidden || (strict && is_around(element.tag, &element.names))
    })
}

/// A line below a picture that the text does not have; longer captions and those of tables and code are text.
fn is_caption_of_picture(tree: &Tree, at: usize) -> bool {
    let figure = tree.nodes[at].parent;
    let below = |node: usize, tags: &[&str]| {
        (node + 1..tree.nodes[node].end).any(|inside| tags.contains(&tree.tag(inside)))
    };
    !below(at, &["p", "ul", "ol", "pre", "h2", "h3"]) && !below(figure, &["pre", "table", "blockquote"])
}

fn is_around(tag: &str, names: &str) -> bool {
    !matches!(tag, "body" | "html" | "main" | "article" | "a" | "code" | "pre")
        && has_any(names, &AROUND)
        && !has_any(names, &ARTICLE)
}
