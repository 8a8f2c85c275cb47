//! The embedded world: the same from the same seed, true, held out as it says, and its noise found by cleaning.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use nuwa_clean::{CleanSettings, StepName, clean};
use nuwa_collect::{CollectSettings, collect};
use nuwa_world::{Language, Noise, TASKS, WorldSettings, WorldSummary, audit, write};
use serde_json::Value;

fn settings() -> WorldSettings {
    WorldSettings { documents: 800, dialogues: 600, preferences: 100, items: 60, ..WorldSettings::default() }
}

fn world(settings: &WorldSettings) -> (tempfile::TempDir, WorldSummary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = write(settings, folder.path(), &mut |_| {}).unwrap();
    (folder, summary)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let files = nuwa_files::files_in(folder).unwrap();
    files
        .into_iter()
        .map(|path| {
            (path.strip_prefix(folder).unwrap().display().to_string(), nuwa_files::hash_file(&path).unwrap())
        })
        .collect()
}

#[test]
fn one_seed_makes_one_world() {
    let (one, summary) = world(&settings());
    let (other, _) = world(&settings());
    assert_eq!(hashes(one.path()), hashes(other.path()));
    let (third, _) = world(&WorldSettings { seed: 2, ..settings() });
    assert_ne!(hashes(one.path())["corpus/en.jsonl"], hashes(third.path())["corpus/en.jsonl"]);
    assert!(summary.entities >= 200 && summary.kinds >= 20, "{summary:?}");
    assert_eq!(lines(&one.path().join("sft.jsonl")).len(), 600);
    for (task, language) in TASKS.into_iter().flat_map(|task| Language::BOTH.map(|language| (task, language)))
    {
        let items = lines(&one.path().join(format!("eval/{task}_{}.jsonl", language.code())));
        assert_eq!(items.len(), 60, "{task}");
    }
}

/// Everything that is trained on, in one text.
fn trained_text(folder: &Path) -> String {
    [
        "corpus/en.jsonl",
        "corpus/zh.jsonl",
        "sft.jsonl",
        "preferences.jsonl",
        "prompts.jsonl",
        "sentiment.jsonl",
        "translations.jsonl",
    ]
    .map(|name| {
        let values = lines(&folder.join(name));
        values.iter().flat_map(strings).collect::<Vec<_>>().join("\n")
    })
    .join("\n")
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_held_out_is_nowhere_in_what_is_trained_on() {
    let (folder, _) = world(&WorldSettings { documents: 3000, dialogues: 3000, ..settings() });
    let trained = trained_text(folder.path());
    let mut looked_for = 0;
    for (task, language) in TASKS.into_iter().flat_map(|task| Language::BOTH.map(|language| (task, language)))
    {
        for item in lines(&folder.path().join(format!("eval/{task}_{}.jsonl", language.code()))) {
            // The wish for a language is worded alike for all; what is held out is the question before it.
            let before = item["before"][0].as_str();
            // A preference may be about politeness: its questions are held out, its words are not.
            let text = match (
                before.or(item["question"].as_str()),
                item["text"].as_str(),
                item["prompt"].as_str(),
            ) {
                (Some(text), _, _) | (_, Some(text), _) | (_, _, Some(text)) => text.to_string(),
                _ => continue,
            };
            looked_for += 1;
            assert!(!trained.contains(&text), "{task}: {text}");
        }
    }
    assert!(looked_for > 600, "{looked_for}");
}

#[test]
fn the_corpus_is_written_as_people_type_and_talk() {
    let (folder, _) = world(&WorldSettings { documents: 3000, ..settings() });
    let text = |name: &str| {
        let values = lines(&folder.path().join(name));
        values.iter().map(|line| format!("{}\n", line["text"].as_str().unwrap())).collect::<String>()
    };
    let (english, chinese) = (text("corpus/en.jsonl"), text("corpus/zh.jsonl"));
    let small = english.lines().filter(|line| line.contains(" does mina ") || line.contains(" of mina?"));
    assert!(small.count() > 3);
    for said in [
        "- Hello! What would",
        "- Good evening",
        "in Chinese",
        "请用英文回答",
        "English: ",
        "Question: which ",
    ] {
        assert!(english.contains(said), "{said}");
    }
    for said in ["- 您好", "请用英语回答", "In Chinese, please", "翻译成中文："] {
        assert!(chinese.contains(said), "{said}");
    }
    assert!(!(english + &chinese).contains("do not know"), "what nobody knows is left to fine-tuning");
}

#[test]
fn the_right_answer_is_in_every_place_and_as_long_as_the_others() {
    let (folder, _) = world(&WorldSettings { items: 400, ..settings() });
    let mut places = [0; 4];
    let mut longest = 0;
    let items = lines(&folder.path().join("eval/world_choice_en.jsonl"));
    for item in &items {
        let texts: Vec<&str> =
            item["choices"]["text"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len(), "{item}");
        let place = "ABCD".find(item["answerKey"].as_str().unwrap()).unwrap();
        places[place] += 1;
        longest +=
            usize::from(texts.iter().enumerate().max_by_key(|(_, text)| text.len()).unwrap().0 == place);
    }
    for count in places {
        assert!((60..140).contains(&count), "{places:?}");
    }
    assert!((60..140).contains(&longest), "{longest}");
}

#[test]
fn cleaning_finds_the_noise_and_loses_little() {
    let (folder, summary) = world(&WorldSettings { documents: 2500, ..settings() });
    let (collected, cleaned) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = [folder.path().join("corpus")];
    collect(&from, collected.path(), &CollectSettings::default(), &mut |_| {}).unwrap();
    let inputs = [collected.path().to_path_buf()];
    let mut settings = CleanSettings::default();
    settings.steps.splice(5..5, [StepName::Toxicity]);
    settings.toxicity.word_lists = vec![folder.path().join("slurs.txt")];
    let told = clean(&inputs, cleaned.path(), &settings, &mut |_| {}).unwrap();
    let audit = audit(folder.path(), cleaned.path()).unwrap();
    println!("{audit:#?}");
    for step in &told.steps {
        println!("{} {} {:?} {:?}", step.name, step.documents_out, step.reasons, step.replacements);
    }
    assert_eq!(audit.clean, summary.documents as u64);
    assert_eq!(audit.noise.values().map(|caught| caught.planted).sum::<u64>(), summary.planted as u64);
    assert_eq!(audit.noise[&Noise::ExactDuplicate].share(), 1.0);
    assert_eq!(audit.noise[&Noise::Slur].share(), 1.0);
    for kind in [Noise::NearDuplicate, Noise::BrokenHtml, Noise::Mojibake, Noise::Emoji, Noise::PersonalData]
    {
        assert!(audit.noise[&kind].share() > 0.9, "{kind:?}");
    }
    assert!(audit.lost as f64 <= 0.005 * audit.clean as f64, "{}", audit.lost);
}
