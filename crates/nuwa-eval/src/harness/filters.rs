//! What becomes of answers before they are compared: lm-evaluation-harness's `filter_list`.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use serde_json::{Map, Value};

use super::python;

/// Filters one after the other, under the name that figures get.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    pub filters: Vec<Filter>,
}

/// One filter.
#[derive(Debug, Clone)]
pub enum Filter {
    TakeFirst,
    TakeFirstFew(usize),
    Regex(Extraction),
    ChoiceRegex { extraction: Extraction, ignore: Ignored },
    RemoveWhitespace,
    Lowercase,
    Uppercase,
    Map { values: BTreeMap<String, Value>, otherwise: Value },
    MajorityVote,
}

/// What a pattern finds in an answer.
#[derive(Debug, Clone)]
pub struct Extraction {
    pattern: Regex,
    select: i64,
    fallback: String,
}

/// What is left out before an answer's choice is looked for.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    patterns: Vec<Regex>,
    case: bool,
    punctuation: bool,
}

impl Pipeline {
    /// The first answer as it is.
    pub fn usual() -> Self {
        Self { name: "none".into(), filters: vec![Filter::TakeFirst] }
    }

    /// What becomes of the answers to a document.
    ///
    /// # Errors
    /// In words, when the document lacks what a filter needs.
    pub fn apply(&self, answers: &[String], fields: &Map<String, Value>) -> Result<String, String> {
        let mut answers = answers.to_vec();
        for filter in &self.filters {
            answers = filter.apply(answers, fields)?;
        }
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}

impl Filter {
    /// From its keys.
    ///
    /// # Errors
    /// In words, when there is none of that name or a key is wrong.
    pub fn new(mut keys: Map<String, Value>) -> Result<Self, String> {
        let name = keys.remove("function").unwrap_or_default();
        let name = name.as_str().ok_or("a filter names no function")?;
        let filter = match name {
            "take_first" => Self::TakeFirst,
            "take_first_k" => {
                let count = keys.remove("k").and_then(|count| count.as_u64());
                Self::TakeFirstFew(count.ok_or("take_first_k needs k, a number")? as usize)
            }
            "regex" => Self::Regex(Extraction::new(&mut keys)?),
            "multi_choice_regex" => Self::ChoiceRegex {
                extraction: Extraction::new(&mut keys)?,
                ignore: Ignored::new(&mut keys)?,
            },
            "remove_whitespace" => Self::RemoveWhitespace,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            "map" => {
                let values = match keys.remove("mapping_dict") {
                    Some(Value::Object(values)) => values.into_iter().collect(),
                    _ => return Err("map needs mapping_dict, names and values".into()),
                };
                Self::Map { values, otherwise: keys.remove("default_value").unwrap_or_default() }
            }
            "majority_vote" => Self::MajorityVote,
            other => {
                return Err(format!(
                    "the filter {other:?} is unknown; known are take_first, take_first_k, regex, multi_choice_regex, \
                     remove_whitespace, lowercase, uppercase, map and majority_vote"
                ));
            }
        };
        match keys.keys().next() {
            Some(key) => Err(format!("the filter {name} has an unknown key {key}")),
            None => Ok(filter),
        }
    }

    fn apply(&self, answers: Vec<String>, fields: &Map<String, Value>) -> Result<Vec<String>, String> {
        let each = |change: &dyn Fn(&str) -> String| answers.iter().map(|answer| change(answer)).collect();
        Ok(match self {
            Self::TakeFirst => answers.into_iter().take(1).collect(),
            Self::TakeFirstFew(count) => answers.into_iter().take(*count).collect(),
            Self::Regex(extraction) => each(&|answer| extraction.apply(answer)),
            Self::ChoiceRegex { extraction, ignore } => {
                let choices = Choices::new(fields, ignore)?;
                each(&|answer| choices.find(answer, extraction, ignore))
            }
            Self::RemoveWhitespace => each(&|answer| answer.trim_matches(python::is_space).to_string()),
            Self::Lowercase => each(&str::to_lowercase),
            Self::Uppercase => each(&str::to_uppercase),
            Self::Map { values, otherwise } => {
                each(&|answer| python::text(values.get(answer).unwrap_or(otherwise)))
            }
            Self::MajorityVote => most_common(&answers).into_iter().collect(),
        })
    }
}

/// The answer that comes most often, the earliest of several.
fn most_common(answers: &[String]) -> Option<String> {
    let count = |answer: &String| answers.iter().filter(|other| *other == answer).count();
    let most = answers.iter().map(count).max()?;
    answers.iter().find(|answer| count(answer) == most).cloned()
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("regex_pattern {pattern:?}: {error}"))
}

