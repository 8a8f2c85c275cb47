//! What belongs to a word, in any script: the one definition that every step uses.
//!
//! A word is a run of letters and digits with the signs on them: accents, vowel signs, the virama that joins consonants
//! (Unicode's general category Mark), and the joiners within (ZWNJ in Persian, ZWJ in Sinhala), which are there for the
//! shape of letters. Scripts that put no blanks between words have no such runs: there each character with its signs stands
//! for itself, and a number of them is about a word. A zero-width space is a blank like another.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// What a character does to the word before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A letter or digit: begins a word or goes on with one.
    Letter,
    /// A character of a script without blanks: ends a word, and is one.
    Unspaced,
    /// A sign on the letter before it: goes on with a word, begins none.
    Sign,
    /// Invisible within a word, and means nothing for which word it is.
    Joiner,
    /// Ends a word: a blank, a mark, a symbol.
    Other,
}

/// What `character` does to the word before it.
pub fn role(character: char) -> Role {
    match character {
        _ if character.is_ascii_alphanumeric() => Role::Letter,
        _ if character.is_ascii() => Role::Other,
        // Most characters of any text are decided so far.
        '\u{4e00}'..='\u{9fff}' => Role::Unspaced,
        '\u{2010}'..='\u{2029}' | '\u{3001}' | '\u{3002}' | '\u{ff0c}' => Role::Other,
        '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' => Role::Joiner,
        _ if has_few_signs(character) && character.is_alphanumeric() => Role::Letter,
        _ if is_unspaced(character) && !(is_south_east(character) && is_combining_mark(character)) => {
            Role::Unspaced
        }
        _ if is_combining_mark(character) => Role::Sign,
        _ if character.is_alphanumeric() => Role::Letter,
        _ => Role::Other,
    }
}

/// Latin, Greek, Cyrillic and Korean, where nothing that is a letter to the standard library is a sign.
fn has_few_signs(character: char) -> bool {
    matches!(character, '\u{aa}'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{58f}' | '\u{1e00}'..='\u{1fff}'
        | '\u{ac00}'..='\u{d7a3}')
}

/// True for letters, digits and signs of scripts that put blanks between words.
pub fn is_of_word(character: char) -> bool {
    match character.is_ascii() {
        true => character.is_ascii_alphanumeric(),
        false => matches!(role(character), Role::Letter | Role::Sign),
    }
}

/// True for characters of scripts that put no blanks between words: Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan.
pub fn is_unspaced(character: char) -> bool {
    match character {
        '\u{4e00}'..='\u{9fff}' => true,
        '\0'..='\u{e00}' | '\u{2000}'..='\u{3004}' => false,
        _ => is_east(character) || is_south_east(character),
    }
}

/// Han, Kana, Bopomofo and Yi, in which about two characters are a word.
fn is_east(character: char) -> bool {
    matches!(character,
        '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}' | '\u{303b}'
        | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3105}'..='\u{312f}'
        | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{a000}'..='\u{a48c}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Thai, Lao, Tibetan, Burmese, Khmer and their relatives, in which about three characters with their signs are a word.
fn is_south_east(character: char) -> bool {
    !('\u{2000}'..='\u{a97f}').contains(&character)
        && matches!(character,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e50}'..='\u{e59}' | '\u{e81}'..='\u{edf}'
        | '\u{f00}' | '\u{f18}'..='\u{f39}' | '\u{f3e}'..='\u{f84}' | '\u{f86}'..='\u{fbc}'
        | '\u{1000}'..='\u{1049}' | '\u{1050}'..='\u{109d}' | '\u{1780}'..='\u{17d3}' | '\u{17d7}' | '\u{17dc}'..='\u{17f9}'
        | '\u{1950}'..='\u{19da}' | '\u{1a20}'..='\u{1a99}' | '\u{1aa7}' | '\u{1b00}'..='\u{1b59}'
        | '\u{a980}'..='\u{a9c0}' | '\u{a9cf}'..='\u{a9d9}' | '\u{a9e0}'..='\u{a9fe}' | '\u{aa60}'..='\u{aadd}')
}

/// For how many letters of an alphabet a character counts where a text's size is judged.
pub fn weight(character: char) -> usize {
    match role(character) {
        Role::Letter => 1,
        Role::Unspaced => unspaced_weight(character),
        Role::Sign | Role::Joiner | Role::Other => 0,
    }
}

