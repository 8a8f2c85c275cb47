//! A forgiving parser: bytes of a page to a flat list of elements and texts.

use std::borrow::Cow;

use super::entities::unescape;

/// An element or a text, in document order: the nodes below node `i` are those from `i + 1` to `nodes[i].end`.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub kind: Kind<'a>,
    pub parent: usize,
    pub end: usize,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Text(Cow<'a, str>),
    Element(Element),
}

/// What is kept of an element.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub tag: &'static str,
    /// Class and id in lower case, with a blank before and after each.
    pub names: String,
    pub role: String,
    pub hidden: bool,
    pub is_article_body: bool,
    /// A script of the kind `application/ld+json`, whose content is kept.
    pub is_linked_data: bool,
}

impl Element {
    /// The names without their numbers: sections are often numbered.
    pub fn kind_of_names(&self) -> String {
        self.names.chars().filter(|character| !character.is_ascii_digit()).collect()
    }
}

#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub nodes: Vec<Node<'a>>,
}

/// The elements that make a difference; all others are treated alike.
const TAGS: [&str; 88] = [
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "audio",
    "b",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "dd",
    "del",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "kbd",
    "label",
    "li",
    "link",
    "main",
    "map",
    "menu",
    "meta",
    "nav",
    "noscript",
    "object",
    "ol",
    "option",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "script",
    "section",
    "select",
    "small",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "u",
    "ul",
];

fn known_tag(name: &str) -> &'static str {
    let mut lower = [0_u8; 12];
    let Some(lower) = lower.get_mut(..name.len()) else { return "other" };
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    match TAGS.binary_search_by(|tag| tag.as_bytes().cmp(lower)) {
        Ok(at) => TAGS[at],
        Err(_) => "other",
    }
}

fn is_void(tag: &str) -> bool {
    matches!(tag, "br" | "hr" | "img" | "input" | "link" | "meta" | "col" | "embed")
}

/// Elements whose content is no markup.
fn is_raw(tag: &str) -> bool {
    matches!(tag, "script" | "style" | "textarea" | "title" | "iframe")
}

fn is_inline(tag: &str) -> bool {
    matches!(
        tag,
        "a" | "abbr"
            | "b"
            | "cite"
            | "code"
            | "del"
            | "em"
            | "font"
            | "i"
            | "kbd"
            | "label"
            | "q"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "u"
    )
}

/// Elements that end an open paragraph.
fn ends_paragraph(tag: &str) -> bool {
    matches!(
        tag,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "center"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "fieldset"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hr"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "table"
            | "ul"
    )
}

