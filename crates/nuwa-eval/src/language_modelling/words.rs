/// The number of words in `text`: runs of characters between blanks, as perplexity per word is usually counted; but
/// each Chinese character or Japanese syllable is a word by itself, and punctuation between them is none.
///
/// # Examples
///
/// ```
/// use nuwa_eval::language_modelling::words;
///
/// assert_eq!(words("She mended the sky."), 4);
/// assert_eq!(words("女娲补天。"), 4);
/// ```
pub fn words(text: &str) -> u64 {
    let mut count = 0;
    let mut within_run = false;
    for character in text.chars() {
        let stands_alone = is_ideographic(character);
        let joins_run = !(stands_alone || character.is_whitespace() || is_wide_punctuation(character));
        count += u64::from(stands_alone || joins_run && !within_run);
        within_run = joins_run;
    }
    count
}

/// Han, Hiragana, Katakana.
fn is_ideographic(character: char) -> bool {
    matches!(character,
        '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

fn is_wide_punctuation(character: char) -> bool {
    matches!(character, '\u{3001}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}') && !character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_between_blanks_and_ideographs_are_words() {
        let cases = [
            ("", 0),
            (" \n\t", 0),
            ("one", 1),
            (" don't  stop,\nnow ", 3),
            ("女娲，补天！", 4),
            ("GPT-2 模型 v１", 4),
            ("模型abc模型", 5),
            ("ひらがな カナ", 6),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }
}
