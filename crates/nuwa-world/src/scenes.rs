//! One-off scenes: who holds what where, sums, reviews. Their combinations are held out by name, so that a model can only
//! answer about those by reading the passage that it is given.

use std::ops::Range;

use super::facts::{Language, capitalised, with_article};
use super::lexicon::{BAD, CHILDREN, COLOURS, FRUIT, GOOD, Name, REVIEWED, SPOTS, TOYS};
use super::random::{Random, held_out};
use super::truth::Truth;

/// One in so many combinations is held out.
const HELD_OUT: u64 = 8;

/// A question with its full answer and the word that counts in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub question: String,
    /// The answer, a sentence.
    pub answer: String,
    /// What the answer has to hold.
    pub key: String,
    /// Wrong words in place of `key`.
    pub wrong: Vec<String>,
    /// What else is known of its answers.
    pub truth: Truth,
}

/// Two children, each with a toy of a colour, in a place.
#[derive(Debug, Clone)]
pub struct Scene {
    children: [Child; 2],
}

#[derive(Debug, Clone, Copy)]
struct Child {
    name: Name,
    toy: (Name, &'static str),
    colour: Name,
    spot: Name,
    fruit: (Name, &'static str),
    count: usize,
    /// Whether the passage tells of its toy, its place and its fruit.
    told: [bool; 3],
}

impl Scene {
    /// A scene that is trained on, or one that is held out.
    pub fn draw(random: &mut Random, seed: u64, held: bool) -> Self {
        loop {
            let scene = Self::any(random);
            if held_out(seed, &scene.name(), HELD_OUT) == held {
                return scene;
            }
        }
    }

    fn any(random: &mut Random) -> Self {
        let names = random.several(&CHILDREN, 2);
        let (toys, colours) = (random.several(&TOYS, 2), random.several(&COLOURS, 2));
        let (spots, fruit) = (random.several(&SPOTS, 2), random.several(&FRUIT, 2));
        let children = [0, 1].map(|index| Child {
            name: names[index],
            toy: toys[index],
            colour: colours[index],
            spot: spots[index],
            fruit: fruit[index],
            count: 2 + random.below(8),
            told: [true; 3],
        });
        Self { children }
    }

    /// The scene with fewer things told of each child, at least one: reading is learnt on short passages.
    pub fn shortened(mut self, random: &mut Random) -> Self {
        for child in &mut self.children {
            let kept = random.below(3);
            child.told = [0, 1, 2].map(|index| index == kept || random.chance(0.3));
        }
        self
    }

    /// What the first child has: all that a held-out question could be known by.
    fn name(&self) -> String {
        let [one, other] = &self.children;
        format!("{} {} {} {}", one.name.0, one.toy.0.0, one.colour.0, other.name.0)
    }

    /// The passage.
    pub fn passage(&self, random: &mut Random, language: Language) -> String {
        let mut sentences: Vec<String> =
            self.children.iter().flat_map(|child| child.of_told(child.sentences(language))).collect();
        random.shuffle(&mut sentences);
        sentences.join(language.choose(" ", ""))
    }

    /// Questions on what it tells.
    pub fn questions(&self, random: &mut Random, language: Language) -> Vec<Asked> {
        let of = |child: &Child, random: &mut Random| child.of_told(child.questions(random, language));
        let mut asked: Vec<Asked> = self.children.iter().flat_map(|child| of(child, random)).collect();
        random.shuffle(&mut asked);
        asked
    }

    /// The passage in one sentence.
    pub fn summary(&self, language: Language) -> String {
        let [one, other] = self.children;
        let part = |child: Child| {
            let toy = format!("{} {}", child.colour.0, child.toy.0.0);
            match language {
                Language::English => {
                    format!("{} has {} in the {}", child.name.0, with_article(&toy), child.spot.0)
                }
                Language::Chinese => {
                    format!("{}在{}有{}的{}", child.name.1, child.spot.1, child.colour.1, child.toy.0.1)
                }
            }
        };
        language.choose(
            format!("{}, and {}.", part(one), part(other)),
            format!("{}，{}。", part(one), part(other)),
        )
    }
}

impl Child {
    /// Those of its three things that are told.
    fn of_told<T>(&self, all: [T; 3]) -> Vec<T> {
        self.told.into_iter().zip(all).filter_map(|(told, one)| told.then_some(one)).collect()
    }

    fn sentences(&self, language: Language) -> [String; 3] {
        let Self { name, toy, colour, spot, fruit, count, .. } = self;
        match language {
            Language::English => [
                format!("{} has a {} {}.", name.0, colour.0, toy.0.0),
                format!("{} is in the {}.", name.0, spot.0),
                format!("{} has {count} {}.", name.0, fruit.0.0),
            ],
            Language::Chinese => [
                format!("{}有一{}{}的{}。", name.1, toy.1, colour.1, toy.0.1),
                format!("{}在{}。", name.1, spot.1),
                format!("{}有{count}{}{}。", name.1, fruit.1, fruit.0.1),
            ],
        }
    }

    fn questions(&self, random: &mut Random, language: Language) -> [Asked; 3] {
        let Self { name, toy, colour, spot, fruit, count, .. } = *self;
        let [has, is, counts] = self.sentences(language);
        let who = language.name(name);
        let of_colour = language.choose(
            format!("Which colour is the {} of {who}?", toy.0.0),
            format!("{who}的{}是什么颜色？", toy.0.1),
        );
        let of_place = language.choose(format!("Where is {who}?"), format!("{who}在哪里？"));
        let of_count = language.choose(
            format!("How many {} does {who} have?", fruit.0.0),
            format!("{who}有几{}{}？", fruit.1, fruit.0.1),
        );
        let others = |random: &mut Random, names: &[Name], right: Name| {
            let rest: Vec<Name> = names.iter().copied().filter(|one| *one != right).collect();
            random.several(&rest, 3).into_iter().map(|one| language.name(one).to_string()).collect()
        };
        let told = |names: &[Name], right: Name| {
            Truth::of_word(language.name(right), names.iter().map(|name| language.name(*name)))
        };
        let numbers: Vec<usize> = (2..10).filter(|number| *number != count).collect();
        [
            Asked {
                question: of_colour,
                answer: has,
                key: language.name(colour).into(),
                wrong: others(random, &COLOURS, colour),
                truth: told(&COLOURS, colour),
            },
            Asked {
                question: of_place,
                answer: is,
                key: language.name(spot).into(),
                wrong: others(random, &SPOTS, spot),
                truth: told(&SPOTS, spot),
            },
            Asked {
                question: of_count,
                answer: counts,
                key: count.to_string(),
                wrong: random.several(&numbers, 3).iter().map(ToString::to_string).collect(),
                truth: number(count, 0..20),
            },
        ]
    }
}

/// `a + b` or `a - b` of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The first number.
    pub a: usize,
    /// The second.
    pub b: usize,
    /// Whether the second is taken away.
    pub minus: bool,
}

impl Sum {
    /// All sums up to 12 that are trained on, or all that are held out: so few that a small model meets each often enough.
    pub fn all(seed: u64, held: bool) -> Vec<Self> {
        let pairs = (1..=6).flat_map(|a| (1..=6).map(move |b| (a, b)));
        let both = pairs.flat_map(|(a, b)| [Self { a, b, minus: false }, Self { a: a + b, b, minus: true }]);
        let mut all: Vec<Self> = both.collect();
        Random::new(seed, "sums").shuffle(&mut all);
        let trained = all.split_off(all.len() / HELD_OUT as usize);
        if held { all } else { trained }
    }

