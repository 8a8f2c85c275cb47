use nuwa_tensor::{Parameter, ParametersBuilder, Shape};

/// How the first values of a parameter are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initialisation {
    /// All 0: biases.
    Zeros,
    /// All 1: the weights of norms.
    Ones,
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Uniform between this number below 0 and as far above.
    Uniform(f32),
    /// 1 from element `first` to before `end`, 0 elsewhere: biases of gates that are open at first.
    OnesWithin {
        /// The first that is 1.
        first: usize,
        /// The one after the last.
        end: usize,
    },
    /// Of an [RG-LRU](nuwa_tensor::ops::rg_lru), whose decay with its gate fully open is `a = e^(-8 softplus(x))`: so that the square of
    /// `a^(1/8)` is uniform between those of `least` and `most` (De et al. 2024).
    Decays {
        /// The smallest `a^(1/8)`.
        least: f32,
        /// The largest.
        most: f32,
    },
    /// The same with one deviation for the first rows of a matrix and another for the rest: of projections that are one matrix.
    NormalRows {
        /// How many rows are the first.
        first: usize,
        /// Of the first rows, and of the rest.
        deviations: [f32; 2],
    },
}

impl Initialisation {
    /// Normal with the variance `2 / (input + output)`, which keeps that of features and of gradients (Glorot and Bengio 2010).
    pub fn glorot(input: usize, output: usize) -> Self {
        Self::Normal((2.0 / (input + output) as f32).sqrt())
    }
}

/// A place in the tree of layers: it prefixes the names of the parameters made in it.
#[derive(Debug)]
pub struct Scope<'a> {
    builder: &'a mut ParametersBuilder,
    path: String,
}

impl<'a> Scope<'a> {
    /// The root of a model.
    pub fn root(builder: &'a mut ParametersBuilder) -> Self {
        Self { builder, path: String::new() }
    }

    /// The place `name` below this one; names may hold dots.
    pub fn child(&mut self, name: &str) -> Scope<'_> {
        let path = self.join(name);
        Scope { builder: self.builder, path }
    }

    /// This place again.
    pub fn here(&mut self) -> Scope<'_> {
        Scope { builder: self.builder, path: self.path.clone() }
    }

    /// Declares a parameter `name` here. Matrices decay, vectors (biases, norms) do not.
    pub fn parameter(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        initialisation: Initialisation,
    ) -> Parameter {
        let shape = shape.into();
        let decays = shape.axes().len() > 1;
        let width: usize = shape.axes()[1..].iter().product();
        let path = self.join(name);
        self.builder.add(path, shape, decays, move |values, random| match initialisation {
            Initialisation::Zeros => values.fill(0.0),
            Initialisation::Ones => values.fill(1.0),
            Initialisation::Normal(deviation) => random.fill_normal(values, deviation),
            Initialisation::Uniform(bound) => {
                let each = (0..).map(|index| 2.0 * random.uniform(index) - 1.0);
                values.iter_mut().zip(each).for_each(|(value, share)| *value = bound * share as f32);
            }
            Initialisation::OnesWithin { first, end } => {
                values.fill(0.0);
                values[first..end].fill(1.0);
            }
            Initialisation::Decays { least, most } => {
                let [least, most] = [least, most].map(|bound| f64::from(bound).powi(2));
                for (value, index) in values.iter_mut().zip(0..) {
                    let square = least + (most - least) * random.uniform(index);
                    // softplus(x) = -ln(square) / 2.
                    *value = ((-0.5 * square.ln()).exp() - 1.0).ln() as f32;
                }
            }
            Initialisation::NormalRows { first, deviations } => {
                random.fill_normal(values, 1.0);
                let (first, rest) = values.split_at_mut(first * width);
                first.iter_mut().for_each(|value| *value *= deviations[0]);
                rest.iter_mut().for_each(|value| *value *= deviations[1]);
            }
        })
    }

    /// Declares a vector `name` here that is kept with the parameters and not trained, of `value` at first.
    pub fn buffer(&mut self, name: &str, length: usize, value: f32) -> Parameter {
        let path = self.join(name);
        self.builder.add_buffer(path, length, value)
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }
}
