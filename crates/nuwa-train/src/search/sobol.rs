//! Sobol's sequence: points that fill a cube more evenly than random ones (Sobol 1967), with the direction numbers of Joe and Kuo
//! (2008) and a random digital shift.

use nuwa_tensor::Random;

/// The most dimensions that there are direction numbers for.
pub const MOST_DIMENSIONS: usize = 12;

/// Of each dimension after the first: the degree of its polynomial, its inner coefficients, its first direction numbers.
const DIRECTIONS: [(u32, u32, &[u32]); MOST_DIMENSIONS - 1] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
    (5, 7, &[1, 1, 7, 11, 19]),
    (5, 11, &[1, 1, 5, 1, 1]),
    (5, 13, &[1, 1, 1, 3, 11]),
];

const BITS: usize = 32;

/// Point `index` of so many dimensions, each coordinate from 0 up to 1, shifted under `random`.
///
/// # Panics
/// When there are more than [`MOST_DIMENSIONS`].
pub fn point(index: u32, dimensions: usize, random: Random) -> Vec<f64> {
    assert!(dimensions <= MOST_DIMENSIONS, "{dimensions} dimensions of Sobol's sequence");
    let shift = |dimension: usize| random.words(dimension as u64)[0];
    (0..dimensions)
        .map(|dimension| f64::from(coordinate(index, dimension) ^ shift(dimension)) / 2_f64.powi(32))
        .collect()
}

fn coordinate(index: u32, dimension: usize) -> u32 {
    let gray = index ^ index >> 1;
    let directions = directions(dimension);
    (0..BITS).filter(|bit| gray >> bit & 1 == 1).fold(0, |sum, bit| sum ^ directions[bit])
}

fn directions(dimension: usize) -> [u32; BITS] {
    let mut found = [0; BITS];
    let Some(&(degree, inner, first)) = dimension.checked_sub(1).and_then(|at| DIRECTIONS.get(at)) else {
        for (bit, direction) in found.iter_mut().enumerate() {
            *direction = 1 << (31 - bit);
        }
        return found;
    };
    let degree = degree as usize;
    for bit in 0..BITS {
        if let Some(number) = first.get(bit) {
            found[bit] = number << (31 - bit);
            continue;
        }
        let mut direction = found[bit - degree] ^ found[bit - degree] >> degree;
        for term in 1..degree {
            if inner >> (degree - 1 - term) & 1 == 1 {
                direction ^= found[bit - term];
            }
        }
        found[bit] = direction;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_those_of_the_tables() {
        let at = |index, dimension| f64::from(coordinate(index, dimension)) / 2_f64.powi(32);
        let first: Vec<[f64; 3]> =
            (0..5).map(|index| [0, 1, 2].map(|dimension| at(index, dimension))).collect();
        let expected =
            [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75], [0.375, 0.375, 0.625]];
        assert_eq!(first, expected);
    }

    #[test]
    fn every_dimension_has_one_point_in_each_part() {
        for dimension in 0..MOST_DIMENSIONS {
            let mut parts: Vec<u64> = (0..64)
                .map(|index| (point(index, MOST_DIMENSIONS, Random::new(3))[dimension] * 64.0) as u64)
                .collect();
            parts.sort_unstable();
            assert!(parts.iter().copied().eq(0..64), "dimension {dimension}");
        }
    }
}
