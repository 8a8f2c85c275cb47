//! XLNet against what transformers computed: one stream, two streams in an order, a memory, the natural order.

use std::fs;
use std::sync::Arc;

use nuwa_format::{load_config, load_model, save_model};
use nuwa_models::{Batch, Before, Context, Input, Model, Queries, Targets, Text};
use nuwa_tensor::{AttentionMask, Tape};
use serde_json::json;

use crate::golden_files::{Golden, LENGTH, TOLERANCE, assert_loss_and_gradients, of};
use crate::{difference, greedy, ids, logits};

const FOLDERS: [&str; 2] = ["xlnet", "xlnet_clamped"];
const PREDICTED: usize = 5;

/// The texts in one stream.
fn plain(golden: &Golden) -> Text {
    Text { segments: ids(&golden["segments"]), ..Text::bidirectional(ids(&golden["ids"]), 2) }
}

/// The texts in their order, with a query at each place.
fn ordered(golden: &Golden) -> Text {
    let (ranks, places) = (ids(&golden["ranks"]), ids(&golden["places"]));
    let own = ranks.iter().map(|rank| rank + 1).collect();
    let mask = AttentionMask::full(2, LENGTH).in_order(ranks.clone(), own).unwrap();
    let rank_at = |(query, place): (usize, &u32)| ranks[query / PREDICTED * LENGTH + *place as usize];
    let limits = places.iter().enumerate().map(rank_at).collect();
    let of_queries =
        AttentionMask::full_memory(2, [PREDICTED, LENGTH]).in_order(ranks.clone(), limits).unwrap();
    Text { mask, queries: Some(Queries::Places { places, mask: of_queries }), ..plain(golden) }
}

/// The same after a memory.
fn remembered(golden: &Golden) -> Text {
    let text = Text::bidirectional(ids(&golden["before"]), 2);
    Text { before: Some(Arc::new(Before { text, first: vec![0; 2] })), ..ordered(golden) }
}

fn assert_golden(model: &dyn Model, golden: &Golden, name: &str) {
    let tape = Tape::inference();
    let of = |text: Text| {
        let rows = model.hidden(&Context::new(&tape), Input::Text(&text)).unwrap();
        model.head().logits(&tape, &rows.hidden).unwrap().to_host()
    };
    let next = logits(model, &ids(&golden["ids"]), LENGTH);
    for (what, found) in [
        ("logits", of(plain(golden))),
        ("query_logits", of(ordered(golden))),
        ("memory_logits", of(remembered(golden))),
        ("next_logits", next),
    ] {
        let off = difference(&found, &golden[what]);
        println!("{name}: {what} differ by {off:.1e}");
        assert!(off <= TOLERANCE, "{name}: {what} differ by {off}");
    }
}

#[test]
fn logits_of_both_streams() {
    for name in FOLDERS {
        let (folder, golden) = of(name);
        assert_golden(load_model(&folder).unwrap().as_ref(), &golden, name);
    }
}

#[test]
fn losses_and_gradients() {
    for (name, prefix) in FOLDERS.into_iter().flat_map(|name| [(name, ""), (name, "memory_")]) {
        let (folder, golden) = of(name);
        let model = load_model(&folder).unwrap();
        let source = if prefix.is_empty() { ordered(&golden) } else { remembered(&golden) };
        let places = ids(&golden["places"]).into_iter().enumerate();
        let targets =
            places.map(|(query, place)| source.ids[query / PREDICTED * LENGTH + place as usize]).collect();
        let weights = vec![0.1; 2 * PREDICTED];
        let batch = Batch {
            source,
            answer: None,
            targets: Targets { rows: None, ids: targets, weights },
            classes: None,
        };
        assert_loss_and_gradients(model.as_ref(), &batch, &golden, name, prefix);
    }
}

/// One token at a time through the cache, against the whole text each time.
#[test]
fn what_is_written_is_what_the_whole_text_says() {
    let (folder, golden) = of("xlnet");
    let model = load_model(&folder).unwrap();
    let prompt = ids(&golden["ids"][..5]);
    let chosen = greedy(model.as_ref(), &prompt, 8);
    let mut text = prompt;
    for id in chosen {
        let scores = logits(model.as_ref(), &text, text.len());
        let last = &scores[scores.len() - 97..];
        let best = (0..97).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap() as u32;
        assert_eq!(id, best);
        text.push(id);
    }
}

#[test]
fn written_again_it_is_the_same() {
    for name in FOLDERS {
        let (folder, golden) = of(name);
        let out = tempfile::tempdir().unwrap();
        save_model(load_model(&folder).unwrap().as_ref(), out.path()).unwrap();
        assert_golden(load_model(out.path()).unwrap().as_ref(), &golden, name);
        assert_eq!(load_config(out.path()).unwrap(), load_config(&folder).unwrap());
    }
}

#[test]
fn what_is_not_computed_is_refused() {
    let refused = |field: &str, value: serde_json::Value| {
        let folder = tempfile::tempdir().unwrap();
        let (from, _) = of("xlnet");
        crate::copy(&from, folder.path());
        let mut config: serde_json::Value =
            serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
        config[field] = value;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let error = load_model(folder.path()).err().unwrap().to_string();
        error.replace(&folder.path().display().to_string(), "MODEL")
    };
    let told = [
        refused("attn_type", json!("uni")),
        refused("bi_data", json!(true)),
        refused("untie_r", json!(false)),
        refused("ff_activation", json!("relu")),
        refused("n_head", json!(5)),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    MODEL/config.json: attn_type = "uni" is not supported, only "bi" is
    MODEL/config.json: bi_data = true is not supported, only false is
    MODEL/config.json: untie_r = false is not supported, only true is
    MODEL/config.json: ff_activation = "relu" is not supported, only gelu, gelu_new, gelu_pytorch_tanh, gelu_fast are
    MODEL/config.json: n_head = 5: expected a divisor of d_model = 32
    "#);
}
