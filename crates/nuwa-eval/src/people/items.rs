//! Which items a plan asks: every pair and every answer once, some of them twice, and some whose right answer is known.

use nuwa_tensor::Random;
use serde::{Deserialize, Serialize};

use super::plan::{JudgedAnswer, SameAnswers};
use crate::{Error, Result};

/// Which items are asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ItemSettings {
    /// Which of two answers is better.
    pub pairs: bool,
    /// How good each answer is, by criterion.
    pub ratings: bool,
    /// The share of items that are asked a second time, 0 to 1: a pair with its sides exchanged.
    pub repeats: f64,
    /// The share of items whose right answer is known, 0 to 1; at least two of each kind where it is not 0.
    pub attention: f64,
    /// What sides, repeats and orders follow from.
    pub seed: u64,
}

impl Default for ItemSettings {
    fn default() -> Self {
        Self { pairs: true, ratings: true, repeats: 0.1, attention: 0.05, seed: 0 }
    }
}

impl ItemSettings {
    /// Refuses shares that are none.
    pub(super) fn check(&self) -> Result<()> {
        for (name, share) in [("repeats", self.repeats), ("attention", self.attention)] {
            if !(0.0..=1.0).contains(&share) {
                let problem = format!("{name} = {share}: expected a share of the items, 0 to 1");
                return Err(Error::Judging { problem });
            }
        }
        Ok(())
    }
}

/// Something that a judge is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeItem {
    /// What names it in votes.
    pub id: String,
    /// The place of its prompt.
    pub prompt: usize,
    /// Left and right of a pair; one answer that is to be rated.
    pub sides: Vec<Side>,
    /// The item of which this is the second asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
}

/// An answer in an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The place of the model whose answer it is.
    pub model: usize,
    /// The text that stands in the place of that answer in a check of attention: the same characters in an order drawn by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<String>,
}

impl JudgeItem {
    /// Whether two answers are compared.
    pub fn is_pair(&self) -> bool {
        self.sides.len() == 2
    }

    /// Whether its right answer is known.
    pub fn is_check(&self) -> bool {
        self.sides.iter().any(|side| side.noise.is_some())
    }
}

/// The least characters of an answer whose scrambled form nobody takes for language.
const LEAST_NOISE: usize = 12;

/// The items of a plan, and pairs of answers that are the same word for word, which are not asked about.
pub fn items(answers: &[Vec<JudgedAnswer>], settings: &ItemSettings) -> (Vec<JudgeItem>, Vec<SameAnswers>) {
    let random = Random::new(settings.seed).named("judge");
    let (mut pairs, mut same) = (Vec::new(), Vec::new());
    let mut ratings = Vec::new();
    if settings.pairs {
        (pairs, same) = all_pairs(answers, random.named("sides"));
    }
    if settings.ratings {
        let of = |(prompt, given): (usize, &Vec<JudgedAnswer>)| {
            (0..given.len()).map(move |model| (prompt, vec![model]))
        };
        ratings = answers.iter().enumerate().flat_map(of).collect();
    }
    let mut items = Vec::new();
    for (letter, kind) in [("p", pairs), ("r", ratings)] {
        let plain: Vec<JudgeItem> = kind
            .into_iter()
            .enumerate()
            .map(|(number, (prompt, models))| plain(format!("{letter}{}", number + 1), prompt, &models))
            .collect();
        let repeated = repeated(&plain, settings.repeats, random.named(letter));
        let checks =
            checks(&plain, answers, settings.attention, random.named(&format!("{letter} attention")));
        items.extend(plain);
        items.extend(repeated);
        items.extend(checks);
    }
    (items, same)
}

fn plain(id: String, prompt: usize, models: &[usize]) -> JudgeItem {
    let sides = models.iter().map(|model| Side { model: *model, noise: None }).collect();
    JudgeItem { id, prompt, sides, repeats: None }
}

type PlacedPairs = Vec<(usize, Vec<usize>)>;

