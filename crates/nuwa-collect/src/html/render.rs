//! The kept part of a page as text with its structure.

use super::article::Kept;
use super::tree::{Kind, Tree};

pub(super) fn render(tree: &Tree, kept: &Kept) -> String {
    let mut writer = Writer::default();
    for &root in &kept.roots {
        render_root(tree, root, &kept.left_out, &mut writer);
        writer.gap(2);
    }
    writer.out
}

fn render_root(tree: &Tree, root: usize, left_out: &[bool], writer: &mut Writer) {
    let mut open: Vec<usize> = Vec::new();
    let mut at = root;
    let end = tree.nodes[root].end;
    while at < end || !open.is_empty() {
        if let Some(&last) = open.last()
            && (at >= end || tree.nodes[last].end <= at)
        {
            writer.leave(tree.tag(last));
            open.pop();
            continue;
        }
        if left_out[at] {
            at = tree.nodes[at].end;
            continue;
        }
        match &tree.nodes[at].kind {
            Kind::Text(text) => writer.text(text),
            Kind::Element(element) => {
                writer.enter(element.tag, || is_data_table(tree, at));
                open.push(at);
            }
        }
        at += 1;
    }
}

/// A table of figures rather than of layout: rows of several cells, and no blocks in them.
fn is_data_table(tree: &Tree, at: usize) -> bool {
    let below = at + 1..tree.nodes[at].end;
    let cells = below.clone().filter(|&node| matches!(tree.tag(node), "td" | "th")).count();
    let rows = below.clone().filter(|&node| tree.tag(node) == "tr").count();
    let blocks =
        |node: usize| matches!(tree.tag(node), "table" | "h1" | "h2" | "h3" | "pre" | "ul" | "ol" | "form");
    rows > 0 && cells >= 2 * rows && !below.clone().any(blocks)
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Line breaks owed before the next text.
    breaks: usize,
    blank: bool,
    /// What stands before the next text: a bullet, a heading's marks.
    prefix: String,
    /// For each open list its next number; 0 for bullets.
    lists: Vec<u32>,
    /// For each open table whether its rows are written as rows.
    tables: Vec<bool>,
    preformatted: usize,
    code: usize,
}

impl Writer {
    fn gap(&mut self, breaks: usize) {
        if self.in_row() {
            self.blank = true;
        } else {
            // Lists are written close together.
            self.breaks = self.breaks.max(if self.lists.is_empty() { breaks } else { breaks.min(1) });
        }
    }

    fn in_row(&self) -> bool {
        self.tables.last() == Some(&true)
    }

    fn enter(&mut self, tag: &str, is_data_table: impl FnOnce() -> bool) {
        match tag {
            "br" => self.gap(1),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.gap(2);
                let level = usize::from(tag.as_bytes()[1] - b'0');
                self.prefix = format!("{} ", "#".repeat(level));
            }
            "pre" => {
                self.gap(2);
                if self.preformatted == 0 {
                    self.push("```");
                    self.breaks = 1;
                }
                self.preformatted += 1;
            }
            "code" if self.preformatted == 0 => {
                self.code += 1;
                if self.code == 1 {
                    self.prefix.push('`');
                }
            }
            "ul" | "ol" => {
                self.gap(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push(u32::from(tag == "ol"));
            }
            "li" => self.item(),
            "table" => {
                self.gap(2);
                self.tables.push(is_data_table());
            }
            "tr" => {
                self.breaks = self.breaks.max(1);
                if self.in_row() {
                    self.prefix = "| ".into();
                }
            }
            _ => self.gap(gap_of(tag)),
        }
    }

    fn leave(&mut self, tag: &str) {
        match tag {
            "pre" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                if self.preformatted == 0 {
                    self.breaks = self.breaks.max(1);
                    self.push("```");
                }
                self.gap(2);
            }
            "code" if self.preformatted == 0 => {
                self.code = self.code.saturating_sub(1);
                match self.prefix.strip_suffix('`') {
                    Some(without) => self.prefix.truncate(without.len()),
                    None if self.code == 0 => self.out.push('`'),
                    None => {}
                }
            }
            "ul" | "ol" => {
                self.lists.pop();
                self.gap(if self.lists.is_empty() { 2 } else { 1 });
            }
            "table" => {
                self.tables.pop();
                self.gap(2);
            }
            "td" | "th" if self.in_row() => {
                self.blank = false;
                let bar = if self.prefix.is_empty() { " |" } else { " " };
                self.push_at_once(bar);
                self.blank = true;
            }
            "li" => self.gap(1),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.prefix.clear();
                self.gap(2);
            }
            _ => self.gap(gap_of(tag)),
        }
    }

    /// An item's paragraphs follow the bullet at once.
    fn item(&mut self) {
        self.gap(1);
        let depth = self.lists.len().saturating_sub(1);
        let bullet = match self.lists.last_mut() {
            Some(number) if *number > 0 => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            _ => "- ".into(),
        };
        self.prefix = "  ".repeat(depth) + &bullet;
    }

    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            return self.push(text);
        }
        let mut words = text.split_whitespace().peekable();
        if words.peek().is_none() {
            self.blank |= !text.is_empty();
            return;
        }
        self.blank |= text.starts_with(char::is_whitespace);
        for word in words {
            self.push(word);
            self.blank = true;
        }
        self.blank = text.ends_with(char::is_whitespace);
    }

    fn push(&mut self, text: &str) {
        if !self.out.is_empty() && self.breaks > 0 {
            let has = self.out.len() - self.out.trim_end_matches('\n').len();
            self.out.extend(std::iter::repeat_n('\n', self.breaks.saturating_sub(has)));
        } else if self.blank
            && !self.out.is_empty()
            && !self.out.ends_with(['\n', ' '])
            && self.preformatted == 0
        {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.blank = false;
        self.push_at_once(text);
    }

    fn push_at_once(&mut self, text: &str) {
        let prefix = std::mem::take(&mut self.prefix);
        self.out.push_str(&prefix);
        self.out.push_str(text);
    }
}

/// Line breaks around an element.
fn gap_of(tag: &str) -> usize {
    match tag {
        "p" | "blockquote" | "article" | "section" | "main" | "figure" | "hr" | "dl" | "details"
        | "header" | "fieldset" => 2,
        "div" | "dt" | "dd" | "figcaption" | "caption" | "address" | "center" | "form" | "summary"
        | "body" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    fn check(page: &str, expected: &str) {
        assert_eq!(crate::html::visible_text(page).text, expected);
    }

    #[test]
    fn structure_becomes_text() {
        check("<h1>One</h1><p>a <b>bold</b>\n word</p><p>b<br>c", "# One\n\na bold word\n\nb\nc");
        check("<ul><li>a<li><p>b</p><ol><li>c</ol></ul>d", "- a\n- b\n  1. c\n\nd");
        check(
            "<p>use <code>x &lt; y</code>:<pre><code>fn a() {\n    b\n}\n</code></pre>",
            "use `x < y`:\n\n```\nfn a() {\n    b\n}\n```",
        );
        check("<table><tr><th>a<th>b<tr><td><p>1</p><td>2 3</table>", "| a | b |\n| 1 | 2 3 |");
        check("<table><tr><td>layout<td><ul><li>x</ul></table>", "layout\n\n- x");
    }
}
