//! Each gradient against central differences, on every device.
//!
//! The loss is a fixed random weighting of the output, made by a cross-entropy head so that it is a scalar root. With a
//! step of 1e-2 in f32 the difference quotient is good to about 2e-3 relative to the largest gradient.

use std::sync::Arc;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{
    AttentionBias, AttentionMask, AttentionOptions, BatchNormParameters, BatchStatistics, Device,
    ExpertWeights, HeadLayout, HeadLoss, Loss, LossRows, Parameter, Parameters, ParametersBuilder, Random,
    RecurrentCell, RelativeBuckets, RelativeParameters, RelativePlaces, Result, RotaryTable,
    RouterCoefficients, RouterLog, Routing, Runs, Tape, Tensor,
};

const STEP: f32 = 1e-2;
const TOLERANCE: f32 = 4e-3;

/// Builds a tensor from the input rows and the parameters.
type Operation<'a> = &'a dyn Fn(&Tape, &Tensor, &[Parameter]) -> Result<Tensor>;

/// An operation under test.
struct Case<'a> {
    rows: usize,
    input_width: usize,
    output_width: usize,
    parameters: &'a [(&'static str, &'static [usize])],
    operation: Operation<'a>,
}

struct Setup {
    all: Parameters,
    table: Parameter,
    head: Parameter,
    own: Vec<Parameter>,
}

fn setup(case: &Case<'_>, device: Device) -> Setup {
    let mut builder = ParametersBuilder::new(11).on(device);
    let normal =
        |deviation: f32| move |values: &mut [f32], random: Random| random.fill_normal(values, deviation);
    let table = builder.add("input".into(), [case.rows, case.input_width], true, normal(0.8));
    let own = case
        .parameters
        .iter()
        .map(|&(name, axes)| builder.add(name.into(), axes, true, normal(0.7)))
        .collect();
    let head = builder.add("head".into(), [5, case.output_width], true, normal(0.6));
    Setup { all: builder.finish(), table, head, own }
}

/// The input rows are an embedding of 0, 1, 2, ..., so that their gradient lands in a parameter too.
fn loss(case: &Case<'_>, setup: &Setup, tape: &Tape, is_backward: bool) -> Result<f32> {
    tape.set_random(Random::new(5));
    let ids: Vec<u32> = (0..case.rows as u32).collect();
    let x = tape.embedding(&ids, &setup.table)?;
    let y = (case.operation)(tape, &x, &setup.own)?;
    let targets: Vec<u32> = (0..y.rows() as u32).map(|i| i % 5).collect();
    let weights: Vec<f32> = (0..y.rows()).map(|i| 0.5 + i as f32 / y.rows() as f32).collect();
    let loss = HeadLoss::new(&y, &setup.head, LossRows { targets: &targets, weights: &weights });
    let total = |loss: Loss| loss.total;
    if is_backward {
        return Ok(tape.backward_losses(&[loss])?.into_iter().map(total).sum());
    }
    let value = tape.cross_entropy(&loss).map(total);
    tape.discard();
    value
}

fn check(name: &str, case: &Case<'_>) {
    Device::all().into_iter().for_each(|device| check_on(device, &format!("{name} on {device:?}"), case));
}

fn check_on(device: Device, name: &str, case: &Case<'_>) {
    check_with(&Tape::training().on(device), name, case);
}

fn check_with(tape: &Tape, name: &str, case: &Case<'_>) {
    let setup = setup(case, tape.device());
    loss(case, &setup, tape, true).unwrap();
    // A training tape that is discarded: what is dropped is drawn alike each time.
    let value = || f64::from(loss(case, &setup, tape, false).unwrap());
    for parameter in setup.all.iter() {
        compare(&format!("{name}: {}", parameter.entry().path()), parameter, &value);
    }
}

