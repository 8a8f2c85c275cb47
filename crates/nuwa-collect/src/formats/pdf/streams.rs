//! The streams of a file before it is parsed.
//!
//! The parser expands streams that hold objects whole, through all of their filters, and keeps them. So what each stream expands
//! to is measured first. Pictures are blanked: nothing of them is read, so they cannot be anything else in disguise.

use std::borrow::Cow;

use hayro_syntax::Filter;
use memchr::memmem;

use super::budget::Budget;
use super::filters::{FILTERS, Wanted, apply};

const START: &[u8] = b"stream";
const END: &[u8] = b"endstream";

/// Whether the streams expand to no more than the budget.
pub(super) fn tame(bytes: &mut [u8], budget: &mut Budget) -> bool {
    let mut head = 0;
    let mut from = 0;
    while let Some(at) = memmem::find(&bytes[from..], START).map(|at| from + at) {
        from = at + START.len();
        if bytes[..at].ends_with(b"end") {
            head = from;
            continue;
        }
        let Some(data) = after_line_end(bytes, from) else { continue };
        match is_picture(&bytes[head..at]) {
            true => from = blank(bytes, data),
            false if !fits(&bytes[head..at], &bytes[data..], budget) => return false,
            false => {}
        }
    }
    true
}

fn after_line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b'\r', b'\n', ..] => Some(at + 2),
        [b'\r' | b'\n', ..] => Some(at + 1),
        _ => None,
    }
}

/// Whether the last dictionary says that it is a picture's.
fn is_picture(head: &[u8]) -> bool {
    let dict = memmem::rfind(head, b"obj").map_or(head, |at| &head[at..]);
    memmem::find_iter(dict, b"/Subtype").any(|at| {
        let value = dict[at + b"/Subtype".len()..].trim_ascii_start();
        value.strip_prefix(b"/Image").is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
    })
}

/// Fills a stream with zeros, and says where it ends.
fn blank(bytes: &mut [u8], data: usize) -> usize {
    let end = memmem::find(&bytes[data..], END).map_or(bytes.len(), |length| data + length);
    bytes[data..end].fill(0);
    end
}

/// Whether there is enough left of the budget for all that the filters give which are named before the stream.
fn fits(head: &[u8], data: &[u8], budget: &mut Budget) -> bool {
    let filters = filters(head);
    if filters.len() > FILTERS || !budget.stream() {
        return false;
    }
    let mut bytes = Cow::Borrowed(data);
    for filter in filters {
        let wanted = |is_early| Wanted { is_early, limit: budget.largest_stream() };
        let mut expanded = apply(filter, &bytes, &wanted(true)).unwrap_or_default();
        if filter == Filter::LzwDecode {
            let other = apply(filter, &bytes, &wanted(false)).unwrap_or_default();
            expanded = if other.len() > expanded.len() { other } else { expanded };
        }
        if !budget.expand(expanded.len() as u64) {
            return false;
        }
        bytes = expanded.into();
    }
    true
}

/// All filters that are named, in their order.
fn filters(head: &[u8]) -> Vec<Filter> {
    let head = unescaped(head);
    let names = memchr::memchr_iter(b'/', &head).map(|at| {
        let name = &head[at + 1..];
        let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(name.len());
        &name[..end]
    });
    names.filter_map(filter).collect()
}

fn filter(name: &[u8]) -> Option<Filter> {
    Some(match name {
        b"FlateDecode" | b"Fl" => Filter::FlateDecode,
        b"LZWDecode" | b"LZW" => Filter::LzwDecode,
        b"RunLengthDecode" | b"RL" => Filter::RunLengthDecode,
        b"ASCIIHexDecode" | b"AHx" => Filter::AsciiHexDecode,
        b"ASCII85Decode" | b"A85" => Filter::Ascii85Decode,
        _ => return None,
    })
}

/// Names may hold `#46` for `F`.
fn unescaped(head: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'#', head).is_none() {
        return head.into();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
    let mut plain = Vec::with_capacity(head.len());
    let mut rest = head;
    while let Some((first, others)) = rest.split_first() {
        match (first, digit(others.first()), digit(others.get(1))) {
            (b'#', Some(high), Some(low)) => {
                plain.push((high << 4 | low) as u8);
                rest = &others[2..];
            }
            _ => {
                plain.push(*first);
                rest = others;
            }
        }
    }
    plain.into()
}
