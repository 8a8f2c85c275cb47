//! Every device against the reference, for shapes that fit no block and no vector. What runs on every device besides: the golden
//! numbers and the finite differences.

use std::sync::Arc;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{
    AdamWSettings, AttentionBias, AttentionMask, AttentionOptions, BlockType, Bytes, DType, Device, Error,
    ExpertWeights, HeadLayout, HeadLoss, LossRows, OptimizerState, Parameter, ParametersBuilder, Precision,
    QuantisedRows, Random, RecurrentCell, RelativeParameters, RelativePlaces, RotaryTable,
    RouterCoefficients, RouterLog, Routing, Runs, Tape, Tensor,
};
use proptest::prelude::*;

/// Odd sizes of one step.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    length: usize,
    memory: usize,
    heads: usize,
    half: usize,
    vocabulary: usize,
}

const EXPERTS: usize = 5;

fn normal(values: &mut [f32], random: Random) {
    // Larger ones make gradients of 1e7 in so long a chain, of which rounding leaves three digits.
    random.fill_normal(values, 0.25);
}

/// Every operation in one pass forward and backward and a step of the optimizer: outputs, losses, gradients, weights.
fn step(device: Device, sizes: Sizes, seed: u64) -> Vec<f32> {
    let Sizes { length, memory, heads, half, vocabulary } = sizes;
    let layout = HeadLayout { heads: 2 * heads, kv_heads: heads, head_dim: 2 * half };
    let width = layout.query_width();
    let mut builder = ParametersBuilder::new(seed).on(device);
    let mut add = |name: &str, axes: &[usize]| builder.add(name.into(), axes, axes.len() == 2, normal);
    let (table, norm, bias) =
        (add("table", &[vocabulary, width]), add("norm", &[width]), add("bias", &[width]));
    let (qkv, out) = (add("qkv", &[layout.width(), width]), add("out", &[width, width]));
    let (gate, source) =
        (add("gate", &[2 * width, width]), add("source", &[2 * memory, layout.memory_width()]));
    let (head_bias, of_head) = (add("head_bias", &[vocabulary]), add("of_head", &[layout.head_dim]));
    let distances = add("distances", &[length + 1, layout.heads]);
    let biases = ["content", "distance", "segment"].map(|name| add(name, &[width]));
    let (of_distances, segments) =
        (add("of_distances", &[memory + 2 * length, width]), add("segments", &[2, width]));
    let pair = add("pair", &[2 * width, width]);
    let [taps, blocks] = [add("taps", &[width, 1, 3]), add("blocks", &[heads, width / heads, width / heads])];
    let of_lstm = [add("lstm", &[4 * width, width]), add("lstm_bias", &[4 * width])];
    let of_gru = [add("gru", &[3 * width, width]), add("gru_bias", &[3 * width])];
    let into_cells = [add("into_lstm", &[4 * width, width]), add("into_gru", &[3 * width, width])];
    let router = add("router", &[vocabulary, EXPERTS]);
    let experts: Arc<[ExpertWeights]> = (0..EXPERTS)
        .map(|expert| ExpertWeights {
            gate_up: add(&format!("gate_up.{expert}"), &[6 * half, width]),
            down: add(&format!("down.{expert}"), &[width, 3 * half]),
        })
        .collect();
    let all = builder.finish();
    let tape = Tape::training().on(device);
    tape.set_random(Random::new(seed));
    let rows = 2 * length;
    let ids: Vec<u32> = (0..rows as u32).map(|i| i * 5 % vocabulary as u32).collect();
    let positions: Vec<u32> = (0..rows as u32).map(|i| i % length as u32).collect();
    let rotary = RotaryTable::new(&RotaryTable::frequencies(100.0, layout.head_dim), length);
    let nearest: Vec<u32> = (0..=length as u32).collect();
    let by_distance = tape.embedding(&nearest, &distances).unwrap();
    let by_distance = Some(AttentionBias::Relative { table: &by_distance, before: length });
    let options = AttentionOptions { dropout: 0.2, bias: by_distance, ..AttentionOptions::default() };
    let x = tape.embedding(&ids, &table).unwrap();
    let h = tape.linear(&tape.layer_norm(&x, &norm, &bias, 1e-5).unwrap(), &qkv, None).unwrap();
    let h = tape.head_norm(&h, layout, [&of_head, &of_head], 1e-5).unwrap();
    let h = tape.rotary(&h, layout, &positions, &rotary).unwrap();
    let causal = AttentionMask::causal(2, length).within_window(5);
    let h = tape.attention(&h, layout, &causal, options).unwrap();
    let x = tape.add(&x, &tape.dropout(&h, 0.1).unwrap()).unwrap();
    let encoded = tape.embedding(&(0..2 * memory as u32).collect::<Vec<_>>(), &source).unwrap();
    let over = AttentionMask::full_memory(2, [length, memory]);
    let of_keys: Vec<f32> = (0..rows * layout.heads).map(|place| (place as f32 * 0.9).sin()).collect();
    let of_keys = tape.constant([rows, layout.heads], &of_keys).unwrap();
    let twice = tape.linear(&x, &qkv, None).unwrap();
    let options = AttentionOptions {
        bias: Some(AttentionBias::Keys { table: &of_keys }),
        ..AttentionOptions::default()
    };
    let x = tape
        .add(&x, &tape.attention(&twice, layout, &AttentionMask::causal(2, length), options).unwrap())
        .unwrap();
    let options = AttentionOptions { scale: Some(0.7), ..AttentionOptions::default() };
    let h = tape.cross_attention(&x, &encoded, layout, &over, options).unwrap();
    let x = tape.linear_add(&x, &tape.rms_norm(&h, &norm, 1e-5).unwrap(), &out, Some(&bias)).unwrap();
    let parameters = RelativeParameters {
        content_bias: &biases[0],
        distance_bias: &biases[1],
        segment_bias: &biases[2],
        segments: &segments,
    };
    let x = tape.add(&x, &relative(&tape, &x, [&pair, &of_distances], parameters, [length, memory])).unwrap();
    let x = recurrent(&tape, &x, [&of_lstm, &of_gru], into_cells.each_ref(), [&taps, &bias, &blocks]);
    let x = tape.add(&x, &tape.rms_norm_around_one(&x, &norm, 1e-5).unwrap()).unwrap();
    let h = tape.linear_activation(&x, &out, Some(&bias), Activation::GeluTanh).unwrap();
    let x = tape.add(&x, &tape.multiply(&h, &tape.scale(&x, 0.3).unwrap()).unwrap()).unwrap();
    let h = tape.gated_activation(&tape.linear(&x, &gate, None).unwrap(), Activation::Silu).unwrap();
    let x = tape.add(&x, &tape.activation(&h, Activation::Gelu).unwrap()).unwrap();
    // The logits are those of a table, so that rounding sends no row to another expert.
    let (log, routing) = (RouterLog::new(), Routing { top_k: 2, renormalise: length % 2 == 0 });
    let logits = tape.embedding(&ids, &router).unwrap();
    let routed = tape.route(&logits, routing, Some(&log.layer(0))).unwrap();
    let y = tape.add(&x, &tape.experts(&x, &routed, &experts, Activation::Silu).unwrap()).unwrap();
    let router_loss = tape.router_loss(&log, RouterCoefficients { balance: 0.3, z: 0.1 }).unwrap();
    let some: Vec<u32> = (0..rows as u32).rev().step_by(2).chain([0]).collect();
    let chosen = tape.rows(&y, &some).unwrap();
    let (targets, weights) = (&ids[..some.len()], vec![0.1; some.len()]);
    let loss = HeadLoss {
        bias: Some(&head_bias),
        label_smoothing: 0.1,
        softcap: (heads == 1).then_some(8.0),
        z_loss: 0.02,
        coefficient: 0.5,
        ..HeadLoss::new(&chosen, &table, LossRows { targets, weights: &weights })
    };
    let loss = tape.backward_losses_and(&[loss], &[(&router_loss, 0.7)]).unwrap().remove(0);
    let mut numbers = [y.to_host(), loss.rows, router_loss.to_host(), all.gradients_to_host()].concat();
    let settings = AdamWSettings { betas: [0.9, 0.95], epsilon: 1e-3, weight_decay: 0.1, clip: 1.0 };
    numbers.push(OptimizerState::new(&all).step(&all, &settings, 1e-2));
    numbers.extend(all.to_host());
    numbers
}