impl Extraction {
    fn new(keys: &mut Map<String, Value>) -> Result<Self, String> {
        let text = |value: Option<Value>, usual: &str| match value {
            Some(value) => python::text(&value),
            None => usual.to_string(),
        };
        let pattern = text(keys.remove("regex_pattern"), r"#### (\-?[0-9\.\,]+)");
        let select = keys.remove("group_select").map_or(Some(0), |value| value.as_i64());
        Ok(Self {
            pattern: compiled(&pattern)?,
            select: select.ok_or("group_select is no whole number")?,
            fallback: text(keys.remove("fallback"), "[invalid]"),
        })
    }

    fn apply(&self, answer: &str) -> String {
        found(&self.pattern, answer, self.select).unwrap_or_else(|| self.fallback.clone())
    }
}

/// Python's `findall(text)[select]`, without blanks around it: the group where the pattern has one, the first that is not empty of
/// several.
fn found(pattern: &Regex, text: &str, select: i64) -> Option<String> {
    let groups = pattern.captures_len() - 1;
    let matches: Vec<Option<String>> = pattern
        .captures_iter(text)
        .map_while(Result::ok)
        .map(|captures| {
            let group = |number: usize| captures.get(number).map_or("", |group| group.as_str()).to_string();
            match groups {
                0 | 1 => Some(group(groups)),
                _ => (1..=groups).map(group).find(|text| !text.is_empty()),
            }
        })
        .collect();
    let place = if select < 0 { matches.len() as i64 + select } else { select };
    let chosen = usize::try_from(place).ok().and_then(|place| matches.into_iter().nth(place))?;
    chosen.map(|text| text.trim_matches(python::is_space).to_string())
}