/// The gradient of a parameter against the differences of `value`.
fn compare(name: &str, parameter: &Parameter, value: &dyn Fn() -> f64) {
    let analytic = parameter.gradient();
    let largest = analytic.iter().fold(1e-3_f32, |a, g| a.max(g.abs()));
    assert!(analytic.iter().any(|&g| g != 0.0), "{name} got no gradient");
    for index in 0..analytic.len() {
        let original = parameter.to_host()[index];
        let at = |x: f32| {
            parameter.set(|values| values[index] = x);
            value()
        };
        let numeric = (at(original + STEP) - at(original - STEP)) / f64::from(2.0 * STEP);
        at(original);
        let error = (numeric as f32 - analytic[index]).abs();
        assert!(
            error <= TOLERANCE * largest,
            "{name}[{index}]: backward {}, difference {numeric}, largest {largest}",
            analytic[index],
        );
    }
}

#[test]
fn linear() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[("weight", &[4, 3]), ("bias", &[4])];
    let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| tape.linear(x, &p[0], Some(&p[1]));
    check("linear", &Case { rows: 5, input_width: 3, output_width: 4, parameters, operation: &operation });
}

#[test]
fn embedding_of_repeated_ids_and_residual_add() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[("table", &[3, 4])];
    let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
        let y = tape.embedding(&[2, 0, 2, 1, 2], &p[0])?;
        tape.add(&tape.add(x, &y)?, x)
    };
    check("embedding", &Case { rows: 5, input_width: 4, output_width: 4, parameters, operation: &operation });
}

#[test]
fn norms() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[("weight", &[7]), ("bias", &[7])];
    let layer = |tape: &Tape, x: &Tensor, p: &[Parameter]| tape.layer_norm(x, &p[0], &p[1], 1e-5);
    check("layer_norm", &Case { rows: 3, input_width: 7, output_width: 7, parameters, operation: &layer });
    let parameters: &[(&str, &[usize])] = &[("weight", &[7])];
    // The input is used twice, so that the gradient is added to an existing one.
    let root = |tape: &Tape, x: &Tensor, p: &[Parameter]| tape.add(x, &tape.rms_norm(x, &p[0], 1e-5)?);
    check("rms_norm", &Case { rows: 3, input_width: 7, output_width: 7, parameters, operation: &root });
    let around =
        |tape: &Tape, x: &Tensor, p: &[Parameter]| tape.add(x, &tape.rms_norm_around_one(x, &p[0], 1e-5)?);
    check("around one", &Case { rows: 3, input_width: 7, output_width: 7, parameters, operation: &around });
}

/// By the statistics of the rows, through which the gradient of one row reaches all others, and by running ones. The input is used
/// twice.
#[test]
fn batch_norm() {
    let _held = crate::levels::hold();
    for device in Device::all() {
        let mut builder = ParametersBuilder::new(2).on(device);
        let running_mean = builder.add_buffer("running_mean".into(), 7, 0.3);
        let running_variance = builder.add_buffer("running_var".into(), 7, 0.6);
        let _running = builder.finish();
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            let parameters = BatchNormParameters {
                weight: p[0].clone(),
                bias: p[1].clone(),
                running_mean: running_mean.clone(),
                running_variance: running_variance.clone(),
            };
            tape.add(x, &tape.batch_norm(x, &parameters, 1e-5)?)
        };
        let parameters: &[(&str, &[usize])] = &[("weight", &[7]), ("bias", &[7])];
        let case = Case { rows: 6, input_width: 7, output_width: 7, parameters, operation: &operation };
        check_on(device, &format!("running on {device:?}"), &case);
        let statistics = Arc::new(BatchStatistics::default());
        let tape = Tape::training().on(device).with_batch_statistics(&statistics);
        check_with(&tape, &format!("of the rows on {device:?}"), &case);
    }
}

