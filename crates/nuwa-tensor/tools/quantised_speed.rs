//! Speed of products with quantised weights of the shapes of SmolLM2-135M (30 layers of 576, inner 1,536, 960 rows of queries, keys
//! and values, a head of 49,152): tokens a second that the products of all layers allow, of one row with the head, and of many
//! without; beside them the same of matrices in bf16 and `f32`.
//!
//!     cargo run --release -p nuwa-tensor --example quantised_speed [TYPE ...]

use std::hint::black_box;
use std::time::Instant;

use nuwa_tensor::{
    BlockType, Bytes, DType, Parameter, ParametersBuilder, QuantisedRows, Random, Tape, on_team,
};

const LAYERS: usize = 30;
const WIDTH: usize = 576;
const INNER: usize = 1536;
const VOCABULARY: usize = 49_152;
const ROWS: [usize; 5] = [1, 2, 4, 8, 512];
const ROUNDS: usize = 5;

/// Rows and width of the matrices of a layer.
const SHAPES: [[usize; 2]; 4] = [[960, WIDTH], [WIDTH, WIDTH], [2 * INNER, WIDTH], [WIDTH, INNER]];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    for dtype in [DType::Bf16, DType::F32] {
        if is_wanted(&format!("{dtype:?}")) {
            measure(&format!("{dtype:?}"), dtype, |parameter| parameter.set(normal));
        }
    }
    for block in BlockType::ALL {
        // Where rows are no whole blocks, files have blocks of 32 in the place of those of 256.
        if block.width() == 32 && is_wanted(block.name()) {
            measure(block.name(), DType::F32, |parameter| set_blocks(parameter, block));
        }
    }
}

fn normal(values: &mut [f32]) {
    Random::new(1).fill_normal(values, 0.05);
}

fn set_blocks(parameter: &Parameter, block: BlockType) {
    let (rows, width) = (parameter.rows(), parameter.width());
    let mut values = vec![0.0; 64 * width];
    normal(&mut values);
    let mut bytes = Vec::new();
    values.chunks_exact(width).for_each(|row| block.quantize(row, None, &mut bytes));
    let all: Vec<u8> = bytes.iter().copied().cycle().take(rows * bytes.len() / 64).collect();
    let rows = QuantisedRows::new(block, rows, width, Bytes::from(all));
    parameter.set_quantised(&[rows]).expect("rows of the matrix");
}

fn measure(name: &str, dtype: DType, set: impl Fn(&Parameter)) {
    let mut builder = ParametersBuilder::inference(dtype);
    let mut add = |name: String, shape: [usize; 2]| builder.add(name, shape, true, |_, _| {});
    let layers: Vec<[Parameter; 4]> = (0..LAYERS)
        .map(|layer| std::array::from_fn(|index| add(format!("{layer}.{index}"), SHAPES[index])))
        .collect();
    let head = add("head".into(), [VOCABULARY, WIDTH]);
    let _all = builder.finish();
    let start = Instant::now();
    layers.iter().flatten().chain([&head]).for_each(&set);
    let setting = start.elapsed().as_secs_f64();
    print!("{name}: set in {setting:.2} s");
    let mut tape = Tape::inference().batch_invariant();
    for rows in ROWS {
        let inputs = [WIDTH, INNER].map(|width| {
            let mut values = vec![0.0; rows * width];
            Random::new(2).fill_normal(&mut values, 1.0);
            tape.constant([rows, width], &values).expect("a value for each element")
        });
        let mut pass = || {
            let tape = &mut tape;
            for layer in &layers {
                for weight in layer {
                    let x = &inputs[usize::from(weight.width() == INNER)];
                    black_box(tape.linear(x, weight, None).expect("shapes that fit"));
                }
            }
            if rows < 512 {
                black_box(tape.logits(&inputs[0], &head).expect("shapes that fit"));
            }
        };
        on_team(&mut pass);
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let passes = (64 / rows).max(1);
            (0..passes).for_each(|_| on_team(&mut pass));
            best = best.min(start.elapsed().as_secs_f64() / passes as f64);
        }
        print!("; {rows} rows: {:.0} tokens/s", rows as f64 / best);
    }
    println!();
}
