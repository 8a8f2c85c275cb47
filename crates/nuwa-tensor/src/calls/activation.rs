/// Which non-linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the tanh formula.
    GeluTanh,
    /// GELU by the error function.
    Gelu,
    /// SiLU, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}
