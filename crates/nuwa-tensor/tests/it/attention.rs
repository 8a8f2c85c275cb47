//! Attention against its definition in f64, forward and backward: any ranges of keys, several blocks of queries and keys.

use nuwa_tensor::simd::{detect, force, levels};
use nuwa_tensor::{
    AttentionMask, AttentionOptions, Bf16, Element, HeadLayout, ParametersBuilder, Precision, Random, Tape,
};
use proptest::prelude::*;

/// What the number of rows and the width of a head stay below; Miri, which is some thousand times slower, gets two blocks of each.
const MOST: [usize; 2] = if cfg!(miri) { [100, 8] } else { [300, 40] };

/// Numbers that bf16 holds exactly.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Random::new(seed).fill_normal(&mut values, 1.0);
    values.iter().map(|&value| Bf16::narrow(value).widen()).collect()
}

/// Ranges of every kind: causal, windows, documents, and some that follow no order.
fn ranges(length: usize, kind: usize, seed: u64) -> Vec<[u32; 2]> {
    let random = Random::new(seed).named("ranges");
    let any = |row: usize, below: u32| random.words(row as u64)[0] % below.max(1);
    let of = |row: usize| {
        let (own, end) = (row as u32, length as u32);
        match kind {
            0 => [0, own + 1],
            1 => [own.saturating_sub(70), own + 1],
            2 => [own / 50 * 50, own + 1],
            3 => [own.saturating_sub(5), (own + 100).min(end)],
            _ => {
                let first = any(2 * row, end + 1);
                [first, first + any(2 * row + 1, end - first + 1)]
            }
        }
    };
    (0..length).map(of).collect()
}

/// Outputs and the gradient of the packed rows for one sequence: the formulas, one number after the other.
fn definition(heads: HeadLayout, qkv: &[f32], dy: &[f32], ranges: &[[u32; 2]]) -> [Vec<f64>; 2] {
    let (dim, width, out) = (heads.head_dim, heads.width(), heads.query_width());
    let scale = 1.0 / (dim as f64).sqrt();
    let mut y = vec![0.0; ranges.len() * out];
    let mut gradient = vec![0.0; qkv.len()];
    for head in 0..heads.heads {
        let shared = head / heads.group();
        let (query, key) = (head * dim, out + shared * dim);
        let value = key + heads.key_width();
        let at = |row: usize, column: usize| f64::from(qkv[row * width + column]);
        for (row, &[first, end]) in ranges.iter().enumerate() {
            let keys = first as usize..end as usize;
            let scores: Vec<f64> = keys
                .clone()
                .map(|j| scale * (0..dim).map(|d| at(row, query + d) * at(j, key + d)).sum::<f64>())
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp() / total).collect();
            let dy = |d: usize| f64::from(dy[row * out + query + d]);
            for (weight, j) in weights.iter().zip(keys.clone()) {
                for d in 0..dim {
                    y[row * out + query + d] += weight * at(j, value + d);
                    gradient[j * width + value + d] += weight * dy(d);
                }
            }
            let slopes: Vec<f64> =
                keys.clone().map(|j| (0..dim).map(|d| dy(d) * at(j, value + d)).sum()).collect();
            let mean: f64 = weights.iter().zip(&slopes).map(|(weight, slope)| weight * slope).sum();
            for ((weight, slope), j) in weights.iter().zip(&slopes).zip(keys) {
                let slope = scale * weight * (slope - mean);
                for d in 0..dim {
                    gradient[row * width + query + d] += slope * at(j, key + d);
                    gradient[j * width + key + d] += slope * at(row, query + d);
                }
            }
        }
    }
    [y, gradient]
}

