//! `c4`: keeps the lines of a page that are sentences, and rejects pages with few of them, by the rules of C4.
//!
//! Why: menus, buttons and lists of links do not end like sentences; what does is what a page was written for (Raffel et
//! al. 2019, "Exploring the Limits of Transfer Learning", <https://arxiv.org/abs/1910.10683>, section 2.2).
//! How: as the paper's own program goes over the lines (and datatrove's filter of this name, from which the default
//! numbers come): a line with a very long word goes; marks of citation such as `[3]` are taken out; a line goes that does
//! not end a sentence, or has few words, or names JavaScript or a policy; `lorem ipsum` or a curly bracket in a line that
//! got so far rejects the page, and so do too few sentences, and a word of the lists given in `bad_words`.
//! Unlike there: a sentence may end with 。！？ and with any closing quotation mark; a blank line between two kept
//! lines stays; two characters of Chinese or Japanese, three of Thai, are a word, and such a run is no long word; a line is
//! judged by its prose, so that a link at its end does not hide the full stop.
//! It is for pages of the web: it takes headings, lists, verse and code out of every document. FineWeb ran it with
//! `terminal_punctuation = false`.

use std::path::PathBuf;

use aho_corasick::AhoCorasick;
use nuwa_files::Document;
use nuwa_text::{is_of_word, is_unspaced, prose, weight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pieces::{closes, ends_sentence, has_no_stops, is_ended};
use crate::{DocumentStep, Verdict};
use crate::{Error, Result};

/// Which of the rules apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct C4Settings {
    /// Remove lines that do not end in terminal punctuation.
    pub terminal_punctuation: bool,
    /// Remove lines with fewer words (two Chinese or Japanese characters count as one, three Thai
    /// ones).
    pub min_words_per_line: usize,
    /// Remove lines with a longer word, in characters; 0 for no limit.
    pub max_word_characters: usize,
    /// Reject documents with fewer sentences after line filtering.
    pub min_sentences: usize,
    /// Remove citation marks: `[3]`, `[edit]`, `[citation needed]`.
    pub remove_citations: bool,
    /// Reject documents that contain the filler text "lorem ipsum".
    pub reject_lorem_ipsum: bool,
    /// Reject documents that contain a curly bracket, which is common in code and rare in prose.
    pub reject_curly_brackets: bool,
    /// Remove lines that contain one of these phrases (case-insensitive).
    pub line_phrases: Vec<String>,
    /// Files of words and phrases, one per line; documents that contain one are rejected. None are
    /// built in.
    pub bad_words: Vec<PathBuf>,
}

impl Default for C4Settings {
    fn default() -> Self {
        Self {
            terminal_punctuation: true,
            min_words_per_line: 3,
            max_word_characters: 1000,
            min_sentences: 5,
            remove_citations: true,
            reject_lorem_ipsum: true,
            reject_curly_brackets: true,
            line_phrases: LINE_PHRASES.map(str::to_string).to_vec(),
            bad_words: Vec::new(),
        }
    }
}

/// JavaScript and policies: seven phrases of C4's program, and what they are in Chinese.
const LINE_PHRASES: [&str; 12] = [
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "隐私政策",
    "隐私权政策",
    "使用条款",
    "服务条款",
    "用户协议",
];

/// The step.
#[derive(Debug)]
pub struct C4 {
    settings: C4Settings,
    line_phrases: AhoCorasick,
    lorem_ipsum: AhoCorasick,
    bad_words: Option<BadWords>,
}

/// What becomes of a line.
enum Fate {
    Stays,
    Goes,
    /// It rejects the document.
    Condemns(&'static str),
}

impl C4 {
    /// With these settings; reads the lists of bad words.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &C4Settings) -> Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            line_phrases: any_case("clean.c4.line_phrases", &settings.line_phrases)?,
            lorem_ipsum: any_case("clean.c4.reject_lorem_ipsum", &["lorem ipsum"])?,
            bad_words: BadWords::read(&settings.bad_words)?,
        })
    }

    fn fate(&self, line: &str) -> Fate {
        let settings = &self.settings;
        let prose = prose(line);
        let line = prose.trim();
        if settings.terminal_punctuation && !is_sentence(line)
            || words(line) < settings.min_words_per_line as f64
        {
            return Fate::Goes;
        }
        if settings.reject_lorem_ipsum && self.lorem_ipsum.is_match(line) {
            return Fate::Condemns("lorem ipsum");
        }
        if self.line_phrases.is_match(line) {
            return Fate::Goes;
        }
        match settings.reject_curly_brackets && line.contains('{') {
            true => Fate::Condemns("curly bracket"),
            false => Fate::Stays,
        }
    }

    /// What is left of `text`, and how many sentences.
    fn lines(&self, text: &str) -> std::result::Result<(String, usize), &'static str> {
        let (mut left, mut sentences, mut gap) = (String::with_capacity(text.len()), 0, false);
        for line in text.lines() {
            let line = line.trim();
            gap |= line.is_empty();
            if line.is_empty() || self.has_long_word(line) {
                continue;
            }
            let cited = self.settings.remove_citations && line.contains('[');
            let line = if cited { &without_citations(line) } else { line };
            match self.fate(line) {
                Fate::Goes => continue,
                Fate::Condemns(reason) => return Err(reason),
                Fate::Stays => {}
            }
            let between = if left.is_empty() {
                ""
            } else if gap {
                "\n\n"
            } else {
                "\n"
            };
            left.push_str(between);
            left.push_str(line);
            sentences += self::sentences(line);
            gap = false;
        }
        Ok((left, sentences))
    }

    fn has_long_word(&self, line: &str) -> bool {
        let limit = self.settings.max_word_characters;
        let long = |part: &str| part.len() > limit && part.chars().count() > limit;
        limit > 0 && line.len() > limit && line.split(|c: char| c.is_whitespace() || is_unspaced(c)).any(long)
    }
}