impl Ignored {
    fn new(keys: &mut Map<String, Value>) -> Result<Self, String> {
        let mut flag = |key: &str| keys.remove(key).is_some_and(|value| value == true);
        let (case, punctuation) = (flag("ignore_case"), flag("ignore_punctuation"));
        let patterns = match keys.remove("regexes_to_ignore") {
            Some(Value::Array(patterns)) => {
                patterns.iter().map(|pattern| compiled(&python::text(pattern))).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(Self { patterns, case, punctuation })
    }

    fn leave_out(&self, text: &str) -> String {
        let mut text = text.to_string();
        for pattern in &self.patterns {
            text = pattern.replace_all(&text, "").into_owned();
        }
        if self.case {
            text = text.to_lowercase();
        }
        match (&self.punctuation, Regex::new(r"\p{P}")) {
            (true, Ok(punctuation)) => punctuation.replace_all(&text, "").into_owned(),
            _ => text,
        }
    }
}

/// A document's choices as an answer may name them.
struct Choices {
    /// As text, the longest first.
    by_text: Regex,
    by_letter: Regex,
    letters: BTreeMap<String, String>,
}

impl Choices {
    fn new(fields: &Map<String, Value>, ignore: &Ignored) -> Result<Self, String> {
        let choices = fields.get("choices").and_then(Value::as_array).filter(|choices| !choices.is_empty());
        let choices = choices.ok_or("multi_choice_regex needs a list in the field choices")?;
        let letter = |place: usize| char::from(b'A' + u8::try_from(place % 26).unwrap_or_default());
        let texts: Vec<String> = choices
            .iter()
            .map(|choice| ignore.leave_out(python::text(choice).trim_matches(python::is_space)))
            .collect();
        let letters =
            texts.iter().enumerate().map(|(place, text)| (text.clone(), format!("({})", letter(place))));
        let letters: BTreeMap<String, String> = letters.collect();
        let mut escaped: Vec<String> =
            texts.iter().map(|text| fancy_regex::escape(text).into_owned()).collect();
        escaped.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        let all: Vec<String> = (0..texts.len()).map(|place| letter(place).to_string()).collect();
        Ok(Self {
            by_text: compiled(&escaped.join("|"))?,
            by_letter: compiled(&format!(r":[\s]*({})", all.join("|")))?,
            letters,
        })
    }

    fn find(&self, answer: &str, extraction: &Extraction, ignore: &Ignored) -> String {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let select = extraction.select;
        let by_text = || {
            let text = filled(found(&self.by_text, &ignore.leave_out(answer), select))?;
            Some(self.letters.get(&text).cloned().unwrap_or(text))
        };
        let by_letter = || filled(found(&self.by_letter, answer, select)).map(|letter| format!("({letter})"));
        filled(found(&extraction.pattern, answer, select))
            .or_else(by_text)
            .or_else(by_letter)
            .unwrap_or_else(|| extraction.fallback.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(keys: Value) -> Filter {
        Filter::new(keys.as_object().unwrap().clone()).unwrap()
    }

    fn applied(filters: Vec<Value>, answers: &[&str], fields: Value) -> String {
        let pipeline = Pipeline { name: "own".into(), filters: filters.into_iter().map(filter).collect() };
        let answers: Vec<String> = answers.iter().map(|answer| answer.to_string()).collect();
        pipeline.apply(&answers, fields.as_object().unwrap()).unwrap()
    }

    #[test]
    fn patterns_find_what_python_finds() {
        let strict = json!({"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"});
        let flexible =
            json!({"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"});
        let text = "It is 3 + 4 = 7.\n#### 1,234 and $5";
        assert_eq!(applied(vec![strict.clone()], &[text], json!({})), "1,234");
        assert_eq!(applied(vec![flexible.clone()], &[text], json!({})), "$5");
        assert_eq!(applied(vec![flexible], &["9"], json!({})), "9");
        assert_eq!(applied(vec![strict], &["none"], json!({})), "[invalid]");
    }

    #[test]
    fn choices_are_found_by_letter_and_by_text() {
        let fields = json!({"choices": ["Guilty", "Guilty of Romance", "No"]});
        let choice = json!({"function": "multi_choice_regex", "regex_pattern": "(\\([A-Z]\\))", "ignore_case": true,
            "ignore_punctuation": true});
        for (answer, expected) in [
            ("so (B) it is", "(B)"),
            ("It's guilty of romance.", "(B)"),
            ("The answer: C", "(C)"),
            ("Perhaps.", "[invalid]"),
        ] {
            assert_eq!(applied(vec![choice.clone()], &[answer], fields.clone()), expected, "{answer}");
        }
    }

    #[test]
    fn votes_maps_and_cases_are_applied_in_order() {
        let filters = vec![
            json!({"function": "lowercase"}),
            json!({"function": "remove_whitespace"}),
            json!({"function": "majority_vote"}),
            json!({"function": "map", "mapping_dict": {"yes": "1"}, "default_value": "0"}),
            json!({"function": "take_first"}),
        ];
        assert_eq!(applied(filters.clone(), &["No", " yes", "YES "], json!({})), "1");
        assert_eq!(applied(filters, &["No", "maybe"], json!({})), "0");
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let told = |keys: Value| Filter::new(keys.as_object().unwrap().clone()).unwrap_err();
        assert!(told(json!({"function": "sort"})).starts_with("the filter \"sort\" is unknown"));
        assert_eq!(
            told(json!({"function": "take_first", "k": 1})),
            "the filter take_first has an unknown key k"
        );
        assert!(
            told(json!({"function": "regex", "regex_pattern": "("})).starts_with("regex_pattern \"(\": ")
        );
    }
}
