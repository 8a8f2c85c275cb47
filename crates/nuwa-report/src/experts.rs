//! How evenly the experts of a model are used.

use nuwa_train::LayerShares;
use serde::Serialize;

use crate::run::Run;
use crate::words::{Text, report as words};

/// A row for each layer, a field for each expert.
#[derive(Debug, Serialize)]
pub struct Shares {
    told: Text,
    layers: Vec<LayerRow>,
}

#[derive(Debug, Serialize)]
struct LayerRow {
    layer: usize,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Field {
    /// In per cent.
    share: String,
    /// How dark it is, in per cent: half at an equal share, whole from twice that on.
    dark: f64,
}

/// Of a model without experts none.
pub fn of(run: &Run) -> Option<Shares> {
    let layers = &run.pretrain.as_ref()?.summary.experts;
    (!layers.is_empty()).then(|| Shares { told: told(layers), layers: layers.iter().map(row).collect() })
}

fn row(layer: &LayerShares) -> LayerRow {
    let experts = layer.shares.len() as f64;
    let field = |share: &f64| Field {
        share: format!("{:.1}", 100.0 * share),
        dark: (50.0 * experts * share).min(100.0),
    };
    LayerRow { layer: layer.layer + 1, fields: layer.shares.iter().map(field).collect() }
}

fn told(layers: &[LayerShares]) -> Text {
    let shares = || layers.iter().flat_map(|layer| &layer.shares).copied();
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let [smallest, largest] = [shares().fold(1.0, f64::min), shares().fold(0.0, f64::max)].map(percent);
    let equal = percent(
        layers.iter().map(|layer| 1.0 / layer.shares.len() as f64).sum::<f64>() / layers.len() as f64,
    );
    let entropy = layers.iter().map(LayerShares::entropy).sum::<f64>() / layers.len() as f64;
    let dead = layers.iter().map(LayerShares::dead).sum();
    words::expert_shares([&smallest, &largest, &equal], entropy, dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_and_drawn() {
        let layers = [
            LayerShares { layer: 0, shares: vec![0.25; 4] },
            LayerShares { layer: 2, shares: vec![0.5, 0.5, 0.0, 0.0] },
        ];
        let told = told(&layers);
        assert_eq!(
            told.en,
            "An expert gets from 0.0% to 50.0% of its layer's tokens; equal shares would be 25.0%. The entropy of the shares is \
             0.75 of the highest possible one. 2 experts get no token at all."
        );
        assert!(told.zh.contains("50.0%") && told.zh.contains("2 个专家"), "{}", told.zh);
        let row = row(&layers[1]);
        assert_eq!((row.layer, row.fields[0].dark, row.fields[2].dark), (3, 100.0, 0.0));
    }
}
