use std::path::Path;
use std::sync::Arc;

use nuwa_models::Model;

use super::space::apply;
use super::{SearchError, Trial, TrialLine};
use crate::clock::Afterwards;
use crate::objectives::Objective;
use crate::plan::{Goal, Request, for_trial};
use crate::{Error, Hooks, Job, ModelSettings, PretrainSettings, Recompute, TrainEvent, pretrain};

/// What all trials of a search have in common.
#[derive(Debug, Clone, Copy)]
pub struct TrialJob<'a> {
    /// The folder of the shards.
    pub shards: &'a Path,
    /// A folder for the trial that goes on: its checkpoint, from which one that was killed goes on.
    pub folder: &'a Path,
    /// The size of the tokenizer's vocabulary.
    pub vocabulary: usize,
    /// The token that ends documents.
    pub eos: Option<u32>,
    /// What models are trained to do.
    pub objective: &'a Arc<dyn Objective>,
    /// The settings that trials do not vary.
    pub model: &'a ModelSettings,
    /// Likewise.
    pub pretrain: &'a PretrainSettings,
    /// Bytes of memory that may be used, where that is known.
    pub memory: Option<u64>,
}

/// Trains the model of one trial and measures it.
///
/// # Errors
/// When the data or the memory do not allow it, or it was asked to stop.
pub fn train(
    job: &TrialJob<'_>,
    trial: &Trial,
    observe: &mut dyn FnMut(&TrainEvent),
    stop: &dyn Fn() -> bool,
) -> Result<TrialLine, SearchError> {
    let Trial { parameters, tokens, seed, .. } = *trial;
    let (model, pretrain_settings) = apply(&trial.values, [parameters, tokens], (job.model, job.pretrain));
    let settings =
        PretrainSettings { samples: 0, validations: 2, recompute: Recompute::Auto, ..pretrain_settings };
    let request = Request {
        shards: job.shards,
        whole: None,
        vocabulary: job.vocabulary,
        eos: job.eos,
        objective: job.objective,
        goal: Goal::Sizes { parameters, tokens },
        afterwards: Afterwards::default(),
        model: &model,
        given: None,
        pilot_seconds: None,
        pretrain: &settings,
        memory: job.memory,
        resident: None,
        seed,
    };
    let plan = for_trial(&request, parameters, tokens)?;
    let run = Job {
        shards: job.shards,
        out: job.folder,
        plan: &plan,
        settings: &settings,
        objective: job.objective,
        eos: job.eos,
        seed,
        init: None,
        clock: None,
    };
    std::fs::create_dir_all(job.folder).map_err(nuwa_files::Error::write(job.folder))?;
    let mut sample = |_: &dyn Model| None;
    let mut hooks = Hooks { observe, sample: &mut sample, stop };
    let line = |figure, tokens, seconds| TrialLine {
        trial: trial.clone(),
        parameters: plan.parameters,
        tokens,
        figure,
        learning_rate: plan.learning_rate,
        seconds,
    };
    let line = match pretrain(&run, &mut hooks) {
        Ok((_, summary)) => {
            let figure =
                summary.bits_per_byte.or(summary.validation_loss).filter(|figure| figure.is_finite());
            line(figure, summary.tokens, summary.seconds)
        }
        Err(Error::Diverged { .. }) => line(None, plan.tokens, 0.0),
        Err(error) => return Err(error.into()),
    };
    nuwa_files::remove_folder(job.folder)?;
    Ok(line)
}
