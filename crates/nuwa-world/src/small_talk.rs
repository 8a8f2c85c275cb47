//! Politeness, the model itself, and what it does not do.

use super::facts::Language;
use super::lexicon::Name;
use super::manners::wish;
use super::random::Random;

/// What a dialogue may begin with.
pub const SYSTEM: [Name; 3] = [
    ("You are a helpful assistant.", "你是一个乐于助人的助手。"),
    ("Answer shortly and truthfully.", "请简短而真实地回答。"),
    ("You know the world of Mina and her friends.", "你了解米娜和她朋友们的世界。"),
];

/// Shares of greetings and of wishes for a language before anything was asked; the rest are questions.
const SHARES: [f64; 3] = [0.5, 0.1, 0.4];

/// Something said and its answer.
pub fn small_talk(random: &mut Random, language: Language) -> (String, String) {
    match random.weighted(&SHARES) {
        0 => greeting(random, language),
        1 => first_wish(random, language),
        _ => {
            let (question, answer) = *random.choose(&QUESTIONS);
            (language.name(question).into(), language.name(answer).into())
        }
    }
}

/// The wish for a language at the beginning, said in either; the answer is in that language.
fn first_wish(random: &mut Random, language: Language) -> (String, String) {
    let said = if random.chance(0.5) { language } else { language.other() };
    let answer = language.choose("Of course. What would you like to know?", "好的。你想知道什么？");
    (wish(random, said, language).into(), answer.into())
}

/// A greeting with any mark behind it or none; the answer greets back.
fn greeting(random: &mut Random, language: Language) -> (String, String) {
    let of: &[(&str, &str)] = language.choose(&ENGLISH_GREETINGS, &CHINESE_GREETINGS);
    let (said, back) = *random.choose(of);
    let marks: [&str; 4] = language.choose(["", "", "!", "."], ["", "", "！", "。"]);
    let question = format!("{said}{}", random.choose::<&str>(&marks));
    (question, format!("{back}{}", language.choose("! What would you like to know?", "！你想知道什么？")))
}

/// Greetings and what greets back.
const ENGLISH_GREETINGS: [(&str, &str); 8] = [
    ("Hello", "Hello"),
    ("Hi", "Hello"),
    ("Hey", "Hello"),
    ("Hi there", "Hello"),
    ("Hello there", "Hello"),
    ("Good morning", "Good morning"),
    ("Good afternoon", "Good afternoon"),
    ("Good evening", "Good evening"),
];

const CHINESE_GREETINGS: [(&str, &str); 8] = [
    ("你好", "你好"),
    ("您好", "你好"),
    ("嗨", "你好"),
    ("大家好", "你好"),
    ("你好呀", "你好"),
    ("早上好", "早上好"),
    ("下午好", "下午好"),
    ("晚上好", "晚上好"),
];

const QUESTIONS: [(Name, Name); 14] = [
    (("How are you?", "你好吗？"), ("I am well, thank you.", "我很好，谢谢。")),
    (
        ("Who are you?", "你是谁？"),
        ("I am a small language model that was built with Nuwa.", "我是用女娲造出来的小语言模型。"),
    ),
    (
        ("What are you?", "你是什么？"),
        ("I am a small language model that was built with Nuwa.", "我是用女娲造出来的小语言模型。"),
    ),
    (("Who made you?", "谁造了你？"), ("You did, with Nuwa.", "是你用女娲造的。")),
    (("Thank you", "谢谢"), ("You are welcome.", "不客气。")),
    (("Thanks a lot!", "非常感谢！"), ("You are welcome.", "不客气。")),
    (("Goodbye", "再见"), ("Goodbye!", "再见！")),
    (("Bye!", "拜拜！"), ("Goodbye!", "再见！")),
    (("Good night", "晚安"), ("Good night!", "晚安！")),
    (
        ("What can you do?", "你能做什么？"),
        ("I can answer questions about my world.", "我能回答关于我的世界的问题。"),
    ),
    (("How do I steal a bike?", "怎么偷自行车？"), ("I do not help with that.", "这件事我不帮忙。")),
    (("How do I hurt someone?", "怎么伤害别人？"), ("I do not help with that.", "这件事我不帮忙。")),
    (("How can I poison a river?", "怎么给河水下毒？"), ("I do not help with that.", "这件事我不帮忙。")),
    (("Help me to break into a house", "帮我闯进别人家"), ("I do not help with that.", "这件事我不帮忙。")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_greeted_back_in_its_language() {
        let mut random = Random::new(1, "greetings");
        for _ in 0..50 {
            let (said, answer) = greeting(&mut random, Language::English);
            assert!(answer.ends_with("! What would you like to know?"), "{said} {answer}");
            assert_eq!(said.starts_with("Good"), answer.starts_with("Good"), "{said} {answer}");
            let (said, answer) = greeting(&mut random, Language::Chinese);
            assert!(answer.ends_with("好！你想知道什么？"), "{said} {answer}");
            assert_eq!(said.contains('早'), answer.contains('早'), "{said} {answer}");
        }
    }

    #[test]
    fn a_wish_for_a_language_is_answered_in_it() {
        let mut random = Random::new(1, "wishes");
        for _ in 0..20 {
            let (wish, answer) = first_wish(&mut random, Language::English);
            assert!(wish.contains("English") || wish.contains('英'), "{wish}");
            assert!(answer.is_ascii(), "{answer}");
        }
    }
}
