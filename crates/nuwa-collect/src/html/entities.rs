use std::borrow::Cow;

/// The names of U+00A0 to U+00FF, in order (HTML 4, Latin 1).
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn \
    sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde \
    Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde \
    Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
    egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash \
    ugrave uacute ucirc uuml yacute thorn yuml";

/// Other names that pages use: the markup characters, punctuation, Greek, arrows, mathematics.
const OTHERS: &str = "amp & lt < gt > quot \" apos ' ndash – mdash — lsquo ‘ rsquo ’ sbquo ‚ ldquo “ rdquo ” \
    bdquo „ hellip … bull • middot · trade ™ euro € dagger † Dagger ‡ permil ‰ prime ′ Prime ″ lsaquo ‹ rsaquo › \
    larr ← uarr ↑ rarr → darr ↓ harr ↔ lArr ⇐ rArr ⇒ hArr ⇔ forall ∀ part ∂ exist ∃ empty ∅ nabla ∇ isin ∈ notin ∉ \
    ni ∋ prod ∏ sum ∑ minus − lowast ∗ radic √ prop ∝ infin ∞ ang ∠ and ∧ or ∨ cap ∩ cup ∪ int ∫ there4 ∴ sim ∼ \
    cong ≅ asymp ≈ ne ≠ equiv ≡ le ≤ ge ≥ sub ⊂ sup ⊃ nsub ⊄ sube ⊆ supe ⊇ oplus ⊕ otimes ⊗ perp ⊥ sdot ⋅ lceil ⌈ \
    rceil ⌉ lfloor ⌊ rfloor ⌋ loz ◊ spades ♠ clubs ♣ hearts ♥ diams ♦ fnof ƒ circ ˆ tilde ˜ OElig Œ oelig œ Scaron Š \
    scaron š Yuml Ÿ Alpha Α Beta Β Gamma Γ Delta Δ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν \
    Xi Ξ Omicron Ο Pi Π Rho Ρ Sigma Σ Tau Τ Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω alpha α beta β gamma γ delta δ \
    epsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ omicron ο pi π rho ρ sigmaf ς sigma σ \
    tau τ upsilon υ phi φ chi χ psi ψ omega ω check ✓ star ☆ starf ★ hyphen ‐ dash ‐ lbrack [ rbrack ] lbrace { \
    rbrace } lpar ( rpar ) num # percnt % dollar $ ast * plus + comma , period . sol / colon : semi ; equals = \
    quest ? commat @ bsol \\ Hat ^ lowbar _ grave ` vert | excl !";

/// Names of blanks and invisible characters.
const BLANKS: [(&str, char); 7] = [
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
];

const LONGEST_NAME: usize = 12;

/// Replaces character references (`&amp;`, `&#8217;`, `&#x2019;`); what is none stays as it is.
pub fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = reference(&rest[1..]).unwrap_or(('&', 0));
        out.push(character);
        rest = &rest[1 + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that the text after an `&` names, and how many bytes name it.
fn reference(after: &str) -> Option<(char, usize)> {
    if let Some(number) = after.strip_prefix('#') {
        let (digits, radix, skipped) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16, 2),
            None => (number, 10, 1),
        };
        let count = digits.bytes().take(9).take_while(|byte| (*byte as char).is_digit(radix)).count();
        let value = u32::from_str_radix(&digits[..count], radix).ok()?;
        let end = skipped + count;
        return Some((from_number(value), end + usize::from(after[end..].starts_with(';'))));
    }
    let length = after.bytes().take(LONGEST_NAME).take_while(u8::is_ascii_alphanumeric).count();
    let terminated = after[length..].starts_with(';');
    let character = named(&after[..length])?;
    // Without a semicolon only the old names are certain: "&copy 2020", but not "&para" in an address.
    let certain =
        terminated || matches!(&after[..length], "amp" | "lt" | "gt" | "quot" | "nbsp" | "copy" | "reg");
    certain.then_some((character, length + usize::from(terminated)))
}

/// Numbers 128 to 159 mean Windows-1252, as in the HTML standard.
fn from_number(value: u32) -> char {
    if (0x80..0xa0).contains(&value) {
        let byte = [value as u8];
        return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte).0.chars().next().unwrap_or(' ');
    }
    char::from_u32(value).filter(|&character| character != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn named(name: &str) -> Option<char> {
    if let Some(at) = LATIN_1.split(' ').filter(|word| !word.is_empty()).position(|known| known == name) {
        return char::from_u32(0xa0 + at as u32);
    }
    if let Some((_, character)) = BLANKS.iter().find(|(known, _)| *known == name) {
        return Some(*character);
    }
    let mut words = OTHERS.split_ascii_whitespace();
    while let (Some(known), Some(character)) = (words.next(), words.next()) {
        if known == name {
            return character.chars().next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced() {
        assert_eq!(unescape("a &lt; b &amp;&amp; &eacute;&#233;&#xe9; &yuml;"), "a < b && ééé ÿ");
        assert_eq!(unescape("&#146;&mdash;&hearts;&nbsp;."), "’—♥\u{a0}.");
    }

    #[test]
    fn what_is_no_reference_stays() {
        for text in ["AT&T", "a & b", "&unknown;", "x?a=1&para=2", "&#;", "&", "&#x;"] {
            assert_eq!(unescape(text), text);
        }
        assert_eq!(unescape("&#0;&#99999999;"), "\u{fffd}\u{fffd}");
    }
}