#[test]
fn norms_of_heads() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 3 };
    let each: &[(&str, &[usize])] = &[("queries", &[3]), ("keys", &[3])];
    let whole: &[(&str, &[usize])] = &[("queries", &[12]), ("keys", &[6])];
    for parameters in [each, whole] {
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            tape.add(x, &tape.head_norm(x, heads, [&p[0], &p[1]], 1e-5)?)
        };
        let width = heads.width();
        let case =
            Case { rows: 3, input_width: width, output_width: width, parameters, operation: &operation };
        check("head_norm", &case);
    }
}

#[test]
fn activations() {
    let _held = crate::levels::hold();
    for activation in
        [Activation::GeluTanh, Activation::Gelu, Activation::Silu, Activation::Relu, Activation::Tanh]
    {
        let plain = |tape: &Tape, x: &Tensor, _: &[Parameter]| tape.activation(x, activation);
        check(
            "activation",
            &Case { rows: 4, input_width: 5, output_width: 5, parameters: &[], operation: &plain },
        );
        let gated = |tape: &Tape, x: &Tensor, _: &[Parameter]| tape.gated_activation(x, activation);
        check(
            "gated",
            &Case { rows: 4, input_width: 6, output_width: 3, parameters: &[], operation: &gated },
        );
    }
}

#[test]
fn scale_and_multiply() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[("other", &[4, 3])];
    let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
        let other = tape.embedding(&[0, 1, 2, 3], &p[0])?;
        tape.scale(&tape.multiply(x, &other)?, 1.7)
    };
    check("multiply", &Case { rows: 4, input_width: 3, output_width: 3, parameters, operation: &operation });
}

#[test]
fn weighted_sum_of_a_product() {
    let _held = crate::levels::hold();
    Device::all().into_iter().for_each(weighted_sum_on);
}

fn weighted_sum_on(device: Device) {
    // Not the loss of the other cases: here the operation itself is the scalar root.
    let mut builder = ParametersBuilder::new(4).on(device);
    let table = builder.add("x".into(), [2, 3], true, |v, r| r.fill_normal(v, 1.0));
    let _all = builder.finish();
    let weights = [0.5, -1.0, 2.0, 0.0, 0.25, 3.0];
    let tape = Tape::training().on(device);
    let x = tape.embedding(&[0, 1], &table).unwrap();
    let sum = tape.weighted_sum(&tape.scale(&tape.add(&x, &x).unwrap(), 1.5).unwrap(), &weights).unwrap();
    let expected: f32 = table.to_host().iter().zip(weights).map(|(x, w)| 3.0 * x * w).sum();
    assert!((sum.scalar().unwrap() - expected).abs() < 1e-5);
    tape.backward(&sum).unwrap();
    assert_eq!(table.gradient(), weights.map(|w| 3.0 * w));

    // The sum of x twice: the second gradient is added to the first, and the sum scaled is not the root.
    let all = tape.embedding(&[0, 1], &table).unwrap();
    let sum = |factor| tape.scale(&tape.weighted_sum(&all, &weights).unwrap(), factor).unwrap();
    tape.backward(&tape.add(&sum(2.0), &sum(-0.5)).unwrap()).unwrap();
    assert_eq!(table.gradient(), weights.map(|w| 4.5 * w));
    let short = tape.constant([1, 2], &[0.0, 1.0]).unwrap();
    let message = tape.weighted_sum(&short, &weights).unwrap_err().to_string();
    assert_eq!(message, "weighted_sum: x has shape [1, 2], but there are 6 weights");
}

#[test]
fn dropout_with_a_fixed_mask() {
    let _held = crate::levels::hold();
    Device::all().into_iter().for_each(dropout_on);
}

