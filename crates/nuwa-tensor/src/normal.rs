//! Normal numbers, some at a time, by Box and Muller (1958): for `u` and `v` uniform in `(0, 1)`, `sqrt(-2 ln u)` times the
//! cosine and the sine of `2 pi v` are two of them.
//!
//! Logarithm, sine and cosine are made of sums and products alone, which every processor rounds alike: the first weights of a model
//! are the same everywhere. They are right to about 1e-15, far below what an `f32` keeps.

use std::f64::consts::FRAC_PI_2;

use crate::random::Random;
use crate::simd::vectorised;

/// Pairs that are made side by side.
const PAIRS: usize = 8;

type Lanes<T> = [T; PAIRS];

vectorised! {
    /// Fills `values` with the pairs from number `first` on.
    pub(crate) fn fill(values: &mut [f32], random: Random, first: u64, deviation: f32) {
        for (block, values) in (0..).zip(values.chunks_mut(2 * PAIRS)) {
            let [a, b, c, d] = random.words_from(first + block * PAIRS as u64);
            let (mut radii, turns) = (uniform(&a, &b), uniform(&c, &d));
            // A loop: an array's `map` would be a call that is not compiled for the instructions.
            radii.iter_mut().for_each(|value| *value = radius(*value));
            let mut pairs = [[0.0; 2]; PAIRS];
            for ((pair, radius), turn) in pairs.iter_mut().zip(radii).zip(turns) {
                let [cosine, sine] = on_circle(turn);
                *pair = [radius * cosine, radius * sine].map(|normal| (normal * f64::from(deviation)) as f32);
            }
            values.copy_from_slice(&pairs.as_flattened()[..values.len()]);
        }
    }
}

/// Numbers between 0 and 1, neither of them among these, of 53 bits.
#[inline(always)]
fn uniform(high: &Lanes<u32>, low: &Lanes<u32>) -> Lanes<f64> {
    std::array::from_fn(|lane| {
        let whole = f64::from(high[lane]) * f64::from(1 << 21) + f64::from((low[lane] >> 11) as i32);
        (whole + 0.5) * (1.0 / (1_u64 << 53) as f64)
    })
}

#[inline(always)]
fn radius(uniform: f64) -> f64 {
    (-2.0 * logarithm(uniform)).sqrt()
}

/// The natural logarithm of a positive normal number: of `2^e m` with m from sqrt(1/2) to sqrt(2) it is `e ln 2 + 2 artanh((m - 1) /
/// (m + 1))`, the latter by its series.
#[inline(always)]
fn logarithm(x: f64) -> f64 {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    // The first has 21 zeros at its end, so that its product with an exponent is exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    let exponent = (x.to_bits().wrapping_sub(SQRT_HALF) as i64 >> 52) as i32;
    let fraction = f64::from_bits(x.to_bits().wrapping_sub((i64::from(exponent) << 52) as u64));
    let s = (fraction - 1.0) / (fraction + 1.0);
    let z = s * s;
    let mut series = 1.0 / 21.0;
    for divisor in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series * z + 1.0 / divisor;
    }
    let exponent = f64::from(exponent);
    exponent * LN_2[0] + (2.0 * s + (2.0 * s * z * series + exponent * LN_2[1]))
}

/// Cosine and sine of a part of a turn, 0 to 1: those of what is left of the nearest quarter, by their series.
#[inline(always)]
fn on_circle(turn: f64) -> [f64; 2] {
    /// 1.5 * 2^52: what is added to it is rounded to a whole number, which its lowest bits hold.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = 4.0 * turn + ROUND;
    let quarter = shifted.to_bits();
    let angle = (4.0 * turn - (shifted - ROUND)) * FRAC_PI_2;
    let z = angle * angle;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for n in [16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sine = 1.0 - sine * z * (1.0 / (n * (n + 1.0)));
    }
    for n in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        cosine = 1.0 - cosine * z * (1.0 / (n * (n + 1.0)));
    }
    sine *= angle;
    let is_odd = quarter & 1 == 1;
    let (x, y) = if is_odd { (sine, cosine) } else { (cosine, sine) };
    let negative = |value: f64, when: u64| f64::from_bits(value.to_bits() ^ ((when & 2) << 62));
    [negative(x, quarter + 1), negative(y, quarter)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_mathematics() {
        let random = Random::new(5);
        let edges =
            [f64::EPSILON / 4.0, 0.25, 0.5, 0.75, 1.0 - f64::EPSILON, 0.125, 0.1249999, 1e-9, 0.707, 0.7072];
        let all = edges.into_iter().chain((0..100_000).map(|index| random.uniform(index).max(1e-16)));
        for x in all {
            let expected = x.ln();
            assert!((logarithm(x) - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "ln {x}");
            let (sine, cosine) = (std::f64::consts::TAU * x).sin_cos();
            let [own_cosine, own_sine] = on_circle(x);
            // The argument that the library is given is itself rounded.
            let near = |one: f64, other: f64| (one - other).abs() < 1.5e-15;
            assert!(
                near(own_cosine, cosine) && near(own_sine, sine),
                "{x}: {own_cosine} {cosine} {own_sine} {sine}"
            );
        }
    }

    #[test]
    fn numbers_are_those_of_the_formula_whatever_is_asked_for_at_once() {
        let random = Random::new(11).named("weights");
        let by_formula = |index: usize| {
            let [a, b, c, d] = random.words(index as u64 / 2);
            let unit = |high: u32, low: u32| {
                ((u64::from(high) << 21 | u64::from(low) >> 11) as f64 + 0.5) / 2_f64.powi(53)
            };
            let (sine, cosine) = (std::f64::consts::TAU * unit(c, d)).sin_cos();
            (-2.0 * unit(a, b).ln()).sqrt() * if index.is_multiple_of(2) { cosine } else { sine } * 0.5
        };
        for length in [1, 2, 15, 16, 17, 70_000] {
            let mut values = vec![0.0; length];
            random.fill_normal(&mut values, 0.5);
            for (index, value) in values.iter().enumerate() {
                let expected = by_formula(index);
                let error = (f64::from(*value) - expected).abs();
                assert!(error <= 1e-7 * expected.abs() + 1e-15, "{index}: {value} {expected}");
            }
        }
    }
}
