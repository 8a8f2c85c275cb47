//! What to set where a step has rejected every document.

use std::collections::BTreeMap;

use super::settings::{CleanSettings, StepName};

/// The settings with which the documents that `step` rejects for these reasons are kept.
pub(super) fn way_out(settings: &CleanSettings, step: &str, reasons: &BTreeMap<String, u64>) -> Vec<String> {
    let limits: Vec<&str> = reasons.keys().filter_map(|reason| limit(step, reason)).collect();
    if !limits.is_empty() && limits.len() == reasons.len() {
        let mut lines: Vec<String> = limits.into_iter().map(String::from).collect();
        lines.dedup();
        return lines;
    }
    match settings.steps.iter().any(|name| name_of(*name) == step) {
        true => vec![without(settings, step)],
        false if step == "mix" => without_shares(settings),
        false => vec!["clean.preset=general".into()],
    }
}

/// The setting that switches one rule off, where the rest of its step is worth keeping.
fn limit(step: &str, reason: &str) -> Option<&'static str> {
    match (step, reason) {
        ("length", "too short") => Some("clean.length.min_letters=0"),
        ("length", "too long") => Some("clean.length.max_letters=0"),
        ("language", "language unknown") => Some("clean.language.keep_unknown=true"),
        ("language", _) => Some("clean.language.languages=[]"),
        ("personal-data", "much personal data") => Some("clean.personal_data.reject_over=0"),
        _ => None,
    }
}

fn without(settings: &CleanSettings, step: &str) -> String {
    let left = settings.steps.iter().map(|name| name_of(*name)).filter(|name| name != step);
    let left: Vec<String> = left.map(|name| format!("\"{name}\"")).collect();
    format!("clean.steps=[{}]", left.join(","))
}

fn without_shares(settings: &CleanSettings) -> Vec<String> {
    let asked = [("sources", &settings.mix.sources), ("languages", &settings.mix.languages)];
    let asked = asked.iter().filter(|(_, weights)| !weights.is_empty());
    asked.map(|(kind, _)| format!("clean.mix.{kind}={{}}")).collect()
}

/// A step's name as it is written in settings.
fn name_of(step: StepName) -> String {
    let value = serde_json::to_value(step).expect("a name is a plain value");
    value.as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    fn line(settings: &CleanSettings, step: &str, reasons: &[&str]) -> String {
        let reasons = reasons.iter().map(|reason| (reason.to_string(), 1)).collect();
        way_out(settings, step, &reasons).join(" ")
    }

    #[test]
    fn one_limit_is_named_where_that_is_enough() {
        let settings = CleanSettings::default();
        assert_eq!(line(&settings, "length", &["too short"]), "clean.length.min_letters=0");
        assert_eq!(
            line(&settings, "language", &["language de", "language fr"]),
            "clean.language.languages=[]"
        );
        assert_eq!(
            line(&settings, "language", &["language de", "language unknown"]),
            "clean.language.languages=[] clean.language.keep_unknown=true"
        );
    }

    #[test]
    fn else_the_step_is_left_out() {
        let settings = CleanSettings { preset: Preset::Web, ..CleanSettings::default() };
        for step in settings.chain().unwrap() {
            let line = line(&settings, step.name(), &["any reason"]);
            assert!(line.contains("clean."), "{}: {line}", step.name());
        }
        assert_eq!(line(&settings, "c4", &["curly bracket"]), "clean.preset=general");
        let few = CleanSettings { steps: vec![StepName::Unicode, StepName::Repetition], ..settings };
        assert_eq!(line(&few, "repetition", &["top 2-gram"]), "clean.steps=[\"unicode\"]");
    }

    #[test]
    fn shares_are_taken_back() {
        let mut settings = CleanSettings::default();
        settings.mix.sources.insert("others".into(), 0.0);
        assert_eq!(line(&settings, "mix", &["more than its share"]), "clean.mix.sources={}");
    }
}
