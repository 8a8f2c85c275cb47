use nuwa_tensor::{
    AttentionMask, HeadLayout, Parameter, RelativeParameters, RelativePlaces, Result, Tape, Tensor,
};

use crate::{Context, Initialisation, Linear, Scope, residual};

/// Multi-head attention by relative distance (Dai et al., "Transformer-XL", 2019) and relative segment (Yang et al., "XLNet", 2019),
/// with its projections, none of which has a bias. Rows of queries may be others than those of keys, as with two streams, a
/// memory of earlier rows, or a cache: so the steps are methods of their own.
#[derive(Debug, Clone)]
pub struct RelativeAttention {
    queries: Linear,
    memory: Linear,
    distances: Linear,
    output: Linear,
    content_bias: Parameter,
    distance_bias: Parameter,
    segment_bias: Parameter,
    segments: Parameter,
    heads: HeadLayout,
}

impl RelativeAttention {
    /// Over rows of `width`; parameters `queries` `[heads head_dim, width]`, `memory` `[keys | values, width]`, `distances`,
    /// `output`, `content_bias`, `distance_bias` and `segment_bias` `[heads head_dim]`, `segments` `[2, heads head_dim]`.
    pub fn new(mut scope: Scope<'_>, width: usize, heads: HeadLayout, weights: Initialisation) -> Self {
        let own = heads.query_width();
        let mut linear =
            |name: &str, [from, to]: [usize; 2]| Linear::new(scope.child(name), from, to, false, weights);
        let queries = linear("queries", [width, own]);
        let memory = linear("memory", [width, heads.memory_width()]);
        let distances = linear("distances", [width, own]);
        let output = linear("output", [own, width]);
        let mut bias = |name: &str| scope.parameter(name, [own], weights);
        let (content_bias, distance_bias, segment_bias) =
            (bias("content_bias"), bias("distance_bias"), bias("segment_bias"));
        let segments = scope.parameter("segments", [2, own], weights);
        Self {
            queries,
            memory,
            distances,
            output,
            content_bias,
            distance_bias,
            segment_bias,
            segments,
            heads,
        }
    }

    /// The queries of rows.
    ///
    /// # Errors
    /// When the width differs.
    pub fn queries(&self, tape: &Tape, rows: &Tensor) -> Result<Tensor> {
        self.queries.forward(tape, rows)
    }

    /// The keys and values of rows, `[keys | values]`.
    ///
    /// # Errors
    /// As [`RelativeAttention::queries`].
    pub fn memory(&self, tape: &Tape, rows: &Tensor) -> Result<Tensor> {
        self.memory.forward(tape, rows)
    }

    /// What queries are multiplied by for each distance, of rows that stand for these.
    ///
    /// # Errors
    /// As [`RelativeAttention::queries`].
    pub fn distances(&self, tape: &Tape, rows: &Tensor) -> Result<Tensor> {
        self.distances.forward(tape, rows)
    }

    /// What queries gather from memory; the `inputs` are queries, memory and distances.
    ///
    /// # Errors
    /// When they do not fit each other, the mask or the places.
    pub fn attend(
        &self,
        context: &Context<'_>,
        inputs: [&Tensor; 3],
        mask: &AttentionMask,
        places: &RelativePlaces,
    ) -> Result<Tensor> {
        let parameters = RelativeParameters {
            content_bias: &self.content_bias,
            distance_bias: &self.distance_bias,
            segment_bias: &self.segment_bias,
            segments: &self.segments,
        };
        let dropout = context.attention_dropout(true);
        context.tape.relative_attention(inputs, parameters, self.heads, mask, places, dropout)
    }

    /// `x + dropout(gathered W^T)`.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn output(&self, context: &Context<'_>, x: &Tensor, gathered: &Tensor) -> Result<Tensor> {
        residual(context, x, gathered, &self.output)
    }
}

/// Rows that stand for distances of keys from queries, `[before + after + 1, width]`: for the key `d` places after a query the sines of
/// `-d / 10000^(2 i / width)`, then the cosines (Vaswani et al. 2017), in the rising order of `d` from `-before` to `after`. Beyond
/// `clamp`, where there is one, distances count as that.
///
/// # Errors
/// When the tape cannot hold them.
pub fn relative_sinusoids(
    tape: &Tape,
    width: usize,
    [before, after]: [usize; 2],
    clamp: Option<usize>,
) -> Result<Tensor> {
    let clamp = clamp.map_or(i64::MAX, |clamp| clamp as i64);
    let frequency = |pair: usize| 1.0 / 10_000_f32.powf(2.0 * pair as f32 / width as f32);
    let frequencies: Vec<f32> = (0..width / 2).map(frequency).collect();
    let row = |distance: i64| {
        let position = (-distance).clamp(-clamp, clamp) as f32;
        let angles: Vec<f64> = frequencies.iter().map(|frequency| f64::from(position * frequency)).collect();
        let sines: Vec<f32> = angles.iter().map(|angle| angle.sin() as f32).collect();
        sines.into_iter().chain(angles.into_iter().map(|angle| angle.cos() as f32))
    };
    let values: Vec<f32> = (-(before as i64)..=after as i64).flat_map(row).collect();
    tape.constant([before + after + 1, width], &values)
}
