//! Attention by relative distance, in any order of prediction.
//!
//! `y_i = sum over j of softmax_j(s_ij) v_j` with the scores of Transformer-XL (Dai et al. 2019) and, beside them, of relative
//! segments (Yang et al., "XLNet", 2019):
//!
//! `s_ij = scale ((q_i + u) . k_j + (q_i + w) . r_(j - i) + (q_i + z) . g_(segments of i and j differ))`
//!
//! for the keys `j` in the range of query `i` whose rank is below its limit ([`AttentionMask::in_order`]). Rows of queries are
//! `[rows, heads head_dim]`, of memory `[keys | values]`, `[memory rows, 2 heads head_dim]`; `r` is `[distances, heads head_dim]`,
//! a row for each distance `j - i` in rising order, where `i` is the place of a query among the keys of its sequence. `u`, `w`
//! and `z` are vectors `[heads head_dim]`, `g` is `[2, heads head_dim]`. A query that sees nothing gives 0.
//!
//! Scores exist for a block of queries at a time, so memory is linear in the length. The products with `r` are made for all
//! distances of a block, `(q_i + w) . r_t`, and read along diagonals. Backward computes scores again; with
//! `D_i = dy_i . y_i`, `dP = dy v^T`, `dS = scale P (dP - D)`: `dk = dS^T (q + u)`, `dv = P^T dy`,
//! `dr_t = sum over i of dS[i, j] (q_i + w)` for the `j` at distance `t`, `dg_c = sum over i of E[i, c] (q_i + z)` with
//! `E[i, c] = sum of dS[i, j]` over keys of segment kind `c`, and `dq = dS k + dS r + E g`, whose parts summed over `i` are
//! `du`, `dw` and `dz`. Dropout is that of [the module above](super).

use std::sync::Arc;

use super::check_rows;
use crate::calls::{AttentionMask, Dropout, HeadLayout, RelativeCall, RelativePlaces};
use crate::{Error, Parameter, Result, Tape, Tensor};

const OPERATION: &str = "relative_attention";

/// What is learned besides the projections.
#[derive(Debug, Clone, Copy)]
pub struct RelativeParameters<'a> {
    /// Added to queries before their product with keys, `[heads head_dim]`: `u`.
    pub content_bias: &'a Parameter,
    /// Added before their product with distances, `[heads head_dim]`: `w`.
    pub distance_bias: &'a Parameter,
    /// Added before their product with segments, `[heads head_dim]`: `z`.
    pub segment_bias: &'a Parameter,
    /// For keys of the same segment and of another, `[2, heads head_dim]`: `g`.
    pub segments: &'a Parameter,
}

impl<'a> RelativeParameters<'a> {
    fn all(self) -> [&'a Parameter; 4] {
        [self.content_bias, self.distance_bias, self.segment_bias, self.segments]
    }

    fn check(self, width: usize) -> Result<()> {
        let [biases @ .., segments] = self.all();
        let wrong_bias = biases.into_iter().find(|bias| bias.shape().axes() != [width]);
        let wrong = wrong_bias.or((segments.shape().axes() != [2, width]).then_some(segments));
        let Some(wrong) = wrong else { return Ok(()) };
        let (path, shape) = (wrong.entry().path(), wrong.shape());
        let reason = format!(
            "{path} has shape {shape}, expected [{width}] of a bias and [2, {width}] of the segments"
        );
        Err(Error::shape(OPERATION, reason))
    }
}

