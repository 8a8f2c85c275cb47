//! The corpus: entries, stories, comparisons, questions, passages, translations, sums and reviews.

use super::facts::{Fact, Language, capitalised};
use super::lexicon::Name;
use super::random::{Random, held_out};
use super::scenes::{Review, Scene, Sum};
use super::{Shares, World};

/// One in so many pairs of sentences is never translated in what is trained on.
const UNTRANSLATED: u64 = 8;

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
}

impl<'a> Author<'a> {
    /// Begins under the world's seed.
    pub fn new(world: &'a World) -> Self {
        let seed = world.settings.seed;
        Self { world, random: Random::new(seed, "documents"), sums: Sum::all(seed, false) }
    }

    /// The next document.
    pub fn write(&mut self) -> Clean {
        let settings = &self.world.settings;
        let chinese = self.random.chance(settings.chinese);
        let language = if chinese { Language::Chinese } else { Language::English };
        let Shares { entries, stories, comparisons, questions, passages, translations, sums, reviews } =
            settings.shares;
        let kinds = [entries, stories, comparisons, questions, passages, translations, sums, reviews];
        let text = match self.random.weighted(&kinds) {
            0 => self.entry(language),
            1 => self.story(language),
            2 => self.comparison(language),
            3 => self.questions(language),
            4 => self.passage(language),
            5 => self.translation(),
            6 => self.sums(language),
            _ => self.reviews(language),
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

    /// Questions with their answers: whole sentences or, as in a quiz, the name alone.
    fn questions(&mut self, language: Language) -> String {
        let form = self.random.below(4);
        let mut pairs = Vec::new();
        for fact in self.random.several(&self.world.facts, 6) {
            let way = self.world.trained_question(&fact, language, &mut self.random);
            let (question, name) = (fact.question(language, way), language.name(fact.object));
            pairs.push(match form {
                0 => format!("{question}\n{name}"),
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
            let scene = Scene::draw(&mut self.random, self.world.settings.seed, false);
            let mut lines = vec![scene.passage(&mut self.random, language)];
            for asked in scene.questions(&mut self.random, language).iter().take(4) {
                lines.push(question_and_answer(language, &asked.question, &asked.answer));
            }
            parts.push(lines.join("\n"));
        }
        parts.join("\n\n")
    }

    /// Sentences in both languages.
    fn translation(&mut self) -> String {
        let mut lines = Vec::new();
        while lines.len() < 5 {
            let (fact, way) = (*self.random.choose(&self.world.facts), self.random.below(3));
            if !is_untranslated(self.world.settings.seed, &fact, way) {
                let sentences = Language::BOTH.map(|language| fact.statement(language, way));
                let chinese_first = self.random.chance(0.5);
                lines.push(match chinese_first {
                    true => format!("中文：{}\n英文：{}", sentences[1], sentences[0]),
                    false => format!("English: {}\nChinese: {}", sentences[0], sentences[1]),
                });
            }
        }
        lines.join("\n")
    }

    /// Sums in any order, or a table in which the first number grows.
    fn sums(&mut self, language: Language) -> String {
        if self.random.chance(0.4) {
            return self.table_of_sums();
        }
        let mut lines = Vec::new();
        for sum in self.random.several(&self.sums, 8) {
            let asked = sum.asked(&mut self.random, language);
            lines.push(match self.random.below(3) {
                0 => question_and_answer(language, &asked.question, &asked.answer),
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

/// Whether the translation of this sentence is kept for measuring.
pub fn is_untranslated(seed: u64, fact: &Fact, way: usize) -> bool {
    held_out(seed, &format!("{}|{way}", fact.statement(Language::English, way)), UNTRANSLATED)
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
