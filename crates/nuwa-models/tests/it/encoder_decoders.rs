//! What every encoder-decoder must do: read each source alone, decode as it scores, refuse what is missing.

use nuwa_models::{Batch, Cache, Input, Model, NewRows, Targets, Text, attention_to_source, losses};
use nuwa_nn::Context;
use nuwa_tensor::{DType, Tape};

use crate::{decoders, encoder_decoders, ids};

/// Sources of unlike lengths, and an answer to each.
fn pairs() -> Vec<(Vec<u32>, Vec<u32>)> {
    let all = ids(40);
    let pair = |source: &[u32], answer: &[u32]| (source.to_vec(), answer.to_vec());
    vec![
        pair(&all[..9], &all[20..25]),
        pair(&all[9..11], &all[25..36]),
        pair(&all[11..12], &all[1..2]),
        pair(&all[12..20], &all[3..10]),
    ]
}

/// The rows of an answer to a source, the whole of both at one time.
fn whole(model: &dyn Model, context: &Context<'_>, source: &[u32], answer: &[u32]) -> Vec<Vec<f32>> {
    let memory = model.encode(context, &Text::bidirectional(source.to_vec(), 1)).unwrap();
    let text = Text::causal(answer.to_vec(), 1);
    let hidden = model.hidden(context, Input::Answer { text: &text, memory: &memory }).unwrap().hidden;
    (0..hidden.rows()).map(|row| hidden.row_to_host(row)).collect()
}

/// The rows of new ids of several sequences.
fn next(
    model: &dyn Model,
    context: &Context<'_>,
    work: Vec<(&mut Cache, &[u32])>,
) -> nuwa_tensor::Result<Vec<Vec<f32>>> {
    let new = work.into_iter().map(|(cache, ids)| NewRows { cache, ids }).collect();
    let hidden = model.hidden(context, Input::Next(new))?.hidden;
    Ok((0..hidden.rows()).map(|row| hidden.row_to_host(row)).collect())
}

fn assert_near(found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 2e-5, "row {row}: {a} {b}");
        }
    }
}

#[test]
fn packed_and_padded_pairs_are_as_alone() {
    let pairs = pairs();
    for model in encoder_decoders() {
        let tape = Tape::inference();
        let context = Context::new(&tape);
        let alone: Vec<Vec<f32>> =
            pairs.iter().flat_map(|(source, answer)| whole(&*model, &context, source, answer)).collect();
        let sources: Vec<&[u32]> = pairs.iter().map(|(source, _)| &source[..]).collect();
        let answers = || pairs.iter().map(|(_, answer)| &answer[..]);
        let packed = Text::packed(answers());
        let of = |source: Text, answer: &Text| {
            let memory = model.encode(&context, &source).unwrap();
            let rows =
                model.hidden(&context, Input::Answer { text: answer, memory: &memory }).unwrap().hidden;
            (0..rows.rows()).map(|row| rows.row_to_host(row)).collect::<Vec<_>>()
        };
        assert_near(&of(Text::packed_whole(sources.iter().copied()), &packed), &alone);
        // Answers beside each other, filled up at their ends.
        let padded = answers().flat_map(|answer| answer.iter().copied().chain([0; 11]).take(11));
        let rows = of(Text::padded(&sources).unwrap(), &Text::causal(padded.collect(), 4));
        let inside = rows.chunks_exact(11).zip(answers()).flat_map(|(rows, answer)| &rows[..answer.len()]);
        assert_near(&inside.cloned().collect::<Vec<_>>(), &alone);
    }
}

#[test]
fn the_loss_of_a_batch_is_that_of_its_pairs() {
    let pairs = pairs();
    for model in encoder_decoders() {
        let tape = Tape::inference();
        let of = |pairs: &[(Vec<u32>, Vec<u32>)]| {
            let answers = pairs.iter().map(|(_, answer)| &answer[..]);
            let ids: Vec<u32> = answers.clone().flatten().map(|id| (id * 5 + 1) % 31).collect();
            let batch = Batch {
                source: Text::packed_whole(pairs.iter().map(|(source, _)| &source[..])),
                answer: Some(Text::packed(answers)),
                targets: Targets { rows: None, weights: vec![1.0; ids.len()], ids },
                classes: None,
            };
            losses(&*model, &Context::new(&tape), &batch).unwrap().tokens.rows
        };
        let alone: Vec<f32> = pairs.chunks(1).flat_map(of).collect();
        let together = of(&pairs);
        assert!(together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 2e-5), "{together:?} {alone:?}");
    }
}

