//! What must hold whatever the numbers: determinism, errors.

use nuwa_tensor::{
    AdamWSettings, AttentionMask, AttentionOptions, Device, Error, HeadLayout, HeadLoss, LossRows,
    OptimizerState, Parameter, Parameters, ParametersBuilder, Precision, Random, Tape, Tensor,
};

fn normal(values: &mut [f32], random: Random) {
    random.fill_normal(values, 0.5);
}

fn one_parameter(axes: &[usize]) -> (Parameters, Parameter) {
    let mut builder = ParametersBuilder::new(3);
    let parameter = builder.add("weight".into(), axes, true, normal);
    (builder.finish(), parameter)
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let _held = crate::levels::hold();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut builder = ParametersBuilder::new(3);
            let table = builder.add("table".into(), [50, 96], true, normal);
            let norm = builder.add("norm".into(), [96], false, normal);
            let bias = builder.add("bias".into(), [96], false, normal);
            let weight = builder.add("weight".into(), [96, 96], true, normal);
            let all = builder.finish();
            let tape = Tape::training();
            let ids: Vec<u32> = (0..1024).map(|i| i * 7 % 50).collect();
            let x = tape.embedding(&ids, &table).unwrap();
            let x =
                tape.linear(&tape.layer_norm(&x, &norm, &bias, 1e-5).unwrap(), &weight, Some(&bias)).unwrap();
            let heads = HeadLayout { heads: 2, kv_heads: 2, head_dim: 16 };
            let y = tape
                .attention(&x, heads, &AttentionMask::causal(4, 256), AttentionOptions::default())
                .unwrap();
            assert_eq!(y.width(), 32);
            let rows = LossRows { targets: &ids, weights: &[1.0 / 1024.0; 1024] };
            let loss = tape.backward_losses(&[HeadLoss::new(&x, &table, rows)]).unwrap().remove(0);
            let gradients = all.gradients_to_host();
            (y.to_host(), loss.rows, gradients)
        })
    };
    assert!(run(1) == run(2) && run(1) == run(5), "results depend on the number of threads");
}

/// Two layers that read the same rows besides their own, as those of a decoder read what an encoder made.
#[test]
fn what_several_blocks_read_gets_the_same_gradient_where_they_are_computed_again() {
    let _held = crate::levels::hold();
    for (device, precision) in
        Device::all().into_iter().flat_map(|device| [(device, Precision::F32), (device, Precision::Bf16)])
    {
        let run = |recompute: bool| {
            let mut builder = ParametersBuilder::new(3).on(device);
            let table = builder.add("table".into(), [50, 96], true, normal);
            let weights = ["a", "b", "c"].map(|name| builder.add(name.into(), [96, 96], true, normal));
            let all = builder.finish();
            let tape = Tape::training().on(device).with_precision(precision);
            let ids: Vec<u32> = (0..70).map(|i| i * 7 % 50).collect();
            let mut x = tape.embedding(&ids, &table).unwrap();
            let memory = tape.linear(&x, &weights[0], None).unwrap();
            for weight in &weights[1..] {
                let weight = weight.clone();
                let block = move |tape: &Tape, inputs: &[Tensor]| {
                    let own = tape.linear(&tape.fork(&inputs[1])?, &weight, None)?;
                    tape.linear_add(&inputs[0], &tape.multiply(&own, &own)?, &weight, None)
                };
                x = match recompute {
                    true => tape.recomputed_from(&[&x, &memory], block).unwrap(),
                    false => block(&tape, &[x, memory.clone()]).unwrap(),
                };
            }
            let rows = LossRows { targets: &ids, weights: &[1.0 / 70.0; 70] };
            let loss = tape.backward_losses(&[HeadLoss::new(&x, &table, rows)]).unwrap().remove(0);
            (loss.rows, all.gradients_to_host())
        };
        let (found, again) = (run(false), run(true));
        assert!(found == again, "{device:?} {precision:?}: other bits where it is computed again");
        assert!(found.1.iter().all(|slope| slope.is_finite()) && found.1.iter().any(|slope| *slope != 0.0));
    }
}