/// The elements that the start of `tag` ends, and those beyond which it does not look for them.
fn implied_ends(tag: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match tag {
        "li" => (&["li"], &["ul", "ol", "menu"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl"]),
        "td" | "th" => (&["td", "th"], &["tr", "table"]),
        "tr" => (&["tr"], &["table", "tbody", "thead", "tfoot"]),
        "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
        "option" => (&["option"], &["select"]),
        "a" => (&["a"], &["td", "th", "table"]),
        "body" => (&["head"], &[]),
        _ if ends_paragraph(tag) => (&["p"], &["td", "th", "li", "button", "blockquote", "div", "section"]),
        _ => (&[], &[]),
    }
}

/// Elements open at a time; what is nested deeper is put beside rather than below.
const DEEPEST: usize = 300;
/// Elements and texts of a page. A page of a million words has fewer; what stands behind them is not read.
const MOST_NODES: usize = 1 << 21;

impl<'a> Tree<'a> {
    pub fn parse(page: &'a str) -> Self {
        let root =
            Node { kind: Kind::Element(Element { tag: "root", ..Default::default() }), parent: 0, end: 1 };
        let mut parser = Parser { page, at: 0, tree: Tree { nodes: vec![root] }, open: vec![0] };
        parser.run();
        parser.tree
    }

    pub fn element(&self, at: usize) -> Option<&Element> {
        match &self.nodes[at].kind {
            Kind::Element(element) => Some(element),
            Kind::Text(_) => None,
        }
    }

    /// The element's tag; empty for text.
    pub fn tag(&self, at: usize) -> &'static str {
        self.element(at).map_or("", |element| element.tag)
    }
}

struct Parser<'a> {
    page: &'a str,
    at: usize,
    tree: Tree<'a>,
    open: Vec<usize>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) {
        while self.at < self.page.len() && self.tree.nodes.len() < MOST_NODES {
            let rest = &self.page[self.at..];
            let text_end = markup_start(rest).unwrap_or(rest.len());
            self.text(&rest[..text_end]);
            self.at += text_end;
            if text_end < rest.len() {
                self.markup(&rest[text_end..]);
            }
        }
        for at in (1..self.tree.nodes.len()).rev() {
            let Node { parent, end, .. } = self.tree.nodes[at];
            self.tree.nodes[parent].end = self.tree.nodes[parent].end.max(end);
        }
    }

    fn text(&mut self, text: &'a str) {
        if !text.is_empty() {
            self.push(Kind::Text(unescape(text)));
        }
    }

    fn push(&mut self, kind: Kind<'a>) -> usize {
        let at = self.tree.nodes.len();
        let parent = *self.open.last().expect("the root is open until the end");
        self.tree.nodes.push(Node { kind, parent, end: at + 1 });
        at
    }

    /// Reads a tag, comment or declaration, which begins here.
    fn markup(&mut self, rest: &'a str) {
        let bytes = rest.as_bytes();
        let skip_to = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
        match bytes.get(1) {
            Some(b'!') if rest.starts_with("<!--") => {
                self.at += rest[4..].find("-->").map_or(rest.len(), |at| at + 7);
            }
            Some(b'!' | b'?') => self.at += skip_to(">"),
            Some(b'/') => {
                self.at += skip_to(">");
                self.end_tag(known_tag(tag_name(&rest[2..])));
            }
            _ => self.start_tag(rest),
        }
    }

    fn start_tag(&mut self, rest: &'a str) {
        let name = tag_name(&rest[1..]);
        let tag = known_tag(name);
        let (element, length, self_closing) = attributes(&rest[1 + name.len()..], tag);
        self.at += 1 + name.len() + length;
        let (ends, barriers) = implied_ends(tag);
        self.close_implied(ends, barriers);
        let node = self.push(Kind::Element(element));
        if is_raw(tag) {
            self.raw_content(node, name);
            return;
        }
        let has_content = !is_void(tag) && (tag != "other" || !self_closing);
        if has_content && self.open.len() < DEEPEST {
            self.open.push(node);
        }
    }

    /// Everything up to the end tag is text; only that of a title and of linked data is kept.
    fn raw_content(&mut self, node: usize, name: &str) {
        let rest = &self.page[self.at..];
        let end = find_end_tag(rest, name);
        let is_linked_data = self.tree.element(node).is_some_and(|element| element.is_linked_data);
        if self.tree.tag(node) == "title" {
            self.open.push(node);
            self.text(&rest[..end]);
            self.open.pop();
        } else if is_linked_data {
            self.open.push(node);
            self.push(Kind::Text(Cow::Borrowed(&rest[..end])));
            self.open.pop();
        }
        self.at += end;
        let after = &self.page[self.at..];
        self.at += after.find('>').map_or(after.len(), |at| at + 1);
    }

    fn close_implied(&mut self, ends: &[&str], barriers: &[&str]) {
        if ends.is_empty() {
            return;
        }
        for position in (1..self.open.len()).rev() {
            let tag = self.tree.tag(self.open[position]);
            if ends.contains(&tag) {
                return self.close_to(position);
            }
            if barriers.contains(&tag) {
                return;
            }
        }
    }

    fn close_to(&mut self, position: usize) {
        self.open.truncate(position);
    }

    fn end_tag(&mut self, tag: &'static str) {
        let crosses_cells =
            matches!(tag, "table" | "tr" | "tbody" | "thead" | "tfoot" | "td" | "th" | "body" | "html");
        for position in (1..self.open.len()).rev() {
            let open = self.tree.tag(self.open[position]);
            if open == tag {
                let blocks_inside =
                    self.open[position + 1..].iter().any(|&node| !is_inline(self.tree.tag(node)));
                if is_inline(tag) && blocks_inside {
                    // `<a><div></a>`: the inline element ends, the blocks in it stay open.
                    self.open.remove(position);
                    return;
                }
                return self.close_to(position);
            }
            if matches!(open, "td" | "th" | "table") && !crosses_cells {
                return;
            }
        }
    }
}

/// The place of the first `<` that begins markup; others are text.
fn markup_start(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'<', bytes).find(|at| match bytes.get(at + 1) {
        Some(b'/') => bytes.get(at + 2).is_some_and(u8::is_ascii_alphabetic),
        Some(b'!' | b'?') => true,
        next => next.is_some_and(u8::is_ascii_alphabetic),
    })
}

fn tag_name(text: &str) -> &str {
    let end = text.bytes().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    &text[..end.unwrap_or(text.len())]
}

fn find_end_tag(text: &str, name: &str) -> usize {
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&text.as_bytes()[from..], b"</") {
        let start = from + at;
        let after = &text.as_bytes()[start + 2..];
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
            return start;
        }
        from = start + 2;
    }
    text.len()
}

