use super::*;

/// The first four numbers, the one in the middle, the last and the sum of a block whose byte `i` is `37 i + 11` and whose scales are 1/16,
/// by the `gguf` package of Python.
const KNOWN: [(BlockType, [f32; 4], f32, f32, f32); 11] = [
    (BlockType::Q4_0, [-0.1875, 0.125, 0.4375, -0.25], -0.1875, 0.0, -1.3125),
    (BlockType::Q4_1, [1.0, 0.3125, 0.625, 0.9375], 0.625, 0.8125, 17.3125),
    (BlockType::Q5_0, [0.5625, -0.125, 0.1875, -0.5], 0.875, 0.0625, 0.9375),
    (BlockType::Q5_1, [1.25, 1.5625, 1.875, 1.1875], 1.25, 0.375, 33.5625),
    (BlockType::Q8_0, [5.3125, 7.625, -6.0625, -3.75], -5.6875, -3.0, -11.0),
    (BlockType::Q2_K, [2.0625, 0.0, 0.6875, 1.375], 0.375, 0.1875, 76.1875),
    (BlockType::Q3_K, [5.0625, -6.75, 1.6875, -3.375], 0.125, 2.625, 59.875),
    (BlockType::Q4_K, [18.125, -3.1875, 6.5, 16.1875], 26.0625, 1.9375, 3138.5),
    (BlockType::Q5_K, [49.125, -3.1875, 37.5, 16.1875], 65.0625, 5.6875, 6999.5),
    (BlockType::Q6_K, [-89.4375, 106.0, 36.4375, -33.125], -21.9375, -3.75, 288.25),
    (BlockType::IQ4_NL, [-2.1875, 1.5625, 7.0625, -3.0625], -2.1875, 0.0625, -16.0625),
];

fn known_block(kind: BlockType) -> Vec<u8> {
    let mut block: Vec<u8> = (0..kind.bytes()).map(|i| (37 * i + 11) as u8).collect();
    for &at in kind.scales() {
        put_half(&mut block, at, 0.0625);
    }
    block
}

#[test]
fn blocks_hold_the_numbers_that_others_read() {
    for (kind, first, middle, last, sum) in KNOWN {
        let mut numbers = vec![0.0; kind.width()];
        kind.dequantize(&known_block(kind), &mut numbers);
        assert_eq!(numbers[..4], first, "{kind}");
        assert_eq!(numbers[kind.width() / 2], middle, "{kind}");
        assert_eq!(*numbers.last().unwrap(), last, "{kind}");
        assert_eq!(numbers.iter().map(|x| f64::from(*x)).sum::<f64>() as f32, sum, "{kind}");
    }
}

#[test]
fn a_scale_that_is_no_number_is_found() {
    for kind in BlockType::ALL {
        let mut blocks = [known_block(kind), known_block(kind), known_block(kind)].concat();
        assert_eq!(kind.first_infinite(&blocks), None, "{kind}");
        for (&at, infinite) in kind.scales().iter().zip([f32::INFINITY, f32::NAN]) {
            let end = blocks.len();
            put_half(&mut blocks[2 * kind.bytes()..end], at, infinite);
            assert_eq!(kind.first_infinite(&blocks), Some(2), "{kind}");
            put_half(&mut blocks[2 * kind.bytes()..end], at, 0.0625);
        }
    }
}

#[test]
fn rows_are_whole_blocks() {
    assert_eq!(BlockType::Q4_K.row_bytes(512), Some(288));
    assert_eq!(BlockType::Q4_K.row_bytes(576), None);
    assert_eq!(BlockType::Q4_0.row_bytes(576), Some(324));
    assert_eq!(BlockType::Q8_0.row_bytes(usize::MAX - 31), None, "more bytes than there can be");
    assert_eq!(BlockType::Q8_0.row_bytes(0), Some(0));
}

