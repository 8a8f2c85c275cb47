/// The numbers that one parameter's update needs.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    pub betas: [f32; 2],
    pub epsilon: f32,
    pub keep: f32,
    pub rate: f32,
    pub root_scale: f32,
    pub clip: f32,
}

/// A step of one parameter by a formula of its own.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub formula: Formula,
    /// What values are multiplied by before: decoupled weight decay.
    pub keep: f32,
    pub rate: f32,
    /// What gradients are multiplied by before.
    pub clip: f32,
    /// What values are shrunk by afterwards, as far as 0.
    pub shrink: f32,
}

/// The formula of a step, with its constants.
#[derive(Clone, Copy)]
pub(crate) enum Formula {
    AdamW(Update),
    Sgd {
        momentum: f32,
        nesterov: bool,
    },
    Lion {
        betas: [f32; 2],
    },
    Muon {
        momentum: f32,
    },
    Adafactor {
        /// `1 - beta2` of this step.
        fresh: f32,
        /// The largest relative step.
        relative: f32,
        epsilons: [f32; 2],
        largest: f32,
    },
}
