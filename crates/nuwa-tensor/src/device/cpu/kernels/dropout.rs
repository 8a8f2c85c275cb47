use crate::Random;
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::vectorised;

/// Elements that share one draw of four words.
const GROUP: usize = 4;

pub fn apply<T: Element>(random: Random, p: f32, x: &[T], y: &mut [T], accumulate: bool) {
    let whole = y.len() - y.len() % GROUP;
    let (body, tail) = y.split_at_mut(whole);
    rows_mut(body, GROUP, |first, rows| {
        groups(random, p, first as u64, &x[first * GROUP..], rows, accumulate);
    });
    let mut rest = [T::default(); GROUP];
    rest[..tail.len()].copy_from_slice(&x[whole..]);
    let mut out = [T::default(); GROUP];
    out[..tail.len()].copy_from_slice(tail);
    groups(random, p, (whole / GROUP) as u64, &rest, &mut out, accumulate);
    tail.copy_from_slice(&out[..tail.len()]);
}

vectorised! {
    fn groups[T: Element](random: Random, p: f32, first: u64, x: &[T], y: &mut [T], accumulate: bool) {
        let threshold = (f64::from(p) * 2_f64.powi(32)) as u32;
        let scale = 1.0 / (1.0 - p);
        for (index, (y, x)) in y.chunks_exact_mut(GROUP).zip(x.chunks_exact(GROUP)).enumerate() {
            let words = random.words(first + index as u64);
            for lane in 0..GROUP {
                let kept = if words[lane] >= threshold { x[lane].widen() * scale } else { 0.0 };
                let before = if accumulate { y[lane].widen() } else { 0.0 };
                y[lane] = T::narrow(before + kept);
            }
        }
    }
}
