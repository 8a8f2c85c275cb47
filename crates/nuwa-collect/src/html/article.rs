//! Which part of a page is the article.
//!
//! In the manner of Readability (Arc90 2009, Mozilla's reader view): paragraphs give points to what holds them,
//! names of classes speak for or against, links count against. What a page says of itself (`<main>`,
//! `<article>`, `itemprop="articleBody"`) goes first.

use super::around::{AROUND, ARTICLE, has_any, inherit, leave_out, never_shown};
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
        let top = self.section_of(top, scope);
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

    /// The holder of `top` that stands beside others of its kind with text: an article in several containers.
    fn section_of(&self, top: usize, scope: usize) -> usize {
        let (mut section, mut most) = (top, self.counts[top].characters / 5);
        let mut at = top;
        while at != scope {
            let parent = self.tree.nodes[at].parent;
            let beside = self.children(parent).filter(|&other| other != at && self.is_section(other, at));
            let text = beside.map(|other| self.counts[other].characters).sum::<u32>();
            if text > most {
                (section, most) = (at, text);
            }
            at = parent;
        }
        section
    }

    fn is_section(&self, at: usize, like: usize) -> bool {
        let long = self.counts[at].characters > 80 && self.counts[at].commas > 0;
        !self.left_out[at] && long && self.link_density(at) < 0.25 && self.same_kind(at, like)
    }

    fn same_kind(&self, one: usize, other: usize) -> bool {
        let kind = |at: usize| self.tree.element(at).map(|element| (element.tag, element.kind_of_names()));
        matches!(self.tree.tag(one), "div" | "section" | "article") && kind(one) == kind(other)
    }

    fn children(&self, parent: usize) -> impl Iterator<Item = usize> {
        let first = (parent + 1 < self.tree.nodes[parent].end).then_some(parent + 1);
        let end = self.tree.nodes[parent].end;
        std::iter::successors(first, move |&at| Some(self.tree.nodes[at].end).filter(|&next| next < end))
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
            let section = characters > 80 && density < 0.25 && self.same_kind(at, top);
            let long_text = self.tree.tag(at) == "p" && characters > 80 && density < 0.25;
            let short_text = self.tree.tag(at) == "p" && characters > 0 && density == 0.0;
            let heading = matches!(self.tree.tag(at), "h1" | "h2" | "h3") && density < 0.3;
            at == top || section || scores[at] >= threshold || long_text || short_text || heading
        };
        let siblings =
            (parent + 1..self.tree.nodes[parent].end).filter(|&at| self.tree.nodes[at].parent == parent);
        siblings.filter(|&at| !self.left_out[at] && belongs(at)).collect()
    }

    /// Lists and boxes below a root that hold little but links.
    fn leave_out_link_lists(&self, root: usize, left_out: &mut [bool]) {
        // The last child with text so far, of each node: a list may be one of very many beside each other.
        let mut last = vec![root; self.tree.nodes.len()];
        for at in root + 1..self.tree.nodes[root].end {
            let parent = self.tree.nodes[at].parent;
            let is_more = |at| self.is_link_list(at) && !self.is_announced_by(at, last[parent]);
            left_out[at] |= left_out[parent] || is_more(at);
            if self.counts[at].characters > 0 {
                last[parent] = at;
            }
        }
    }

    /// Whether `at` is a list and `before` a heading, other than one of further pages.
    fn is_announced_by(&self, at: usize, before: usize) -> bool {
        matches!(self.tree.tag(at), "ul" | "ol" | "dl")
            && matches!(self.tree.tag(before), "h2" | "h3" | "h4" | "h5" | "h6")
            && !is_about_further_pages(&self.text_of(before))
    }

    fn text_of(&self, at: usize) -> String {
        let texts = self.tree.nodes[at..self.tree.nodes[at].end].iter();
        texts
            .filter_map(|node| if let Kind::Text(text) = &node.kind { Some(&**text) } else { None })
            .collect()
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

fn is_about_further_pages(heading: &str) -> bool {
    const WORDS: [&str; 16] = [
        "related",
        "more",
        "also",
        "read",
        "recommend",
        "popular",
        "latest",
        "trending",
        "share",
        "follow",
        "tags",
        "topics",
        "相关",
        "推荐",
        "热门",
        "更多",
    ];
    has_any(&heading.to_lowercase(), &WORDS)
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
