//! Attention against its definition in f64, forward and backward: any ranges of keys, several blocks of queries and keys.

use nuwa_tensor::simd::{detect, force, levels};
use nuwa_tensor::{
    AttentionBias, AttentionMask, AttentionOptions, Bf16, Device, Element, HeadLayout, ParametersBuilder,
    Precision, Random, Tape,
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

/// Outputs, the gradient of the packed rows and that of the bias for one sequence: the formulas, one number after the other.
/// `bias` has a row for each distance from `1 - length` on.
fn definition(
    heads: HeadLayout,
    qkv: &[f32],
    dy: &[f32],
    ranges: &[[u32; 2]],
    bias: &[f32],
) -> [Vec<f64>; 3] {
    let (dim, width, out) = (heads.head_dim, heads.width(), heads.query_width());
    let scale = 1.0 / (dim as f64).sqrt();
    let mut y = vec![0.0; ranges.len() * out];
    let (mut gradient, mut d_bias) = (vec![0.0; qkv.len()], vec![0.0; bias.len()]);
    for head in 0..heads.heads {
        let shared = head / heads.group();
        let (query, key) = (head * dim, out + shared * dim);
        let value = key + heads.key_width();
        let at = |row: usize, column: usize| f64::from(qkv[row * width + column]);
        for (row, &[first, end]) in ranges.iter().enumerate() {
            let keys = first as usize..end as usize;
            let place = |j: usize| (ranges.len() - 1 + j - row) * heads.heads + head;
            let scores: Vec<f64> = keys
                .clone()
                .map(|j| {
                    let dot: f64 = (0..dim).map(|d| at(row, query + d) * at(j, key + d)).sum();
                    scale * dot + f64::from(bias[place(j)])
                })
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
                d_bias[place(j)] += weight * (slope - mean);
                let slope = scale * weight * (slope - mean);
                for d in 0..dim {
                    gradient[row * width + query + d] += slope * at(j, key + d);
                    gradient[j * width + key + d] += slope * at(row, query + d);
                }
            }
        }
    }
    [y, gradient, d_bias]
}

/// The same by the tape.
fn found(
    precision: Precision,
    heads: HeadLayout,
    qkv: &[f32],
    dy: &[f32],
    ranges: &[[u32; 2]],
    options: AttentionOptions<'_>,
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
        let bias = numbers((2 * length - 1) * heads.heads, seed + 2);
        let plain = definition(heads, &qkv, &dy, &ranges, &vec![0.0; bias.len()]);
        let biased = definition(heads, &qkv, &dy, &ranges, &bias);
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.02)] {
            for level in levels() {
                force(level);
                let found = found(precision, heads, &qkv, &dy, &ranges, AttentionOptions::default());
                let found_biased = with_bias(precision, heads, &qkv, &dy, &ranges, &bias);
                let all = found.iter().chain(&found_biased).zip(plain[..2].iter().chain(&biased));
                for (found, expected) in all {
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

/// The same with a bias, and its gradient.
fn with_bias(
    precision: Precision,
    heads: HeadLayout,
    qkv: &[f32],
    dy: &[f32],
    ranges: &[[u32; 2]],
    bias: &[f32],
) -> [Vec<f32>; 3] {
    let length = ranges.len();
    let mut builder = ParametersBuilder::new(0);
    let mut add = |name: &str, axes: [usize; 2], values: &[f32]| {
        let values = values.to_vec();
        builder.add(name.into(), axes, true, move |all, _| all.copy_from_slice(&values))
    };
    let table = add("qkv", [length, heads.width()], qkv);
    let numbers = add("bias", [2 * length - 1, heads.heads], bias);
    let _all = builder.finish();
    let tape = Tape::training().with_precision(precision);
    let rows = |count: usize| (0..count as u32).collect::<Vec<_>>();
    let x = tape.embedding(&rows(length), &table).unwrap();
    let by_distance = tape.embedding(&rows(2 * length - 1), &numbers).unwrap();
    let bias = Some(AttentionBias::Relative { table: &by_distance, before: length - 1 });
    let mask = AttentionMask::new(1, length, ranges.to_vec()).unwrap();
    let options = AttentionOptions { bias, ..AttentionOptions::default() };
    let y = tape.attention(&x, heads, &mask, options).unwrap();
    let values = y.to_host();
    tape.backward(&tape.weighted_sum(&y, dy).unwrap()).unwrap();
    [values, table.gradient(), numbers.gradient()]
}

/// The gradient of the table too.
#[test]
fn threads_share_a_biased_row_without_changing_a_bit() {
    let _held = crate::levels::hold();
    let length = if cfg!(miri) { 70 } else { 330 };
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 9 };
    let (qkv, dy) = (numbers(length * heads.width(), 1), numbers(length * heads.query_width(), 2));
    let bias: Vec<f32> = numbers((2 * length - 1) * heads.heads, 3);
    for (kind, precision) in (0..5).flat_map(|kind| [(kind, Precision::F32), (kind, Precision::Bf16)]) {
        let ranges = ranges(length, kind, 3);
        let run = |threads: usize, bias: &[f32]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| with_bias(precision, heads, &qkv, &dy, &ranges, bias))
        };
        let one = run(1, &bias);
        assert!(one[2].iter().any(|&slope| slope != 0.0));
        for threads in [2, 5] {
            assert!(run(threads, &bias) == one, "{threads} threads, {precision:?}, ranges {kind}");
        }
    }
}

