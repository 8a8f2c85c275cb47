//! Answers judged blind: over the wire by scripted judges, in a browser, and by a model behind an address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::browser::Browser;
use super::serving::Serving;
use super::support::Place;

const PROMPTS: usize = 12;
const MAKE: &str = "judge --models good.jsonl plain.jsonl --prompts prompts.txt --out judged";

/// Two files of answers: those of `good` say so.
fn place() -> Place {
    let place = Place::new();
    let answers = |of: &dyn Fn(usize) -> String| -> String {
        (0..PROMPTS)
            .map(|number| {
                json!({"prompt": format!("Question {number}?"), "text": of(number)}).to_string() + "\n"
            })
            .collect()
    };
    place.write("good.jsonl", answers(&|number| format!("This is a good answer to number {number}.")));
    place.write(
        "plain.jsonl",
        answers(&|number| format!("Another answer, to number {number}, and a longer one.")),
    );
    place
        .write("prompts.txt", (0..PROMPTS).map(|number| format!("Question {number}?\n")).collect::<String>());
    place
}

fn parsed(answer: (u16, String)) -> Value {
    assert_eq!(answer.0, 200, "{}", answer.1);
    serde_json::from_str(&answer.1).unwrap()
}

fn texts(asked: &Value) -> Vec<String> {
    asked["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["text"].as_str().unwrap().into())
        .collect()
}

/// Takes what says that it is good; scrambled text does not.
fn prefers_good(asked: &Value) -> Value {
    let texts = texts(asked);
    let is_good = |text: &String| text.contains("good answer");
    match texts.as_slice() {
        [left, right] if is_good(left) || !right.contains(" answer") => json!({"choice": "left"}),
        [_, _] => json!({"choice": "right"}),
        [only] => {
            let fluency = if only.contains(" answer") { 4 } else { 1 };
            let relevance = if is_good(only) { json!(5) } else { Value::Null };
            json!({"ratings": {"fluency": fluency, "coherence": 3, "relevance": relevance}})
        }
        _ => panic!("{asked}"),
    }
}

/// Judges all that is left by a rule; how many there were.
fn judge_all(serving: &Serving, judge: &str, rule: impl Fn(&Value) -> Value) -> usize {
    let mut now = parsed(serving.ask("now", Some(json!({"judge": judge}))));
    let mut count = 0;
    while now["asked"].is_object() {
        let asked = &now["asked"];
        let vote = json!({"judge": judge, "item": asked["id"], "vote": rule(asked), "milliseconds": 2000});
        now = parsed(serving.ask("vote", Some(vote)));
        count += 1;
    }
    count
}

#[test]
fn scripted_judges_give_the_figures_that_they_should() {
    let place = place();
    let serving = Serving::start(&place, MAKE);
    let plan = parsed(serving.ask("plan", None));
    // 12 pairs and 24 ratings, 2 and 3 of them twice, 2 checks of each.
    assert_eq!((&plan["total"], &plan["pairs"]), (&json!(12 + 2 + 2 + 24 + 3 + 2), &json!(16)));
    let now = parsed(serving.ask("now", Some(json!({"judge": "一号"}))));
    let shown = now.to_string();
    assert!(!shown.contains("good.jsonl") && !shown.contains("model"), "blind: {shown}");
    let id = now["asked"]["id"].clone();
    let vote = |vote: Value| json!({"judge": "一号", "item": id, "vote": vote, "milliseconds": 5});
    for wrong in [
        json!("withdrawn"),
        json!({"choice": "contradictory"}),
        json!({"choice": "third"}),
        json!({"ratings": {}}),
    ] {
        assert_eq!(serving.ask("vote", Some(vote(wrong.clone()))).0, 400, "{wrong}");
    }
    assert_eq!(serving.ask("now", Some(json!({"judge": ""}))).0, 400);
    assert_eq!(serving.ask("nothing", None).0, 404);
    assert_eq!(serving.ask("vote", None).0, 405);
    parsed(serving.ask("vote", Some(vote(json!({"choice": "both_bad"})))));
    assert_eq!(serving.ask("vote", Some(vote(json!({"choice": "left"})))).0, 409, "another is asked by now");
    assert_eq!(parsed(serving.ask("undo", Some(json!({"judge": "一号"}))))["asked"]["id"], id);
    assert_eq!(judge_all(&serving, "一号", prefers_good), 45);
    assert_eq!(
        judge_all(&serving, "lefty", |asked| match asked["kind"] == "pair" {
            true => json!({"choice": "left"}),
            false => json!({"ratings": {"fluency": 3, "coherence": 3, "relevance": 3}}),
        }),
        45
    );
    let said = serving.end();
    assert!(said.contains("2 people judged") && said.contains("lefty: 45 items judged, 0 left"), "{said}");

    let told = place.succeed("judge judged --results").out;
    assert!(told.contains("lefty failed 3 of 4 checks of attention"), "{told}");
    let results: Value = serde_json::from_str(&place.read("judged/results.json")).unwrap();
    let pair = &results["groups"][0]["pairs"][0];
    // The one chose `good` twelve times; the other whatever was left, which is `good` on half of the prompts.
    assert_eq!((&pair["wins"], &pair["losses"]), (&json!(18), &json!(6)), "{pair}");
    assert_eq!(pair["win_rate"]["value"], 0.75);
    let agreement = &results["groups"][0]["agreement"][0];
    assert_eq!((&agreement["items"], &agreement["percent"]["value"]), (&json!(12), &json!(0.5)));
    // 18 of 24 choices are left: D_o = 1/2, D_e = 2 * 18 * 6 / (24 * 23).
    let alpha = 1.0 - 0.5 / (2.0 * 18.0 * 6.0 / (24.0 * 23.0));
    assert!((agreement["nominal"]["value"].as_f64().unwrap() - alpha).abs() < 1e-12, "{agreement}");
    let page = place.read("judged/results.html");
    assert!(page.contains("lefty") && page.contains("自相矛盾"));
    let without = place.succeed("judge judged --results --without lefty --json").out;
    let results: Value = serde_json::from_str(&without).unwrap();
    assert_eq!(results["groups"][0]["pairs"][0]["win_rate"]["value"], 1.0);

    refusals(&place);
}

fn refusals(place: &Place) {
    insta::assert_snapshot!(place.failure(&format!("{MAKE} --seed 1")), @r"
    error: judged holds another plan: of other models, prompts or settings
    hint: to go on with it: nuwa judge judged; else name another folder with --out
    ");
    Serving::start(place, "judge --models good.jsonl plain.jsonl --prompts prompts.txt --out other --seed 1")
        .end();
    let name = std::fs::read_dir(place.path("judged/votes")).unwrap().next().unwrap().unwrap().file_name();
    let votes = place.read(&format!("judged/votes/{}", name.to_str().unwrap()));
    place.write("other/votes/one.jsonl", votes);
    let refused = place.failure("judge other --results");
    assert!(refused.starts_with("error: other/votes/one.jsonl:1: it is a vote of the plan "), "{refused}");
    let plan = place.read("other/plan.json").replace("good answer to number 3", "bad answer to number 3");
    place.write("other/plan.json", plan);
    insta::assert_snapshot!(place.failure("judge other --results"), @r"
    error: other/plan.json: it was changed after it was made, and its votes are about what it was
    hint: make a new plan in another folder; the votes on this one stay as they are
    ");
    insta::assert_snapshot!(place.failure("judge nowhere"), @r"
    error: nowhere holds no plan: plan.json is absent
    hint: make one: nuwa judge --models A B --prompts FILE --out DIR
    ");
    place.write("one.txt", "Question 1?\n");
    insta::assert_snapshot!(place.failure("judge --models good.jsonl plain.jsonl --prompts one.txt --out third"), @r"
    error: there is 1 prompt, expected at least 2: how sure a figure is follows from how prompts differ
    hint: `nuwa judge --help` says what is expected
    ");
    place.write("copy.jsonl", place.read("good.jsonl"));
    insta::assert_snapshot!(place.failure("judge --models good.jsonl copy.jsonl --prompts prompts.txt --out third"), @r"
    error: good.jsonl and copy.jsonl are one and the same: their weights, or their files of answers, are equal
    hint: `nuwa judge --help` says what is expected
    ");
    insta::assert_snapshot!(place.failure("judge --models good.jsonl good.jsonl --prompts prompts.txt --out third"), @r"
    error: good.jsonl is named twice: two models are compared, not one with itself
    hint: name each model once; NAME=PATH gives it a name
    ");
    insta::assert_snapshot!(place.failure("judge --models good.jsonl --prompts prompts.txt --out third"), @r"
    error: there is 1 model, expected at least 2: judging compares models
    hint: `nuwa judge --help` says what is expected
    ");
    place.write("more.txt", "Question 1?\nQuestion 99?\n");
    insta::assert_snapshot!(place.failure("judge --models good.jsonl plain.jsonl --prompts more.txt --out third"), @r"
    error: good.jsonl has no answer to the prompt of more.txt:2
    hint: all models answer the same prompts: add it, or leave the prompt out
    ");
    insta::assert_snapshot!(place.failure("judge --models good.jsonl plain.jsonl --prompts prompts.txt --out third --repeats 2"), @r"
    error: repeats = 2: expected a share of the items, 0 to 1
    hint: `nuwa judge --help` says what is expected
    ");
    insta::assert_snapshot!(place.failure("judge judged --judge http://127.0.0.1:1/v1 --judge-model m --key-env NUWA_NO_SUCH_KEY"), @r"
    error: the environment variable NUWA_NO_SUCH_KEY holds no key
    hint: set it, or leave --key-env out: export NUWA_NO_SUCH_KEY=...
    ");
    insta::assert_snapshot!(place.failure("judge judged --judge 127.0.0.1:1 --judge-model m"), @r"
    error: 127.0.0.1:1: expected an address that begins with http:// or https://
    hint: name the address of the API: https://HOST/v1
    ");
    assert!(!place.path("third").exists(), "nothing is left of what was refused");
}

/// A model behind an address, which answers by a rule; its address.
fn model_behind_an_address(rule: fn(&str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                head += &line.to_ascii_lowercase();
                line.clear();
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
            let mut body = vec![0; length.trim().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let is_known = head.starts_with("post /v1/chat/completions")
                && head.contains("authorization: bearer key of a test");
            let said = rule(asked["messages"][1]["content"].as_str().unwrap());
            let answer =
                json!({"choices": [{"message": {"role": "assistant", "content": said}}]}).to_string();
            let status = if is_known { "200 OK" } else { "401 Unauthorized" };
            let length = answer.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    address
}

/// What stands between the marks of an answer.
fn marked<'a>(question: &'a str, name: &str) -> &'a str {
    question.split(&format!("<<<{name} ")).nth(1).unwrap().split(">>>").next().unwrap()
}

#[test]
fn a_model_judges_in_both_orders_and_is_marked_as_one() {
    let place = place();
    let steady = model_behind_an_address(|question| {
        if question.contains("<<<answer A") {
            let is_good = marked(question, "answer A").contains("good answer");
            let other_is_noise = !marked(question, "answer B").contains(" answer");
            return if is_good || other_is_noise { "I choose A." } else { "B" }.into();
        }
        if marked(question, "answer").contains(" answer") { "4" } else { "1" }.into()
    });
    let run = |arguments: &str| {
        let mut command = place.command(arguments);
        let output = command.env("NUWA_TEST_KEY", "key of a test").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&format!("{MAKE} --judge {steady} --judge-model steady --key-env NUWA_TEST_KEY"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("steady judged 45 items"), "{said}");
    let first =
        model_behind_an_address(|question| if question.contains("<<<answer A") { "A" } else { "3" }.into());
    let (code, said) =
        run(&format!("judge judged --judge {first} --judge-model first --key-env NUWA_TEST_KEY"));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&format!("judge judged --judge {first} --judge-model keyless"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/v1/chat/completions answered 401") && !said.contains("key of a test"), "{said}");

    place.succeed("judge judged --results");
    let results: Value = serde_json::from_str(&place.read("judged/results.json")).unwrap();
    assert_eq!(results["groups"].as_array().unwrap().len(), 1);
    let models = &results["groups"][0];
    assert_eq!((&models["kind"], &models["judges"]), (&json!("model"), &json!(["first", "steady"])));
    let pair = &models["pairs"][0];
    assert_eq!(
        (&pair["wins"], &pair["contradictory"], &pair["n"]),
        (&json!(12), &json!(12), &json!(24)),
        "{pair}"
    );
    assert!(results["remarks"].to_string().contains("no_person"), "{}", results["remarks"]);
}

const QUESTION: &str = "document.getElementById('question').textContent";
const STATUS: &str = "document.getElementById('status').textContent";

#[test]
fn people_judge_in_a_browser() {
    let place = place();
    let Some(mut browser) = Browser::start(&place.path("browser"), "zh-CN,zh") else {
        eprintln!("skipped: judging in a browser, since there is no Chromium");
        return;
    };
    let serving = Serving::start(&place, &format!("{MAKE} --repeats 0"));
    browser.open(&serving.address);
    browser.wait("document.getElementById('begin').hidden", false);
    browser.wait("document.querySelector('#begin h2').textContent", "评判回答");
    browser.value(
        "document.getElementById('judge').value = '小红'; document.getElementById('form').requestSubmit()",
    );
    browser.wait("document.getElementById('asked').hidden", false);
    browser.wait("document.getElementById('count').textContent", "0 / 40");
    let shown =
        browser.value("[...document.querySelectorAll('#answers .text')].map((answer) => answer.textContent)");
    assert_eq!(shown.as_array().unwrap().len(), 2);
    let question = browser.value(QUESTION);
    browser.press("ArrowRight");
    browser.wait(STATUS, "已记录：回答 2");
    browser.press("u");
    browser.wait(STATUS, "已撤销");
    browser.wait(QUESTION, question);
    browser.value("document.querySelector('[data-language=en]').click()");
    browser.wait(
        "document.getElementById('task').textContent",
        "Which answer would you rather get to this prompt?",
    );
    for (key, kept) in [("=", "Kept: both good"), ("-", "Kept: both bad"), ("ArrowLeft", "Kept: answer 1")] {
        browser.press(key);
        browser.wait(STATUS, kept);
    }
    for done in 3..14 {
        browser.wait("document.getElementById('count').textContent", format!("{done} of 40"));
        browser.press("ArrowLeft");
    }
    rated_in_a_browser(&mut browser);
    browser.value("document.getElementById('who').click()");
    browser.wait("document.getElementById('begin').hidden", false);
    let told = serving.end();
    assert!(told.contains("小红: 15 items judged, 25 left"), "{told}");
    browser.value(
        "document.getElementById('judge').value = 'x'; document.getElementById('form').requestSubmit()",
    );
    browser.wait("document.getElementById('notice-title').textContent", "The program has ended");
}

fn rated_in_a_browser(browser: &mut Browser) {
    browser.wait("document.getElementById('rating').hidden", false);
    browser.wait("document.getElementById('prompt').hidden", true);
    let legend = "document.querySelector('.criterion legend').textContent";
    browser.wait(legend, "Fluency");
    browser.press("4");
    browser.wait(legend, "Coherence");
    browser.wait("document.getElementById('prompt').hidden", false);
    browser.wait("document.querySelector('.settled span').textContent", "4 · Few mistakes; reads well");
    browser.press("0");
    browser.wait(legend, "Relevance");
    browser.value("document.querySelectorAll('.steps button')[1].click()");
    browser.wait(STATUS, "Kept");
    browser.wait("document.getElementById('count').textContent", "15 of 40");
    browser.reload();
    browser.wait("document.getElementById('count').textContent", "15 of 40");
    assert_eq!(
        browser.value("document.querySelectorAll('script, style, link').length"),
        3,
        "it loads nothing"
    );
}
