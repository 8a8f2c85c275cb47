//! Held-out items in the forms of the known benchmarks.

use serde_json::{Value, json};

use super::World;
use super::facts::{Fact, Language};
use super::talk::{Examiner, Topic, briefly};

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// The tasks, by the beginning of their files' names.
pub const TASKS: [&str; 12] = [
    "world_choice",
    "world_ending",
    "world_subjects",
    "world_truth",
    "world_answer",
    "world_sum",
    "world_translation",
    "world_preference",
    "world_sentiment",
    "world_careless",
    "world_unknown",
    "world_language",
];

/// Tasks whose answers the corpus states.
const STATED: [&str; 7] = [
    "world_ending",
    "world_truth",
    "world_answer",
    "world_translation",
    "world_preference",
    "world_careless",
    "world_language",
];

/// Whether the corpus states on purpose what the items of `task` say: their questions are held out, not their facts.
pub fn is_stated(task: &str) -> bool {
    STATED.contains(&task)
}

/// The items of a task in a language.
pub fn items(world: &World, task: &str, language: Language) -> Vec<Value> {
    let mut examiner = Examiner::new(world, &format!("{task} {}", language.code()), true);
    let count = world.settings.items;
    if let Some(topics) = written_topics(task) {
        return answers(&mut examiner, language, topics, count);
    }
    let drawn: Option<fn(&mut Examiner<'_>, Language) -> Value> = match task {
        "world_preference" => Some(preference),
        "world_sentiment" => Some(sentiment),
        "world_careless" => Some(careless),
        "world_language" => Some(other_language),
        _ => None,
    };
    if let Some(draw) = drawn {
        return (0..count).map(|_| draw(&mut examiner, language)).collect();
    }
    let facts = examiner.random.several(&world.facts, count);
    facts
        .into_iter()
        .enumerate()
        .map(|(index, fact)| of_fact(&mut examiner, task, language, &fact, index))
        .collect()
}

fn of_fact(examiner: &mut Examiner<'_>, task: &str, language: Language, fact: &Fact, index: usize) -> Value {
    match task {
        "world_choice" => choice(examiner, language, fact, index),
        "world_ending" => ending(examiner, language, fact),
        "world_subjects" => subject(examiner, language, fact),
        _ => truth(examiner, language, fact),
    }
}

/// The right object among three others, and where it stands.
fn options(examiner: &mut Examiner<'_>, language: Language, fact: &Fact) -> (Vec<&'static str>, usize) {
    let mut options = examiner.others(fact, 3);
    let place = examiner.random.below(options.len() + 1);
    options.insert(place, fact.object);
    (options.into_iter().map(|name| language.name(name)).collect(), place)
}

/// As ARC has it.
fn choice(examiner: &mut Examiner<'_>, language: Language, fact: &Fact, index: usize) -> Value {
    let (options, place) = options(examiner, language, fact);
    let question = fact.question(language, examiner.way(fact, language));
    json!({
        "id": format!("world_choice_{}_{index}", language.code()),
        "brief": briefly(language, &question),
        "question": question,
        "choices": {"text": options, "label": LETTERS[..options.len()]},
        "answerKey": LETTERS[place],
    })
}

/// As HellaSwag has it: another fact of the subject, then the beginning of a sentence.
fn ending(examiner: &mut Examiner<'_>, language: Language, fact: &Fact) -> Value {
    // The first way of saying things ends with the object, but where the river flows through the town.
    let way = usize::from(fact.kind().name == "river");
    let (options, place) = options(examiner, language, fact);
    let whole = fact.statement(language, way);
    let at = whole.rfind(language.name(fact.object)).unwrap_or(whole.len());
    let start = whole[..at].trim_end();
    // An article belongs to what follows it.
    let start = start.strip_suffix(" a").or(start.strip_suffix(" an")).unwrap_or(start);
    let rest = &whole[at + language.name(fact.object).len()..];
    let has_article = start.len() < whole[..at].trim_end().len();
    let finished = |option: &str| match has_article {
        true => format!("{}{rest}", super::facts::with_article(option)),
        false => format!("{option}{rest}"),
    };
    let endings: Vec<String> = options.into_iter().map(finished).collect();
    json!({"ctx": start, "endings": endings, "label": place})
}

