//! The bodies of HTTP responses, as servers pack them.

use std::io::{self, Read};
use std::sync::Arc;

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use nuwa_files::Expansion;

use crate::content::Budget;
use crate::content::LARGEST_PAGE;

/// What a body holds.
type Unpacked = (Vec<u8>, Option<&'static str>);

/// Why a body gives nothing.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The reason, of this body alone.
    Page(&'static str),
    /// The file that it lies in expands too far.
    File(io::Error),
}

const DAMAGED: &str = "a damaged response";
const CUT: &str = "a page cut short, read as far as it goes";
/// The buffer of the decompressor for Brotli, in bytes.
const BROTLI_BUFFER: usize = 1 << 14;
/// A window of Zstandard may have so many bits: what RFC 8878 wants of every reader.
const ZSTD_WINDOW: u32 = 23;
/// Codings around one another.
const MOST_CODINGS: usize = 8;

/// A body without its codings, and what is odd in it; else why it is left out.
pub(super) fn body(
    bytes: &[u8],
    transfer: &[String],
    content: &[String],
    budget: &Arc<Budget>,
) -> Result<Unpacked, Unreadable> {
    let (is_chunked, transfer): (Vec<&String>, Vec<&String>) =
        transfer.iter().partition(|coding| **coding == "chunked");
    // Many crawlers undo the chunks but keep the header.
    let chunks = if is_chunked.is_empty() { None } else { dechunked(bytes) };
    let (mut body, is_whole) = chunks.unwrap_or_else(|| (bytes.to_vec(), true));
    let mut odd = (!is_whole).then_some(CUT);
    let codings: Vec<&String> = content.iter().chain(transfer).collect();
    if codings.len() > MOST_CODINGS {
        return Err(Unreadable::Page("a page with too many codings"));
    }
    for coding in codings.into_iter().rev() {
        let (unpacked, cut) = decoded(body, coding, budget)?;
        body = unpacked;
        odd = odd.or(cut);
    }
    Ok((body, odd))
}

/// The body behind a chunked transfer (RFC 9112, section 7.1), and whether it is whole; `None` where it is no such.
fn dechunked(mut bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    let mut first = true;
    loop {
        let Some((size, rest)) = chunk_size(bytes) else {
            return (!first).then_some((body, false));
        };
        if size == 0 {
            return Some((body, true));
        }
        let Some(chunk) = rest.get(..size) else {
            body.extend_from_slice(rest);
            return Some((body, false));
        };
        let Some(next) = rest[size..].strip_prefix(b"\r\n").or((rest.len() == size).then_some(&[][..]))
        else {
            return (!first).then_some((body, false));
        };
        body.extend_from_slice(chunk);
        bytes = next;
        first = false;
    }
}

/// The size of a chunk, and what is behind its line.
fn chunk_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = std::str::from_utf8(bytes[..end].strip_suffix(b"\r")?).ok()?;
    let size = line.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(size, 16).ok()?;
    Some((size, &bytes[end + 1..]))
}

fn decoded(body: Vec<u8>, coding: &str, budget: &Arc<Budget>) -> Result<Unpacked, Unreadable> {
    let damaged = |_| Unreadable::Page(DAMAGED);
    let starts = |mark: &[u8]| body.starts_with(mark);
    let is_zlib = matches!(body[..], [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31));
    // Many crawlers decompress but keep the header.
    let is_text = || std::str::from_utf8(&body).is_ok();
    match coding {
        "gzip" | "x-gzip" if starts(&[0x1f, 0x8b]) => unpacked(GzDecoder::new(&body[..]), budget),
        "deflate" if is_zlib => unpacked(ZlibDecoder::new(&body[..]), budget),
        "deflate" if !is_text() => unpacked(DeflateDecoder::new(&body[..]), budget),
        "br" if !is_text() => unpacked(Decompressor::new(&body[..], BROTLI_BUFFER), budget),
        "zstd" if starts(&[0x28, 0xb5, 0x2f, 0xfd]) => {
            let mut decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(damaged)?;
            decoder.window_log_max(ZSTD_WINDOW).map_err(damaged)?;
            unpacked(decoder, budget)
        }
        "gzip" | "x-gzip" | "deflate" | "br" | "zstd" | "identity" => Ok((body, None)),
        _ if is_text() => Ok((body, None)),
        _ => Err(Unreadable::Page("a page compressed in a way that is not read")),
    }
}

