//! What is not writing: models, tokens, health, figures, the page.

use serde_json::json;

use crate::support::usual;

#[test]
fn models_are_listed_and_told_one_by_one() {
    let place = usual();
    let list = place.get("/v1/models").ok().json();
    let names: Vec<&str> = list["data"].as_array().unwrap().iter().map(|own| own["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", "other"]);
    assert_eq!(place.get("/models/other").ok().json()["object"], "model");
    assert_eq!(place.get("/v1/models/gone").error().1, "model_not_found");
}

#[test]
fn tokens_and_texts_lead_to_each_other() {
    let place = usual();
    let text = "女娲 <|im_end|> clay";
    let plain = place.post("/tokenize", json!({"content": text, "with_pieces": true})).ok().json();
    let ids: Vec<u64> = plain["tokens"].as_array().unwrap().iter().map(|own| own["id"].as_u64().unwrap()).collect();
    assert_eq!(place.post("/detokenize", json!({"tokens": ids})).ok().json()["content"], text);
    let special = place.post("/tokenize", json!({"content": text, "parse_special": true})).ok().json();
    assert!(special["tokens"].as_array().unwrap().len() < ids.len());
    assert_eq!(place.post("/detokenize", json!({"tokens": [999_999]})).status, 400);
}

#[test]
fn health_and_figures_are_told() {
    let place = usual();
    assert_eq!(place.get("/health").ok().json(), json!({"status": "ok"}));
    place.chat(json!({"max_tokens": 4})).ok();
    assert!(place.metric("nuwa_completion_tokens_total") >= 1.0);
    assert!(place.metric("nuwa_prompt_tokens_total") > 5.0);
    assert_eq!(place.metric("nuwa_time_to_first_token_seconds_count"), 1.0);
    assert!(place.metric("nuwa_cache_positions") > 5.0);
    assert_eq!(place.metric("nuwa_queue_length"), 0.0);
}

#[test]
fn the_page_runs_nothing_but_its_own() {
    let place = usual();
    let page = place.get("/").ok();
    for header in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "nosniff", "no-referrer", "no-store"] {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
    assert!(page.body.contains("/page.js") && page.body.contains("/page.css"));
    assert!(page.head.contains("text/html") && !page.body.contains("http://") && !page.body.contains("https://"));
    assert!(place.get("/page.js").ok().head.contains("text/javascript"));
    assert!(place.get("/page.css").ok().head.contains("text/css"));
}

#[test]
fn unknown_paths_and_methods_are_errors_of_the_same_form() {
    let place = usual();
    assert_eq!(place.get("/v1/gone").error().0, 404);
    assert_eq!(place.get("/v1/chat/completions").error().0, 405);
    assert_eq!(place.post("/v1/models", json!({})).error().0, 405);
    assert_eq!(place.ask("DELETE", "/v1/models", "", b"").error().0, 405);
    let routes: Vec<&str> = place.records().iter().map(|record| record.route).collect();
    assert_eq!(routes, ["other", "/v1/chat/completions", "/v1/models", "/v1/models"]);
}