/// Numbers that no code may be taken for granted of: zeros, one number alone, all alike, all of one sign, very small and large ones.
fn awkward_rows() -> Vec<Vec<f32>> {
    let wave = |factor: f32| (0..LARGE).map(|i| (i as f32 * 0.7).sin() * factor).collect::<Vec<f32>>();
    let mut alone = vec![0.0; LARGE];
    alone[77] = -3.0;
    vec![
        vec![0.0; LARGE],
        alone,
        vec![1.5; LARGE],
        wave(1.0).iter().map(|x| x.abs() + 0.5).collect(),
        wave(1.0).iter().map(|x| -x.abs() - 0.5).collect(),
        wave(1e-8),
        wave(1e4),
    ]
}

#[test]
fn what_is_quantised_comes_back_nearly() {
    // The largest error that a type may make, of the largest number of a row.
    let allowed = |kind: BlockType| match kind {
        BlockType::Q8_0 => 0.005,
        BlockType::Q6_K => 0.03,
        BlockType::Q5_0 | BlockType::Q5_1 | BlockType::Q5_K => 0.07,
        BlockType::Q4_0 | BlockType::Q4_1 | BlockType::Q4_K => 0.14,
        BlockType::IQ4_NL => 0.16,
        BlockType::Q3_K => 0.3,
        BlockType::Q2_K => 0.7,
    };
    let importance: Vec<f32> = (0..LARGE).map(|i| 0.5 + (i % 7) as f32).collect();
    for kind in BlockType::ALL {
        for (number, row) in awkward_rows().into_iter().enumerate() {
            for importance in [None, Some(&importance[..])] {
                let mut bytes = vec![7];
                kind.quantize(&row, importance, &mut bytes);
                assert_eq!(bytes.len(), 1 + kind.row_bytes(LARGE).unwrap(), "{kind}: it appends");
                let mut back = vec![0.0; LARGE];
                kind.dequantize(&bytes[1..], &mut back);
                // What is too small for a scale of 16 bits is 0.
                let largest = fit::largest(&row).abs().max(1e-4);
                let worst = row.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst <= allowed(kind) * largest, "{kind}, row {number}: {worst} of {largest}");
            }
        }
    }
}

#[test]
fn importance_makes_the_errors_that_weigh_smaller() {
    let row: Vec<f32> = (0..LARGE).map(|i| (i as f32 * 1.3).sin() + 0.3 * (i as f32 * 0.11).cos()).collect();
    let importance: Vec<f32> = (0..LARGE).map(|i| if i % 8 == 0 { 40.0 } else { 0.1 }).collect();
    let error = |kind: BlockType, given: Option<&[f32]>| {
        let (mut bytes, mut back) = (Vec::new(), vec![0.0; LARGE]);
        kind.quantize(&row, given, &mut bytes);
        kind.dequantize(&bytes, &mut back);
        let squares =
            row.iter().zip(&back).zip(&importance).map(|((a, b), weight)| weight * (a - b) * (a - b));
        squares.sum::<f32>()
    };
    for kind in BlockType::ALL.into_iter().filter(|kind| *kind != BlockType::Q8_0) {
        let (with, without) = (error(kind, Some(&importance)), error(kind, None));
        assert!(with < without, "{kind}: {with} against {without}");
    }
}

#[test]
fn a_matrix_is_its_rows() {
    let width = 2 * LARGE;
    let matrix: Vec<f32> = (0..70 * width).map(|i| (i as f32 * 0.37).sin()).collect();
    for kind in BlockType::ALL {
        let mut rows = Vec::new();
        matrix.chunks_exact(width).for_each(|row| kind.quantize(row, None, &mut rows));
        assert!(kind.quantize_matrix(&matrix, width, None) == rows, "{kind}");
        let (mut whole, mut parts) = (vec![0.0; matrix.len()], vec![0.0; matrix.len()]);
        kind.dequantize_matrix(&rows, &mut whole);
        let row_bytes = kind.row_bytes(width).unwrap();
        for (row, out) in rows.chunks_exact(row_bytes).zip(parts.chunks_exact_mut(width)) {
            kind.dequantize(row, out);
        }
        assert!(whole == parts, "{kind}");
    }
}
