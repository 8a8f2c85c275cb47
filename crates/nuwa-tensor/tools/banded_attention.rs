//! Forward and backward of attention within a band against attention to everything before, in turn: how many times as fast.
//!
//!     cargo run --release -p nuwa-tensor --example banded_attention -- 4096 256

use std::time::Instant;

use nuwa_tensor::{AttentionMask, AttentionOptions, HeadLayout, Parameter, ParametersBuilder, Result, Tape};

const HEADS: HeadLayout = HeadLayout { heads: 4, kv_heads: 4, head_dim: 64 };
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [context, window] = sizes[..] else { panic!("expected a context and a window") };
    let mut builder = ParametersBuilder::new(1);
    let rows = builder.add("rows".into(), [context, HEADS.width()], true, |values, random| {
        random.fill_normal(values, 1.0);
    });
    let _all = builder.finish();
    let dense = AttentionMask::causal(1, context);
    let banded = dense.clone().within_window(window);
    let (mut of_dense, mut of_banded) = (Vec::new(), Vec::new());
    let tape = Tape::training();
    for _ in 0..ROUNDS {
        of_dense.push(seconds(&tape, &rows, &dense)?);
        of_banded.push(seconds(&tape, &rows, &banded)?);
    }
    let (dense, banded) = (median(of_dense), median(of_banded));
    println!(
        "context {context}, window {window}: dense {:.1} ms, banded {:.1} ms, {:.2} times as fast",
        1e3 * dense,
        1e3 * banded,
        dense / banded
    );
    Ok(())
}

/// Seconds of one pass forward and backward.
fn seconds(tape: &Tape, rows: &Parameter, mask: &AttentionMask) -> Result<f64> {
    let ids: Vec<u32> = (0..rows.rows() as u32).collect();
    let qkv = tape.embedding(&ids, rows)?;
    let weights = vec![1e-3; ids.len() * HEADS.query_width()];
    let begun = Instant::now();
    let y = tape.attention(&qkv, HEADS, mask, AttentionOptions::default())?;
    tape.backward(&tape.weighted_sum(&y, &weights)?)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