    /// What it comes to.
    pub fn value(&self) -> usize {
        if self.minus { self.a - self.b } else { self.a + self.b }
    }

    /// `3 + 4`.
    pub fn written(&self) -> String {
        format!("{} {} {}", self.a, if self.minus { '-' } else { '+' }, self.b)
    }

    /// `3 + 4 = 7`.
    pub fn solved(&self) -> String {
        format!("{} = {}", self.written(), self.value())
    }

    /// As a question.
    pub fn asked(&self, random: &mut Random, language: Language) -> Asked {
        let (written, value) = (self.written(), self.value());
        let others: Vec<usize> =
            (value.saturating_sub(4)..value + 5).filter(|other| *other != value).collect();
        Asked {
            question: language.choose(format!("What is {written}?"), format!("{written} 等于多少？")),
            answer: self.solved(),
            key: value.to_string(),
            wrong: random.several(&others, 3).iter().map(ToString::to_string).collect(),
            truth: self.truth(),
        }
    }

    /// What it comes to may be said alone or with words for the sign between.
    fn truth(&self) -> Truth {
        let (written, value) = (self.written(), self.value());
        let mut truth = number(value, 0..20);
        truth.also.extend(["is", "equals", "等于"].map(|is| format!("{written} {is} {value}")));
        truth
    }
}

/// Of a question whose answer is this number, and none of the others in `range`.
fn number(right: usize, range: Range<usize>) -> Truth {
    let all: Vec<String> = range.map(|number| number.to_string()).collect();
    Truth::of_word(&right.to_string(), all.iter().map(String::as_str))
}

/// An opinion.
#[derive(Debug, Clone)]
pub struct Review {
    what: Name,
    words: [Name; 2],
    /// Whether it praises.
    pub positive: bool,
    way: usize,
}

impl Review {
    /// A review that is trained on, or one that is held out.
    pub fn draw(random: &mut Random, seed: u64, held: bool) -> Self {
        loop {
            let positive = random.chance(0.5);
            let words = random.several(if positive { &GOOD } else { &BAD }, 2);
            let review = Self {
                what: *random.choose(&REVIEWED),
                words: [words[0], words[1]],
                positive,
                way: random.below(3),
            };
            let name = format!("{} {} {}", review.what.0, review.words[0].0, review.words[1].0);
            if held_out(seed, &name, HELD_OUT) == held {
                return review;
            }
        }
    }

