use std::path::Path;

use proptest::prelude::*;

use super::*;

const FILE: &str = r#"
exceptions = ["bath bomb", "炸弹鱼", "class bomb day"]
[[rules]]
category = "weapons"
words = ["bomb", "bomb threat", "炸弹", "café"]
[[rules]]
category = "numbers"
patterns = ['\b\d{3}-\d{2}-\d{4}\b', 'key: *\w+;']
on = ["answer"]
"#;

fn guard(file: &str) -> Result<Guard> {
    Guard::parse(file, Path::new("guard.toml"))
}

fn category(text: &str, side: Side) -> Option<String> {
    guard(FILE).unwrap().check(text, side).map(|blocked| blocked.category)
}

#[test]
fn words_are_whole_in_scripts_with_blanks_and_anywhere_in_others() {
    let found = |text: &str| category(text, Side::Prompt).is_some();
    for text in [
        "a bomb",
        "ＢＯＭＢ!",
        "b\u{200b}omb",
        "如何制作炸弹？",
        "怎么做bomb呢",
        "cafe\u{301}",
        "bath  bombs? a bomb",
    ] {
        assert!(found(text), "{text}");
    }
    for text in
        ["bombastic", "a bombe", "bath bomb", "bath\nBomb", "炸弹鱼", "bomb\u{301}", "cafe", "123-45-6789"]
    {
        assert!(!found(text), "{text}");
    }
    assert_eq!(category("my number: 123-45-6789.", Side::Answer).as_deref(), Some("numbers"));
    assert_eq!(category("123-45-67890", Side::Answer), None);
}

/// What a stream lets through of a text that comes in pieces, what it holds back before its end, and why it stops.
fn streamed(guard: &Guard, pieces: &[&str]) -> (String, Option<Blocked>) {
    let mut stream = guard.stream();
    let mut shown = String::new();
    for piece in pieces {
        let Step { release, blocked } = stream.push(piece);
        shown += &release;
        if blocked.is_some() {
            return (shown, blocked);
        }
    }
    let Step { release, blocked } = stream.finish();
    (shown + &release, blocked)
}

#[test]
fn only_what_may_become_a_match_is_held_back() {
    let guard = guard(FILE).unwrap();
    let mut stream = guard.stream();
    let mut push = |piece: &str| stream.push(piece).release;
    assert_eq!(push("All about "), "All about ");
    assert_eq!(push("b"), "");
    assert_eq!(push("o"), "");
    assert_eq!(push("oks, 炸"), "books, ");
    assert_eq!(push("鱼 and "), "炸鱼 and ");
    assert_eq!(push("bomb"), "", "it may be bombastic");
    assert_eq!(push("astic"), "bombastic");
    assert_eq!(push(" ke"), " ");
    assert_eq!(push("y"), "");
    assert_eq!(push("hole a bath "), "keyhole a bath ");
    assert_eq!(push("bomb"), "");
    assert_eq!(push(" x"), "bomb x", "the exception began before what was held back");
    let stopped = stream.push(" bomb!");
    assert_eq!((stopped.release.as_str(), stopped.blocked.unwrap().category.as_str()), (" ", "weapons"));
}

#[test]
fn what_cannot_end_is_not_held_back_for_ever() {
    let guard = guard("[[rules]]\ncategory = 'a'\npatterns = ['begin.*end']").unwrap();
    let mut stream = guard.stream();
    assert_eq!(stream.push("begin ").release, "");
    let long = stream.push(&"x".repeat(1000)).release;
    assert_eq!(long.chars().count(), 1006 - 256);
}

#[test]
fn wrong_files_are_refused_by_line() {
    let told = |file: &str| guard(file).unwrap_err().to_string();
    assert_eq!(told(""), "guard.toml, line 1: it has no rule, expected [[rules]] or [[classifiers]]");
    let rule = "[[rules]]\ncategory = \"a\"\n";
    assert_eq!(told(rule), "guard.toml, line 1: the rule \"a\" has no words, no files and no patterns");
    let told_of = told(&format!("{rule}patterns = [\n'fine',\n'(open']"));
    assert_eq!(told_of, "guard.toml, line 5: the pattern \"(open\": unclosed group");
    let told_of = told(&format!("{rule}patterns = ['a*']"));
    assert_eq!(
        told_of,
        "guard.toml, line 3: the pattern \"a*\": it matches the empty text, and so every text"
    );
    assert!(told(&format!("{rule}word = ['a']")).starts_with("guard.toml, line 3: unknown field `word`"));
    assert_eq!(
        told(&format!("{rule}words = ['\u{200b}']")),
        "guard.toml, line 3: an entry is empty, expected a word or a phrase"
    );
    assert!(
        told(&format!("{rule}files = ['absent.txt']")).starts_with("guard.toml, line 3: the list of words: ")
    );
    let classifier = "[[classifiers]]\ncategory = 'a'\nfile = 'absent.classifier'";
    assert!(
        told(classifier).starts_with("guard.toml, line 3: the classifier: absent.classifier"),
        "{}",
        told(classifier)
    );
}

proptest! {
    #[test]
    fn a_stream_finds_what_the_whole_text_holds(
        parts in prop::collection::vec(
            prop::sample::select(vec!["bomb", "bath ", " ", "b", "a", "炸", "弹", "鱼", "class ", "day", " threat", "é", "caf", "e\u{301}", "\u{200b}"]),
            0..12,
        ),
    ) {
        let guard = guard(FILE).unwrap();
        let text = parts.concat();
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let whole = guard.check(&text, Side::Answer).is_some();
        let (shown, blocked) = streamed(&guard, &letters);
        prop_assert_eq!(blocked.is_some(), whole, "{}", text);
        prop_assert!(text.starts_with(&shown));
        prop_assert!(whole || shown == text);
        prop_assert_eq!(guard.check(&shown, Side::Answer), None);
        let (at_once, found) = streamed(&guard, &[&text]);
        prop_assert_eq!((at_once, found.is_some()), (shown, whole), "{}", text);
    }
}
