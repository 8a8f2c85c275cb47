//! Values without anything put off: lists hold their items, and nothing holds itself.

use minijinja::value::{Kwargs, Rest, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// Lists within lists, and so on, go no deeper: whoever lets go of a value goes down all of it at once.
const DEEPEST: usize = 64;

/// The value itself, or a copy where some of it is put off.
pub fn plain(state: &State, value: Value) -> Result<Value, Error> {
    if is_plain(state, &value, 0)? { Ok(value) } else { copied(state, &value, 0) }
}

/// A copy down to its texts and numbers: what a namespace holds must not hold the namespace.
pub fn copy(state: &State, value: Value) -> Result<Value, Error> {
    copied(state, &value, 0)
}

/// Copies of what a namespace is made from, as one object.
pub fn merged(state: &State, values: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    for value in &*values {
        if value.kind() != ValueKind::Map {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a namespace is made from names and their values",
            ));
        }
        for key in value.try_iter()? {
            let own = value.get_item(&key)?;
            pairs.push((key, copied(state, &own, 0)?));
        }
    }
    for name in named.args().map(String::from).collect::<Vec<_>>() {
        pairs.push((Value::from(name.as_str()), copied(state, &named.get(&name)?, 0)?));
    }
    Ok(Value::from_pairs(pairs))
}

fn check_depth(depth: usize) -> Result<(), Error> {
    if depth <= DEEPEST {
        return Ok(());
    }
    let told = format!("a value within more than {DEEPEST} lists or objects");
    Err(Error::new(ErrorKind::InvalidOperation, told))
}

fn is_plain(state: &State, value: &Value, depth: usize) -> Result<bool, Error> {
    check_depth(depth)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if !is_list(value) => Ok(false),
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                state.consume_fuel(1)?;
                if !is_plain(state, &item, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                state.consume_fuel(1)?;
                if !is_plain(state, &value.get_item(&key)?, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// A list that holds its items.
fn is_list(value: &Value) -> bool {
    value.is_tuple() || value.downcast_object_ref::<Vec<Value>>().is_some()
}

fn copied(state: &State, value: &Value, depth: usize) -> Result<Value, Error> {
    check_depth(depth)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                state.consume_fuel(1)?;
                items.push(copied(state, &item, depth + 1)?);
            }
            Ok(if value.is_tuple() { Tuple::from(items).into() } else { items.into() })
        }
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                state.consume_fuel(1)?;
                let own = value.get_item(&key)?;
                pairs.push((key, copied(state, &own, depth + 1)?));
            }
            Ok(Value::from_pairs(pairs))
        }
        _ => Ok(value.clone()),
    }
}