/// All that a decoder gives, as far as it is not damaged.
fn unpacked(mut decoder: impl Read, budget: &Arc<Budget>) -> Result<Unpacked, Unreadable> {
    let mut out = Vec::new();
    let end = budget.clone().counted(&mut decoder).take(LARGEST_PAGE + 1).read_to_end(&mut out);
    match end {
        Err(error) if Expansion::is(&error) => Err(Unreadable::File(error)),
        _ if out.len() as u64 > LARGEST_PAGE => {
            Err(Unreadable::Page("a page that expands to more than 64 MiB"))
        }
        Ok(_) => Ok((out, None)),
        Err(_) if out.is_empty() => Err(Unreadable::Page(DAMAGED)),
        Err(_) => Ok((out, Some(CUT))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::CollectSettings;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn chunked(bytes: &[u8]) -> Vec<u8> {
        let chunks = bytes
            .chunks(7)
            .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        chunks.chain(*b"0\r\n\r\n").collect()
    }

    fn body_of(bytes: &[u8], transfer: &[&str], content: &[&str]) -> Result<Unpacked, &'static str> {
        let budget = Budget::of_file(1, &CollectSettings::default());
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        body(bytes, &owned(transfer), &owned(content), &budget).map_err(|problem| match problem {
            Unreadable::Page(reason) => reason,
            Unreadable::File(_) => "a file that expands too far",
        })
    }

    #[test]
    fn codings_are_undone_from_the_last_to_the_first() {
        let text = "Two of them carried salt, é.".repeat(20).into_bytes();
        let whole = Ok((text.clone(), None));
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(body_of(&chunked(&gzipped(&text)), &["gzip", "chunked"], &[]), whole);
        assert_eq!(body_of(&chunked(&gzipped(&zst)), &["chunked"], &["zstd", "gzip"]), whole);
        assert_eq!(body_of(&deflated(&text), &[], &["deflate"]), whole);
        // As another program packs it.
        let brotli = *b"\x0b\x05\x80hello world\x03";
        assert_eq!(body_of(&brotli, &[], &["br"]), Ok((b"hello world".to_vec(), None)));
        for coding in ["gzip", "deflate", "br", "zstd", "chunked", "compress"] {
            assert_eq!(body_of(&text, &["chunked"], &[coding]), whole, "{coding}");
        }
        assert!(body_of(b"\xff\xfe", &[], &["compress"]).is_err());
    }

    #[test]
    fn what_a_cut_body_holds_is_kept() {
        let text = "Two of them carried salt. ".repeat(400).into_bytes();
        let packed = chunked(&text);
        let (cut, odd) = body_of(&packed[..packed.len() / 2], &["chunked"], &[]).unwrap();
        assert!(text.starts_with(&cut) && cut.len() > text.len() / 3 && odd.is_some());
        let packed =
            gzipped(&(0..9999_u32).flat_map(|n| (n * n).to_string().into_bytes()).collect::<Vec<_>>());
        let (cut, odd) = body_of(&packed[..packed.len() / 2], &[], &["gzip"]).unwrap();
        assert!(cut.len() > 10_000 && odd.is_some());
    }

    proptest! {
        #[test]
        fn any_body_is_answered(bytes: Vec<u8>, coding in 0_usize..5) {
            let coding = ["gzip", "deflate", "br", "zstd", "compress"][coding];
            let _ = body_of(&bytes, &["chunked"], &[coding]);
        }
    }
}
