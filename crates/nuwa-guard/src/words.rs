//! Words and phrases, looked for all at once: a tree of their characters, walked from every place where one may begin.
//!
//! Where letters of a script with blanks begin or end an entry, a word has to begin or end there too: `ass` is not in `class`. In
//! scripts without blanks there are no such bounds, so an entry is found within any text.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use nuwa_text::is_of_word;
use unicode_normalization::UnicodeNormalization;

/// What stands at the end of an entry: the number of its rule; none where what it covers is allowed.
type Ends = Vec<Option<usize>>;

/// All entries of a guard.
#[derive(Debug)]
pub struct Words {
    nodes: Vec<Node>,
    /// Characters of the longest exception.
    pub longest_exception: usize,
}

/// A place in the tree.
#[derive(Debug, Default)]
struct Node {
    next: HashMap<char, usize>,
    /// Bare characters that a mark would make one of `next` of.
    bare: HashSet<char>,
    /// Entries that end here.
    ends: Ends,
    /// Whether entries of rules, and whether exceptions, go on from here.
    leads_on: Kinds,
}

/// Entries of rules, exceptions.
#[derive(Debug, Default, Clone, Copy)]
struct Kinds {
    rules: bool,
    exceptions: bool,
}

impl Kinds {
    fn add(&mut self, rule: Option<usize>) {
        match rule {
            Some(_) => self.rules = true,
            None => self.exceptions = true,
        }
    }
}

impl Default for Words {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], longest_exception: 0 }
    }
}

/// What was found in a text.
#[derive(Debug, Default)]
pub struct FoundWords {
    /// Entries of rules, by where they stand.
    pub blocked: Vec<(Range<usize>, usize)>,
    /// Where exceptions stand.
    pub allowed: Vec<Range<usize>>,
    /// The first place from which the text may become an entry of a rule when it goes on.
    pub open: Option<usize>,
    /// The same of exceptions.
    pub open_exception: Option<usize>,
    /// Entries of rules are looked for from here on.
    from: usize,
}

impl Words {
    /// Adds an entry, in the form in which texts are compared.
    pub fn add(&mut self, entry: &str, rule: Option<usize>) {
        let mut at = 0;
        for character in entry.chars() {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            node.leads_on.add(rule);
            let bare = character.nfd().next().unwrap_or(character);
            if bare != character {
                node.bare.insert(bare);
            }
            at = *node.next.entry(character).or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].ends.push(rule);
        if rule.is_none() {
            self.longest_exception = self.longest_exception.max(entry.chars().count());
        }
    }

    /// Looks through `text` from byte `from` on, for exceptions from its beginning on; if it is not `whole`, it may go on.
    pub fn find(&self, text: &str, from: usize, whole: bool) -> FoundWords {
        let mut found = FoundWords { from, ..FoundWords::default() };
        let mut before = None;
        for (start, first) in text.char_indices() {
            if !(is_of_word(first) && before.is_some_and(is_of_word)) {
                self.walk(text, start, whole, &mut found);
            }
            before = Some(first);
        }
        found
    }

    /// All entries that begin at `start`.
    fn walk(&self, text: &str, start: usize, whole: bool, found: &mut FoundWords) {
        let mut node = &self.nodes[0];
        let mut rest = text[start..].char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            let after = rest.peek().map(|(_, after)| *after);
            let may_grow = after.is_none() && !whole;
            if may_grow && node.bare.contains(&character) {
                found.is_open(start, node.leads_on);
            }
            let Some(next) = node.next.get(&character) else { return };
            node = &self.nodes[*next];
            match after {
                Some(after) if is_of_word(character) && is_of_word(after) => {}
                _ if may_grow && is_of_word(character) => {
                    let mut ends = Kinds::default();
                    node.ends.iter().for_each(|end| ends.add(*end));
                    found.is_open(start, ends);
                }
                _ => found.add(&(start..start + at + character.len_utf8()), &node.ends),
            }
            if may_grow {
                found.is_open(start, node.leads_on);
            }
        }
    }
}

impl FoundWords {
    fn add(&mut self, place: &Range<usize>, ends: &Ends) {
        for end in ends {
            match end {
                Some(rule) if place.start >= self.from => self.blocked.push((place.clone(), *rule)),
                Some(_) => {}
                None => self.allowed.push(place.clone()),
            }
        }
    }

    fn is_open(&mut self, start: usize, kinds: Kinds) {
        let first = |known: Option<usize>| Some(known.map_or(start, |known| known.min(start)));
        if kinds.rules && start >= self.from {
            self.open = first(self.open);
        }
        if kinds.exceptions {
            self.open_exception = first(self.open_exception);
        }
    }
}
