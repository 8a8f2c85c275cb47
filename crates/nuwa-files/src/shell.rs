//! Words as a shell takes them, for the commands in messages, which are there to be copied.

use std::ffi::OsStr;
use std::path::Path;

/// A word of a command line, in quotes where it needs them.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_encoded_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(text) => text.to_string(),
        Ok(text) if cfg!(windows) && !text.contains('"') => format!("\"{text}\""),
        Ok(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => escaped(bytes),
    }
}

/// A path as an argument of a command: one that begins with a dash is no flag.
pub fn quoted_path(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    match path.as_os_str().as_encoded_bytes().first() {
        Some(b'-') => quoted(Path::new(".").join(path)),
        _ => quoted(path),
    }
}

/// Whether every shell takes the text as it is.
fn is_plain(text: &str) -> bool {
    let harmless = |c: char| "-_./:,+@%=".contains(c) || (cfg!(windows) && c == '\\');
    // `=program` means a place to zsh.
    !text.is_empty() && !text.starts_with('=') && text.chars().all(|c| c.is_alphanumeric() || harmless(c))
}

/// The form in which bash, zsh and ksh take any byte: a name may hold line breaks, and need not be text.
fn escaped(bytes: &[u8]) -> String {
    let octal = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    let mut word = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '\\' => word.extend(['\\', character]),
                _ if character.is_control() => word += &octal(character.to_string().as_bytes()),
                _ => word.push(character),
            }
        }
        word += &octal(chunk.invalid());
    }
    word + "'"
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        for plain in ["runs/a-b", "--set", "a.b=1", "hf:owner/name", "runs/女娲", "日記/é.txt"] {
            assert_eq!(quoted(plain), plain);
        }
        let cases = [
            ("", "''"),
            ("my text.txt", "'my text.txt'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("~", "'~'"),
            ("全角　空白", "'全角　空白'"),
            ("=ls", "'=ls'"),
            ("a\nb'c", r"$'a\012b\'c'"),
        ];
        for (word, wanted) in cases {
            assert_eq!(quoted(word), wanted, "{word}");
        }
    }

    #[test]
    fn a_path_is_never_taken_for_a_flag() {
        assert_eq!(quoted_path("-rf notes.txt"), "'./-rf notes.txt'");
        assert_eq!(quoted_path("--out"), "./--out");
        assert_eq!(quoted_path("a-b"), "a-b");
    }

    /// What the shell makes of a quoted word, byte for byte.
    fn taken(shell: &str, word: &OsStr) -> Option<Vec<u8>> {
        let script = format!("printf '%s.' {}", quoted(word));
        let output = Command::new(shell).arg("-c").arg(script).output().ok()?;
        Some(output.stdout)
    }

    #[test]
    fn shells_read_back_what_was_quoted() {
        let every_byte: Vec<u8> = (1..=255).collect();
        let words: [&[u8]; 6] = [
            b"a b",
            b"it's \"so\"",
            b"$(x) `y` \\ * ? ~ ! # & ;",
            "女娲 补天".as_bytes(),
            b"-n",
            &every_byte,
        ];
        for shell in ["bash", "zsh", "sh"] {
            for word in words.iter().filter(|word| shell != "sh" || word.len() < 255) {
                let Some(read) = taken(shell, OsStr::from_bytes(word)) else { continue };
                assert_eq!(read, [*word, b"."].concat(), "{shell}");
            }
        }
    }
}