/// Two sequences over themselves and, before that, a memory of their first rows, in an order and with two segments.
fn relative(
    tape: &Tape,
    x: &Tensor,
    [pair, of_distances]: [&Parameter; 2],
    parameters: RelativeParameters<'_>,
    [length, memory]: [usize; 2],
) -> Tensor {
    let (keys, width) = (memory + length, x.width());
    let heads = HeadLayout { heads: 2, kv_heads: 2, head_dim: width / 2 };
    let rows = |first: usize, count: usize| -> Vec<u32> {
        (0..2).flat_map(|sequence| (sequence * keys + first..).take(count)).map(|row| row as u32).collect()
    };
    let earlier: Vec<u32> = (0..2 * memory as u32).map(|row| row % (2 * length) as u32).collect();
    let earlier = tape.rows(x, &earlier).unwrap();
    let all = tape.put_rows(&[(&earlier, &rows(0, memory)), (x, &rows(memory, length))], 2 * keys).unwrap();
    let packed = tape.linear(&all, pair, None).unwrap();
    let ranks: Vec<u32> = (0..2 * length as u32).map(|row| row * 7 % 5).collect();
    let limits = ranks.iter().map(|rank| rank + 1).collect();
    let mask = AttentionMask::full(2, length).in_order(ranks, limits).unwrap();
    let mask = mask.after_memory(memory, &[0, memory as u32]).unwrap();
    let places: Vec<u32> = (0..2 * length).map(|row| (memory + row % length) as u32).collect();
    let segments = |count: usize| (0..2 * count as u32).map(|row| row % 3 / 2).collect::<Vec<_>>();
    let places = RelativePlaces::new(places, keys - 1).with_segments(segments(length), segments(keys));
    let distances: Vec<u32> = (0..(keys + length - 1) as u32).collect();
    let distances = tape.embedding(&distances, of_distances).unwrap();
    tape.relative_attention([x, &packed, &distances], parameters, heads, &mask, &places, 0.2).unwrap()
}

