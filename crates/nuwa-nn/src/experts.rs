use std::sync::Arc;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{ExpertWeights, LayerRouter, Result, Routing, Tensor};

use crate::{Context, Initialisation, Linear, Scope};

/// A mixture of experts in place of a feed-forward layer: a router sends each row to a few of many gated feed-forward layers
/// (Shazeer et al. 2017; Jiang et al., "Mixtral of Experts", 2024). No row is dropped, however many want one expert.
#[derive(Debug, Clone)]
pub struct Experts {
    router: Linear,
    experts: Arc<[ExpertWeights]>,
    routing: Routing,
    activation: Activation,
}

impl Experts {
    /// `count` experts of `inner` features; parameters `router` `[count, width]` and, of each expert, `experts.E.gate_up`
    /// `[2 inner, width]` and `experts.E.down` `[width, inner]`. `weights` are those of router and `gate_up`, and of `down`.
    pub fn new(
        mut scope: Scope<'_>,
        [width, inner, count]: [usize; 3],
        routing: Routing,
        activation: Activation,
        weights: [Initialisation; 2],
    ) -> Self {
        let router = Linear::new(scope.child("router"), width, count, false, weights[0]);
        let mut expert = |index: usize| {
            let mut scope = scope.child(&format!("experts.{index}"));
            let gate_up = Linear::new(scope.child("gate_up"), width, 2 * inner, false, weights[0]);
            let down = Linear::new(scope.child("down"), inner, width, false, weights[1]);
            ExpertWeights { gate_up: gate_up.weight().clone(), down: down.weight().clone() }
        };
        let experts = (0..count).map(&mut expert).collect();
        Self { router, experts, routing, activation }
    }

    /// `x + dropout(experts(rows))`. What the losses of the router need goes to `log`. Its logits are `f32` in every precision.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        rows: &Tensor,
        log: Option<&LayerRouter>,
    ) -> Result<Tensor> {
        let (tape, shape) = (context.tape, [rows.rows(), self.experts.len()]);
        let zeros = tape.constant(shape, &vec![0.0; shape[0] * shape[1]])?;
        let logits = self.router.forward_add(tape, &zeros, rows)?;
        let routed = tape.route(&logits, self.routing, log)?;
        let y = tape.experts(rows, &routed, &self.experts, self.activation)?;
        tape.add(x, &context.dropout(&y)?)
    }
}
