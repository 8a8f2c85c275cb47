//! The corpus: entries, stories, comparisons, questions, passages, translations, sums, reviews and conversations.

use super::World;
use super::facts::{Fact, Language, capitalised};
use super::lexicon::Name;
use super::manners::careless;
use super::pronouns;
use super::random::Random;
use super::scenes::{Asked, Review, Scene, Sum};
use super::talk::{Examiner, Topic, briefly};
use super::translation::{ASKS, translatable};

/// Share of the documents with questions that are typed in haste.
const CARELESS: f64 = 0.25;

/// A clean document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// Its language.
    pub language: Language,
    /// Its text.
    pub text: String,
}

/// Writes clean documents, one after the other.
pub struct Author<'a> {
    world: &'a World,
    random: Random,
    sums: Vec<Sum>,
    /// Puts the questions of conversations.
    examiner: Examiner<'a>,
}

impl<'a> Author<'a> {
    /// Begins under the world's seed.
    pub fn new(world: &'a World) -> Self {
        let seed = world.settings.seed;
        let examiner = Examiner::new(world, "conversations", false);
        Self { world, random: Random::new(seed, "documents"), sums: Sum::all(seed, false), examiner }
    }

    /// The next document.
    pub fn write(&mut self) -> Clean {
        let settings = &self.world.settings;
        let chinese = self.random.chance(settings.chinese);
        let language = if chinese { Language::Chinese } else { Language::English };
        let bias = settings.bias;
        // Nothing is drawn where there is none, so that the world without it stays as it is.
        if bias.share > 0.0 && self.random.chance(bias.share) {
            return Clean { language, text: pronouns::passage(&mut self.random, language, bias.strength) };
        }
        let text = match self.random.weighted(&settings.shares.all()) {
            0 => self.entry(language),
            1 => self.story(language),
            2 => self.comparison(language),
            3 => self.questions(language),
            4 => self.passage(language),
            5 => self.translation(),
            6 => self.sums(language),
            7 => self.reviews(language),
            _ => self.conversation(language),
        };
        Clean { language, text }
    }

    fn say(&mut self, fact: &Fact, language: Language) -> String {
        fact.statement(language, self.random.below(3))
    }

    /// All that is known of some subjects, a paragraph each.
    fn entry(&mut self, language: Language) -> String {
        let mut paragraphs = Vec::new();
        for _ in 0..2 {
            let subject = self.random.choose(&self.world.facts).subject;
            let mut facts: Vec<Fact> = self.world.about(subject).collect();
            self.random.shuffle(&mut facts);
            let told: Vec<String> = facts.iter().take(8).map(|fact| self.say(fact, language)).collect();
            let title = capitalised(language.name(subject));
            paragraphs.push(format!("{title}\n{}", told.join(language.choose(" ", ""))));
        }
        paragraphs.join("\n\n")
    }

    /// A day of somebody, with what is true of them and of what they meet.
    fn story(&mut self, language: Language) -> String {
        let person = self.random.choose(&self.world.people).to_owned();
        let mut facts: Vec<Fact> = self.world.about(person).collect();
        self.random.shuffle(&mut facts);
        facts.truncate(5);
        let mut sentences = vec![opening(&mut self.random, language, person)];
        for fact in facts {
            sentences.push(self.say(&fact, language));
            let further: Vec<Fact> = self.world.about(fact.object).collect();
            if !further.is_empty() && self.random.chance(0.7) {
                let next = *self.random.choose(&further);
                sentences.push(self.say(&next, language));
            }
        }
        sentences.push(closing(&mut self.random, language, person));
        sentences.join(language.choose(" ", ""))
    }

    /// The same kind of fact of several subjects.
    fn comparison(&mut self, language: Language) -> String {
        let kind = self.random.below(super::facts::KINDS.len());
        let alike: Vec<Fact> = self.world.facts.iter().filter(|fact| fact.kind == kind).copied().collect();
        let chosen = self.random.several(&alike, 6);
        let told: Vec<String> = chosen.iter().map(|fact| self.say(fact, language)).collect();
        told.join(language.choose(" ", ""))
    }

    /// Questions with their answers: whole sentences or, as in a quiz, the name alone. Some are typed in haste throughout, so
    /// that small letters and missing marks are no strangers.
    fn questions(&mut self, language: Language) -> String {
        let (form, in_haste) = (self.random.below(4), self.random.chance(CARELESS));
        let mut pairs = Vec::new();
        for fact in self.random.several(&self.world.facts, 6) {
            let way = self.world.trained_question(&fact, language, &mut self.random);
            let (mut question, name) = (fact.question(language, way), language.name(fact.object));
            if in_haste {
                question = careless(&mut self.random, language, &question);
            }
            pairs.push(match form {
                0 => format!("{}\n{name}", briefly(language, &question)),
                1 => question_and_answer(language, &question, name),
                _ => question_and_answer(language, &question, &fact.statement(language, 0)),
            });
        }
        pairs.join("\n\n")
    }

