//! What to try a model with: the beginning of a sentence of its text, a question of its records.

use nuwa_text::is_unspaced;
use nuwa_tokenizer::Message;
use unicode_width::UnicodeWidthStr;

/// The most columns of a prompt; a character of a script without blanks takes two.
const WIDEST: usize = 40;
/// The most words of it.
const WORDS: usize = 7;
/// The most columns of a question.
const WIDEST_QUESTION: usize = 72;
/// Words after which a Chinese or Japanese sentence may be left open.
const JOINTS: &str = "的是在和了着就都也与而，、：；はがをにでのとも";

/// The beginning of a sentence of `text`, whole words of it, with something left to continue; none where there is no sentence.
///
/// It holds nothing that a shell would change between double quotes.
pub fn beginning(text: &str) -> Option<String> {
    let lines =
        || text.lines().map(|line| line.trim().trim_start_matches(is_opening)).filter(|line| begins(line));
    let prompts = || lines().map(opened).filter(|prompt| !prompt.is_empty());
    let first = lines().filter(|line| is_prose(line)).map(opened).find(|prompt| says_something(prompt));
    first.or_else(|| prompts().max_by_key(|prompt| prompt.width())).map(str::to_string)
}

/// The beginning of the first sentence of a line, left open.
fn opened(line: &str) -> &str {
    let sentence = sentence(line);
    let sentence = &sentence[..sentence.find(is_risky).unwrap_or(sentence.len())];
    let prompt = match sentence.chars().take(8).any(is_unspaced) {
        true => clause(sentence),
        false => words(sentence),
    };
    prompt
        .trim_end_matches(|character: char| character.is_whitespace() || "，,;；:：—–-(".contains(character))
}

/// Three words, or as much in a script without blanks.
fn says_something(prompt: &str) -> bool {
    prompt.split_whitespace().count() >= 3
        || prompt.chars().filter(|character| is_unspaced(*character)).count() >= 4
}

/// A prompt as it is, where it can stand between double quotes of a shell; else its beginning.
pub fn plain(prompt: &str) -> Option<String> {
    let trimmed = prompt.trim();
    let is_plain = !trimmed.is_empty() && !trimmed.contains(is_risky) && trimmed.width() <= 2 * WIDEST;
    if is_plain { Some(trimmed.to_string()) } else { beginning(prompt) }
}

/// A question that the model was taught to answer: one line, and short; one with a question mark where there is any.
pub fn question<'a>(dialogues: impl Iterator<Item = &'a [Message]> + Clone) -> Option<String> {
    let first =
        |turns: &'a [Message]| turns.iter().find(|turn| turn.role == "user").map(|turn| turn.content.trim());
    let fits = |text: &&str| !text.is_empty() && !text.contains('\n') && text.width() <= WIDEST_QUESTION;
    let mut short = dialogues.filter_map(first).filter(fits);
    let any = short.clone().next();
    short.find(|text| text.ends_with(['?', '？'])).or(any).map(str::to_string)
}

/// What opens a sentence without being its first word.
fn is_opening(character: char) -> bool {
    "\"'“”‘’«»「『（([*_>#-•–— \t\u{3000}\u{feff}".contains(character)
}

fn begins(line: &str) -> bool {
    line.chars().next().is_some_and(char::is_alphabetic)
}

/// Not a heading, the name of a speaker or a single word.
fn is_prose(line: &str) -> bool {
    let has_lower_case = !line.chars().any(char::is_uppercase) || line.chars().any(char::is_lowercase);
    !line.ends_with([':', '：']) && has_lower_case && line.width() >= 16
}

/// Up to the end of the first sentence.
fn sentence(line: &str) -> &str {
    let ends = line.char_indices().find(|(at, character)| {
        let rest = &line[at + character.len_utf8()..];
        "。！？．".contains(*character) || (".!?".contains(*character) && rest.starts_with([' ', '"', '”']))
    });
    ends.map_or(line, |(at, _)| &line[..at]).trim_end_matches(['.', '?', '!', '…'])
}

/// What a shell or the language of its quotes would change.
fn is_risky(character: char) -> bool {
    "\"“”„«»「」『』$`\\!%^".contains(character) || character.is_control()
}

