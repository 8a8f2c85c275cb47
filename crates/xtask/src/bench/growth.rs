//! How speed and memory go with context and with width.

use anyhow::{Context, Result};

use super::load::{DISTURBED, Meter};
use super::machine;
use super::options::Options;
use super::ours::{Ours, root};
use super::plot::{Panel, Series, svg};

const CONTEXTS: [usize; 6] = [256, 512, 1024, 2048, 4096, 8192];

const WIDTHS: [usize; 6] = [128, 256, 512, 768, 1024, 1536];

/// Context of the runs over width.
const CONTEXT: usize = 512;

/// Layers of the runs over width.
const LAYERS: usize = 6;

/// Width of a head in the runs over width.
const HEAD: usize = 64;

/// A line of the table.
#[derive(Debug)]
struct Row {
    model: &'static str,
    context: usize,
    width: usize,
    tokens_per_second: f64,
    peak_memory_gb: f64,
}

/// The runs of one kind: everything of a run but its place on the axis.
struct Runner {
    ours: Ours,
    precision: String,
    family: String,
    steps: String,
}

/// `cargo xtask bench growth`.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["precision", "family", "steps", "isa", "svg"])?;
    let runner = Runner {
        precision: options.one_of("precision", &["bf16", "f32"])?.unwrap_or_else(|| "bf16".into()),
        family: options.one_of("family", &["gpt", "llama"])?.unwrap_or_else(|| "gpt".into()),
        steps: options.count("steps", 4)?.unwrap_or(8).to_string(),
        ours: Ours::build(options.one_of("isa", &["avx2"])?)?,
    };
    let (family, precision) = (&runner.family, &runner.precision);
    println!("{}; {family} {precision}, one sequence a step\n", machine());
    println!("| model | width | context | tokens/s | peak memory, GB |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let contexts = runner.contexts()?;
    let widths = runner.widths()?;
    let file = options.path("svg").unwrap_or_else(|| root().join("docs/growth.svg"));
    std::fs::write(&file, svg(&panels(&contexts, &widths)))
        .with_context(|| format!("cannot write {}", file.display()))
}

impl Runner {
    fn contexts(&self) -> Result<Vec<Row>> {
        let models = [("tiny", 256), ("mid", 512)];
        let runs = models.iter().flat_map(|model| CONTEXTS.map(|context| (model, context)));
        runs.map(|(&(model, width), context)| self.row(model, model, context, width, &[])).collect()
    }

    fn widths(&self) -> Result<Vec<Row>> {
        let run = |width: usize| {
            let shape = [("layers", LAYERS), ("width", width), ("heads", width / HEAD)];
            self.row("six layers", "tiny", CONTEXT, width, &shape)
        };
        WIDTHS.into_iter().map(run).collect()
    }

    /// Runs `size` at `context`, with `shape` in place of its own, and prints the table's line.
    fn row(
        &self,
        model: &'static str,
        size: &str,
        context: usize,
        width: usize,
        shape: &[(&str, usize)],
    ) -> Result<Row> {
        let mut arguments = [size, &self.precision, &self.steps, &self.family].map(String::from).to_vec();
        for (name, value) in [("batch", 1), ("context", context)].iter().chain(shape) {
            arguments.extend([format!("--{name}"), value.to_string()]);
        }
        let meter = Meter::start();
        let report = self.ours.run(&arguments)?;
        let others = meter.and_then(Meter::others).filter(|&share| share > DISTURBED);
        let tokens_per_second = report.number("tokens_per_second")?;
        let peak_memory_gb = report.number("peak_memory_gb")?;
        println!("| {model} | {width} | {context} | {tokens_per_second:.0} | {peak_memory_gb:.2} |");
        if let Some(share) = others {
            eprintln!("note: other programs took {:.0} % of the processors in the row above", 100.0 * share);
        }
        Ok(Row { model, context, width, tokens_per_second, peak_memory_gb })
    }
}

fn panels(contexts: &[Row], widths: &[Row]) -> [Panel; 4] {
    let speed = |row: &Row| row.tokens_per_second;
    let memory = |row: &Row| row.peak_memory_gb;
    let context = |row: &Row| row.context as f64;
    let width = |row: &Row| row.width as f64;
    let (speed_title, memory_title) = ("tokens a second", "peak memory, GB");
    [
        Panel { title: speed_title, axis: "context", series: series(contexts, context, speed) },
        Panel { title: memory_title, axis: "context", series: series(contexts, context, memory) },
        Panel { title: speed_title, axis: "width", series: series(widths, width, speed) },
        Panel { title: memory_title, axis: "width", series: series(widths, width, memory) },
    ]
}

/// The points of each model.
fn series(rows: &[Row], x: impl Fn(&Row) -> f64, y: impl Fn(&Row) -> f64) -> Vec<Series> {
    let groups = rows.chunk_by(|a, b| a.model == b.model);
    groups
        .map(|rows| Series { name: rows[0].model, points: rows.iter().map(|row| (x(row), y(row))).collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_is_a_series() {
        let row =
            |model, context| Row { model, context, width: 256, tokens_per_second: 1e4, peak_memory_gb: 0.1 };
        let rows = [row("tiny", 256), row("tiny", 512), row("mid", 256)];
        let [panel, ..] = panels(&rows, &[]);
        assert_eq!(panel.series.len(), 2);
        assert_eq!(panel.series[0].points, [(256.0, 1e4), (512.0, 1e4)]);
    }

    #[test]
    fn heads_divide_widths() {
        assert!(WIDTHS.iter().all(|width| width % (2 * HEAD) == 0), "llama halves the heads for keys");
    }
}
