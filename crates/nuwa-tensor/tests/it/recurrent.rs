//! Layers that carry a state along: in one go or row by row, alone or beside others, by any number of threads.

use nuwa_tensor::{
    Device, HeadLoss, LossRows, Parameter, ParametersBuilder, Precision, Random, RecurrentCell, Result, Runs,
    Tape, Tensor,
};

const WIDTH: usize = 24;

/// An operation over rows, with its parameters and the state that it goes on from.
type Operation = fn(&Tape, &Tensor, &[Parameter], &Runs, Option<&Tensor>) -> Result<[Tensor; 2]>;

/// A layer: what goes in, the width of its state, and the operation.
struct Layer {
    name: &'static str,
    input: usize,
    state: usize,
    operation: Operation,
    shapes: &'static [&'static [usize]],
}

const LAYERS: [Layer; 4] = [
    Layer {
        name: "lstm",
        input: 4 * WIDTH,
        state: 2 * WIDTH,
        operation: |tape, x, p, runs, state| {
            tape.recurrent(RecurrentCell::Lstm, x, [&p[0], &p[1]], runs, state)
        },
        shapes: &[&[4 * WIDTH, WIDTH], &[4 * WIDTH]],
    },
    Layer {
        name: "gru",
        input: 3 * WIDTH,
        state: WIDTH,
        operation: |tape, x, p, runs, state| {
            tape.recurrent(RecurrentCell::Gru, x, [&p[0], &p[1]], runs, state)
        },
        shapes: &[&[3 * WIDTH, WIDTH], &[3 * WIDTH]],
    },
    Layer {
        name: "causal_conv",
        input: WIDTH,
        state: 3 * WIDTH,
        operation: |tape, x, p, runs, state| tape.causal_conv(x, [&p[0], &p[1]], runs, state),
        shapes: &[&[WIDTH, 1, 4], &[WIDTH]],
    },
    Layer {
        name: "rg_lru",
        input: WIDTH,
        state: WIDTH,
        operation: |tape, x, p, runs, state| {
            let gate = tape.block_linear(x, [&p[0], &p[1]])?;
            tape.rg_lru([x, &gate, x], &p[1], runs, state)
        },
        shapes: &[&[3, WIDTH / 3, WIDTH / 3], &[WIDTH]],
    },
];

fn normal(values: &mut [f32], random: Random) {
    random.fill_normal(values, 0.5);
}

/// The parameters of a layer on a device, and as many rows of input as are asked for.
fn made(layer: &Layer, device: Device, rows: usize) -> (Vec<Parameter>, Vec<f32>) {
    let mut builder = ParametersBuilder::new(5).on(device);
    let each = layer.shapes.iter().enumerate();
    let parameters = each.map(|(i, axes)| builder.add(format!("p{i}"), *axes, true, normal)).collect();
    let _all = builder.finish();
    let mut values = vec![0.0; rows * layer.input];
    Random::new(3).fill_normal(&mut values, 1.0);
    (parameters, values)
}

/// Three texts in one go, and in pieces beside each other, of which one ends early: states go from piece to piece.
#[test]
fn pieces_equal_the_whole() {
    let _held = crate::levels::hold();
    for (device, layer) in
        Device::all().into_iter().flat_map(|device| LAYERS.iter().map(move |layer| (device, layer)))
    {
        let (parameters, values) = made(layer, device, 30);
        let tape = Tape::inference().batch_invariant().on(device);
        let run = |rows: &[usize], runs: &Runs, state: Option<&Tensor>| {
            let of = |row: &usize| &values[row * layer.input..][..layer.input];
            let x: Vec<f32> = rows.iter().flat_map(of).copied().collect();
            let x = tape.constant([rows.len(), layer.input], &x).unwrap();
            (layer.operation)(&tape, &x, &parameters, runs, state).unwrap()
        };
        let all: Vec<usize> = (0..30).collect();
        let [whole, last] = run(&all, &Runs::of_texts(3, 10, None), None);
        let mut states = tape.constant([3, layer.state], &vec![0.0; 3 * layer.state]).unwrap();
        // How far each of the texts is after each pass; a pass may hold nothing of one of them.
        let passes = [[4, 1, 0], [5, 1, 7], [10, 9, 8], [10, 10, 10]];
        let mut before = [0; 3];
        for after in passes {
            let pieces = (0..3).map(|text| (after[text] - before[text], before[text] == 0));
            let rows: Vec<usize> =
                (0..3).flat_map(|text| (before[text]..after[text]).map(move |at| 10 * text + at)).collect();
            let [part, next] = run(&rows, &Runs::following(pieces), Some(&states));
            for (index, row) in rows.iter().enumerate() {
                let (found, expected) = (part.row_to_host(index), whole.row_to_host(*row));
                assert!(is_equal(device, &found, &expected), "{} on {device:?}: row {row}", layer.name);
            }
            (states, before) = (next, after);
        }
        assert!(is_equal(device, &states.to_host(), &last.to_host()), "{} on {device:?}", layer.name);
    }
}

/// To the last bit, but for the reference, which rounds a state only where a pass ends.
fn is_equal(device: Device, found: &[f32], expected: &[f32]) -> bool {
    match device == Device::reference() {
        true => found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
        false => found == expected,
    }
}

