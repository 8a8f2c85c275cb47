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