/// The same by the tape.
fn found(
    precision: Precision,
    heads: HeadLayout,
    qkv: &[f32],
    dy: &[f32],
    ranges: &[[u32; 2]],
    options: AttentionOptions,
) -> [Vec<f32>; 2] {
    let mut builder = ParametersBuilder::new(0);
    let axes = [ranges.len(), heads.width()];
    let start = qkv.to_vec();
    let table = builder.add("qkv".into(), axes, true, move |values, _| values.copy_from_slice(&start));
    let _all = builder.finish();
    let tape = Tape::training().with_precision(precision);
    let ids: Vec<u32> = (0..ranges.len() as u32).collect();
    let rows = tape.embedding(&ids, &table).unwrap();
    let mask = AttentionMask::new(1, ranges.len(), ranges.to_vec()).unwrap();
    let y = tape.attention(&rows, heads, &mask, options).unwrap();
    let values = y.to_host();
    tape.backward(&tape.weighted_sum(&y, dy).unwrap()).unwrap();
    [values, table.gradient()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn attention_is_its_definition(
        length in 1..MOST[0],
        head_dim in 1..MOST[1],
        group in 1_usize..3,
        kind in 0_usize..5,
        seed in 0_u64..1000,
    ) {
        let _held = crate::levels::hold();
        let heads = HeadLayout { heads: group, kv_heads: 1, head_dim };
        let ranges = ranges(length, kind, seed);
        let (qkv, dy) = (numbers(length * heads.width(), seed), numbers(length * heads.query_width(), seed + 1));
        let expected = definition(heads, &qkv, &dy, &ranges);
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.02)] {
            for level in levels() {
                force(level);
                let found = found(precision, heads, &qkv, &dy, &ranges, AttentionOptions::default());
                for (found, expected) in found.iter().zip(&expected) {
                    let largest = expected.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
                    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
                        prop_assert!(
                            (f64::from(*a) - b).abs() <= tolerance * largest,
                            "{precision:?} {level:?}: element {index} is {a}, expected {b}"
                        );
                    }
                }
            }
        }
        force(detect());
    }
}

/// One long row of few heads is the work of several threads, and of one thread the same bits.
#[test]
fn threads_share_a_row_without_changing_a_bit() {
    let _held = crate::levels::hold();
    let length = if cfg!(miri) { 130 } else { 700 };
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 24 };
    let (qkv, dy) = (numbers(length * heads.width(), 1), numbers(length * heads.query_width(), 2));
    let plain = AttentionOptions::default();
    for options in [plain, AttentionOptions { dropout: 0.2, ..plain }] {
        for (kind, precision) in (0..5).flat_map(|kind| [(kind, Precision::F32), (kind, Precision::Bf16)]) {
            let ranges = ranges(length, kind, 3);
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| found(precision, heads, &qkv, &dy, &ranges, options))
            };
            let one = run(1);
            for threads in [2, 5] {
                assert!(run(threads) == one, "{threads} threads, {precision:?}, ranges {kind}, {options:?}");
            }
        }
    }
}

/// Dropout of weights keeps the mean: over many draws the outputs come close to those without it.
#[test]
fn dropped_weights_keep_the_mean() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 1, kv_heads: 1, head_dim: 4 };
    let length = 9;
    let values = numbers(length * heads.width(), 1);
    let mask = AttentionMask::causal(1, length);
    let (training, silent) = (Tape::training(), Tape::inference());
    let options = AttentionOptions { dropout: 0.4, ..AttentionOptions::default() };
    let run = |tape: &Tape, options: AttentionOptions| {
        let qkv = tape.constant([length, heads.width()], &values).unwrap();
        tape.attention(&qkv, heads, &mask, options).unwrap().to_host()
    };
    let expected = run(&silent, AttentionOptions::default());
    assert_eq!(run(&silent, options), expected, "nothing is dropped where nothing is recorded");
    let mut mean = vec![0.0; expected.len()];
    let draws = if cfg!(miri) { 40 } else { 4000 };
    for draw in 0..draws {
        training.set_random(Random::new(draw));
        let found = run(&training, options);
        mean.iter_mut().zip(&found).for_each(|(mean, found)| *mean += found / draws as f32);
    }
    let tolerance = 6.0 / (draws as f32).sqrt();
    for (mean, expected) in mean.iter().zip(&expected) {
        assert!((mean - expected).abs() < tolerance, "{mean} {expected}");
    }
}

#[test]
fn options_out_of_range_are_errors() {
    let tape = Tape::inference();
    let heads = HeadLayout { heads: 1, kv_heads: 1, head_dim: 2 };
    let qkv = tape.constant([3, 6], &[0.0; 18]).unwrap();
    let mask = AttentionMask::causal(1, 3);
    let message = |options| tape.attention(&qkv, heads, &mask, options).unwrap_err().to_string();
    let plain = AttentionOptions::default();
    assert_eq!(
        message(AttentionOptions { scale: Some(-1.0), ..plain }),
        "attention: scale is -1, expected a number above 0"
    );
    assert_eq!(
        message(AttentionOptions { dropout: 1.0, ..plain }),
        "attention: dropout is 1, expected at least 0 and below 1"
    );
    let queries = tape.constant([2, 2], &[0.0; 4]).unwrap();
    let memory = tape.constant([3, 4], &[0.0; 12]).unwrap();
    let error = tape.cross_attention(&queries, &memory, heads, &mask, plain).unwrap_err().to_string();
    assert_eq!(error, "cross_attention: 2 rows, but the mask has 1 sequences of 3 queries and 3 keys");
}
