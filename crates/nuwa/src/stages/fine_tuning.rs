//! What the stages that learn from records have in common: they go on from the last model.

use std::path::{Path, PathBuf};

use nuwa_align::data::Columns;
use nuwa_report::records::FineTuningOutcome;
use schemars::JsonSchema;
use serde::Serialize;

use super::stage::Build;
use super::{tokenize, world};
use crate::alignment::{self, Alignment};
use crate::run::Dependencies;

/// The last model, the records and the settings.
pub fn dependencies(
    build: &Build,
    on: Dependencies,
    settings: &(impl Serialize + JsonSchema),
    records: &[PathBuf],
) -> anyhow::Result<Dependencies> {
    let last = build.models().pop();
    let mut stages = vec![&world::ABOUT];
    stages.extend(last);
    let on = build.after(on.settings(settings)?.seed(build.recipe.seed), &stages);
    // What a stage has written is known by what it hands on.
    let written = build.place(&world::ABOUT);
    let own = |path: &&PathBuf| !(build.source.is_written() && path.starts_with(&written));
    records.iter().filter(own).try_fold(on, |on, path| on.reads(path, &[]))
}

/// Does `work` on the last model with these records.
pub fn run(
    build: &Build,
    out: &Path,
    records: &[PathBuf],
    work: impl FnOnce(&Alignment<'_>) -> anyhow::Result<FineTuningOutcome>,
) -> anyhow::Result<String> {
    let last = build.models().pop().expect("a model is pretrained before it is fine-tuned");
    let outcome = work(&Alignment {
        model: &build.place(last).join("model"),
        data: records,
        targets: &[],
        columns: &Columns::new(),
        shards: Some(&build.place(&tokenize::ABOUT)),
        template: None,
        out,
        seed: build.recipe.seed,
    })?;
    Ok(alignment::text(&outcome))
}
