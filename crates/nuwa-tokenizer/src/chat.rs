//! Chat templates: Jinja as transformers runs it.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, ErrorKind, context};
use nuwa_files::civil_date;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::{Error, Result};

/// The template that a tokenizer trained here carries: ChatML, with a blank before what is said, so that the first word of a
/// turn is the same token as within a sentence. Small models would have to learn every name twice otherwise.
pub const CHAT_TEMPLATE: &str = "\
{%- if tools %}
{{- '<|im_start|>system\\n Tools:\\n' + tools|tojson + '<|im_end|>' + '\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + (' ' + message['content'] if message['content'] else '') }}
{%- for call in message['tool_calls'] or [] %}
{{- '<tool_call>' + (call['function'] or call)|tojson + '</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}";

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`; some templates know more.
    pub role: String,
    /// What was said.
    pub content: String,
    /// Anything else that a template may look at, such as `tool_calls`.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Message {
    /// A turn of `role` that says `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: serde_json::Map::new() }
    }
}

/// The messages as one text.
pub fn render(
    template: &str,
    config: &Config,
    messages: &[Message],
    tools: Option<&serde_json::Value>,
    add_generation_prompt: bool,
) -> Result<String> {
    let source = without_generation_marks(template);
    let environment = environment();
    let parsed =
        environment.template_from_str(&source).map_err(|error| failure("does not parse", &source, &error))?;
    let token = |role: &str| config.token(role).map(str::to_string);
    let values = context! {
        messages => Value::from(Serde(messages)),
        add_generation_prompt,
        bos_token => token("bos_token"),
        eos_token => token("eos_token"),
        pad_token => token("pad_token"),
        unk_token => token("unk_token"),
        tools => tools.map(|tools| Value::from(Serde(tools))),
        documents => (),
    };
    parsed.render(values).map_err(|error| failure("failed", &source, &error))
}

/// The messages as `template` writes them for a tokenizer whose special tokens have no roles.
///
/// # Errors
/// When the template does not parse, or refuses the messages.
pub fn render_chat(
    template: &str,
    messages: &[Message],
    tools: Option<&serde_json::Value>,
) -> Result<String> {
    render(template, &Config::default(), messages, tools, false)
}

/// Whether a template parses.
pub fn check(template: &str) -> Result<()> {
    let source = without_generation_marks(template);
    environment()
        .template_from_str(&source)
        .map(drop)
        .map_err(|error| failure("does not parse", &source, &error))
}

/// As transformers sets Jinja up.
fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| strftime(format, seconds_now()));
    environment.add_filter("tojson", to_json);
    environment
}

fn raise_exception(message: &str) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.to_string()))
}

/// Python's `json.dumps(value, ensure_ascii=False)`: blanks after commas and colons, and no escapes for HTML.
fn to_json(value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let mut bytes = Vec::new();
    let written = match indent {
        Some(width) => {
            let blanks = " ".repeat(width);
            let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, PythonFormatter)),
    };
    let refuse = |reason: String| minijinja::Error::new(ErrorKind::BadSerialization, reason);
    written.map_err(|error| refuse(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| refuse(error.to_string()))
}

struct PythonFormatter;

impl serde_json::ser::Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// `{% generation %}` marks, for training masks, what the assistant says; to the text it means nothing.
fn without_generation_marks(template: &str) -> String {
    let mut source = template.to_string();
    for (mark, neutral) in [("generation", "if true"), ("endgeneration", "endif")] {
        for open in ["{%", "{%-"] {
            for close in ["%}", "-%}"] {
                source =
                    source.replace(&format!("{open} {mark} {close}"), &format!("{open} {neutral} {close}"));
            }
        }
    }
    source
}

fn failure(stage: &'static str, source: &str, error: &minijinja::Error) -> Error {
    let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    let start = error.range().and_then(|range| source.get(..range.start)).unwrap_or_default();
    let column = start.chars().rev().take_while(|&character| character != '\n').count() + 1;
    Error::ChatTemplate { stage, line: error.line().unwrap_or(1), column, reason }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The parts of C's `strftime` that templates use, in universal time.
fn strftime(format: &str, seconds: u64) -> String {
    let (year, month, day) = civil_date(seconds / 86_400);
    let weekday = DAYS[(seconds / 86_400 % 7) as usize];
    let month_name = MONTHS[month - 1];
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('Y') => text += &year.to_string(),
            Some('m') => text += &format!("{month:02}"),
            Some('d') => text += &format!("{day:02}"),
            Some('B') => text += month_name,
            Some('b') => text += &month_name[..3],
            Some('A') => text += weekday,
            Some('a') => text += &weekday[..3],
            Some('H') => text += &format!("{:02}", seconds / 3600 % 24),
            Some('M') => text += &format!("{:02}", seconds / 60 % 60),
            Some('S') => text += &format!("{:02}", seconds % 60),
            Some('%') | None => text.push('%'),
            Some(other) => text.extend(['%', other]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_c_does() {
        assert_eq!(strftime("%d %b %Y, %A %H:%M:%S", 1_709_210_096), "29 Feb 2024, Thursday 12:34:56");
        assert_eq!(strftime("%a %B 100%%", 0), "Thu January 100%");
    }
}
