//! The encodings that font programs bring along: those of Type 1 (text) and of its compact form, CFF (tables).

use hayro_syntax::object::{Dict, Stream};

use super::budget::Budget;
use super::filters::decoded;
use super::names::text_of_name;
use super::standard::STANDARD;

/// The texts of the codes of a font that has a program with an encoding of its own.
pub(super) fn encoding(dict: &Dict, budget: &mut Budget) -> Option<Vec<Option<String>>> {
    let descriptor = dict.get::<Dict>("FontDescriptor")?;
    if let Some(program) = descriptor.get::<Stream>("FontFile") {
        return of_type_1(&decoded(&program, budget)?);
    }
    Compact::new(&decoded(&descriptor.get::<Stream>("FontFile3")?, budget)?)?.encoding()
}

/// Reads `dup 65 /A put` up to the end of the list.
fn of_type_1(program: &[u8]) -> Option<Vec<Option<String>>> {
    let start = memchr::memmem::find(program, b"/Encoding")? + b"/Encoding".len();
    let rest = String::from_utf8_lossy(&program[start..program.len().min(start + (1 << 16))]);
    let spaced = rest.replace('/', " /");
    let mut words = spaced.split_ascii_whitespace();
    if words.next()? == "StandardEncoding" {
        return None;
    }
    let mut texts = vec![None; 256];
    while let Some(word) = words.next().filter(|word| !matches!(*word, "def" | "readonly" | "eexec")) {
        if word != "dup" {
            continue;
        }
        let (code, name) = (words.next().and_then(code), words.next()?.strip_prefix('/'));
        if let (Some(place), Some(name)) = (code.and_then(|code| texts.get_mut(code)), name) {
            *place = text_of_name(name);
        }
    }
    Some(texts)
}

/// `65` or `8#101`.
fn code(word: &str) -> Option<usize> {
    match word.split_once('#') {
        Some((base, digits)) => {
            let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
            usize::from_str_radix(digits, base).ok()
        }
        None => word.parse().ok(),
    }
}

/// The parts of a font in the compact form that say which glyph a code is, and what the glyph is called.
struct Compact<'a> {
    program: &'a [u8],
    names: Vec<&'a [u8]>,
    charset: usize,
    encoding: usize,
}

/// Keys of the dictionary of a font: its glyphs' names, its encoding, the mark of a font without names.
const CHARSET: u16 = 15;
const ENCODING: u16 = 16;
const NUMBERED: u16 = 12 << 8 | 30;

/// So many names are known and not written down.
const KNOWN_NAMES: usize = 391;
/// The characters of the known names from the 150th on; those before are the standard encoding's.
const MORE_KNOWN: &str = "¹¬µ™Ð½±Þ¼÷¦°þ¾²®−ð×³©ÁÂÄÀÅÃÇÉÊËÈÍÎÏÌÑÓÔÖÒÕŠÚÛÜÙÝŸŽáâäàåãçéêëèíîïìñóôöòõšúûüùýÿž";

impl<'a> Compact<'a> {
    fn new(program: &'a [u8]) -> Option<Self> {
        let (_, rest) = list(program.get(usize::from(*program.get(2)?)..)?)?;
        let (dicts, rest) = list(rest)?;
        let (names, _) = list(rest)?;
        let entries = entries(dicts.first()?);
        let value = |key| entries.iter().find(|entry| entry.0 == key).map(|entry| entry.1);
        let offset = |key| usize::try_from(value(key).unwrap_or(0)).ok();
        let is_named = value(NUMBERED).is_none();
        is_named.then_some(Self { program, names, charset: offset(CHARSET)?, encoding: offset(ENCODING)? })
    }

    /// The texts of all codes; nothing where a predefined encoding is meant.
    fn encoding(&self) -> Option<Vec<Option<String>>> {
        let table = self.program.get(self.encoding..).filter(|_| self.encoding > 1)?;
        let (format, count, rest) = (*table.first()?, usize::from(*table.get(1)?), &table[2..]);
        let codes: Vec<u8> = match format & 0x7f {
            0 => rest.iter().take(count).copied().collect(),
            _ => rest
                .as_chunks::<2>()
                .0
                .iter()
                .take(count)
                .flat_map(|[first, more]| (*first..=255).take(usize::from(*more) + 1))
                .collect(),
        };
        let mut texts = vec![None; 256];
        for (code, name) in codes.into_iter().zip(self.charset()?) {
            texts[usize::from(code)] = self.text(name);
        }
        Some(texts)
    }

