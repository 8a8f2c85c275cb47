use std::ops::Range;

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
    /// The order of the rows there, where the parameter is one tensor.
    pub order: RowOrder,
    /// The shape there of each part, where it has other axes than here: the same numbers in the same order.
    pub axes: Option<Vec<usize>>,
}

impl TensorName {
    /// The shape of the parameter; where there are other axes, in those of the tensors, one after the other.
    pub fn own_shape(&self) -> Vec<usize> {
        match &self.axes {
            Some(axes) => {
                let mut axes = axes.clone();
                axes[0] *= self.parts.len();
                axes
            }
            None => {
                std::iter::once(self.parts.iter().map(|(_, rows)| rows).sum()).chain(self.columns).collect()
            }
        }
    }

    /// The numbers of the parameter.
    pub fn elements(&self) -> usize {
        self.own_shape().iter().product()
    }

    /// The shape there of a part with `rows` rows.
    pub fn shape(&self, rows: usize) -> Vec<usize> {
        match self.columns {
            _ if self.axes.is_some() => self.axes.clone().unwrap_or_default(),
            None => vec![rows],
            Some(columns) if self.transposed => vec![columns, rows],
            Some(columns) => vec![rows, columns],
        }
    }
}

/// Where the rows of a parameter stand in the tensor there: which rows there are the first here, which the next, and so on; in the
/// same order where it names none. Falcon keeps the queries, keys and values of each group of heads together there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowOrder(pub Vec<Range<usize>>);

impl RowOrder {
    /// Rows of `width` numbers as they stand there.
    ///
    /// # Panics
    /// When the order is that of another number of rows.
    pub fn there(&self, here: &[f32], width: usize) -> Vec<f32> {
        let mut there = here.to_vec();
        let mut rest = here;
        for rows in &self.0 {
            let (own, after) = rest.split_at(rows.len() * width);
            there[rows.start * width..rows.end * width].copy_from_slice(own);
            rest = after;
        }
        there
    }

    /// Rows of `width` numbers as they stand here.
    ///
    /// # Panics
    /// As [`RowOrder::there`].
    pub fn here(&self, there: &[f32], width: usize) -> Vec<f32> {
        if self.0.is_empty() {
            return there.to_vec();
        }
        self.0.iter().flat_map(|rows| &there[rows.start * width..rows.end * width]).copied().collect()
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
    TensorName {
        parameter: parameter.into(),
        parts,
        columns: None,
        transposed: false,
        first_factor: 1.0,
        order: RowOrder::default(),
        axes: None,
    }
}

/// A layer of `parts`, each with so many rows and columns, as `weight` and, where it has one, `bias`.
pub(crate) fn linear_names(
    here: &str,
    parts: &[String],
    [rows, columns]: [usize; 2],
    bias: bool,
) -> Vec<TensorName> {
    let kinds = [("weight", Some(columns)), ("bias", None)];
    let kinds = kinds.into_iter().take(if bias { 2 } else { 1 });
    let name = |(kind, columns): (&str, Option<usize>)| {
        let parts = parts.iter().map(|part| (format!("{part}.{kind}"), rows)).collect();
        TensorName { parts, columns, ..vector_name(format!("{here}.{kind}"), "", 0) }
    };
    kinds.map(name).collect()
}

/// The two vectors of a layer norm.
pub(crate) fn norm_names(here: &str, there: &str, width: usize) -> [TensorName; 2] {
    ["weight", "bias"].map(|kind| vector_name(format!("{here}.{kind}"), format!("{there}.{kind}"), width))
}