/// Both cells, the convolution and the linear recurrence over two texts, the first of two documents, of which it adds the rows.
fn recurrent(
    tape: &Tape,
    x: &Tensor,
    cells: [&[Parameter; 2]; 2],
    into: [&Parameter; 2],
    [taps, vector, blocks]: [&Parameter; 3],
) -> Tensor {
    let length = x.rows() / 2;
    let starts: Vec<u32> = (0..2 * length)
        .map(|row| if row < length && row > length / 2 { length / 2 + 1 } else { 0 } as u32)
        .collect();
    let runs = Runs::of_texts(2, length, Some(&starts));
    let mut sum = x.clone();
    for ((cell, [weight, bias]), into) in
        [RecurrentCell::Lstm, RecurrentCell::Gru].into_iter().zip(cells).zip(into)
    {
        let gates = tape.linear(x, into, None).unwrap();
        let [y, _] = tape.recurrent(cell, &gates, [weight, bias], &runs, None).unwrap();
        sum = tape.add(&sum, &y).unwrap();
    }
    let [seen, _] = tape.causal_conv(x, [taps, vector], &runs, None).unwrap();
    let gate = tape.block_linear(&seen, [blocks, vector]).unwrap();
    let other = tape.scale(&gate, -0.7).unwrap();
    let [y, _] = tape.rg_lru([&seen, &gate, &other], vector, &runs, None).unwrap();
    tape.add(&sum, &y).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn odd_sizes(
        length in 1_usize..40,
        memory in 1_usize..20,
        heads in 1_usize..3,
        half in 1_usize..9,
        vocabulary in 2_usize..50,
        seed in 0_u64..1000,
    ) {
        let _held = crate::levels::hold();
        let sizes = Sizes { length, memory, heads, half, vocabulary };
        let expected = step(Device::reference(), sizes, seed);
        let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
        for device in Device::all() {
            for (a, b) in step(device, sizes, seed).iter().zip(&expected) {
                prop_assert!((a - b).abs() <= 2e-4 * largest, "{device:?}: {a}, expected {b}");
            }
        }
    }
}

