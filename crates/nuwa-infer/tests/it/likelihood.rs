//! Scores of given ids.

use nuwa_infer::{Window, score, score_shared};
use nuwa_models::{Context, Input, Model, Text};
use nuwa_tensor::Tape;

use crate::support::{CONTEXT, VOCABULARY, model};

/// The negative log-likelihood of `ids[place]` by the definition, in f64.
fn by_definition(model: &dyn Model, ids: &[u32], place: usize) -> f64 {
    let tape = Tape::inference();
    let hidden = model
        .hidden(&Context::new(&tape), Input::Text(&Text::causal(ids[..place].to_vec(), 1)))
        .unwrap()
        .hidden;
    let logits = model.head().logits(&tape, &hidden).unwrap();
    let row = logits.row_to_host(place - 1);
    let total: f64 = row.iter().map(|&score| f64::from(score).exp()).sum();
    total.ln() - f64::from(row[ids[place] as usize])
}

fn ids(seed: u32, count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 37 + seed * 101 + 3) % VOCABULARY as u32).collect()
}

#[test]
fn scores_equal_the_definition_in_windows_of_any_length() {
    let model = model(1);
    let texts = [ids(0, 2), ids(1, CONTEXT + 1), ids(2, 9), ids(3, 5)];
    let windows: Vec<Window<'_>> =
        texts.iter().zip([1, 7, 8, 2]).map(|(ids, scored_from)| Window { ids, scored_from }).collect();
    let scores = score(model.as_ref(), &windows).unwrap();
    for (window, scores) in windows.iter().zip(scores) {
        assert_eq!(scores.len(), window.ids.len() - window.scored_from);
        for (offset, score) in scores.into_iter().enumerate() {
            let expected = by_definition(model.as_ref(), window.ids, window.scored_from + offset);
            assert!((f64::from(score) - expected).abs() < 1e-4, "{score}, expected {expected}");
        }
    }
}

#[test]
fn more_windows_than_a_batch_holds_come_back_in_order() {
    let model = model(1);
    let texts: Vec<Vec<u32>> = (0..300).map(|seed| ids(seed, 2 + seed as usize % CONTEXT)).collect();
    let windows: Vec<Window<'_>> = texts.iter().map(|ids| Window { ids, scored_from: 1 }).collect();
    let together = score(model.as_ref(), &windows).unwrap();
    for (window, together) in windows.iter().zip(&together) {
        let alone = score(model.as_ref(), &[*window]).unwrap();
        assert!(alone[0].iter().zip(together).all(|(a, b)| (a - b).abs() < 1e-4));
    }
    assert!(score(model.as_ref(), &[]).unwrap().is_empty());
}

#[test]
fn windows_that_cannot_be_scored_are_refused() {
    let model = model(1);
    for (length, scored_from) in [(CONTEXT + 2, 1), (5, 0), (5, 5), (0, 0), (1, 1)] {
        let error = score(model.as_ref(), &[Window { ids: &ids(0, length), scored_from }]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("a window of {length} ids")), "{error}");
    }
}

#[test]
fn what_windows_share_goes_through_the_model_once_and_changes_nothing() {
    let model = model(1);
    // Questions with three options each, all after the same examples; then windows that share nothing.
    let mut texts: Vec<(Vec<u32>, usize)> = Vec::new();
    for question in 0..20 {
        let length = CONTEXT / 2 + question % 3;
        let begin = [ids(7, CONTEXT / 3), ids(20 + question as u32, length - CONTEXT / 3)].concat();
        for option in 0..3 {
            let text = [begin.clone(), ids(90 + option, 2 + option as usize)].concat();
            texts.push((text, length));
        }
    }
    texts.extend((0..6).map(|seed| (ids(40 + seed, 5 + seed as usize), 1 + seed as usize)));
    let windows: Vec<Window<'_>> =
        texts.iter().map(|(ids, scored_from)| Window { ids, scored_from: *scored_from }).collect();
    let plain = score(model.as_ref(), &windows).unwrap();
    let shared = score_shared(model.as_ref(), &windows).unwrap();
    assert_eq!(plain.len(), shared.len());
    for (plain, shared) in plain.iter().zip(&shared) {
        assert_eq!(plain.len(), shared.len());
        assert!(plain.iter().zip(shared).all(|(a, b)| (a - b).abs() < 1e-5), "{plain:?} {shared:?}");
    }
}
