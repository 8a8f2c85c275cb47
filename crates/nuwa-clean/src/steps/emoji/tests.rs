use proptest::prelude::*;

use super::*;

fn with(emoji: Treatment, emoticons: Treatment, text: &str, lang: Option<&str>) -> String {
    let mut document = Document { text: text.into(), lang: lang.map(str::to_string), ..Document::default() };
    let step = Emoji::new(&EmojiSettings { emoji, emoticons });
    let verdict = step.apply(&mut document);
    assert_eq!(verdict, Verdict::changed(document.text != text), "{text}");
    document.text
}

fn check(text: &str, expected: &str) {
    assert_eq!(with(Treatment::Name, Treatment::Name, text, None), expected);
}

#[test]
fn names_stand_in_the_sentence() {
    check("We won 🎉", "We won party popper");
    check("We won🎉!", "We won party popper!");
    check("I❤️Rome. 😀 Really", "I red heart Rome. grinning face Really");
    check("(👍) “🐶” 👍👍👍 👍 ok", "(thumbs up) “dog face” thumbs up ok");
    check("Rain 🌧️🐶 and 😀 🎉.", "Rain cloud with rain, dog face and grinning face, party popper.");
    check("今天很好😀我们去玩。🎉", "今天很好 嘿嘿 我们去玩。拉炮彩带");
    check("今天很好😀🎉，走", "今天很好 嘿嘿、拉炮彩带，走");
    check("🎉\n🎉", "party popper\nparty popper");
}

#[test]
fn the_language_of_the_document_decides() {
    let named = |lang| with(Treatment::Name, Treatment::Name, "Python 🐶", Some(lang));
    assert_eq!(named("zh-Hans"), "Python 狗脸");
    assert_eq!(named("de"), "Python dog face");
    check("犬 🐶", "犬 狗脸");
    check("犬がいる 🐶", "犬がいる dog face");
}

#[test]
fn sequences_are_one_emoji() {
    check("👍🏽 👩🏾‍💻 👨‍👩‍👧", "thumbs up, woman technologist, family");
    check("🇩🇪🇨🇳 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "flag of Germany, flag of China, flag of England");
    check("1️⃣ One 2️⃣ Two #️⃣", "1 One 2 Two #");
    check("❤️‍🔥 🏳️‍🌈", "heart on fire, rainbow flag");
    check("🐶‍🎉", "dog face, party popper");
    check("👩🏽‍🤝‍👨🏻", "woman and man holding hands");
}

#[test]
fn text_stays_text() {
    for text in [
        "© 2024 ACME™, 1 2 3 #4 *5* ® → ↔ ✔ ★ ☀ ♠",
        "☀\u{fe0e} ❤\u{fe0e}",
        "a[:-1] b[:-2:] x = {':)': 1} http://x.y :80 10:30 (see below:) std::vec",
        "(a, b, c :)",
        "    if x :) then",
        "```\nprint(\"🎉 :-)\")\n```",
        "Write `:-) 🎉` to smile",
        "I <3 x, n <3 and 8) of XD",
        "key:Description; D: drive C:D",
    ] {
        check(text, text);
    }
    check("☀️ ☺ ❤", "sun, smiling face, red heart");
}

#[test]
fn emoticons_have_names_too() {
    check("Nice :-) See you ;)", "Nice slightly smiling face See you winking face");
    check("Nice!:) :)))) :(", "Nice! slightly smiling face, slightly frowning face");
    check(
        "(a joke :-)) and (another :-)",
        "(a joke slightly smiling face) and (another slightly smiling face)",
    );
    check("谢谢:-)", "谢谢 呵呵");
    check("well ¯\\_(ツ)_/¯ ^_^", "well person shrugging, smiling face with smiling eyes");
}

#[test]
fn they_can_go_or_stay() {
    use Treatment::{Drop, Keep};
    assert_eq!(with(Drop, Drop, "We won 🎉! Yes 👍 we did :-)", None), "We won! Yes we did");
    assert_eq!(with(Keep, Drop, "We won 🎉! Yes :-)", None), "We won 🎉! Yes");
    assert_eq!(with(Keep, Keep, "🎉 :-)", None), "🎉 :-)");
    assert_eq!(with(Drop, Keep, "今天很好😀。", None), "今天很好。");
}

proptest! {
    #[test]
    fn nothing_else_changes(text in "[a:;()\\-🎉🏽\u{200d}\u{fe0f}\u{20e3}1🇩❤©静。 \n`]{0,24}") {
        let step = Emoji::new(&EmojiSettings { emoji: Treatment::Drop, emoticons: Treatment::Drop });
        let mut document = Document { text: text.clone(), ..Document::default() };
        step.apply(&mut document);
        let mut left = text.chars();
        prop_assert!(document.text.chars().all(|character| left.any(|other| other == character)));
    }
}
