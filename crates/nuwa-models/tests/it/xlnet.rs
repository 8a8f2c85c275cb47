//! What a model of two streams must do besides.

use std::sync::Arc;

use nuwa_models::{Batch, Before, Input, Model, Queries, Targets, Text, build};
use nuwa_nn::Context;
use nuwa_tensor::{AttentionMask, Tape, Tensor};

fn model() -> Box<dyn Model> {
    let config = r#"{"model_type": "xlnet", "vocab_size": 31, "d_model": 16, "d_inner": 24, "n_layer": 3, "n_head": 2,
        "n_positions": 16, "initializer_range": 0.2}"#;
    build(&serde_json::from_str(config).unwrap(), 7).unwrap()
}

/// Texts of which every third token is predicted, later ones first, with two segments and a memory of the ids backwards.
pub fn batch(ids: Vec<u32>, targets: Vec<u32>, texts: usize) -> Batch {
    let length = ids.len() / texts;
    let hidden: Vec<usize> = (0..length).step_by(3).collect();
    let mut ranks = vec![0; length];
    hidden.iter().rev().zip(1..).for_each(|(&place, rank)| ranks[place] = rank);
    let places: Vec<u32> = hidden.iter().map(|&place| place as u32).collect();
    let rows = (0..texts).flat_map(|text| hidden.iter().map(move |place| text * length + place));
    let ids_of_targets: Vec<u32> = rows.map(|row| targets[row]).collect();
    let segments = (0..length).map(|place| u32::from(place * 2 >= length)).collect::<Vec<_>>().repeat(texts);
    let before: Vec<u32> = ids.iter().rev().copied().collect();
    let first = (0..texts as u32).map(|text| text % 2).collect();
    let before = Before { text: Text::bidirectional(before, texts), first };
    let weights = vec![1.0 / ids_of_targets.len() as f32; ids_of_targets.len()];
    Batch {
        source: Text { segments, before: Some(Arc::new(before)), ..in_order(ids, texts, &ranks, &places) },
        answer: None,
        targets: Targets { rows: None, ids: ids_of_targets, weights },
        classes: None,
    }
}

/// Texts in the order of `ranks` with queries at `places`, alike for all of them.
fn in_order(ids: Vec<u32>, texts: usize, ranks: &[u32], places: &[u32]) -> Text {
    let (length, all) = (ids.len() / texts, ranks.repeat(texts));
    let own = all.iter().map(|rank| rank + 1).collect();
    let mask = AttentionMask::full(texts, length).in_order(all.clone(), own).unwrap();
    let limits = places.iter().map(|&place| ranks[place as usize]).collect::<Vec<_>>().repeat(texts);
    let of_queries = AttentionMask::full_memory(texts, [places.len(), length]).in_order(all, limits).unwrap();
    let queries = Some(Queries::Places { places: places.repeat(texts), mask: of_queries });
    Text { mask, queries, ..Text::bidirectional(ids, texts) }
}

fn hidden(text: &Text) -> Tensor {
    model().hidden(&Context::new(&Tape::inference()), Input::Text(text)).unwrap().hidden
}

fn assert_close(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len());
    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-5, "{what}: {off}");
}

/// A query depends on what comes before it in the order, wherever it stands, and on nothing else: not on its own token either.
#[test]
fn a_query_sees_what_comes_before_it_in_the_order() {
    let ids: Vec<u32> = vec![3, 14, 15, 9, 26, 5, 8];
    let (ranks, places) = ([2, 0, 1, 0, 3, 0, 4], [0, 2, 4, 6]);
    let plain = hidden(&in_order(ids.clone(), 1, &ranks, &places));
    for changed in 0..ids.len() {
        let mut other = ids.clone();
        other[changed] = 30;
        let found = hidden(&in_order(other, 1, &ranks, &places));
        for (row, &place) in places.iter().enumerate() {
            let same = found.row_to_host(row) == plain.row_to_host(row);
            let sees = ranks[changed] < ranks[place as usize];
            assert_eq!(same, !sees, "token {changed}, query at {place}");
        }
    }
}