/// The first words, but not the last one of the sentence.
fn words(sentence: &str) -> &str {
    let mut ends: Vec<usize> = sentence.match_indices(char::is_whitespace).map(|(at, _)| at).collect();
    if ends.is_empty() {
        return sentence;
    }
    ends.retain(|&end| !sentence[..end].ends_with(char::is_whitespace) && sentence[..end].width() <= WIDEST);
    ends.truncate(WORDS);
    ends.last().map_or("", |&end| &sentence[..end])
}

/// The first characters of a sentence without blanks: up to a place where it may be left open.
fn clause(sentence: &str) -> &str {
    let all = sentence.chars().count();
    let most = (WIDEST / 3).min(all.saturating_sub(2)).max(1);
    let places: Vec<(usize, char)> =
        sentence.char_indices().take(most).map(|(at, c)| (at + c.len_utf8(), c)).collect();
    let joint = places.iter().skip(3).rev().find(|(_, character)| JOINTS.contains(*character));
    joint.or(places.get(most.min(8) - 1)).map_or(sentence, |(end, _)| &sentence[..*end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_whole_words_from_the_beginning_of_a_sentence() {
        let cases = [
            (
                "First Citizen:\nBefore we proceed any further, hear me speak.\n",
                "Before we proceed any further, hear me",
            ),
            (
                "CHAPTER I\n\nIt was a dark and stormy night; the rain fell in torrents.",
                "It was a dark and stormy night",
            ),
            ("Olga likes the colour red. Olga often wears red.", "Olga likes the colour"),
            (
                "\"Come here!\" he said.\nThe old man walked slowly to the harbour.",
                "The old man walked slowly to the",
            ),
            ("# Title\n\n- The price is $5 for a large cup of tea.", "The price is"),
            (
                "Question: Where does Tobin live?\nAnswer: Tobin lives in Quarry.",
                "Question: Where does Tobin",
            ),
            ("Das Fräulein ging über die Straße und grüßte.", "Das Fräulein ging über die Straße und"),
            ("Мальчик пошёл в лес за грибами.", "Мальчик пошёл в лес за"),
            ("लड़का जंगल में लकड़ी लेने गया था।", "लड़का जंगल में लकड़ी लेने गया"),
            ("소년은 숲으로 버섯을 따러 갔다.", "소년은 숲으로 버섯을 따러"),
        ];
        for (text, expected) in cases {
            assert_eq!(beginning(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_prompt_in_a_script_without_blanks_stops_where_a_sentence_may_stay_open() {
        let cases = [
            ("奥尔加最喜欢的颜色是红色。奥尔加常穿红色。", "奥尔加最喜欢的颜色是"),
            ("道可道，非常道；名可名，非常名。", "道可道，非常道；名可名"),
            ("第一回\n宴桃园豪杰三结义，斩黄巾英雄首立功。", "宴桃园豪杰三结义"),
            ("むかしむかし、あるところにおじいさんがいました。", "むかしむかし、あるところに"),
        ];
        for (text, expected) in cases {
            assert_eq!(beginning(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn there_is_no_prompt_in_what_is_no_sentence() {
        for text in ["", "\n \n", "12 - 3 = 9", "!!!"] {
            assert_eq!(beginning(text), None, "{text}");
        }
        assert_eq!(beginning("Hello").as_deref(), Some("Hello"));
    }

    #[test]
    fn the_question_is_short_and_asks() {
        let dialogue = |question: &str| vec![Message::new("system", "s"), Message::new("user", question)];
        let long = "Where ".repeat(20) + "?";
        let all = ["Sing.", "a\nb?", &long, "你是谁？", "Who are you?"].map(dialogue);
        assert_eq!(question(all.iter().map(Vec::as_slice)).as_deref(), Some("你是谁？"));
        assert_eq!(question(all[..3].iter().map(Vec::as_slice)).as_deref(), Some("Sing."));
        assert_eq!(question(all[1..3].iter().map(Vec::as_slice)), None);
    }

    proptest::proptest! {
        #[test]
        fn a_prompt_is_part_of_the_text_and_safe_between_quotes(text in "\\PC{0,80}") {
            if let Some(prompt) = beginning(&text) {
                proptest::prop_assert!(text.contains(&prompt), "{prompt}");
                proptest::prop_assert!(!prompt.contains(['"', '$', '`', '\\', '!', '\n']), "{prompt}");
            }
        }
    }
}
