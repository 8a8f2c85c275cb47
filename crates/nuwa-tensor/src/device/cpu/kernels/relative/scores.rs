use std::ops::Range;

use super::{Block, Pair, Span, Workspace, room};
use crate::device::Stored;
use crate::device::cpu::product::{Matrix, Spans, Store, multiply_serial};
use crate::simd::{dot, vectorised};

impl<T: Stored> Pair<'_, T> {
    /// Leaves the scores of a block of queries in the workspace, times `factor`; of keys that a query does not see they are
    /// minus infinity within its range, and anything outside. The keys and distances have been packed, transposed.
    pub fn scores(&self, workspace: &mut Workspace, rows: &Range<usize>, span: &Span, factor: f32) {
        let (dim, precision, count) = (self.call.head_dim, self.call.precision, rows.len());
        let Workspace { transposed_keys, transposed_distances, left, block, .. } = workspace;
        self.biased_queries(block, rows);
        let Block { content, distance, kinds, scores, relative, .. } = block;
        let (keys, distances) = (span.keys.len(), span.distances.len());
        let scores = room(scores, count * keys);
        let relative = room(relative, count * distances);
        let right = transposed_keys.part(0..dim, span.keys.clone(), precision);
        let store = Store::plain(scores, keys);
        multiply_serial(left, Matrix::new(content, count, dim), &right, Spans::All, &store);
        let right = transposed_distances.part(0..dim, span.distances.clone(), precision);
        let store = Store::plain(relative, distances);
        multiply_serial(left, Matrix::new(distance, count, dim), &right, Spans::All, &store);
        for (index, row) in rows.clone().enumerate() {
            let seen = self.call.range(row);
            if seen.is_empty() {
                continue;
            }
            let first = self.call.distance(row, seen.start, span.distances.start);
            let scores =
                &mut scores[index * keys..][seen.start - span.keys.start..seen.end - span.keys.start];
            let relative = &relative[index * distances + first..][..seen.len()];
            let seen = self.sequence * self.call.mask.keys() + seen.start..;
            let (ranks, segments) = (&self.call.ranks[seen.clone()], &self.call.segments[1][seen]);
            let (limit, segment) = (self.call.limits[row], self.call.segments[0][row]);
            put_together(scores, relative, ranks, segments, limit, segment, kinds[index], factor);
        }
    }

    /// The queries with their biases, and their scores of both kinds of segments.
    fn biased_queries(&self, block: &mut Block, rows: &Range<usize>) {
        let (dim, width) = (self.call.head_dim, self.call.width());
        let [content, distance, segment] = self.learned.biases.each_ref().map(|bias| self.of_row(bias, 0));
        let segments = [0, 1].map(|kind| &self.learned.segments[kind * width + self.column()..][..dim]);
        block.content.clear();
        block.distance.clear();
        block.kinds.clear();
        for row in rows.clone() {
            let query = self.of_row(self.operands.queries, row);
            let with = |bias: &[f32]| -> Vec<f32> {
                query.iter().zip(bias).map(|(query, bias)| query.widen() + bias).collect()
            };
            block.content.extend(with(content));
            block.distance.extend(with(distance));
            let query = with(segment);
            block.kinds.push(segments.map(|kind| dot(&query, kind)));
        }
    }
}

vectorised! {
    /// `factor (S + R + E)` of one query for the keys whose rank is below its limit, in place of `S`.
    fn put_together(
        scores: &mut [f32],
        relative: &[f32],
        ranks: &[u32],
        segments: &[u32],
        limit: u32,
        segment: u32,
        kinds: [f32; 2],
        factor: f32,
    ) {
        let keys = relative.iter().zip(ranks.iter().zip(segments));
        for (score, (relative, (rank, of_key))) in scores.iter_mut().zip(keys) {
            let kind = if *of_key == segment { kinds[0] } else { kinds[1] };
            let whole = factor * (*score + relative + kind);
            *score = if *rank < limit { whole } else { f32::NEG_INFINITY };
        }
    }
}
