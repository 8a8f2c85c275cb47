//! Batch norm: what its two forms promise beside the numbers, which are held against PyTorch's with those of the other operations.

use std::sync::Arc;

use nuwa_tensor::ops::batch_norm::MOMENTUM;
use nuwa_tensor::simd::{Level, detect, force, levels};
use nuwa_tensor::{
    AdamWSettings, BatchNormParameters, BatchStatistics, Device, Error, HeadLoss, LossRows, OptimizerState,
    Parameter, ParameterRule, Parameters, ParametersBuilder, Precision, Random, Tape, Tensor, UpdateRule,
};

const VOCABULARY: usize = 50;

fn normal(values: &mut [f32], random: Random) {
    random.fill_normal(values, 0.5);
}

/// An embedding, a norm of its rows, and a matrix.
struct Small {
    all: Parameters,
    table: Parameter,
    norm: BatchNormParameters,
    matrix: Parameter,
}

fn small(device: Device, width: usize) -> Small {
    let mut builder = ParametersBuilder::new(3).on(device);
    let table = builder.add("table".into(), [VOCABULARY, width], true, normal);
    let norm = BatchNormParameters {
        weight: builder.add("norm.weight".into(), [width], false, normal),
        bias: builder.add("norm.bias".into(), [width], false, normal),
        running_mean: builder.add_buffer("norm.running_mean".into(), width, 0.0),
        running_variance: builder.add_buffer("norm.running_var".into(), width, 1.0),
    };
    let matrix = builder.add("matrix".into(), [width, width], true, normal);
    Small { all: builder.finish(), table, norm, matrix }
}

impl Small {
    fn running(&self) -> Vec<f32> {
        [self.norm.running_mean.to_host(), self.norm.running_variance.to_host()].concat()
    }

    /// The rows of the norm, which stands between two residual branches that are computed again where that is asked for.
    fn rows(&self, tape: &Tape, ids: &[u32], recompute: bool) -> Tensor {
        let x = tape.embedding(ids, &self.table).unwrap();
        let (norm, matrix) = (self.norm.clone(), self.matrix.clone());
        let block = move |tape: &Tape, x: &Tensor| {
            let rows = tape.batch_norm(x, &norm, 1e-5)?;
            tape.linear_add(x, &rows, &matrix, None)
        };
        match recompute {
            true => tape.recomputed(&x, block).unwrap(),
            false => block(tape, &x).unwrap(),
        }
    }

    /// All numbers of a pass, with the gradients.
    fn pass(&self, tape: &Tape, rows: usize, recompute: bool) -> Vec<f32> {
        let ids: Vec<u32> = (0..rows as u32).map(|i| i * i % 47 % VOCABULARY as u32).collect();
        let y = self.rows(tape, &ids, recompute);
        let residual = tape.batch_norm_residual(&y, &self.norm, 1e-5).unwrap();
        let weights = vec![1.0 / rows as f32; rows];
        let rows = LossRows { targets: &ids, weights: &weights };
        let loss = tape.backward_losses(&[HeadLoss::new(&residual, &self.table, rows)]).unwrap().remove(0);
        let numbers = [y.to_host(), residual.to_host(), loss.rows, self.all.gradients_to_host()].concat();
        self.all.clear_gradients();
        numbers
    }
}

/// All numbers of a pass of a new model that sees its batch, and the running ones after it.
fn seen(device: Device, precision: Precision, [rows, width]: [usize; 2], recompute: bool) -> Vec<f32> {
    let (small, statistics) = (small(device, width), Arc::new(BatchStatistics::default()));
    let tape = Tape::training().on(device).with_precision(precision).with_batch_statistics(&statistics);
    let numbers = small.pass(&tape, rows, recompute);
    statistics.update_running(MOMENTUM);
    [numbers, small.running()].concat()
}

const BOTH: [Precision; 2] = [Precision::F32, Precision::Bf16];

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let _held = crate::levels::hold();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| BOTH.map(|precision| seen(Device::cpu(), precision, [1500, 96], false)))
    };
    assert!(run(1) == run(2) && run(1) == run(5), "results depend on the number of threads");
}

/// A block that is computed again adds its statistics once.
#[test]
fn what_is_computed_again_has_the_same_bits_and_statistics() {
    let _held = crate::levels::hold();
    for (device, precision) in Device::all().into_iter().flat_map(|device| BOTH.map(|one| (device, one))) {
        let [kept, again] = [false, true].map(|recompute| seen(device, precision, [70, 24], recompute));
        assert!(kept == again, "{device:?} {precision:?}");
    }
}

fn close(found: &[f32], expected: &[f32], tolerance: f32, name: &str) {
    let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * largest, "{name}: {a} against {b}");
    }
}

#[test]
fn every_device_and_instruction_set_gives_what_the_reference_gives() {
    let _held = crate::levels::hold();
    for sizes in [[2, 1], [3, 5], [40, 33], [700, 70]] {
        let expected = seen(Device::reference(), Precision::F32, sizes, false);
        for level in levels() {
            force(level);
            for (precision, tolerance) in BOTH.into_iter().zip([1e-4, 0.1]) {
                // Of two rows whose features are nearly alike, rounding decides which is the larger.
                if precision == Precision::F32 || sizes[0] > 3 {
                    let found = seen(Device::cpu(), precision, sizes, false);
                    close(&found, &expected, tolerance, &format!("{sizes:?} {level:?} {precision:?}"));
                }
            }
        }
        force(detect());
    }
    assert!(detect() >= Level::Baseline);
}

