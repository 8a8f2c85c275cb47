use std::sync::Arc;

use nuwa_tensor::{AttentionBias, Bf16, Element, Parameter, RelativeBuckets, Result, Tape, Tensor};

use crate::{Initialisation, Keys, LayerInput, Scope};

/// Positions as a bias of the scores of attention, for queries that see themselves and what stands before; of
/// [`PositionBias::Buckets`] whose rule is bidirectional for queries that see what stands after them, too.
#[derive(Debug, Clone)]
pub enum PositionBias {
    /// ALiBi (Press et al. 2022): `scale slope position` of the key, which differs from `-scale slope (i - j)` by what all keys of
    /// a query have in common. Slopes, positions and their products are rounded to bf16, as transformers rounds them.
    Alibi {
        /// One for each head.
        slopes: Arc<[f32]>,
        /// What their products with positions are multiplied by.
        scale: f32,
    },
    /// T5: a learned number for each head and bucket of distances (Raffel et al. 2020).
    Buckets {
        /// `[buckets, heads]`.
        table: Parameter,
        /// Which distances share a bucket.
        rule: RelativeBuckets,
    },
}

/// The numbers of one pass.
#[derive(Debug)]
pub(crate) struct BiasOfPass {
    table: Tensor,
    before: Option<usize>,
}

impl BiasOfPass {
    pub(crate) fn get(&self) -> AttentionBias<'_> {
        match self.before {
            Some(before) => AttentionBias::Relative { table: &self.table, before },
            None => AttentionBias::Keys { table: &self.table },
        }
    }
}

impl PositionBias {
    /// A table `weight` `[buckets, heads]`, which layers may share.
    pub fn buckets(
        mut scope: Scope<'_>,
        heads: usize,
        rule: RelativeBuckets,
        initialisation: Initialisation,
    ) -> Self {
        Self::Buckets { table: scope.parameter("weight", [rule.buckets, heads], initialisation), rule }
    }

    /// With the slopes of the paper.
    pub fn alibi(heads: usize, scale: f32) -> Self {
        Self::Alibi { slopes: alibi_slopes(heads).into(), scale }
    }

    pub(crate) fn of_pass(&self, tape: &Tape, input: &LayerInput<'_>) -> Result<BiasOfPass> {
        match self {
            Self::Buckets { table, rule } => {
                let before = longest(&input.keys).saturating_sub(1);
                let after = if rule.bidirectional { before } else { 0 };
                let table = tape.embedding(&rule.of_distances(before, after), table)?;
                Ok(BiasOfPass { table, before: Some(before) })
            }
            Self::Alibi { slopes, scale } => {
                let values: Vec<f32> = match &input.keys {
                    Keys::Pass(_) => alibi(slopes, *scale, input.positions.iter().copied()),
                    Keys::Cached(_) => alibi(slopes, *scale, 0..longest(&input.keys) as u32),
                };
                let rows = values.len() / slopes.len();
                Ok(BiasOfPass { table: tape.constant([rows, slopes.len()], &values)?, before: None })
            }
        }
    }
}

/// Keys of the longest sequence.
fn longest(keys: &Keys<'_>) -> usize {
    match keys {
        Keys::Pass(mask) => mask.length(),
        Keys::Cached(rows) => rows.iter().map(|new| new.cache.length() + new.rows).max().unwrap_or(0),
    }
}

/// `[positions, heads]`.
fn alibi(slopes: &[f32], scale: f32, positions: impl Iterator<Item = u32>) -> Vec<f32> {
    let rounded = |number: f32| Bf16::narrow(number).widen();
    let slopes: Vec<f32> = slopes.iter().map(|slope| rounded(*slope)).collect();
    let row =
        |position: u32| slopes.iter().map(move |slope| scale * rounded(slope * rounded(position as f32)));
    positions.flat_map(row).collect()
}

/// ALiBi's slopes: `2^(-8 h / n)` for the heads `h = 1..=n` of a power of two; for other numbers of heads those of the next lower
/// power, and then every second one of twice as many.
fn alibi_slopes(heads: usize) -> Vec<f32> {
    let of_power =
        |count: usize| (1..=count).map(move |head| (-8.0 * head as f64 / count as f64).exp2() as f32);
    let lower = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    of_power(lower).chain(of_power(2 * lower).step_by(2)).take(heads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(alibi_slopes(4), [0.25, 0.0625, 0.015_625, 0.003_906_25]);
        assert_eq!(alibi_slopes(1), [0.003_906_25]);
        let six = [0.25, 0.0625, 0.015_625, 0.003_906_25, 0.5, 0.125];
        assert_eq!(alibi_slopes(6), six);
    }

    #[test]
    fn positions_and_products_are_rounded() {
        let numbers = alibi(&[0.5, 0.7], 2.0, [0, 3, 257].into_iter());
        assert_eq!(numbers, [0.0, 0.0, 3.0, 4.187_5, 256.0, 358.0]);
    }
}
