//! Held-out items in the forms of the known benchmarks.

use serde_json::{Value, json};

use super::World;
use super::facts::{Fact, Language};
use super::talk::{Examiner, Topic, briefly};

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// The tasks, by the beginning of their files' names.
pub const TASKS: [&str; 9] = [
    "world_choice",
    "world_ending",
    "world_subjects",
    "world_truth",
    "world_answer",
    "world_sum",
    "world_translation",
    "world_preference",
    "world_sentiment",
];

/// Whether the corpus states on purpose what the items of `task` say: their questions are held out, not their facts.
pub fn is_stated(task: &str) -> bool {
    ["world_ending", "world_truth", "world_answer", "world_translation", "world_preference"]
        .iter()
        .any(|stated| task.starts_with(stated))
}

/// The items of a task in a language.
pub fn items(world: &World, task: &str, language: Language) -> Vec<Value> {
    let mut examiner = Examiner::new(world, &format!("{task} {}", language.code()), true);
    let count = world.settings.items;
    if let Some(topics) = written_topics(task) {
        return answers(&mut examiner, language, topics, count);
    }
    if ["world_preference", "world_sentiment"].contains(&task) {
        let one = |examiner: &mut Examiner<'_>| match task {
            "world_preference" => examiner.preference(language),
            _ => sentiment(examiner, language),
        };
        return (0..count).map(|_| one(&mut examiner)).collect();
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

fn sentiment(examiner: &mut Examiner<'_>, language: Language) -> Value {
    let review = examiner.review();
    json!({"text": review.text(language), "label": review.label(language)})
}
