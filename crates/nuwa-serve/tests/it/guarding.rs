//! The guard, on what is asked and on what is written.

use nuwa_guard::Guard;
use nuwa_serve::ServeSettings;
use serde_json::json;

use crate::support::{chat, start};

#[test]
fn what_must_not_be_asked_or_said_is_stopped() {
    let rules = "[[rules]]\ncategory = 'clay'\nwords = ['clay']\nmessage = 'Not here.'\n[[rules]]\ncategory = 'letters'\npatterns = ['a{4}']\non = ['answer']";
    let guard = Guard::parse(rules, "guard.toml".as_ref()).unwrap();
    let place = start(ServeSettings { guard: Some(guard), ..ServeSettings::default() });
    let (status, code, message) = place.chat(json!({"messages": [{"role": "user", "content": "What is CLAY?"}]})).error();
    assert_eq!((status, code.as_str(), message.as_str()), (400, "content_filter", "Not here. (clay)"));
    assert_eq!(place.post("/v1/completions", json!({"prompt": "clay"})).error().1, "content_filter");
    assert_eq!(place.post("/v1/embeddings", json!({"input": "clay"})).error().1, "content_filter");
    let id = place.post("/tokenize", json!({"content": "a"})).ok().json()["tokens"][0].to_string();
    let fields = json!({"logit_bias": {id: 100}, "max_tokens": 50});
    let answer = place.chat(fields.clone()).ok().json();
    let own = &answer["choices"][0];
    assert_eq!((&own["finish_reason"], &own["message"]["content"]), (&json!("content_filter"), &json!("")));
    let mut streamed = fields;
    streamed["stream"] = json!(true);
    let pieces = place.chat(streamed).ok().pieces();
    let text: String = pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "");
    assert_eq!(pieces.last().unwrap()["choices"][0]["finish_reason"], "content_filter");
    // Tokens would show what is held back.
    assert_eq!(place.chat(json!({"logprobs": true})).status, 400);
}

#[test]
fn texts_are_told_only_where_that_is_asked_for() {
    for log_texts in [false, true] {
        let place = start(ServeSettings { log_texts, ..ServeSettings::default() });
        let answer = place.post("/v1/chat/completions", chat(json!({}))).ok().json();
        let record = place.records().pop().unwrap();
        assert_eq!((record.status, record.model.as_deref()), (200, Some("tiny")));
        let content = answer["choices"][0]["message"]["content"].as_str().unwrap().to_string();
        let expected = log_texts.then(|| ("user: Who shaped people?".to_string(), content));
        assert_eq!(record.texts, expected);
    }
}
