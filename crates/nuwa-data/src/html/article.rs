//! Which part of a page is the article.
//!
//! In the manner of Readability (Arc90 2009, Mozilla's reader view): paragraphs give points to what holds them,
//! names of classes speak for or against, links count against. What a page says of itself (`<main>`,
//! `<article>`, `itemprop="articleBody"`) goes first.

use super::tree::{Kind, Tree};

/// The nodes to render: roots in document order, and what is left out below them.
#[derive(Debug)]
pub(super) struct Kept {
    pub roots: Vec<usize>,
    pub left_out: Vec<bool>,
}

/// Fewer characters than this are no article where the page has more to offer.
const SHORT_ARTICLE: u32 = 250;

pub(super) fn select(tree: &Tree) -> Kept {
    let mut best: Option<(Kept, u32)> = None;
    for strict in [true, false] {
        let page = Page::new(tree, leave_out(tree, strict));
        let kept = page.article();
        let length = page.characters_of(&kept);
        let better = best.as_ref().is_none_or(|(_, shorter)| length > 2 * shorter);
        if better {
            best = Some((kept, length));
        }
        if best.as_ref().is_some_and(|(_, length)| *length >= SHORT_ARTICLE) {
            break;
        }
    }
    let (kept, length) = best.expect("the first round always finds something");
    if length == 0 { visible(tree) } else { kept }
}

/// Everything that is not hidden.
pub(super) fn visible(tree: &Tree) -> Kept {
    let left_out = inherit(tree, |at| tree.element(at).is_some_and(|e| e.hidden || never_shown(e.tag)));
    Kept { roots: vec![0], left_out }
}

pub(super) fn title(tree: &Tree) -> Option<String> {
    let at = (0..tree.nodes.len()).find(|&at| tree.tag(at) == "title")?;
    match &tree.nodes.get(at + 1)?.kind {
        Kind::Text(text) => {
            let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
            (!title.is_empty()).then_some(title)
        }
        Kind::Element(_) => None,
    }
}

