//! Scales and codes that leave a small error: the searches of ggml's quantisers.
//!
//! Codes are whole numbers `q`; errors are squared and weighed. Each search tries some scales around the obvious one, rounds to codes, and
//! solves for the best scale of these codes.

/// Numbers that are all smaller than this are taken for 0.
pub const NOTHING: f32 = 1e-15;

/// The nearest whole number, halves to the even one; for numbers up to four million.
pub fn nearest(value: f32) -> i32 {
    // 1.5 * 2^23: a sum this large keeps no fraction.
    let bits = (value + 12_582_912.0).to_bits();
    (bits & 0x007f_ffff) as i32 - 0x0040_0000
}

/// The first number of the largest size.
pub fn largest(values: &[f32]) -> f32 {
    let larger = |largest: f32, value: &f32| if value.abs() > largest.abs() { *value } else { largest };
    values.iter().fold(0.0, larger)
}

/// The sum of squares, added in order.
pub fn squares(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |sum, value| sum + value * value)
}

/// The weights of errors: the importance of each number times the root of `spread` and its own square.
pub fn weigh(values: &[f32], importance: &[f32], spread: f32, weights: &mut [f32]) {
    for ((weight, value), importance) in weights.iter_mut().zip(values).zip(importance) {
        *weight = importance * (spread + value * value).sqrt();
    }
}

/// Codes around 0, `x = scale q` with `q` from `-half` to `half - 1`, written as `q + half`. Errors weigh the square of a number where
/// no `weights` are given.
pub fn symmetric(values: &[f32], half: i32, weights: Option<&[f32]>, codes: &mut [u8]) -> f32 {
    let largest = largest(values);
    if largest.abs() < NOTHING {
        codes.fill(0);
        return 0.0;
    }
    let weight = |i: usize| weights.map_or(values[i] * values[i], |weights| weights[i]);
    let code = |inverse: f32, value: f32| nearest(inverse * value).clamp(-half, half - 1);
    let sums = |inverse: f32| {
        let (mut product, mut square) = (0.0, 0.0);
        for (i, &value) in values.iter().enumerate() {
            let (weight, code) = (weight(i), code(inverse, value) as f32);
            product += weight * value * code;
            square += weight * code * code;
        }
        (product, square)
    };
    let mut write = |inverse: f32| {
        codes.iter_mut().zip(values).for_each(|(out, &value)| *out = (code(inverse, value) + half) as u8);
    };
    let inverse = -(half as f32) / largest;
    let (product, square) = sums(inverse);
    write(inverse);
    let mut scale = if square != 0.0 { product / square } else { 0.0 };
    let mut best = scale * product;
    for step in (-9..=9).filter(|&step| step != 0) {
        let inverse = -(half as f32 + 0.1 * step as f32) / largest;
        let (product, square) = sums(inverse);
        if square > 0.0 && product * product > best * square {
            write(inverse);
            scale = product / square;
            best = scale * product;
        }
    }
    scale
}

/// Which scales [`affine`] tries beside the obvious one: `(largest code + first + step * i) / range` for `i` up to `count`.
pub struct Search {
    pub first: f32,
    pub step: f32,
    pub count: i32,
    /// Whether errors count by their size rather than squared.
    pub absolute: bool,
}

impl Search {
    /// That of quantisers that know what errors weigh.
    pub const WEIGHTED: Self = Self { first: -0.9, step: 0.05, count: 36, absolute: false };
}

/// Codes above a smallest number, `x = scale q - least` with `q` from 0 to `top`; gives scale and `least`, which is not below 0.
pub fn affine(values: &[f32], weights: &[f32], top: i32, search: &Search, codes: &mut [u8]) -> [f32; 2] {
    let (mut least, mut most) = (values[0], values[0]);
    let (mut sum_weights, mut sum_values) = (weights[0], weights[0] * values[0]);
    for (&value, &weight) in values.iter().zip(weights).skip(1) {
        least = if value < least { value } else { least };
        most = if value > most { value } else { most };
        sum_weights += weight;
        sum_values += weight * value;
    }
    if least > 0.0 {
        least = 0.0;
    }
    if most <= least {
        codes.fill(0);
        return [0.0, -least];
    }
    // Codes count from the smallest number found so far, which the best scale goes with.
    let code = |inverse: f32, from: f32, value: f32| nearest(inverse * (value - from)).clamp(0, top);
    let error = |[inverse, from]: [f32; 2], [scale, least]: [f32; 2]| {
        values.iter().zip(weights).fold(0.0, |sum: f32, (&value, weight)| {
            let difference = scale * code(inverse, from, value) as f32 + least - value;
            sum + weight * if search.absolute { difference.abs() } else { difference * difference }
        })
    };
    let mut write = |inverse: f32, from: f32| {
        codes.iter_mut().zip(values).for_each(|(out, &value)| *out = code(inverse, from, value) as u8);
    };
    let inverse = top as f32 / (most - least);
    let mut scale = 1.0 / inverse;
    let mut best = error([inverse, least], [scale, least]);
    write(inverse, least);
    for step in 0..=search.count {
        let inverse = (search.first + search.step * step as f32 + top as f32) / (most - least);
        let [mut sum_codes, mut sum_squares, mut sum_products] = [0.0; 3];
        for (&value, &weight) in values.iter().zip(weights) {
            let code = code(inverse, least, value) as f32;
            sum_codes += weight * code;
            sum_squares += weight * code * code;
            sum_products += weight * code * value;
        }
        let determinant = sum_weights * sum_squares - sum_codes * sum_codes;
        if determinant <= 0.0 || determinant.is_nan() {
            continue;
        }
        let mut own_scale = (sum_weights * sum_products - sum_values * sum_codes) / determinant;
        let mut own_least = (sum_squares * sum_values - sum_codes * sum_products) / determinant;
        if own_least > 0.0 {
            own_least = 0.0;
            own_scale = sum_products / sum_squares;
        }
        let own = error([inverse, least], [own_scale, own_least]);
        if own < best {
            write(inverse, least);
            (best, scale, least) = (own, own_scale, own_least);
        }
    }
    [scale, -least]
}

