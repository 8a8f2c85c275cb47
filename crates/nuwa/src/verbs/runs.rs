use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use clap::{Args, Subcommand};
use nuwa_files::{date_and_time, quoted_path};
use nuwa_report::numbers::{bytes, counted, rounded};
use nuwa_report::text::printable;
use unicode_width::UnicodeWidthStr;

use crate::console::{message, print_figures};
use crate::failure::Problem;
use crate::run::{Lock, is_held};
use crate::runs::{Entry, State, is_run, runs_in};
use crate::stages;

/// List runs with their results, or remove some
///
/// For each run in runs/, newest first: its progress, the bits per byte of its last model, that
/// model's accuracy on the embedded world's questions, its number of weights, disk usage, time of
/// the last change (UTC), and its source.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  nuwa runs
  nuwa runs ~/project/runs --json
  nuwa runs rm book-2 book-3"
)]
pub struct Runs {
    /// The folder that contains the runs
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    /// Print the list as JSON, with sizes in bytes and times in Unix seconds
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<RunsAction>,
}

#[derive(Debug, Subcommand)]
enum RunsAction {
    Rm(Remove),
}

/// Remove runs and everything in them
///
/// Asks for confirmation; without a terminal, --yes is required. Folders that are not runs, are in
/// use, or contain files that no build wrote are not removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa runs rm book
  nuwa runs rm runs/book ~/project/runs/world --yes")]
struct Remove {
    /// Names of runs in runs/, or their folders
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Remove them without asking for confirmation
    #[arg(long)]
    yes: bool,
}

impl Runs {
    pub fn run(self) -> anyhow::Result<()> {
        match self.action {
            Some(RunsAction::Rm(remove)) => remove.run(),
            None => list(&self.folder, self.json),
        }
    }
}

fn list(folder: &Path, json: bool) -> anyhow::Result<()> {
    if !folder.is_dir() {
        let problem = Problem::new(format!("there is no folder {}", folder.display()));
        return Err(problem.hint("name the folder that runs lie in, or make a run first: nuwa build").into());
    }
    let runs = runs_in(folder)?;
    print_figures(json, &runs, || match runs.is_empty() {
        true => format!("{} holds no runs", folder.display()),
        false => table(&runs),
    })
}

/// The columns and how they stand: names to the left, numbers to the right.
const COLUMNS: [(&str, bool); 8] = [
    ("run", false),
    ("state", false),
    ("bits/byte", true),
    ("answers", true),
    ("weights", true),
    ("on disk", true),
    ("date", false),
    ("from", false),
];

fn table(runs: &[Entry]) -> String {
    let head = COLUMNS.map(|(name, _)| name.to_string());
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(runs.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let cell = |(column, text): (usize, &String)| {
        let blanks = " ".repeat(width(column) - text.width());
        if COLUMNS[column].1 { blanks + text } else { text.clone() + &blanks }
    };
    let line = |row: &[String; 8]| {
        let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn row(run: &Entry) -> [String; 8] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        run.name.clone(),
        state(&run.state),
        or_none(run.bits_per_byte.map(|value| format!("{value:.3}"))),
        or_none(run.answers.map(|share| format!("{:.0} %", share * 100.0))),
        or_none(run.parameters.map(|count| rounded(count as f64))),
        bytes(run.bytes_on_disk),
        or_none(run.changed.map(date_and_time)),
        from(&run.sources),
    ]
}

fn state(state: &State) -> String {
    match state {
        State::Running => "running".into(),
        State::Finished => "finished".into(),
        State::Interrupted(stage) => format!("interrupted in {stage}"),
        State::Stopped(stage) => format!("stopped after {stage}"),
        State::Begun => "begun".into(),
    }
}

/// The sources as they are found from here.
fn from(sources: &[String]) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let near = |source: &String| match Path::new(source).strip_prefix(&here) {
        Ok(near) if !near.as_os_str().is_empty() => near.display().to_string(),
        _ => source.clone(),
    };
    let near: Vec<String> = sources.iter().map(near).collect();
    if near.is_empty() { "the embedded world".into() } else { near.join(", ") }
}