fn dropout_on(device: Device) {
    // The inference tape has no dropout, so the same mask is applied by hand through a training tape.
    let mut builder = ParametersBuilder::new(1).on(device);
    let table = builder.add("x".into(), [6, 5], true, |v, r| r.fill_normal(v, 1.0));
    let head = builder.add("head".into(), [5, 5], true, |v, r| r.fill_normal(v, 1.0));
    let all = builder.finish();
    let tape = Tape::training().on(device);
    let value = |back: bool| {
        tape.set_random(Random::new(5));
        let x = tape.embedding(&[0, 1, 2, 3, 4, 5], &table).unwrap();
        let y = tape.dropout(&x, 0.3).unwrap();
        let dropped = y.to_host().iter().filter(|&&v| v == 0.0).count();
        assert!((3..=16).contains(&dropped), "{dropped} of 30 dropped at 0.3");
        let rows = LossRows { targets: &[0, 1, 2, 3, 4, 0], weights: &[1.0; 6] };
        let loss = HeadLoss::new(&y, &head, rows);
        if back {
            return tape.backward_losses(&[loss]).unwrap()[0].total;
        }
        let value = tape.cross_entropy(&loss).unwrap().total;
        tape.discard();
        value
    };
    value(true);
    let analytic = table.gradient();
    for index in 0..30 {
        let original = table.to_host()[index];
        let at = |x: f32| {
            table.set(|v| v[index] = x);
            f64::from(value(false))
        };
        let numeric = (at(original + STEP) - at(original - STEP)) / f64::from(2.0 * STEP);
        at(original);
        assert!((numeric as f32 - analytic[index]).abs() < 5e-3, "{index}: {numeric} {}", analytic[index]);
    }
    all.clear_gradients();
}

fn attention_case(
    name: &str,
    heads: HeadLayout,
    length: usize,
    options: AttentionOptions<'_>,
    mask: impl Fn(AttentionMask) -> AttentionMask,
) {
    let mask = mask(AttentionMask::causal(2, length));
    let operation = |tape: &Tape, x: &Tensor, _: &[Parameter]| {
        let positions: Vec<u32> = (0..2 * length as u32).map(|i| i % length as u32).collect();
        let table = RotaryTable::new(&RotaryTable::frequencies(100.0, heads.head_dim), length);
        tape.attention(&tape.rotary(x, heads, &positions, &table)?, heads, &mask, options)
    };
    let case = Case {
        rows: 2 * length,
        input_width: heads.width(),
        output_width: heads.query_width(),
        parameters: &[],
        operation: &operation,
    };
    check(name, &case);
}

#[test]
fn attention() {
    let _held = crate::levels::hold();
    let equal = HeadLayout { heads: 2, kv_heads: 2, head_dim: 4 };
    let grouped = HeadLayout { heads: 4, kv_heads: 2, head_dim: 2 };
    let plain = AttentionOptions::default();
    attention_case("causal", equal, 5, plain, |mask| mask);
    attention_case("grouped", grouped, 5, plain, |mask| mask);
    attention_case("window", equal, 6, plain, |mask| mask.within_window(3));
    attention_case("documents", grouped, 4, plain, |mask| mask.within_documents(&[0, 0, 2, 2, 0, 1, 1, 1]));
    attention_case("full", equal, 3, plain, |_| AttentionMask::full(2, 3));
    attention_case("scale", grouped, 5, AttentionOptions { scale: Some(1.0), ..plain }, |mask| mask);
    attention_case("dropout", grouped, 7, AttentionOptions { dropout: 0.3, ..plain }, |mask| mask);
}

/// Two documents and a text, of which the input is used again, so that its gradient is added to an existing one.
fn recurrent_case(
    name: &str,
    width: usize,
    parameters: &[(&'static str, &'static [usize])],
    operation: Recurrence<'_>,
) {
    let documents = Runs::of_texts(2, 4, Some(&[0, 0, 0, 3, 0, 0, 0, 0]));
    let run = |tape: &Tape, x: &Tensor, p: &[Parameter]| operation(tape, x, p, &documents, None);
    let case = Case { rows: 8, input_width: width, output_width: 3, parameters, operation: &run };
    check(name, &case);
    // From a state, as of texts whose beginnings were read before.
    let going = Runs::following([(3, false), (1, true), (4, false)]);
    let run = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
        let states: Vec<f32> = (0..18).map(|i| (i as f32 * 0.7).sin()).collect();
        operation(tape, x, p, &going, Some(&states))
    };
    let case = Case { rows: 8, input_width: width, output_width: 3, parameters, operation: &run };
    check(&format!("{name} from a state"), &case);
}

