use std::sync::Arc;

use super::activations::RoundedRows;
use super::kernel::Instructions;
use super::multiply::product_by;
use super::{BLOCK, QuantisedMatrix};
use crate::device::cpu::product::Store;
use crate::device::{Pool, QuantisedRows};
use crate::{BlockType, Bytes, Random};

/// Rows of a weight, no multiple of a group.
const ROWS: usize = 37;

/// Blocks of random bits, whose scales are finite.
fn random_blocks(block: BlockType, numbers: usize, random: Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut draw = 0;
    while bytes.len() < numbers / block.width() * block.bytes() {
        let own: Vec<u8> = (0..block.bytes() as u64).map(|i| random.words(draw + i)[0] as u8).collect();
        draw += block.bytes() as u64;
        if block.first_infinite(&own).is_none() {
            bytes.extend(own);
        }
    }
    bytes
}

/// The blocks of random numbers.
fn quantised(block: BlockType, rows: usize, width: usize, seed: u64) -> QuantisedRows {
    let mut bytes = Vec::new();
    for row in 0..rows {
        let mut values = vec![0.0; width];
        Random::new(seed).stream(row as u64).fill_normal(&mut values, 0.3);
        block.quantize(&values, None, &mut bytes);
    }
    QuantisedRows::new(block, rows, width, Bytes::from(bytes))
}

fn normal(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Random::new(seed).fill_normal(&mut values, 1.0);
    values
}

/// Widths that a type has: some with blocks that fill no whole chunk of tiles.
fn widths(block: BlockType) -> &'static [usize] {
    if block.width() == BLOCK { &[32, 256, 576, 1056] } else { &[256, 512, 1280] }
}

/// Rows of which every second has one number that is far larger than the others.
fn with_outliers(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut x = normal(rows * width, seed);
    for (row, x) in x.chunks_exact_mut(width).enumerate().step_by(2) {
        x[(7 * row + 5) % width] = 60.0;
    }
    x
}

fn has_outlier(rounded: &RoundedRows, row: usize, block: usize) -> bool {
    rounded.outliers(0, block..block + 1).any(|(_, rows)| rows.contains(&(row as u32)))
}

/// Numbers of a row as they are multiplied.
fn read(rounded: &RoundedRows, row: usize) -> Vec<f64> {
    let number = |code: &i8, factors: &[f32; 4]| f64::from(*code) * f64::from(factors[0]);
    let first = rounded.row(row, 0);
    let blocks = first.codes.iter().zip(first.factors).enumerate();
    let of = |(block, (codes, factors)): (usize, (&[i8; BLOCK], &[f32; 4]))| -> Vec<f64> {
        let rest = has_outlier(rounded, row, block).then(|| rounded.rest(row, block));
        let left = |place: usize| rest.map_or(0.0, |rest| number(&rest.codes[0][place], &rest.factors[0]));
        codes.iter().enumerate().map(|(place, code)| number(code, factors) + left(place)).collect()
    };
    blocks.flat_map(of).collect()
}

fn multiplied(
    instructions: Instructions,
    pool: &Arc<Pool>,
    x: &[f32],
    matrix: &QuantisedMatrix,
    rows: usize,
) -> Vec<f32> {
    let mut y = vec![f32::NAN; x.len() / matrix.width() * rows];
    product_by(instructions, pool, x, matrix, &Store::plain(&mut y, rows));
    y
}

#[test]
fn rows_have_the_numbers_of_their_blocks() {
    let pool = Arc::new(Pool::default());
    for block in BlockType::ALL {
        for &width in widths(block) {
            let bytes = random_blocks(block, ROWS * width, Random::new(7));
            let rows = QuantisedRows::new(block, ROWS, width, Bytes::from(bytes));
            let matrix = QuantisedMatrix::new(&pool, std::slice::from_ref(&rows));
            let [mut found, mut expected] = [vec![0.0; width], vec![0.0; width]];
            for row in 0..ROWS {
                matrix.copy_row(row, &mut found);
                block.dequantize(rows.row(row), &mut expected);
                assert_eq!(found, expected, "row {row} of {block}");
            }
        }
    }
}

