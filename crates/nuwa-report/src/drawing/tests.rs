use nuwa_models::ModelConfig;

use super::*;

fn outline(layers: usize, custom: &str) -> Outline {
    let config: ModelConfig = serde_json::from_str(&format!(
        r#"{{"model_type": "custom", "vocab_size": 500, "hidden_size": 32, "num_hidden_layers": {layers},
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64,
            "tie_word_embeddings": true, "custom": {custom}}}"#
    ))
    .unwrap();
    Outline::of(&config)
}

#[test]
fn boxes_lie_one_below_the_other_and_the_table_adds_up() {
    let outline = outline(5, r#"{"blocks": ["lstm", "attention"], "feed_forward": ["experts"]}"#);
    let drawing = Drawing::of(&outline);
    let titles: Vec<&str> = drawing.boxes.iter().map(|placed| placed.title.as_str()).collect();
    assert_eq!(
        titles,
        ["tokens", "layers 1, 3, 5, in turn", "layers 2, 4, in turn", "norm", "head (the embedding)"]
    );
    for (above, below) in drawing.boxes.iter().zip(&drawing.boxes[1..]) {
        assert_eq!(above.y + above.height + GAP, below.y);
    }
    for placed in &drawing.boxes {
        let inside = |line: &Line| placed.y < line.y && line.y < placed.y + placed.height;
        assert!(placed.lines.iter().all(inside), "{placed:?}");
    }
    assert!(drawing.boxes.last().is_some_and(|placed| placed.y + placed.height < drawing.height));
    let shapes: Vec<&str> = drawing.arrows.iter().map(|arrow| arrow.shape.as_str()).collect();
    assert_eq!(shapes, ["n", "n × 32", "n × 32", "n × 32", "n × 32", "n × 500 logits"]);
    let all = drawing.rows.last().unwrap();
    assert_eq!(
        (all.parameters.as_str(), all.share.as_str()),
        (grouped(outline.parameters() as u64).as_str(), "100 %")
    );
    let pieces: Vec<(&str, usize)> =
        drawing.rows.iter().filter(|row| row.is_piece).map(|row| (row.name.as_str(), row.times)).collect();
    let expected = [("recurrent (lstm)", 3), ("moe", 3), ("attention (2 heads, 1 kv)", 2), ("moe", 2)];
    assert_eq!(pieces, expected);
}

#[test]
fn layers_that_are_alike_are_drawn_once() {
    let titles = |layers, custom: &str| -> Vec<String> {
        Drawing::of(&outline(layers, custom)).boxes.into_iter().map(|placed| placed.title).collect()
    };
    assert_eq!(titles(4, "{}"), ["tokens", "layers 1-4", "norm", "head (the embedding)"]);
    let twice = r#"{"blocks": ["gru", "gru", "attention"], "norm_place": "after", "positions": "learned"}"#;
    let expected = [
        "tokens",
        "positions",
        "layers 1-2, 4-5, 2 in a row, in turn",
        "layers 3, 6, in turn",
        "head (the embedding)",
    ];
    assert_eq!(titles(6, twice), expected);
}

#[test]
fn the_picture_of_a_terminal_has_straight_edges() {
    let text = text(&outline(2, r#"{"blocks": ["rg-lru", "banded"]}"#));
    let edges = text.lines().filter(|line| line.ends_with(['│', '┐', '┘']) && line.width() > 10);
    let widths: Vec<usize> = edges.map(|line| line.width()).collect();
    assert!(widths.len() > 12 && widths.iter().all(|width| *width == widths[0]), "{text}");
    assert!(widths[0] <= 100, "{text}");
    assert!(text.contains("attention (2 heads, 1 kv, window 32)"), "{text}");
}