type Recurrence<'a> = &'a dyn Fn(&Tape, &Tensor, &[Parameter], &Runs, Option<&[f32]>) -> Result<Tensor>;

/// The first numbers of `states` as those of three runs.
fn state_of(tape: &Tape, states: Option<&[f32]>, width: usize) -> Result<Option<Tensor>> {
    states.map(|states| tape.constant([3, width], &states[..3 * width])).transpose()
}

#[test]
fn recurrent_cells() {
    let _held = crate::levels::hold();
    let lstm: &[(&str, &[usize])] = &[("weight", &[12, 3]), ("bias", &[12])];
    let gru: &[(&str, &[usize])] = &[("weight", &[9, 3]), ("bias", &[9])];
    for (cell, parameters) in [(RecurrentCell::Lstm, lstm), (RecurrentCell::Gru, gru)] {
        let run = |tape: &Tape, x: &Tensor, p: &[Parameter], runs: &Runs, states: Option<&[f32]>| {
            let state = state_of(tape, states, 3 * cell.states())?;
            let [y, _] = tape.recurrent(cell, x, [&p[0], &p[1]], runs, state.as_ref())?;
            let [again, _] = tape.recurrent(cell, x, [&p[0], &p[1]], runs, state.as_ref())?;
            tape.add(&y, &again)
        };
        recurrent_case(&format!("{cell:?}"), 3 * cell.gates(), parameters, &run);
    }
}

#[test]
fn causal_convolution() {
    let _held = crate::levels::hold();
    let run = |tape: &Tape, x: &Tensor, p: &[Parameter], runs: &Runs, states: Option<&[f32]>| {
        let state = state_of(tape, states, 6)?;
        let [y, _] = tape.causal_conv(x, [&p[0], &p[1]], runs, state.as_ref())?;
        tape.add(x, &y)
    };
    recurrent_case("conv", 3, &[("taps", &[3, 1, 3]), ("bias", &[3])], &run);
}

#[test]
fn gated_linear_recurrence() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] =
        &[("decay", &[3]), ("input_gate", &[3, 1, 1]), ("bias", &[3]), ("gate", &[1, 3, 3])];
    let run = |tape: &Tape, x: &Tensor, p: &[Parameter], runs: &Runs, states: Option<&[f32]>| {
        let state = state_of(tape, states, 3)?;
        let (input, gate) = (tape.block_linear(x, [&p[1], &p[2]])?, tape.block_linear(x, [&p[3], &p[2]])?);
        let [y, _] = tape.rg_lru([x, &input, &gate], &p[0], runs, state.as_ref())?;
        tape.add(x, &y)
    };
    recurrent_case("rg_lru", 3, parameters, &run);
}

#[test]
fn half_of_each_head_is_turned() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 4 };
    let table = RotaryTable::new(&RotaryTable::frequencies(100.0, 2), 3);
    let operation =
        |tape: &Tape, x: &Tensor, _: &[Parameter]| tape.add(x, &tape.rotary(x, heads, &[0, 1, 2], &table)?);
    let width = heads.width();
    check(
        "rotary",
        &Case { rows: 3, input_width: width, output_width: width, parameters: &[], operation: &operation },
    );
}