fn never_shown(tag: &str) -> bool {
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
fn inherit(tree: &Tree, leave_out: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut left_out = vec![false; tree.nodes.len()];
    for at in 1..tree.nodes.len() {
        left_out[at] = left_out[tree.nodes[at].parent] || leave_out(at);
    }
    left_out
}

/// Parts of class names and ids that stand for what is around an article.
const AROUND: [&str; 46] = [
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
const ARTICLE: [&str; 7] = ["article", "body", "content", "main", "story", "entry", "post-text"];

fn has_any(names: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| names.contains(part))
}

fn leave_out(tree: &Tree, strict: bool) -> Vec<bool> {
    let in_article = inherit(tree, |at| matches!(tree.tag(at), "article" | "main"));
    inherit(tree, |at| {
        let Some(element) = tree.element(at) else { return false };
        let by_tag = match element.tag {
            "nav" | "aside" | "button" | "select" | "option" | "input" | "textarea" | "dialog" | "menu"
            | "footer" | "label" => true,
            "header" => !in_article[at],
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

fn is_around(tag: &str, names: &str) -> bool {
    !matches!(tag, "body" | "html" | "main" | "article" | "a" | "code" | "pre")
        && has_any(names, &AROUND)
        && !has_any(names, &ARTICLE)
}

/// What is counted of a node and everything below it.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    characters: u32,
    link_characters: u32,
    commas: u32,
    paragraphs: u32,
}

struct Page<'t> {
    tree: &'t Tree<'t>,
    left_out: Vec<bool>,
    counts: Vec<Count>,
}

impl<'t> Page<'t> {
    fn new(tree: &'t Tree<'t>, left_out: Vec<bool>) -> Self {
        let mut counts = vec![Count::default(); tree.nodes.len()];
        let mut in_link = vec![false; tree.nodes.len()];
        for at in 1..tree.nodes.len() {
            in_link[at] = in_link[tree.nodes[at].parent] || tree.tag(at) == "a";
            if let (Kind::Text(text), false) = (&tree.nodes[at].kind, left_out[at]) {
                counts[at] = count_text(text, in_link[at]);
            }
        }
        // A node comes after its parent, so one walk backwards adds everything up.
        for at in (1..tree.nodes.len()).rev() {
            counts[at].paragraphs += u32::from(tree.tag(at) == "p" && counts[at].characters > 0);
            let own = counts[at];
            let parent = &mut counts[tree.nodes[at].parent];
            parent.characters += own.characters;
            parent.link_characters += own.link_characters;
            parent.commas += own.commas;
            parent.paragraphs += own.paragraphs;
        }
        Self { tree, left_out, counts }
    }

    fn link_density(&self, at: usize) -> f32 {
        self.counts[at].link_characters as f32 / self.counts[at].characters.max(1) as f32
    }

    fn characters_of(&self, kept: &Kept) -> u32 {
        let shown = |root: usize| {
            (root..self.tree.nodes[root].end)
                .filter(|&at| !kept.left_out[at] && matches!(self.tree.nodes[at].kind, Kind::Text(_)))
                .map(|at| self.counts[at].characters)
                .sum::<u32>()
        };
        kept.roots.iter().map(|&root| shown(root)).sum()
    }

    fn article(&self) -> Kept {
        let scope = self.scope();
        let scores = self.scores(scope);
        let top = (scope..self.tree.nodes[scope].end)
            .filter(|&at| scores[at] > 0.0)
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)))
            .unwrap_or(scope);
        let top = self.widen(top, scope, &scores);
        let roots = self.with_siblings(top, scope, &scores);
        let mut left_out = self.left_out.clone();
        for &root in &roots {
            self.leave_out_link_lists(root, &mut left_out);
        }
        Kept { roots, left_out }
    }

    /// The part of the page that says of itself that it holds the article, or the whole page.
    fn scope(&self) -> usize {
        let own_text = |at: usize| self.counts[at].characters - self.counts[at].link_characters;
        let whole = own_text(0);
        let largest = |is: &dyn Fn(usize) -> bool| {
            let found = (1..self.tree.nodes.len()).filter(|&at| !self.left_out[at] && is(at));
            found.max_by_key(|&at| (own_text(at), std::cmp::Reverse(at)))
        };
        let body = largest(&|at| self.tree.element(at).is_some_and(|element| element.is_article_body));
        let article = largest(&|at| self.tree.tag(at) == "article");
        let main = largest(&|at| self.tree.element(at).is_some_and(|e| e.tag == "main" || e.role == "main"));
        let worth = |at: &usize, share: u32| own_text(*at) >= SHORT_ARTICLE && own_text(*at) * share >= whole;
        body.filter(|at| worth(at, 5))
            .or_else(|| article.filter(|at| worth(at, 2)))
            .or_else(|| main.filter(|at| worth(at, 3)))
            .unwrap_or(0)
    }

    /// Points of everything in the scope, links counted against it.
    fn scores(&self, scope: usize) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.tree.nodes.len()];
        for at in scope..self.tree.nodes[scope].end {
            if self.left_out[at] || !self.is_paragraph(at) {
                continue;
            }
            let Count { characters, commas, .. } = self.counts[at];
            if characters < 25 {
                continue;
            }
            let points = 1.0 + commas as f32 + (characters as f32 / 100.0).min(3.0);
            let mut holder = at;
            for divider in [1.0, 2.0, 6.0] {
                if holder == scope {
                    break;
                }
                holder = self.tree.nodes[holder].parent;
                scores[holder] += points / divider;
            }
        }
        for (at, score) in scores.iter_mut().enumerate().filter(|(_, score)| **score > 0.0) {
            *score = (*score + self.name_points(at)) * (1.0 - self.link_density(at));
        }
        scores
    }

    /// An element that holds text of its own rather than other blocks.
    fn is_paragraph(&self, at: usize) -> bool {
        match self.tree.tag(at) {
            "p" | "pre" | "blockquote" | "td" | "li" | "dd" => true,
            "div" | "section" | "center" | "article" | "main" => self.has_text_of_its_own(at),
            _ => false,
        }
    }

    fn has_text_of_its_own(&self, at: usize) -> bool {
        let children = (at + 1..self.tree.nodes[at].end).filter(|&below| self.tree.nodes[below].parent == at);
        let own = children.filter(|&below| matches!(self.tree.nodes[below].kind, Kind::Text(_)));
        own.map(|below| self.counts[below].characters).sum::<u32>() >= 80
    }

    fn name_points(&self, at: usize) -> f32 {
        let Some(element) = self.tree.element(at) else { return 0.0 };
        let by_tag = match element.tag {
            "article" | "main" => 10.0,
            "div" | "section" => 5.0,
            "ul" | "ol" | "form" | "li" => -3.0,
            _ => 0.0,
        };
        let against = if has_any(&element.names, &AROUND) { -25.0 } else { 0.0 };
        let for_it = if has_any(&element.names, &ARTICLE) { 25.0 } else { 0.0 };
        by_tag + against + for_it
    }

    /// Upwards as long as what is around adds text rather than links: an article in several sections.
    fn widen(&self, top: usize, scope: usize, scores: &[f32]) -> usize {
        let mut widest = top;
        let mut at = top;
        while at != scope {
            at = self.tree.nodes[at].parent;
            let added = Count {
                characters: self.counts[at].characters - self.counts[widest].characters,
                link_characters: self.counts[at].link_characters - self.counts[widest].link_characters,
                ..Default::default()
            };
            let own = added.characters - added.link_characters.min(added.characters);
            let mostly_text = added.link_characters * 4 <= added.characters;
            let of_weight = scores[at] >= scores[widest] * 0.33 || (scope != 0 && at == scope);
            if mostly_text && of_weight && own * 10 >= self.counts[widest].characters {
                widest = at;
            }
        }
        widest
    }

    /// The top element, with those beside it that look like more of the same.
    fn with_siblings(&self, top: usize, scope: usize, scores: &[f32]) -> Vec<usize> {
        if top == scope {
            return vec![top];
        }
        let parent = self.tree.nodes[top].parent;
        let threshold = (scores[top] * 0.2).max(10.0);
        let belongs = |at: usize| {
            let Count { characters, .. } = self.counts[at];
            let density = self.link_density(at);
            let long_text = self.tree.tag(at) == "p" && characters > 80 && density < 0.25;
            let short_text = self.tree.tag(at) == "p" && characters > 0 && density == 0.0;
            let heading = matches!(self.tree.tag(at), "h1" | "h2" | "h3") && density < 0.3;
            at == top || scores[at] >= threshold || long_text || short_text || heading
        };
        let siblings =
            (parent + 1..self.tree.nodes[parent].end).filter(|&at| self.tree.nodes[at].parent == parent);
        siblings.filter(|&at| !self.left_out[at] && belongs(at)).collect()
    }

    /// Lists and boxes below a root that hold little but links.
    fn leave_out_link_lists(&self, root: usize, left_out: &mut [bool]) {
        for at in root + 1..self.tree.nodes[root].end {
            left_out[at] |= left_out[self.tree.nodes[at].parent] || self.is_link_list(at);
        }
    }

    fn is_link_list(&self, at: usize) -> bool {
        let Count { characters, commas, paragraphs, .. } = self.counts[at];
        let density = self.link_density(at);
        match self.tree.tag(at) {
            "ul" | "ol" | "dl" | "table" => characters > 0 && density > 0.6 && commas < 10,
            "div" | "section" | "form" | "fieldset" => {
                characters > 0 && density > 0.5 && commas < 10 && paragraphs < 4
            }
            "p" => characters > 0 && characters < 200 && density > 0.9,
            _ => false,
        }
    }
}

fn count_text(text: &str, in_link: bool) -> Count {
    let mut count = Count::default();
    for character in text.chars() {
        count.characters += u32::from(!character.is_whitespace());
        count.commas += u32::from(matches!(character, ',' | '，' | '、' | '،'));
    }
    count.link_characters = if in_link { count.characters } else { 0 };
    count
}
