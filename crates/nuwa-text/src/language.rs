//! Which language a text is in.
//!
//! How: the script decides first, for most scripts belong to one language (Hangul, Thai, Greek, ...); Han characters are
//! Japanese where kana are among them, else Chinese. Languages that share the Latin, Cyrillic, Arabic or Devanagari script
//! are told apart by how words are spelt: naive Bayes over the runs of one to four characters of each word with a blank on
//! either side, after Cavnar and Trenkle (1994, "N-Gram-Based Text Categorization"), with the runs of the Universal
//! Declaration of Human Rights in 48 languages (`data/languages.tsv`) as the frequencies. A long text is judged by a few
//! pieces of it. Addresses and code (runs of ASCII with `/`, `_`, `=`, ... in them) do not count.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::is_unspaced;

/// Pieces looked at of a long text, and the bytes of each.
const MOST_PIECES: usize = 6;
const PIECE: usize = 400;
/// What a run of characters costs in a language that does not know it, in bits.
const UNKNOWN: f32 = 15.0;
/// The lead over the second-best language below which a piece counts as unsure: in bits in all, and for each run.
const LEAD: f32 = 12.0;
const LEAD_OF_EACH: f32 = 0.03;
const LONGEST_RUN: usize = 4;

/// The language of `text` as an ISO 639-1 code, or `None` where that is not sure.
///
/// `min_letters` is the fewest letters to judge by, where a character of a script without blanks counts as three and a
/// Korean one as two; `share` the part of the letters, 0 to 1, that must be in one language.
pub fn identify(text: &str, min_letters: u64, share: f64) -> Option<&'static str> {
    let mut votes: Vec<(&'static str, u64)> = Vec::new();
    let mut all = 0;
    for piece in pieces(text) {
        let (language, letters, unsure) = vote(&prose(piece));
        all += letters + unsure;
        let Some(language) = language else { continue };
        match votes.iter_mut().find(|(known, _)| *known == language) {
            Some((_, sum)) => *sum += letters,
            None => votes.push((language, letters)),
        }
    }
    let (language, letters) = votes.into_iter().max_by_key(|(_, letters)| *letters)?;
    (all >= min_letters && letters as f64 >= share * all as f64).then_some(language)
}

/// ISO 639-2 and 639-3 codes with their ISO 639-1 code, for languages that crawls name so.
const CODES: &str = "afr af,ara ar,bel be,bul bg,cat ca,ces cs,cym cy,dan da,deu de,ell el,eng en,est et,eus eu,fas fa,fin fi,\
    fra fr,gle ga,glg gl,heb he,hin hi,hrv hr,hun hu,ind id,isl is,ita it,jpn ja,kat ka,kaz kk,kor ko,lav lv,lit lt,mar mr,\
    mkd mk,mlt mt,msa ms,nep ne,nld nl,nob no,nor no,pol pl,por pt,ron ro,rus ru,slk sk,slv sl,spa es,sqi sq,srp sr,swa sw,\
    swe sv,tam ta,tgl tl,tha th,tur tr,ukr uk,urd ur,vie vi,zho zh";

/// The ISO 639-1 code of a language with one of three letters.
pub fn two_letters(code: &str) -> Option<&'static str> {
    CODES
        .split(',')
        .filter_map(|pair| pair.split_once(' '))
        .find(|(long, _)| *long == code)
        .map(|(_, short)| short)
}

/// The whole of a short text, else pieces at equal distances.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let count = (text.len() / PIECE).clamp(1, MOST_PIECES);
    (0..count).map(move |at| {
        let start = text.ceil_char_boundary(at * (text.len() / count));
        let end = if count == 1 { text.len() } else { text.floor_char_boundary(start + PIECE) };
        &text[start..end.max(start)]
    })
}

/// `text` without runs of ASCII that look like addresses or code.
fn prose(text: &str) -> String {
    let is_code =
        |run: &str| run.contains(['/', '\\', '_', '@', '=', '<', '>', '{', '}', '%', '|', '~', '+']);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.bytes().position(|byte| !byte.is_ascii_graphic()).unwrap_or(rest.len());
        out.push_str(if is_code(&rest[..run]) { " " } else { &rest[..run] });
        rest = &rest[run..];
        let other = rest.bytes().position(|byte| byte.is_ascii_graphic()).unwrap_or(rest.len());
        out.push_str(&rest[..other]);
        rest = &rest[other..];
    }
    out
}

/// A script, as far as it says something about the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Devanagari,
    Han,
    Kana,
    /// Of one language only.
    Own(&'static str),
}