/// The table is used by two layers, as T5's is.
#[test]
fn attention_with_a_bias_by_distance() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 2 };
    let documents = AttentionMask::causal(2, 5).within_documents(&[0, 0, 2, 2, 2, 0, 1, 1, 1, 1]);
    let cases = [
        (documents, 0, 0.0),
        (AttentionMask::causal(2, 5).within_window(3), 0, 0.25),
        (AttentionMask::full(2, 5), 4, 0.0),
    ];
    for (mask, after, dropout) in cases {
        let rule = RelativeBuckets { buckets: 6, max_distance: 5, bidirectional: after > 0 };
        let ids = rule.of_distances(4, after);
        let parameters: &[(&str, &[usize])] = &[("bias", &[6, 4]), ("other", &[16, 8])];
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            let table = tape.embedding(&ids, &p[0])?;
            let bias = Some(AttentionBias::Relative { table: &table, before: 4 });
            let options = AttentionOptions { scale: Some(0.8), dropout, bias };
            let y = tape.attention(x, heads, &mask, options)?;
            tape.attention(&tape.linear(&y, &p[1], None)?, heads, &mask, options)
        };
        let case = Case { rows: 10, input_width: 16, output_width: 8, parameters, operation: &operation };
        check("a bias", &case);
    }
}

/// Two streams over three tokens and a memory of two: in an order, in the natural one, and with a query that sees nothing.
#[test]
fn relative_attention() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 2, kv_heads: 2, head_dim: 3 };
    let whole = AttentionMask::full_memory(2, [5, 3]);
    let ordered = whole.in_order(vec![1, 0, 2, 0, 1, 0], vec![2, 1, 3, 1, 2, 1, 2, 1, 0, 1]).unwrap();
    let ranges = [[0, 1], [0, 2], [0, 3], [0, 1], [0, 2]].repeat(2);
    let natural = AttentionMask::over_memory(2, [5, 3], ranges).unwrap();
    for (mask, dropout) in [(ordered, 0.0), (natural, 0.3)] {
        let mask = mask.after_memory(2, &[0, 2]).unwrap();
        let places = RelativePlaces::new([2_u32, 3, 4, 2, 3].repeat(2), 4)
            .with_segments([0_u32, 0, 1, 0, 0].repeat(2), [0_u32, 0, 0, 0, 1].repeat(2));
        let parameters: &[(&str, &[usize])] = &[
            ("memory", &[10, 12]),
            ("distances", &[7, 6]),
            ("content", &[6]),
            ("distance", &[6]),
            ("segment", &[6]),
            ("segments", &[2, 6]),
        ];
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            let memory = tape.embedding(&(0..10).collect::<Vec<_>>(), &p[0])?;
            let distances = tape.embedding(&(0..7).collect::<Vec<_>>(), &p[1])?;
            let own = RelativeParameters {
                content_bias: &p[2],
                distance_bias: &p[3],
                segment_bias: &p[4],
                segments: &p[5],
            };
            tape.relative_attention([x, &memory, &distances], own, heads, &mask, &places, dropout)
        };
        let case = Case { rows: 10, input_width: 6, output_width: 6, parameters, operation: &operation };
        check("relative_attention", &case);
    }
}

#[test]
fn rows_are_put_to_their_places() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[("other", &[3, 4])];
    let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
        let other = tape.embedding(&[0, 1, 2], &p[0])?;
        tape.put_rows(&[(x, &[4, 0]), (&other, &[1, 5, 2])], 6)
    };
    check("put_rows", &Case { rows: 2, input_width: 4, output_width: 4, parameters, operation: &operation });
}

