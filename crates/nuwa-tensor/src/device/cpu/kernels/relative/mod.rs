//! Attention by relative distance on the processor: blocks of queries whose scores over all keys exist at one time.

mod backward;
mod forward;
mod scores;

pub use backward::{PARAMETERS, RelativeSaved, RelativeSlopes, backward};
pub use forward::forward;

use std::cell::RefCell;
use std::ops::Range;

use crate::calls::{Dropout, RelativeCall};
use crate::device::Parameter;
use crate::device::cpu::product::{LeftRoom, Matrix, PANEL, PackedRight};
use crate::element::Element;

/// Queries whose scores exist at one time: with a thousand keys, four blocks of 128 KiB.
const QUERY_BLOCK: usize = 32;

/// Rows of queries, of memory `[keys | values]` and of distances.
#[derive(Clone, Copy)]
pub struct RelativeOperands<'a, T> {
    pub queries: &'a [T],
    pub memory: &'a [T],
    pub distances: &'a [T],
}

/// The values of what is learned besides the projections.
pub struct Learned {
    /// Of content, of distance, of segments, `[heads head_dim]`.
    biases: [Vec<f32>; 3],
    /// `[2, heads head_dim]`.
    segments: Vec<f32>,
}

impl Learned {
    pub fn of([content, distance, segment, segments]: [&Parameter; 4]) -> Self {
        Self { biases: [content, distance, segment].map(Parameter::to_host), segments: segments.to_host() }
    }
}

/// One head of one sequence.
struct Pair<'a, T> {
    call: &'a RelativeCall,
    learned: &'a Learned,
    operands: RelativeOperands<'a, T>,
    sequence: usize,
    head: usize,
}

impl<'a, T: Element> Pair<'a, T> {
    fn new(
        call: &'a RelativeCall,
        learned: &'a Learned,
        operands: RelativeOperands<'a, T>,
        pair: usize,
    ) -> Self {
        Self { call, learned, operands, sequence: pair / call.heads, head: pair % call.heads }
    }

    /// How many pairs there are.
    fn count(call: &RelativeCall) -> usize {
        call.mask.sequences() * call.heads
    }

    fn column(&self) -> usize {
        self.head * self.call.head_dim
    }

    /// The rows of its queries, in blocks.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<T> {
        let length = self.call.mask.length();
        let rows = self.sequence * length..(self.sequence + 1) * length;
        rows.clone().step_by(QUERY_BLOCK).map(move |start| start..(start + QUERY_BLOCK).min(rows.end))
    }

    /// The head's part of a row as wide as the queries.
    fn of_row<'b, S>(&self, rows: &'b [S], row: usize) -> &'b [S] {
        &rows[row * self.call.width() + self.column()..][..self.call.head_dim]
    }

    fn keys(&self) -> Matrix<'a, T> {
        self.memory(self.column())
    }

    fn values(&self) -> Matrix<'a, T> {
        self.memory(self.call.width() + self.column())
    }

    fn memory(&self, column: usize) -> Matrix<'a, T> {
        let (keys, stride) = (self.call.mask.keys(), 2 * self.call.width());
        let start = self.sequence * keys * stride + column;
        let rows = self.operands.memory.get(start..).unwrap_or_default();
        Matrix::strided(rows, keys, self.call.head_dim, stride)
    }

    fn distances(&self) -> Matrix<'a, T> {
        let rows = self.operands.distances.get(self.column()..).unwrap_or_default();
        Matrix::strided(rows, self.call.distances, self.call.head_dim, self.call.width())
    }

    /// The keys that a block of queries may see, and the distances at which they lie; both begin where a panel does.
    fn span(&self, rows: Range<usize>) -> Span {
        let (mut keys, mut distances) = (Bounds::default(), Bounds::default());
        for row in rows {
            let seen = self.call.range(row);
            if !seen.is_empty() {
                let first = self.call.distance(row, seen.start, 0);
                distances.include(first..first + seen.len());
                keys.include(seen);
            }
        }
        Span { keys: keys.by_panels(), distances: distances.by_panels() }
    }
}

/// What a block of queries reads.
#[derive(Clone)]
struct Span {
    /// Keys of the sequence.
    keys: Range<usize>,
    /// Rows of distances.
    distances: Range<usize>,
}

/// The smallest range around others.
#[derive(Default)]
struct Bounds(Option<Range<usize>>);

impl Bounds {
    fn include(&mut self, other: Range<usize>) {
        let own = self.0.take().unwrap_or_else(|| other.clone());
        self.0 = Some(own.start.min(other.start)..own.end.max(other.end));
    }

    fn by_panels(self) -> Range<usize> {
        let range = self.0.unwrap_or(0..0);
        range.start / PANEL * PANEL..range.end
    }
}

/// What one thread uses again from task to task.
#[derive(Default)]
struct Workspace {
    keys: PackedRight,
    transposed_keys: PackedRight,
    values: PackedRight,
    transposed_values: PackedRight,
    distances: PackedRight,
    transposed_distances: PackedRight,
    outputs: PackedRight,
    with_content: PackedRight,
    with_distance: PackedRight,
    left: LeftRoom,
    block: Block,
    factors: Vec<f32>,
    floats: Vec<f32>,
}

/// The numbers of a block of queries.
#[derive(Default)]
struct Block {
    /// Queries with the bias of content, and of distance, `[queries][head_dim]`.
    content: Vec<f32>,
    distance: Vec<f32>,
    /// Scores of keys of the same segment, and of another, `[queries]`.
    kinds: Vec<[f32; 2]>,
    /// Scores over keys, then weights, `[queries][keys]`.
    scores: Vec<f32>,
    /// Products with distances, then the gradients of these, `[queries][distances]`.
    relative: Vec<f32>,
    /// The gradients of scores, `[queries][keys]`.
    gradients: Vec<f32>,
}

/// Makes room for so many numbers, which are left over from earlier use.
fn room(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if values.len() < length {
        values.resize(length, 0.0);
    }
    &mut values[..length]
}

/// What the weights of a query and a block of keys, which begins at a whole group, are multiplied by.
fn dropout_factors(
    dropout: Dropout,
    call: &RelativeCall,
    row: usize,
    head: usize,
    keys: &Range<usize>,
    factors: &mut Vec<f32>,
) {
    let first = Dropout::draw(row, [head, call.heads], [keys.start, call.mask.keys()]);
    let groups = keys.len().div_ceil(Dropout::GROUP) as u64;
    factors.clear();
    factors.extend((first..first + groups).flat_map(|draw| dropout.factors(draw)));
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}
