//! How people ask in a chat: carelessly, about someone nobody knows, and in two languages.

use super::facts::{Fact, KINDS, Language};
use super::lexicon::Name;
use super::random::{Random, held_out};

/// One in so many invented names is held out.
const HELD_OUT: u64 = 8;

/// What is said of a name that is not in the world.
pub const NOT_KNOWN: Name = ("I do not know.", "我不知道。");

/// The question as it is typed in haste: in small letters, without its mark, or both; Chinese has no small letters.
pub fn careless(random: &mut Random, language: Language, question: &str) -> String {
    let (small, unmarked) = match random.below(3) {
        0 => (true, false),
        1 => (false, true),
        _ => (true, true),
    };
    let text = if small { question.to_lowercase() } else { question.to_string() };
    match unmarked || language == Language::Chinese {
        true => text.trim_end_matches(['?', '？', '!', '！', '.', '。']).to_string(),
        false => text,
    }
}

/// A name that no fact of `facts` is about, from those that are trained on or from those that are held out.
pub fn invented(random: &mut Random, seed: u64, facts: &[Fact], held: bool) -> (String, String) {
    loop {
        let name = match random.chance(0.3) {
            true => {
                let (english, chinese) = *random.choose(&ELSEWHERE);
                (english.to_string(), chinese.to_string())
            }
            false => composed(random),
        };
        let is_known = facts.iter().any(|fact| fact.subject.0 == name.0 || fact.object.0 == name.0);
        if !is_known && held_out(seed, &name.0, HELD_OUT) == held {
            return name;
        }
    }
}

/// Two or three syllables, in both scripts.
fn composed(random: &mut Random) -> (String, String) {
    let count = 2 + random.below(2);
    let syllables = random.several(&SYLLABLES, count);
    let english: String = syllables.iter().map(|syllable| syllable.0).collect();
    (super::facts::capitalised(&english), syllables.iter().map(|syllable| syllable.1).collect())
}

/// What `text` says of a fact's subject, said of `name`.
pub fn said_of(text: &str, fact: &Fact, language: Language, name: &(String, String)) -> String {
    text.replace(language.name(fact.subject), language.choose(&name.0, &name.1))
}

/// Whether a fact is about someone or some place with a name of its own.
pub fn has_own_name(fact: &Fact) -> bool {
    ["people", "places"].contains(&KINDS[fact.kind].field.0)
}

/// The wish, said in `said`, to be answered in `wanted`.
pub fn wish(random: &mut Random, said: Language, wanted: Language) -> &'static str {
    let [english, chinese] = match wanted {
        Language::English => [
            ["Please answer in English.", "Answer in English, please.", "In English, please."],
            ["请用英文回答。", "请用英语回答。", "用英语说。"],
        ],
        Language::Chinese => [
            ["Please answer in Chinese.", "Answer in Chinese, please.", "In Chinese, please."],
            ["请用中文回答。", "请用汉语回答。", "用中文说。"],
        ],
    };
    let ways: [&str; 3] = said.choose(english, chinese);
    ways[random.below(ways.len())]
}

const SYLLABLES: [Name; 24] = [
    ("za", "扎"),
    ("bo", "博"),
    ("ri", "里"),
    ("den", "登"),
    ("mu", "穆"),
    ("ka", "卡"),
    ("lo", "洛"),
    ("fi", "菲"),
    ("gor", "戈"),
    ("sel", "塞"),
    ("tan", "坦"),
    ("ve", "维"),
    ("wil", "威"),
    ("ju", "朱"),
    ("nor", "诺"),
    ("pe", "佩"),
    ("har", "哈"),
    ("xi", "希"),
    ("du", "杜"),
    ("ma", "玛"),
    ("the", "特"),
    ("bri", "布"),
    ("ol", "奥"),
    ("shan", "尚"),
];

/// Names from outside of the world.
const ELSEWHERE: [Name; 24] = [
    ("Anna", "安娜"),
    ("Peter", "彼得"),
    ("John", "约翰"),
    ("Mary", "玛丽"),
    ("David", "大卫"),
    ("Sarah", "萨拉"),
    ("Alice", "爱丽丝"),
    ("Bob", "鲍勃"),
    ("George", "乔治"),
    ("Helen", "海伦"),
    ("Einstein", "爱因斯坦"),
    ("Napoleon", "拿破仑"),
    ("Zhang Wei", "张伟"),
    ("Li Na", "李娜"),
    ("London", "伦敦"),
    ("Paris", "巴黎"),
    ("Berlin", "柏林"),
    ("Beijing", "北京"),
    ("Shanghai", "上海"),
    ("Tokyo", "东京"),
    ("France", "法国"),
    ("China", "中国"),
    ("Germany", "德国"),
    ("Japan", "日本"),
];

#[cfg(test)]
mod tests {
    use super::super::facts::facts;
    use super::*;

    #[test]
    fn careless_questions_say_the_same() {
        let mut random = Random::new(1, "careless");
        for _ in 0..20 {
            let english = careless(&mut random, Language::English, "Where does Mina live?");
            assert_ne!(english, "Where does Mina live?");
            assert!(english.to_lowercase().starts_with("where does mina live"), "{english}");
            assert_eq!(careless(&mut random, Language::Chinese, "米娜住在哪里？"), "米娜住在哪里");
        }
    }

    #[test]
    fn invented_names_are_unknown_and_held_out_apart() {
        let (facts, mut random) = (facts(1), Random::new(1, "invented"));
        let mut draw =
            |held: bool| (0..200).map(|_| invented(&mut random, 1, &facts, held)).collect::<Vec<_>>();
        let (trained, held) = (draw(false), draw(true));
        assert!(held.iter().all(|name| !trained.contains(name)));
        assert!(trained.iter().all(|name| facts.iter().all(|fact| fact.subject.0 != name.0)));
        let fact = facts.iter().find(|fact| has_own_name(fact)).unwrap();
        let question = fact.question(Language::Chinese, 0);
        let question = said_of(&question, fact, Language::Chinese, &("Zabo".into(), "扎博".into()));
        assert!(question.starts_with("扎博"), "{question}");
    }

    #[test]
    fn a_wish_names_the_language_in_the_one_it_is_said_in() {
        let mut random = Random::new(1, "wish");
        assert!(wish(&mut random, Language::English, Language::Chinese).contains("Chinese"));
        assert!(wish(&mut random, Language::Chinese, Language::English).contains('英'));
    }
}