/// Sums in `f64` over the numbers of the blocks, and over `x` as it is rounded.
#[test]
fn products_are_those_of_the_numbers() {
    let pool = Arc::new(Pool::default());
    for block in BlockType::ALL {
        for &width in widths(block) {
            let rows = quantised(block, ROWS, width, 3);
            let matrix = QuantisedMatrix::new(&pool, std::slice::from_ref(&rows));
            let x = with_outliers(5, width, 11);
            let rounded = RoundedRows::new(&pool, &x, width);
            let read: Vec<Vec<f64>> = (0..5).map(|row| read(&rounded, row)).collect();
            let mut weight = vec![0.0; width];
            for instructions in Instructions::all() {
                let y = multiplied(instructions, &pool, &x, &matrix, ROWS);
                for row in 0..ROWS {
                    block.dequantize(rows.row(row), &mut weight);
                    for (of_x, read) in read.iter().enumerate() {
                        let expected: f64 = read.iter().zip(&weight).map(|(x, w)| x * f64::from(*w)).sum();
                        let error = (f64::from(y[of_x * ROWS + row]) - expected).abs();
                        assert!(error < 1e-4, "{block}, {width} by {instructions:?}: {error} of {expected}");
                    }
                }
            }
        }
    }
}

/// Of a row of `x` the nearest multiples of its blocks' scales.
#[test]
fn rows_are_rounded_to_the_nearest() {
    let pool = Arc::new(Pool::default());
    let mut x = normal(6 * 64, 5);
    x[64..128].fill(0.0);
    let rounded = RoundedRows::new(&pool, &x, 64);
    for (row, x) in x.chunks_exact(64).enumerate() {
        let row = rounded.row(row, 0);
        for ((codes, factors), x) in row.codes.iter().zip(row.factors).zip(x.chunks_exact(BLOCK)) {
            let [scale, shift, first, second] = *factors;
            for (code, x) in codes.iter().zip(x) {
                assert!((f32::from(*code) * scale - x).abs() <= 0.5001 * scale, "{x} is {code} of {scale}");
            }
            let sum = |codes: &[i8]| -scale * codes.iter().map(|code| f32::from(*code)).sum::<f32>();
            for (found, codes) in [(shift, &codes[..]), (first, &codes[..16]), (second, &codes[16..])] {
                assert!((found - sum(codes)).abs() <= 1e-5 * (1.0 + found.abs()));
            }
        }
    }
    let largest = x[..BLOCK].iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    assert_eq!(rounded.row(0, 0).factors[0][0], largest / 127.0);
}

/// Blocks with a number that is far larger than the others of the row are rounded twice, so that the small ones stay.
#[test]
fn outliers_leave_their_neighbours_as_they_are() {
    let pool = Arc::new(Pool::default());
    let x = with_outliers(6, 256, 5);
    let rounded = RoundedRows::new(&pool, &x, 256);
    for (row, x) in x.chunks_exact(256).enumerate() {
        let outliers = (0..8).filter(|block| has_outlier(&rounded, row, *block)).count();
        assert_eq!(outliers, usize::from(row % 2 == 0));
        for (block, (x, read)) in
            x.chunks_exact(BLOCK).zip(read(&rounded, row).chunks_exact(BLOCK)).enumerate()
        {
            let scale = f64::from(rounded.row(row, block).factors[0][0]);
            let is_outlier = has_outlier(&rounded, row, block);
            let most = if is_outlier { scale / 254.0 } else { scale };
            let error = |(x, read): (&f32, &f64)| (f64::from(*x) - read).abs();
            assert!(x.iter().zip(read).map(error).fold(0.0, f64::max) <= 0.501 * most);
        }
    }
}

