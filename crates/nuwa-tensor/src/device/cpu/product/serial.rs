//! Products on the calling thread alone, for use inside parallel work: attention.

use std::cell::RefCell;
use std::ops::Range;

use super::kernel::{Left, PANEL, Panel, Spans, TILE_ROWS};
use super::{Finish, Matrix, finish, pack, units};
use crate::Precision;
use crate::device::Line;
use crate::element::{Bf16, Element};

/// Memory of one thread that is used again and again.
#[derive(Default)]
pub struct Workspace {
    lines: Vec<Line>,
}

impl Workspace {
    /// Two blocks of the given lengths.
    pub fn blocks(&mut self, words: usize, rounded: usize) -> (&mut [u32], &mut [Bf16]) {
        let lines = Line::count::<u32>(words);
        let needed = lines + Line::count::<Bf16>(rounded);
        if self.lines.len() < needed {
            self.lines.resize(needed, Line::ZERO);
        }
        let (first, second) = self.lines.split_at_mut(lines);
        (&mut Line::view_mut(first)[..words], &mut Line::view_mut(second)[..rounded])
    }
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Lends `f` the workspace of this thread.
pub fn with_workspace<T>(f: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with_borrow_mut(f)
}

/// A right operand packed once for several products.
#[derive(Default)]
pub struct PackedRight {
    words: Vec<Line>,
    inner: usize,
    columns: usize,
}

impl PackedRight {
    /// Packs `b` in place of what was there.
    pub fn pack<T: Element>(&mut self, b: Matrix<'_, T>, precision: Precision) {
        let units = units(b.rows, precision);
        let panels = b.columns.div_ceil(PANEL);
        let lines = Line::count::<u32>(panels * units * PANEL);
        if self.words.len() < lines {
            self.words.resize(lines, Line::ZERO);
        }
        (self.inner, self.columns) = (b.rows, b.columns);
        let words: &mut [u32] = Line::view_mut(&mut self.words);
        for (panel, words) in words.chunks_exact_mut((units * PANEL).max(1)).take(panels).enumerate() {
            let columns = panel * PANEL..((panel + 1) * PANEL).min(b.columns);
            pack::right(words, b, &(0..b.rows), &columns, precision);
        }
    }

    /// Some of its columns and some of its inner axis; both begin at whole panels or units.
    pub fn part(&self, inner: Range<usize>, columns: Range<usize>, precision: Precision) -> RightPart<'_> {
        assert!(
            columns.start.is_multiple_of(PANEL) && columns.end <= self.columns && inner.end <= self.inner
        );
        let span = match precision {
            Precision::F32 => inner.clone(),
            Precision::Bf16 => inner.start / 2..inner.end.div_ceil(2),
        };
        RightPart {
            packed: self,
            precision,
            inner: inner.len(),
            units: span,
            columns,
            all: units(self.inner, precision),
        }
    }

    /// All of it.
    pub fn whole(&self, precision: Precision) -> RightPart<'_> {
        self.part(0..self.inner, 0..self.columns, precision)
    }
}

/// A part of a packed right operand.
pub struct RightPart<'a> {
    packed: &'a PackedRight,
    precision: Precision,
    inner: usize,
    units: Range<usize>,
    columns: Range<usize>,
    all: usize,
}

/// Room for a left operand that the kernel cannot read as it lies.
#[derive(Default)]
pub struct LeftRoom {
    words: Vec<Line>,
}

impl LeftRoom {
    /// The matrix as it lies where the kernel can read it so, packed otherwise.
    fn rows<'a, T: Element>(&'a mut self, a: Matrix<'a, T>, precision: Precision) -> Left<'a> {
        Left::direct(a, precision).unwrap_or_else(|| self.pack(a, precision))
    }

    fn pack<T: Element>(&mut self, a: Matrix<'_, T>, precision: Precision) -> Left<'_> {
        let units = units(a.columns, precision);
        let lines = Line::count::<u32>(a.rows.div_ceil(TILE_ROWS) * units * TILE_ROWS);
        if self.words.len() < lines {
            self.words.resize(lines, Line::ZERO);
        }
        pack::left(Line::view_mut(&mut self.words), a, 0..a.rows, 0..units, precision);
        Left::block(Line::view(&self.words), a.rows)
    }
}

/// `a` times a packed operand; the columns that the epilogue and the spans name begin at 0.
pub fn multiply_serial<T: Element>(
    room: &mut LeftRoom,
    a: Matrix<'_, T>,
    right: &RightPart<'_>,
    spans: Spans<'_>,
    epilogue: &dyn Finish,
) {
    assert_eq!(a.columns, right.inner, "inner dimensions of a product");
    if let Spans::Inner(spans) | Spans::Columns(spans) = spans {
        assert!(spans.len() >= a.rows.div_ceil(TILE_ROWS), "a span for each tile");
    }
    let left = room.rows(a, right.precision);
    let words: &[u32] = Line::view(&right.packed.words);
    for first in right.columns.clone().step_by(PANEL) {
        let count = PANEL.min(right.columns.end - first);
        let start = right.columns.start;
        // The words of a block of columns lie together over the whole inner axis; a part of it begins further in.
        finish::run(
            right.precision.into(),
            left,
            0..a.rows,
            &Panel {
                words: &words[first * right.all..][..right.all * PANEL],
                all_units: right.all,
                units: right.units.clone(),
                columns: first - start..first - start + count,
                is_first: true,
                is_last: true,
                spans,
            },
            &mut [],
            epilogue,
        );
    }
}
