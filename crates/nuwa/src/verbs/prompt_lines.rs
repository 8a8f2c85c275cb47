//! Prompts in a file: one per line, or a field of each line of JSON.

use std::path::Path;

use serde::Deserialize;

use crate::failure::Problem;

/// A line of a file of prompts.
#[derive(Deserialize)]
struct PromptLine {
    prompt: String,
}

/// The prompts of a file with their line numbers.
pub fn prompts(path: &Path, text: &str) -> anyhow::Result<Vec<(usize, String)>> {
    let is_json = path.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (usize, &str)| match is_json {
        true => Ok((number, in_json(path, number, line)?)),
        false => Ok((number, line.to_string())),
    };
    let prompts = lines.map(read).collect::<anyhow::Result<Vec<_>>>()?;
    if prompts.is_empty() {
        let problem = Problem::new(format!("{} holds no prompt", path.display()));
        return Err(problem.hint("write a prompt on each line").into());
    }
    Ok(prompts)
}

fn in_json(path: &Path, number: usize, line: &str) -> anyhow::Result<String> {
    let parsed = serde_json::from_str::<PromptLine>(line);
    parsed.map(|line| line.prompt).map_err(|error| {
        let cause = error.to_string();
        let cause = cause.split(" at line ").next().unwrap_or_default();
        Problem::new(format!("{}, line {number}: {cause}", path.display()))
            .hint(r#"each line is an object with a text: {"prompt": "Once upon a time"}"#)
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_lines_or_objects() {
        let lines = prompts(Path::new("a.txt"), "\u{feff}one \r\n\n女娲\n").unwrap();
        assert_eq!(lines, [(1, "one ".into()), (3, "女娲".into())]);
        let objects = "{\"prompt\": \"a\\nb\", \"id\": 3}\n{\"prompt\": \"\"}";
        let objects = prompts(Path::new("a.jsonl"), objects).unwrap();
        assert_eq!(objects, [(1, "a\nb".into()), (2, String::new())]);
    }

    #[test]
    fn a_line_that_holds_no_prompt_is_named() {
        let told = |text: &str| prompts(Path::new("a.jsonl"), text).unwrap_err().to_string();
        assert_eq!(told("{\"prompt\": \"a\"}\n{\"text\": \"b\"}"), "a.jsonl, line 2: missing field `prompt`");
        assert_eq!(told("{\"prompt\": 5}"), "a.jsonl, line 1: invalid type: integer `5`, expected a string");
        assert_eq!(told("\n \n"), "a.jsonl holds no prompt");
    }
}
