/// How one parameter here is stored at Hugging Face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorName {
    /// The path of the parameter here.
    pub parameter: String,
    /// The tensors there, with the number of rows each fills here, from the top.
    pub parts: Vec<(String, usize)>,
    /// Whether the tensor there is the transpose (GPT-2 stores `[in, out]`).
    pub transposed: bool,
}

/// A parameter that is one tensor there, as it is.
pub fn tensor_name(parameter: impl Into<String>, there: impl Into<String>, rows: usize) -> TensorName {
    TensorName { parameter: parameter.into(), parts: vec![(there.into(), rows)], transposed: false }
}
