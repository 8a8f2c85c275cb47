use proptest::prelude::*;

use super::*;
use crate::simd::{force_in_tests, levels};

/// What random sizes stay below: `most`, and a fourth of it under Miri, which is some thousand times slower.
const fn below(most: usize) -> usize {
    if cfg!(miri) { most / 4 } else { most }
}

/// Whole 64ths below 2, which bf16 holds exactly, so that only the order of sums differs: the upper bits of a congruential
/// sequence (Numerical Recipes, 7.1), for those of [`crate::Random`] would take longer than the products under Miri.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 24) as i8) / 64.0
    };
    (0..count).map(|_| next()).collect()
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect()
}

fn narrowed(values: &[f32]) -> Vec<Bf16> {
    values.iter().map(|&value| Bf16::narrow(value)).collect()
}

/// The definition, in f64.
fn expected(a: &[f32], b: &[f32], [rows, inner, columns]: [usize; 3]) -> Vec<f32> {
    let dot = |row: usize, column: usize| -> f64 {
        (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column])).sum()
    };
    (0..rows * columns).map(|i| dot(i / columns, i % columns) as f32).collect()
}

fn close(found: &[f32], expected: &[f32], inner: usize) {
    let tolerance = 1e-6 * (inner as f32).sqrt() * 4.0;
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "element {index}: {a}, expected {b}");
    }
}

/// Every form of operands, on every level.
fn check(sizes @ [rows, inner, columns]: [usize; 3], seed: u64) {
    let pool = Arc::new(Pool::default());
    let (a, b) = (numbers(rows * inner, seed), numbers(inner * columns, seed + 1));
    let (a_turned, b_turned) = (transposed(&a, rows, inner), transposed(&b, inner, columns));
    let wanted = expected(&a, &b, sizes);
    for level in levels() {
        let _held = force_in_tests(level);
        for precision in [Precision::F32, Precision::Bf16] {
            let mut out = vec![0.0; rows * columns];
            let lying = Matrix::new(&b, inner, columns);
            let standing = Matrix::new(&b_turned, columns, inner).transposed();
            for right in [lying, standing] {
                product(
                    &pool,
                    precision,
                    Matrix::new(&a, rows, inner),
                    right,
                    &Store::plain(&mut out, columns),
                );
                close(&out, &wanted, inner);
                let half = narrowed(&a);
                product(
                    &pool,
                    precision,
                    Matrix::new(&half, rows, inner),
                    right,
                    &Store::plain(&mut out, columns),
                );
                close(&out, &wanted, inner);
                let turned = Matrix::new(&a_turned, inner, rows).transposed();
                product(&pool, precision, turned, right, &Store::plain(&mut out, columns));
                close(&out, &wanted, inner);
                out.fill(0.0);
                product_over_rows(&pool, precision, turned, right, &Store::onto(&mut out, columns));
                close(&out, &wanted, inner);
            }
        }
    }
}

/// A weight packed for both of its products: whole, and each few rows of it anew.
fn check_packed([rows, inner, columns]: [usize; 3], seed: u64) {
    let pool = Arc::new(Pool::default());
    let (a, d) = (numbers(rows * inner, seed), numbers(rows * columns, seed + 1));
    let weight = numbers(columns * inner, seed + 2);
    let forward = expected(&a, &transposed(&weight, columns, inner), [rows, inner, columns]);
    let back = expected(&d, &weight, [rows, columns, inner]);
    for level in levels() {
        let _held = force_in_tests(level);
        let (a, d) = (Matrix::new(&a, rows, inner), Matrix::new(&d, rows, columns));
        let mut packed = PackedWeight::new(&pool, &vec![f32::NAN; columns * inner], inner);
        let packer = packed.packer();
        for (group, rows) in weight.chunks(PACKED_ROWS * inner).enumerate() {
            // SAFETY: one call after the other.
            unsafe { packer.pack(group * PACKED_ROWS, rows) };
        }
        for packed in [packed, PackedWeight::new(&pool, &weight, inner)] {
            let (mut y, mut dx) = (vec![0.0; rows * columns], vec![0.0; rows * inner]);
            product_packed(&pool, a, &packed.forward, &Store::plain(&mut y, columns));
            product_packed(&pool, d, &packed.back, &Store::plain(&mut dx, inner));
            close(&y, &forward, inner);
            close(&dx, &back, columns);
        }
    }
}

/// Rows by themselves and together, with weights of either kind, which can be read back.
fn check_each_row([rows, inner, columns]: [usize; 3], seed: u64) {
    // Numbers whose sums depend on the order.
    let a: Vec<f32> = numbers(rows * inner, seed).into_iter().map(|value| value * 0.3).collect();
    // Which bf16 holds exactly, so that weights of both kinds are the same.
    let weight = numbers(columns * inner, seed + 2);
    let base = numbers(columns, seed + 3);
    let wanted = expected(&a, &transposed(&weight, columns, inner), [rows, inner, columns]);
    let pool = Arc::new(Pool::default());
    for level in levels() {
        let _held = force_in_tests(level);
        let mut of_dtypes = Vec::new();
        for dtype in [DType::F32, DType::Bf16] {
            let packed = PackedMatrix::new(&pool, &weight, inner, dtype);
            let mut row = vec![0.0; inner];
            for (index, weight) in weight.chunks_exact(inner).enumerate() {
                packed.copy_row(index, &mut row);
                assert_eq!(row, weight, "{level:?} {dtype:?}");
            }
            let of = |a: &[f32], out: &mut [f32], bias: Option<&[f32]>| {
                let (rows, store) = (Matrix::new(a, a.len() / inner, inner), Store::plain(out, columns));
                product_of_each_row(&pool, rows, &packed, &store.with_bias(bias));
            };
            let (mut all, mut one) = (vec![0.0; rows * columns], vec![0.0; columns]);
            of(&a, &mut all, None);
            close(&all, &wanted, inner);
            of(&a, &mut all, Some(&base));
            for (row, all) in a.chunks_exact(inner).zip(all.chunks_exact(columns)) {
                of(row, &mut one, Some(&base));
                let same = one.iter().zip(all).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{level:?} {dtype:?}");
            }
            of_dtypes.push(all);
        }
        // The words of bf16 are summed in the order of single elements, within a pass.
        assert!(inner > INNER || of_dtypes[0] == of_dtypes[1], "{level:?}");
    }
}

