//! Whether a rare word is made from known ones by the rules of English: then it is right, however rare.

use std::collections::HashSet;

/// Endings after a whole stem.
const ENDINGS: [&str; 22] = [
    "s", "ed", "ing", "ly", "er", "ers", "est", "ness", "less", "able", "ful", "ment", "ments", "ish",
    "like", "y", "wise", "ward", "wards", "ism", "ist", "ship",
];
/// Endings before which a final e falls, or after a stem that ends in e.
const AFTER_E: [&str; 9] = ["d", "r", "rs", "st", "ing", "able", "ation", "ish", "y"];
const BEGINNINGS: [&str; 16] = [
    "un", "re", "in", "im", "dis", "mis", "over", "out", "fore", "pre", "non", "under", "inter", "counter",
    "super", "sub",
];
/// The shortest stem, in bytes.
const STEM: usize = 3;

/// Whether `word` is a known stem with an ending, a beginning, or two known words in one; `known` says what is known.
pub(super) fn is_derived(word: &str, known: &impl Fn(&str) -> bool) -> bool {
    is_inflected(word, known)
        || BEGINNINGS.iter().any(|beginning| {
            let rest = word.strip_prefix(beginning).filter(|rest| rest.len() > STEM);
            rest.is_some_and(|rest| known(rest) || is_inflected(rest, known))
        })
        || is_compound(word, known)
}

/// Endings of words that belong together, in whatever way the stem changes before them.
const KIN: [&str; 40] = [
    "", "e", "s", "es", "ed", "d", "ing", "er", "ers", "est", "ly", "ness", "ment", "ful", "less", "able",
    "y", "ies", "ied", "ily", "ion", "ions", "al", "ity", "ous", "ish", "th", "or", "ors", "ive", "ation",
    "ence", "ance", "ant", "ent", "ments", "ism", "ist", "ical", "ically",
];

/// Words that have the stem of `word` and another ending, whether there are such words or not.
pub(super) fn relatives(word: &str) -> HashSet<String> {
    let ends = KIN.iter().filter_map(|ending| word.strip_suffix(ending));
    let stems: HashSet<String> = ends.filter(|stem| stem.len() >= STEM).flat_map(stem_forms).collect();
    stems.iter().flat_map(|stem| KIN.iter().map(move |ending| format!("{stem}{ending}"))).collect()
}

/// A stem as it may be written before other endings: without its e, with one letter for two, with y for i and i for y.
fn stem_forms(stem: &str) -> Vec<String> {
    let mut forms = vec![stem.to_string()];
    let letters: Vec<char> = stem.chars().rev().take(2).collect();
    let shorter = |with: &str| stem.strip_suffix(letters[0]).map(|rest| format!("{rest}{with}"));
    if stem.len() > STEM && (letters[0] == 'e' || letters.first() == letters.get(1)) {
        forms.extend(shorter(""));
    }
    match letters[0] {
        'i' => forms.extend(shorter("y")),
        'y' => forms.extend(shorter("i")),
        _ => {}
    }
    forms
}

fn is_inflected(word: &str, known: &impl Fn(&str) -> bool) -> bool {
    ENDINGS.iter().any(|ending| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= STEM);
        stem.is_some_and(|stem| has_stem(stem, ending, known))
    }) || AFTER_E.iter().any(|ending| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= STEM);
        let falls = ending.starts_with(['i', 'a', 'y']);
        stem.is_some_and(|stem| match falls {
            true => known(&format!("{stem}e")),
            false => stem.ends_with('e') && known(stem),
        })
    }) || of_y(word, known)
}

fn has_stem(stem: &str, ending: &str, known: &impl Fn(&str) -> bool) -> bool {
    let last = stem.chars().next_back().unwrap_or(' ');
    let vowel = "aeiouy".contains(last);
    // "voteing" and "failes" are slips: the e falls before a vowel, and -s stands after no e of its own.
    let fits = !(last == 'e' && ending.starts_with(['e', 'i', 'a', 'y']));
    if fits && known(stem) {
        return true;
    }
    let doubled = ending.starts_with(['e', 'i', 'y', 'a']) && !vowel && stem.len() > STEM;
    let hissing = |stem: &str| ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| stem.ends_with(end));
    (doubled && stem.ends_with(&format!("{last}{last}")) && known(&stem[..stem.len() - last.len_utf8()]))
        || (ending == "s" && stem.strip_suffix('e').is_some_and(|stem| hissing(stem) && known(stem)))
}

/// "happiness", "cities", "carried" of a stem in y.
fn of_y(word: &str, known: &impl Fn(&str) -> bool) -> bool {
    ["ies", "ied", "ier", "iest", "iness", "ily", "iful", "iless"].iter().any(|ending| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= STEM);
        stem.is_some_and(|stem| known(&format!("{stem}y")))
    })
}

fn is_compound(word: &str, known: &impl Fn(&str) -> bool) -> bool {
    let cuts = 4..word.len().saturating_sub(3);
    cuts.into_iter().any(|at| {
        word.is_char_boundary(at)
            && known(&word[..at])
            && (known(&word[at..]) || is_inflected(&word[at..], known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 12] = [
        "plank", "vote", "plan", "happy", "city", "wash", "head", "house", "light", "usual", "kind", "scarce",
    ];

    fn derived(word: &str) -> bool {
        is_derived(word, &|stem: &str| KNOWN.contains(&stem))
    }

    #[test]
    fn rare_forms_of_known_words_are_right() {
        for word in [
            "planks",
            "voted",
            "voting",
            "planned",
            "planner",
            "happiness",
            "cities",
            "washes",
            "unhappily",
            "lighthouse",
            "lighthouses",
            "unusual",
            "kindly",
            "headless",
        ] {
            assert!(derived(word), "{word}");
        }
    }

    #[test]
    fn forms_of_one_word_are_relatives() {
        for (word, other) in [
            ("currant", "currants"),
            ("pleaded", "pleading"),
            ("genies", "genie"),
            ("hopped", "hopping"),
            ("misery", "miseries"),
            ("miserly", "miser"),
        ] {
            assert!(relatives(word).contains(other), "{word} {other}");
        }
        assert!(!relatives("possable").contains("possible"));
    }

    #[test]
    fn slips_are_not_derived() {
        for word in ["voteing", "hapiness", "scarcly", "kindnes", "lihgthouse"] {
            assert!(!derived(word), "{word}");
        }
    }
}