#[test]
fn what_is_on_another_device_is_refused() {
    let mut builder = ParametersBuilder::new(1).on(Device::reference());
    let table = builder.add("table".into(), [3, 2], true, normal);
    let parameters = builder.finish();
    assert_eq!(parameters.device().name(), "reference");
    let (tape, other) = (Tape::training(), Tape::training().on(Device::reference()));
    let error = Error::Device { operation: "embedding", found: "reference", expected: "cpu" };
    assert_eq!(tape.embedding(&[0], &table).unwrap_err(), error);
    let x = other.embedding(&[0], &table).unwrap();
    let message = tape.scale(&x, 2.0).unwrap_err().to_string();
    assert_eq!(message, "scale: an input is on reference, expected it on cpu");
}

/// A layer and a head whose matrices are kept for inference alone, in the same values as those of training.
#[test]
fn matrices_for_inference() {
    let _held = crate::levels::hold();
    for (device, dtype) in
        Device::all().into_iter().flat_map(|device| [(device, DType::F32), (device, DType::Bf16)])
    {
        let declare = |mut builder: ParametersBuilder| {
            let mut add = |name: &str, axes: &[usize]| builder.add(name.into(), axes, true, normal);
            let parameters = [add("table", &[70, 33]), add("weight", &[33, 33]), add("bias", &[33])];
            (builder.finish(), parameters)
        };
        let run = |[table, weight, bias]: &[Parameter; 3]| {
            let tape = Tape::inference().on(device);
            let x = tape.embedding(&[69, 0, 7, 3, 64, 1, 2], table).unwrap();
            let x = tape.linear_add(&x, &x, weight, Some(bias)).unwrap();
            let x = tape.linear_activation(&x, weight, Some(bias), Activation::Silu).unwrap();
            let logits = tape.logits(&x, table).unwrap().to_host();
            let rows = LossRows { targets: &[0, 1, 2, 3, 4, 5, 6], weights: &[1.0; 7] };
            let losses = tape.cross_entropy(&HeadLoss::new(&x, table, rows)).unwrap().rows;
            [logits, losses].concat()
        };
        let (_, plain) = declare(ParametersBuilder::new(3).on(device));
        let (all, kept) = declare(ParametersBuilder::inference(dtype).on(device));
        for (plain, kept) in plain.iter().zip(&kept) {
            kept.from_host(&plain.to_host());
            let is_matrix = kept.shape().axes().len() == 2;
            assert_eq!((kept.entry().is_for_inference(), kept.entry().is_trainable()), (is_matrix, false));
            plain.from_host(&kept.to_host());
        }
        assert_eq!((all.count(), all.length()), (70 * 33 + 33 * 33 + 33, 64));
        for (a, b) in run(&kept).iter().zip(run(&plain)) {
            assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{device:?} {dtype:?}: {a}, expected {b}");
        }
    }
}