/// Reads up to the `>`: what is kept of the attributes, how many bytes they take, whether a `/` stands at the end.
fn attributes(text: &str, tag: &'static str) -> (Element, usize, bool) {
    let bytes = text.as_bytes();
    let mut element = Element { tag, ..Default::default() };
    let mut at = 0;
    let mut slash = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'>' => return (element, at + 1, slash),
            b'/' => slash = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let (name, value, length) = attribute(&text[at..]);
                keep_attribute(&mut element, name, value);
                at += length;
                slash = false;
                continue;
            }
        }
        at += 1;
    }
    (element, text.len(), slash)
}

/// Name, value, and the bytes they take (at least one).
fn attribute(text: &str) -> (&str, &str, usize) {
    let bytes = text.as_bytes();
    let end_of_name = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'>' | b'/');
    // An attribute may begin with "=", which is then part of its name.
    let name_end = 1 + bytes[1..].iter().position(end_of_name).unwrap_or(bytes.len() - 1);
    let name_end = text.ceil_char_boundary(name_end);
    let name = &text[..name_end];
    let after = text[name_end..].trim_ascii_start();
    let Some(value) = after.strip_prefix('=') else { return (name, "", name_end) };
    let value = value.trim_ascii_start();
    let start = text.len() - value.len();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            let length = inner.find(quote).unwrap_or(inner.len());
            return (name, &inner[..length], (start + 1 + length + 1).min(text.len()));
        }
    }
    let length =
        value.bytes().position(|byte| byte.is_ascii_whitespace() || byte == b'>').unwrap_or(value.len());
    (name, &value[..length], start + length)
}

fn keep_attribute(element: &mut Element, name: &str, value: &str) {
    match name.to_ascii_lowercase().as_str() {
        "class" | "id" => {
            element.names.push(' ');
            element.names.push_str(&value.to_lowercase());
            element.names.push(' ');
        }
        "role" => element.role = value.to_ascii_lowercase(),
        "hidden" => element.hidden = value != "until-found",
        "aria-hidden" => element.hidden |= value == "true",
        "style" => {
            let compact: String = value.split_ascii_whitespace().collect();
            let compact = compact.to_ascii_lowercase();
            element.hidden |= compact.contains("display:none") || compact.contains("visibility:hidden");
        }
        "type" => {
            element.is_linked_data =
                element.tag == "script" && value.eq_ignore_ascii_case("application/ld+json")
        }
        "itemprop" => {
            element.is_article_body = value.split_ascii_whitespace().any(|word| word == "articleBody")
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(page: &str) -> String {
        let tree = Tree::parse(page);
        let mut out = String::new();
        let mut ends = Vec::new();
        for (at, node) in tree.nodes.iter().enumerate().skip(1) {
            while ends.last().is_some_and(|&end| end <= at) {
                ends.pop();
                out.push(')');
            }
            match &node.kind {
                Kind::Text(text) => out.push_str(text),
                Kind::Element(element) => {
                    out.push_str(element.tag);
                    out.push('(');
                    ends.push(node.end);
                }
            }
        }
        out + &")".repeat(ends.len())
    }

    #[test]
    fn tags_are_sorted_for_the_search() {
        assert!(TAGS.is_sorted());
    }

    #[test]
    fn implied_ends_and_misnesting() {
        assert_eq!(outline("<ul><li>a<li>b</ul><p>c<p>d"), "ul(li(a)li(b))p(c)p(d)");
        assert_eq!(outline("<a><div>x</a>y</div>z"), "a(div(xy))z");
        assert_eq!(outline("<table><tr><td>1<td>2<tr><td>3</table>"), "table(tr(td(1)td(2))tr(td(3)))");
        assert_eq!(outline("1 < 2 <!-- no --> <b>x</i></b>"), "1 < 2  b(x)");
        assert_eq!(outline("<script>if (a<b) '</p>'</script>t<br/>u"), "script()tbr()u");
    }

    #[test]
    fn memory_grows_with_the_markup_and_not_with_its_marks() {
        for page in ["<", "<<a", "</", "< ", "a<1"] {
            let nodes = |times: usize| Tree::parse(&page.repeat(times)).nodes.len();
            assert!(nodes(2000) <= 2 * nodes(1000), "{page}");
        }
        assert_eq!(Tree::parse(&"<".repeat(1 << 20)).nodes.len(), 2);
        assert!(Tree::parse(&"<b>".repeat(MOST_NODES + 9)).nodes.len() <= MOST_NODES + 1);
    }

    #[test]
    fn deep_and_broken_pages_end() {
        let deep = "<div>".repeat(100_000) + "x";
        assert_eq!(Tree::parse(&deep).nodes.len(), 100_002);
        for page in ["<", "<a", "<a href='", "</", "<!--", "<p =é>", "<script>", "<a\u{a0}é=1>x", "<!-->x"]
        {
            Tree::parse(page);
        }
    }
}
