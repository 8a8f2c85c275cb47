use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{BatchNormParameters, HeadLayout, Parameter, Result, Tape, Tensor};

use crate::{Context, Initialisation, Scope};

/// `x W^T + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Linear {
    /// From `input` to `output` features; parameters `weight` `[output, input]` and, where asked for, `bias` `[output]`.
    pub fn new(
        mut scope: Scope<'_>,
        input: usize,
        output: usize,
        bias: bool,
        initialisation: Initialisation,
    ) -> Self {
        Self {
            weight: scope.parameter("weight", [output, input], initialisation),
            bias: bias.then(|| scope.parameter("bias", [output], Initialisation::Zeros)),
        }
    }

    /// The same with a bias of other first values.
    pub fn with_bias(
        mut scope: Scope<'_>,
        [input, output]: [usize; 2],
        weights: Initialisation,
        bias: Initialisation,
    ) -> Self {
        Self {
            weight: scope.parameter("weight", [output, input], weights),
            bias: Some(scope.parameter("bias", [output], bias)),
        }
    }

    /// `[.., input]` to `[.., output]`.
    ///
    /// # Errors
    /// When the width of `x` is not `input`.
    pub fn forward(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        tape.linear(x, &self.weight, self.bias.as_ref())
    }

    /// `residual + x W^T + b`.
    ///
    /// # Errors
    /// As [`Linear::forward`], and when `residual` has another shape than the result.
    pub fn forward_add(&self, tape: &Tape, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        tape.linear_add(residual, x, &self.weight, self.bias.as_ref())
    }

    /// `f(x W^T + b)`.
    ///
    /// # Errors
    /// As [`Linear::forward`].
    pub fn forward_activation(&self, tape: &Tape, x: &Tensor, activation: Activation) -> Result<Tensor> {
        tape.linear_activation(x, &self.weight, self.bias.as_ref(), activation)
    }

    /// The matrix `[output, input]`.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The bias `[output]`, where it has one.
    pub fn bias(&self) -> Option<&Parameter> {
        self.bias.as_ref()
    }
}

/// A row of a table for each id.
#[derive(Debug)]
pub struct Embedding {
    weight: Parameter,
}

impl Embedding {
    /// A table `weight` of `entries` rows of `width`.
    pub fn new(mut scope: Scope<'_>, entries: usize, width: usize, initialisation: Initialisation) -> Self {
        Self { weight: scope.parameter("weight", [entries, width], initialisation) }
    }

    /// `[ids, width]`.
    ///
    /// # Errors
    /// When an id is not in the table.
    pub fn forward(&self, tape: &Tape, ids: &[u32]) -> Result<Tensor> {
        tape.embedding(ids, &self.weight)
    }

    /// The table.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }
}

/// The sum of a row of each table, `[ids, width]`.
///
/// # Errors
/// When an id is not in its table, or the tables differ in width.
///
/// # Panics
/// When there is no table.
pub fn embed(tape: &Tape, tables: &[(&Embedding, &[u32])]) -> Result<Tensor> {
    let ((first, ids), others) = tables.split_first().expect("there is a table");
    let mut sum = first.forward(tape, ids)?;
    for (table, ids) in others {
        sum = tape.add(&sum, &table.forward(tape, ids)?)?;
    }
    Ok(sum)
}

/// Layer normalisation with scale and shift.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Parameter,
    bias: Parameter,
    epsilon: f32,
}

impl LayerNorm {
    /// Over rows of `width`.
    pub fn new(mut scope: Scope<'_>, width: usize, epsilon: f32) -> Self {
        Self {
            weight: scope.parameter("weight", [width], Initialisation::Ones),
            bias: scope.parameter("bias", [width], Initialisation::Zeros),
            epsilon,
        }
    }

    /// The same shape.
    ///
    /// # Errors
    /// When the width differs.
    pub fn forward(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        tape.layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }

    /// The same in `f32`, for blocks whose residual stream is what was normalised.
    ///
    /// # Errors
    /// When the width differs.
    pub fn forward_residual(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        tape.layer_norm_residual(x, &self.weight, &self.bias, self.epsilon)
    }
}

/// Root mean square normalisation with scale.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Parameter,
    epsilon: f32,
    is_around_one: bool,
}