#[test]
fn cross_attention() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 2 };
    let mask = AttentionMask::full_memory(2, [2, 5]);
    for options in
        [AttentionOptions::default(), AttentionOptions { scale: Some(0.4), dropout: 0.25, bias: None }]
    {
        let parameters: &[(&str, &[usize])] = &[("memory", &[10, 8])];
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            let memory = tape.embedding(&(0..10).collect::<Vec<_>>(), &p[0])?;
            tape.cross_attention(x, &memory, heads, &mask, options)
        };
        let case = Case { rows: 4, input_width: 8, output_width: 8, parameters, operation: &operation };
        check("cross_attention", &case);
    }
    // Queries and memory are the same rows, which get the sum of both gradients.
    let mask = AttentionMask::causal(1, 4);
    let options = AttentionOptions::default();
    let operation =
        |tape: &Tape, x: &Tensor, _: &[Parameter]| tape.cross_attention(x, x, heads, &mask, options);
    check(
        "of itself",
        &Case { rows: 4, input_width: 8, output_width: 8, parameters: &[], operation: &operation },
    );
}

#[test]
fn rows_in_any_order_and_more_than_once() {
    let _held = crate::levels::hold();
    let operation = |tape: &Tape, x: &Tensor, _: &[Parameter]| {
        let some = tape.rows(x, &[3, 0, 3, 1, 2])?;
        tape.add(&some, &tape.rows(x, &[1, 0, 2, 3, 3])?)
    };
    check("rows", &Case { rows: 4, input_width: 3, output_width: 3, parameters: &[], operation: &operation });
}

#[test]
fn several_head_losses_with_coefficients() {
    let _held = crate::levels::hold();
    Device::all().into_iter().for_each(several_head_losses_on);
}

fn several_head_losses_on(device: Device) {
    let mut builder = ParametersBuilder::new(11).on(device);
    let mut add = |name: &str, axes: &[usize]| {
        builder.add(name.into(), axes, true, |values, random| random.fill_normal(values, 0.7))
    };
    let (table, weight) = (add("table", &[6, 4]), add("weight", &[4, 4]));
    let (words, bias, pairs) = (add("words", &[9, 4]), add("bias", &[9]), add("pairs", &[2, 4]));
    let all = builder.finish();
    let tape = Tape::training().on(device);
    let value = |is_backward: bool| {
        let x = tape.embedding(&[0, 1, 2, 3, 4, 5], &table).unwrap();
        let hidden = tape.linear(&x, &weight, None).unwrap();
        let first = tape.rows(&hidden, &[0, 3]).unwrap();
        let of_words = LossRows { targets: &[1, 8, 0, 3, 3, 7], weights: &[0.5, 1.0, 0.0, 0.25, 2.0, 1.0] };
        let of_pairs = LossRows { targets: &[1, 0], weights: &[0.5, 0.5] };
        let losses = [
            HeadLoss {
                bias: Some(&bias),
                label_smoothing: 0.2,
                z_loss: 0.05,
                ..HeadLoss::new(&hidden, &words, of_words)
            },
            HeadLoss {
                coefficient: 0.3,
                softcap: Some(1.5),
                z_loss: 0.1,
                ..HeadLoss::new(&first, &pairs, of_pairs)
            },
        ];
        let found = if is_backward {
            tape.backward_losses(&losses).unwrap()
        } else {
            losses.iter().map(|loss| tape.cross_entropy(loss).unwrap()).collect()
        };
        tape.discard();
        f64::from(found[0].total + 0.3 * found[1].total)
    };
    let found = value(true);
    assert_eq!(found, value(false));
    let gradients: Vec<Vec<f32>> = all.iter().map(Parameter::gradient).collect();
    for (parameter, analytic) in all.iter().zip(&gradients) {
        let largest = analytic.iter().fold(1e-3_f32, |a, g| a.max(g.abs()));
        for (index, analytic) in analytic.iter().enumerate() {
            let original = parameter.to_host()[index];
            let at = |x: f32| {
                parameter.set(|values| values[index] = x);
                value(false)
            };
            let numeric = ((at(original + STEP) - at(original - STEP)) / f64::from(2.0 * STEP)) as f32;
            at(original);
            let path = parameter.entry().path();
            assert!(
                (numeric - analytic).abs() <= TOLERANCE * largest,
                "{path}[{index}]: {analytic} {numeric}"
            );
        }
    }
    let after: Vec<Vec<f32>> = all.iter().map(Parameter::gradient).collect();
    assert_eq!(after, gradients, "losses alone, and discarded tapes, leave no gradient behind");
}

