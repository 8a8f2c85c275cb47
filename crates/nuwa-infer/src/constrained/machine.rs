//! The automaton of a rule: all stacks that the bytes so far can have led to.

use std::collections::HashSet;
use std::sync::Arc;

use super::symbol::{Symbol, any_value, blanks, is_blank, literal, sequence};

/// How deep a stack is opened up before a byte is taken: a rule that is nothing but itself ends here.
const MOST_OPENED: usize = 256;

/// Symbols that are opened up for one byte, at most: alternatives of alternatives of a schema that means ill end here.
const MOST_STEPS: usize = 1 << 14;

/// How much can be open at one time: about 128 levels of lists and objects, which is what readers of JSON take.
const MOST_DEPTH: usize = 640;

/// The most stacks that are followed at one time; alternatives that differ later than this are not told apart.
const MOST_STACKS: usize = 256;

/// A stack of what is still to be written; stacks share what lies below.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Stack(Option<Arc<Frame>>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Frame {
    top: Symbol,
    below: Stack,
    depth: usize,
}

impl Stack {
    fn with(&self, top: Symbol) -> Self {
        let depth = self.0.as_ref().map_or(0, |frame| frame.depth) + 1;
        Self(Some(Arc::new(Frame { top, below: self.clone(), depth })))
    }

    fn with_all<'a>(&self, symbols: impl DoubleEndedIterator<Item = &'a Symbol>) -> Self {
        symbols.rev().fold(self.clone(), |stack, symbol| stack.with(symbol.clone()))
    }
}

/// The rules that symbols name, by number.
pub type Rules = Arc<[Symbol]>;

/// Where a text is within a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    stacks: Vec<Stack>,
}

/// What moves a [`State`].
#[derive(Debug, Clone)]
pub struct Machine {
    rules: Rules,
}

impl Machine {
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// The state in which all of `symbol` is to be written.
    pub fn begin(&self, symbol: Symbol) -> State {
        State { stacks: vec![Stack::default().with(symbol)] }
    }

    /// Where a byte leads; none where it may not come.
    pub fn step(&self, state: &State, byte: u8) -> Option<State> {
        let mut step = Step { rules: &self.rules, byte, left: MOST_STEPS, stacks: Vec::new() };
        for stack in &state.stacks {
            step.take(stack, MOST_OPENED);
        }
        let mut stacks = step.stacks;
        if stacks.len() > 1 {
            let mut seen = HashSet::new();
            stacks.retain(|stack| seen.insert(stack.clone()));
            stacks.truncate(MOST_STACKS);
        }
        (!stacks.is_empty()).then_some(State { stacks })
    }

    /// Whether nothing needs to be written any more.
    pub fn may_end(&self, state: &State) -> bool {
        let mut left = MOST_STEPS;
        state.stacks.iter().any(|stack| self.is_empty(stack, MOST_OPENED, &mut left))
    }

    fn is_empty(&self, stack: &Stack, open: usize, left: &mut usize) -> bool {
        let Some(frame) = &stack.0 else { return true };
        let (Some(open), Some(fewer)) = (open.checked_sub(1), left.checked_sub(1)) else { return false };
        *left = fewer;
        let below = &frame.below;
        match &frame.top {
            Symbol::Literal(bytes, at) => *at >= bytes.len() && self.is_empty(below, open, left),
            Symbol::Sequence(all) => self.is_empty(&below.with_all(all.iter()), open, left),
            Symbol::Choice(all) => all.iter().any(|one| self.is_empty(&below.with(one.clone()), open, left)),
            Symbol::Rule(id) => match self.rules.get(*id) {
                Some(rule) => self.is_empty(&below.with(rule.clone()), open, left),
                None => false,
            },
            Symbol::Blanks(_) => self.is_empty(below, open, left),
            Symbol::Number(number) => number.may_end() && self.is_empty(below, open, left),
            Symbol::Repeat(_, least, _) => *least == 0 && self.is_empty(below, open, left),
            Symbol::Text(_) | Symbol::Any(_) => false,
        }
    }

    /// Whether some stack is within a string that takes any plain characters, of which the longest token has so many.
    pub fn takes_plain(&self, state: &State, longest: usize) -> bool {
        let tops = state.stacks.iter().filter_map(|stack| stack.0.as_ref());
        tops.map(|frame| &frame.top).any(|top| matches!(top, Symbol::Text(text) if text.takes_plain(longest)))
    }
}

/// A byte on its way through all stacks.
struct Step<'a> {
    rules: &'a [Symbol],
    byte: u8,
    /// Symbols that may still be opened up.
    left: usize,
    /// What has come of it.
    stacks: Vec<Stack>,
}

impl Step<'_> {
    /// The stacks that a byte makes of one.
    fn take(&mut self, stack: &Stack, open: usize) {
        let (Some(frame), Some(open)) = (&stack.0, open.checked_sub(1)) else { return };
        if self.left == 0 || frame.depth > MOST_DEPTH {
            return;
        }
        self.left -= 1;
        let (below, byte) = (&frame.below, self.byte);
        match &frame.top {
            Symbol::Literal(bytes, at) => {
                if bytes.get(*at) == Some(&byte) {
                    let is_last = at + 1 == bytes.len();
                    self.stacks.push(match is_last {
                        true => below.clone(),
                        false => below.with(Symbol::Literal(Arc::clone(bytes), at + 1)),
                    });
                }
            }
            Symbol::Sequence(all) => self.take(&below.with_all(all.iter()), open),
            Symbol::Choice(all) => {
                all.iter().for_each(|one| self.take(&below.with(one.clone()), open));
            }
            Symbol::Rule(id) => {
                if let Some(rule) = self.rules.get(*id) {
                    self.take(&below.with(rule.clone()), open);
                }
            }
            Symbol::Any(depth) => self.take(&below.with(any_value(*depth)), open),
            Symbol::Blanks(left) => {
                if is_blank(byte) {
                    self.stacks.extend((*left > 0).then(|| below.with(Symbol::Blanks(left - 1))));
                }
                self.take(below, open);
            }
            Symbol::Text(text) => match text.step(byte) {
                Some(Some(rest)) => self.stacks.push(below.with(Symbol::Text(rest))),
                Some(None) => self.stacks.push(below.clone()),
                None => {}
            },
            Symbol::Number(number) => {
                self.stacks.extend(number.step(byte).map(|rest| below.with(Symbol::Number(rest))));
                if number.may_end() {
                    self.take(below, open);
                }
            }
            Symbol::Repeat(item, least, most) => {
                if *most != Some(0) {
                    let rest =
                        Symbol::Repeat(Arc::clone(item), least.saturating_sub(1), most.map(|most| most - 1));
                    let more = [blanks(), literal(","), blanks(), Symbol::clone(item), rest];
                    self.take(&below.with(sequence(more)), open);
                }
                if *least == 0 {
                    self.take(below, open);
                }
            }
        }
    }
}
