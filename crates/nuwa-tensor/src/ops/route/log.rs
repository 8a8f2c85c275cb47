use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::device::{Kernels, RoutedRows, RouterSlopes};
use crate::{Tape, Tensor};

/// What each loss of a router counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouterCoefficients {
    /// Of the balance of experts.
    pub balance: f32,
    /// Of the size of logits.
    pub z: f32,
}

/// How the rows of one layer were shared among its experts.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterShares {
    /// The rows.
    pub rows: usize,
    /// How many of them went to each expert; their sum is `rows` times the experts of a row.
    pub counts: Vec<u32>,
}

/// What the routers of all layers did in one forward pass; clones are the same log. A layer that is computed again, for
/// backward, writes the same again.
#[derive(Debug, Clone, Default)]
pub struct RouterLog(Arc<Mutex<State>>);

/// The place of one layer in a [`RouterLog`].
#[derive(Debug, Clone)]
pub struct LayerRouter {
    log: RouterLog,
    layer: usize,
}

#[derive(Debug, Default)]
struct State {
    /// By layer; none of a layer without experts.
    layers: Vec<Option<Sums>>,
    is_tracked: bool,
    /// What the loss asks of each row, once backward went through it.
    slopes: Option<RouterSlopes>,
}

/// Sums over the rows of a layer.
#[derive(Debug, Clone)]
struct Sums {
    shares: RouterShares,
    /// Of the probability of each expert.
    probabilities: Vec<f64>,
    /// Of the squares of the logarithms of the sums of exponentials.
    squares: f64,
}

impl RouterLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where layer `layer` writes.
    pub fn layer(&self, layer: usize) -> LayerRouter {
        LayerRouter { log: self.clone(), layer }
    }

    /// How each layer shared its rows; none of a layer that has written nothing.
    pub fn shares(&self) -> Vec<Option<RouterShares>> {
        self.lock().layers.iter().map(|sums| sums.as_ref().map(|sums| sums.shares.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The sums over the layers, in order, and whether a gradient is wanted.
    fn total(&self) -> Option<(Sums, bool)> {
        let mut layers = self.layers.iter().flatten();
        let mut total = layers.next()?.clone();
        for sums in layers {
            total.shares.rows += sums.shares.rows;
            total.shares.counts.iter_mut().zip(&sums.shares.counts).for_each(|(sum, count)| *sum += count);
            total.probabilities.iter_mut().zip(&sums.probabilities).for_each(|(sum, p)| *sum += p);
            total.squares += sums.squares;
        }
        Some((total, self.is_tracked))
    }
}

impl Sums {
    fn new(kernels: &dyn Kernels, routed: &RoutedRows, experts: usize) -> Self {
        let rows = routed.log_sums.len();
        let (mut probabilities, mut log_sums) = (vec![0.0; rows * experts], vec![0.0; rows]);
        kernels.copy_to_host(&routed.probabilities, 0, &mut probabilities);
        kernels.copy_to_host(&routed.log_sums, 0, &mut log_sums);
        let mut sums = vec![0.0; experts];
        for row in probabilities.chunks_exact(experts) {
            sums.iter_mut().zip(row).for_each(|(sum, p)| *sum += f64::from(*p));
        }
        Self {
            shares: RouterShares { rows, counts: routed.counts(experts) },
            probabilities: sums,
            squares: log_sums.iter().map(|sum| f64::from(*sum).powi(2)).sum(),
        }
    }

    /// `E / N^2`, by which counts times probabilities are multiplied.
    fn scale(&self) -> f64 {
        self.probabilities.len() as f64 / (self.shares.rows as f64).powi(2)
    }

    fn balance(&self) -> f64 {
        let both = self.shares.counts.iter().zip(&self.probabilities);
        self.scale() * both.map(|(&count, p)| f64::from(count) * p).sum::<f64>()
    }

    fn z(&self) -> f64 {
        self.squares / self.shares.rows as f64
    }

    fn slopes(&self, coefficients: RouterCoefficients, dy: f32) -> RouterSlopes {
        let balance = f64::from(dy * coefficients.balance) * self.scale();
        RouterSlopes {
            probabilities: self.shares.counts.iter().map(|&n| (balance * f64::from(n)) as f32).collect(),
            square: dy * coefficients.z / self.shares.rows as f32,
        }
    }
}

impl LayerRouter {
    pub(super) fn write(&self, kernels: &dyn Kernels, routed: &RoutedRows, experts: usize, tracked: bool) {
        let sums = Sums::new(kernels, routed, experts);
        let mut state = self.log.lock();
        if state.layers.len() <= self.layer {
            state.layers.resize(self.layer + 1, None);
        }
        state.layers[self.layer] = Some(sums);
        state.is_tracked |= tracked;
    }

    pub(super) fn slopes(&self) -> Option<RouterSlopes> {
        self.log.lock().slopes.clone()
    }
}

impl Tape {
    /// `balance * (balance loss) + z * (z loss)` over the rows of all layers of `log`, `[1]`; see [`ops::route`](super). None
    /// where no layer has written.
    pub fn router_loss(&self, log: &RouterLog, coefficients: RouterCoefficients) -> Option<Tensor> {
        let (total, is_tracked) = log.lock().total()?;
        let value = f64::from(coefficients.balance) * total.balance() + f64::from(coefficients.z) * total.z();
        let (y, log) = (self.kernels().to_device(&[value as f32]), log.clone());
        let tracked = self.is_recording() && is_tracked;
        Some(self.record_if(tracked, "router_loss", [1].into(), y, move |dy, gradients| {
            let mut upstream = [0.0];
            gradients.kernels().copy_to_host(dy, 0, &mut upstream);
            log.lock().slopes = Some(total.slopes(coefficients, upstream[0]));
            Ok(())
        }))
    }
}