/// The gradients of texts that are packed in one row are those of the texts alone.
#[test]
fn documents_learn_alone() {
    let _held = crate::levels::hold();
    for (device, layer) in
        Device::all().into_iter().flat_map(|device| LAYERS.iter().map(move |layer| (device, layer)))
    {
        let (_, values) = made(layer, device, 9);
        let gradients = |parts: &[(std::ops::Range<usize>, &[u32])]| {
            let mut builder = ParametersBuilder::new(5).on(device);
            let each = layer.shapes.iter().enumerate();
            let own: Vec<Parameter> =
                each.map(|(i, axes)| builder.add(format!("p{i}"), *axes, true, normal)).collect();
            let all = builder.finish();
            let tape = Tape::training().on(device);
            for (rows, starts) in parts {
                let x = &values[rows.start * layer.input..rows.end * layer.input];
                let x = tape.constant([rows.len(), layer.input], x).unwrap();
                let runs = Runs::of_texts(1, rows.len(), Some(starts));
                let [y, _] = (layer.operation)(&tape, &x, &own, &runs, None).unwrap();
                let slopes: Vec<f32> =
                    (rows.start * WIDTH..rows.end * WIDTH).map(|i| (i as f32 * 0.3).cos()).collect();
                tape.backward(&tape.weighted_sum(&y, &slopes).unwrap()).unwrap();
            }
            all.gradients_to_host()
        };
        let packed = gradients(&[(0..9, &[0, 0, 2, 2, 2, 2, 6, 6, 6])]);
        let alone = gradients(&[(0..2, &[0; 2]), (2..6, &[0; 4]), (6..9, &[0; 3])]);
        for (a, b) in packed.iter().zip(&alone) {
            assert!((a - b).abs() < 2e-4 * (1.0 + b.abs()), "{} on {device:?}: {a} {b}", layer.name);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let _held = crate::levels::hold();
    for (precision, layer) in
        [Precision::F32, Precision::Bf16].into_iter().flat_map(|p| LAYERS.iter().map(move |layer| (p, layer)))
    {
        let run = |threads: usize| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let mut builder = ParametersBuilder::new(3);
                let table = builder.add("table".into(), [50, 40], true, normal);
                let into = builder.add("into".into(), [layer.input, 40], true, normal);
                let head = builder.add("head".into(), [50, WIDTH], true, normal);
                let each = layer.shapes.iter().enumerate();
                let own: Vec<Parameter> =
                    each.map(|(i, axes)| builder.add(format!("p{i}"), *axes, true, normal)).collect();
                let all = builder.finish();
                let tape = Tape::training().with_precision(precision);
                let ids: Vec<u32> = (0..1200).map(|i| i * 7 % 50).collect();
                let x = tape.linear(&tape.embedding(&ids, &table).unwrap(), &into, None).unwrap();
                let [y, last] =
                    (layer.operation)(&tape, &x, &own, &Runs::of_texts(24, 50, None), None).unwrap();
                let rows = LossRows { targets: &ids, weights: &[1.0 / 1200.0; 1200] };
                let loss = tape.backward_losses(&[HeadLoss::new(&y, &head, rows)]).unwrap().remove(0);
                (y.to_host(), last.to_host(), loss.rows, all.gradients_to_host())
            })
        };
        let one = run(1);
        assert!(one.3.iter().all(|slope| slope.is_finite()), "{} in {precision:?}", layer.name);
        assert!(
            one == run(2) && one == run(5),
            "{} in {precision:?} depends on the number of threads",
            layer.name
        );
    }
}

#[test]
fn misfits_are_errors_that_name_what_is_wrong() {
    let _held = crate::levels::hold();
    let mut builder = ParametersBuilder::new(1);
    let weight = builder.add("weight".into(), [8, 2], true, normal);
    let bias = builder.add("bias".into(), [8], false, normal);
    let vector = builder.add("vector".into(), [2], false, normal);
    let _all = builder.finish();
    let tape = Tape::inference();
    let [gates, x] = [8, 2].map(|width| tape.constant([3, width], &vec![0.0; 3 * width]).unwrap());
    let runs = Runs::of_texts(1, 3, None);
    let of = |gates: &Tensor, cell, runs: &Runs, state: Option<&Tensor>| {
        tape.recurrent(cell, gates, [&weight, &bias], runs, state).unwrap_err().to_string()
    };
    assert_eq!(
        of(&gates, RecurrentCell::Gru, &runs, None),
        "recurrent: Gru of 3 gates got rows of shape [3, 8], weight has shape [8, 2], its bias [8]"
    );
    let lstm = RecurrentCell::Lstm;
    assert_eq!(of(&gates, lstm, &Runs::of_texts(2, 2, None), None), "recurrent: 3 rows, but the runs have 4");
    assert_eq!(
        of(&gates, lstm, &Runs::following([(1, true), (2, false)]), None),
        "recurrent: run 1 goes on from a state, and none is given"
    );
    assert_eq!(
        of(&gates, lstm, &runs, Some(&x)),
        "recurrent: a state has shape [3, 2], expected 1 runs of 4 numbers"
    );
    let conv = tape.causal_conv(&x, [&weight, &vector], &runs, None).unwrap_err().to_string();
    assert_eq!(
        conv,
        "causal_conv: x has shape [3, 2], weight has shape [8, 2], its bias [2]; expected [2, 1, taps] and [2]"
    );
    let blocks = tape.block_linear(&x, [&weight, &vector]).unwrap_err().to_string();
    assert_eq!(
        blocks,
        "block_linear: x has shape [3, 2], weight has shape [8, 2], its bias [2]; expected [groups, size, size] of 2 features in all"
    );
    let gate = tape.rg_lru([&x, &gates, &x], &vector, &runs, None).unwrap_err().to_string();
    assert_eq!(gate, "rg_lru: x has shape [3, 2] in F32, a gate has shape [3, 8] in F32");
}
