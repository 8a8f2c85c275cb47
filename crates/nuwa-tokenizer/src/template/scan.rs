//! A template before it is parsed: how deep it goes, and where it gives names to values.
//!
//! Tags are found as the engine finds them. A value that gets a name goes through the filter [`PLAIN`], what is kept in a
//! namespace through [`COPY`]: `{% set a = b + b %}` becomes `{% set a = (b + b)|__plain %}`.

/// The filter of whatever gets a name.
pub const PLAIN: &str = "__plain";
/// The filter of what is kept in a namespace, and the function of what one is made from.
pub const COPY: &str = "__copied";

/// Longer ones are no templates.
const LONGEST: usize = 1 << 20;
/// How many words and operators may stand one after the other, with all brackets around them.
const LONGEST_CHAIN: usize = 1000;
/// How many blocks may stand within each other; `elif` is a block within `else`.
const DEEPEST_BLOCK: usize = 100;

/// A template with the filters that keep it within its limits.
#[derive(Debug)]
pub struct Prepared {
    /// The template as it is run.
    pub text: String,
    source: String,
    /// Where something was put in, in bytes of the original, and what.
    insertions: Vec<(usize, String)>,
}

impl Prepared {
    /// The column in the original of a byte of the text, counted from 1.
    pub fn column(&self, place: usize) -> usize {
        let before = self.source.get(..self.original(place)).unwrap_or_default();
        before.chars().rev().take_while(|character| *character != '\n').count() + 1
    }

    fn original(&self, place: usize) -> usize {
        let mut shift = 0;
        for (at, text) in &self.insertions {
            if at + shift >= place {
                break;
            }
            shift += text.len().min(place - at - shift);
        }
        place - shift
    }
}

/// Scans a template.
///
/// # Errors
/// In words, with what is too long or too deep.
pub fn prepare(source: &str) -> Result<Prepared, String> {
    if source.len() > LONGEST {
        return Err(format!("it has {} bytes, a template has at most {LONGEST}", source.len()));
    }
    let mut scan = Scan { source, blocks: Vec::new(), insertions: Vec::new() };
    let mut at = 0;
    while let Some(next) = scan.step(at)? {
        at = next;
    }
    let mut insertions = scan.insertions;
    insertions.sort_by_key(|(at, _)| *at);
    Ok(Prepared { text: with(source, &insertions), source: source.into(), insertions })
}

/// Whether an expression without braces keeps within the limits of a template's.
///
/// # Errors
/// In words, with what is too long or too deep.
pub fn expression(source: &str) -> Result<(), String> {
    if source.len() > LONGEST {
        return Err(format!("it has {} bytes, an expression has at most {LONGEST}", source.len()));
    }
    check_chains(&tokens(source, 0, "\0").0, 0)
}

fn with(source: &str, insertions: &[(usize, String)]) -> String {
    let (mut text, mut done) = (String::with_capacity(source.len()), 0);
    for (at, insertion) in insertions {
        text += &source[done..*at];
        text += insertion;
        done = *at;
    }
    text + &source[done..]
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    is_name: bool,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

struct Scan<'a> {
    source: &'a str,
    /// The blocks that are open, by name.
    blocks: Vec<&'a str>,
    insertions: Vec<(usize, String)>,
}