/// Codes of numbers that are not below 0, such as scales: `x = scale q` with `q` from 0 to `top`.
pub fn positive(values: &[f32], top: i32, weights: &[f32], codes: &mut [u8]) -> f32 {
    let most = values.iter().fold(0.0, |most: f32, &value| if value > most { value } else { most });
    if most < NOTHING {
        codes.fill(0);
        return 0.0;
    }
    let mut inverse = top as f32 / most;
    let error = |inverse: f32, code: &dyn Fn(i32) -> f32| {
        let scale = 1.0 / inverse;
        values.iter().zip(weights).fold(0.0, |sum: f32, (&value, weight)| {
            let difference = value - scale * code(nearest(inverse * value));
            sum + weight * difference * difference
        })
    };
    // Codes are bytes at ggml, where a scale below 0, which there may be, wraps around.
    let mut best = error(inverse, &|code| f32::from(code as u8));
    for step in (-4..=4).filter(|&step| step != 0) {
        let own = (0.1 * step as f32 + top as f32) / most;
        let error = error(own, &|code| code.min(top) as f32);
        if error < best {
            (best, inverse) = (error, own);
        }
    }
    let mut sums = Sums::default();
    for ((out, &value), &weight) in codes.iter_mut().zip(values).zip(weights) {
        let code = nearest(inverse * value).min(top);
        *out = code as u8;
        sums.add(weight, value, code as f32);
    }
    descend(values, |i| weights[i], [i32::MIN, top], codes, 0, sums)
}

/// Codes around 0 as [`symmetric`] has them, found by moving one after the other; errors weigh the squares of the numbers.
pub fn stepwise(values: &[f32], half: i32, codes: &mut [u8]) -> f32 {
    let largest = largest(values);
    if largest.abs() < NOTHING {
        codes.fill(0);
        return 0.0;
    }
    let inverse = -(half as f32) / largest;
    let mut sums = Sums::default();
    for (out, &value) in codes.iter_mut().zip(values) {
        let code = nearest(inverse * value).clamp(-half, half - 1);
        *out = (code + half) as u8;
        sums.add(value * value, value, code as f32);
    }
    descend(values, |i| values[i] * values[i], [-half, half - 1], codes, half, sums)
}

/// Of codes and numbers: weighed products and squares, whose quotient is the best scale.
#[derive(Clone, Copy, Default)]
struct Sums {
    product: f32,
    square: f32,
}

impl Sums {
    fn add(&mut self, weight: f32, value: f32, code: f32) {
        self.product += weight * value * code;
        self.square += weight * code * code;
    }
}

/// Moves each code to where the error is smallest with the others as they are, at most five times over. Codes are written `shift` higher.
fn descend(
    values: &[f32],
    weight: impl Fn(usize) -> f32,
    [lowest, top]: [i32; 2],
    codes: &mut [u8],
    shift: i32,
    mut sums: Sums,
) -> f32 {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let mut moved = false;
        for (i, &value) in values.iter().enumerate() {
            let (weight, code) = (weight(i), i32::from(codes[i]) - shift);
            let mut own = Sums {
                product: sums.product - weight * value * code as f32,
                square: sums.square - weight * code as f32 * code as f32,
            };
            // Of codes around 0 ggml looks at the square only once the code is in it again.
            if own.product <= 0.0 || (shift == 0 && own.square <= 0.0) {
                continue;
            }
            let new = nearest(value * own.square / own.product).clamp(lowest, top);
            if new == code {
                continue;
            }
            own.add(weight, value, new as f32);
            let better = own.product * own.product * sums.square > sums.product * sums.product * own.square;
            if own.square > 0.0 && better {
                codes[i] = (new + shift) as u8;
                sums = own;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    if sums.square > 0.0 { sums.product / sums.square } else { 0.0 }
}
