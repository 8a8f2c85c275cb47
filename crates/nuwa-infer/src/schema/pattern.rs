//! Strings that match a regular expression, as JSON Schema has it: ECMA-262 with Unicode, found anywhere unless it is anchored.
//!
//! The expression is compiled to an automaton over bytes (Thompson's construction), of which only the states are kept from which its
//! end can be reached with bytes that stand in a JSON string as they are.

use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::syntax;

/// The most states of an automaton, and the most bytes while it is built.
const MOST_STATES: usize = 4000;
const MOST_BYTES: usize = 4 << 20;

/// A regular expression that a string has to match.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// For each state the bytes that lead on, and where.
    steps: Vec<Vec<(u8, u8, u32)>>,
    /// Whether the string may end in a state.
    ends: Vec<bool>,
    start: u32,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, or cannot be held to.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let pattern = in_our_syntax(pattern)?;
        let config = NFA::config().which_captures(WhichCaptures::None).nfa_size_limit(Some(MOST_BYTES));
        let syntax = syntax::Config::new().utf8(true).unicode(true);
        let text = format!("(?s:.)*(?:{pattern})(?s:.)*");
        let built = NFA::compiler().configure(config).syntax(syntax).build(&text);
        let nfa = built.map_err(|error| {
            let told = error.to_string();
            format!("not an expression that can be held to: {}", told.lines().last().unwrap_or(&told).trim())
        })?;
        if nfa.states().len() > MOST_STATES {
            return Err(format!("an expression of {} states; expected at most {MOST_STATES}", nfa.states().len()));
        }
        let pattern = Self::of(&nfa)?;
        match pattern.is_live(pattern.start) {
            true => Ok(pattern),
            false => Err("no string matches it that is written without escapes".into()),
        }
    }

    fn of(nfa: &NFA) -> Result<Self, String> {
        let states = nfa.states();
        // The state in which nothing is written yet is one more: only there a text begins.
        let start = states.len();
        let mut steps: Vec<Vec<(u8, u8, u32)>> = Vec::with_capacity(start + 1);
        let mut ends = Vec::with_capacity(start + 1);
        for index in 0..=start {
            let (first, at_start) = if index == start { (nfa.start_anchored().as_usize(), true) } else { (index, false) };
            let (reached, _) = reach(states, first, at_start, false)?;
            let (_, is_end) = reach(states, first, at_start, true)?;
            steps.push(reached.into_iter().flat_map(|state| plain(&states[state])).collect());
            ends.push(is_end);
        }
        let mut own = Self { steps, ends, start: start as u32 };
        own.keep_live();
        Ok(own)
    }

    /// Forgets steps from which no end is reached.
    fn keep_live(&mut self) {
        let mut live = self.ends.clone();
        loop {
            let now = |state: usize| live[state] || self.steps[state].iter().any(|(_, _, to)| live[*to as usize]);
            let next: Vec<bool> = (0..live.len()).map(now).collect();
            if next == live {
                break;
            }
            live = next;
        }
        self.steps.iter_mut().for_each(|steps| steps.retain(|(_, _, to)| live[*to as usize]));
    }

    fn is_live(&self, state: u32) -> bool {
        self.may_end(state) || !self.steps[state as usize].is_empty()
    }

    /// Where a string begins.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Where a byte leads from a state.
    pub fn step(&self, state: u32, byte: u8) -> impl Iterator<Item = u32> + '_ {
        let steps = self.steps.get(state as usize).into_iter().flatten();
        steps.filter(move |(low, high, _)| (*low..=*high).contains(&byte)).map(|(_, _, to)| *to)
    }

    /// Whether the string may end in a state.
    pub fn may_end(&self, state: u32) -> bool {
        self.ends.get(state as usize).copied().unwrap_or(false)
    }
}

/// The states that are reached from one without a byte, and whether an end is among them.
fn reach(states: &[State], first: usize, at_start: bool, at_end: bool) -> Result<(Vec<usize>, bool), String> {
    let (mut seen, mut open, mut reached, mut is_end) = (vec![false; states.len()], vec![first], Vec::new(), false);
    while let Some(state) = open.pop() {
        if std::mem::replace(&mut seen[state], true) {
            continue;
        }
        match &states[state] {
            State::Look { look: Look::Start, next } if at_start => open.push(next.as_usize()),
            State::Look { look: Look::End, next } if at_end => open.push(next.as_usize()),
            State::Look { look: Look::Start | Look::End, .. } | State::Fail => {}
            State::Look { look, .. } => return Err(format!("{look:?} cannot be held to; of places in a text only ^ and $ can")),
            State::Union { alternates } => open.extend(alternates.iter().map(|next| next.as_usize())),
            State::BinaryUnion { alt1, alt2 } => open.extend([alt1.as_usize(), alt2.as_usize()]),
            State::Capture { next, .. } => open.push(next.as_usize()),
            State::Match { .. } => is_end = true,
            State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => reached.push(state),
        }
    }
    Ok((reached, is_end))
}

