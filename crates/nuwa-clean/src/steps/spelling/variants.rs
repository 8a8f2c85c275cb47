//! Pairs of words of which both are right, however much more frequent one of them is: British and American spelling, one man
//! and several, and speech written down with its last g dropped.

/// Endings and letters that are written in two ways: the one is put for the other before comparing.
const TWO_WAYS: [(&str, &str); 9] = [
    ("is", "iz"),
    ("ys", "yz"),
    ("our", "or"),
    ("lled", "led"),
    ("lling", "ling"),
    ("ller", "ler"),
    ("ae", "e"),
    ("oe", "e"),
    ("men", "man"),
];

/// Whether the words are two right ways to write one, or forms of one that only look like a slip.
pub(super) fn are_variants(one: &str, other: &str) -> bool {
    let dropped = |short: &str, long: &str| short.ends_with("in") && long.strip_suffix('g') == Some(short);
    dropped(one, other)
        || dropped(other, one)
        || TWO_WAYS.iter().any(|(way, same)| {
            let differs = one.contains(way) || other.contains(way);
            differs && one.replace(way, same) == other.replace(way, same)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_right() {
        for (one, other) in [
            ("realise", "realize"),
            ("harbour", "harbor"),
            ("traveled", "travelled"),
            ("paralysed", "paralyzed"),
            ("mediaeval", "medieval"),
            ("watchmen", "watchman"),
            ("mornin", "morning"),
        ] {
            assert!(are_variants(one, other) && are_variants(other, one), "{one} {other}");
        }
    }

    #[test]
    fn slips_are_not() {
        for (wrong, right) in [("totaly", "totally"), ("rember", "remember"), ("cirtain", "certain")] {
            assert!(!are_variants(wrong, right), "{wrong}");
        }
    }
}