/// The natural order with a query at every place is what `Queries::Next` gives one place earlier.
#[test]
fn what_follows_each_token_is_a_query_in_the_natural_order() {
    let ids: Vec<u32> = vec![3, 14, 15, 9, 26, 5, 8];
    let ranks: Vec<u32> = (0..8).collect();
    let places: Vec<u32> = (1..8).collect();
    // The last query stands after the text, at a token that it does not see.
    let longer = [&ids[..], &[1]].concat();
    let queries = hidden(&in_order(longer, 1, &ranks, &places));
    assert_close(&hidden(&Text::causal(ids, 1)).to_host(), &queries.to_host(), "the next token");
}

#[test]
fn texts_beside_each_other_are_as_alone() {
    let ids: Vec<u32> = (0..20).map(|i| (i * 7 + 3) % 31).collect();
    let targets = ids.clone();
    let both = batch(ids.clone(), targets.clone(), 2).source;
    let together = hidden(&both);
    for text in 0..2 {
        let own = text * 10..text * 10 + 10;
        let mut alone = batch(ids[own.clone()].to_vec(), targets[own.clone()].to_vec(), 1).source;
        let before = both.before.as_ref().unwrap();
        let first = vec![before.first[text]];
        let memory = Text::bidirectional(before.text.ids[own].to_vec(), 1);
        alone.before = Some(Arc::new(Before { text: memory, first }));
        let alone = hidden(&alone);
        for row in 0..alone.rows() {
            assert_close(&alone.row_to_host(row), &together.row_to_host(text * alone.rows() + row), "a text");
        }
    }
}

/// A memory of the segment before reaches the text, one that begins behind its own end does not, and neither does one that only a
/// later document of the text could see.
#[test]
fn memory_reaches_those_who_see_the_beginning() {
    let text = |first: Option<u32>| {
        let before = first.map(|first| {
            Arc::new(Before { text: Text::bidirectional(vec![7, 8, 9], 1), first: vec![first] })
        });
        let starts = vec![0, 0, 0, 3, 3, 3];
        Text { before, ..Text::causal(vec![3, 1, 4, 1, 5, 9], 1).within_documents(starts) }
    };
    let [none, whole, part, nothing] = [None, Some(0), Some(1), Some(3)].map(|first| hidden(&text(first)));
    let rows = |tensor: &Tensor, rows: std::ops::Range<usize>| {
        rows.flat_map(|row| tensor.row_to_host(row)).collect::<Vec<f32>>()
    };
    assert_close(&rows(&none, 0..6), &rows(&nothing, 0..6), "no memory is seen");
    assert_close(&rows(&none, 3..6), &rows(&whole, 3..6), "the second document sees none");
    for other in [&whole, &part] {
        assert!(rows(other, 0..3) != rows(&none, 0..3));
    }
    assert!(rows(&whole, 0..3) != rows(&part, 0..3));
}

#[test]
fn queries_that_do_not_fit_are_refused() {
    let refused = |text: Text| {
        let tape = Tape::inference();
        model().hidden(&Context::new(&tape), Input::Text(&text)).unwrap_err().to_string()
    };
    let plain = Text::bidirectional(vec![1, 2, 3, 4], 1);
    let mask = AttentionMask::full_memory(1, [2, 3]);
    let told = refused(Text { queries: Some(Queries::Places { places: vec![0, 1], mask }), ..plain.clone() });
    assert_eq!(told, "attention mask: [1, 4] sequences and keys beside [1, 3]");
    let before = Before { text: Text::bidirectional(vec![1, 2], 1), first: vec![3] };
    let told = refused(Text { before: Some(Arc::new(before)), ..plain });
    assert_eq!(told, "attention mask: memory of 2 keys begins at [3] in 1 sequences");
}