impl<'a> Scan<'a> {
    /// Goes over the next tag; gives where to go on.
    fn step(&mut self, from: usize) -> Result<Option<usize>, String> {
        let source = self.source;
        let mark = |at: &usize| matches!(source.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
        let Some(start) = source[from..].match_indices('{').map(|(at, _)| from + at).find(mark) else {
            return Ok(None);
        };
        match source.as_bytes()[start + 1] {
            b'#' => Ok(source[start + 2..].find("#}").map(|end| start + 4 + end)),
            b'%' => match raw_end(source, start) {
                Some(end) => Ok(end),
                None => self.block(start + 2).map(Some),
            },
            _ => {
                let (tokens, after) = tokens(source, start + 2, "}}");
                check_chains(&tokens, self.blocks.len())?;
                self.namespaces(&tokens)?;
                Ok(Some(after))
            }
        }
    }

    fn block(&mut self, from: usize) -> Result<usize, String> {
        let source = self.source;
        let (tokens, after) = tokens(source, from, "%}");
        check_chains(&tokens, self.blocks.len())?;
        self.namespaces(&tokens)?;
        let Some((head, rest)) = tokens.split_first() else { return Ok(after) };
        self.count_block(head.text, rest)?;
        let trims = source[..after].ends_with("-%}");
        match head.text {
            "set" => self.set(rest),
            "for" => self.each(rest, after, trims),
            "with" => self.with(rest),
            "macro" | "call" => self.parameters(head.text, rest, after, trims),
            _ => {}
        }
        Ok(after)
    }

    fn count_block(&mut self, name: &'a str, rest: &[Token<'_>]) -> Result<(), String> {
        if let Some(ended) = name.strip_prefix("end") {
            while self.blocks.pop().is_some_and(|open| open != ended) {}
            return Ok(());
        }
        let opens = match name {
            "set" => top_level(rest).all(|(_, token)| token.text != "="),
            other => ["for", "if", "elif", "macro", "call", "filter", "with", "autoescape"].contains(&other),
        };
        if opens {
            self.blocks.push(name);
        }
        if self.blocks.len() > DEEPEST_BLOCK {
            return Err(format!("more than {DEEPEST_BLOCK} blocks stand within each other"));
        }
        Ok(())
    }

    fn wrap(&mut self, tokens: &[Token<'_>], filter: &str) {
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            self.insertions.push((first.start, "(".into()));
            self.insertions.push((last.end(), format!(")|{filter}")));
        }
    }

