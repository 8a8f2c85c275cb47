//! Regular expressions, with a look at what a text may yet become: its states are followed to the end of the text.

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{self, NFA, State};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// The most memory that an expression may take when it is made ready, in bytes.
const MOST_MEMORY: usize = 1 << 20;

/// A regular expression.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    nfa: NFA,
    /// Whether what stands after a match may undo it.
    looks_around: bool,
}

/// Places in a text.
#[derive(Debug, Default)]
pub struct FoundPattern {
    /// Where it matches, from left to right.
    pub matches: Vec<Range<usize>>,
    /// The first place from which the text may become a match when it goes on.
    pub open: Option<usize>,
}

impl Pattern {
    /// Of the syntax of the crate `regex`, without regard to case.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let syntax = syntax::Config::new().case_insensitive(true);
        let regex = Regex::builder()
            .configure(Regex::config().nfa_size_limit(Some(MOST_MEMORY)))
            .syntax(syntax)
            .build(text)
            .map_err(|error| match error.syntax_error() {
                Some(error) => last_line(&error.to_string()),
                None => error.to_string(),
            })?;
        let config = thompson::Config::new().nfa_size_limit(Some(MOST_MEMORY));
        let nfa = thompson::Compiler::new().syntax(syntax).configure(config).build(text);
        let nfa = nfa.map_err(|error| error.to_string())?;
        if regex.is_match("") {
            return Err("it matches the empty text, and so every text".into());
        }
        let looks_around = !nfa.look_set_any().is_empty();
        Ok(Self { regex, nfa, looks_around })
    }

    /// Looks through `text` from byte `from` on; what stands before only says how a match may begin. If it is not `whole`, it may
    /// go on.
    pub fn find(&self, text: &str, from: usize, whole: bool) -> FoundPattern {
        let input = Input::new(text).range(from..);
        let is_sure = |place: &Range<usize>| whole || !self.looks_around || place.end < text.len();
        let matches = self.regex.find_iter(input).map(|found| found.range()).filter(is_sure).collect();
        FoundPattern { matches, open: if whole { None } else { self.open(text, from) } }
    }

    /// The earliest beginning of which a state is left at the end of the text. What assertions say is not looked at: more may be
    /// held back for it, never less.
    fn open(&self, text: &str, from: usize) -> Option<usize> {
        let mut states = States::new(&self.nfa);
        let mut next = States::new(&self.nfa);
        for (at, byte) in text.bytes().enumerate().skip(from) {
            if text.is_char_boundary(at) {
                states.add(self.nfa.start_anchored(), at);
            }
            for (state, begin) in states.alive.drain(..) {
                if let Some(reached) = self.step(state, byte) {
                    next.add(reached, begin);
                }
            }
            std::mem::swap(&mut states, &mut next);
            next.clear();
        }
        states.alive.iter().map(|(_, begin)| *begin).min()
    }

    fn step(&self, state: StateID, byte: u8) -> Option<StateID> {
        match self.nfa.state(state) {
            State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
            State::Sparse(sparse) => sparse.matches_byte(byte),
            State::Dense(dense) => dense.matches_byte(byte),
            _ => None,
        }
    }
}

/// What is wrong, without the picture of where.
fn last_line(text: &str) -> String {
    let last = text.trim_end().lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).into()
}

/// States of an automaton with the earliest beginning of each.
struct States<'a> {
    nfa: &'a NFA,
    alive: Vec<(StateID, usize)>,
    seen: Vec<bool>,
}

impl<'a> States<'a> {
    fn new(nfa: &'a NFA) -> Self {
        Self { nfa, alive: Vec::new(), seen: vec![false; nfa.states().len()] }
    }

    fn clear(&mut self) {
        self.alive.clear();
        self.seen.fill(false);
    }

    /// A state and all that it leads to without a byte. Those with earlier beginnings have to come first.
    fn add(&mut self, state: StateID, begin: usize) {
        let mut left = vec![state];
        while let Some(state) = left.pop() {
            if std::mem::replace(&mut self.seen[state.as_usize()], true) {
                continue;
            }
            match self.nfa.state(state) {
                State::Look { next, .. } | State::Capture { next, .. } => left.push(*next),
                State::Union { alternates } => left.extend(alternates.iter()),
                State::BinaryUnion { alt1, alt2 } => left.extend([*alt1, *alt2]),
                State::Fail => {}
                _ => self.alive.push((state, begin)),
            }
        }
    }
}
