//! Templates of strangers: how much work and memory they may ask for, and how deep they may go.
//!
//! The engine counts work as fuel, but some of what it does is not counted: lists that are added or cut are put off until they
//! are looked at, values may hold themselves, and a long chain of operators overflows the stack. So a template is scanned
//! first (`scan`): what is too deep is refused, and whatever gives a name to a value makes it `plain` on the way.

mod plain;
mod scan;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat;

pub use scan::{Prepared, expression, prepare};

/// What a template may do for every conversation: 64 bytes of text or one instruction cost one.
const FUEL: u64 = 400_000;
/// And for every byte that it is given.
const FUEL_FOR_A_BYTE: u64 = 8;

/// Why a template without fuel ended.
pub const OUT_OF_FUEL: &str = "it writes more text or takes more steps than a template may";

/// Makes an environment fit for templates of strangers that are given `bytes` bytes of text.
pub fn limit(environment: &mut Environment<'_>, bytes: usize) {
    environment.set_fuel(Some(FUEL + FUEL_FOR_A_BYTE * bytes as u64));
    environment.set_recursion_limit(200);
    environment.add_filter(scan::PLAIN, plain::plain);
    environment.add_filter(scan::COPY, plain::copy);
    environment.add_function(scan::COPY, plain::merged);
}

/// The methods of Python's texts, lists and objects, each paid for before it fills the memory.
///
/// # Errors
/// When there is no such method, an argument is wrong, or the result would be too large.
pub fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let text = value.as_str().unwrap_or_default();
    match method {
        "join" if value.as_str().is_some() => charge_joined(state, text, arguments)?,
        "split" | "splitlines" => {
            let mark = arguments.first().and_then(Value::as_str).unwrap_or("\n");
            let blanks = || text.split_whitespace().count();
            let pieces = if arguments.is_empty() {
                blanks().max(text.lines().count())
            } else {
                text.matches(mark).count()
            };
            state.consume_fuel(pieces as u64 / 2)?;
        }
        "format" if longest_number(text) > 4 => {
            let told = "a text filled up to more than 9999 characters";
            return Err(Error::new(ErrorKind::InvalidOperation, told));
        }
        _ => {}
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

/// Fuel for a list of texts that are put together.
fn charge_joined(state: &State, mark: &str, arguments: &[Value]) -> Result<(), Error> {
    let Some(list) = arguments.first() else { return Ok(()) };
    for item in list.try_iter()? {
        let length = item.as_str().map_or_else(|| item.to_string().len(), str::len);
        state.consume_fuel(1 + (length + mark.len()) as u64 / 64)?;
    }
    Ok(())
}

/// How many digits stand side by side at most.
fn longest_number(text: &str) -> usize {
    text.split(|character: char| !character.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

/// What went wrong, in words.
pub fn reason(error: &Error) -> String {
    const SHOWN: usize = 300;
    if error.kind() == ErrorKind::OutOfFuel {
        return OUT_OF_FUEL.into();
    }
    let told = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    match told.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &told[..end]),
        None => told,
    }
}

#[cfg(test)]
mod tests;