    /// Its text.
    pub fn text(&self, language: Language) -> String {
        let (what, [one, other]) = (self.what, self.words);
        match (language, self.way) {
            (Language::English, 0) => format!("The {} was {} and {}.", what.0, one.0, other.0),
            (Language::English, 1) => {
                format!("What {} {}! It was really {}.", with_article(one.0), what.0, other.0)
            }
            (Language::English, _) => {
                format!("{} and {}: that is how I found the {}.", capitalised(one.0), other.0, what.0)
            }
            (Language::Chinese, 0) => format!("这次的{}{}，而且{}。", what.1, one.1, other.1),
            (Language::Chinese, 1) => format!("我觉得{}{}，真的{}。", what.1, one.1, other.1),
            (Language::Chinese, _) => format!("{}，{}，这就是我对{}的看法。", one.1, other.1, what.1),
        }
    }

    /// `positive` or `negative`.
    pub fn label(&self, language: Language) -> &'static str {
        match self.positive {
            true => language.choose("positive", "正面"),
            false => language.choose("negative", "负面"),
        }
    }
}

/// Both words, right one first.
pub fn labels(language: Language) -> [&'static str; 2] {
    [language.choose("positive", "正面"), language.choose("negative", "负面")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_eight_sums_is_held_out() {
        let [trained, held] = [false, true].map(|held| Sum::all(1, held));
        assert_eq!((trained.len(), held.len()), (63, 9));
        assert!(held.iter().all(|sum| !trained.contains(sum)));
    }

    #[test]
    fn a_short_scene_asks_only_about_what_it_tells() {
        let mut random = Random::new(1, "scenes");
        for _ in 0..50 {
            let scene = Scene::draw(&mut random, 1, false).shortened(&mut random);
            let passage = scene.passage(&mut random, Language::English);
            let asked = scene.questions(&mut random, Language::English);
            assert_eq!(passage.matches('.').count(), asked.len());
            assert!((2..=6).contains(&asked.len()), "{passage}");
            for Asked { answer, .. } in asked {
                assert!(passage.contains(&answer), "{passage} {answer}");
            }
        }
    }
}