/// In use a row does not know the others, and nothing is learnt of them.
#[test]
fn by_running_statistics_a_row_is_as_alone() {
    let _held = crate::levels::hold();
    for (device, precision) in Device::all().into_iter().flat_map(|device| BOTH.map(|one| (device, one))) {
        let small = small(device, 24);
        small.norm.running_mean.set(|values| normal(values, Random::new(8)));
        small.norm.running_variance.set(|values| values.iter_mut().for_each(|value| *value = 0.3));
        let running = small.running();
        let ids: Vec<u32> = (0..40).collect();
        for tape in [Tape::inference(), Tape::training()] {
            let tape = tape.on(device).with_precision(precision);
            let norm = |ids: &[u32]| {
                let x = tape.embedding(ids, &small.table).unwrap();
                tape.batch_norm(&x, &small.norm, 1e-5).unwrap().to_host()
            };
            let whole = norm(&ids);
            for (id, row) in ids.iter().zip(whole.chunks_exact(24)) {
                assert_eq!(norm(&[*id]), row, "{device:?} {precision:?}");
            }
        }
        small.pass(&Tape::training().on(device).with_precision(precision), 40, false);
        assert_eq!(small.running(), running);
    }
}

#[test]
fn passes_count_alike_and_those_without_backward_do_not() {
    let _held = crate::levels::hold();
    let statistics = Arc::new(BatchStatistics::default());
    let after = |passes: &[usize]| {
        let small = small(Device::cpu(), 8);
        let tape = Tape::training().with_batch_statistics(&statistics);
        passes.iter().for_each(|rows| drop(small.pass(&tape, *rows, false)));
        small.rows(&tape, &[1, 2, 3], false);
        tape.discard();
        statistics.update_running(MOMENTUM);
        statistics.update_running(MOMENTUM);
        small.running()
    };
    let [first, second, both] = [&[10][..], &[30], &[10, 30]].map(after);
    for ((first, second), both) in first.iter().zip(&second).zip(&both) {
        assert!(((first + second) / 2.0 - both).abs() < 1e-6, "{first} {second} {both}");
    }
    let unchanged = after(&[]);
    assert_eq!(unchanged, [[0.0; 8], [1.0; 8]].concat());
    let small = small(Device::cpu(), 8);
    small.pass(&Tape::training().with_batch_statistics(&statistics), 10, false);
    statistics.forget();
    statistics.update_running(MOMENTUM);
    assert_eq!(small.running(), unchanged);
}

/// Neither by decay nor by a gradient, with any formula, even where it is said that everything is to be trained.
#[test]
fn no_optimizer_changes_a_buffer() {
    let _held = crate::levels::hold();
    let rules = [
        UpdateRule::AdamW,
        UpdateRule::Sgd { momentum: 0.9, nesterov: false },
        UpdateRule::Lion { betas: [0.9, 0.99] },
    ];
    for (device, rule) in Device::all().into_iter().flat_map(|device| rules.map(|rule| (device, rule))) {
        let small = small(device, 8);
        small.all.iter().for_each(|parameter| parameter.entry().set_trainable(true));
        let (buffers, weights) = (small.running(), small.norm.weight.to_host());
        let statistics = Arc::new(BatchStatistics::default());
        let tape = Tape::training().on(device).with_batch_statistics(&statistics);
        let x = tape.embedding(&[1, 2, 3], &small.table).unwrap();
        let y = tape.batch_norm(&x, &small.norm, 1e-5).unwrap();
        let slopes: Vec<f32> = (0..24).map(|index| (index as f32).cos()).collect();
        tape.backward(&tape.weighted_sum(&y, &slopes).unwrap()).unwrap();
        for buffer in small.all.iter().filter(|parameter| parameter.entry().is_buffer()) {
            assert!(!buffer.entry().is_trainable() && !buffer.entry().decays());
            assert!(buffer.gradient().iter().all(|&slope| slope == 0.0));
        }
        let settings = AdamWSettings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.5, clip: 1.0 };
        let mut state = OptimizerState::new(&small.all);
        state.step_by(&small.all, &settings, 0.1, &|_| ParameterRule::new(rule));
        assert_eq!(small.running(), buffers, "{device:?} {rule:?}");
        assert_ne!(small.norm.weight.to_host(), weights, "{device:?} {rule:?}");
    }
}

#[test]
fn what_has_no_statistics_is_refused() {
    let _held = crate::levels::hold();
    for device in Device::all() {
        let (narrow, small) = (small(device, 7), small(device, 8));
        let statistics = Arc::new(BatchStatistics::default());
        let tape = Tape::training().on(device).with_batch_statistics(&statistics);
        let one = tape.embedding(&[1], &small.table).unwrap();
        let error = tape.batch_norm(&one, &small.norm, 1e-5).unwrap_err();
        assert!(matches!(error, Error::Option { .. }), "{error}");
        assert!(error.to_string().contains("[1, 8] has no variance over rows"), "{error}");
        let error = tape.batch_norm(&one, &narrow.norm, 1e-5).unwrap_err();
        assert!(error.to_string().contains("norm.weight has shape [7]"), "{error}");
        let mixed = BatchNormParameters { running_variance: narrow.norm.running_variance, ..small.norm };
        let error = tape.batch_norm(&one, &mixed, 1e-5).unwrap_err();
        assert!(error.to_string().contains("norm.running_var has shape [7]"), "{error}");
    }
}