    /// `{% set a.b = value %}`, `{% set a | filter %}`.
    fn set(&mut self, rest: &[Token<'_>]) {
        let assign = top_level(rest).find(|(_, token)| token.text == "=").map(|(at, _)| at);
        let target = &rest[..assign.unwrap_or(rest.len())];
        let filter = if target.iter().any(|token| token.text == ".") { COPY } else { PLAIN };
        match (assign, target.last()) {
            (Some(at), _) => self.wrap(&rest[at + 1..], filter),
            (None, Some(last)) if target.iter().any(|token| token.text == "|") => {
                self.insertions.push((last.end(), format!("|{filter}")));
            }
            _ => {}
        }
    }

    /// `{% for a, b in list if condition recursive %}`.
    fn each(&mut self, rest: &[Token<'_>], after: usize, trims: bool) {
        let Some((begin, _)) = top_level(rest).find(|(_, token)| token.text == "in") else { return };
        let recursive = rest.last().is_some_and(|token| token.text == "recursive");
        let end = top_level(rest).find(|(at, token)| *at > begin && token.text == "if").map(|(at, _)| at);
        let end = end.unwrap_or(rest.len() - usize::from(recursive));
        self.wrap(&rest[(begin + 1).min(end)..end], PLAIN);
        if recursive {
            let names: Vec<&str> =
                rest[..begin].iter().filter(|token| token.is_name).map(|token| token.text).collect();
            self.rename(&names, after, trims);
        }
    }

    /// `{% with a = value, b = value %}`.
    fn with(&mut self, rest: &[Token<'_>]) {
        let mut begin = None;
        for (at, token) in top_level(rest) {
            match token.text {
                "=" => begin = Some(at + 1),
                "," => begin.take().into_iter().for_each(|begin| self.wrap(&rest[begin..at], PLAIN)),
                _ => {}
            }
        }
        begin.into_iter().for_each(|begin| self.wrap(&rest[begin..], PLAIN));
    }

    /// `{% macro name(a, b=value) %}`, `{% call(a) name() %}`.
    fn parameters(&mut self, kind: &str, rest: &[Token<'_>], after: usize, trims: bool) {
        let open = usize::from(kind == "macro");
        if rest.get(open).is_none_or(|token| token.text != "(") {
            return;
        }
        let (mut names, mut depth) = (Vec::new(), 0);
        for pair in rest[open..].windows(2) {
            depth += change(pair[0].text);
            if depth == 0 {
                break;
            }
            if depth == 1 && ["(", ","].contains(&pair[0].text) && pair[1].is_name {
                names.push(pair[1].text);
            }
        }
        self.rename(&names, after, trims);
    }

    /// Names that got their values elsewhere get them again after the tag that ends at `after`.
    fn rename(&mut self, names: &[&str], after: usize, trims: bool) {
        let end = if trims { "-%}" } else { "%}" };
        let sets = names.iter().map(|name| format!("{{% set {name} = {name}|{PLAIN} {end}"));
        self.insertions.push((after, sets.collect()));
    }

    /// `namespace(a=value)` gets copies.
    fn namespaces(&mut self, tokens: &[Token<'_>]) -> Result<(), String> {
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "namespace") {
            let is_attribute = at > 0 && tokens[at - 1].text == ".";
            if is_attribute || !token.is_name {
                continue;
            }
            if tokens.get(at + 1).is_none_or(|next| next.text != "(") {
                return Err("`namespace` is used without being called".into());
            }
            let mut depth = 0;
            let close = tokens[at + 1..].iter().find(|token| {
                depth += change(token.text);
                depth == 0
            });
            if let Some(close) = close {
                self.insertions.push((tokens[at + 1].end(), format!("{COPY}(")));
                self.insertions.push((close.start, ")".into()));
            }
        }
        Ok(())
    }
}

/// What a bracket adds to the depth.
fn change(text: &str) -> isize {
    match text {
        "(" | "[" | "{" => 1,
        ")" | "]" | "}" => -1,
        _ => 0,
    }
}

/// The tokens outside brackets, with their places.
fn top_level<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = (usize, &'t Token<'a>)> {
    let mut depth = 0;
    tokens.iter().enumerate().filter(move |(_, token)| {
        depth += change(token.text);
        depth == 0
    })
}

/// Where a raw block that begins at `start` ends; `None` where it is another block, nothing where it has no end.
fn raw_end(source: &str, start: usize) -> Option<Option<usize>> {
    let after = basic_tag(source, start + 2, "raw")?;
    let mut ends = source[after..].match_indices("{%");
    Some(ends.find_map(|(at, _)| basic_tag(source, after + at + 2, "endraw")))
}

/// The end of a tag that holds `name` alone.
fn basic_tag(source: &str, from: usize, name: &str) -> Option<usize> {
    let rest = &source[from..];
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_ascii_start();
    let rest = rest.strip_prefix(name)?.trim_ascii_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix("%}")?;
    Some(source.len() - rest.len())
}

/// The tokens from `from` to the `end` of the tag outside brackets, and the place after it.
fn tokens<'a>(source: &'a str, from: usize, end: &str) -> (Vec<Token<'a>>, usize) {
    let (mut tokens, mut depth) = (Vec::new(), 0);
    let from = from + usize::from(source[from..].starts_with(['-', '+']));
    let mut at = from;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let signed = rest.strip_prefix(['-', '+']).is_some_and(|rest| rest.starts_with(end));
        if depth == 0 && (rest.starts_with(end) || signed) {
            return (tokens, at + end.len() + usize::from(signed));
        }
        let length = match first {
            '\'' | '"' => string_length(rest),
            _ if first.is_alphanumeric() || first == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            _ if ["==", "!=", ">=", "<=", "//", "**"].iter().any(|pair| rest.starts_with(pair)) => 2,
            _ => first.len_utf8(),
        };
        let text = &rest[..length];
        depth += change(text);
        if !first.is_whitespace() {
            let is_name = first.is_alphabetic() || first == '_';
            tokens.push(Token { text, start: at, is_name });
        }
        at += length;
    }
    (tokens, source.len())
}

/// The length of a text in quotes, with them.
fn string_length(rest: &str) -> usize {
    let quote = rest.as_bytes()[0];
    let mut escaped = false;
    for (at, &byte) in rest.as_bytes().iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The longest chain with the chains around it, which is how deep the parser and the compiler go.
fn check_chains(tokens: &[Token<'_>], blocks: usize) -> Result<(), String> {
    let (mut outer, mut own, mut around) = (Vec::new(), 0, 8 * blocks);
    for token in tokens {
        own += 1;
        match (change(token.text), token.text) {
            (1, _) => {
                outer.push(own);
                around += own;
                own = 0;
            }
            (-1, _) => {
                own = outer.pop().unwrap_or(0);
                around -= own.min(around);
            }
            (_, "," | ":") => own = 0,
            _ => {}
        }
        if around + own > LONGEST_CHAIN {
            return Err(format!(
                "an expression of more than {LONGEST_CHAIN} words and operators without a comma"
            ));
        }
    }
    Ok(())
}
