//! How fast this machine is at what training spends its time on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::Precision;
use crate::device::Pool;
use crate::device::cpu::product::{Matrix, Store, product};
use crate::element::{Bf16, Element};

/// Long enough to leave the processor's start-up behind, short enough to wait for.
const LONG_ENOUGH: Duration = Duration::from_millis(400);

/// Side of the measured product: three such matrices (12 MB) are about what a layer of a small model works on.
const SIDE: usize = 1024;

/// Elements of each measured array: far more than any cache holds.
const ELEMENTS: usize = 1 << 24;

/// The speed of matrix products with all threads, in floating-point operations a second: the best of several.
pub fn product_speed(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => speed_of::<f32>(precision),
        Precision::Bf16 => speed_of::<Bf16>(precision),
    }
}

fn speed_of<T: Element>(precision: Precision) -> f64 {
    let a = vec![T::narrow(0.5); SIDE * SIDE];
    let b = vec![T::narrow(0.25); SIDE * SIDE];
    let mut out = vec![0.0_f32; SIDE * SIDE];
    let pool = Arc::new(Pool::default());
    let seconds = best(|| {
        let (a, b) = (Matrix::new(&a, SIDE, SIDE), Matrix::new(&b, SIDE, SIDE));
        product(&pool, precision, a, b, &Store::plain(&mut out, SIDE));
    });
    2.0 * (SIDE as f64).powi(3) / seconds
}

/// The bandwidth of memory with all threads, in bytes a second: the best of several passes of `a = b + s c`.
pub fn memory_bandwidth() -> f64 {
    let b = vec![0.5_f32; ELEMENTS];
    let c = vec![0.25_f32; ELEMENTS];
    let mut a = vec![0.0_f32; ELEMENTS];
    let chunk = ELEMENTS / 64;
    let seconds = best(|| {
        let parts = a.par_chunks_mut(chunk).zip(b.par_chunks(chunk)).zip(c.par_chunks(chunk));
        parts.for_each(|((a, b), c)| {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + 3.0 * c;
            }
        });
    });
    (3 * size_of::<f32>() * ELEMENTS) as f64 / seconds
}

/// The shortest time that `work` took, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < LONG_ENOUGH {
        let clock = Instant::now();
        work();
        best = best.min(clock.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_machine_manages_a_little() {
        assert!(product_speed(Precision::F32) > 1e7);
        assert!(product_speed(Precision::Bf16) > 1e7);
        assert!(memory_bandwidth() > 1e7);
    }
}