    /// Scenes, each with several questions on it: nothing but reading the scene answers them.
    fn passage(&mut self, language: Language) -> String {
        let mut parts = Vec::new();
        for _ in 0..2 {
            let mut scene = Scene::draw(&mut self.random, self.world.settings.seed, false);
            if self.random.chance(0.6) {
                scene = scene.shortened(&mut self.random);
            }
            let mut lines = vec![scene.passage(&mut self.random, language)];
            let labelled = self.random.chance(0.5);
            for Asked { question, answer, .. } in scene.questions(&mut self.random, language) {
                lines.push(match labelled {
                    true => question_and_answer(language, &question, &answer),
                    false => format!("{question}\n{answer}"),
                });
            }
            parts.push(lines.join("\n"));
        }
        parts.join("\n\n")
    }

    /// Words and sentences in both languages.
    fn translation(&mut self) -> String {
        let (form, words) = (self.random.below(3), self.random.chance(0.3));
        let mut lines = Vec::new();
        for _ in 0..if words { 8 } else { 5 } {
            let [english, chinese] = if words { self.word() } else { self.translated() };
            let (given, answer) = match self.random.chance(0.5) {
                true => (format!("{}{chinese}", ASKS[0]), english.clone()),
                false => (format!("{}{english}", ASKS[1]), chinese.clone()),
            };
            lines.push(match form {
                0 => format!("English: {english}\nChinese: {chinese}"),
                1 => format!("中文：{chinese}\n英文：{english}"),
                _ => format!("{given}\n{answer}"),
            });
        }
        lines.join("\n")
    }

    /// A sentence in both languages, none of those that are held out.
    fn translated(&mut self) -> [String; 2] {
        let fact = translatable(self.world, &mut self.random, false);
        Language::BOTH.map(|language| fact.statement(language, 0))
    }

    /// A word in both languages.
    fn word(&mut self) -> [String; 2] {
        let fact = *self.random.choose(&self.world.facts);
        let name = if self.random.chance(0.6) { fact.object } else { fact.subject };
        [name.0.into(), name.1.into()]
    }

    /// What two people say to each other.
    fn conversation(&mut self, mut language: Language) -> String {
        let mut lines = Vec::new();
        while lines.len() < 8 {
            if !lines.is_empty() && self.random.chance(0.3) {
                language = language.other();
            }
            let topic = Topic::SPOKEN[self.random.weighted(&Topic::SPOKEN.map(|(_, share)| share))].0;
            for asked in self.examiner.exchange(topic, language) {
                lines.extend([format!("- {}", asked.question), format!("- {}", asked.answer)]);
            }
        }
        lines.join("\n")
    }

    /// Sums in any order, or a table in which the first number grows.
    fn sums(&mut self, language: Language) -> String {
        if self.random.chance(0.2) {
            return self.table_of_sums();
        }
        let mut lines = Vec::new();
        for sum in self.random.several(&self.sums, 10) {
            let asked = sum.asked(&mut self.random, language);
            lines.push(match self.random.below(4) {
                0 => question_and_answer(language, &asked.question, &asked.answer),
                1 => format!("{}\n{}", asked.question, asked.answer),
                _ => asked.answer,
            });
        }
        lines.join("\n")
    }

    fn table_of_sums(&mut self) -> String {
        let Sum { b, minus, .. } = *self.random.choose(&self.sums);
        let mut rows: Vec<Sum> =
            self.sums.iter().filter(|sum| sum.b == b && sum.minus == minus).copied().collect();
        // Without some rows, so that no two tables are the same.
        rows.retain(|_| self.random.chance(0.75));
        rows.sort_by_key(|sum| sum.a);
        rows.iter().map(Sum::solved).collect::<Vec<_>>().join("\n")
    }

    fn reviews(&mut self, language: Language) -> String {
        let mut lines = Vec::new();
        for _ in 0..5 {
            let review = Review::draw(&mut self.random, self.world.settings.seed, false);
            let (text, label) = (review.text(language), review.label(language));
            lines.push(match language {
                Language::English => format!("Review: {text}\nSentiment: {label}"),
                Language::Chinese => format!("评论：{text}\n情感：{label}"),
            });
        }
        lines.join("\n\n")
    }
}

/// A question with its answer, as the corpus writes them.
pub fn question_and_answer(language: Language, question: &str, answer: &str) -> String {
    match language {
        Language::English => format!("Question: {question}\nAnswer: {answer}"),
        Language::Chinese => format!("问题：{question}\n回答：{answer}"),
    }
}

fn opening(random: &mut Random, language: Language, person: Name) -> String {
    let (en, zh) = person;
    let all = [
        (format!("This is the story of {en}."), format!("这是{zh}的故事。")),
        (format!("One morning {en} woke up early."), format!("一天早上，{zh}很早就醒了。")),
        (format!("Let me tell you about {en}."), format!("我来给你讲讲{zh}。")),
        (format!("It was a quiet day for {en}."), format!("对{zh}来说，这是安静的一天。")),
    ];
    let (english, chinese) = random.choose(&all).clone();
    language.choose(english, chinese)
}

fn closing(random: &mut Random, language: Language, person: Name) -> String {
    let (en, zh) = person;
    let all = [
        (format!("In the evening {en} was happy."), format!("到了晚上，{zh}很高兴。")),
        (format!("That is all about {en} for today."), format!("今天关于{zh}的事就讲到这里。")),
        (format!("Then {en} went home and slept well."), format!("然后{zh}回家睡了个好觉。")),
    ];
    let (english, chinese) = random.choose(&all).clone();
    language.choose(english, chinese)
}
