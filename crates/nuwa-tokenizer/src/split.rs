//! Cutting text into the words within which BPE merges, the way a `tokenizer.json` says, only faster.
//!
//! The usual rules end in `\s+(?!\S)|\s+`: of a run of blanks the last is left to the word that follows. That one
//! look-ahead forces a backtracking engine onto the whole rule. Here the rule is taken without it, as two patterns
//! of one automaton, and the last blank is given back by hand.

use regex_automata::{Anchored, Input, meta::Regex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const BLANKS_TAIL: &str = r"|\s+(?!\S)|\s+";

/// GPT-2's rule, which `ByteLevel` with `use_regex` stands for.
pub const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// The rule of GPT-4 (cl100k) and Llama 3.
pub const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's rule: as Llama 3's with each digit by itself.
pub const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o's rule (o200k), which looks at upper and lower case.
pub const O200K: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Chinese characters and kana, which are kept apart from Latin words and from punctuation.
pub const CJK: &str = "[一-龥\u{3040}-ゟ゠-ヿ]+";
/// Each of them by itself.
pub const CJK_CHARACTER: &str = "[一-龥\u{3040}-ゟ゠-ヿ]";
/// What follows [`CJK`] and the digits in DeepSeek-V3's rule.
pub const DEEPSEEK3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// How text is cut into words before merging; tokens never cross the border of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitRule {
    /// DeepSeek-V3's rule: GPT-4's, with Chinese characters and kana as words of their own, so that
    /// no token mixes them with Latin letters or punctuation. Good for English, Chinese and both
    /// together.
    #[default]
    Multilingual,
    /// Like multilingual, with every single Chinese character and kana as a word, so that a name
    /// has the same tokens in any context (as in BERT). Good for small models and small corpora.
    Characters,
    /// The rule of GPT-4 and Llama 3.
    Llama3,
    /// Like Llama 3's, with every digit as a word (Qwen 2).
    Qwen2,
    /// GPT-2's rule.
    Gpt2,
}

impl SplitRule {
    fn patterns(self) -> Vec<&'static str> {
        match self {
            Self::Multilingual => vec![r"\p{N}{1,3}", CJK, DEEPSEEK3],
            Self::Characters => vec![r"\p{N}{1,3}", CJK_CHARACTER, DEEPSEEK3],
            Self::Llama3 => vec![LLAMA3],
            Self::Qwen2 => vec![QWEN2],
            Self::Gpt2 => vec![GPT2],
        }
    }

    /// The rule as the `pre_tokenizer` of a `tokenizer.json`.
    pub(crate) fn pre_tokenizer(self) -> Value {
        pre_tokenizer(&self.patterns())
    }
}

/// A byte-level `pre_tokenizer` that cuts by each pattern in turn.
pub fn pre_tokenizer(patterns: &[&str]) -> Value {
    let split = |pattern: &&str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let mut steps: Vec<Value> = patterns.iter().map(split).collect();
    steps.push(
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
    );
    json!({"type": "Sequence", "pretokenizers": steps})
}

/// A cutter equal to a `pre_tokenizer`.
#[derive(Debug)]
pub struct Splitter {
    steps: Vec<Step>,
}

impl Splitter {
    /// `None` when the `pre_tokenizer` is of another kind, or a pattern needs more than an automaton.
    pub fn from_pre_tokenizer(value: &Value) -> Option<Self> {
        let steps = match value["type"].as_str()? {
            "ByteLevel" => std::slice::from_ref(value),
            "Sequence" => value["pretokenizers"].as_array()?.as_slice(),
            _ => return None,
        };
        let (last, splits) = steps.split_last()?;
        let mut steps = splits.iter().map(split_step).collect::<Option<Vec<_>>>()?;
        if byte_level_uses_regex(last)? {
            steps.push(Step::new(GPT2)?);
        }
        Some(Self { steps })
    }

    /// Hands each word to `take`, in order; together they are the text.
    pub fn words<'t>(&self, text: &'t str, take: &mut impl FnMut(&'t str)) {
        cut(&self.steps, text, take);
    }
}

