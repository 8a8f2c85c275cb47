//! Examples before items, against the prompts of lm-evaluation-harness: `fixtures/eval/shots.json`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use nuwa_eval::tasks::{Items, Options, Sampler, Task};
use nuwa_eval::{Result, Scorer, TaskResult, Warning};
use nuwa_infer::{Engine, Window};
use nuwa_tokenizer::Tokenizer;
use serde_json::{Value, json};

/// An engine that remembers what was put to it, as text.
struct Recording {
    engine: Engine,
    tokenizer: Tokenizer,
    texts: RefCell<Vec<String>>,
}

impl Recording {
    fn new(template: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/eval/model");
        let engine = Engine::load(&folder).unwrap();
        let tokenizer = engine.tokenizer().with_chat_template(template).unwrap();
        Self { engine, tokenizer, texts: RefCell::default() }
    }

    fn note(&self, ids: &[u32]) {
        self.texts.borrow_mut().push(self.tokenizer.decode(ids).unwrap());
    }
}

impl Scorer for Recording {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn start_of_text(&self) -> Option<u32> {
        Scorer::start_of_text(&self.engine)
    }

    fn context(&self) -> usize {
        Scorer::context(&self.engine)
    }

    fn score(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
        windows.iter().for_each(|window| self.note(window.ids));
        Scorer::score(&self.engine, windows)
    }

    fn write(&self, prompts: &[Vec<u32>], _: usize, _: &[String], _: &[u32]) -> Result<Vec<String>> {
        prompts.iter().for_each(|prompt| self.note(prompt));
        Ok(vec![String::new(); prompts.len()])
    }
}

fn items(values: &[Value]) -> Items {
    let fields = values.iter().map(|value| value.as_object().unwrap().clone());
    Items { path: PathBuf::from("shots.json"), all: fields.zip(1..).collect() }
}

/// The task as the program carries it, or one that asks through the chat template.
fn task(name: &str) -> Task {
    let own = match name {
        "chat_choice" => {
            "kind = \"multiple-choice\"\nchoices = \"options\"\ntarget = \"label\"\nnormalised = true"
        }
        "chat_written" => {
            "kind = \"generate\"\nanswer = \"{{ answer }}\"\ndescription = \"Answer in two words.\""
        }
        _ => return Task::built_in(name).unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    let text = format!(
        "name = \"{name}\"\nversion = 1\nprompt = \"{{{{ question }}}}\"\nquestion = \"{{{{ question }}}}\"\n{own}"
    );
    std::fs::write(&path, text).unwrap();
    Task::read(&path).unwrap()
}

/// The subject that the harness's files of MMLU and CMMLU name in their descriptions.
fn with_subject(name: &str, item: &Value) -> Value {
    let mut item = item.clone();
    if name == "cmmlu" {
        item["subject"] = json!("农学");
    }
    item
}

fn run(scorer: &Recording, name: &str, golden: &Value, asked: &Value) -> TaskResult {
    let examples: Vec<Value> =
        golden["examples"].as_array().unwrap().iter().map(|one| with_subject(name, one)).collect();
    let options = Options {
        chat: name.starts_with("chat"),
        examples: items(&examples),
        shots: 5,
        sampler: Some(Sampler::FirstN),
        ..Options::default()
    };
    scorer.texts.borrow_mut().clear();
    let item = items(&[with_subject(name, &asked["item"])]);
    task(name).evaluate(scorer, &item, &options, &mut |_| {}).unwrap()
}

#[test]
fn five_examples_stand_before_an_item_as_in_the_harness() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/eval/shots.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let scorer = Recording::new(golden["chat_template"].as_str().unwrap());
    let mut compared = 0;
    for (name, golden) in golden.as_object().unwrap().iter().filter(|(_, golden)| golden.is_object()) {
        for asked in golden["asked"].as_array().unwrap() {
            let result = run(&scorer, name, golden, asked);
            let expected: Vec<String> = asked["prompts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| format!("{}{}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
                .collect();
            assert_eq!(*scorer.texts.borrow(), expected, "{name}");
            assert_eq!((result.settings["shots"], result.warnings.len()), (5, 0), "{name}");
            for metric in ["acc", "acc_norm"] {
                let found = result.metrics.get(metric).map(|metric| metric.value);
                assert_eq!(found, asked[metric].as_f64(), "{name} {metric}");
                compared += usize::from(found.is_some());
            }
            for (place, value) in asked["log_likelihoods"].as_array().unwrap().iter().enumerate() {
                let found = result.shown[0].log_likelihoods[place];
                assert!((found - value.as_f64().unwrap()).abs() < 1e-3, "{name}: {found} {value}");
            }
        }
    }
    assert_eq!(compared, 3 * (2 + 2 + 2 + 1 + 1 + 2 + 2));
}

#[test]
fn an_item_is_no_example_for_itself_and_examples_are_of_its_subject() {
    let scorer = Recording::new("{{ messages }}");
    let question = |number: usize, subject: &str| json!({"question": format!("Number {number}?"), "subject": subject, "choices": ["a", "b", "c", "d"], "answer": 1});
    let all = [question(0, "art"), question(1, "art"), question(2, "law"), question(3, "law")];
    let options = |shots| Options { examples: items(&all), shots, ..Options::default() };
    let task = Task::built_in("mmlu").unwrap();
    task.evaluate(&scorer, &items(&all), &options(1), &mut |_| {}).unwrap();
    let asked: Vec<String> = scorer.texts.borrow().iter().step_by(4).cloned().collect();
    assert_eq!(asked.len(), 4);
    for (text, example) in asked.iter().zip([1, 0, 3, 2]) {
        assert_eq!(text.matches("Number").count(), 2, "{text}");
        assert!(text.contains(&format!("\n\nNumber {example}?\nA. a")), "{text}");
    }
    let error = task.evaluate(&scorer, &items(&all), &options(2), &mut |_| {}).unwrap_err();
    insta::assert_snapshot!(error, @r#"shots.json: 2 examples were asked for before each item, it has 1 with subject = "art" (an item is no example for itself)"#);
    assert_eq!(error.hint().unwrap(), "name a file with more of them, or ask for fewer: 1");
    // Among the examples of another file the harness leaves it, and so do we where they are too few without it.
    scorer.texts.borrow_mut().clear();
    task.evaluate(&scorer, &items(&all[..1]), &options(2), &mut |_| {}).unwrap();
    assert_eq!(scorer.texts.borrow()[0].matches("Number 0?").count(), 2);
}

#[test]
fn what_was_not_asked_as_chat_does_not_say_so_and_cut_prompts_are_counted() {
    let scorer = Recording::new("{{ messages }}");
    let item = json!({"goal": "Sleep ".repeat(400), "sol1": "Yes.", "sol2": "No.", "label": 0});
    let options = Options { chat: true, ..Options::default() };
    let result =
        Task::built_in("piqa").unwrap().evaluate(&scorer, &items(&[item]), &options, &mut |_| {}).unwrap();
    assert_eq!(result.settings["chat"], 0);
    assert_eq!(result.warnings, [Warning::Cut { items: 1, of: 1, context: 512 }]);
}