fn script(character: char) -> Option<Script> {
    Some(match character {
        'a'..='z' | 'A'..='Z' => Script::Latin,
        '\0'..='\u{a9}' | '×' | '÷' => return None,
        '\u{aa}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Own("el"),
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{530}'..='\u{58f}' => Script::Own("hy"),
        '\u{590}'..='\u{5ff}' => Script::Own("he"),
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Script::Arabic,
        '\u{900}'..='\u{97f}' => Script::Devanagari,
        '\u{980}'..='\u{9ff}' => Script::Own("bn"),
        '\u{a00}'..='\u{a7f}' => Script::Own("pa"),
        '\u{a80}'..='\u{aff}' => Script::Own("gu"),
        '\u{b00}'..='\u{b7f}' => Script::Own("or"),
        '\u{b80}'..='\u{bff}' => Script::Own("ta"),
        '\u{c00}'..='\u{c7f}' => Script::Own("te"),
        '\u{c80}'..='\u{cff}' => Script::Own("kn"),
        '\u{d00}'..='\u{d7f}' => Script::Own("ml"),
        '\u{d80}'..='\u{dff}' => Script::Own("si"),
        '\u{e00}'..='\u{e7f}' => Script::Own("th"),
        '\u{e80}'..='\u{eff}' => Script::Own("lo"),
        '\u{f00}'..='\u{fff}' => Script::Own("bo"),
        '\u{1000}'..='\u{109f}' => Script::Own("my"),
        '\u{10a0}'..='\u{10ff}' => Script::Own("ka"),
        '\u{1200}'..='\u{139f}' => Script::Own("am"),
        '\u{1780}'..='\u{17ff}' => Script::Own("km"),
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => Script::Own("ko"),
        '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' => Script::Kana,
        '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Script::Han,
        _ => return None,
    })
}

/// Letters by script; kana and Han are counted together, for Japanese is written with both.
#[derive(Default)]
struct Tally {
    letters: Vec<(Script, u64)>,
    kana: u64,
}

impl Tally {
    fn of(text: &str) -> Self {
        let mut tally = Self::default();
        for character in text.chars() {
            let Some(script) = script(character) else { continue };
            let weight = match script {
                _ if is_unspaced(character) => 3,
                Script::Own("ko") => 2,
                _ => 1,
            };
            let script = match script {
                Script::Kana => {
                    tally.kana += weight;
                    Script::Han
                }
                other => other,
            };
            match tally.letters.iter_mut().find(|(known, _)| *known == script) {
                Some((_, letters)) => *letters += weight,
                None => tally.letters.push((script, weight)),
            }
        }
        tally
    }
}

/// The language of a piece with the letters that are in it, and the letters that are in no language for sure.
fn vote(text: &str) -> (Option<&'static str>, u64, u64) {
    let tally = Tally::of(text);
    let all: u64 = tally.letters.iter().map(|(_, letters)| letters).sum();
    let Some((main, letters)) = tally.letters.into_iter().max_by_key(|(_, letters)| *letters) else {
        return (None, 0, 0);
    };
    let language = match main {
        Script::Own(language) => Some(language),
        // Chinese text holds a "の" here and there.
        Script::Han | Script::Kana if tally.kana * 10 >= letters => Some("ja"),
        Script::Han | Script::Kana => Some("zh"),
        alphabet => by_spelling(text, alphabet),
    };
    match language {
        Some(_) => (language, letters, all - letters),
        None => (None, 0, all),
    }
}

/// How often languages use runs of characters: for each run the languages that know it, with the bits it saves there.
struct Spelling {
    codes: Vec<&'static str>,
    runs: HashMap<u64, Vec<(u8, f32)>>,
}

static SPELLING: LazyLock<Spelling> = LazyLock::new(|| Spelling::read(include_str!("../data/languages.tsv")));

impl Spelling {
    fn read(table: &'static str) -> Self {
        let mut spelling = Self { codes: Vec::new(), runs: HashMap::new() };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let (code, words) = line.split_once('\t').expect("the table is ours");
            spelling.learn(code, words);
        }
        spelling
    }

    fn learn(&mut self, code: &'static str, words: &str) {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        let mut totals = [0; LONGEST_RUN + 1];
        let mut words = words.split(' ').peekable();
        while let Some(word) = words.next() {
            let times = words.next_if(|next| next.starts_with(|first: char| first.is_ascii_digit()));
            let times: u32 = times.map_or(1, |times| times.parse().expect("the table is ours"));
            for_each_run(&padded(word), |run, length| {
                *counts.entry(run).or_default() += times;
                totals[length] += times;
            });
        }
        let language = self.codes.len() as u8;
        self.codes.push(code);
        for (run, count) in counts {
            let saved = UNKNOWN + (count as f32 / totals[length_of(run)] as f32).log2();
            self.runs.entry(run).or_default().push((language, saved.max(0.0)));
        }
    }
}

fn padded(word: &str) -> Vec<char> {
    std::iter::once(' ').chain(word.chars()).chain(std::iter::once(' ')).collect()
}

