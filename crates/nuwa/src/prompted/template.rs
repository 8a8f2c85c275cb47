//! Prompt files: Jinja, from the program or from a file of the user's.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::failure::Problem;
use crate::input;

/// Steps that a prompt file may take: one that never ends is stopped.
const FUEL: u64 = 1_000_000;

/// What a model can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Translate,
    Summarize,
    Answer,
    Classify,
    Extract,
}

impl Task {
    /// The name of its prompt file, and that.
    fn built_in(self) -> (&'static str, &'static str) {
        match self {
            Self::Translate => ("translate.jinja", include_str!("../../prompts/translate.jinja")),
            Self::Summarize => ("summarize.jinja", include_str!("../../prompts/summarize.jinja")),
            Self::Answer => ("answer.jinja", include_str!("../../prompts/answer.jinja")),
            Self::Classify => ("classify.jinja", include_str!("../../prompts/classify.jinja")),
            Self::Extract => ("extract.jinja", include_str!("../../prompts/extract.jinja")),
        }
    }
}

/// A prompt file that was read.
#[derive(Debug)]
pub struct PromptTemplate {
    name: String,
    text: String,
    environment: Environment<'static>,
}

impl PromptTemplate {
    /// The program's prompt file of a task, or `file` in its place.
    pub fn read(task: Task, file: Option<&Path>) -> anyhow::Result<Self> {
        let (name, text) = match file {
            Some(path) => (path.display().to_string(), input::file(path)?),
            None => (task.built_in().0.to_string(), task.built_in().1.to_string()),
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // What comes of it is no page, whatever the file is called.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let parsed = environment.template_from_named_str(&name, &text).map(drop);
        parsed.map_err(|error| wrong(&name, &error))?;
        Ok(Self { name, text, environment })
    }

    /// The prompt with these values.
    pub fn render(&self, values: impl Serialize) -> anyhow::Result<String> {
        let rendered = self.environment.render_named_str(&self.name, &self.text, Serde(values));
        let rendered = rendered.map_err(|error| wrong(&self.name, &error))?;
        match rendered.trim() {
            "" => Err(Problem::new(format!("{} gives an empty prompt", self.name))
                .hint("write the task into it, with {{ text }} where the text belongs")
                .into()),
            prompt => Ok(prompt.to_string()),
        }
    }
}

fn wrong(name: &str, error: &minijinja::Error) -> anyhow::Error {
    let place = error.line().map_or(String::new(), |line| format!(", line {line}"));
    let told = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    Problem::new(format!("{name}{place}: {told}"))
        .hint("it is a Jinja template; its first comment in the program's own (crates/nuwa/prompts) names the values that there are")
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built_in(task: Task, values: serde_json::Value) -> String {
        PromptTemplate::read(task, None).unwrap().render(values).unwrap()
    }

    #[test]
    fn the_programs_own_prompts_are_in_the_language_of_the_text() {
        let translate = |to: &str| built_in(Task::Translate, json!({"text": "A b.", "to": to, "from": null}));
        assert_eq!(translate("English"), "Translate into English: A b.");
        assert_eq!(translate("Chinese"), "翻译成中文：A b.");
        let sum = |language: &str, sentences: u32, parts: bool| {
            let values = json!({"text": "A.", "language": language, "sentences": sentences, "parts": parts});
            built_in(Task::Summarize, values)
        };
        assert_eq!(sum("en", 1, false), "Sum up in one sentence: A.");
        assert_eq!(
            sum("en", 3, true),
            "These are summaries of the parts of one text. Sum up in 3 sentences: A."
        );
        assert_eq!(sum("zh", 1, false), "用一句话概括：A.");
        let labels = json!({"text": "It rains.", "language": "en", "labels": ["good", "bad"]});
        assert_eq!(built_in(Task::Classify, labels), "Is this good or bad? It rains.");
        let passages = json!([{"number": 1, "text": "米娜住在多恩。", "source": "a.txt"}]);
        let answer = built_in(
            Task::Answer,
            json!({"question": "米娜住在哪里？", "language": "zh", "passages": passages}),
        );
        assert!(answer.ends_with("\n[1] 米娜住在多恩。\n\n问题：米娜住在哪里？"), "{answer}");
        let extract = built_in(Task::Extract, json!({"text": "x", "schema": "{}", "language": null}));
        assert_eq!(extract, "Write what the text says as JSON of this schema: {}\n\nx");
    }

    #[test]
    fn a_prompt_file_that_is_wrong_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.jinja");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let read = PromptTemplate::read(Task::Extract, Some(&path));
            let error = read.and_then(|template| template.render(json!({"text": "x"}))).unwrap_err();
            error.to_string().replace(&path.display().to_string(), "own.jinja")
        };
        assert!(told("a\n{{ text").starts_with("own.jinja, line 2: syntax error"), "{}", told("a\n{{ text"));
        assert!(
            told("{{ texte }}").starts_with("own.jinja, line 1: undefined value"),
            "{}",
            told("{{ texte }}")
        );
        assert_eq!(told(" {# nothing #} "), "own.jinja gives an empty prompt");
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(told(endless).contains("fuel"), "{}", told(endless));
    }
}
