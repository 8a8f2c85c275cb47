//! Top-k routing of a mixture of experts: which experts each row goes to, and what each of them counts.
//!
//! For router logits `z` `[n, E]` of `n` rows and `E` experts: `p = softmax(z)` in `f32`. A row's experts `e_1 .. e_k` are those
//! of its `k` largest probabilities, the largest first; of equal ones the lower index comes first. Their weights are
//! `w_j = p_(e_j)`, or renormalised `w_j = p_(e_j) / sum_i p_(e_i)`; `w` is `[n, k]` (Shazeer et al. 2017; Jiang et al., "Mixtral
//! of Experts", 2024).
//!
//! Backward: the choice has no gradient. `dp_(e_j) = dw_j`, or `(dw_j - sum_i dw_i w_i) / sum_i p_(e_i)` renormalised;
//! `dz = p (dp - sum_e dp_e p_e)`.
//!
//! Two losses keep a router in order. Over the `N` rows of all layers together, with `f_e` the number of choices of expert
//! `e` divided by `N`, and `P_e` the mean of `p_e`:
//!
//! | loss | formula | source |
//! | --- | --- | --- |
//! | balance | `E sum_e f_e P_e`, `k` at its best | Fedus et al., "Switch Transformers", 2021, as in transformers |
//! | z | `mean of (log sum_e exp z_e)^2` | Zoph et al., "ST-MoE", 2022 |
//!
//! Each layer writes its part of these sums to a [`RouterLog`]; [`Tape::router_loss`] makes the loss of them. It gives the
//! gradient `E f_e / N` of each `p_e` and `2 (log sum exp) p / N` of `z` back through the log: when backward gets to the route of
//! a layer, what the loss asks of it is known. So it has to be added to a loss of the rows that were routed.

pub(crate) mod log;

pub use log::{LayerRouter, RouterCoefficients, RouterLog, RouterShares};

use std::sync::Arc;

use crate::calls::{Assignment, Routing};
use crate::device::RouteCall;
use crate::{DType, Error, Result, Tape, Tensor};

/// Where each row goes.
#[derive(Debug, Clone)]
pub struct Routed {
    /// The weights of each row's experts, `[n, k]`.
    pub(crate) weights: Tensor,
    pub(crate) assignment: Arc<Assignment>,
}

impl Routed {
    /// The weights of each row's experts, `[n, k]`.
    pub fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// The experts of each row, `n * k`.
    pub fn experts(&self) -> Vec<u32> {
        let mut experts = vec![0; self.assignment.places.len()];
        for (expert, places) in self.assignment.busy() {
            places.for_each(|place| experts[self.assignment.choices[place] as usize] = expert as u32);
        }
        experts
    }
}

impl Tape {
    /// Sends each row to its experts by `logits`, `[n, E]` in `f32`; see [the module](self). What the losses need to know goes
    /// to `log`.
    ///
    /// # Errors
    /// When `top_k` is 0 or above the number of experts, or `logits` are not `f32`.
    pub fn route(&self, logits: &Tensor, routing: Routing, log: Option<&LayerRouter>) -> Result<Routed> {
        check(logits, routing)?;
        let (experts, rows) = (logits.width(), logits.rows());
        let call = RouteCall { routing, experts };
        let kernels = self.kernels_for("route", &[logits], &[])?;
        let (weights, saved) = kernels.route(call, logits.storage());
        if let Some(log) = log {
            log.write(kernels, &saved, experts, self.tracks(&[logits], &[]));
        }
        let assignment = Arc::new(Assignment::new(&saved.chosen, experts, routing.top_k));
        let (logits_saved, log) = (logits.clone(), log.cloned());
        let shape = [rows, routing.top_k].into();
        let weights = self.record("route", &[logits], &[], shape, weights, move |dw, gradients| {
            let kernels = gradients.kernels();
            let slopes = log.and_then(|log| log.slopes()).unwrap_or_default();
            if let Some(dx) = gradients.slot(&logits_saved) {
                kernels.route_backward(call, &saved, dw, &slopes, dx);
            }
            Ok(())
        })?;
        Ok(Routed { weights, assignment })
    }
}

fn check(logits: &Tensor, Routing { top_k, .. }: Routing) -> Result<()> {
    let experts = logits.width();
    if top_k == 0 || top_k > experts {
        let reason = format!("top_k = {top_k}, expected from 1 to the {experts} experts");
        return Err(Error::Option { operation: "route", reason });
    }
    match logits.dtype() {
        DType::F32 => Ok(()),
        other => Err(Error::shape("route", format!("logits are {other:?}, expected F32"))),
    }
}
