//! A person's decisions about a model's answers: over the wire, and in a browser.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::Browser;
use super::serving::Serving;
use super::support::Place;

const WORLD: &str = "world --out world --size 60 --set world.chinese=0 --set world.dialogues=40 --set world.preferences=4 \
                     --set world.ratings=4 --set world.items=4";
const SIZES: &str = "--params 20k --tokens 8k --set model.context=128 --set model.layers=1";

/// A model that was taught to answer, in `tuned`, and prompts.
pub(super) fn place() -> Place {
    let place = Place::new();
    place.succeed(WORLD);
    place.succeed("collect world/corpus --out documents");
    place.succeed("tokenizer train documents --vocab-size 400 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    place.succeed(&format!("pretrain --data shards --out base {SIZES}"));
    place.succeed("sft base --data world/sft.jsonl --out tuned --epochs 1");
    place.write("prompts.txt", "Who are you?\nWhere is the sea?\n你好吗？\nWho lives there?\n");
    place
}

fn start(place: &Place, arguments: &str) -> Serving {
    Serving::start(place, &format!("feedback tuned --prompts prompts.txt --max-tokens 12 {arguments}"))
}

/// What is asked, once it is sampled.
fn asked(serving: &Serving) -> Value {
    let began = Instant::now();
    loop {
        let (status, body) = serving.ask("now", None);
        assert_eq!(status, 200, "{body}");
        let now: Value = serde_json::from_str(&body).unwrap();
        if now["asked"].is_object() {
            return now;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn decide(serving: &Serving, id: &Value, verdict: Value) -> (u16, String) {
    serving.ask("decide", Some(json!({"id": id, "verdict": verdict})))
}

fn records(place: &Place, name: &str) -> Vec<Value> {
    place.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All in one test, since the training takes the time.
#[test]
fn decisions_are_kept_and_gone_on_with() {
    let place = place();
    over_the_wire(&place);
    match Browser::start(&place.path("browser"), "zh-CN,zh") {
        Some(browser) => {
            ranked_in_a_browser(&place, browser);
            let browser = Browser::start(&place.path("other browser"), "en-GB,en").unwrap();
            marked_in_a_browser(&place, browser);
        }
        None => eprintln!("skipped: feedback in a browser, since there is no Chromium"),
    }
}

fn over_the_wire(place: &Place) {
    let refused = place.failure("feedback base --prompts prompts.txt --out wire.jsonl");
    assert!(
        refused.contains("is a base model: it continues text, and has no answers to judge\nhint: "),
        "{refused}"
    );
    let serving = start(place, "--out wire.jsonl --answers 3");
    let first = asked(&serving);
    assert_eq!((&first["done"], &first["total"], &first["can_undo"]), (&json!(0), &json!(4), &json!(false)));
    let id = &first["asked"]["id"];
    assert_eq!(first["asked"]["prompt"], json!([{"role": "user", "content": "Who are you?"}]));
    assert_eq!(first["asked"]["answers"].as_array().unwrap().len(), 3);

    for wrong in [
        json!({"ranks": [1, 2]}),
        json!({"ranks": [1, 2, 4]}),
        json!({"marks": [true, true, false]}),
        json!(3),
    ] {
        assert_eq!(decide(&serving, id, wrong.clone()).0, 400, "{wrong}");
    }
    assert_eq!(decide(&serving, &json!("another"), json!({"ranks": [1, 2, 3]})).0, 409);
    assert_eq!(serving.ask("nothing", None).0, 404);
    assert_eq!(decide(&serving, id, json!({"ranks": [2, 1, 3]})).0, 200);
    assert_eq!(decide(&serving, id, json!({"ranks": [2, 1, 3]})).0, 409, "it was decided already");
    let second = asked(&serving);
    assert_eq!(second["asked"]["prompt"][0]["content"], "Where is the sea?");
    assert_eq!(decide(&serving, &second["asked"]["id"], json!("skipped")).0, 200);

    let pairs = records(place, "wire.jsonl");
    let best = &first["asked"]["answers"][1]["text"];
    assert_eq!(pairs.len(), 4, "three pairs and what was skipped");
    assert!(pairs[..2].iter().all(|pair| pair["chosen"][0]["content"] == *best), "{pairs:?}");

    let refused = place.failure("feedback tuned --prompts prompts.txt --out wire.jsonl");
    assert!(refused.contains("wire.jsonl is being written by another program"), "{refused}");
    let port = serving.address.split([':', '/']).nth(4).unwrap();
    let refused =
        place.failure(&format!("feedback tuned --prompts prompts.txt --out other.jsonl --port {port}"));
    assert!(
        refused.starts_with(&format!("error: port {port} is in use by another program\nhint: ")),
        "{refused}"
    );
    assert!(!place.path("other.jsonl").exists(), "a file without decisions is not left behind");

    let said = serving.end();
    assert!(said.contains("3 records in wire.jsonl, of 2 decisions; 2 prompts left"), "{said}");
    assert!(said.contains("next: nuwa dpo tuned --data wire.jsonl --out DIR"), "{said}");

    // A record that was not written to its end.
    let whole = place.read("wire.jsonl");
    place.write("wire.jsonl", format!("{whole}{{\"feedback\":\"ranked\",\"prompt\":[{{"));
    let serving = start(place, "--out wire.jsonl --answers 3");
    let third = asked(&serving);
    assert_eq!(third["asked"]["prompt"][0]["content"], "你好吗？");
    assert_eq!(serving.ask("undo", Some(json!({}))).0, 200);
    assert_eq!(serving.ask("undo", Some(json!({}))).0, 200);
    assert_eq!(place.read("wire.jsonl"), "");
    let said = serving.end();
    assert!(said.contains("the last decision in wire.jsonl was not whole"), "{said}");
    assert!(said.contains("2 decisions already; 2 prompts left"), "{said}");
    assert!(said.contains("0 records in wire.jsonl, of 0 decisions; 4 prompts left"), "{said}");

    let again = start(place, "--out again.jsonl --answers 3");
    assert_eq!(asked(&again)["asked"], first["asked"], "answers and their order follow from the seed");
    again.end();
}

const QUESTION: &str = "document.getElementById('question').textContent";
const STATUS: &str = "document.getElementById('status').textContent";
/// Whether there is nothing to decide about.
const WAITS: &str = "document.getElementById('asked').hidden";
const COUNT: &str = "document.getElementById('count').textContent";

fn ranked_in_a_browser(place: &Place, mut browser: Browser) {
    let serving = start(place, "--out ranks.jsonl --answers 3");
    browser.open(&serving.address);
    browser.wait(QUESTION, "Who are you?");
    browser.wait("document.documentElement.lang", "zh");
    browser.wait("document.getElementById('task').textContent", "哪个回答最好？");
    let shown =
        browser.value("[...document.querySelectorAll('.answer .text')].map((answer) => answer.textContent)");
    assert_eq!(shown.as_array().unwrap().len(), 3);

    browser.press("3");
    browser.wait("document.querySelectorAll('.answer')[2].querySelector('.outcome').textContent", "第 1 名");
    browser.press("Backspace");
    browser.wait("document.querySelectorAll('.chosen').length", 0);
    browser.press("2");
    browser.press("3");
    browser.wait(STATUS, "已记录：2 › 3 › 1");
    browser.wait(QUESTION, "Where is the sea?");
    let pairs = records(place, "ranks.jsonl");
    let text = |pair: &Value, side: &str| pair[side][0]["content"].clone();
    assert_eq!(
        pairs.iter().map(|pair| [text(pair, "chosen"), text(pair, "rejected")]).collect::<Vec<_>>(),
        [[1, 2], [1, 0], [2, 0]].map(|pair| pair.map(|place: usize| shown[place].clone()))
    );

    browser.reload();
    browser.wait(QUESTION, "Where is the sea?");
    browser.wait(COUNT, "1 / 4");
    browser.press("u");
    browser.wait(QUESTION, "Who are you?");
    browser.wait(STATUS, "已撤销");
    assert_eq!(place.read("ranks.jsonl"), "");
    browser.value("document.querySelector('[data-language=en]').click()");
    browser.wait("document.getElementById('task').textContent", "Which answer is best?");
    browser.press("1");
    browser.press("=");
    browser.wait(STATUS, "Kept: 1 › 2 = 3");
    browser.wait(WAITS, false);
    browser.press("=");
    browser.wait(STATUS, "Kept as a tie");
    browser.wait(WAITS, false);
    browser.press("s");
    browser.wait(STATUS, "Skipped");
    browser.wait(WAITS, false);
    browser.wait("document.querySelectorAll('.choices button').length", 3);
    browser.value("document.querySelectorAll('.choices button')[2].click()");
    browser.value("document.querySelectorAll('.choices button')[0].click()");
    browser.wait("document.getElementById('notice-title').textContent", "All done");
    assert_eq!(
        browser.value("document.querySelectorAll('script, style, link').length"),
        3,
        "it loads nothing"
    );
    let told = serving.end();
    assert!(told.contains("5 records in ranks.jsonl, of 4 decisions; 0 prompts left"), "{told}");
    browser.press("u");
    browser.wait("document.getElementById('notice-title').textContent", "The program has ended");
}

fn marked_in_a_browser(place: &Place, mut browser: Browser) {
    let serving = start(place, "--out marks.jsonl --mark");
    browser.open(&serving.address);
    browser.wait(QUESTION, "Who are you?");
    browser.wait("document.getElementById('task').textContent", "Is each answer good?");
    assert_eq!(browser.value("getComputedStyle(document.getElementById('tie')).display"), "none");
    browser.press("ArrowRight");
    browser.wait("document.querySelector('.good .outcome').textContent", "✓ good");
    browser.press("b");
    browser.wait(QUESTION, "Where is the sea?");
    let labels: Vec<Value> = records(place, "marks.jsonl").iter().map(|mark| mark["label"].clone()).collect();
    assert_eq!(labels, [true, false]);
    let said = serving.end();
    assert!(said.contains("next: nuwa dpo tuned --loss kto --data marks.jsonl"), "{said}");
}
