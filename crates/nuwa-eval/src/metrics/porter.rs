//! Stems of English words (Porter, "An algorithm for suffix stripping", 1980), with the changes that NLTK makes to it (`NLTK_EXTENSIONS`),
//! since ROUGE is counted over those stems. Porter's later algorithm (Snowball's `english`) gives others.

/// Words whose stem no rule finds.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// Endings and what stands in their place, where the stem before them is long enough: the first that a word has decides.
type Endings = [(&'static str, &'static str)];

const STEP_2: &Endings = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: &Endings = &[
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
    "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word in lower-case ASCII letters and digits.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(known, _)| *known == word) {
        return (*stem).to_string();
    }
    if word.len() <= 2 || !word.is_ascii() {
        return word.to_string();
    }
    let word = without_y(without_past(without_plural(word.to_string())));
    let word = replaced(step_2(word), STEP_3);
    without_double_l(without_e(step_4(word)))
}

/// Step 1a.
fn without_plural(word: String) -> String {
    if word.ends_with("ies") {
        let cut = if word.len() == 4 { 1 } else { 2 };
        return word[..word.len() - cut].to_string();
    }
    let cut =
        if word.ends_with("sses") { 2 } else { usize::from(word.ends_with('s') && !word.ends_with("ss")) };
    word[..word.len() - cut].to_string()
}

/// Step 1b.
fn without_past(word: String) -> String {
    if word.ends_with("ied") {
        let cut = if word.len() == 4 { 1 } else { 2 };
        return word[..word.len() - cut].to_string();
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if measure(stem) > 0 { format!("{stem}ee") } else { word };
    }
    let stems = ["ed", "ing"].into_iter().filter_map(|ending| word.strip_suffix(ending));
    let found = stems.into_iter().find(|stem| has_vowel(stem));
    match found {
        Some(stem) => completed(stem),
        None => word,
    }
}

/// A stem without its ending, made a word again: `conflat` to `conflate`, `hopp` to `hop`, `fil` to `file`.
fn completed(stem: &str) -> String {
    if ["at", "bl", "iz"].iter().any(|end| stem.ends_with(end)) {
        format!("{stem}e")
    } else if ends_double(stem) {
        let cut = usize::from(!stem.ends_with(['l', 's', 'z']));
        stem[..stem.len() - cut].to_string()
    } else if measure(stem) == 1 && ends_short(stem) {
        format!("{stem}e")
    } else {
        stem.to_string()
    }
}

/// Step 1c: `happy` to `happi`, not `enjoy`.
fn without_y(word: String) -> String {
    match word.strip_suffix('y') {
        Some(stem) if stem.len() > 1 && consonants(stem).last() == Some(&true) => format!("{stem}i"),
        _ => word,
    }
}

fn step_2(word: String) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| measure(stem) > 0) {
        return step_2(format!("{stem}al"));
    }
    if let Some(stem) = word.strip_suffix("logi") {
        // The l belongs to the stem, so that `geo` and `theo` are long enough.
        return if measure(&word[..word.len() - 3]) > 0 { format!("{stem}log") } else { word };
    }
    replaced(word, STEP_2)
}

fn replaced(word: String, endings: &Endings) -> String {
    for (ending, with) in endings {
        if let Some(stem) = word.strip_suffix(ending) {
            return if measure(stem) > 0 { format!("{stem}{with}") } else { word };
        }
    }
    word
}

fn step_4(word: String) -> String {
    for ending in STEP_4 {
        if let Some(stem) = word.strip_suffix(ending) {
            let fits = measure(stem) > 1 && (ending != "ion" || stem.ends_with(['s', 't']));
            return if fits { stem.to_string() } else { word };
        }
    }
    word
}

/// Step 5a.
fn without_e(word: String) -> String {
    match word.strip_suffix('e') {
        Some(stem) if measure(stem) > 1 || (measure(stem) == 1 && !ends_short(stem)) => stem.to_string(),
        _ => word,
    }
}

/// Step 5b.
fn without_double_l(word: String) -> String {
    match word.strip_suffix('l') {
        Some(stem) if stem.ends_with('l') && measure(stem) > 1 => stem.to_string(),
        _ => word,
    }
}

/// Of each character whether it is a consonant: no vowel, and no `y` behind a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut found: Vec<bool> = Vec::with_capacity(word.len());
    for byte in word.bytes() {
        let is_consonant = match byte {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => !found.last().is_some_and(|before| *before),
            _ => true,
        };
        found.push(is_consonant);
    }
    found
}

/// Porter's measure: how often a vowel is followed by a consonant.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(stem: &str) -> bool {
    consonants(stem).contains(&false)
}

fn ends_double(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 2
        && bytes[bytes.len() - 1] == bytes[bytes.len() - 2]
        && consonants(word).ends_with(&[true])
}

/// Whether a word ends in consonant, vowel, consonant, the last none of w, x and y; or is a vowel and a consonant.
fn ends_short(word: &str) -> bool {
    let found = consonants(word);
    (found.ends_with(&[true, false, true]) && !word.ends_with(['w', 'x', 'y'])) || found == [false, true]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_those_of_nltk() {
        let known = [
            ("dying", "die"),
            ("skies", "sky"),
            ("news", "news"),
            ("dies", "die"),
            ("flies", "fli"),
            ("generously", "gener"),
            ("agreed", "agre"),
            ("feed", "feed"),
            ("hopping", "hop"),
            ("filing", "file"),
            ("falling", "fall"),
            ("enjoy", "enjoy"),
            ("happy", "happi"),
            ("geology", "geolog"),
            ("apology", "apolog"),
            ("hopefully", "hope"),
            ("controlling", "control"),
            ("relational", "relat"),
            ("adoption", "adopt"),
            ("2020s", "2020"),
            ("yyyy", "yyyi"),
        ];
        for (word, expected) in known {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_word_has_a_stem(word in "[a-z0-9]{0,12}") {
            proptest::prop_assert!(stem(&word).len() <= word.len() + 1);
        }
    }
}