/// The runs of one to four characters of a padded word but the blank itself, packed into numbers, with their lengths.
fn for_each_run(word: &[char], mut each: impl FnMut(u64, usize)) {
    for start in 0..word.len() {
        let mut run = 0;
        for (length, &character) in (1..=LONGEST_RUN).zip(&word[start..]) {
            run = run << 16 | (character as u64 & 0xffff);
            if run != ' ' as u64 {
                each(run, length);
            }
        }
    }
}

/// The length of a packed run; no character of a word is U+0000.
fn length_of(run: u64) -> usize {
    (64 - run.leading_zeros() as usize).div_ceil(16)
}

/// The language whose spelling fits the words of one script best, where it leads clearly.
fn by_spelling(text: &str, alphabet: Script) -> Option<&'static str> {
    let spelling = &*SPELLING;
    let mut saved = vec![0.0; spelling.codes.len()];
    let mut runs = 0;
    for word in words(text, alphabet) {
        for_each_run(&padded(&word), |run, _| {
            runs += 1;
            for &(language, bits) in spelling.runs.get(&run).into_iter().flatten() {
                saved[usize::from(language)] += bits;
            }
        });
    }
    let best = (0..saved.len()).max_by(|&one, &other| saved[one].total_cmp(&saved[other]))?;
    let rivals = saved.iter().enumerate().filter(|(language, _)| *language != best);
    let second = rivals.map(|(_, bits)| *bits).fold(0.0, f32::max);
    let lead = saved[best] - second;
    (lead >= LEAD && lead >= LEAD_OF_EACH * runs as f32).then(|| spelling.codes[best])
}

/// The words in letters of one script, in lower case.
fn words(text: &str, alphabet: Script) -> impl Iterator<Item = String> {
    let within = move |character: char| {
        matches!(character, '\'' | '’' | '\u{300}'..='\u{36f}') || script(character) == Some(alphabet)
    };
    text.split(move |character| !within(character))
        .map(|word| word.trim_matches(['\'', '’']).replace('’', "'").to_lowercase())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(identify(text, 24, 0.6), expected, "{text}");
    }

    #[test]
    fn sentences_in_many_languages() {
        for (language, text) in [
            ("en", "The old woman put the kettle on the fire and waited for her son."),
            ("de", "Die alte Frau stellte den Kessel aufs Feuer und wartete auf ihren Sohn."),
            ("fr", "La vieille femme mit la bouilloire sur le feu et attendit son fils."),
            ("es", "La anciana puso la tetera en el fuego y esperó a su hijo."),
            ("it", "La vecchia mise il bollitore sul fuoco e aspettò suo figlio."),
            ("pt", "A velha pôs a chaleira no lume e ficou à espera do filho."),
            ("nl", "De oude vrouw zette de ketel op het vuur en wachtte op haar zoon."),
            ("pl", "Stara kobieta postawiła czajnik na ogniu i czekała na swojego syna."),
            ("cs", "Stará žena postavila konvici na oheň a čekala na svého syna."),
            ("sv", "Den gamla kvinnan satte kitteln på elden och väntade på sin son."),
            ("fi", "Vanha nainen pani pannun tulelle ja odotti poikaansa kotiin."),
            ("hu", "Az öregasszony feltette a kannát a tűzre, és várta a fiát."),
            ("ru", "Старуха поставила чайник на огонь и стала ждать сына."),
            ("uk", "Стара жінка поставила чайник на вогонь і чекала на сина."),
            ("bg", "Старата жена сложи чайника на огъня и зачака сина си."),
            ("el", "Η γριά έβαλε τον βραστήρα στη φωτιά και περίμενε τον γιο της."),
            ("zh", "老妇人把水壶放在火上，等着她的儿子。"),
            ("ja", "老婆はやかんを火にかけて、息子を待っていた。"),
            ("ko", "노파는 주전자를 불에 올려놓고 아들을 기다렸다."),
        ] {
            check(text, Some(language));
        }
    }

    #[test]
    fn what_is_short_or_mixed_stays_open() {
        for text in ["", "OK", "知足", "12 34 56 78 90", "http://example.com/the/right/of/everyone", "Hello"]
        {
            check(text, None);
        }
        let english = "The right of everyone to take part in the government of the country. ";
        let german = "Jeder hat das Recht, an der Regierung seines Landes teilzunehmen. ";
        check(&format!("{}{}", english.repeat(20), german.repeat(20)), None);
        check(&format!("{}{}", english.repeat(35), german.repeat(5)), Some("en"));
        check("我们今天用 Python 写了一个小程序，运行得很好。", Some("zh"));
    }

    #[test]
    fn runs_know_their_length() {
        for_each_run(&padded("über"), |run, length| assert_eq!(length_of(run), length));
    }
}