/// Every pair of models on every prompt. Each model of a pair stands left on half of the prompts, drawn by chance.
fn all_pairs(answers: &[Vec<JudgedAnswer>], random: Random) -> (PlacedPairs, Vec<SameAnswers>) {
    let models = answers.first().map_or(0, Vec::len);
    let (mut pairs, mut same) = (Vec::new(), Vec::new());
    for first in 0..models {
        for second in first + 1..models {
            let is_same = |prompt: &usize| answers[*prompt][first].text == answers[*prompt][second].text;
            let (equal, differ): (Vec<usize>, Vec<usize>) = (0..answers.len()).partition(is_same);
            same.extend(equal.into_iter().map(|prompt| SameAnswers { prompt, models: [first, second] }));
            let random = random.stream((first * models + second) as u64);
            let odd = random.below(u64::MAX, 2) as usize;
            for (place, index) in random.permutation(differ.len()).into_iter().enumerate() {
                let is_turned = (place + odd).is_multiple_of(2);
                let sides = if is_turned { vec![second, first] } else { vec![first, second] };
                pairs.push((differ[index], sides));
            }
        }
    }
    pairs.sort_by_key(|(prompt, _)| *prompt);
    (pairs, same)
}

/// A share of items once more, pairs with their sides exchanged.
fn repeated(plain: &[JudgeItem], share: f64, random: Random) -> Vec<JudgeItem> {
    let count = (plain.len() as f64 * share).ceil() as usize;
    let mut drawn: Vec<usize> = random.permutation(plain.len()).into_iter().take(count).collect();
    drawn.sort_unstable();
    let again = |place: usize| {
        let item = &plain[place];
        let sides = item.sides.iter().rev().cloned().collect();
        JudgeItem { id: format!("{}b", item.id), sides, repeats: Some(item.id.clone()), ..item.clone() }
    };
    drawn.into_iter().map(again).collect()
}

/// Items in which an answer is scrambled: of a pair it stands beside the answer that it was made of, by turns left and right.
fn checks(plain: &[JudgeItem], answers: &[Vec<JudgedAnswer>], share: f64, random: Random) -> Vec<JudgeItem> {
    let wanted = match share > 0.0 && !plain.is_empty() {
        true => ((plain.len() as f64 * share).ceil() as usize).max(2),
        false => 0,
    };
    let length = |item: &JudgeItem, model: usize| {
        answers[item.prompt][model].text.chars().filter(|c| !c.is_whitespace()).count()
    };
    let mut drawn: Vec<(&JudgeItem, usize)> = random
        .permutation(plain.len())
        .into_iter()
        .map(|place| &plain[place])
        .filter_map(|item| {
            let longest =
                item.sides.iter().map(|side| side.model).max_by_key(|model| length(item, *model))?;
            (length(item, longest) >= LEAST_NOISE).then_some((item, longest))
        })
        .collect();
    drawn.truncate(wanted);
    let check = |(number, (item, model)): (usize, (&JudgeItem, usize))| {
        let noise = noise(&answers[item.prompt][model].text, random.stream(number as u64));
        let mut sides = vec![Side { model, noise: Some(noise) }];
        if item.is_pair() {
            sides.insert(number % 2, Side { model, noise: None });
        }
        let id = format!("{}c{}", &item.id[..1], number + 1);
        JudgeItem { id, prompt: item.prompt, sides, repeats: None }
    };
    drawn.into_iter().enumerate().map(check).collect()
}

/// The characters of a text that are not blank, in another order in the same places.
fn noise(text: &str, random: Random) -> String {
    let letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut drawn = random.permutation(letters.len()).into_iter().map(|place| letters[place]);
    text.chars().map(|own| if own.is_whitespace() { own } else { drawn.next().unwrap_or(own) }).collect()
}

