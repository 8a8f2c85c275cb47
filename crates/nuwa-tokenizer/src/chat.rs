//! Chat templates: Jinja as transformers runs it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, ErrorKind, State, context};
use nuwa_files::civil_date;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::template::{self, Prepared};
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

/// What a turn of the assistant begins with that is said to the tool set, and not to the user (Thoppilan et al., "LaMDA", 2022).
pub const TO_TOOLS: &str = "TS, ";

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
    let origin = config.template_origin();
    let prepared = prepared(template, origin)?;
    let mut environment = environment();
    template::limit(&mut environment, size(messages, tools));
    let failure = |stage, error: minijinja::Error| failure(stage, &prepared, origin, &error);
    let parsed =
        environment.template_from_str(&prepared.text).map_err(|error| failure("does not parse", error))?;
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
    parsed.render(values).map_err(|error| failure("failed", error))
}

/// The template within its limits.
fn prepared(template: &str, origin: Option<&Path>) -> Result<Prepared> {
    let refuse = |reason| Error::TemplateLimit { origin: origin.map(Path::to_path_buf), reason };
    template::prepare(&without_generation_marks(template)).map_err(refuse)
}

/// About how many bytes a template is given.
fn size(messages: &[Message], tools: Option<&serde_json::Value>) -> usize {
    let extra = |message: &Message| match message.extra.is_empty() {
        true => 0,
        false => message.extra.iter().map(|(name, value)| name.len() + value.to_string().len()).sum(),
    };
    let said: usize = messages.iter().map(|message| 64 + message.content.len() + extra(message)).sum();
    said + tools.map_or(0, |tools| tools.to_string().len())
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
    let prepared = prepared(template, None)?;
    environment()
        .template_from_str(&prepared.text)
        .map(drop)
        .map_err(|error| failure("does not parse", &prepared, None, &error))
}

/// As transformers sets Jinja up.
fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_unknown_method_callback(template::python_method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| strftime(format, seconds_now()));
    environment.add_filter("tojson", to_json);
    environment
}

fn raise_exception(message: &str) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.to_string()))
}

/// Python's `json.dumps(value, ensure_ascii=False)`: blanks after commas and colons, and no escapes for HTML.
fn to_json(state: &State, value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    const WIDEST: usize = 64;
    let indent: Option<usize> = options.get("indent")?;
    let mut bytes = Paid { state, bytes: Vec::new() };
    let written = match indent {
        Some(width) => {
            let blanks = " ".repeat(width.min(WIDEST));
            let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, PythonFormatter)),
    };
    let refuse = |reason: String| minijinja::Error::new(ErrorKind::BadSerialization, reason);
    written.map_err(|error| refuse(error.to_string()))?;
    String::from_utf8(bytes.bytes).map_err(|error| refuse(error.to_string()))
}

/// Bytes that are paid for with fuel before they are written.
struct Paid<'a, 'b, 'c> {
    state: &'a State<'b, 'c>,
    bytes: Vec<u8>,
}

impl std::io::Write for Paid<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Small pieces are paid for together.
        let (before, after) = (self.bytes.len() / 64, (self.bytes.len() + bytes.len()) / 64);
        if after > before {
            self.state.consume_fuel(4 * (after - before) as u64).map_err(std::io::Error::other)?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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

fn failure(
    stage: &'static str,
    template: &Prepared,
    origin: Option<&Path>,
    error: &minijinja::Error,
) -> Error {
    let column = template.column(error.range().map_or(0, |range| range.start));
    let (line, origin) = (error.line().unwrap_or(1), origin.map(Path::to_path_buf));
    Error::ChatTemplate { stage, origin, line, column, reason: template::reason(error) }
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
