use crate::ops::parallel::rows_mut;

pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    rows_mut(y, 1, |first, rows| {
        for ((y, a), b) in rows.iter_mut().zip(&a[first..]).zip(&b[first..]) {
            *y = a + b;
        }
    });
}

pub fn scale(factor: f32, x: &[f32], y: &mut [f32], accumulate: bool) {
    rows_mut(y, 1, |first, rows| {
        for (y, x) in rows.iter_mut().zip(&x[first..]) {
            *y = if accumulate { *y + factor * x } else { factor * x };
        }
    });
}

pub fn multiply(a: &[f32], b: &[f32], y: &mut [f32], accumulate: bool) {
    rows_mut(y, 1, |first, rows| {
        for ((y, a), b) in rows.iter_mut().zip(&a[first..]).zip(&b[first..]) {
            *y = if accumulate { *y + a * b } else { a * b };
        }
    });
}
