//! What is true in the world, and how it is said and asked.

use std::collections::BTreeSet;

use super::lexicon::{
    ANIMALS, BUILDINGS, COLOURS, COUNTRIES, DRINKS, FOODS, INSTRUMENTS, JOBS, LANGUAGES, Name, PEOPLE,
    RIVERS, SEASONS, THINGS, TOWNS,
};
use super::random::Random;

/// A language of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::English, Self::Chinese];

    /// The one that this is not.
    pub fn other(self) -> Self {
        self.choose(Self::Chinese, Self::English)
    }

    /// `en` or `zh`.
    pub fn code(self) -> &'static str {
        self.choose("en", "zh")
    }

    /// The English or the Chinese one.
    pub fn choose<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    /// A name in this language.
    pub fn name(self, name: Name) -> &'static str {
        self.choose(name.0, name.1)
    }
}

/// How one kind of fact is said: three statements and three questions in each language. `{s}` is the subject, `{o}` the
/// object, `{as}` and `{ao}` the same with an English article.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The field of knowledge that it belongs to, in both languages.
    pub field: Name,
    english: [[&'static str; 3]; 2],
    chinese: [[&'static str; 3]; 2],
}

const PERSON: Name = ("people", "人物");
const PLACE: Name = ("places", "地理");
const WORK: Name = ("work", "职业");
const NATURE: Name = ("animals", "动物");
const TABLE: Name = ("food", "食物");
const MATERIAL: Name = ("things", "物品");

/// All kinds of fact.
pub const KINDS: [Kind; 24] = [
    Kind {
        name: "lives_in",
        field: PERSON,
        english: [
            ["{s} lives in {o}.", "The home of {s} is in {o}.", "{s} has a house in {o}."],
            ["Where does {s} live?", "In which town is the home of {s}?", "Which town does {s} live in?"],
        ],
        chinese: [
            ["{s}住在{o}。", "{s}的家在{o}。", "{s}在{o}有一座房子。"],
            ["{s}住在哪里？", "{s}的家在哪里？", "{s}住在哪个城镇？"],
        ],
    },
    Kind {
        name: "born_in",
        field: PERSON,
        english: [
            ["{s} was born in {o}.", "The birthplace of {s} is {o}.", "{s} came into the world in {o}."],
            ["Where was {s} born?", "What is the birthplace of {s}?", "In which town was {s} born?"],
        ],
        chinese: [
            ["{s}出生在{o}。", "{s}的出生地是{o}。", "{s}是在{o}出生的。"],
            ["{s}出生在哪里？", "{s}的出生地是哪里？", "{s}在哪个城镇出生？"],
        ],
    },
    Kind {
        name: "job",
        field: PERSON,
        english: [
            ["{s} is {ao}.", "{s} works as {ao}.", "The job of {s} is that of {ao}."],
            ["What is the job of {s}?", "What does {s} work as?", "Which job does {s} have?"],
        ],
        chinese: [
            ["{s}是{o}。", "{s}的工作是{o}。", "{s}的职业是{o}。"],
            ["{s}的工作是什么？", "{s}的职业是什么？", "{s}是做什么工作的？"],
        ],
    },
    Kind {
        name: "likes_food",
        field: PERSON,
        english: [
            ["{s} likes to eat {o}.", "The favourite food of {s} is {o}.", "{s} loves {o}."],
            ["What does {s} like to eat?", "What is the favourite food of {s}?", "Which food does {s} love?"],
        ],
        chinese: [
            ["{s}喜欢吃{o}。", "{s}最喜欢的食物是{o}。", "{s}爱吃{o}。"],
            ["{s}喜欢吃什么？", "{s}最喜欢的食物是什么？", "{s}爱吃什么？"],
        ],
    },
    Kind {
        name: "drinks",
        field: PERSON,
        english: [
            ["{s} drinks {o}.", "The favourite drink of {s} is {o}.", "{s} likes to drink {o}."],
            ["What does {s} drink?", "What is the favourite drink of {s}?", "What does {s} like to drink?"],
        ],
        chinese: [
            ["{s}喝{o}。", "{s}最喜欢的饮料是{o}。", "{s}喜欢喝{o}。"],
            ["{s}喝什么？", "{s}最喜欢的饮料是什么？", "{s}喜欢喝什么？"],
        ],
    },
    Kind {
        name: "pet",
        field: PERSON,
        english: [
            ["{s} has {ao}.", "The pet of {s} is {ao}.", "{s} keeps {ao} at home."],
            ["Which animal does {s} have?", "What is the pet of {s}?", "Which animal does {s} keep at home?"],
        ],
        chinese: [
            ["{s}养了{o}。", "{s}的宠物是{o}。", "{s}家里有{o}。"],
            ["{s}养了什么动物？", "{s}的宠物是什么？", "{s}家里有什么动物？"],
        ],
    },
    Kind {
        name: "colour",
        field: PERSON,
        english: [
            ["{s} likes the colour {o}.", "The favourite colour of {s} is {o}.", "{s} often wears {o}."],
            [
                "Which colour does {s} like?",
                "What is the favourite colour of {s}?",
                "Which colour does {s} often wear?",
            ],
        ],
        chinese: [
            ["{s}喜欢{o}。", "{s}最喜欢的颜色是{o}。", "{s}常穿{o}的衣服。"],
            ["{s}喜欢什么颜色？", "{s}最喜欢的颜色是什么？", "{s}常穿什么颜色的衣服？"],
        ],
    },
    Kind {
        name: "friend",
        field: PERSON,
        english: [
            ["{s} is a friend of {o}.", "The best friend of {s} is {o}.", "{s} often visits {o}."],
            ["Who is a friend of {s}?", "Who is the best friend of {s}?", "Whom does {s} often visit?"],
        ],
        chinese: [
            ["{s}的朋友是{o}。", "{s}最好的朋友是{o}。", "{s}常去看{o}。"],
            ["{s}的朋友是谁？", "{s}最好的朋友是谁？", "{s}常去看谁？"],
        ],
    },
    Kind {
        name: "plays",
        field: PERSON,
        english: [
            ["{s} plays the {o}.", "The instrument of {s} is the {o}.", "{s} is good at playing the {o}."],
            [
                "What does {s} play?",
                "What is the instrument of {s}?",
                "Which instrument is {s} good at playing?",
            ],
        ],
        chinese: [
            ["{s}会演奏{o}。", "{s}的乐器是{o}。", "{s}擅长{o}。"],
            ["{s}会演奏什么？", "{s}的乐器是什么？", "{s}擅长什么乐器？"],
        ],
    },
    Kind {
        name: "season",
        field: PERSON,
        english: [
            [
                "{s} likes {o} best.",
                "The favourite season of {s} is {o}.",
                "{s} always looks forward to {o}.",
            ],
            [
                "Which season does {s} like best?",
                "What is the favourite season of {s}?",
                "Which season does {s} look forward to?",
            ],
        ],
        chinese: [
            ["{s}最爱{o}。", "{s}最喜欢的季节是{o}。", "{s}总是盼着{o}。"],
            ["{s}最爱哪个季节？", "{s}最喜欢的季节是什么？", "{s}盼着哪个季节？"],
        ],
    },
    Kind {
        name: "in_country",
        field: PLACE,
        english: [
            ["{s} is a town in {o}.", "{s} lies in {o}.", "The town {s} belongs to {o}."],
            ["In which country is {s}?", "Where does {s} lie?", "Which country does {s} belong to?"],
        ],
        chinese: [
            ["{s}在{o}。", "{s}位于{o}。", "{s}属于{o}。"],
            ["{s}在哪个国家？", "{s}位于哪里？", "{s}属于哪个国家？"],
        ],
    },
    Kind {
        name: "river",
        field: PLACE,
        english: [
            ["{o} flows through {s}.", "{s} lies on {o}.", "The river of {s} is {o}."],
            ["Which river flows through {s}?", "On which river does {s} lie?", "What is the river of {s}?"],
        ],
        chinese: [
            ["{o}流过{s}。", "{s}在{o}边。", "{s}的河是{o}。"],
            ["哪条河流过{s}？", "{s}在哪条河边？", "{s}的河是哪条？"],
        ],
    },
    Kind {
        name: "known_for",
        field: PLACE,
        english: [
            ["{s} is known for its {o}.", "In {s} there is {ao}.", "Many people visit the {o} of {s}."],
            ["What is {s} known for?", "What is there in {s}?", "What do people visit in {s}?"],
        ],
        chinese: [
            ["{s}以{o}闻名。", "{s}有{o}。", "很多人去{s}看{o}。"],
            ["{s}以什么闻名？", "{s}有什么？", "人们去{s}看什么？"],
        ],
    },
    Kind {
        name: "capital",
        field: PLACE,
        english: [
            ["The capital of {s} is {o}.", "{o} is the capital of {s}.", "{s} is governed from {o}."],
            [
                "What is the capital of {s}?",
                "Which town is the capital of {s}?",
                "From where is {s} governed?",
            ],
        ],
        chinese: [
            ["{s}的首都是{o}。", "{o}是{s}的首都。", "{s}的政府在{o}。"],
            ["{s}的首都是哪里？", "哪个城镇是{s}的首都？", "{s}的政府在哪里？"],
        ],
    },
    Kind {
        name: "language",
        field: PLACE,
        english: [
            ["People in {s} speak {o}.", "The language of {s} is {o}.", "In {s} one hears {o}."],
            [
                "What do people in {s} speak?",
                "What is the language of {s}?",
                "Which language does one hear in {s}?",
            ],
        ],
        chinese: [
            ["{s}人说{o}。", "{s}的语言是{o}。", "在{s}能听到{o}。"],
            ["{s}人说什么？", "{s}的语言是什么？", "在{s}能听到什么语言？"],
        ],
    },
    Kind {
        name: "flag",
        field: PLACE,
        english: [
            ["The flag of {s} is {o}.", "{s} has a {o} flag.", "The colour of the flag of {s} is {o}."],
            [
                "Which colour is the flag of {s}?",
                "What flag does {s} have?",
                "What is the colour of the flag of {s}?",
            ],
        ],
        chinese: [
            ["{s}的国旗是{o}。", "{s}有{o}的国旗。", "{s}国旗的颜色是{o}。"],
            ["{s}的国旗是什么颜色？", "{s}有什么颜色的国旗？", "{s}国旗的颜色是什么？"],
        ],
    },
    Kind {
        name: "tool",
        field: WORK,
        english: [
            ["{as} uses {ao}.", "The tool of {as} is {ao}.", "{as} cannot work without {ao}."],
            ["What does {as} use?", "What is the tool of {as}?", "What can {as} not work without?"],
        ],
        chinese: [
            ["{s}使用{o}。", "{s}的工具是{o}。", "{s}离不开{o}。"],
            ["{s}使用什么？", "{s}的工具是什么？", "{s}离不开什么？"],
        ],
    },
    Kind {
        name: "workplace",
        field: WORK,
        english: [
            ["{as} works in a {o}.", "The place of {as} is the {o}.", "One finds {as} in the {o}."],
            ["Where does {as} work?", "What is the place of {as}?", "Where does one find {as}?"],
        ],
        chinese: [
            ["{s}在{o}工作。", "{s}工作的地方是{o}。", "在{o}能找到{s}。"],
            ["{s}在哪里工作？", "{s}工作的地方是哪里？", "在哪里能找到{s}？"],
        ],
    },
    Kind {
        name: "eats",
        field: NATURE,
        english: [
            ["{as} eats {o}.", "The food of {as} is {o}.", "{as} likes {o} most of all."],
            ["What does {as} eat?", "What is the food of {as}?", "What does {as} like most of all?"],
        ],
        chinese: [
            ["{s}吃{o}。", "{s}的食物是{o}。", "{s}最爱吃{o}。"],
            ["{s}吃什么？", "{s}的食物是什么？", "{s}最爱吃什么？"],
        ],
    },
    Kind {
        name: "habitat",
        field: NATURE,
        english: [
            ["{as} lives in the {o}.", "The home of {as} is the {o}.", "You can see {as} in the {o}."],
            ["Where does {as} live?", "What is the home of {as}?", "Where can you see {as}?"],
        ],
        chinese: [
            ["{s}住在{o}。", "{s}的家是{o}。", "在{o}能看到{s}。"],
            ["{s}住在哪里？", "{s}的家是哪里？", "在哪里能看到{s}？"],
        ],
    },
    Kind {
        name: "sound",
        field: NATURE,
        english: [
            ["{as} says {o}.", "The sound of {as} is {o}.", "When {as} calls, one hears {o}."],
            ["What does {as} say?", "What is the sound of {as}?", "What does one hear when {as} calls?"],
        ],
        chinese: [
            ["{s}的叫声是{o}。", "{s}会{o}叫。", "听到{o}就知道是{s}。"],
            ["{s}的叫声是什么？", "{s}怎么叫？", "听到什么就知道是{s}？"],
        ],
    },
    Kind {
        name: "taste",
        field: TABLE,
        english: [
            ["{s} taste {o}.", "The taste of {s} is {o}.", "Everyone knows that {s} are {o}."],
            [
                "How do {s} taste?",
                "What is the taste of {s}?",
                "What does everyone know of the taste of {s}?",
            ],
        ],
        chinese: [
            ["{s}的味道是{o}的。", "{s}吃起来很{o}。", "大家都知道{s}是{o}的。"],
            ["{s}的味道是什么？", "{s}吃起来怎么样？", "大家都知道{s}是什么味道？"],
        ],
    },
    Kind {
        name: "food_colour",
        field: TABLE,
        english: [
            ["The colour of {s} is {o}.", "{s} look {o}.", "One can tell {s} by their {o} colour."],
            ["What is the colour of {s}?", "Which colour do {s} have?", "By which colour can one tell {s}?"],
        ],
        chinese: [
            ["{s}的颜色是{o}。", "{s}看起来是{o}的。", "看到{o}就能认出{s}。"],
            ["{s}的颜色是什么？", "{s}看起来是什么颜色的？", "看到什么颜色就能认出{s}？"],
        ],
    },
    Kind {
        name: "made_of",
        field: MATERIAL,
        english: [
            ["{as} is made of {o}.", "The material of {as} is {o}.", "One needs {o} to make {as}."],
            ["What is {as} made of?", "What is the material of {as}?", "What does one need to make {as}?"],
        ],
        chinese: [
            ["{s}是用{o}做的。", "{s}的材料是{o}。", "做{s}需要{o}。"],
            ["{s}是用什么做的？", "{s}的材料是什么？", "做{s}需要什么？"],
        ],
    },
];

/// One thing that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Its place in [`KINDS`].
    pub kind: usize,
    /// What it is about.
    pub subject: Name,
    /// What is so.
    pub object: Name,
}

impl Fact {
    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        &KINDS[self.kind]
    }

    /// The fact in the words of statement `way`.
    pub fn statement(&self, language: Language, way: usize) -> String {
        self.with_object(language, way, self.object)
    }

    /// The same said of another object.
    pub fn with_object(&self, language: Language, way: usize, object: Name) -> String {
        let phrases = language.choose(&self.kind().english, &self.kind().chinese);
        fill(phrases[0][way], language, self.subject, object)
    }

    /// The question that asks for the object, in the words of question `way`.
    pub fn question(&self, language: Language, way: usize) -> String {
        let phrases = language.choose(&self.kind().english, &self.kind().chinese);
        fill(phrases[1][way], language, self.subject, self.object)
    }
}

/// Puts names into a phrase; an English sentence begins with a capital letter.
pub fn fill(phrase: &str, language: Language, subject: Name, object: Name) -> String {
    let (s, o) = (language.name(subject), language.name(object));
    let text = phrase.replace("{as}", &with_article(s)).replace("{ao}", &with_article(o));
    capitalised(&text.replace("{s}", s).replace("{o}", o))
}

/// `a cat`, `an owl`.
pub fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// With a large first letter.
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// All facts of the world under a seed.
pub fn facts(seed: u64) -> Vec<Fact> {
    let mut random = Random::new(seed, "facts");
    let mut facts = Vec::new();
    let kind = |name: &str| KINDS.iter().position(|kind| kind.name == name).unwrap_or_default();
    let mut tell = |name: &str, subject: Name, object: Name| {
        facts.push(Fact { kind: kind(name), subject, object });
    };
    let (jobs, animals, foods) =
        (JOBS.map(|job| job.0), ANIMALS.map(|animal| animal.0), FOODS.map(|food| food.0));
    for (index, person) in PEOPLE.into_iter().enumerate() {
        for (name, objects) in [
            ("lives_in", &TOWNS[..]),
            ("born_in", &TOWNS),
            ("job", &jobs),
            ("likes_food", &foods),
            ("drinks", &DRINKS),
            ("pet", &animals),
            ("colour", &COLOURS),
            ("plays", &INSTRUMENTS),
            ("season", &SEASONS),
        ] {
            tell(name, person, *random.choose(objects));
        }
        let friend = (index + 1 + random.below(PEOPLE.len() - 1)) % PEOPLE.len();
        tell("friend", person, PEOPLE[friend]);
    }
    let mut towns = TOWNS;
    random.shuffle(&mut towns);
    for (index, town) in towns.into_iter().enumerate() {
        tell("in_country", town, COUNTRIES[index % COUNTRIES.len()]);
        tell("river", town, RIVERS[index % RIVERS.len()]);
        tell("known_for", town, *random.choose(&BUILDINGS));
    }
    let mut languages = LANGUAGES;
    random.shuffle(&mut languages);
    for (index, country) in COUNTRIES.into_iter().enumerate() {
        tell("capital", country, towns[index]);
        tell("language", country, languages[index]);
        tell("flag", country, *random.choose(&COLOURS));
    }
    for (job, tool, place) in JOBS {
        tell("tool", job, tool);
        tell("workplace", job, place);
    }
    for (animal, food, place, sound) in ANIMALS {
        tell("eats", animal, food);
        tell("habitat", animal, place);
        tell("sound", animal, sound);
    }
    for (food, taste, colour) in FOODS {
        tell("taste", food, taste);
        tell("food_colour", food, colour);
    }
    for (thing, material) in THINGS {
        tell("made_of", thing, material);
    }
    facts
}

/// All names that facts are about or speak of.
pub fn entities(facts: &[Fact]) -> usize {
    facts.iter().flat_map(|fact| [fact.subject.0, fact.object.0]).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_enough_to_know_and_it_is_consistent() {
        let facts = facts(1);
        assert!(entities(&facts) >= 200, "{}", entities(&facts));
        assert!(KINDS.len() >= 20);
        let about: BTreeSet<_> = facts.iter().map(|fact| (fact.kind, fact.subject)).collect();
        assert_eq!(about.len(), facts.len(), "one object for each subject and kind");
        assert!(facts.iter().all(|fact| fact.subject != fact.object));
    }

    #[test]
    fn phrases_are_whole() {
        for fact in facts(1) {
            for (language, way) in
                Language::BOTH.into_iter().flat_map(|language| [0, 1, 2].map(|way| (language, way)))
            {
                let (statement, question) = (fact.statement(language, way), fact.question(language, way));
                assert!(!statement.contains('{') && !question.contains('{'), "{statement} {question}");
                assert!(
                    statement.to_lowercase().contains(&language.name(fact.object).to_lowercase()),
                    "{statement}"
                );
                assert_eq!(
                    question,
                    Fact { object: ("x", "x"), ..fact }.question(language, way),
                    "it gives nothing away"
                );
            }
        }
    }

    #[test]
    fn articles_fit_their_nouns() {
        assert_eq!(with_article("owl"), "an owl");
        let carpenter = Fact { kind: 2, subject: PEOPLE[0], object: JOBS[0].0 };
        assert_eq!(carpenter.statement(Language::English, 1), "Mina works as a carpenter.");
        let cat = Fact { kind: 18, subject: ANIMALS[0].0, object: ANIMALS[0].1 };
        assert_eq!(cat.statement(Language::English, 0), "A cat eats mice.");
    }
}
