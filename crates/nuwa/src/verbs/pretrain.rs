use std::path::PathBuf;

use clap::Args;
use nuwa_report::repetition;
use nuwa_train::{ModelSettings, objectives};

use super::settings::Settings;
use crate::afterwards;
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::init::GivenModel;
use crate::interrupt;
use crate::planning::{self, DialArguments};
use crate::run::Lock;
use crate::stages::pretrain::{ABOUT, text};
use crate::tokenized::shards_and_tokenizer;
use crate::training::Training;

/// Pretrain a new model on token shards, or continue training one
///
/// Writes DIR/model, DIR/metrics.jsonl and a checkpoint. Run the same command again to resume after
/// an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa pretrain --data shards --out trained --budget 10m
  nuwa pretrain --data shards --out trained --params 1M --tokens 2M --set pretrain.learning_rate=1e-3
  nuwa pretrain --data shards --out trained --preset qwen3-0.6b --tokens 20M --set model.context=512
  nuwa tokenize more --tokenizer runs/book/model --out shards
  nuwa pretrain --data shards --init runs/book --out further --tokens 2M")]
pub struct Pretrain {
    /// Folder of token shards, as `nuwa tokenize` writes it, or of a run that has some
    #[arg(long, value_name = "SHARDS")]
    data: PathBuf,
    /// The tokenizer that made the shards [default: the one in or beside their folder]
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Continue training this model (a model folder or a run folder); the shards must have been
    /// made with its tokenizer. By default the learning rate is 0.3 times that of a new model
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Output folder for the model, metrics and checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    dial: DialArguments,
    /// Random seed: the same seed and plan give the same weights
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    seed: Option<i64>,
    #[command(flatten)]
    settings: Settings,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Pretrain {
    pub fn run(mut self) -> anyhow::Result<()> {
        let init = self.init.as_deref().map(GivenModel::load).transpose()?;
        if let Some(init) = &init {
            self.dial.of_model(init.model.parameters().count() as u64)?;
        }
        let mut draft = self.settings.draft()?;
        self.dial.put_into(&mut draft)?;
        if let Some(seed) = self.seed {
            draft.put("seed", toml::Value::Integer(seed))?;
        }
        let recipe = draft.recipe()?;
        let (shards, mut tokenizer) = shards_and_tokenizer(&self.data, self.tokenizer.as_deref())?;
        if let Some(init) = &init {
            check_shape(&recipe.model)?;
            let kind = (&init.config).into();
            let text = (&tokenizer, shards.as_path());
            let (theirs, objective) = objectives::of(kind, text, &recipe.pretrain, recipe.seed)?;
            check_languages(&init.config.languages(), objective.languages())?;
            init.check(&shards, &theirs)?;
            // It may carry a chat template of its own.
            tokenizer = init.tokenizer.clone();
        }
        let _lock = Lock::take(&self.out)?;
        interrupt::begin(ABOUT.work(false))?;
        let mut display = Display::new();
        let kept = self.out.join("plan.json");
        // Earlier versions called it so.
        let former = self.out.join("tune.json");
        if former.is_file() && !kept.exists() {
            std::fs::rename(&former, &kept).map_err(nuwa_files::Error::write(&kept))?;
        }
        let plan = planning::kept(
            &kept,
            &recipe,
            &shards,
            &tokenizer,
            init.as_ref().map(|init| &init.config),
            &mut display,
        )?;
        display.note(&planning::text(&plan));
        repetition::warning(plan.plan.epochs).iter().for_each(|told| display.note(told));
        let training = Training {
            shards: &shards,
            tokenizer: &tokenizer,
            out: &self.out,
            plan: &plan.plan,
            settings: &recipe.pretrain,
            seed: recipe.seed,
            init: init.as_ref().map(|init| init.model.as_ref()),
            afterwards: afterwards::of_pretraining(&shards)?,
        };
        let outcome = training.run(&mut display)?;
        drop(display);
        print_figures(self.json, &outcome, || text(&outcome))
    }
}

/// A given model has its shape.
fn check_shape(settings: &ModelSettings) -> anyhow::Result<()> {
    if *settings == ModelSettings::default() {
        return Ok(());
    }
    let problem = Problem::new("settings of `model` beside --init: the model has its shape already");
    Err(problem.hint("leave them out, or leave --init out to train a new model").into())
}

/// A given model knows its languages by their numbers.
fn check_languages(known: &[String], of_shards: &[String]) -> anyhow::Result<()> {
    if known == of_shards {
        return Ok(());
    }
    let [known, of_shards] = [known, of_shards].map(|languages| languages.join(", "));
    let problem =
        Problem::new(format!("the model knows the languages {known}, and the shards are in {of_shards}"));
    Err(problem.hint("give text in just the languages that the model knows").into())
}
