//! Chats and completions, whole and streamed.

use serde_json::{Value, json};

use crate::support::{CONTEXT, usual};

fn content(answer: &Value) -> String {
    answer["choices"][0]["message"]["content"].as_str().unwrap().to_string()
}

#[test]
fn a_chat_is_answered_and_the_same_seed_answers_the_same() {
    let place = usual();
    let answer = place.chat(json!({})).ok().json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "tiny");
    assert_eq!(answer["choices"][0]["message"]["role"], "assistant");
    let usage = &answer["usage"];
    let [prompt, written, total] = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64().unwrap());
    assert!(prompt > 5 && written <= 8 && total == prompt + written, "{usage}");
    let again = place.chat(json!({})).ok().json();
    assert_eq!(content(&again), content(&answer));
    // The prompt was read before, up to its last token.
    assert_eq!(again["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64(), Some(prompt - 1));
    let others: Vec<String> = (2..6).map(|seed| content(&place.chat(json!({"seed": seed})).ok().json())).collect();
    assert!(others.iter().any(|other| *other != content(&answer)));
    // Without a version, and of the usual model.
    let mut body = crate::support::chat(json!({}));
    body.as_object_mut().unwrap().remove("model");
    assert_eq!(content(&place.post("/chat/completions", body).ok().json()), content(&answer));
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let place = usual();
    for fields in [json!({"max_tokens": 40}), json!({"max_tokens": 40, "n": 3}), json!({"stop": ["e", "娲"], "max_tokens": 60, "seed": 5})] {
        let whole = place.chat(fields.clone()).ok().json();
        let mut streamed = fields.clone();
        streamed["stream"] = json!(true);
        streamed["stream_options"] = json!({"include_usage": true});
        let pieces = place.chat(streamed).ok().pieces();
        let usage = pieces.last().unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
        assert!(pieces[..pieces.len() - 1].iter().all(|piece| piece["usage"].is_null() && piece["object"] == "chat.completion.chunk"));
        assert!(pieces.iter().all(|piece| piece["id"] == pieces[0]["id"]));
        for choice in whole["choices"].as_array().unwrap() {
            let own: Vec<&Value> = pieces.iter().flat_map(|piece| piece["choices"].as_array().unwrap()).filter(|own| own["index"] == choice["index"]).collect();
            assert_eq!(own[0]["delta"]["role"], "assistant");
            let text: String = own.iter().filter_map(|own| own["delta"]["content"].as_str()).collect();
            assert_eq!(text, choice["message"]["content"].as_str().unwrap());
            assert_eq!(own.last().unwrap()["finish_reason"], choice["finish_reason"]);
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_tokens() {
    let place = usual();
    let answer = place.chat(json!({"logprobs": true, "top_logprobs": 3, "temperature": 0})).ok().json();
    let told = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert!(!told.is_empty());
    let mut bytes: Vec<u8> = Vec::new();
    for entry in told {
        let top = entry["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        // Greedy: the likeliest is the one.
        assert_eq!((&top[0]["token"], &top[0]["logprob"]), (&entry["token"], &entry["logprob"]));
        assert!(entry["logprob"].as_f64().unwrap() <= 0.0);
        bytes.extend(entry["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.trim_start().starts_with(content(&answer).trim_end_matches('\u{fffd}')), "{text}");
    let streamed = place.chat(json!({"logprobs": true, "temperature": 0, "stream": true})).ok().pieces();
    let count: usize = streamed.iter().filter_map(|piece| piece["choices"][0]["logprobs"]["content"].as_array()).map(Vec::len).sum();
    assert_eq!(count, told.len());
}

#[test]
fn a_bias_decides_what_is_written() {
    let place = usual();
    let id = place.post("/tokenize", json!({"content": "a"})).ok().json()["tokens"][0].to_string();
    let answer = place.chat(json!({"logit_bias": {id: 100}, "max_tokens": 5})).ok().json();
    assert_eq!(content(&answer), "aaaaa");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[test]
fn an_answer_is_held_to_its_schema() {
    let place = usual();
    // As it is written: the members come in its order, which a sorted map would lose.
    let schema = r#"{"type": "object", "properties": {"zeal": {"type": "integer", "minimum": 1, "maximum": 40},
        "name": {"type": "string", "maxLength": 6}, "kind": {"enum": ["clay", "sky"]}},
        "required": ["zeal", "name", "kind"], "additionalProperties": false}"#;
    for seed in 0..6 {
        let body = crate::support::chat(json!({"max_tokens": 120, "seed": seed, "temperature": 1.5})).to_string();
        let format = format!(r#"{{"type": "json_schema", "json_schema": {{"name": "a", "strict": true, "schema": {schema}}}}}"#);
        let body = format!("{}, \"response_format\": {format}}}", body.strip_suffix('}').unwrap());
        let answer = place.post_bytes("/v1/chat/completions", body.as_bytes()).ok().json();
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        let text = content(&answer);
        let places = ["\"zeal\"", "\"name\"", "\"kind\""].map(|name| text.find(name).unwrap());
        assert!(places.is_sorted(), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!((1..=40).contains(&value["zeal"].as_i64().unwrap()), "{value}");
        assert!(value["name"].as_str().unwrap().chars().count() <= 6, "{value}");
        assert!(["clay", "sky"].contains(&value["kind"].as_str().unwrap()), "{value}");
    }
    let any = place.chat(json!({"response_format": {"type": "json_object"}, "max_tokens": 200, "temperature": 0.5})).ok().json();
    let text = content(&any);
    assert!(text.starts_with('{'), "{text}");
    if any["choices"][0]["finish_reason"] == "stop" {
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
    }
    let refused = place.chat(json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string", "not": {}}}}}));
    let (status, code, message) = refused.error();
    assert_eq!((status, code.as_str()), (400, "invalid_json_schema"));
    assert!(message.contains("`not`"), "{message}");
}

#[test]
fn completions_go_on_with_texts_and_ids() {
    let place = usual();
    let ask = |fields: Value| {
        let mut body = json!({"model": "tiny", "prompt": "Nuwa shaped", "max_tokens": 6, "seed": 3});
        fields.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        place.post("/v1/completions", body)
    };
    let text = |answer: &Value, index: usize| answer["choices"][index]["text"].as_str().unwrap().to_string();
    let plain = ask(json!({})).ok().json();
    assert_eq!(plain["object"], "text_completion");
    let ids = place.post("/tokenize", json!({"content": "Nuwa shaped"})).ok().json()["tokens"].clone();
    assert_eq!(text(&ask(json!({"prompt": ids})).ok().json(), 0), text(&plain, 0));
    let echoed = ask(json!({"echo": true})).ok().json();
    assert_eq!(text(&echoed, 0), format!("Nuwa shaped{}", text(&plain, 0)));
    let many = ask(json!({"prompt": ["Nuwa shaped", "The sky"], "n": 2, "logprobs": 2})).ok().json();
    assert_eq!(many["choices"].as_array().unwrap().len(), 4);
    assert_eq!(text(&many, 0), text(&plain, 0));
    let told = &many["choices"][0]["logprobs"];
    let lengths = ["tokens", "token_logprobs", "top_logprobs", "text_offset"].map(|name| told[name].as_array().unwrap().len());
    assert_eq!(lengths, [lengths[0]; 4]);
    let best = ask(json!({"best_of": 4, "logprobs": 0, "max_tokens": 4})).ok().json();
    let mean = |answer: &Value| {
        let all: Vec<f64> = answer["logprobs"]["token_logprobs"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let all = ask(json!({"n": 4, "logprobs": 0, "max_tokens": 4})).ok().json();
    let largest = all["choices"].as_array().unwrap().iter().map(mean).fold(f64::NEG_INFINITY, f64::max);
    assert!((mean(&best["choices"][0]) - largest).abs() < 1e-6);
    let streamed = ask(json!({"stream": true})).ok().pieces();
    let joined: String = streamed.iter().filter_map(|piece| piece["choices"][0]["text"].as_str()).collect();
    assert_eq!(joined, text(&plain, 0));
}

#[test]
fn a_prompt_beyond_the_context_is_refused_and_never_cut() {
    let place = usual();
    let long = "Nuwa shaped people out of clay. ".repeat(60);
    let refused = [
        place.chat(json!({"messages": [{"role": "user", "content": long}]})),
        place.post("/v1/completions", json!({"prompt": long})),
        place.post("/v1/completions", json!({"prompt": vec![5; CONTEXT]})),
        place.post("/v1/embeddings", json!({"input": long})),
    ];
    for answer in refused {
        let (status, code, message) = answer.error();
        assert_eq!((status, code.as_str()), (400, "context_length_exceeded"), "{message}");
        assert!(message.contains(&CONTEXT.to_string()), "{message}");
    }
    // One token less fits, and the answer ends where the context does.
    let last = place.post("/v1/completions", json!({"prompt": vec![5; CONTEXT - 1], "max_tokens": 50})).ok().json();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!(last["usage"]["completion_tokens"], 1);
}

#[test]
fn wrong_fields_are_named() {
    let place = usual();
    let cases = [
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"temperature": -1}), "temperature"),
        (json!({"top_p": 0}), "top_p"),
        (json!({"n": 0}), "n"),
        (json!({"n": 99}), "n"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
        (json!({"stop": ""}), "stop"),
        (json!({"logit_bias": {"100000": 1}}), "logit_bias"),
        (json!({"logit_bias": {"1": 101}}), "logit_bias"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"top_logprobs": 21, "logprobs": true}), "top_logprobs"),
        (json!({"frequency_penalty": 3}), "frequency_penalty"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hello"}), "messages"),
        (json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), "messages[0].content"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type"),
        (json!({"functions": []}), "functions"),
        (json!({"tool_choice": "required"}), "tool_choice"),
    ];
    for (fields, name) in cases {
        let answer = place.chat(fields.clone());
        assert_eq!(answer.status, 400, "{fields}: {answer:?}");
        assert_eq!(answer.json()["error"]["param"], name, "{fields}: {answer:?}");
    }
    let (status, code, message) = place.chat(json!({"model": "gone"})).error();
    assert_eq!((status, code.as_str()), (404, "model_not_found"));
    assert!(message.contains("tiny"), "{message}");
    // What says nothing of the answer is not looked at.
    place.chat(json!({"user": "a", "store": true, "metadata": {"a": "b"}, "unknown": [1]})).ok();
}
