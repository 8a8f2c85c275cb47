//! First weights with which a model already looks back: induction heads.
//!
//! What makes a model read from its context is a pair of heads (Olsson et al., "In-context Learning and Induction Heads",
//! 2022): one that brings the tokens before to each position, and one in a later block that looks for places before which
//! the same tokens stood, and copies what stood there. Models find this circuit by themselves only after very many tokens;
//! a small model with minutes to train does not. So it may begin with it, and train it like all other weights:
//!
//! - Feature 0 of every embedding is one constant. The heads of block 0 turn it into queries and keys that meet where the
//!   key stands `o` positions before the query, `o` = 1, 2, ...: rotary attention gives the score
//!   `sum_f a_f^2 cos(theta_f (i - j - o))`, which is largest at `j = i - o`. Each head writes `P x_j` into directions of
//!   its own, `B_o`.
//! - Half of the heads of block 1 compare what is here and before (`P x`, `B_1^T x`, ...) with what was before there
//!   (`B_1^T x`, `B_2^T x`, ...), in the features that rotary positions turn slowly, and copy the token they find.
//!
//! `P` and all `B_o` have orthonormal rows, and are orthogonal to each other and to feature 0. Before any training, a model
//! so begun continues a random text that stands in its context for the second time with the right token in about two of
//! three places.

use nuwa_tensor::{HeadLayout, Parameter, Random};

use super::Llama;

/// The constant feature of embeddings, as a multiple of their deviation.
const CONSTANT: f32 = 2.0;
/// How much larger the score at the wanted distance is than one beside it, in nats.
const SHARPNESS: f64 = 6.0;
/// Frequencies of at least this many radians a position tell neighbours apart.
const FAST: f64 = 0.1;
/// Frequencies of at most this many leave distant tokens comparable.
const SLOW: f64 = 0.011;
/// The score of one equal token, in nats.
const MATCH: f32 = 6.0;
/// The longest distance that a head of block 0 looks back.
const FARTHEST: usize = 4;
/// What tokens brought from before weigh in the residual stream, as a multiple of the embeddings' deviation: more than the
/// token that stands there, whose features lie in all directions.
const BROUGHT: f32 = 2.5;
/// What copied tokens weigh in the residual stream, as a multiple of the embeddings' deviation.
const COPY: f32 = 3.0;

/// A matrix by its rows.
type Rows = Vec<Vec<f32>>;

impl Llama {
    /// Overwrites the heads of the first two blocks; what is too narrow for the circuit is left as it is.
    pub(super) fn wire_induction(&self, seed: u64) {
        let (width, heads) = (self.config.hidden_size, self.config.heads());
        let offsets = heads.kv_heads.min(FARTHEST);
        let features = heads.head_dim.min((width - 1) / (offsets + 2));
        if self.config.num_hidden_layers < 2 || features < 4 || heads.head_dim < 8 {
            return;
        }
        let random = Random::new(seed).named("induction");
        let basis = orthonormal(random, (offsets + 2) * features, width);
        let groups: Vec<Rows> = basis.chunks(features).map(<[_]>::to_vec).collect();
        let ([here, aside], before) = ([&groups[0], &groups[1]], &groups[2..]);
        self.add_constant();
        for (head, written) in before.iter().enumerate() {
            self.look_back(heads, head, here, written);
        }
        for head in 0..heads.kv_heads.div_ceil(2) {
            self.look_up(heads, head, random.stream(head as u64), [here, aside], before);
        }
    }

    /// Feature 0 is the same in every embedding.
    fn add_constant(&self) {
        let (width, constant) = (self.config.hidden_size, CONSTANT * self.config.initializer_range);
        self.tokens.weight().set(|values| values.chunks_mut(width).for_each(|row| row[0] = constant));
    }

    /// Head `head` of block 0 brings what stands `head + 1` positions before.
    fn look_back(&self, heads: HeadLayout, head: usize, read: &Rows, written: &Rows) {
        let frequencies = self.config.frequencies();
        let (half, offset) = (heads.head_dim / 2, (head + 1) as f64);
        let fast: Vec<usize> = (0..half).filter(|&f| frequencies[f] >= FAST).collect();
        let gap: f64 = fast.iter().map(|&f| 1.0 - frequencies[f].cos()).sum();
        let constant = f64::from(CONSTANT).powi(2) / (heads.head_dim as f64).sqrt();
        let size = (SHARPNESS / (gap * constant)).sqrt();
        let mut queries = vec![vec![0.0; self.config.hidden_size]; heads.head_dim];
        let mut keys = queries.clone();
        for f in fast {
            let angle = offset * frequencies[f];
            queries[f][0] = size as f32;
            (keys[f][0], keys[f + half][0]) = ((size * angle.cos()) as f32, (size * angle.sin()) as f32);
        }
        self.set_head(0, heads, head, [&queries, &keys, read]);
        self.set_output(0, heads, head, written, BROUGHT * self.config.initializer_range);
    }