#[test]
fn what_is_not_finite_does_not_vanish() {
    let pool = Arc::new(Pool::default());
    let matrix = QuantisedMatrix::new(&pool, &[quantised(BlockType::Q4_0, ROWS, 64, 3)]);
    for value in [f32::NAN, f32::INFINITY] {
        let mut x = normal(64, 5);
        x[40] = value;
        for instructions in Instructions::all() {
            let y = multiplied(instructions, &pool, &x, &matrix, ROWS);
            assert!(y.iter().all(|y| !y.is_finite()), "{value} by {instructions:?}");
        }
    }
}

/// One row alone has the bits that it has among others, with any number of threads, and each part of a matrix those of its own.
#[test]
fn bits_do_not_depend_on_other_rows_or_threads() {
    let pool = Arc::new(Pool::default());
    let parts = [
        quantised(BlockType::Q4_K, ROWS, 512, 1),
        quantised(BlockType::Q6_K, 16, 512, 2),
        quantised(BlockType::Q8_0, 5, 512, 3),
    ];
    let all = ROWS + 16 + 5;
    let matrix = QuantisedMatrix::new(&pool, &parts);
    let x = with_outliers(23, 512, 4);
    for instructions in Instructions::all() {
        let expected = multiplied(instructions, &pool, &x, &matrix, all);
        assert!(expected.iter().all(|y| y.is_finite()));
        for count in [1, 2, 4, 8, 22] {
            let some = multiplied(instructions, &pool, &x[..count * 512], &matrix, all);
            assert_eq!(some, expected[..count * all], "{count} rows by {instructions:?}");
        }
        for threads in [1, 2, 5] {
            let own =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be had");
            let found = own.install(|| multiplied(instructions, &pool, &x, &matrix, all));
            assert_eq!(found, expected, "{threads} threads, by {instructions:?}");
        }
        let mut first = 0;
        for part in &parts {
            let alone = QuantisedMatrix::new(&pool, std::slice::from_ref(part));
            let y = multiplied(instructions, &pool, &x, &alone, part.rows);
            for (row, y) in y.chunks_exact(part.rows).enumerate() {
                assert_eq!(y, &expected[row * all + first..][..part.rows]);
            }
            first += part.rows;
        }
    }
}

/// More rows than a task takes.
#[test]
fn many_rows_are_computed_as_few_are() {
    let pool = Arc::new(Pool::default());
    for block in [BlockType::Q4_0, BlockType::Q4_1, BlockType::Q8_0, BlockType::IQ4_NL] {
        let matrix = QuantisedMatrix::new(&pool, &[quantised(block, 20, 64, 1)]);
        let x = with_outliers(300, 64, 4);
        for instructions in Instructions::all() {
            let y = multiplied(instructions, &pool, &x, &matrix, 20);
            for (row, rows) in [(0, 1), (255, 1), (254, 4), (256, 3), (299, 1)] {
                let alone = multiplied(instructions, &pool, &x[row * 64..][..rows * 64], &matrix, 20);
                assert_eq!(alone, y[row * 20..][..rows * 20], "{block} by {instructions:?}");
            }
        }
    }
}

#[test]
fn rows_may_be_in_another_order() {
    let pool = Arc::new(Pool::default());
    let rows = quantised(BlockType::Q5_1, 6, 64, 9);
    let order = [4, 2, 0, 5, 3, 1];
    let plain = QuantisedMatrix::new(&pool, std::slice::from_ref(&rows));
    let ordered = QuantisedMatrix::new(&pool, &[rows.ordered(order)]);
    let [mut a, mut b] = [vec![0.0; 64], vec![0.0; 64]];
    for (row, place) in order.into_iter().enumerate() {
        ordered.copy_row(row, &mut a);
        plain.copy_row(place as usize, &mut b);
        assert_eq!(a, b);
    }
}
