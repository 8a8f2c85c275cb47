use crate::calls::{HeadLayout, RotaryCall, RotaryTable};
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::vectorised;

pub fn turn<T: Element>(call: &RotaryCall<'_>, x: &[T], y: &mut [T], direction: f32, accumulate: bool) {
    let RotaryCall { heads, positions, table } = *call;
    let width = heads.width();
    rows_mut(y, width, |first, rows| {
        let x = &x[first * width..][..rows.len()];
        turn_rows(x, rows, heads, &positions[first..], table, direction, accumulate);
    });
}

vectorised! {
    fn turn_rows[T: Element](
        x: &[T],
        y: &mut [T],
        heads: HeadLayout,
        positions: &[u32],
        table: &RotaryTable,
        direction: f32,
        accumulate: bool,
    ) {
        let (half, width) = (table.half, heads.width());
        let turned = (heads.heads + heads.kv_heads) * heads.head_dim;
        for ((y, x), &position) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(positions) {
            let cosines = &table.cosines[position as usize * half..][..half];
            let sines = &table.sines[position as usize * half..][..half];
            let pairs = y[..turned].chunks_exact_mut(heads.head_dim).zip(x[..turned].chunks_exact(heads.head_dim));
            for (y, x) in pairs {
                let (y, others) = y.split_at_mut(2 * half);
                let (x, other_inputs) = x.split_at(2 * half);
                pass_through(other_inputs, others, accumulate);
                let (y_first, y_second) = y.split_at_mut(half);
                let (x_first, x_second) = x.split_at(half);
                for i in 0..half {
                    let (sine, cosine) = (direction * sines[i], cosines[i]);
                    let (first, second) = (x_first[i].widen(), x_second[i].widen());
                    let before = if accumulate { [y_first[i].widen(), y_second[i].widen()] } else { [0.0; 2] };
                    y_first[i] = T::narrow(before[0] + first * cosine - second * sine);
                    y_second[i] = T::narrow(before[1] + second * cosine + first * sine);
                }
            }
            pass_through(&x[turned..], &mut y[turned..], accumulate);
        }
    }
}

/// What is not turned.
#[inline(always)]
fn pass_through<T: Element>(x: &[T], y: &mut [T], accumulate: bool) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = if accumulate { T::narrow(y.widen() + x.widen()) } else { *x };
    }
}
