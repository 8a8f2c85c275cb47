//! `--suite`: several tasks, their data found in a folder or on the Hub, in one table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_collect::CollectSettings;
use nuwa_eval::TaskResult;
use nuwa_eval::suites::{DataFolder, Member, MemberFiles, Suite, SuiteFigure, SuiteResult};
use nuwa_eval::tasks::{Options, Task};
use nuwa_files::quoted_path;
use nuwa_infer::Engine;

use crate::console::{Display, message};
use crate::evaluation::with_error;
use crate::failure::Problem;
use crate::items::read_all;
use crate::online::{Again, fetched};

/// Where `--data hf:` keeps what it downloads, so that it is asked for once.
pub const DOWNLOADS: &str = "eval-data";

/// How a suite is run.
pub struct SuiteRun<'a> {
    pub engine: &'a Engine,
    /// The most items of a task, or of each of its groups.
    pub limit: Option<usize>,
    pub chat: bool,
}

/// The data of all tasks of a suite.
pub type Data = Vec<(Member, MemberFiles)>;

/// The files of a suite's tasks below `folder`, or on the Hub where that is `hf:`.
pub fn data(suite: &Suite, folder: &Path, display: &mut Display) -> anyhow::Result<Data> {
    let folder = if folder == Path::new("hf:") { downloaded(suite, display)? } else { folder.to_path_buf() };
    let files = DataFolder::read(&folder)?;
    let found: Vec<(&Member, Option<MemberFiles>)> =
        suite.members.iter().map(|member| (member, files.files_of(member))).collect();
    let missing: Vec<String> =
        found.iter().filter(|(_, files)| files.is_none()).map(|(member, _)| expected(member)).collect();
    if missing.is_empty() {
        return Ok(found.into_iter().filter_map(|(member, files)| Some((member.clone(), files?))).collect());
    }
    let told = format!(
        "{} lacks data of {} of the {} tasks of {}: {}",
        folder.display(),
        missing.len(),
        suite.members.len(),
        suite.name,
        missing.join("; ")
    );
    let on_hub = suite.members.iter().any(|member| member.hub.is_some());
    let hint = match on_hub {
        true => {
            "put files of these names there (.jsonl, .json, .csv or .parquet), or take them from the Hub: --data hf:"
        }
        false => "a run of the embedded world has them in world/eval; nuwa world --out DIR writes them",
    };
    Err(Problem::new(told).hint(hint).into())
}

/// The files that a task of a suite needs, as they would usually be called.
fn expected(member: &Member) -> String {
    let name = member.names.first().unwrap_or(&member.task);
    match member.items.first() {
        Some(part) => format!("{} ({name}_{part}.jsonl)", member.task),
        None => format!("{} ({name}.jsonl)", member.task),
    }
}

/// The data sets of a suite's tasks on the disk.
fn downloaded(suite: &Suite, display: &mut Display) -> anyhow::Result<PathBuf> {
    let settings = CollectSettings::default();
    let sources: Vec<PathBuf> = suite
        .members
        .iter()
        .filter_map(|member| Some(format!("hf:{}/{}", member.hub.as_ref()?, member.hub_path).into()))
        .collect();
    if sources.is_empty() {
        let told = format!("the data of suite {} is not on the Hub", suite.name);
        return Err(Problem::new(told).hint("name its folder: --data DIR").into());
    }
    let folder = PathBuf::from(DOWNLOADS);
    fetched(&sources, &folder, &settings, Again::No, display)?;
    message(&format!("the data sets lie in {}", quoted_path(&folder)));
    Ok(folder)
}

/// Runs all tasks of a suite; the table, and what each task found.
pub fn run(
    run: &SuiteRun<'_>,
    data: &Data,
    display: &mut Display,
) -> anyhow::Result<(SuiteResult, BTreeMap<String, TaskResult>)> {
    let mut results = BTreeMap::new();
    let mut figures = Vec::new();
    for (member, files) in data {
        let result = ask(run, member, files, display)?;
        let figure = SuiteFigure::of(member, &result).ok_or_else(|| {
            Problem::new(format!("the task {} found no figure {}", member.task, member.metric))
        })?;
        figures.push(figure);
        results.insert(member.task.clone(), result);
    }
    Ok((SuiteResult::new(figures), results))
}

fn ask(
    run: &SuiteRun<'_>,
    member: &Member,
    files: &MemberFiles,
    display: &mut Display,
) -> anyhow::Result<TaskResult> {
    let task = Task::built_in(&member.task)?;
    let mut items = read_all(&files.items)?;
    let examples = match &files.examples {
        Some(paths) => read_all(paths)?,
        None => items.clone(),
    };
    if member.shots > 0 && files.examples.is_none() {
        let told = format!(
            "{}: no file of {} is there: its examples come from the items that are asked, so the figure is not the \
             leaderboard's",
            member.task,
            member.examples.join(" or ")
        );
        message(&told);
    }
    let mut limit = run.limit;
    if let (Some(field), Some(count)) =
        (task.group_field().filter(|_| member.mean_of_groups.is_some()), limit)
    {
        items = items.first_of_each(field, count);
        limit = None;
    }
    let options = Options { limit, chat: run.chat, examples, shots: member.shots, ..Options::default() };
    Ok(task.evaluate(run.engine, &items, &options, &mut |progress| display.show(progress))?)
}

/// The table of a suite.
pub fn text(name: &str, result: &SuiteResult) -> String {
    let chance = |value: Option<f64>| value.map_or(String::new(), |value| format!("chance {value:.4}"));
    let row = |task: &str, figure: &str, how: &str, chance: &str| {
        format!("  {task:<22} {figure:<16}  {how:<20} {chance}").trim_end().to_string()
    };
    let mut lines = vec![name.to_string()];
    for figure in &result.figures {
        let how = match figure.shots {
            0 => figure.metric.clone(),
            shots => format!("{}, {shots} shots", figure.metric),
        };
        lines.push(row(&figure.task, &with_error(&figure.figure), &how, &chance(figure.chance)));
        lines.push(format!("    {}", figure.signature));
        if let Some([found, whole]) = figure.groups.filter(|[found, whole]| found != whole) {
            lines.push(format!("    the mean of {found} subjects; the whole data has {whole}"));
        }
    }
    if let Some(mean) = &result.mean {
        lines.push(row("mean", &with_error(mean), "raw", &chance(result.chance)));
    }
    lines.join("\n")
}
