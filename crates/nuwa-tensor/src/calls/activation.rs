/// Which non-linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the tanh formula.
    GeluTanh,
    /// GELU by the error function.
    Gelu,
    /// SiLU, also called swish.
    Silu,
    /// `max(x, 0)`, whose slope at 0 is 0.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}