impl DocumentStep for C4 {
    fn name(&self) -> &'static str {
        "c4"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        if let Some(word) = self.bad_words.as_ref().and_then(|words| words.first_in(&document.text)) {
            return Verdict::rejected("bad word", word);
        }
        match self.lines(&document.text) {
            Err(reason) => Verdict::rejected(reason, ""),
            Ok((_, sentences)) if sentences < self.settings.min_sentences => {
                Verdict::rejected("too few sentences", format!("{sentences} sentences"))
            }
            Ok((left, _)) => {
                let changed = left != document.text.trim();
                if changed {
                    document.text = left;
                }
                Verdict::changed(changed)
            }
        }
    }
}

/// Finds `phrases` regardless of the case of ASCII letters.
fn any_case<P: AsRef<[u8]>>(name: &'static str, phrases: &[P]) -> Result<AhoCorasick> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(phrases).map_err(|problem| Error::Setting {
        name,
        value: format!("{} phrases ({problem})", phrases.len()),
        expected: "a shorter list",
    })
}

/// Whether a line ends a sentence, possibly in quotation marks; what ends in an ellipsis was cut off.
fn is_sentence(line: &str) -> bool {
    let bare = line.trim_end_matches(|character: char| closes(character) || character.is_whitespace());
    let cut_off = bare.ends_with("...") || bare.ends_with('…');
    !cut_off && (line.ends_with(['"', '\'']) || is_ended(bare))
}

/// Words between blanks; in scripts without blanks two or three characters are one.
fn words(line: &str) -> f64 {
    let letters = |character: char| if is_unspaced(character) { weight(character) } else { 0 };
    let of_part = |part: &str| match part.chars().map(letters).sum::<usize>() {
        0 => 1.0,
        letters => letters as f64 / 6.0,
    };
    line.split(|character: char| character.is_whitespace() || character == '\u{200b}')
        .filter(|part| !part.is_empty())
        .map(of_part)
        .sum()
}

/// Sentences of a line, at least one: after 。！？ anywhere, after . ! ? before a blank and no small letter; of Thai and Lao,
/// which have blanks only, two parts between blanks are one.
fn sentences(line: &str) -> usize {
    let parts = line.split(' ').filter(|part| part.ends_with(has_no_stops)).count();
    let mut ends = parts.saturating_sub(1) / 2;
    let mut characters = line.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if !ends_sentence(character) {
            continue;
        }
        while characters.next_if(|(_, next)| ends_sentence(*next) || closes(*next)).is_some() {}
        let Some(&(next, _)) = characters.peek() else { break };
        ends += usize::from(is_end(character, &line[..at], &line[next..]));
    }
    ends + 1
}

/// Whether the mark between `before` and `after` ends a sentence.
fn is_end(mark: char, before: &str, after: &str) -> bool {
    if !mark.is_ascii() {
        return true;
    }
    let starts_anew = after.starts_with(char::is_whitespace)
        && !after.trim_start().starts_with(|first: char| first.is_lowercase());
    let word = before.rsplit(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let is_title = ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "No", "vs"].contains(&word);
    starts_anew && !(mark == '.' && (is_initial || is_title))
}

/// A line without `[3]`, `[]`, `[edit]` and `[citation needed]`.
fn without_citations(line: &str) -> String {
    let mut left = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        left.push_str(&rest[..start]);
        let inside = rest[start + 1..].split(']').next().unwrap_or_default();
        let closed = rest[start + 1 + inside.len()..].starts_with(']');
        let cites = inside.chars().all(char::is_numeric) || ["edit", "citation needed"].contains(&inside);
        let end = if closed && cites { start + inside.len() + 2 } else { start + 1 };
        left.push_str(if closed && cites { "" } else { "[" });
        rest = &rest[end..];
    }
    left + rest
}

/// Words and phrases that a document must not hold.
#[derive(Debug)]
struct BadWords {
    words: Vec<String>,
    finder: AhoCorasick,
}

