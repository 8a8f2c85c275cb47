use super::ExpertShape;
use crate::config::FusedPart;
use crate::names::{TensorName, matrix_name};

/// What a family calls its router, its experts, and their matrices: gate, up and down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpertNames {
    pub router: &'static str,
    pub experts: &'static str,
    pub matrices: [&'static str; 3],
}

/// What transformers 5 calls router, gate above up, and down where it writes the matrices of all experts as one tensor.
const FUSED: [&str; 3] = ["mlp.gate.weight", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"];

impl ExpertNames {
    /// Those of most families.
    pub const USUAL: Self =
        Self { router: "mlp.gate", experts: "mlp.experts", matrices: ["gate_proj", "up_proj", "down_proj"] };

    /// The router and the experts of a layer, where each matrix is a tensor.
    pub fn of_layer(self, layer: usize, width: usize, shape: ExpertShape) -> Vec<TensorName> {
        let there = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let here = |part: &str| format!("layers.{layer}.moe.{part}.weight");
        let mut names = vec![matrix_name(here("router"), there(self.router), shape.count, width)];
        for expert in 0..shape.count {
            let [gate, up, down] =
                self.matrices.map(|matrix| there(&format!("{}.{expert}.{matrix}", self.experts)));
            let gate_up = matrix_name(here(&format!("experts.{expert}.gate_up")), "", shape.inner, width);
            names.push(TensorName { parts: vec![(gate, shape.inner), (up, shape.inner)], ..gate_up });
            names.push(matrix_name(here(&format!("experts.{expert}.down")), down, width, shape.inner));
        }
        names
    }

    /// Where a file that holds the matrices of all experts as one has the tensor that [`ExpertNames::of_layer`] names.
    pub fn fused(self, tensor: &str, width: usize, shape: ExpertShape) -> Option<FusedPart> {
        let ExpertShape { inner, count, .. } = shape;
        let (layer, part) = tensor.strip_prefix("model.layers.")?.split_once('.')?;
        let part = part.strip_suffix(".weight")?;
        let [router, gate_up, down] = FUSED.map(|name| format!("model.layers.{layer}.{name}"));
        if part == self.router {
            return Some(FusedPart { tensor: router, shape: vec![count, width], elements: 0..count * width });
        }
        let (expert, matrix) = part.strip_prefix(self.experts)?.strip_prefix('.')?.split_once('.')?;
        let (expert, length) = (expert.parse::<usize>().ok()?, inner * width);
        let (tensor, shape, first) = match self.matrices.iter().position(|own| *own == matrix)? {
            2 => (down, vec![count, width, inner], expert * length),
            half => (gate_up, vec![count, 2 * inner, width], (2 * expert + half) * length),
        };
        Some(FusedPart { tensor, shape, elements: first..first + length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_fused_tensor_are_those_of_its_experts() {
        let shape = ExpertShape { inner: 2, count: 4, top_k: 1, layers: 1 };
        let place = |tensor: &str| {
            let part = ExpertNames::USUAL.fused(tensor, 3, shape)?;
            Some((part.tensor, part.shape, part.elements))
        };
        let fused = "model.layers.7.mlp.experts.gate_up_proj".to_string();
        assert_eq!(
            place("model.layers.7.mlp.experts.1.up_proj.weight"),
            Some((fused, vec![4, 4, 3], 18..24))
        );
        let fused = "model.layers.7.mlp.experts.down_proj".to_string();
        assert_eq!(
            place("model.layers.7.mlp.experts.3.down_proj.weight"),
            Some((fused, vec![4, 3, 2], 18..24))
        );
        assert_eq!(place("model.layers.7.mlp.up_proj.weight"), None);
    }
}