impl RmsNorm {
    /// Over rows of `width`.
    pub fn new(mut scope: Scope<'_>, width: usize, epsilon: f32) -> Self {
        let weight = scope.parameter("weight", [width], Initialisation::Ones);
        Self { weight, epsilon, is_around_one: false }
    }

    /// The same that multiplies by `1 + weight`, which begins at 0 (Gemma Team 2024).
    pub fn around_one(mut scope: Scope<'_>, width: usize, epsilon: f32) -> Self {
        let weight = scope.parameter("weight", [width], Initialisation::Zeros);
        Self { weight, epsilon, is_around_one: true }
    }

    /// The same shape.
    ///
    /// # Errors
    /// When the width differs.
    pub fn forward(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        match self.is_around_one {
            true => tape.rms_norm_around_one(x, &self.weight, self.epsilon),
            false => tape.rms_norm(x, &self.weight, self.epsilon),
        }
    }

    /// The same in `f32`, for blocks whose residual stream is what was normalised.
    ///
    /// # Errors
    /// When the width differs.
    ///
    /// # Panics
    /// Of a norm that multiplies by `1 + weight`: no such blocks have one.
    pub fn forward_residual(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        assert!(!self.is_around_one, "blocks with norms after their branches multiply by the weight itself");
        tape.rms_norm_residual(x, &self.weight, self.epsilon)
    }
}

/// Batch normalisation with scale and shift, whose running mean and variance are buffers.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    parameters: BatchNormParameters,
    epsilon: f32,
}

impl BatchNorm {
    /// Of `width` features.
    pub fn new(mut scope: Scope<'_>, width: usize, epsilon: f32) -> Self {
        let parameters = BatchNormParameters {
            weight: scope.parameter("weight", [width], Initialisation::Ones),
            bias: scope.parameter("bias", [width], Initialisation::Zeros),
            running_mean: scope.buffer("running_mean", width, 0.0),
            running_variance: scope.buffer("running_var", width, 1.0),
        };
        Self { parameters, epsilon }
    }

    /// The same shape.
    ///
    /// # Errors
    /// When the width differs, or a single row is to have statistics.
    pub fn forward(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        tape.batch_norm(x, &self.parameters, self.epsilon)
    }

    /// The same in `f32`, for blocks whose residual stream is what was normalised.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`].
    pub fn forward_residual(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        tape.batch_norm_residual(x, &self.parameters, self.epsilon)
    }
}

/// Root mean square normalisation of queries and keys inside packed rows.
#[derive(Debug, Clone)]
pub struct HeadNorm {
    queries: Parameter,
    keys: Parameter,
    epsilon: f32,
}

impl HeadNorm {
    /// Of each head by itself, with one scale for all heads; parameters `query_norm.weight` and `key_norm.weight`, `[head_dim]`.
    pub fn of_each(scope: Scope<'_>, heads: HeadLayout, epsilon: f32) -> Self {
        Self::new(scope, [heads.head_dim; 2], epsilon)
    }

    /// Of all heads together, with a scale for each feature.
    pub fn of_all(scope: Scope<'_>, heads: HeadLayout, epsilon: f32) -> Self {
        Self::new(scope, [heads.query_width(), heads.key_width()], epsilon)
    }

    fn new(mut scope: Scope<'_>, [queries, keys]: [usize; 2], epsilon: f32) -> Self {
        let mut weight = |name: &str, width| scope.parameter(name, [width], Initialisation::Ones);
        Self { queries: weight("query_norm.weight", queries), keys: weight("key_norm.weight", keys), epsilon }
    }

    /// Packed rows `[queries | keys | values]`, values as they were.
    ///
    /// # Errors
    /// When the width differs.
    pub fn forward(&self, tape: &Tape, qkv: &Tensor, heads: HeadLayout) -> Result<Tensor> {
        tape.head_norm(qkv, heads, [&self.queries, &self.keys], self.epsilon)
    }
}

/// `x + dropout(layer(rows))`: a layer on a residual branch.
///
/// # Errors
/// When shapes differ.
pub fn residual(context: &Context<'_>, x: &Tensor, rows: &Tensor, layer: &Linear) -> Result<Tensor> {
    let tape = context.tape;
    if context.dropout == 0.0 || !tape.is_recording() {
        return layer.forward_add(tape, x, rows);
    }
    tape.add(x, &context.dropout(&layer.forward(tape, rows)?)?)
}