    /// The numbers of the names of the glyphs from the second on; the first is what stands for missing ones.
    fn charset(&self) -> Option<Vec<u16>> {
        if self.charset == 0 {
            return Some((1..=228).collect());
        }
        let table = self.program.get(self.charset..).filter(|_| self.charset > 2)?;
        let rest = &table[1.min(table.len())..];
        let run = |first: &[u8], more: u16| {
            let first = u16::from_be_bytes([first[0], first[1]]);
            first..=first.saturating_add(more)
        };
        let runs: Vec<_> = match table.first()? {
            0 => rest.as_chunks::<2>().0.iter().map(|name| run(name, 0)).take(256).collect(),
            1 => rest.as_chunks::<3>().0.iter().map(|part| run(part, part[2].into())).take(256).collect(),
            _ => rest
                .as_chunks::<4>()
                .0
                .iter()
                .map(|part| run(part, u16::from_be_bytes([part[2], part[3]])))
                .take(256)
                .collect(),
        };
        Some(runs.into_iter().flatten().take(256).collect())
    }

    fn text(&self, name: u16) -> Option<String> {
        let name = usize::from(name);
        if name >= KNOWN_NAMES {
            return text_of_name(str::from_utf8(self.names.get(name - KNOWN_NAMES)?).ok()?);
        }
        let standard = STANDARD.characters().into_iter().flatten();
        standard.chain(MORE_KNOWN.chars()).nth(name.checked_sub(1)?).map(String::from)
    }
}

/// A list of byte strings, and what follows it.
fn list(bytes: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let count = usize::from(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]));
    if count == 0 {
        return Some((Vec::new(), &bytes[2..]));
    }
    let width = usize::from(*bytes.get(2)?);
    let ends = bytes.get(3..3 + (count + 1) * width)?;
    let data = &bytes[2 + (count + 1) * width..];
    let number =
        |digits: &[u8]| digits.iter().fold(0usize, |number, digit| number << 8 | usize::from(*digit));
    let ends: Vec<usize> = ends.chunks(width.max(1)).map(number).collect();
    let items = ends.windows(2).map(|pair| data.get(pair[0]..pair[1])).collect::<Option<_>>()?;
    Some((items, data.get(*ends.last()?..)?))
}

/// The keys of a dictionary with the last number before each.
fn entries(mut dict: &[u8]) -> Vec<(u16, i32)> {
    let mut entries = Vec::new();
    let mut last = 0;
    while let Some((item, rest)) = item(dict) {
        match item {
            Item::Number(number) => last = number,
            Item::Key(key) => entries.push((key, last)),
        }
        dict = rest;
    }
    entries
}

enum Item {
    Number(i32),
    Key(u16),
}

fn item(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let number = |number: i32, length: usize| Some((Item::Number(number), bytes.get(length..)?));
    let at = |at: usize| bytes.get(at).map(|byte| i32::from(*byte));
    match at(0)? {
        12 => Some((Item::Key(12 << 8 | at(1)? as u16), &bytes[2..])),
        key @ ..=21 => Some((Item::Key(key as u16), &bytes[1..])),
        28 => number(i32::from(i16::from_be_bytes([at(1)? as u8, at(2)? as u8])), 3),
        29 => number(i32::from_be_bytes(*bytes.get(1..)?.first_chunk()?), 5),
        30 => number(0, 1 + bytes.iter().skip(1).position(|byte| byte & 15 == 15 || byte >> 4 == 15)? + 1),
        byte @ 32..=246 => number(byte - 139, 1),
        byte @ 247..=250 => number((byte - 247) * 256 + at(1)? + 108, 2),
        byte @ 251..=254 => number(-(byte - 251) * 256 - at(1)? - 108, 2),
        _ => None,
    }
}