/// A number for each key is, but for rounding, one for each distance, where it is a straight line.
#[test]
fn a_bias_of_keys_is_one_of_distances_where_both_are_lines() {
    let _held = crate::levels::hold();
    let (length, sequences) = (if cfg!(miri) { 70 } else { 150 }, 2);
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 9 };
    let slopes = [0.125_f32, 0.031_25];
    let rows = |numbers: Vec<f32>| -> Vec<f32> {
        numbers.iter().flat_map(|number| slopes.map(|slope| slope * number)).collect()
    };
    let (qkv, dy) = (
        numbers(sequences * length * heads.width(), 1),
        numbers(sequences * length * heads.query_width(), 2),
    );
    let mut builder = ParametersBuilder::new(0);
    let start = qkv.clone();
    let axes = [sequences * length, heads.width()];
    let parameter = builder.add("qkv".into(), axes, true, move |all, _| all.copy_from_slice(&start));
    let all = builder.finish();
    let ids: Vec<u32> = (0..(sequences * length) as u32).collect();
    for (device, precision) in [(Device::cpu(), Precision::F32), (Device::cpu(), Precision::Bf16)] {
        let tape = Tape::training().on(device).with_precision(precision);
        let keys: Vec<f32> = (0..sequences * length).map(|row| (row % length) as f32).collect();
        let keys = tape.constant([keys.len(), 2], &rows(keys)).unwrap();
        let distances: Vec<f32> = (0..length).map(|row| row as f32 - (length - 1) as f32).collect();
        let distances = tape.constant([length, 2], &rows(distances)).unwrap();
        let mask = AttentionMask::causal(sequences, length);
        let run = |bias: AttentionBias<'_>| {
            let x = tape.embedding(&ids, &parameter).unwrap();
            let options = AttentionOptions { bias: Some(bias), ..AttentionOptions::default() };
            let y = tape.attention(&x, heads, &mask, options).unwrap();
            let values = y.to_host();
            tape.backward(&tape.weighted_sum(&y, &dy).unwrap()).unwrap();
            let gradient = parameter.gradient();
            all.clear_gradients();
            [values, gradient]
        };
        let by_key = run(AttentionBias::Keys { table: &keys });
        let by_distance = run(AttentionBias::Relative { table: &distances, before: length - 1 });
        let tolerance = if precision == Precision::F32 { 1e-4 } else { 0.03 };
        for (a, b) in by_key.iter().flatten().zip(by_distance.iter().flatten()) {
            assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{precision:?}: {a}, expected {b}");
        }
    }
}

#[test]
fn a_bias_that_does_not_fit_is_an_error() {
    let tape = Tape::inference();
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 1 };
    let qkv = tape.constant([3, 4], &[0.0; 12]).unwrap();
    let message = |axes: [usize; 2], before: usize, mask: &AttentionMask| {
        let table = tape.constant(axes, &vec![0.0; axes[0] * axes[1]]).unwrap();
        let options = AttentionOptions {
            bias: Some(AttentionBias::Relative { table: &table, before }),
            ..AttentionOptions::default()
        };
        tape.attention(&qkv, heads, mask, options).map(|_| ()).map_err(|error| error.to_string())
    };
    let causal = AttentionMask::causal(1, 3);
    assert_eq!(message([3, 2], 2, &causal), Ok(()));
    assert_eq!(message([2, 2], 1, &causal.clone().within_window(2)), Ok(()));
    let error = message([2, 2], 1, &causal).unwrap_err();
    assert_eq!(
        error,
        "attention: the bias has 2 distances, 1 of them before the query, but keys lie up to 2 before and 0 after it"
    );
    assert!(message([3, 2], 2, &AttentionMask::full(1, 3)).is_err(), "no distances after the query");
    assert!(message([3, 1], 2, &causal).unwrap_err().contains("a bias of shape [3, 1] in F32 does not fit"));
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
    let run = |tape: &Tape, options: AttentionOptions<'_>| {
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
