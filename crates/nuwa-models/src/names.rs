/// How one parameter here is stored at Hugging Face.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorName {
    /// The path of the parameter here.
    pub parameter: String,
    /// The tensors there, with the number of rows each fills here, from the top.
    pub parts: Vec<(String, usize)>,
    /// The length of a row; none where the parameter is a vector.
    pub columns: Option<usize>,
    /// Whether the tensor there is the transpose (GPT-2 stores `[in, out]`).
    pub transposed: bool,
    /// What the numbers of the first part are multiplied by there.
    pub first_factor: f32,
}

impl TensorName {
    /// The shape there of a part with `rows` rows.
    pub fn shape(&self, rows: usize) -> Vec<usize> {
        match self.columns {
            None => vec![rows],
            Some(columns) if self.transposed => vec![columns, rows],
            Some(columns) => vec![rows, columns],
        }
    }
}

/// A matrix that is one tensor there, as it is.
pub fn matrix_name(
    parameter: impl Into<String>,
    there: impl Into<String>,
    rows: usize,
    columns: usize,
) -> TensorName {
    TensorName { columns: Some(columns), ..vector_name(parameter, there, rows) }
}

/// A vector that is one tensor there.
pub fn vector_name(parameter: impl Into<String>, there: impl Into<String>, length: usize) -> TensorName {
    let parts = vec![(there.into(), length)];
    TensorName { parameter: parameter.into(), parts, columns: None, transposed: false, first_factor: 1.0 }
}
