//! The bytes of a stream, expanded within the budget. What comes before damage is kept.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use hayro_syntax::Filter;
use hayro_syntax::object::{Array, Dict, Object, Stream};

use super::budget::Budget;

/// Filters one after the other, at most.
pub(super) const FILTERS: usize = 8;

/// What is asked of a filter.
pub(super) struct Wanted {
    /// Whether codes of LZW grow one code sooner than needed, as they do where nothing is said.
    pub is_early: bool,
    /// The most bytes; at most one run or passage more come.
    pub limit: u64,
}

/// What the stream holds; nothing where it is a picture or asks for too much.
pub(super) fn decoded<'a>(stream: &Stream<'a>, budget: &mut Budget) -> Option<Cow<'a, [u8]>> {
    let filters = stream.filters();
    if filters.len() > FILTERS || is_elsewhere(stream) {
        return None;
    }
    let mut bytes = stream.raw_data();
    for filter in filters {
        let wanted = Wanted { is_early: is_early(stream.dict()), limit: budget.largest_stream() };
        let expanded = apply(filter, &bytes, &wanted)?;
        if !budget.expand(expanded.len() as u64) {
            return None;
        }
        bytes = Cow::Owned(expanded);
    }
    match is_predicted(stream.dict()) {
        true => stream.decoded_data().ok(),
        false => Some(bytes),
    }
}

/// Whether the bytes lie in another file.
fn is_elsewhere(stream: &Stream) -> bool {
    matches!(stream.dict().get::<Object>("F"), Some(Object::String(_) | Object::Dict(_)))
}

/// Whether rows of the stream are told by the rows above them, as those of pictures are.
fn is_predicted(dict: &Dict) -> bool {
    let says = |parameters: Dict| parameters.get::<u32>("Predictor").is_some_and(|predictor| predictor > 1);
    ["DecodeParms", "DP"].iter().any(|key| match dict.get::<Array>(key) {
        Some(array) => array.iter::<Object>().filter_map(Object::into_dict).any(says),
        None => dict.get::<Dict>(key).is_some_and(says),
    })
}

/// What the filter makes of the bytes; nothing where it is one of pictures.
pub(super) fn apply(filter: Filter, bytes: &[u8], wanted: &Wanted) -> Option<Vec<u8>> {
    let limit = wanted.limit;
    match filter {
        Filter::FlateDecode => Some(inflated(bytes, limit)),
        Filter::LzwDecode => Some(lzw(bytes, wanted.is_early, limit)),
        Filter::RunLengthDecode => Some(run_lengths(bytes, limit)),
        Filter::AsciiHexDecode => Some(hexadecimal(bytes, limit)),
        Filter::Ascii85Decode => Some(base_85(bytes, limit)),
        Filter::Crypt => Some(bytes.to_vec()),
        _ => None,
    }
}

fn inflated(bytes: &[u8], limit: u64) -> Vec<u8> {
    let with_head = read_until_damage(ZlibDecoder::new(bytes).take(limit + 1));
    match with_head.is_empty() {
        true => read_until_damage(DeflateDecoder::new(bytes).take(limit + 1)),
        false => with_head,
    }
}

fn read_until_damage(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut block) {
        bytes.extend_from_slice(&block[..count]);
    }
    bytes
}

fn is_early(dict: &Dict) -> bool {
    let parameters = dict.get::<Dict>("DecodeParms").or_else(|| dict.get::<Dict>("DP"));
    parameters.and_then(|parameters| parameters.get::<u32>("EarlyChange")) != Some(0)
}

const CLEAR: usize = 256;
const END: usize = 257;