/// The blocks of random rows.
fn blocks(block: BlockType, rows: usize, width: usize, seed: u64) -> QuantisedRows {
    let mut bytes = Vec::new();
    for row in 0..rows {
        let mut values = vec![0.0; width];
        normal(&mut values, Random::new(seed).stream(row as u64));
        block.quantize(&values, None, &mut bytes);
    }
    QuantisedRows::new(block, rows, width, Bytes::from(bytes))
}

/// A layer and a head of quantised blocks, of each type, against the reference, which rounds the rows alike. What a layer gives is
/// rounded again by the next, where a small difference may make it another number of 8 bits.
#[test]
fn matrices_of_quantised_blocks() {
    let _held = crate::levels::hold();
    for block in BlockType::ALL {
        let width = block.width().max(64);
        let run = |device: Device| {
            let mut builder = ParametersBuilder::inference(DType::F32).on(device);
            let table = builder.add("table".into(), [70, width], true, normal);
            let weight = builder.add("weight".into(), [width, width], true, normal);
            let bias = builder.add("bias".into(), [width], false, normal);
            let _all = builder.finish();
            let [first, second] = [width / 2 + 1, width / 2 - 1];
            table.set_quantised(&[blocks(block, 70, width, 1)]).unwrap();
            let parts = [blocks(block, first, width, 2), blocks(BlockType::Q4_1, second, width, 3)];
            weight.set_quantised(&parts).unwrap();
            bias.from_host(&(0..width).map(|i| (i % 7) as f32 / 10.0).collect::<Vec<_>>());
            let tape = Tape::inference().on(device);
            let x = tape.embedding(&[69, 0, 7, 3, 64, 1, 2], &table).unwrap();
            let added = tape.linear_add(&x, &x, &weight, Some(&bias)).unwrap().to_host();
            let activated =
                tape.linear_activation(&x, &weight, Some(&bias), Activation::Silu).unwrap().to_host();
            let logits = tape.logits(&x, &table).unwrap().to_host();
            let rows = LossRows { targets: &[0, 1, 2, 3, 4, 5, 6], weights: &[1.0; 7] };
            let losses = tape.cross_entropy(&HeadLoss::new(&x, &table, rows)).unwrap().rows;
            [table.to_host(), weight.to_host(), added, activated, logits, losses].concat()
        };
        let expected = run(Device::reference());
        for device in Device::all() {
            for (a, b) in run(device).iter().zip(&expected) {
                assert!((a - b).abs() < 2e-5 * (1.0 + b.abs()), "{device:?} {block}: {a}, expected {b}");
            }
        }
    }
}

/// Wrong rows are refused, and leave the matrix as it was.
#[test]
fn quantised_rows_that_do_not_fit_are_refused() {
    let mut builder = ParametersBuilder::inference(DType::F32);
    let weight = builder.add("weight".into(), [3, 64], true, normal);
    let bias = builder.add("bias".into(), [64], false, normal);
    let _all = builder.finish();
    let good = blocks(BlockType::Q8_0, 3, 64, 1);
    weight.set_quantised(std::slice::from_ref(&good)).unwrap();
    let before = weight.to_host();
    let message = |parameter: &Parameter, rows: QuantisedRows| {
        parameter.set_quantised(&[rows]).unwrap_err().to_string()
    };
    let with = |block, rows, width| QuantisedRows::new(block, rows, width, good.bytes.clone());
    for (rows, expected) in [
        (with(BlockType::Q4_K, 3, 64), "set_quantised: rows of 64 are no whole blocks of 256 numbers (Q4_K)"),
        (with(BlockType::Q4_0, 3, 64), "set_quantised: 3 rows of 64 in Q4_0 are not 204 bytes"),
        (with(BlockType::Q8_0, 6, 32), "set_quantised: rows of 32 do not fill a matrix of rows of 64"),
        (blocks(BlockType::Q8_0, 2, 64, 1), "set_quantised: 2 rows do not fill a matrix of 3"),
        (good.clone().ordered([0, 1]), "set_quantised: 3 rows have an order of 2"),
        (good.clone().ordered([0, 1, 3]), "set_quantised: index 3 is outside 0..3"),
    ] {
        assert_eq!(message(&weight, rows), expected);
    }
    let expected = "set_quantised: bias is no matrix for inference, and keeps f32";
    assert_eq!(message(&bias, good.clone()), expected);
    assert_eq!(weight.to_host(), before);
    weight.set(|values| values[0] += 1.0);
    assert_eq!(weight.to_host()[0], before[0] + 1.0);
}