/// The steps of a state with bytes that stand in a JSON string as they are.
fn plain(state: &State) -> Vec<(u8, u8, u32)> {
    let mut steps = Vec::new();
    let mut add = |low: u8, high: u8, to: u32| {
        for (from, until) in [(0x20, b'"' - 1), (b'"' + 1, b'\\' - 1), (b'\\' + 1, 0x7e), (0x80, 0xff)] {
            let (low, high) = (low.max(from), high.min(until));
            if low <= high {
                steps.push((low, high, to));
            }
        }
    };
    match state {
        State::ByteRange { trans } => add(trans.start, trans.end, trans.next.as_u32()),
        State::Sparse(sparse) => sparse.transitions.iter().for_each(|own| add(own.start, own.end, own.next.as_u32())),
        State::Dense(dense) => (0..=255).for_each(|byte| {
            dense.matches(&[byte], 0).into_iter().for_each(|next| add(byte, byte, next.as_u32()));
        }),
        _ => {}
    }
    steps
}

/// The expression in the syntax of the library, where it means the same: `\d`, `\w` and `\s` are of ASCII in ECMA-262, and classes have no
/// classes within them.
fn in_our_syntax(pattern: &str) -> Result<String, String> {
    let (mut out, mut characters, mut in_class) = (String::new(), pattern.chars().peekable(), false);
    while let Some(character) = characters.next() {
        match (character, in_class) {
            ('\\', _) => {
                let escaped = characters.next().ok_or("it ends in a backslash")?;
                match (escaped, in_class) {
                    ('d', true) => out.push_str("0-9"),
                    ('w', true) => out.push_str("0-9A-Za-z_"),
                    ('s', true) => out.push_str("\\t\\n\\x0b\\x0c\\r\\x20"),
                    ('d', false) => out.push_str("[0-9]"),
                    ('w', false) => out.push_str("[0-9A-Za-z_]"),
                    ('s', false) => out.push_str("[\\t\\n\\x0b\\x0c\\r\\x20]"),
                    ('D', false) => out.push_str("[^0-9]"),
                    ('W', false) => out.push_str("[^0-9A-Za-z_]"),
                    ('S', false) => out.push_str("[^\\s]"),
                    (other @ ('D' | 'W' | 'S' | 'b' | 'B' | '1'..='9'), _) => {
                        return Err(format!("\\{other} cannot be held to here"));
                    }
                    (other, _) => out.extend(['\\', other]),
                }
            }
            ('[', true) => out.push_str("\\["),
            ('&' | '-' | '~', true) if characters.peek() == Some(&character) => {
                return Err(format!("{character}{character} within a class cannot be held to here"));
            }
            ('[', false) => {
                in_class = true;
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            (other, _) => out.push(other),
        }
    }
    Ok(out)
}

/// The expression of a `format`; none of those that are not known. They are exact but for the 29th of February.
pub fn of_format(name: &str) -> Option<String> {
    let date = "\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))";
    let time = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
    let byte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    let atom = "[A-Za-z0-9_+-]{1,20}";
    Some(match name {
        "date" => format!("^{date}$"),
        "time" => format!("^{time}$"),
        "date-time" => format!("^{date}T{time}$"),
        "ipv4" => format!("^{byte}(\\.{byte}){{3}}$"),
        "hostname" => format!("^{label}(\\.{label}){{0,3}}$"),
        "email" => format!("^{atom}(\\.{atom}){{0,2}}@{label}(\\.{label}){{1,3}}$"),
        "uuid" => "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$".to_string(),
        "uri" => format!("^https?://{label}(\\.{label}){{1,3}}(/[A-Za-z0-9_.~-]{{0,40}}){{0,4}}$"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &Pattern, text: &str) -> bool {
        let mut states = vec![pattern.start()];
        for byte in text.bytes() {
            states = states.iter().flat_map(|state| pattern.step(*state, byte)).collect();
            states.sort_unstable();
            states.dedup();
        }
        states.iter().any(|state| pattern.may_end(*state))
    }

    #[test]
    fn expressions_match_as_ecma_says() {
        for (pattern, good, bad) in [
            ("^a+$", vec!["a", "aaa"], vec!["", "ab", "ba"]),
            ("b", vec!["abc", "b"], vec!["", "ac"]),
            ("^\\d{2}[\\w-]$", vec!["12-", "12a"], vec!["١٢a", "12é"]),
            ("^(x|女)$", vec!["x", "女"], vec!["娲", "xx"]),
            ("^[[a]$", vec!["[", "a"], vec!["b"]),
            ("", vec!["", "any"], vec![]),
            ("^$", vec![""], vec!["a"]),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            good.iter().for_each(|text| assert!(matches(&compiled, text), "{pattern} {text}"));
            bad.iter().for_each(|text| assert!(!matches(&compiled, text), "{pattern} {text}"));
        }
    }

    #[test]
    fn what_cannot_be_held_to_is_refused() {
        for pattern in ["(?=a)", "\\bword", "(a)\\1", "[\\D]", "[a&&b]", "(", "\\", "^\"$", "(a{1000}){1000}"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn formats_are_what_they_say() {
        for (format, good, bad) in [
            ("date", "2026-11-30", "2026-11-31"),
            ("time", "23:59:59Z", "24:00:00Z"),
            ("date-time", "2026-02-28T01:02:03.5+01:00", "2026-02-30T01:02:03Z"),
            ("ipv4", "127.0.0.255", "127.0.0.256"),
            ("hostname", "a.example", "-a"),
            ("email", "mina.b@valley.example", "mina@valley"),
            ("uuid", "01234567-89ab-cdef-0123-456789abcdef", "0"),
            ("uri", "https://a.example/b/c", "ftp://a.example"),
        ] {
            let pattern = Pattern::new(&of_format(format).unwrap()).unwrap();
            assert!(matches(&pattern, good) && !matches(&pattern, bad), "{format}");
        }
        assert!(of_format("regex").is_none());
    }
}