#[test]
fn decoding_equals_scoring_the_whole() {
    for model in encoder_decoders() {
        let tape = Tape::inference();
        let context = Context::new(&tape);
        for (source, answer) in pairs() {
            let expected = whole(&*model, &context, &source, &answer);
            let mut cache = model.begin(&context, &[&source], answer.len(), DType::F32).unwrap().remove(0);
            let (mut found, mut done) = (Vec::new(), 0);
            for count in [3, 1, 1, 6] {
                let end = (done + count).min(answer.len());
                if done < end {
                    found.extend(next(&*model, &context, vec![(&mut cache, &answer[done..end])]).unwrap());
                }
                done = end;
            }
            assert_near(&found, &expected);
            assert_eq!(cache.length(), answer.len());
        }
    }
}

/// Bits, not numbers: with others beside it or alone, from the first id to the last.
#[test]
fn sequences_beside_each_other_have_the_bits_that_they_have_alone() {
    let pairs = pairs();
    let sources: Vec<&[u32]> = pairs.iter().map(|(source, _)| &source[..]).collect();
    for model in encoder_decoders() {
        let tape = Tape::inference().batch_invariant();
        let context = Context::new(&tape);
        for dtype in [DType::F32, DType::Bf16] {
            let mut together = model.begin(&context, &sources, 12, dtype).unwrap();
            let mut alone: Vec<Cache> = sources
                .iter()
                .flat_map(|source| model.begin(&context, &[source], 12, dtype).unwrap())
                .collect();
            for step in 0..11 {
                let open = |index: &usize| step < pairs[*index].1.len();
                let id = |index: usize| &pairs[index].1[step..=step];
                let work = together.iter_mut().enumerate().filter(|(index, _)| open(index));
                let work = work.map(|(index, cache)| (cache, id(index))).collect();
                let rows = next(&*model, &context, work).unwrap();
                let own = alone.iter_mut().enumerate().filter(|(index, _)| open(index));
                let own: Vec<Vec<f32>> = own
                    .flat_map(|(index, cache)| next(&*model, &context, vec![(cache, id(index))]).unwrap())
                    .collect();
                assert!(rows == own, "step {step} in {dtype:?}");
            }
        }
    }
}

#[test]
fn a_cache_goes_back_and_is_copied_with_its_source() {
    for model in encoder_decoders() {
        let tape = Tape::inference().batch_invariant();
        let context = Context::new(&tape);
        let (source, answer) = pairs().remove(0);
        let mut cache = model.begin(&context, &[&source], 8, DType::F32).unwrap().remove(0);
        let begun = cache.bytes();
        assert!(begun > 0, "the source is kept");
        let first = next(&*model, &context, vec![(&mut cache, &answer)]).unwrap();
        assert!(cache.bytes() > begun && cache.capacity() == 8);
        let mut copy = cache.prefix(2).unwrap();
        assert_eq!((copy.length(), cache.length()), (2, 5));
        assert_eq!(next(&*model, &context, vec![(&mut copy, &answer[2..])]).unwrap(), first[2..]);
        assert!(cache.truncate(0));
        assert_eq!(next(&*model, &context, vec![(&mut cache, &answer)]).unwrap(), first);
        let full = next(&*model, &context, vec![(&mut cache, &answer)]).unwrap_err().to_string();
        assert_eq!(full, "attention: 10 positions do not fit the cache of 8");
    }
}

#[test]
fn each_token_of_an_answer_shares_itself_out_over_its_source() {
    for model in encoder_decoders() {
        let tape = Tape::inference();
        let (source, answer) = pairs().remove(0);
        let layers = attention_to_source(&*model, &Context::new(&tape), &source, &answer).unwrap();
        assert_eq!(layers.len(), model.source_layers().len());
        for weights in layers.iter().flat_map(|layer| layer.chunks_exact(source.len())) {
            assert!(weights.iter().all(|weight| *weight > 0.0));
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{weights:?}");
        }
    }
}

#[test]
fn what_is_missing_is_refused() {
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let text = Text::causal(ids(3), 1);
    for model in encoder_decoders() {
        let alone = model.hidden(&context, Input::Text(&text)).unwrap_err().to_string();
        let expected = "cross_attention: the decoder reads an answer to a source, and there is no source";
        assert_eq!(alone, expected);
        let mut cache = model.new_cache(4, DType::F32);
        let empty = next(&*model, &context, vec![(&mut cache, &ids(3))]).unwrap_err().to_string();
        assert_eq!(empty, "cross_attention: the cache was not begun from a source");
        let none = model.begin(&context, &[&ids(2), &[]], 4, DType::F32).unwrap_err().to_string();
        assert_eq!(none, "encoder: source 2 of 2 is empty");
        let unknown = model.encode(&context, &Text::bidirectional(vec![31], 1)).unwrap_err().to_string();
        assert_eq!(unknown, "embedding: index 31 is outside 0..31");
        assert_eq!(model.config().source_context(), Some(16));
        assert!(model.config().decoder_start().is_some());
    }
    for model in decoders() {
        let refused = model.encode(&context, &text).unwrap_err().to_string();
        assert_eq!(refused, "encoder: the model has no encoder that a decoder reads");
        assert_eq!((model.config().decoder_start(), model.config().source_context()), (None, None));
    }
}
