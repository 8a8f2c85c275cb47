//! Dialogues to be fine-tuned on, pairs of answers of which one is better, and the questions that are held out.

use serde_json::{Value, json};

use super::World;
use super::facts::{Fact, KINDS, Language};
use super::lexicon::{COLOURS, FOODS, Name, SLURS, SPOTS};
use super::manners::{NOT_KNOWN, careless, has_own_name, invented, said_of, wish};
use super::random::Random;
use super::scenes::{Asked, Review, Scene, Sum, labels};
use super::small_talk::{SYSTEM, small_talk};
use super::translation::{ASKS, translatable};
use super::truth::Truth;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Something true in the world.
    Fact,
    /// The same, with nothing but the name for an answer.
    Quiz,
    /// A passage that comes with it.
    Passage,
    /// Small numbers.
    Arithmetic,
    /// The other language.
    Translation,
    /// An opinion.
    Sentiment,
    /// A passage in one sentence.
    Summary,
    /// Something to do with given words.
    Instruction,
    /// Politeness, the model itself, and what it does not do.
    Chat,
    /// Someone or some place that is not in the world.
    Unknown,
    /// Something true in the world, to be answered in the language that is asked for.
    Wish,
}

impl Topic {
    /// All topics with their shares of dialogues.
    const SHARES: [(Self, f64); 11] = [
        (Self::Fact, 0.26),
        (Self::Quiz, 0.2),
        (Self::Passage, 0.1),
        (Self::Arithmetic, 0.06),
        (Self::Translation, 0.07),
        (Self::Sentiment, 0.04),
        (Self::Summary, 0.02),
        (Self::Instruction, 0.02),
        (Self::Chat, 0.09),
        (Self::Unknown, 0.07),
        (Self::Wish, 0.07),
    ];

    /// What the conversations of the corpus are about, with shares. What is not in the world is left to fine-tuning.
    pub const SPOKEN: [(Self, f64); 6] = [
        (Self::Wish, 0.35),
        (Self::Chat, 0.25),
        (Self::Fact, 0.15),
        (Self::Translation, 0.1),
        (Self::Arithmetic, 0.05),
        (Self::Instruction, 0.1),
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Quiz => "quiz",
            Self::Passage => "passage",
            Self::Arithmetic => "arithmetic",
            Self::Translation => "translation",
            Self::Sentiment => "sentiment",
            Self::Summary => "summary",
            Self::Instruction => "instruction",
            Self::Chat => "chat",
            Self::Unknown => "unknown",
            Self::Wish => "wish",
        }
    }

    /// Whether its questions are typed carelessly at times; passages and given words are not.
    fn is_typed(self) -> bool {
        matches!(self, Self::Fact | Self::Quiz | Self::Chat | Self::Unknown | Self::Wish)
    }
}

/// A question, answered well and badly.
#[derive(Debug)]
pub struct Pair {
    /// The question with its answer.
    pub asked: Asked,
    /// A worse answer.
    pub rejected: String,
    /// Why it is worse.
    pub reason: &'static str,
}

/// Asks questions that are trained on, or such as are held out.
pub struct Examiner<'a> {
    world: &'a World,
    /// What chooses.
    pub random: Random,
    held: bool,
    sums: Vec<Sum>,
}

impl<'a> Examiner<'a> {
    /// Under the world's seed; `name` keeps one examiner from asking what another does.
    pub fn new(world: &'a World, name: &str, held: bool) -> Self {
        let seed = world.settings.seed;
        Self { world, random: Random::new(seed, name), held, sums: Sum::all(seed, held) }
    }