#[test]
fn a_matrix_for_inference_has_no_backward() {
    let mut builder = ParametersBuilder::inference(DType::F32);
    let weight = builder.add("weight".into(), [2, 2], true, normal);
    let _all = builder.finish();
    weight.from_host(&[1.0, 2.0, 3.0, 4.0]);
    let mut builder = ParametersBuilder::new(1);
    let table = builder.add("table".into(), [3, 2], true, normal);
    let _all = builder.finish();
    let tape = Tape::training();
    let x = tape.embedding(&[0], &table).unwrap();
    let error = tape.linear(&x, &weight, None).unwrap_err();
    assert_eq!(error, Error::NoBackward { operation: "linear" });
}

/// Gradients of several passes, each in a block of its own.
#[test]
fn blocks_of_gradients_are_put_aside_and_added() {
    let _held = crate::levels::hold();
    for device in Device::all() {
        let mut builder = ParametersBuilder::new(1).on(device);
        let table = builder.add("table".into(), [3, 2], true, normal);
        let all = builder.finish();
        let tape = Tape::training().on(device);
        let pass = |weight: f32| {
            let x = tape.embedding(&[1], &table).unwrap();
            tape.backward(&tape.weighted_sum(&x, &[weight, 2.0 * weight]).unwrap()).unwrap();
        };
        pass(1.0);
        let mut first = all.replace_gradients(all.zero_gradients());
        assert!(table.gradient().iter().all(|&value| value == 0.0), "{device:?}");
        pass(10.0);
        first.add(&all.replace_gradients(all.zero_gradients()));
        let mut last = all.replace_gradients(first);
        assert_eq!(table.gradient(), [0.0, 0.0, 11.0, 22.0, 0.0, 0.0], "{device:?}");
        last.clear();
        assert!(last.to_host().iter().all(|&value| value == 0.0));
    }
}

/// A frozen bias takes no part in the gradients of the others.
#[test]
fn freezing_a_bias_changes_no_other_gradient() {
    let _held = crate::levels::hold();
    for (device, precision) in
        Device::all().into_iter().flat_map(|device| [(device, Precision::F32), (device, Precision::Bf16)])
    {
        let run = |is_frozen: bool| {
            let mut builder = ParametersBuilder::new(3).on(device);
            let mut add = |name: &str, axes: &[usize]| builder.add(name.into(), axes, true, normal);
            let (table, weight, bias) =
                (add("table", &[9, 40]), add("weight", &[40, 40]), add("bias", &[40]));
            let _all = builder.finish();
            bias.entry().set_trainable(!is_frozen);
            let tape = Tape::training().on(device).with_precision(precision);
            let x = tape.embedding(&[0, 1, 2, 3, 4, 5, 6, 7, 8], &table).unwrap();
            let x = tape.linear_add(&x, &x, &weight, Some(&bias)).unwrap();
            let x = tape.linear_activation(&x, &weight, Some(&bias), Activation::Silu).unwrap();
            let rows = LossRows { targets: &[0, 1, 2, 3, 4, 5, 6, 7, 8], weights: &[0.1; 9] };
            tape.backward_losses(&[HeadLoss::new(&x, &table, rows)]).unwrap();
            [&table, &weight].map(Parameter::gradient)
        };
        assert!(run(true) == run(false), "{device:?} {precision:?}");
    }
}