    /// Head `head` of block 1 finds where the same tokens stood before, and copies what followed them.
    fn look_up(
        &self,
        heads: HeadLayout,
        head: usize,
        random: Random,
        [here, aside]: [&Rows; 2],
        before: &[Rows],
    ) {
        let (width, half) = (self.config.hidden_size, heads.head_dim / 2);
        let frequencies = self.config.frequencies();
        let slow: Vec<usize> =
            (0..half).filter(|&f| frequencies[f] <= SLOW).flat_map(|f| [f, f + half]).collect();
        let scale = (MATCH * (heads.head_dim as f32).sqrt() / slow.len().max(1) as f32).sqrt();
        let (mut queries, mut keys) =
            (vec![vec![0.0; width]; heads.head_dim], vec![vec![0.0; width]; heads.head_dim]);
        let mut known = here;
        for (place, stood) in before.iter().enumerate() {
            let mixing = orthonormal(random.stream(place as u64), slow.len().min(here.len()), here.len());
            for (row, mix) in slow.iter().zip(&mixing) {
                for ((own, there), share) in known.iter().zip(stood).zip(mix) {
                    add(&mut queries[*row], own, scale * share);
                    add(&mut keys[*row], there, scale * share);
                }
            }
            known = stood;
        }
        // Only where block 0 writes nothing: what stood before the token found is not to be copied with it.
        let copied = if head % 2 == 0 { here } else { aside };
        self.set_head(1, heads, head, [&queries, &keys, copied]);
        self.set_output(1, heads, head, copied, COPY * self.config.initializer_range);
    }

    /// Queries (of the whole group), keys and values of a key-value head.
    fn set_head(&self, block: usize, heads: HeadLayout, head: usize, [queries, keys, values]: [&Rows; 3]) {
        let weight: &Parameter = self.blocks[block].qkv.weight();
        let width = self.config.hidden_size;
        let (keys_at, group) = (heads.query_width(), heads.group());
        weight.set(|all| {
            let mut put = |first: usize, rows: &Rows| {
                for (index, row) in rows.iter().enumerate() {
                    all[(first + index) * width..][..width].copy_from_slice(row);
                }
            };
            (0..group).for_each(|member| put((head * group + member) * heads.head_dim, queries));
            put(keys_at + head * heads.head_dim, keys);
            put(keys_at + heads.key_width() + head * heads.head_dim, values);
        });
    }

    /// What the values of a key-value head add to the residual stream: `scale` times the rows of `written`.
    fn set_output(&self, block: usize, heads: HeadLayout, head: usize, written: &Rows, scale: f32) {
        let (columns, group) = (heads.query_width(), heads.group());
        self.blocks[block].output.weight().set(|all| {
            for (row, line) in all.chunks_mut(columns).enumerate() {
                for member in 0..group {
                    let own = &mut line[(head * group + member) * heads.head_dim..][..heads.head_dim];
                    own.fill(0.0);
                    for (value, direction) in own.iter_mut().zip(written) {
                        *value = scale * direction[row] / group as f32;
                    }
                }
            }
        });
    }
}

/// `count` orthonormal rows of `width` (Gram and Schmidt), orthogonal to feature 0 where there is room for that.
fn orthonormal(random: Random, count: usize, width: usize) -> Rows {
    let skipped = usize::from(count < width);
    let mut rows: Rows = Vec::with_capacity(count);
    for index in 0..count {
        let mut row = vec![0.0; width];
        random.stream(index as u64).fill_normal(&mut row[skipped..], 1.0);
        for _ in 0..2 {
            for other in &rows {
                let overlap = dot(&row, other);
                add(&mut row, other, -overlap);
            }
        }
        let length = dot(&row, &row).sqrt();
        row.iter_mut().for_each(|value| *value /= length);
        rows.push(row);
    }
    rows
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f32], from: &[f32], times: f32) {
    for (value, more) in to.iter_mut().zip(from) {
        *value += times * more;
    }
}
