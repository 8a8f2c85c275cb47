use super::RotaryTable;
use crate::ops::attention::HeadLayout;
use crate::ops::parallel::rows_mut;
use crate::simd::vectorised;

pub fn turn(
    x: &[f32],
    y: &mut [f32],
    heads: HeadLayout,
    positions: &[u32],
    table: &RotaryTable,
    direction: f32,
    accumulate: bool,
) {
    let width = heads.width();
    rows_mut(y, width, |first, rows| {
        let x = &x[first * width..][..rows.len()];
        turn_rows(x, rows, heads, &positions[first..], table, direction, accumulate);
    });
}

vectorised! {
    fn turn_rows(
        x: &[f32],
        y: &mut [f32],
        heads: HeadLayout,
        positions: &[u32],
        table: &RotaryTable,
        direction: f32,
        accumulate: bool,
    ) {
        let (half, width) = (table.half, heads.width());
        let turned = (heads.heads + heads.kv_heads) * heads.head_dim;
        if !accumulate {
            y.fill(0.0);
        }
        for ((y, x), &position) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(positions) {
            let cosines = &table.cosines[position as usize * half..][..half];
            let sines = &table.sines[position as usize * half..][..half];
            let pairs = y[..turned].chunks_exact_mut(2 * half).zip(x[..turned].chunks_exact(2 * half));
            for (y, x) in pairs {
                let (y_first, y_second) = y.split_at_mut(half);
                let (x_first, x_second) = x.split_at(half);
                for i in 0..half {
                    let sine = direction * sines[i];
                    y_first[i] += x_first[i] * cosines[i] - x_second[i] * sine;
                    y_second[i] += x_second[i] * cosines[i] + x_first[i] * sine;
                }
            }
            for (y, x) in y[turned..].iter_mut().zip(&x[turned..]) {
                *y += x;
            }
        }
    }
}
