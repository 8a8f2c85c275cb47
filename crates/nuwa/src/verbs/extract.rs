use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use nuwa_infer::{Finish, JsonSchema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::prompting::WritingArguments;
use crate::console::print;
use crate::failure::Problem;
use crate::prompted::{Asker, GivenText, PromptTemplate, Reserve, Task, given, language_of, pieces};
use crate::{input, model};

/// Take data out of texts, as JSON of a schema
///
/// The model is held to the schema token by token, so what it writes is always JSON of it, a line a text: what it is worth is up to the
/// model. Members come in the order of the schema's `properties`. Long texts are read in pieces that end with a sentence; lists of the
/// pieces are put together, and of other values the first that says something is kept. docs/serve.md says which keywords of JSON
/// Schema are supported; a schema with others is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa extract smollm2 \"Mina, 34, lives in Marlow.\" --schema person.json
  nuwa extract smollm2 --file invoices/ --schema invoice.json > invoices.jsonl
  nuwa extract smollm2 --schema person.json --prompt-file terse.jinja < letter.txt
  nuwa extract smollm2 --file mail.eml --schema mail.json --json")]
pub struct Extract {
    /// A model folder, or a run folder, of a model that chats
    model: PathBuf,
    /// The texts; `-` reads standard input [default: standard input]
    texts: Vec<String>,
    /// Files and folders of any format that nuwa collect reads, each document a text
    #[arg(short, long, value_name = "PATH", num_args = 1..)]
    file: Vec<PathBuf>,
    /// The JSON schema (draft 2020-12)
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    #[command(flatten)]
    writing: WritingArguments,
    /// Print for each text an object with its place, what was found in it as `value`, and the number of pieces
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of a text.
#[derive(Serialize)]
struct Line<'a> {
    place: &'a str,
    value: &'a Value,
    pieces: usize,
}

/// What the prompt file is given.
#[derive(Serialize)]
struct Values<'a> {
    text: &'a str,
    language: Option<&'static str>,
    schema: &'a str,
}

impl Extract {
    pub fn run(self) -> anyhow::Result<()> {
        self.writing.settings().check()?;
        let template = self.writing.prompt.template(Task::Extract)?;
        let schema = input::file(&self.schema)?;
        let shape = JsonSchema::parse(&schema).map(Arc::new).map_err(|error| {
            anyhow::Error::from(error).context(format!("{} cannot be used", self.schema.display()))
        })?;
        let folder = model::folder(&self.model)?;
        let texts = given(&self.texts, &self.file)?;
        let mut asker = self.writing.asker(&folder)?;
        for text in &texts {
            let found = Extracting { template: &template, schema: schema.trim(), shape: &shape }
                .of(&mut asker, text)?;
            let count = found.len();
            let value = merged(found);
            match self.json {
                true => {
                    let line = Line { place: &text.place, value: &value, pieces: count };
                    print(&format!("{}\n", serde_json::to_string(&line)?))?;
                }
                false => print(&format!("{value}\n"))?,
            }
        }
        Ok(())
    }
}

/// What is asked of each text.
struct Extracting<'a> {
    template: &'a PromptTemplate,
    schema: &'a str,
    shape: &'a Arc<JsonSchema>,
}

impl Extracting<'_> {
    /// What is found in each piece of a text.
    fn of(&self, asker: &mut Asker, text: &GivenText) -> anyhow::Result<Vec<Value>> {
        let language = language_of(&text.text);
        let prompt = |text: &str| self.template.render(Values { text, language, schema: self.schema });
        let room = asker.room(&prompt("")?, Reserve::Tokens(asker.most_tokens()))?;
        let cut = pieces(&text.text, room, &|text| asker.count(text))?;
        let prompts = cut.iter().map(|piece| asker.prompt(&prompt(piece.text)?));
        let written = asker.write_all(prompts.collect::<anyhow::Result<_>>()?, Some(self.shape))?;
        let parsed = written.into_iter().map(|written| match written.finish {
            Finish::EndOfText => Ok(serde_json::from_str(written.text.trim())?),
            _ => Err(unfinished(&text.place, written.tokens.len(), asker.most_tokens())),
        });
        parsed.collect()
    }
}

fn unfinished(place: &str, tokens: usize, allowed: usize) -> anyhow::Error {
    let problem = Problem::new(format!("{place}: the JSON was not finished after {tokens} tokens"));
    problem.hint(more_room(tokens < allowed)).into()
}

/// What gives an answer more room, that of the context or that of `--max-tokens`.
fn more_room(is_context_full: bool) -> &'static str {
    if is_context_full {
        return "the model's context was full: take a model with a longer one, or bound the schema with maxLength and maxItems";
    }
    "allow more with --max-tokens, or bound the schema with maxLength and maxItems"
}

/// What was found in the pieces of a text as one: lists one after the other, each item once, and of other values the first that says
/// something.
fn merged(found: Vec<Value>) -> Value {
    found.into_iter().reduce(merge).unwrap_or_default()
}

fn merge(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Array(mut items), Value::Array(more)) => {
            for item in more {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            Value::Array(items)
        }
        (Value::Object(mut members), Value::Object(more)) => {
            for (name, value) in more {
                let own = members.remove(&name).unwrap_or_default();
                members.insert(name, merge(own, value));
            }
            Value::Object(members)
        }
        (one, other) if says_nothing(&one) => other,
        (one, _) => one,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members == &Map::new(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_pieces_hold_is_put_together() {
        let found = vec![
            json!({"name": "", "age": null, "towns": ["Dorn"], "at": {"x": 1}}),
            json!({"name": "Mina", "age": 3, "towns": ["Vell", "Dorn"], "at": {"x": 2, "y": 5}}),
            json!({"name": "Tarek", "age": 4, "towns": []}),
        ];
        let expected = json!({"name": "Mina", "age": 3, "towns": ["Dorn", "Vell"], "at": {"x": 1, "y": 5}});
        assert_eq!(merged(found), expected);
        assert_eq!(merged(vec![json!([1, 2]), json!([2, 3])]), json!([1, 2, 3]));
        assert_eq!(merged(vec![json!(false), json!(true)]), json!(false));
    }
}