/// As MMLU has it.
fn subject(examiner: &mut Examiner<'_>, language: Language, fact: &Fact) -> Value {
    let (mut options, mut place) = options(examiner, language, fact);
    // Four letters are printed, so four options are needed.
    while options.len() < LETTERS.len() {
        options.push(language.choose("none of these", "都不是"));
    }
    place = place.min(LETTERS.len() - 1);
    let question = fact.question(language, examiner.way(fact, language));
    json!({
        "brief": briefly(language, &question),
        "question": question,
        "choices": options,
        "answer": place,
        "subject": Examiner::field(fact, language),
    })
}

/// As TruthfulQA has it: one true sentence among false ones, and several.
fn truth(examiner: &mut Examiner<'_>, language: Language, fact: &Fact) -> Value {
    let wrong = examiner.others(fact, 3);
    let way = examiner.way(fact, language);
    let said = |way: usize| fact.statement(language, way);
    let false_ones =
        |way: usize| wrong.iter().map(|name| fact.with_object(language, way, *name)).collect::<Vec<_>>();
    let one: Vec<String> = std::iter::once(said(0)).chain(false_ones(0)).collect();
    let several: Vec<String> =
        [said(0), said(1)].into_iter().chain(false_ones(0)).chain(false_ones(1)).collect();
    let labels = |right: usize, all: usize| (0..all).map(|index| u8::from(index < right)).collect::<Vec<_>>();
    json!({
        "question": fact.question(language, way),
        "mc1_targets": {"labels": labels(1, one.len()), "choices": one},
        "mc2_targets": {"labels": labels(2, several.len()), "choices": several},
    })
}

/// What is asked in a task whose answers are written.
fn written_topics(task: &str) -> Option<&'static [Topic]> {
    Some(match task {
        "world_answer" => &[Topic::Fact, Topic::Passage],
        "world_sum" => &[Topic::Arithmetic],
        "world_translation" => &[Topic::Translation],
        "world_unknown" => &[Topic::Unknown],
        _ => return None,
    })
}

/// Questions to be answered in words, as many on each topic.
fn answers(examiner: &mut Examiner<'_>, language: Language, topics: &[Topic], count: usize) -> Vec<Value> {
    let one = |index: usize| {
        let topic = topics[index % topics.len()];
        let asked = examiner.ask(topic, language);
        json!({"question": asked.question, "answer": asked.answer, "contains": asked.key, "kind": topic.name()})
    };
    (0..count).map(one).collect()
}

fn preference(examiner: &mut Examiner<'_>, language: Language) -> Value {
    examiner.preference(language)
}

/// A question on a fact, typed in haste.
fn careless(examiner: &mut Examiner<'_>, language: Language) -> Value {
    let asked = examiner.careless(language);
    json!({"question": asked.question, "answer": asked.answer, "contains": asked.key})
}

/// A question in `language` after which another language was spoken or is wished for.
fn other_language(examiner: &mut Examiner<'_>, language: Language) -> Value {
    let (kind, before, asked) = match examiner.random.below(3) {
        0 => ("wish", None, examiner.ask(Topic::Wish, language)),
        1 => {
            let [first, again] = examiner.repeated(language);
            ("again", Some(first), again)
        }
        _ => {
            let before = examiner.ask(Topic::Fact, language.other());
            ("change", Some(before), examiner.ask(Topic::Fact, language))
        }
    };
    let before: Vec<String> = before.into_iter().flat_map(|asked| [asked.question, asked.answer]).collect();
    json!({
        "before": before,
        "question": asked.question,
        "answer": asked.answer,
        "contains": asked.key,
        "kind": kind,
    })
}

fn sentiment(examiner: &mut Examiner<'_>, language: Language) -> Value {
    let review = examiner.review();
    json!({"text": review.text(language), "label": review.label(language)})
}