#[test]
fn long_sequences_cross_key_blocks() {
    let _held = crate::levels::hold();
    // 600 positions are three blocks of keys: the running softmax must agree with a direct one.
    let heads = HeadLayout { heads: 1, kv_heads: 1, head_dim: 8 };
    let length = 600;
    let tape = Tape::inference();
    let mut values = vec![0.0; length * heads.width()];
    Random::new(2).fill_normal(&mut values, 2.0);
    let qkv = tape.constant([length, heads.width()], &values).unwrap();
    let y =
        tape.attention(&qkv, heads, &AttentionMask::causal(1, length), AttentionOptions::default()).unwrap();
    for i in [0, 63, 64, 255, 256, 511, 512, 599] {
        let part = |row: usize, offset: usize| &values[row * 24 + offset..row * 24 + offset + 8];
        let scores: Vec<f64> = (0..=i)
            .map(|j| {
                part(i, 0).iter().zip(part(j, 8)).map(|(a, b)| f64::from(a * b)).sum::<f64>() / 8_f64.sqrt()
            })
            .collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
        for dim in 0..8 {
            let exact: f64 =
                (0..=i).map(|j| (scores[j] - largest).exp() / total * f64::from(part(j, 16)[dim])).sum();
            assert!((exact - f64::from(y.row_to_host(i)[dim])).abs() < 1e-5, "row {i}, feature {dim}");
        }
    }
}

#[test]
fn misfits_are_errors_that_name_the_shapes() {
    let _held = crate::levels::hold();
    let (_all, weight) = one_parameter(&[4, 3]);
    let tape = Tape::training();
    let x = tape.constant([2, 5], &[0.0; 10]).unwrap();
    let message = |error: Error| error.to_string();
    assert_eq!(
        message(tape.linear(&x, &weight, None).unwrap_err()),
        "linear: x has shape [2, 5], weight weight has shape [4, 3]"
    );
    assert_eq!(message(tape.embedding(&[1, 9], &weight).unwrap_err()), "embedding: index 9 is outside 0..4");
    let x = tape.constant([2, 3], &[0.0; 6]).unwrap();
    let rows = LossRows { targets: &[0, 1], weights: &[0.0, 0.0] };
    assert_eq!(tape.cross_entropy(&HeadLoss::new(&x, &weight, rows)).unwrap_err(), Error::EmptyLoss);
    let rows = LossRows { targets: &[0, 1], weights: &[1.0, 1.0] };
    let loss = HeadLoss { label_smoothing: 1.0, ..HeadLoss::new(&x, &weight, rows) };
    assert_eq!(
        message(tape.cross_entropy(&loss).unwrap_err()),
        "cross_entropy: label_smoothing is 1, expected at least 0 and below 1"
    );
    let loss = HeadLoss { z_loss: -0.1, ..HeadLoss::new(&x, &weight, rows) };
    assert_eq!(
        tape.cross_entropy(&loss).unwrap_err().to_string(),
        "cross_entropy: z_loss is -0.1, expected 0 or more"
    );
    let loss = HeadLoss { bias: Some(&weight), ..HeadLoss::new(&x, &weight, rows) };
    assert_eq!(
        message(tape.cross_entropy(&loss).unwrap_err()),
        "cross_entropy: the head has 4 rows, its bias has shape [4, 3]"
    );
    weight.entry().set_trainable(false);
    assert_eq!(
        message(tape.backward_losses(&[HeadLoss::new(&x, &weight, rows)]).unwrap_err()),
        "backward: the losses do not depend on any trainable parameter of this tape"
    );
    assert_eq!(message(tape.rows(&x, &[0, 2]).unwrap_err()), "rows: index 2 is outside 0..2");
}

#[test]
fn an_operation_without_a_backward_refuses_to_be_tracked() {
    let _held = crate::levels::hold();
    let (_all, weight) = one_parameter(&[4, 3]);
    let tape = Tape::training();
    let x = tape.embedding(&[0, 1], &weight).unwrap();
    assert_eq!(tape.logits(&x, &weight).unwrap_err(), Error::NoBackward { operation: "logits" });
}

