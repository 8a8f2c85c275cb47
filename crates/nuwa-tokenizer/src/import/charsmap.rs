//! The table of characters of a SentencePiece normalizer, checked before the `tokenizers` crate reads it: it trusts what stands
//! there.
//!
//! Layout, little-endian: the size of the index in bytes (`u32`), the index, then texts that end with a zero each. The index is a double
//! array (Aoe 1989): a unit holds the offset to its children, the byte it was reached by, and whether it ends a character; the
//! unit at the offset itself then holds where the text is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const DAMAGED: &str = "its normalizer's table of characters is damaged";

/// The length of its longest text.
///
/// # Errors
/// In words, when a character could be looked up beyond its end.
pub fn longest_text(map: &Value) -> Result<usize, String> {
    let bytes = map.as_str().and_then(|map| BASE64_STANDARD.decode(map).ok()).ok_or(DAMAGED)?;
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or(DAMAGED)?;
    // A unit that is cut is read as the beginning of the texts.
    let size = u32::from_le_bytes(*size) as usize / 4 * 4;
    let (index, texts) = rest.split_at_checked(size).ok_or(DAMAGED)?;
    let texts = std::str::from_utf8(texts).map_err(|_| DAMAGED)?;
    let units: Vec<u32> = index.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    check(&units, texts).ok_or(DAMAGED)?;
    Ok(texts.split('\0').map(str::len).max().unwrap_or(0))
}

/// Goes to every unit that any text leads to; none where one is beyond the end.
fn check(units: &[u32], texts: &str) -> Option<()> {
    let mut known = vec![false; units.len()];
    let mut waiting = vec![offset(*units.first()?)];
    while let Some(children) = waiting.pop() {
        for byte in 1..=255_usize {
            let child = children ^ byte;
            let unit = *units.get(child)?;
            if unit & (1 << 31 | 0xFF) != byte as u32 || std::mem::replace(&mut known[child], true) {
                continue;
            }
            let below = child ^ offset(unit);
            if unit >> 8 & 1 == 1 {
                let text = (*units.get(below)? & !(1 << 31)) as usize;
                texts.is_char_boundary(text).then_some(())?;
            }
            waiting.push(below);
        }
    }
    Some(())
}

fn offset(unit: u32) -> usize {
    (unit as usize >> 10) << ((unit & (1 << 9)) >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table in which "a" becomes the text at `text`.
    fn table(text: u32, texts: &[u8]) -> Vec<u8> {
        const CHILDREN: usize = 256;
        const BELOW: usize = 300;
        let a = CHILDREN ^ usize::from(b'a');
        let mut units = vec![0_u32; 512];
        units[0] = (CHILDREN as u32) << 10;
        units[a] = ((a ^ BELOW) as u32) << 10 | 1 << 8 | u32::from(b'a');
        units[BELOW] = text;
        let mut bytes = (units.len() as u32 * 4).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend_from_slice(texts);
        bytes
    }

    fn longest(bytes: &[u8]) -> Result<usize, String> {
        longest_text(&Value::from(BASE64_STANDARD.encode(bytes)))
    }

    #[test]
    fn what_leads_beyond_the_end_is_damaged() {
        let whole = table(0, b"\xc3\xa9e\0");
        assert_eq!(longest(&whole), Ok(3));
        let damaged = Err(DAMAGED.to_string());
        assert_eq!(longest(&table(1, b"\xc3\xa9e\0")), damaged, "within a character");
        assert_eq!(longest(&table(5, b"\xc3\xa9e\0")), damaged, "after the texts");
        assert_eq!(longest(&table(0, b"\xff\0")), damaged, "no UTF-8");
        assert_eq!(longest(&whole[..900]), damaged, "cut");
        assert_eq!(longest(&[255; 4]), damaged, "a size beyond measure");
        let mut far = whole.clone();
        far[4..8].copy_from_slice(&(4000_u32 << 10).to_le_bytes());
        assert_eq!(longest(&far), damaged, "children beyond the index");
        assert_eq!(longest_text(&Value::Null), damaged);
    }
}