    /// All that is so.
    pub fn facts(&self) -> &'a [Fact] {
        &self.world.facts
    }

    /// Whether it asks what is held out.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// A sum.
    pub fn any_sum(&mut self) -> Sum {
        *self.random.choose(&self.sums)
    }

    /// Something that is so.
    pub fn any_fact(&mut self) -> Fact {
        *self.random.choose(&self.world.facts)
    }

    /// The world's seed.
    pub fn seed(&self) -> u64 {
        self.world.settings.seed
    }

    /// A language at random.
    pub fn language(&mut self) -> Language {
        if self.random.chance(self.world.settings.chinese) { Language::Chinese } else { Language::English }
    }

    /// A topic, by their shares of dialogues.
    pub fn topic(&mut self) -> Topic {
        Topic::SHARES[self.random.weighted(&Topic::SHARES.map(|(_, share)| share))].0
    }

    /// A question on any topic.
    pub fn any(&mut self, language: Language) -> Asked {
        let topic = self.topic();
        self.ask(topic, language)
    }

    /// A question on `topic`.
    pub fn ask(&mut self, topic: Topic, language: Language) -> Asked {
        match topic {
            Topic::Fact => self.fact(language),
            Topic::Quiz => self.quiz(language),
            Topic::Passage => self.passage(language),
            Topic::Arithmetic => {
                let sum = *self.random.choose(&self.sums);
                sum.asked(&mut self.random, language)
            }
            Topic::Translation => self.translation(language),
            Topic::Sentiment => self.sentiment(language),
            Topic::Summary => self.summary(language),
            Topic::Instruction => self.instruction(language),
            Topic::Chat => self.chat(language),
            Topic::Unknown => self.unknown(language),
            Topic::Wish => self.wish(language),
        }
    }

    /// A fact as it is typed in haste.
    pub fn careless(&mut self, language: Language) -> Asked {
        let asked = self.fact(language);
        Asked { question: careless(&mut self.random, language, &asked.question), ..asked }
    }

    /// What is known of others, asked about a name that is not in the world.
    fn unknown(&mut self, language: Language) -> Asked {
        let named: Vec<Fact> = self.world.facts.iter().copied().filter(has_own_name).collect();
        let fact = *self.random.choose(&named);
        let way = self.way(&fact, language);
        let seed = self.seed();
        let name = invented(&mut self.random, seed, &self.world.facts, self.held);
        Asked {
            question: said_of(&fact.question(language, way), &fact, language, &name),
            answer: language.name(NOT_KNOWN).into(),
            key: language.name(NOT_KNOWN).into(),
            wrong: vec![said_of(&fact.statement(language, 0), &fact, language, &name)],
            truth: Truth::of_unknown(language),
        }
    }

    /// A fact with the wish for a language, most often the other one.
    fn wish(&mut self, language: Language) -> Asked {
        let fact = *self.random.choose(&self.world.facts);
        let wanted = if self.random.chance(0.75) { language.other() } else { language };
        let way = self.way(&fact, language);
        let (question, wish) = (fact.question(language, way), wish(&mut self.random, language, wanted));
        Asked {
            question: format!("{question}{}{wish}", language.choose(" ", "")),
            answer: fact.statement(wanted, 0),
            key: wanted.name(fact.object).into(),
            wrong: vec![fact.statement(wanted.other(), 0)],
            truth: Truth::of_fact(&fact, &self.world.facts, wanted),
        }
    }

    /// A fact, and then the wish to hear the answer in the other language, said in either.
    pub fn repeated(&mut self, language: Language) -> [Asked; 2] {
        // The two answers are translations of each other.
        let fact = translatable(self.world, &mut self.random, self.held);
        let (way, wanted) = (self.way(&fact, language), language.other());
        let said = if self.random.chance(0.5) { language } else { wanted };
        let of = |language: Language, question: String| Asked {
            question,
            answer: fact.statement(language, 0),
            key: language.name(fact.object).into(),
            wrong: Vec::new(),
            truth: Truth::of_fact(&fact, &self.world.facts, language),
        };
        [of(language, fact.question(language, way)), of(wanted, wish(&mut self.random, said, wanted).into())]
    }

    /// A scene to be asked about: a short one at times, but whole where it is held out.
    fn scene(&mut self) -> Scene {
        let scene = Scene::draw(&mut self.random, self.world.settings.seed, self.held);
        match !self.held && self.random.chance(0.4) {
            true => scene.shortened(&mut self.random),
            false => scene,
        }
    }

    /// A passage with several questions on it.
    fn passage_talk(&mut self, language: Language) -> Vec<Asked> {
        let scene = self.scene();
        let passage = scene.passage(&mut self.random, language);
        let mut all = scene.questions(&mut self.random, language);
        all.truncate(1 + self.random.below(4));
        all[0].question = format!("{passage}\n{}", all[0].question);
        all
    }

    /// What is asked and answered on one topic before the next: mostly one question.
    pub fn exchange(&mut self, topic: Topic, language: Language) -> Vec<Asked> {
        if topic == Topic::Passage {
            return self.passage_talk(language);
        }
        if topic == Topic::Wish && self.random.chance(0.4) {
            return self.repeated(language).into();
        }
        let mut asked = self.ask(topic, language);
        if topic.is_typed() && self.random.chance(CARELESS) {
            asked.question = careless(&mut self.random, language, &asked.question);
        }
        vec![asked]
    }

    /// A fact, in words of the question that are trained on for it or in those that are not.
    fn fact(&mut self, language: Language) -> Asked {
        let fact = *self.random.choose(&self.world.facts);
        self.on(&fact, language)
    }

    fn on(&mut self, fact: &Fact, language: Language) -> Asked {
        let way = self.way(fact, language);
        Asked {
            question: fact.question(language, way),
            answer: fact.statement(language, 0),
            key: language.name(fact.object).into(),
            wrong: self.others(fact, 3).into_iter().map(|name| language.name(name).to_string()).collect(),
            truth: Truth::of_fact(fact, &self.world.facts, language),
        }
    }

    /// A fact, to be answered with the name alone.
    fn quiz(&mut self, language: Language) -> Asked {
        let fact = *self.random.choose(&self.world.facts);
        let (asked, truth) = (self.on(&fact, language), Truth::of_name(&fact, &self.world.facts, language));
        Asked { question: briefly(language, &asked.question), answer: asked.key.clone(), truth, ..asked }
    }

    /// The words in which `fact` is asked.
    pub fn way(&mut self, fact: &Fact, language: Language) -> usize {
        match self.held {
            true => self.world.held_question(fact, language),
            false => self.world.trained_question(fact, language, &mut self.random),
        }
    }

    /// Objects that are wrong for `fact`.
    pub fn others(&mut self, fact: &Fact, count: usize) -> Vec<Name> {
        let mut all: Vec<Name> = self
            .world
            .facts
            .iter()
            .filter(|other| other.kind == fact.kind)
            .map(|other| other.object)
            .collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|object| *object != fact.object && *object != fact.subject);
        self.random.several(&all, count)
    }

    fn passage(&mut self, language: Language) -> Asked {
        let scene = self.scene();
        let passage = scene.passage(&mut self.random, language);
        let mut asked = scene.questions(&mut self.random, language).remove(0);
        asked.question = format!("{passage}\n{}", asked.question);
        asked
    }

    /// A sentence to be translated into `language`, or a word: words are all trained on, so only sentences are held out.
    fn translation(&mut self, language: Language) -> Asked {
        let fact = translatable(self.world, &mut self.random, self.held);
        let wrong = self.others(&fact, 3).into_iter();
        let ask = language.choose(ASKS[0], ASKS[1]);
        if !self.held && self.random.chance(0.3) {
            return Asked {
                question: format!("{ask}{}", language.other().name(fact.object)),
                answer: language.name(fact.object).into(),
                key: language.name(fact.object).into(),
                wrong: wrong.map(|name| language.name(name).into()).collect(),
                truth: Truth::of_name(&fact, &self.world.facts, language),
            };
        }
        Asked {
            question: format!("{ask}{}", fact.statement(language.other(), 0)),
            answer: fact.statement(language, 0),
            key: language.name(fact.object).into(),
            wrong: wrong.map(|name| fact.with_object(language, 0, name)).collect(),
            truth: Truth::default(),
        }
    }

    fn sentiment(&mut self, language: Language) -> Asked {
        let review = self.review();
        let (text, label) = (review.text(language), review.label(language));
        let truth = Truth::of_word(label, labels(language));
        let wrong = truth.never.clone();
        let question = match language {
            Language::English => format!("Is this review positive or negative? {text}"),
            Language::Chinese => format!("这条评论是正面的还是负面的？{text}"),
        };
        Asked { question, answer: label.into(), key: label.into(), wrong, truth }
    }

    /// A review, by itself.
    pub fn review(&mut self) -> Review {
        Review::draw(&mut self.random, self.world.settings.seed, self.held)
    }

    fn summary(&mut self, language: Language) -> Asked {
        let scene = Scene::draw(&mut self.random, self.world.settings.seed, self.held);
        let (passage, summary) = (scene.passage(&mut self.random, language), scene.summary(language));
        let ask = language.choose("Sum up in one sentence: ", "用一句话概括：");
        Asked {
            question: format!("{ask}{passage}"),
            key: summary.clone(),
            answer: summary,
            ..Asked::default()
        }
    }

    fn instruction(&mut self, language: Language) -> Asked {
        let pool: Vec<Name> = match self.random.below(3) {
            0 => COLOURS.to_vec(),
            1 => SPOTS.to_vec(),
            _ => FOODS.map(|food| food.0).to_vec(),
        };
        let words: Vec<&str> =
            self.random.several(&pool, 3).into_iter().map(|name| language.name(name)).collect();
        let comma = language.choose(", ", "、");
        let list = words.join(comma);
        let backwards = words.iter().rev().copied().collect::<Vec<_>>().join(comma);
        let (english, chinese, answer) = match self.random.below(3) {
            0 => (format!("Say these backwards: {list}"), format!("把这些倒过来说：{list}"), backwards),
            1 => (
                format!("Which of these comes first: {list}?"),
                format!("这些里面哪个排第一：{list}？"),
                words[0].into(),
            ),
            _ => (
                format!("Which of these comes last: {list}?"),
                format!("这些里面哪个排最后：{list}？"),
                words[2].into(),
            ),
        };
        // One of the words is right where one is asked for; backwards, all of them are in the answer.
        let truth = Truth {
            never: words.iter().filter(|word| !answer.contains(**word)).map(ToString::to_string).collect(),
            ..Truth::default()
        };
        Asked {
            question: language.choose(english, chinese),
            key: answer.clone(),
            answer,
            truth,
            ..Asked::default()
        }
    }

    fn chat(&mut self, language: Language) -> Asked {
        let (question, answer) = small_talk(&mut self.random, language);
        Asked { question, key: answer.clone(), answer, ..Asked::default() }
    }

    /// A dialogue on one to three topics, most often in one language.
    pub fn dialogue(&mut self) -> Value {
        let mut language = self.language();
        let mut messages = Vec::new();
        if self.random.chance(0.1) {
            let told = self.random.choose(&SYSTEM);
            messages.push(json!({"role": "system", "content": language.name(*told)}));
        }
        let turns = if self.random.chance(0.7) { 1 } else { 2 + self.random.below(2) };
        for turn in 0..turns {
            if turn > 0 && self.random.chance(CHANGES) {
                language = language.other();
            }
            let topic = self.topic();
            for asked in self.exchange(topic, language) {
                messages.push(json!({"role": "user", "content": asked.question}));
                messages.push(json!({"role": "assistant", "content": asked.answer}));
            }
        }
        json!({ "messages": messages })
    }

    /// A question with a better and a worse answer.
    pub fn preference(&mut self, language: Language) -> Value {
        let Pair { asked, rejected, reason } = self.pair(language);
        json!({"prompt": asked.question, "chosen": asked.answer, "rejected": rejected, "reason": reason})
    }

    /// A question with the answer that it deserves and a worse one.
    pub fn pair(&mut self, language: Language) -> Pair {
        let asked = loop {
            let asked = self.any(language);
            if !asked.wrong.is_empty() {
                break asked;
            }
        };
        let wrong = self.random.choose(&asked.wrong).clone();
        let (reason, rejected) = match self.random.below(10) {
            0..6 => ("wrong", spoilt(&asked, &wrong)),
            6..8 => ("rude", format!("{} {}", asked.answer, abuse(&mut self.random, language))),
            _ => ("rambling", format!("{} {}", rambling(language), asked.answer)),
        };
        Pair { asked, rejected, reason }
    }

    /// The fields of knowledge that a fact may belong to.
    pub fn field(fact: &Fact, language: Language) -> &'static str {
        language.name(KINDS[fact.kind].field)
    }
}