impl Remove {
    fn run(self) -> anyhow::Result<()> {
        let mut runs: Vec<PathBuf> = Vec::new();
        for name in &self.runs {
            let folder = folder_of(name)?;
            check(&folder)?;
            if !runs.contains(&folder) {
                runs.push(folder);
            }
        }
        let locks: Vec<Lock> = runs.iter().map(|run| Lock::take(run)).collect::<anyhow::Result<_>>()?;
        if !self.yes && !is_agreed(&runs)? {
            message("nothing was removed");
            return Ok(());
        }
        // An open file cannot be removed everywhere.
        drop(locks);
        runs.iter().try_for_each(|run| remove(run))
    }
}

/// The folder that a name means: that of a run below runs/, else the path itself.
fn folder_of(name: &Path) -> anyhow::Result<PathBuf> {
    let mut parts = name.components();
    let is_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    let below = Path::new("runs").join(name);
    let folder = if is_name && below.is_dir() { below } else { name.to_path_buf() };
    match fs::symlink_metadata(&folder) {
        Ok(metadata) if metadata.is_dir() => Ok(std::path::absolute(&folder)?),
        Ok(_) => Err(no_run(&folder).into()),
        Err(_) => {
            let problem = Problem::new(format!("there is no run {}", name.display()));
            Err(problem.hint("nuwa runs lists those there are below runs/").into())
        }
    }
}

fn no_run(folder: &Path) -> Problem {
    let problem = format!("{} is not the folder of a run, so it is not removed", folder.display());
    Problem::new(problem).hint("nuwa runs lists the runs there are below runs/")
}

/// Refuses what a build did not make.
fn check(folder: &Path) -> anyhow::Result<()> {
    if !is_run(folder) {
        return Err(no_run(folder).into());
    }
    if is_held(folder) {
        let problem = Problem::new(format!("a build is working in {}", folder.display()));
        return Err(problem.hint("wait until it ends, or stop it with Ctrl-C first").into());
    }
    let mut others: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))? {
        let name = entry.map_err(nuwa_files::Error::read(folder))?.file_name();
        if !is_of_build(&name) {
            others.push(name.to_string_lossy().into_owned());
        }
    }
    others.sort();
    let Some(first) = others.first() else { return Ok(()) };
    let problem = format!("{} holds what no build wrote: {}", folder.display(), others.join(", "));
    let hint =
        format!("move it away or remove it first, for example: mv {} .", quoted_path(folder.join(first)));
    Err(Problem::new(problem).hint(hint).into())
}

/// Whether a build gives this name to something in its run folder.
fn is_of_build(name: &OsStr) -> bool {
    const FILES: [&str; 6] =
        [".lock", "command.json", "downloads", "machine.json", "recipe.toml", "source.json"];
    let name = name.to_string_lossy();
    // Old results of stages are kept beside the new ones, and a build that is killed leaves what it was writing.
    let stage = name.split_once(".old").map_or(&*name, |(stage, _)| stage);
    let all = stages::all();
    let mut written =
        all.iter().flat_map(|about| about.places.iter().copied().chain([about.name]).chain(about.former));
    FILES.contains(&&*name) || written.any(|place| place == stage) || name.starts_with(".writing-")
}

fn is_agreed(runs: &[PathBuf]) -> anyhow::Result<bool> {
    let said = |run: &PathBuf| {
        let Entry { name, bytes_on_disk, state: how, .. } = Entry::of(run);
        format!("  {name}  {}, {}", bytes(bytes_on_disk), state(&how))
    };
    let list: Vec<String> = runs.iter().map(said).collect();
    if !io::stdin().is_terminal() {
        let problem =
            format!("nobody is there to be asked whether to remove {}", counted(runs.len() as u64, "run"));
        return Err(Problem::new(problem).hint("add --yes to remove without being asked").into());
    }
    eprint!(
        "{}\nremove {} for ever? [y/N] ",
        printable(&list.join("\n")),
        if runs.len() == 1 { "it" } else { "them" }
    );
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn remove(run: &Path) -> anyhow::Result<()> {
    let (name, freed) = (run.display(), Entry::of(run).bytes_on_disk);
    fs::remove_dir_all(run).map_err(nuwa_files::Error::write(run))?;
    message(&format!("removed {name}, {}", bytes(freed)));
    Ok(())
}