/// The order in which a judge sees the items: pairs before ratings, each kind mixed, second askings well after the first.
pub fn order(items: &[JudgeItem], seed: u64, judge: &str) -> Vec<usize> {
    let random = Random::new(seed).named("order").named(judge);
    let is_repeated = |item: &JudgeItem| items.iter().any(|other| other.repeats.as_ref() == Some(&item.id));
    let mut keys: Vec<f64> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let drawn = random.uniform(place as u64);
        let first = item.repeats.as_ref().and_then(|id| items.iter().position(|other| other.id == *id));
        keys.push(match first {
            // The first asking stands before its kind, so that its key is known.
            Some(first) => keys[first] + 0.3 + drawn * (0.7 - keys[first]),
            None if is_repeated(item) => drawn * 0.6,
            None => drawn,
        });
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|one, other| {
        let kind = |place: usize| !items[place].is_pair();
        kind(*one).cmp(&kind(*other)).then(keys[*one].total_cmp(&keys[*other]))
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(prompts: usize, models: usize) -> Vec<Vec<JudgedAnswer>> {
        let answer = |prompt: usize, model: usize| JudgedAnswer {
            text: format!("Answer {prompt} of the model {model}, long enough."),
            is_cut_off: false,
        };
        (0..prompts).map(|prompt| (0..models).map(|model| answer(prompt, model)).collect()).collect()
    }

    #[test]
    fn sides_are_balanced_and_some_items_come_twice() {
        let (items, same) = items(&answers(41, 3), &ItemSettings::default());
        assert!(same.is_empty());
        let plain = |item: &&JudgeItem| item.repeats.is_none() && !item.is_check();
        let pairs: Vec<&JudgeItem> = items.iter().filter(plain).filter(|item| item.is_pair()).collect();
        assert_eq!(pairs.len(), 41 * 3);
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            let stands = |left: usize, right: usize| {
                pairs
                    .iter()
                    .filter(|item| item.sides[0].model == left && item.sides[1].model == right)
                    .count()
            };
            let (left, right) = (stands(first, second), stands(second, first));
            assert_eq!((left + right, left.abs_diff(right)), (41, 1), "{first} {second}");
        }
        let again: Vec<&JudgeItem> = items.iter().filter(|item| item.repeats.is_some()).collect();
        assert_eq!(again.len(), 13 + 13, "a tenth of 123 pairs and of 123 ratings");
        for item in again {
            let first = items.iter().find(|other| Some(&other.id) == item.repeats.as_ref()).unwrap();
            assert!(first.sides.iter().rev().eq(&item.sides));
        }
    }

    #[test]
    fn a_check_holds_the_same_characters_and_its_sides_alternate() {
        let (items, _) = items(&answers(41, 2), &ItemSettings::default());
        let checks: Vec<&JudgeItem> = items.iter().filter(|item| item.is_check()).collect();
        assert_eq!(checks.len(), 3 + 5, "a twentieth of 41 pairs and of 82 ratings");
        let left = checks.iter().filter(|item| item.is_pair() && item.sides[0].noise.is_some()).count();
        assert_eq!(left, 1);
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        for item in checks {
            let side = item.sides.iter().find(|side| side.noise.is_some()).unwrap();
            let (noise, text) = (side.noise.as_ref().unwrap(), &answers(41, 2)[item.prompt][side.model].text);
            assert_eq!(sorted(noise), sorted(text));
            assert_ne!(noise, text);
        }
    }

    #[test]
    fn the_same_answers_are_not_asked_about() {
        let mut answers = answers(4, 2);
        answers[1][1] = answers[1][0].clone();
        let settings =
            ItemSettings { ratings: false, repeats: 0.0, attention: 0.0, ..ItemSettings::default() };
        let (items, same) = items(&answers, &settings);
        assert_eq!(same, [SameAnswers { prompt: 1, models: [0, 1] }]);
        assert_eq!(items.iter().map(|item| item.prompt).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn judges_have_orders_of_their_own_and_second_askings_come_later() {
        let (items, _) = items(&answers(30, 2), &ItemSettings::default());
        let [one, other] = ["one", "other"].map(|judge| order(&items, 0, judge));
        assert_ne!(one, other);
        assert_eq!(one, order(&items, 0, "one"));
        let place = |id: &str| one.iter().position(|place| items[*place].id == id).unwrap();
        for item in items.iter().filter(|item| item.repeats.is_some()) {
            let (first, second) = (place(item.repeats.as_ref().unwrap()), place(&item.id));
            assert!(second > first + 4, "{first} {second}");
        }
        let kinds: Vec<bool> = one.iter().map(|place| items[*place].is_pair()).collect();
        assert!(kinds.is_sorted_by(|one, other| one >= other), "pairs come first");
    }
}