fn split_step(value: &Value) -> Option<Step> {
    let known = value["type"] == "Split" && value["behavior"] == "Isolated" && value["invert"] != true;
    known.then(|| Step::new(value["pattern"]["Regex"].as_str()?)).flatten()
}

fn byte_level_uses_regex(value: &Value) -> Option<bool> {
    let known = value["type"] == "ByteLevel" && value["add_prefix_space"] == false;
    known.then(|| value["use_regex"].as_bool().unwrap_or(true))
}

fn cut<'t>(steps: &[Step], text: &'t str, take: &mut impl FnMut(&'t str)) {
    let Some((step, rest)) = steps.split_first() else {
        if !text.is_empty() {
            take(text);
        }
        return;
    };
    let (mut position, mut gap) = (0, 0);
    while let Some((start, end)) = step.next(text, position) {
        if gap < start {
            cut(rest, &text[gap..start], take);
        }
        cut(rest, &text[start..end], take);
        (position, gap) = (end, end);
    }
    if gap < text.len() {
        cut(rest, &text[gap..], take);
    }
}

#[derive(Debug)]
struct Step {
    regex: Regex,
}

impl Step {
    fn new(pattern: &str) -> Option<Self> {
        if is_possessive(pattern) {
            return None;
        }
        let regex = match pattern.strip_suffix(BLANKS_TAIL) {
            Some(head) => Regex::new_many(&[head, r"\s+"]),
            None => Regex::new(pattern),
        };
        let regex = regex.ok()?;
        (!regex.is_match("")).then_some(Self { regex })
    }

    /// The next match at or after `position`.
    fn next(&self, text: &str, position: usize) -> Option<(usize, usize)> {
        if position >= text.len() {
            return None;
        }
        let input = Input::new(text).range(position..);
        // The rules for words match nearly everywhere, and an anchored search need not look for the start.
        let here = self.regex.search(&input.clone().anchored(Anchored::Yes));
        let found = here.or_else(|| self.regex.search(&input))?;
        let blanks = found.pattern().as_usize() == 1;
        let end = if blanks { without_last_blank(text, found.start(), found.end()) } else { found.end() };
        Some((found.start(), end))
    }
}

/// Whether a quantifier is followed by `+`, which this engine reads as something else. `\p{L}+` is none, and
/// neither is `[*+]`.
fn is_possessive(pattern: &str) -> bool {
    let (mut in_class, mut after_quantifier, mut previous) = (false, false, ' ');
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if !in_class && after_quantifier && character == '+' {
            return true;
        }
        after_quantifier =
            matches!(character, '?' | '*' | '+') || (character == '}' && previous.is_ascii_digit());
        previous = character;
        match character {
            '\\' => drop(characters.next()),
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
    }
    false
}

/// What `\s+(?!\S)|\s+` takes of the run of blanks from `start` to `end`.
fn without_last_blank(text: &str, start: usize, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    let last = text[start..end].chars().next_back().map_or(0, char::len_utf8);
    if end - last > start { end - last } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rule: SplitRule, text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        Splitter::from_pre_tokenizer(&rule.pre_tokenizer())
            .unwrap()
            .words(text, &mut |word| words.push(word));
        words
    }

    #[test]
    fn blanks_are_left_to_the_next_word() {
        assert_eq!(words(SplitRule::Gpt2, "a   b \n c  "), ["a", "  ", " b", " \n", " c", "  "]);
        assert_eq!(
            words(SplitRule::Llama3, "It's 12345!\n\n  x"),
            ["It", "'s", " ", "123", "45", "!\n\n", " ", " x"]
        );
    }

    #[test]
    fn chinese_is_cut_from_latin_and_punctuation() {
        assert_eq!(
            words(SplitRule::Multilingual, "我用Python写，2024年。\n"),
            ["我用", "Python", "写", "，", "202", "4", "年", "。\n"]
        );
        assert_eq!(words(SplitRule::Multilingual, "don't stop"), ["don", "'t", " stop"]);
    }

    #[test]
    fn what_needs_backtracking_is_left_to_the_library() {
        for pattern in [r"\p{L}++|\s", r"\p{N}{1,3}+", r"a(?=b)", r"x*"] {
            assert!(Step::new(pattern).is_none(), "{pattern}");
        }
    }
}