#[test]
fn a_tensor_of_an_earlier_pass_is_refused() {
    let _held = crate::levels::hold();
    let (_all, weight) = one_parameter(&[4, 3]);
    let tape = Tape::training();
    let x = tape.embedding(&[0, 1], &weight).unwrap();
    tape.discard();
    assert!(matches!(tape.add(&x, &x).unwrap_err(), Error::Backward(_)));
}

#[test]
fn a_frozen_parameter_gets_no_gradient_and_does_not_change() {
    let _held = crate::levels::hold();
    let (all, weight) = one_parameter(&[4, 3]);
    weight.entry().set_trainable(false);
    let tape = Tape::training();
    let x = tape.embedding(&[0, 1], &weight).unwrap();
    assert!(!x.is_tracked());
    assert!(tape.backward(&x).is_err());
    assert_eq!(weight.gradient(), vec![0.0; 12]);
    all.clear_gradients();
}

#[test]
fn a_second_pass_uses_the_same_buffers() {
    let _held = crate::levels::hold();
    let (_all, weight) = one_parameter(&[64, 64]);
    let tape = Tape::training();
    let step = || {
        let x = tape.embedding(&[0, 1, 2, 3], &weight).unwrap();
        let y = tape.linear(&x, &weight, None).unwrap();
        let rows = LossRows { targets: &[0, 1, 2, 3], weights: &[0.25; 4] };
        tape.backward_losses(&[HeadLoss::new(&y, &weight, rows)]).unwrap();
    };
    step();
    let peak = tape.peak_bytes();
    step();
    step();
    assert_eq!(tape.peak_bytes(), peak);
}

/// Products in bf16 read packed weights, which are kept from step to step: whatever changes the values must change them, too.
#[test]
fn packed_weights_follow_their_values() {
    let _held = crate::levels::hold();
    for [vocabulary, width] in [[37, 50], [64, 96], [130, 33]] {
        let build = || {
            let mut builder = ParametersBuilder::new(7);
            let table = builder.add("table".into(), [vocabulary, width], true, normal);
            let weight = builder.add("weight".into(), [width, width], true, normal);
            (builder.finish(), table, weight)
        };
        let (all, table, weight) = build();
        let ids: Vec<u32> = (0..24).map(|i| i * 5 % vocabulary as u32).collect();
        let run = |tape: &Tape, table: &Parameter, weight: &Parameter, is_backward: bool| {
            let x = tape.linear(&tape.embedding(&ids, table).unwrap(), weight, None).unwrap();
            let loss = HeadLoss::new(&x, table, LossRows { targets: &ids, weights: &[0.1; 24] });
            let loss = match is_backward {
                true => tape.backward_losses(&[loss]).unwrap().remove(0),
                false => tape.cross_entropy(&loss).unwrap(),
            };
            (x.to_host(), loss)
        };
        let training = || Tape::training().with_precision(Precision::Bf16);
        let tape = training();
        let is_as_fresh = |what: &str| {
            let (fresh, fresh_table, fresh_weight) = build();
            fresh.from_host(&all.to_host());
            let (expected, expected_loss) = run(&training(), &fresh_table, &fresh_weight, false);
            let (y, loss) = run(&tape, &table, &weight, false);
            assert!(y == expected && loss.rows == expected_loss.rows, "{what}: {vocabulary} x {width}");
            let (y, _) = run(&tape.for_inference(), &table, &weight, false);
            assert!(y == expected, "{what}, without recording: {vocabulary} x {width}");
            tape.discard();
        };
        let settings = AdamWSettings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, clip: 1.0 };
        let mut optimizer = OptimizerState::new(&all);
        for (what, is_held, is_frozen) in
            [("a step", false, false), ("held", true, false), ("frozen", false, true)]
        {
            weight.entry().set_trainable(!is_frozen);
            run(&tape, &table, &weight, true);
            let holder = training();
            let held = is_held.then(|| run(&holder, &table, &weight, false));
            let before = all.to_host();
            optimizer.step(&all, &settings, 1e-2);
            assert!(all.to_host() != before, "{what} changed nothing");
            drop(held);
            is_as_fresh(what);
        }
        weight.set(|values| values[3] += 1.0);
        is_as_fresh("set");
        all.set(|values| values[5] += 1.0);
        is_as_fresh("values_mut");
    }
}
