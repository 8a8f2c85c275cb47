//! Causal attention forward and backward, for measuring: with no bias, one by relative distance that is learned, and one of keys.
//!
//!     RAYON_NUM_THREADS=1 taskset -c 1 cargo run --release -p nuwa-tensor --example attention_speed -- [ROUNDS]
//!
//! 4 sequences of 512, 8 heads of 32, f32. Prints the median of forward and backward together for each, in turn.

use std::time::{Duration, Instant};

use nuwa_tensor::{
    AttentionBias, AttentionMask, AttentionOptions, HeadLayout, Parameter, ParametersBuilder, Random, Result,
    Tape,
};

const SEQUENCES: usize = 4;
const LENGTH: usize = 512;
const HEADS: HeadLayout = HeadLayout { heads: 8, kv_heads: 8, head_dim: 32 };
const BIASES: [&str; 3] = ["none", "relative", "keys"];

struct Setup {
    tape: Tape,
    qkv: Parameter,
    distances: Parameter,
    keys: Vec<f32>,
    mask: AttentionMask,
    slopes: Vec<f32>,
}

impl Setup {
    fn new() -> Self {
        let mut builder = ParametersBuilder::new(1);
        let normal = |values: &mut [f32], random: Random| random.fill_normal(values, 1.0);
        let rows = SEQUENCES * LENGTH;
        let qkv = builder.add("qkv".into(), [rows, HEADS.width()], true, normal);
        let distances = builder.add("distances".into(), [LENGTH, HEADS.heads], true, normal);
        let _all = builder.finish();
        Self {
            tape: Tape::training(),
            qkv,
            distances,
            keys: (0..rows * HEADS.heads).map(|place| (place / HEADS.heads % LENGTH) as f32 * 0.01).collect(),
            mask: AttentionMask::causal(SEQUENCES, LENGTH),
            slopes: vec![0.01; rows * HEADS.query_width()],
        }
    }

    /// One pass; what making the rows and the sum takes is the same for each kind.
    fn pass(&self, kind: &str) -> Result<Duration> {
        let tape = &self.tape;
        let ids = |count: usize| (0..count as u32).collect::<Vec<_>>();
        let qkv = tape.embedding(&ids(SEQUENCES * LENGTH), &self.qkv)?;
        let distances = tape.embedding(&ids(LENGTH), &self.distances)?;
        let keys = tape.constant([SEQUENCES * LENGTH, HEADS.heads], &self.keys)?;
        let bias = match kind {
            "relative" => Some(AttentionBias::Relative { table: &distances, before: LENGTH - 1 }),
            "keys" => Some(AttentionBias::Keys { table: &keys }),
            _ => None,
        };
        let options = AttentionOptions { bias, ..AttentionOptions::default() };
        let start = Instant::now();
        let y = tape.attention(&qkv, HEADS, &self.mask, options)?;
        tape.backward(&tape.weighted_sum(&y, &self.slopes)?)?;
        Ok(start.elapsed())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    let setup = Setup::new();
    let mut times = [const { Vec::new() }; BIASES.len()];
    for _ in 0..rounds.max(1) {
        for (times, kind) in times.iter_mut().zip(BIASES) {
            times.push(setup.pass(kind)?);
        }
    }
    for (times, kind) in times.iter_mut().zip(BIASES) {
        times.sort();
        println!("{kind:9} {:.2} ms", times[times.len() / 2].as_secs_f64() * 1e3);
    }
    Ok(())
}
