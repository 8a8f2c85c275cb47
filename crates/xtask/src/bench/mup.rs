//! Transfer over the width, with muP and without: the coordinate check (sizes of activations in the first steps, by width) and the best
//! learning rate of each width.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::machine;
use super::options::Options;
use super::ours::root;
use super::plot::{Panel, Series, svg};

/// The two ways, as a recipe names them and as the plot does.
const WAYS: [(&str, &str); 2] = [("standard", "standard"), ("mup", "muP")];

/// Widths of the coordinate check, and the steps before which activations are compared: some of those that metrics tell them of.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];
const BEFORE: [u64; 3] = [1, 3, 9];

/// Tokens of a step.
const BATCH: usize = 1024;

/// The rate of the coordinate check: high enough that what grows with the width is seen.
const CHECKED_RATE: f64 = 4e-3;

struct Bench {
    program: PathBuf,
    shards: PathBuf,
    tokenizer: PathBuf,
    folder: PathBuf,
    layers: usize,
}

/// A model, and how long it is trained.
struct Run<'a> {
    way: &'a str,
    width: usize,
    rate: f64,
    tokens: usize,
}

/// `cargo xtask bench mup`.
pub fn run(arguments: &[String]) -> Result<()> {
    let known = ["data", "tokenizer", "tokens", "rates", "widths", "layers", "program", "folder", "svg"];
    let options = Options::parse(arguments, &known)?;
    let temporary = || std::env::temp_dir().join(format!("nuwa-bench-mup-{}", std::process::id()));
    let bench = Bench {
        program: options.path("program").unwrap_or_else(|| root().join("target/release/nuwa")),
        shards: options.path("data").context("--data FOLDER is missing: token shards")?,
        tokenizer: options.path("tokenizer").context("--tokenizer FOLDER is missing: that of the shards")?,
        folder: options.path("folder").unwrap_or_else(temporary),
        layers: options.count("layers", 1)?.unwrap_or(2),
    };
    let tokens = options.count("tokens", BATCH)?.unwrap_or(300 * BATCH);
    let numbers = |name: &str, usual: &str| -> Result<Vec<f64>> {
        let all = options.get(name).unwrap_or(usual).split(',');
        all.map(|one| one.parse().with_context(|| format!("--{name} {one} is no number"))).collect()
    };
    let (rates, widths) = (numbers("rates", "1e-3,2e-3,4e-3,8e-3,1.6e-2")?, numbers("widths", "64,512")?);
    println!("{}; {} layers\n", machine(), bench.layers);
    let panels: Vec<Panel> = WAYS.into_iter().map(|way| bench.coordinates(way)).collect::<Result<_>>()?;
    let file = options.path("svg").unwrap_or_else(|| root().join("docs/mup.svg"));
    std::fs::write(&file, svg(&panels)).with_context(|| format!("cannot write {}", file.display()))?;
    println!(
        "\n| way | width | {} | best rate |",
        rates.iter().map(f64::to_string).collect::<Vec<_>>().join(" | ")
    );
    println!("| --- | ---: |{} ---: |", " ---: |".repeat(rates.len()));
    for (way, name) in WAYS {
        for width in &widths {
            bench.row(way, name, *width as usize, &rates, tokens)?;
        }
    }
    Ok(())
}

impl Bench {
    /// The activations of the last block after some steps, over the width.
    fn coordinates(&self, (way, name): (&str, &'static str)) -> Result<Panel> {
        let mut series = BEFORE.map(|step| (step, Vec::new()));
        println!(
            "| {name}: width | {} |",
            BEFORE.map(|step| format!("after {} steps", step - 1)).join(" | ")
        );
        println!("| ---: |{}", " ---: |".repeat(BEFORE.len()));
        for width in WIDTHS {
            let run = Run { way, width, rate: CHECKED_RATE, tokens: BEFORE[2] as usize * BATCH };
            let sizes = self.activations(&run)?;
            for ((_, points), size) in series.iter_mut().zip(sizes) {
                points.push((width as f64, size));
            }
            println!("| {width} | {} |", sizes.map(|size| format!("{size:.3}")).join(" | "));
        }
        let names = ["step 1", "step 3", "step 9"];
        let series = series.into_iter().zip(names).map(|((_, points), name)| Series { name, points });
        let title = if way == "mup" { "activations with muP" } else { "activations, standard" };
        Ok(Panel { title, axis: "width", series: series.collect() })
    }

    /// How large the last block's output is before some steps.
    fn activations(&self, run: &Run<'_>) -> Result<[f64; BEFORE.len()]> {
        let out = self.train(run)?;
        let text = std::fs::read_to_string(out.join("metrics.jsonl"))?;
        let lines = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
        let name = format!("activation.{}", self.layers - 1);
        let mut sizes = [f64::NAN; BEFORE.len()];
        for (size, step) in sizes.iter_mut().zip(BEFORE) {
            let told = lines.iter().filter(|line| line["step"].as_u64() == Some(step));
            let told = told.filter_map(|line| line[&name].as_f64()).next();
            *size = told.with_context(|| format!("{} tells no {name} of step {step}", out.display()))?;
        }
        Ok(sizes)
    }

    fn row(&self, way: &str, name: &str, width: usize, rates: &[f64], tokens: usize) -> Result<()> {
        let mut losses = Vec::new();
        for &rate in rates {
            losses.push(self.figure(&self.train(&Run { way, width, rate, tokens })?)?);
        }
        let told = losses.iter().map(|loss| format!("{loss:.4}")).collect::<Vec<_>>().join(" | ");
        let best =
            rates.iter().zip(&losses).min_by(|a, b| a.1.total_cmp(b.1)).map_or(f64::NAN, |(rate, _)| *rate);
        println!("| {name} | {width} | {told} | {best:.1e} |");
        Ok(())
    }

    /// Bits per byte of the held-out text.
    fn figure(&self, out: &Path) -> Result<f64> {
        let text = std::fs::read_to_string(out.join("pretrain.json"))?;
        let summary: Value = serde_json::from_str(&text)?;
        summary["bits_per_byte"].as_f64().with_context(|| format!("{} tells no bits per byte", out.display()))
    }

    fn train(&self, run: &Run<'_>) -> Result<PathBuf> {
        let Run { way, width, rate, tokens } = run;
        let out = self.folder.join(format!("{way}-{width}-{rate}-{tokens}"));
        if out.join("pretrain.json").exists() {
            return Ok(out);
        }
        let mut command = Command::new(&self.program);
        command.arg("pretrain").arg("--data").arg(&self.shards).arg("--tokenizer").arg(&self.tokenizer);
        command.arg("--out").arg(&out).args(["--params", "1M", "--tokens", &tokens.to_string()]);
        let settings = [
            format!("model.width={width}"),
            format!("model.layers={}", self.layers),
            format!("model.parametrization={way}"),
            format!("pretrain.learning_rate={rate}"),
            format!("pretrain.batch_tokens={BATCH}"),
            "pretrain.schedule=linear".into(),
            "pretrain.warmup=0.02".into(),
            "pretrain.validations=1".into(),
            "pretrain.samples=0".into(),
        ];
        for setting in settings {
            command.args(["--set", &setting]);
        }
        let output = command.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "width {width}, rate {rate}: {}", told.trim());
        Ok(out)
    }
}