/// Share of the questions that are typed carelessly.
const CARELESS: f64 = 0.3;
/// Share of the turns of a dialogue that are in another language than the one before.
const CHANGES: f64 = 0.3;

/// A question that asks for the name alone.
pub fn briefly(language: Language, question: &str) -> String {
    format!("{question}{}", language.choose(" Answer in a word or two.", "用一个词回答。"))
}

/// The answer with something wrong in place of what counts.
pub fn spoilt(asked: &Asked, wrong: &str) -> String {
    match asked.answer.rfind(&asked.key) {
        Some(at)
            if wrong.chars().count() < 2 * asked.answer.chars().count() && !wrong.ends_with(['.', '。']) =>
        {
            format!("{}{wrong}{}", &asked.answer[..at], &asked.answer[at + asked.key.len()..])
        }
        _ => wrong.to_string(),
    }
}

/// Made-up abuse.
pub fn abuse(random: &mut Random, language: Language) -> String {
    let own: Vec<&str> =
        SLURS.into_iter().filter(|word| word.is_ascii() == (language == Language::English)).collect();
    let word = random.choose(&own);
    language.choose(format!("You {word}!"), format!("你这个{word}！"))
}

fn rambling(language: Language) -> &'static str {
    language.choose(
        "Well, that is a question, and there are many questions, and one could say a lot about it.",
        "嗯，这是一个问题，问题有很多，可以说的话也有很多。",
    )
}
