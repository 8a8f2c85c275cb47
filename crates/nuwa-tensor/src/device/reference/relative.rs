use crate::calls::{Dropout, RelativeCall};

/// The numbers that go in.
pub struct RelativeInputs<'a> {
    pub queries: &'a [f32],
    /// `[keys | values]`.
    pub memory: &'a [f32],
    pub distances: &'a [f32],
    /// Of content, of distance, of segments.
    pub biases: [Vec<f32>; 3],
    pub segments: Vec<f32>,
}

/// The gradients of all of them, in their order.
pub struct SlopesOfAll {
    pub queries: Vec<f64>,
    pub memory: Vec<f64>,
    pub distances: Vec<f64>,
    pub biases: [Vec<f64>; 3],
    pub segments: Vec<f64>,
}

/// A key that a query sees: where its rows begin, and what it weighs.
struct Seen {
    key: usize,
    value: usize,
    distance: usize,
    segment: usize,
    weight: f64,
    /// What dropout multiplies the weight by.
    factor: f64,
}

/// The keys that query `row` sees with `head`, and their weights.
fn seen(call: &RelativeCall, inputs: &RelativeInputs<'_>, row: usize, head: usize) -> Vec<Seen> {
    let (width, dim, keys) = (call.width(), call.head_dim, call.mask.keys());
    let (query, column) = (row * width + head * dim, head * dim);
    let first = row / call.mask.length() * keys;
    let with_bias = |which: usize, d: usize| {
        f64::from(inputs.queries[query + d]) + f64::from(inputs.biases[which][column + d])
    };
    let product = |which: usize, other: &[f32]| -> f64 {
        (0..dim).map(|d| with_bias(which, d) * f64::from(other[d])).sum()
    };
    let of_key = |key: usize| {
        let kind = usize::from(call.segments[0][row] != call.segments[1][first + key]);
        let own = Seen {
            key: 2 * (first + key) * width + column,
            value: (2 * (first + key) + 1) * width + column,
            distance: call.distance(row, key, 0) * width + column,
            segment: kind * width + column,
            weight: 0.0,
            factor: 1.0,
        };
        let scores = product(0, &inputs.memory[own.key..])
            + product(1, &inputs.distances[own.distance..])
            + product(2, &inputs.segments[own.segment..]);
        let draw = Dropout::draw(row, [head, call.heads], [key, keys]);
        let factor =
            call.dropout.map_or(1.0, |dropout| f64::from(dropout.factors(draw)[key % Dropout::GROUP]));
        Seen { weight: f64::from(call.scale) * scores, factor, ..own }
    };
    let visible = call.range(row).filter(|key| call.ranks[first + key] < call.limits[row]);
    let mut all: Vec<Seen> = visible.map(of_key).collect();
    let largest = all.iter().map(|one| one.weight).fold(f64::NEG_INFINITY, f64::max);
    all.iter_mut().for_each(|one| one.weight = (one.weight - largest).exp());
    let total: f64 = all.iter().map(|one| one.weight).sum();
    all.iter_mut().for_each(|one| one.weight /= total);
    all
}

/// `y = sum over keys of weight factor v`.
pub fn forward(call: &RelativeCall, inputs: &RelativeInputs<'_>) -> Vec<f64> {
    let (width, dim) = (call.width(), call.head_dim);
    let mut y = vec![0.0; call.mask.rows() * width];
    for row in 0..call.mask.rows() {
        for head in 0..call.heads {
            for one in seen(call, inputs, row, head) {
                for d in 0..dim {
                    y[row * width + head * dim + d] +=
                        one.weight * one.factor * f64::from(inputs.memory[one.value + d]);
                }
            }
        }
    }
    y
}

/// The gradients of everything that goes in.
pub fn backward(call: &RelativeCall, inputs: &RelativeInputs<'_>, dy: &[f32]) -> SlopesOfAll {
    let (width, dim) = (call.width(), call.head_dim);
    let zeros = |like: &[f32]| vec![0.0; like.len()];
    let mut slopes = SlopesOfAll {
        queries: zeros(inputs.queries),
        memory: zeros(inputs.memory),
        distances: zeros(inputs.distances),
        biases: inputs.biases.each_ref().map(|bias| zeros(bias)),
        segments: zeros(&inputs.segments),
    };
    for row in 0..call.mask.rows() {
        for head in 0..call.heads {
            let (query, column) = (row * width + head * dim, head * dim);
            let seen = seen(call, inputs, row, head);
            let slope = |one: &Seen| {
                let product = |d: usize| f64::from(dy[query + d]) * f64::from(inputs.memory[one.value + d]);
                one.factor * (0..dim).map(product).sum::<f64>()
            };
            let mean: f64 = seen.iter().map(|one| one.weight * slope(one)).sum();
            for one in &seen {
                let d_score = f64::from(call.scale) * one.weight * (slope(one) - mean);
                for d in 0..dim {
                    let others = [
                        (inputs.memory[one.key + d], &mut slopes.memory[one.key + d]),
                        (inputs.distances[one.distance + d], &mut slopes.distances[one.distance + d]),
                        (inputs.segments[one.segment + d], &mut slopes.segments[one.segment + d]),
                    ];
                    for (which, (other, d_other)) in others.into_iter().enumerate() {
                        let bias = f64::from(inputs.biases[which][column + d]);
                        *d_other += d_score * (f64::from(inputs.queries[query + d]) + bias);
                        slopes.queries[query + d] += d_score * f64::from(other);
                        slopes.biases[which][column + d] += d_score * f64::from(other);
                    }
                    slopes.memory[one.value + d] += one.weight * one.factor * f64::from(dy[query + d]);
                }
            }
        }
    }
    slopes
}
