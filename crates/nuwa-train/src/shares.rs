//! How evenly the experts of a model are used.

use nuwa_models::Losses;
use serde::{Deserialize, Serialize};

use crate::Figures;

/// How the rows of held-out text were shared among the experts of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerShares {
    /// The layer, counted from 0.
    pub layer: usize,
    /// The share of each expert in all choices of the layer; they sum to 1.
    pub shares: Vec<f64>,
}

impl LayerShares {
    /// The entropy of the shares over that of equal ones: 1 where all experts are used alike, 0 where one does everything.
    pub fn entropy(&self) -> f64 {
        let used = self.shares.iter().filter(|share| **share > 0.0);
        let entropy: f64 = used.map(|share| -share * share.ln()).sum();
        if self.shares.len() > 1 { entropy / (self.shares.len() as f64).ln() } else { 1.0 }
    }

    /// Experts that no row went to.
    pub fn dead(&self) -> usize {
        self.shares.iter().filter(|share| **share == 0.0).count()
    }
}

/// The shares of each layer with experts, over all passes.
pub fn of(passes: &[Losses]) -> Vec<LayerShares> {
    let layers = passes.first().map_or(0, |pass| pass.shares.len());
    (0..layers).filter_map(|layer| of_layer(passes, layer)).collect()
}

fn of_layer(passes: &[Losses], layer: usize) -> Option<LayerShares> {
    let mut counts = Vec::new();
    for shares in passes.iter().filter_map(|pass| pass.shares.get(layer)?.as_ref()) {
        counts.resize(shares.counts.len(), 0_u64);
        counts.iter_mut().zip(&shares.counts).for_each(|(sum, count)| *sum += u64::from(*count));
    }
    let all: u64 = counts.iter().sum();
    let shares = counts.iter().map(|&count| count as f64 / all.max(1) as f64).collect();
    (all > 0).then_some(LayerShares { layer, shares })
}

/// What a line of metrics tells of them: the mean entropy of layers, the smallest and the largest share of any expert, and how
/// many experts no row went to. Nothing of a model without experts.
pub fn figures(layers: &[LayerShares]) -> Figures {
    let all = || layers.iter().flat_map(|layer| &layer.shares).copied();
    let (Some(smallest), Some(largest)) = (all().reduce(f64::min), all().reduce(f64::max)) else {
        return Figures::new();
    };
    let entropy = layers.iter().map(LayerShares::entropy).sum::<f64>() / layers.len() as f64;
    let dead = layers.iter().map(LayerShares::dead).sum::<usize>() as f64;
    let told = [
        ("expert_entropy", entropy),
        ("smallest_expert_share", smallest),
        ("largest_expert_share", largest),
        ("dead_experts", dead),
    ];
    told.into_iter().map(|(name, figure)| (name.to_string(), figure)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_have_the_highest_entropy_and_unused_experts_are_dead() {
        let even = LayerShares { layer: 0, shares: vec![0.25; 4] };
        let one = LayerShares { layer: 1, shares: vec![0.0, 1.0, 0.0, 0.0] };
        assert!((even.entropy() - 1.0).abs() < 1e-12);
        assert_eq!((one.entropy(), even.dead(), one.dead()), (0.0, 0, 3));
        let told = figures(&[even, one]);
        let expected = [
            ("dead_experts", 3.0),
            ("expert_entropy", 0.5),
            ("largest_expert_share", 1.0),
            ("smallest_expert_share", 0.0),
        ];
        for (name, figure) in expected {
            assert!((told[name] - figure).abs() < 1e-12, "{told:?}");
        }
        assert!(figures(&[]).is_empty());
    }
}