impl Tape {
    /// Attention of the rows of queries, the first of `inputs`, over memory `[keys | values]`, the second, by the rows of
    /// distances, the third; `dropout` is the probability with which a weight is dropped while recording, in `[0, 1)`. See
    /// [the module](self).
    ///
    /// # Errors
    /// When shapes do not fit `heads` (which are as many of keys), rows are not those of `mask` and `places`, a distance at which
    /// the mask shows a key has no row, or the dropout is out of range.
    pub fn relative_attention(
        &self,
        inputs: [&Tensor; 3],
        parameters: RelativeParameters<'_>,
        heads: HeadLayout,
        mask: &AttentionMask,
        places: &RelativePlaces,
        dropout: f32,
    ) -> Result<Tensor> {
        let width = heads.query_width();
        check_shapes(inputs, heads, mask)?;
        parameters.check(width)?;
        if !(0.0..1.0).contains(&dropout) {
            let reason = format!("dropout is {dropout}, expected at least 0 and below 1");
            return Err(Error::Option { operation: OPERATION, reason });
        }
        let drops = dropout > 0.0 && self.is_recording();
        let call = RelativeCall {
            precision: self.precision(),
            dropout: drops.then(|| Dropout::new(self.next_random(), dropout)),
            ..call(heads, inputs[2].rows(), mask, places)?
        };
        let kernels = self.kernels_for(OPERATION, &inputs, &parameters.all())?;
        let forward = kernels.relative_attention(&call, inputs.map(Tensor::storage), parameters.all());
        let (saved, own) = (inputs.map(Tensor::clone), parameters.all().map(Parameter::clone));
        let (shape, y) = (inputs[0].shape().clone(), forward.0.clone());
        self.record(OPERATION, &inputs, &parameters.all(), shape, y, move |dy, gradients| {
            let (blocks, own) = (saved.each_ref().map(Tensor::storage), own.each_ref());
            let slopes = gradients.kernels().relative_attention_backward(&call, blocks, own, &forward, dy);
            saved.iter().zip(&slopes).for_each(|(input, slopes)| gradients.share(input, slopes));
            Ok(())
        })
    }
}

fn check_shapes(
    [queries, memory, distances]: [&Tensor; 3],
    heads: HeadLayout,
    mask: &AttentionMask,
) -> Result<()> {
    if heads.heads != heads.kv_heads {
        let reason = format!("{heads:?}: expected as many heads of keys as of queries");
        return Err(Error::shape(OPERATION, reason));
    }
    heads.check_width(OPERATION, queries, heads.query_width())?;
    heads.check_width(OPERATION, memory, heads.memory_width())?;
    heads.check_width(OPERATION, distances, heads.query_width())?;
    check_rows(OPERATION, queries, mask.rows(), mask)?;
    check_rows(OPERATION, memory, mask.sequences() * mask.keys(), mask)?;
    if let Some(other) = [memory, distances].into_iter().find(|other| other.dtype() != queries.dtype()) {
        let reason = format!("queries are {:?}, another input is {:?}", queries.dtype(), other.dtype());
        return Err(Error::shape(OPERATION, reason));
    }
    Ok(())
}

/// The call in `f32` without dropout.
fn call(
    heads: HeadLayout,
    distances: usize,
    mask: &AttentionMask,
    places: &RelativePlaces,
) -> Result<RelativeCall> {
    let (rows, keys) = (mask.rows(), mask.sequences() * mask.keys());
    let same = |value: u32, count: usize| -> Arc<[u32]> { vec![value; count].into() };
    let order = mask.order();
    let call = RelativeCall {
        precision: crate::Precision::F32,
        heads: heads.heads,
        head_dim: heads.head_dim,
        mask: mask.clone(),
        places: Arc::clone(places.places()),
        before: places.before(),
        distances,
        ranks: order.map_or_else(|| same(0, keys), |order| Arc::clone(&order.ranks)),
        limits: order.map_or_else(|| same(1, rows), |order| Arc::clone(&order.limits)),
        segments: places.segments().cloned().unwrap_or_else(|| [same(0, rows), same(0, keys)]),
        scale: 1.0 / (heads.head_dim as f32).sqrt(),
        dropout: None,
    };
    let found = [call.places.len(), call.segments[0].len(), call.segments[1].len()];
    if found != [rows, rows, keys] {
        let [places, queries, of_keys] = found;
        let reason = format!(
            "{places} places and {queries} segments of {rows} queries, {of_keys} segments of {keys} keys"
        );
        return Err(Error::shape(OPERATION, reason));
    }
    check_distances(&call).map(|()| call)
}

/// An error where a query may see a key at a distance that has no row.
fn check_distances(call: &RelativeCall) -> Result<()> {
    for (query, &place) in call.places.iter().enumerate() {
        let keys = call.range(query);
        let first = (call.before + keys.start).checked_sub(place as usize);
        let fits = first.is_some_and(|first| first + keys.len() <= call.distances);
        if !keys.is_empty() && !fits {
            let reason = format!(
                "there are {} rows of distances, {} before that of 0, but query {query} at place {place} sees the keys {keys:?}",
                call.distances, call.before
            );
            return Err(Error::shape(OPERATION, reason));
        }
    }
    Ok(())
}
