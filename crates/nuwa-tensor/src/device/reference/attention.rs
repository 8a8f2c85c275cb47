use crate::calls::{AttentionCall, BiasCall, Dropout, Visible};

/// Where queries, keys and values lie.
struct Rows<'a> {
    queries: &'a [f32],
    query_stride: usize,
    memory: &'a [f32],
    memory_stride: usize,
    /// Where in a row of memory the keys begin.
    keys: usize,
    /// Where the values begin.
    values: usize,
}

impl<'a> Rows<'a> {
    fn new(call: &AttentionCall, queries: &'a [f32], memory: Option<&'a [f32]>) -> Self {
        let heads = call.heads;
        let (memory, query_stride, memory_stride, keys) = match memory {
            Some(memory) => (memory, heads.query_width(), heads.memory_width(), 0),
            None => (queries, heads.width(), heads.width(), heads.query_width()),
        };
        Self { queries, query_stride, memory, memory_stride, keys, values: keys + heads.key_width() }
    }
}

/// Where the bias has the number for a query, a key and a head.
fn bias_place(call: &AttentionCall, bias: BiasCall, row: usize, key: usize, head: usize) -> usize {
    let (sequence, query) = (row / call.mask.length(), row % call.mask.length());
    let place = match bias.before {
        Some(before) => before + key - query,
        None => sequence * call.mask.keys() + key,
    };
    place * call.heads.heads + head
}

/// A key that a query sees.
struct Seen {
    /// Which of its sequence.
    key: usize,
    /// Its row in memory.
    row: usize,
    weight: f64,
    /// What dropout multiplies the weight by.
    factor: f64,
}

/// The keys that query `row` sees with `head`, and their weights.
fn seen(call: &AttentionCall, rows: &Rows<'_>, bias: &[f32], row: usize, head: usize) -> Vec<Seen> {
    let Visible::Ranges(ranges) = call.mask.visible();
    let (heads, dim, keys) = (call.heads, call.heads.head_dim, call.mask.keys());
    let query = &rows.queries[row * rows.query_stride + head * dim..][..dim];
    let first_key = row / call.mask.length() * keys;
    let score = |key: usize| {
        let start = (first_key + key) * rows.memory_stride + rows.keys + head / heads.group() * dim;
        let features = &rows.memory[start..start + dim];
        let dot: f64 = query.iter().zip(features).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
        let bias = call.bias.map_or(0.0, |own| f64::from(bias[bias_place(call, own, row, key, head)]));
        f64::from(call.scale) * dot + bias
    };
    let visible = ranges[row][0] as usize..ranges[row][1] as usize;
    let scores: Vec<f64> = visible.clone().map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
    let factor = |key: usize| {
        let draw = Dropout::draw(row, [head, heads.heads], [key, keys]);
        call.dropout.map_or(1.0, |dropout| f64::from(dropout.factors(draw)[key % Dropout::GROUP]))
    };
    let seen = |(key, score): (usize, f64)| Seen {
        key,
        row: first_key + key,
        weight: (score - largest).exp() / total,
        factor: factor(key),
    };
    visible.zip(scores).map(seen).collect()
}

/// `y = sum over keys of weight factor v`.
pub fn forward(call: &AttentionCall, queries: &[f32], memory: Option<&[f32]>, bias: &[f32]) -> Vec<f64> {
    let (rows, heads, dim) = (Rows::new(call, queries, memory), call.heads, call.heads.head_dim);
    let mut y = vec![0.0; call.mask.rows() * heads.query_width()];
    for row in 0..call.mask.rows() {
        for head in 0..heads.heads {
            for Seen { row: key, weight, factor, .. } in seen(call, &rows, bias, row, head) {
                let value = key * rows.memory_stride + rows.values + head / heads.group() * dim;
                for d in 0..dim {
                    y[row * heads.query_width() + head * dim + d] +=
                        weight * factor * f64::from(rows.memory[value + d]);
                }
            }
        }
    }
    y
}

/// The gradients of the rows of queries and of the rows of memory, of packed rows both as long as these; and of the bias.
pub fn backward(
    call: &AttentionCall,
    queries: &[f32],
    memory: Option<&[f32]>,
    bias: &[f32],
    dy: &[f32],
) -> ([Vec<f64>; 2], Vec<f64>) {
    let (rows, heads, dim) = (Rows::new(call, queries, memory), call.heads, call.heads.head_dim);
    let (mut d_queries, mut d_memory) = (vec![0.0; queries.len()], vec![0.0; rows.memory.len()]);
    let mut d_bias = vec![0.0; bias.len()];
    for row in 0..call.mask.rows() {
        for head in 0..heads.heads {
            let dy = &dy[row * heads.query_width() + head * dim..][..dim];
            let query = row * rows.query_stride + head * dim;
            let seen = seen(call, &rows, bias, row, head);
            let place = |key: usize| key * rows.memory_stride + head / heads.group() * dim;
            let slope = |one: &Seen| {
                let value = &rows.memory[place(one.row) + rows.values..][..dim];
                one.factor * dy.iter().zip(value).map(|(dy, v)| f64::from(*dy) * f64::from(*v)).sum::<f64>()
            };
            let mean: f64 = seen.iter().map(|one| one.weight * slope(one)).sum();
            for one in &seen {
                let slope = one.weight * (slope(one) - mean);
                if let Some(own) = call.bias {
                    d_bias[bias_place(call, own, row, one.key, head)] += slope;
                }
                let d_score = f64::from(call.scale) * slope;
                let (key, value) = (place(one.row) + rows.keys, place(one.row) + rows.values);
                for d in 0..dim {
                    d_queries[query + d] += d_score * f64::from(rows.memory[key + d]);
                    d_memory[key + d] += d_score * f64::from(queries[query + d]);
                    d_memory[value + d] += one.weight * one.factor * f64::from(dy[d]);
                }
            }
        }
    }
    ([d_queries, d_memory], d_bias)
}
