//! What the policy and its reference find of sampled answers, and the passes that learn from them.

use nuwa_models::{Batch, Context, Model, losses};
use nuwa_tensor::{Objective, Precision, Tape, on_worker};
use nuwa_train::Trainer;

use crate::Result;
use crate::pack::{Example, groups};
use crate::tune::packed;

/// The policy before the first step.
pub enum Reference {
    /// A model of its own.
    Model(Box<dyn Model>, Precision),
    /// The policy without its adapters: no second copy.
    WithoutAdapters,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Model(..) => "a model of its own",
            Self::WithoutAdapters => "the policy without its adapters",
        })
    }
}

impl Reference {
    /// That of `trainer`'s policy as it is now. `adapted` says whether adapters are trained on it.
    ///
    /// # Errors
    /// When no such model can be built, which then the policy could not have been either.
    pub fn of(trainer: &Trainer, adapted: bool, precision: Precision) -> Result<Self> {
        if adapted {
            return Ok(Self::WithoutAdapters);
        }
        let model = nuwa_models::build_zeros(&trainer.model().config()).map_err(nuwa_train::Error::from)?;
        model.parameters().from_host(&trainer.model().parameters().to_host());
        model.parameters().iter().for_each(|parameter| parameter.entry().set_trainable(false));
        Ok(Self::Model(model, precision))
    }

    /// The log-probabilities of the trained tokens of each example.
    ///
    /// # Errors
    /// When an example does not fit the model.
    pub fn log_probabilities(
        &self,
        trainer: &mut Trainer,
        examples: &[&Example],
        micro_batch: usize,
    ) -> nuwa_train::Result<Vec<Vec<f32>>> {
        match self {
            Self::Model(model, precision) => {
                let mut tape = Tape::inference().with_precision(*precision);
                by_groups(examples, micro_batch, |batch| {
                    let tape = &mut tape;
                    on_worker(move || Ok(losses(model.as_ref(), &Context::new(tape), batch)?.tokens.rows))
                })
            }
            Self::WithoutAdapters => by_groups(examples, micro_batch, |batch| {
                let found = trainer.losses_without_adapters(batch)?;
                Ok(found.expect("a reference without a model of its own has adapters"))
            }),
        }
    }
}

/// The log-probabilities that the policy as it is now gives the trained tokens of each example.
///
/// # Errors
/// When an example does not fit the model.
pub fn log_probabilities(
    trainer: &mut Trainer,
    examples: &[&Example],
    micro_batch: usize,
) -> nuwa_train::Result<Vec<Vec<f32>>> {
    by_groups(examples, micro_batch, |batch| trainer.losses(batch))
}

fn by_groups(
    examples: &[&Example],
    micro_batch: usize,
    mut losses: impl FnMut(&Batch) -> nuwa_train::Result<Vec<f32>>,
) -> nuwa_train::Result<Vec<Vec<f32>>> {
    let mut found = Vec::with_capacity(examples.len());
    for group in groups(0..examples.len(), &sizes(examples), micro_batch) {
        let members: Vec<&Example> = group.iter().map(|&index| examples[index]).collect();
        let losses = losses(&packed(members.iter().copied(), 1.0))?;
        found.extend(per_example(&members, &losses).map(|own| own.iter().map(|loss| -loss).collect()));
    }
    Ok(found)
}

/// The losses that belong to each example.
pub fn per_example<'a>(examples: &'a [&Example], losses: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
    let mut rest = losses;
    examples.iter().map(move |example| {
        let (own, others) = rest.split_at(example.trained_tokens());
        rest = others;
        own
    })
}

/// Adds the gradient of a loss of the trained tokens of `examples`: `weigh` is given the number of an example and the
/// log-probabilities of its tokens, and gives the loss of each token with its slope in the log-probability. Gives the sum of all.
///
/// # Errors
/// When an example does not fit the model.
pub fn policy_pass(
    trainer: &mut Trainer,
    examples: &[&Example],
    micro_batch: usize,
    step: u64,
    mut weigh: impl FnMut(usize, &[f32]) -> Vec<(f32, f32)> + Send,
) -> nuwa_train::Result<f64> {
    let mut sum = 0.0;
    for (group, pass) in groups(0..examples.len(), &sizes(examples), micro_batch).into_iter().zip(0..) {
        let members: Vec<&Example> = group.iter().map(|&index| examples[index]).collect();
        let objective = |losses: &[f32]| {
            let mut objective = Objective { value: 0.0, slopes: Vec::with_capacity(losses.len()) };
            for (&index, own) in group.iter().zip(per_example(&members, losses)) {
                let log_probabilities: Vec<f32> = own.iter().map(|loss| -loss).collect();
                for (loss, slope) in weigh(index, &log_probabilities) {
                    objective.value += loss;
                    // The loss of a token is the negative log-probability.
                    objective.slopes.push(-slope);
                }
            }
            objective
        };
        let batch = packed(members.iter().copied(), 1.0);
        sum += f64::from(trainer.objective_pass(&batch, (step << 16) | pass, objective)?);
    }
    Ok(sum)
}

fn sizes(examples: &[&Example]) -> Vec<usize> {
    examples.iter().map(|example| example.positions()).collect()
}
