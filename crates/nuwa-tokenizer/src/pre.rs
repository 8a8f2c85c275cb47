//! The rules by which llama.cpp cuts text into words, by their names in GGUF files (`tokenizer.ggml.pre`).
//!
//! A name stands for regular expressions, each cutting what the ones before it left, and for whether a word that is a token is taken
//! as it is.

use serde_json::Value;

use crate::split::{CJK, CJK_CHARACTER, DEEPSEEK3, GPT2, LLAMA3, O200K, QWEN2};

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its names; the first is the one to write.
    names: &'static [&'static str],
    pub patterns: &'static [&'static str],
    /// A word that is a token is taken as it is, whatever merging would give.
    pub ignore_merges: bool,
    /// Whether texts begin with the token for that where the file does not say.
    pub adds_begin: bool,
    /// Whether llama.cpp cuts every text as these patterns do.
    is_exact: bool,
}

const fn rule(names: &'static [&'static str], patterns: &'static [&'static str]) -> Rule {
    Rule { names, patterns, ignore_merges: false, adds_begin: false, is_exact: true }
}

/// What runs of punctuation are, to Falcon.
const FALCON: &str = r"[\p{P}\$\+<=>\^~\|`]+";
/// The same in files that name no rule.
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|]+";
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";
const DIGIT: &str = r"\p{N}";

/// DeepSeek-V3's steps.
const MULTILINGUAL: [&str; 3] = [r"\p{N}{1,3}", CJK, DEEPSEEK3];

const RULES: [Rule; 10] = [
    rule(
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "exaone4",
            "granite-docling",
        ],
        &[GPT2],
    ),
    Rule {
        ignore_merges: true,
        adds_begin: true,
        ..rule(
            &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
            &[LLAMA3],
        )
    },
    rule(&["smaug-bpe", "dbrx", "chatglm-bpe"], &[LLAMA3]),
    Rule { ignore_merges: true, ..rule(&["glm4", "glm5"], &[LLAMA3]) },
    rule(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "stablelm2",
            "megrez",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        &[QWEN2],
    ),
    rule(&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], &MULTILINGUAL),
    rule(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        &[DIGIT, GPT2],
    ),
    Rule { is_exact: false, ..rule(&["gpt-4o", "llama4", "kanana2", "talkie"], &[O200K]) },
    rule(&["falcon"], &[FALCON, GPT2, THREE_DIGITS]),
    Rule { is_exact: false, ..rule(&["default"], &[PUNCTUATION, GPT2, r"\p{N}+", THREE_DIGITS]) },
];

impl Rule {
    /// The rule that a file names; that of files that name none where it is absent.
    pub fn named(name: Option<&str>) -> Option<Self> {
        let name = name.filter(|name| !name.is_empty()).unwrap_or("default");
        RULES.into_iter().find(|rule| rule.names.contains(&name))
    }

    /// The name under which llama.cpp cuts text as a `pre_tokenizer` does, where there is one.
    pub fn name_of(pre_tokenizer: &Value, ignore_merges: bool) -> Option<&'static str> {
        let patterns = patterns(pre_tokenizer)?;
        let equal = |rule: &&Rule| {
            rule.is_exact && rule.ignore_merges == ignore_merges && rule.patterns.iter().eq(patterns.iter())
        };
        RULES.iter().find(equal).map(|rule| rule.names[0])
    }

    /// The name of the rule that differs from a `pre_tokenizer` in nothing but that it leaves runs of Chinese characters and kana
    /// whole, where that cuts them one by one. Merges that join no two of them give the same tokens by both.
    pub fn name_of_runs(pre_tokenizer: &Value, ignore_merges: bool) -> Option<&'static str> {
        let [digits, _, rest] = MULTILINGUAL;
        let cuts = patterns(pre_tokenizer)?.iter().eq([digits, CJK_CHARACTER, rest]);
        (cuts && !ignore_merges).then_some("deepseek-v3")
    }

    /// All names, in words, for messages.
    pub fn known() -> String {
        RULES.map(|rule| rule.names[0]).join(", ")
    }
}

/// The regular expressions that a `pre_tokenizer` cuts by, in their order; none where it does anything else.
fn patterns(pre_tokenizer: &Value) -> Option<Vec<String>> {
    let steps = match pre_tokenizer["type"].as_str()? {
        "Sequence" => pre_tokenizer["pretokenizers"].as_array()?.as_slice(),
        _ => std::slice::from_ref(pre_tokenizer),
    };
    let mut patterns = Vec::new();
    for step in steps {
        match step["type"].as_str()? {
            "Split" if step["behavior"] == "Isolated" && step["invert"] != true => {
                patterns.push(step["pattern"]["Regex"].as_str()?.to_string());
            }
            "Digits" if step["individual_digits"] == true => patterns.push(DIGIT.into()),
            "Punctuation" if step["behavior"] == "Contiguous" => patterns.push(FALCON.into()),
            "ByteLevel" if step["add_prefix_space"] != true => {
                if step["use_regex"] != false {
                    patterns.push(GPT2.into());
                }
            }
            _ => return None,
        }
    }
    Some(patterns)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SplitRule;
    use crate::split;

    #[test]
    fn rules_have_the_names_under_which_llama_cpp_cuts_so() {
        let name = |rule: SplitRule| Rule::name_of(&rule.pre_tokenizer(), false);
        assert_eq!(name(SplitRule::Multilingual), Some("deepseek-v3"));
        assert_eq!(name(SplitRule::Qwen2), Some("qwen2"));
        assert_eq!(name(SplitRule::Gpt2), Some("gpt-2"));
        assert_eq!(name(SplitRule::Llama3), Some("smaug-bpe"));
        assert_eq!(Rule::name_of(&SplitRule::Llama3.pre_tokenizer(), true), Some("llama-bpe"));
        assert_eq!(name(SplitRule::Characters), None, "llama.cpp leaves runs of characters whole");
        let of_runs = |rule: SplitRule| Rule::name_of_runs(&rule.pre_tokenizer(), false);
        assert_eq!(of_runs(SplitRule::Characters), Some("deepseek-v3"));
        assert_eq!(of_runs(SplitRule::Multilingual), None);
        assert_eq!(Rule::name_of(&split::pre_tokenizer(&[O200K]), false), None, "which it does not cut so");
    }

    #[test]
    fn published_tokenizers_are_known_by_what_they_do() {
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        assert_eq!(Rule::name_of(&bytes, false), Some("gpt-2"));
        let digits = json!({"type": "Digits", "individual_digits": true});
        let smollm = json!({"type": "Sequence", "pretokenizers": [digits, bytes]});
        assert_eq!(Rule::name_of(&smollm, false), Some("smollm"));
        let words = json!({"type": "Whitespace"});
        assert_eq!(Rule::name_of(&json!({"type": "Sequence", "pretokenizers": [words, bytes]}), false), None);
    }

    #[test]
    fn each_name_is_of_one_rule() {
        let mut names: Vec<&str> = RULES.iter().flat_map(|rule| rule.names.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(Rule::named(Some("qwen2")).is_some() && Rule::named(Some("qwen9")).is_none());
        assert_eq!(Rule::named(None).unwrap().patterns.len(), 4);
    }
}
