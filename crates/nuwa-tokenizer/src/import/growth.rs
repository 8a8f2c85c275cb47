//! How much longer a tokenizer's rules may make a text: a rule that writes ten characters for one, twelve times over, fills
//! any memory.

use serde_json::Value;

use super::charsmap;

/// The rules of known tokenizers make of one byte three (a blank), in rare letters 54.
const MOST: usize = 400;
/// Longer texts are put before no text.
const LONGEST_PREFIX: usize = 1024;

/// How many bytes a byte of text becomes at most.
///
/// # Errors
/// In words, when that is more than any tokenizer needs.
pub fn of(frame: &Value) -> Result<usize, String> {
    let own = growth(&frame["normalizer"])?.saturating_mul(growth(&frame["pre_tokenizer"])?);
    for (part, growth) in [("normalizer", own), ("decoder", growth(&frame["decoder"])?)] {
        if growth > MOST {
            return Err(format!(
                "its {part} makes a text up to {growth} times as long; expected at most {MOST}"
            ));
        }
    }
    Ok(own)
}

/// Whether a blank is put before every text.
pub fn puts_blank_first(frame: &Value) -> bool {
    let rules = ["normalizer", "pre_tokenizer"].map(|part| frame[part].to_string());
    let scheme = |rule: &String| rule.contains("Metaspace") && !rule.contains("\"prepend_scheme\":\"never\"");
    rules.iter().any(|rule| {
        rule.contains("\"Prepend\"") || rule.contains("\"add_prefix_space\":true") || scheme(rule)
    })
}

fn growth(rule: &Value) -> Result<usize, String> {
    let parts = ["normalizers", "pretokenizers", "decoders"].iter().find_map(|name| rule[*name].as_array());
    if let Some(parts) = parts {
        return parts.iter().try_fold(1, |all: usize, part| Ok(all.saturating_mul(growth(part)?)));
    }
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    // The library tells rules whose type it does not know by their fields.
    let kind = rule["type"].as_str();
    if kind == Some("Precompiled") || !rule["precompiled_charsmap"].is_null() {
        return Ok(charsmap::longest_text(&rule["precompiled_charsmap"])?.max(1));
    }
    if length(&rule["prepend"]) > LONGEST_PREFIX {
        return Err(format!("its normalizer puts {} bytes before every text", length(&rule["prepend"])));
    }
    let found = length(&rule["pattern"]["String"]).max(1);
    Ok(length(&rule["content"]).div_ceil(found).max(1))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_grows_without_measure_is_refused() {
        let tenfold = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
        let of_rules =
            |rules: Vec<Value>| of(&json!({"normalizer": {"type": "Sequence", "normalizers": rules}}));
        assert_eq!(of_rules(vec![tenfold.clone(); 2]), Ok(100));
        let told = of_rules(vec![tenfold.clone(); 12]).unwrap_err();
        assert_eq!(
            told,
            "its normalizer makes a text up to 1000000000000 times as long; expected at most 400"
        );
        assert!(of(&json!({"decoder": {"type": "Sequence", "decoders": vec![tenfold; 3]}})).is_err());
        let unknown = json!({"type": "Unknown", "pattern": {"String": "a"}, "content": "aa"});
        assert!(of_rules(vec![unknown; 16]).is_err(), "the library reads it as Replace");
        let map = [&1024_u32.to_le_bytes()[..], &[0; 1024], &[b'x'; 500], b"\0"].concat();
        let table = json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(map)});
        assert!(of_rules(vec![table]).unwrap_err().contains("500 times"));
        assert!(of_rules(vec![json!({"type": "Prepend", "prepend": "a".repeat(5000)})]).is_err());
        let blank = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
        assert_eq!(of_rules(vec![blank, json!({"type": "NFKC"})]), Ok(3));
        assert_eq!(of(&json!({})), Ok(1));
    }
}