/// The parameters of experts after `first`, two each.
fn experts_of(parameters: &[Parameter]) -> Arc<[ExpertWeights]> {
    let pairs = parameters.chunks(2);
    pairs.map(|pair| ExpertWeights { gate_up: pair[0].clone(), down: pair[1].clone() }).collect()
}

#[test]
fn experts() {
    let _held = crate::levels::hold();
    let parameters: &[(&str, &[usize])] = &[
        ("router", &[3, 4]),
        ("gate_up.0", &[6, 4]),
        ("down.0", &[4, 3]),
        ("gate_up.1", &[6, 4]),
        ("down.1", &[4, 3]),
        ("gate_up.2", &[6, 4]),
        ("down.2", &[4, 3]),
    ];
    for (top_k, renormalise) in [(1, false), (2, true), (2, false), (3, true)] {
        let operation = |tape: &Tape, x: &Tensor, p: &[Parameter]| {
            let logits = tape.linear(x, &p[0], None)?;
            let routed = tape.route(&logits, Routing { top_k, renormalise }, None)?;
            tape.add(x, &tape.experts(x, &routed, &experts_of(&p[1..]), Activation::Silu)?)
        };
        let case = Case { rows: 6, input_width: 4, output_width: 4, parameters, operation: &operation };
        check(&format!("top {top_k} of 3 experts"), &case);
    }
}

/// The losses of routers over two layers, each of which is computed again in backward, beside a weighting of the rows.
#[test]
fn router_losses() {
    let _held = crate::levels::hold();
    Device::all().into_iter().for_each(router_losses_on);
}

fn router_losses_on(device: Device) {
    let mut builder = ParametersBuilder::new(3).on(device);
    let normal = |values: &mut [f32], random: Random| random.fill_normal(values, 0.7);
    let shapes: [&[usize]; 9] =
        [&[6, 4], &[3, 4], &[3, 4], &[6, 4], &[4, 3], &[6, 4], &[4, 3], &[6, 4], &[4, 3]];
    let p: Vec<Parameter> = shapes
        .iter()
        .enumerate()
        .map(|(i, axes)| builder.add(format!("p{i}"), *axes, true, normal))
        .collect();
    let all = builder.finish();
    let (tape, experts) = (Tape::training().on(device), experts_of(&p[3..]));
    let total = |is_backward: bool| {
        let log = RouterLog::new();
        let mut x = tape.embedding(&[0, 1, 2, 3, 4, 5], &p[0]).unwrap();
        for layer in [0, 1] {
            let (entry, router, experts) = (log.layer(layer), p[1 + layer].clone(), Arc::clone(&experts));
            let block = move |tape: &Tape, x: &Tensor| {
                let routing = Routing { top_k: 2, renormalise: true };
                let routed = tape.route(&tape.linear(x, &router, None)?, routing, Some(&entry))?;
                tape.add(x, &tape.experts(x, &routed, &experts, Activation::Silu)?)
            };
            x = tape.recomputed(&x, block).unwrap();
        }
        let loss = tape.router_loss(&log, RouterCoefficients { balance: 0.6, z: 0.4 }).unwrap();
        let weights: Vec<f32> = (0..24).map(|i| 0.05 * (i % 5) as f32).collect();
        let total = tape.add(&tape.weighted_sum(&x, &weights).unwrap(), &loss).unwrap();
        let value = f64::from(total.scalar().unwrap());
        if is_backward {
            tape.backward(&total).unwrap()
        } else {
            tape.discard()
        }
        value
    };
    total(true);
    for parameter in all.iter() {
        let name = format!("router losses on {device:?}: {}", parameter.entry().path());
        compare(&name, parameter, &|| total(false));
    }
}