/// [`weight`] of a character of a script without blanks: a word is six letters.
pub fn unspaced_weight(character: char) -> usize {
    6 / unspaced_a_word(character)
}

/// How many characters with their signs are about a word.
pub fn unspaced_a_word(character: char) -> usize {
    if is_south_east(character) { 3 } else { 2 }
}

/// Whether the consonant after this sign stands below it and is of the same character: Khmer's coeng, Burmese's virama and
/// their relatives.
pub fn stacks(sign: char) -> bool {
    matches!(sign, '\u{1039}' | '\u{17d2}' | '\u{1a60}' | '\u{1b44}' | '\u{a9c0}')
}

/// Whether the joiner between `before` and `after` (other joiners passed over) means something: it shapes the letters of
/// scripts that join them, also at a word's end after a virama, and makes one emoji of several.
pub fn is_needed(joiner: char, before: Option<char>, after: Option<char>) -> bool {
    let [shapes_before, shapes_after] = [before, after].map(|c| c.is_some_and(is_shaped));
    match joiner {
        '\u{200b}' => [before, after].iter().all(|c| c.is_some_and(is_south_east)),
        _ if before.is_some_and(|before| canonical_combining_class(before) == 9) => true,
        '\u{200c}' => shapes_before && shapes_after,
        '\u{200d}' => {
            let [emoji_before, emoji_after] = [before, after].map(|c| c.is_some_and(may_be_emoji));
            shapes_before || shapes_after || emoji_before && emoji_after
        }
        _ => false,
    }
}

/// Letters and signs whose shape depends on their neighbours: Arabic and its relatives, the scripts of India, Mongolian.
fn is_shaped(character: char) -> bool {
    let joins = matches!(character,
        '\u{600}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{1900}'..='\u{1c4f}'
        | '\u{1cd0}'..='\u{1cff}' | '\u{a800}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10a00}'..='\u{10fff}' | '\u{11000}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}');
    joins && matches!(role(character), Role::Letter | Role::Sign | Role::Unspaced)
}

fn may_be_emoji(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_its_role() {
        let roles = |text: &str| text.chars().map(role).collect::<Vec<_>>();
        use Role::*;
        assert_eq!(roles("क्ष"), [Letter, Sign, Letter]);
        assert_eq!(roles("می\u{200c}خ"), [Letter, Letter, Joiner, Letter]);
        assert_eq!(roles("e\u{301}é7"), [Letter, Sign, Letter, Letter]);
        assert_eq!(roles("ก้า火ー・"), [Unspaced, Sign, Unspaced, Unspaced, Unspaced, Other]);
        assert_eq!(roles("ក្រ។\u{200b}"), [Unspaced, Sign, Unspaced, Other, Other]);
        assert_eq!(roles("✌\u{fe0f} _"), [Other, Sign, Other, Other]);
    }

    #[test]
    fn no_letter_is_taken_for_a_sign_where_signs_are_not_looked_for() {
        let wrong = ('\u{80}'..='\u{10ffff}').filter(|c| has_few_signs(*c) && is_combining_mark(*c));
        assert_eq!(wrong.filter(|c| c.is_alphanumeric()).count(), 0);
    }

    #[test]
    fn marks_are_no_characters_of_a_script() {
        for mark in "฿๏๚๛་།༎၊။៖។៛・゠。、〜〽".chars() {
            assert_eq!(role(mark), Role::Other, "{mark}");
        }
    }

    #[test]
    fn joiners_are_needed_where_letters_are_shaped() {
        let needed = |text: &str| {
            let all: Vec<char> = text.chars().collect();
            is_needed(all[1], all.first().copied(), all.get(2).copied())
        };
        for text in ["ی\u{200c}خ", "\u{94d}\u{200d}", "\u{d4d}\u{200d} ", "ه\u{200d}.", "👩\u{200d}💻"]
        {
            assert!(needed(text), "{text:?}");
        }
        assert!(needed("រ\u{200b}ក") && needed("\u{dca}\u{200d}ර"));
        for text in ["a\u{200d}b", "火\u{200c}星", "ی\u{200c} ", "a\u{200b}b", "ی\u{200b}خ", "7\u{200c}8"]
        {
            assert!(!needed(text), "{text:?}");
        }
    }
}