/// Each code names a passage of the output: that of an earlier code and the byte behind it.
fn lzw(bytes: &[u8], is_early: bool, limit: u64) -> Vec<u8> {
    let mut output: Vec<u8> = Vec::new();
    let mut passages: Vec<(usize, usize)> = Vec::new();
    let (mut held, mut bits, mut last) = (0u32, 0, None);
    let mut bytes = bytes.iter();
    loop {
        let next = END + 1 + passages.len();
        let width = (next + usize::from(is_early)).ilog2().clamp(8, 11) + 1;
        while bits < width {
            let Some(byte) = bytes.next() else { return output };
            (held, bits) = (held << 8 | u32::from(*byte), bits + 8);
        }
        bits -= width;
        let code = (held >> bits) as usize & ((1 << width) - 1);
        if code == CLEAR {
            passages.clear();
            last = None;
            continue;
        }
        if let Some((start, end)) = last
            && passages.len() < 4096 - END - 1
        {
            passages.push((start, end + 1));
        }
        let start = output.len();
        match (code, passages.get(code.wrapping_sub(END + 1))) {
            (..CLEAR, _) => output.push(code as u8),
            (_, Some(&(from, end))) if end <= start => output.extend_from_within(from..end),
            // The passage that is being written: it ends with its own first byte.
            (_, Some(&(from, end))) if end == start + 1 => {
                output.extend_from_within(from..start);
                output.push(output[from]);
            }
            _ => return output,
        }
        if output.len() as u64 > limit {
            return output;
        }
        last = Some((start, output.len()));
    }
}

fn run_lengths(bytes: &[u8], limit: u64) -> Vec<u8> {
    const END: u8 = 128;
    let mut output = Vec::new();
    let mut bytes = bytes.iter();
    while let Some(length) = bytes.next().filter(|length| **length != END)
        && output.len() as u64 <= limit
    {
        match usize::from(*length) {
            more if *length < END => output.extend(bytes.by_ref().take(more + 1)),
            fewer => output.extend(std::iter::repeat_n(bytes.next().unwrap_or(&0), 257 - fewer)),
        }
    }
    output
}

fn hexadecimal(bytes: &[u8], limit: u64) -> Vec<u8> {
    let digits =
        bytes.iter().take_while(|byte| **byte != b'>').filter_map(|byte| (*byte as char).to_digit(16));
    let mut digits = digits.map(|digit| digit as u8);
    let byte = || Some(digits.next()? << 4 | digits.next().unwrap_or(0));
    std::iter::from_fn(byte).take(limit as usize + 1).collect()
}

fn base_85(bytes: &[u8], limit: u64) -> Vec<u8> {
    let mut output = Vec::new();
    let mut group = Vec::new();
    for byte in bytes.iter().take_while(|byte| **byte != b'~') {
        if output.len() as u64 > limit {
            break;
        }
        match byte {
            b'z' if group.is_empty() => output.extend([0; 4]),
            b'!'..=b'u' => group.push(u32::from(byte - b'!')),
            _ => {}
        }
        if group.len() == 5 {
            output.extend(four_bytes(&group));
            group.clear();
        }
    }
    if group.len() > 1 {
        let kept = group.len() - 1;
        group.resize(5, 84);
        output.extend(&four_bytes(&group)[..kept]);
    }
    output
}

fn four_bytes(digits: &[u32]) -> [u8; 4] {
    let number = digits.iter().fold(0u32, |number, digit| number.wrapping_mul(85).wrapping_add(*digit));
    number.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn filters_are_undone() {
        // The example of the PDF specification.
        let coded = [0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c, 0x85, 0x01];
        assert_eq!(lzw(&coded, true, LIMIT), b"-----A---B");
        assert_eq!(run_lengths(&[2, b'a', b'b', b'c', 254, b'd', 128, 7], LIMIT), b"abcddd");
        assert_eq!(hexadecimal(b"48 65\n6C6c 7>41", LIMIT), b"Hellp");
        assert_eq!(base_85(b"87cURD]i,\"Ebo8\n0+T~>", LIMIT), b"Hello World!!");
        assert_eq!(base_85(b"z@:B~>", LIMIT), b"\0\0\0\0ab");
    }

    #[test]
    fn damaged_streams_end_early() {
        assert_eq!(lzw(&[0x80, 0x0b, 0x7f, 0xff], true, LIMIT), b"-");
        assert_eq!(run_lengths(&[9, b'a'], LIMIT), b"a");
        assert_eq!(inflated(b"no zlib at all", LIMIT), b"");
    }

    #[test]
    fn expansion_ends_at_the_limit() {
        let runs = [129, b'a'].repeat(1000);
        assert!(run_lengths(&runs, 1000).len() < 1200);
        assert_eq!(inflated(&zlib(&[0; 100_000]), 1000).len(), 1001);
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
}