impl BadWords {
    fn read(files: &[PathBuf]) -> Result<Option<Self>> {
        let mut words = Vec::new();
        for file in files {
            let text = nuwa_files::read_to_string(file)?;
            words.extend(text.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_lowercase));
        }
        words.sort();
        words.dedup();
        let finder = any_case("clean.c4.bad_words", &words)?;
        Ok(if words.is_empty() { None } else { Some(Self { words, finder }) })
    }

    /// The first of the words in `text` that stands by itself; in a script without blanks, anywhere.
    fn first_in(&self, text: &str) -> Option<&str> {
        let text = if text.is_ascii() { text } else { &text.to_lowercase() };
        let is_word = |character: char| is_of_word(character) || character == '_';
        let stands_alone = |range: std::ops::Range<usize>| {
            !text[..range.start].ends_with(is_word) && !text[range.end..].starts_with(is_word)
        };
        let found = self.finder.find_overlapping_iter(text).find(|found| {
            self.words[found.pattern().as_usize()].contains(is_unspaced) || stands_alone(found.range())
        });
        found.map(|found| self.words[found.pattern().as_usize()].as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(settings: &C4Settings, text: &str) -> (String, Verdict) {
        let mut document = Document { text: text.into(), ..Document::default() };
        let verdict = C4::new(settings).unwrap().apply(&mut document);
        (document.text, verdict)
    }

    fn reason(text: &str) -> Option<String> {
        match apply(&C4Settings::default(), text).1 {
            Verdict::Rejected { reason, .. } => Some(reason.into_owned()),
            _ => None,
        }
    }

    const PROSE: &str = "The clay was wet. She took a handful of it. It kept the shape of her hand.\n\
        \"Is that all?\" asked the river. It was not all.";

    #[test]
    fn sentences_stay_and_menus_go() {
        let page = format!(
            "Home | News | Contact\n{PROSE}\n\nRead more...\nShare\nThanks.\nThe end was near [12][edit]."
        );
        let (text, verdict) = apply(&C4Settings::default(), &page);
        assert_eq!(text, format!("{PROSE}\n\nThe end was near ."));
        assert_eq!(verdict, Verdict::Changed);
        assert_eq!(apply(&C4Settings::default(), PROSE), (PROSE.to_string(), Verdict::Kept));
        let chinese = "首页 新闻 联系我们\n俗说天地开辟。未有人民。女娲抟黄土作人。剧务，力不暇供！\n他说：“乃引绳于泥中，举以为人。”\n使用本站即表示接受隐私政策。";
        let (text, verdict) = apply(&C4Settings::default(), chinese);
        assert_eq!((text.lines().count(), verdict), (2, Verdict::Changed), "{text}");
    }

    #[test]
    fn pages_are_rejected_for_a_reason() {
        assert_eq!(reason(PROSE), None);
        assert_eq!(reason("The clay was wet. She took a handful of it."), Some("too few sentences".into()));
        assert_eq!(reason(&format!("{PROSE}\nLorem Ipsum dolor sit amet.")), Some("lorem ipsum".into()));
        assert_eq!(reason(&format!("{PROSE}\nWrite the set as {{a, b}}.")), Some("curly bracket".into()));
        assert_eq!(reason(&format!("{PROSE}\nfunction f() {{\n")), None);
        assert_eq!(reason(&format!("{PROSE}\nEnable JavaScript {{now}}.")), None);
    }

    #[test]
    fn bad_words_stand_alone_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("words.txt");
        std::fs::write(&list, "Grolt\nflim flam\n\n噗啦\nжопка\n").unwrap();
        let settings = C4Settings { bad_words: vec![list], ..C4Settings::default() };
        for bad in ["You grolt, you.", "What FLIM FLAM!", "他说噗啦了。", "Какая Жопка."] {
            let verdict = apply(&settings, &format!("{PROSE} {bad}")).1;
            assert!(matches!(&verdict, Verdict::Rejected { reason, .. } if reason == "bad word"), "{bad}");
        }
        assert_eq!(apply(&settings, &format!("{PROSE} The grolting is over.")).1, Verdict::Kept);
        let missing = C4Settings { bad_words: vec!["absent.txt".into()], ..C4Settings::default() };
        assert!(C4::new(&missing).unwrap_err().to_string().contains("absent.txt"));
    }

    #[test]
    fn sentences_are_counted_behind_abbreviations() {
        assert_eq!(sentences("Mr. J. Smith paid 3.50 to Dr. Li. Then he left! \"Why?\" she asked."), 3);
        assert_eq!(sentences("女娲补天。石有五色！然后呢？"), 3);
        assert_eq!(sentences("no end at all"), 1);
        assert_eq!(sentences("ดาวอังคาร เป็นดาวเคราะห์ ลำดับที่สี่ จากดวงอาทิตย์ และเล็กเป็นที่สอง"), 3);
    }

    #[test]
    fn long_words_and_short_lines_go() {
        let settings = C4Settings { min_sentences: 0, ..C4Settings::default() };
        assert_eq!(apply(&settings, &format!("see it {}.", "x".repeat(1001))).0, "");
        let chinese = format!("{}。", "女娲补天".repeat(400));
        assert_eq!(apply(&settings, &chinese).0, chinese);
        assert_eq!(apply(&settings, "Too short.").0, "");
        assert_eq!(without_citations("a [b] c[1] [citation needed] ["), "a [b] c  [");
    }
}