/// `base + a b + bias` in every form that it is stored in.
fn check_stores(sizes @ [rows, _, columns]: [usize; 3], seed: u64) {
    let [a, b] = [rows * sizes[1], sizes[1] * columns].map(|count| numbers(count, seed));
    let (base, bias) = (numbers(rows * columns, seed + 2), numbers(columns, seed + 3));
    let product = expected(&a, &b, sizes);
    let wanted = |base: Option<&[f32]>, bias: Option<&[f32]>| -> Vec<f32> {
        let terms = product.iter().enumerate();
        terms
            .map(|(i, sum)| {
                sum + base.map_or(0.0, |base| base[i]) + bias.map_or(0.0, |bias| bias[i % columns])
            })
            .collect()
    };
    for level in levels() {
        let _held = force_in_tests(level);
        for precision in [Precision::F32, Precision::Bf16] {
            for bias in [None, Some(bias.as_slice())] {
                check_stores_of::<f32>(precision, sizes, [&a, &b, &base], bias, wanted);
                check_stores_of::<Bf16>(precision, sizes, [&a, &b, &base], bias, wanted);
            }
        }
    }
}

fn check_stores_of<T: Element>(
    precision: Precision,
    [rows, inner, columns]: [usize; 3],
    [a, b, base]: [&[f32]; 3],
    bias: Option<&[f32]>,
    wanted: impl Fn(Option<&[f32]>, Option<&[f32]>) -> Vec<f32>,
) {
    let pool = Arc::new(Pool::default());
    let store = |out: Store<'_, T>| {
        product(
            &pool,
            precision,
            Matrix::new(a, rows, inner),
            Matrix::new(b, inner, columns),
            &out.with_bias(bias),
        );
    };
    let same = |out: &[T], wanted: Vec<f32>| {
        let tolerance = if T::DTYPE == DType::F32 { 1e-5 } else { 4e-3 };
        for (index, (out, wanted)) in out.iter().zip(wanted).enumerate() {
            let out = out.widen();
            assert!(
                (out - wanted).abs() <= tolerance * (1.0 + wanted.abs()),
                "element {index}: {out}, expected {wanted}"
            );
        }
    };
    let mut out = vec![T::default(); rows * columns];
    store(Store::plain(&mut out, columns));
    same(&out, wanted(None, bias));
    store(Store::plain(&mut out, columns).with_base(base));
    same(&out, wanted(Some(base), bias));
    T::narrow_row(base, &mut out);
    store(Store::onto(&mut out, columns));
    same(&out, wanted(Some(base), bias));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sums_are_stored_with_what_is_added(rows in 1..below(20), inner in 1..below(40), halves in 1_usize..5, less in 0_usize..32, seed in 0_u64..1000) {
        // Whole panels and halves, which the kernel finishes in registers, as often as others.
        check_stores([rows, inner, 32 * halves], seed);
        check_stores([rows, inner, 32 * halves - less], seed);
    }

    #[test]
    fn a_row_has_the_same_bits_by_itself(rows in 1..below(40), inner in 1..below(100), columns in 1_usize..140, seed in 0_u64..1000) {
        check_each_row([rows, inner, columns], seed);
    }

    #[test]
    fn packed_weights_give_the_products(rows in 1..below(80), inner in 1..below(140), columns in 1_usize..140, seed in 0_u64..1000) {
        check_packed([rows, inner, columns], seed);
    }

    #[test]
    fn every_form_gives_the_product(rows in 1..below(80), inner in 1..below(100), columns in 1_usize..140, seed in 0_u64..1000) {
        check([rows, inner, columns], seed);
    }
}

#[test]
fn an_inner_axis_of_several_passes() {
    check([7, 2 * INNER + 5, 5], 3);
    check([PIECE_ROWS + 20, 2 * INNER + 5, 9], 3);
    check_packed([7, 2 * INNER + 5, 70], 4);
    check_packed([7, 70, 2 * INNER + 5], 5);
    check_each_row([7, 2 * INNER + 5, 70], 6);
}

#[test]
fn infinity_and_nan_stay_in_their_row() {
    let pool = Arc::new(Pool::default());
    for level in levels() {
        let _held = force_in_tests(level);
        for precision in [Precision::F32, Precision::Bf16] {
            let mut a = vec![1.0; 9 * 5];
            (a[2 * 5 + 4], a[6 * 5]) = (f32::NAN, f32::INFINITY);
            for columns in [3, PANEL] {
                let mut out = vec![Bf16::default(); 9 * columns];
                let b = vec![1.0; 5 * columns];
                product(
                    &pool,
                    precision,
                    Matrix::new(&a, 9, 5),
                    Matrix::new(&b, 5, columns),
                    &Store::plain(&mut out, columns),
                );
                for (row, values) in out.chunks_exact(columns).enumerate() {
                    let all = |is: fn(f32) -> bool| values.iter().all(|value| is(value.widen()));
                    match row {
                        2 => assert!(all(f32::is_nan)),
                        6 => assert!(all(|value| value == f32::INFINITY)),
                        _ => assert!(all(|value| value == 5.0)),
                    }
                }
            }
        }
    }
}
