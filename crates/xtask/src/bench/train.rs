//! The same model, batch and step on both sides, in turn.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::load::{DISTURBED, Meter};
use super::options::Options;
use super::ours::{Ours, Report};
use super::rival::{Line, Rival};
use super::{machine, median};

const OPTIONS: [&str; 9] =
    ["against", "sizes", "families", "precision", "pairs", "steps", "python", "isa", "json"];

/// What is run.
#[derive(Debug)]
struct Plan {
    sizes: Vec<String>,
    families: Vec<String>,
    precision: String,
    pairs: usize,
    steps: Option<usize>,
}

/// One model on both sides.
#[derive(Debug)]
struct Case<'a> {
    family: &'a str,
    size: &'a str,
    precision: &'a str,
    steps: usize,
}

/// One run of each side.
#[derive(Debug)]
struct Pair {
    rival: Line,
    ours: Report,
    ratio: f64,
    /// The share of the processors that other programs took meanwhile, where it can be known.
    others: Option<f64>,
}

/// `cargo xtask bench train`.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &OPTIONS)?;
    let plan = Plan::read(&options)?;
    let isa = options.one_of("isa", &["avx2"])?;
    let rival = Rival {
        python: options.path("python").unwrap_or_else(|| "python3".into()),
        script: options.path("against").context("--against SCRIPT says what to run in turn with")?,
        isa: isa.clone(),
    };
    let torch = rival.version()?;
    let ours = Ours::build(isa.clone())?;
    let machine = machine();
    let held =
        isa.as_ref().map_or(String::new(), |isa| format!(", ATEN_CPU_CAPABILITY={isa}; ours held to {isa}"));
    println!("{machine}; rival: torch {torch}, compiled{held}");
    let mut results = Vec::new();
    for family in &plan.families {
        for size in &plan.sizes {
            results.push(compare(&rival, &ours, &plan, &plan.case(family, size))?);
        }
    }
    if let Some(file) = options.path("json") {
        let all = json!({"machine": machine, "torch": torch, "isa": isa, "results": results});
        write(&file, &all)?;
    }
    Ok(())
}

impl Plan {
    fn read(options: &Options) -> Result<Self> {
        Ok(Self {
            sizes: options.some_of("sizes", &["tiny", "mid", "small"])?,
            families: options.some_of("families", &["gpt", "llama"])?,
            precision: options.one_of("precision", &["bf16", "f32"])?.unwrap_or_else(|| "bf16".into()),
            pairs: options.count("pairs", 1)?.unwrap_or(5),
            steps: options.count("steps", 4)?,
        })
    }

    fn case<'a>(&'a self, family: &'a str, size: &'a str) -> Case<'a> {
        let steps = self.steps.unwrap_or(if size == "small" { 8 } else { 20 });
        Case { family, size, precision: &self.precision, steps }
    }
}

impl Case<'_> {
    fn arguments(&self) -> Vec<String> {
        [self.size, self.precision, &self.steps.to_string(), self.family].map(String::from).to_vec()
    }

    fn pair(&self, rival: &Rival, ours: &Ours) -> Result<Pair> {
        let meter = Meter::start();
        let rival = rival.run(self.size, self.precision, self.steps, self.family)?;
        let ours = ours.run(&self.arguments())?;
        let others = meter.and_then(Meter::others);
        let millions = ours.number("parameters")? / 1e6;
        let same = (millions - rival.millions).abs() < 0.06;
        ensure!(same, "not the same model: {:.1}M parameters there, {millions:.1}M here", rival.millions);
        let ratio = ours.number("tokens_per_second")? / rival.tokens_per_second;
        Ok(Pair { rival, ours, ratio, others })
    }
}

fn compare(rival: &Rival, ours: &Ours, plan: &Plan, case: &Case<'_>) -> Result<Value> {
    println!("\n{} {} {}, {} steps a run", case.family, case.size, case.precision, case.steps);
    println!("  pair      rival tok/s   ours tok/s   ratio");
    let mut pairs = Vec::new();
    for number in 1..=plan.pairs {
        let pair = case.pair(rival, ours)?;
        pair.print(number)?;
        pairs.push(pair);
    }
    let medians = Medians::of(&pairs)?;
    medians.print();
    let disturbed = pairs.iter().filter(|pair| pair.is_disturbed()).count();
    if disturbed > 0 {
        println!(
            "  DISTURBED: other programs ran beside {disturbed} of {} pairs; measure again",
            pairs.len()
        );
    }
    print_operations(middle(&pairs))?;
    Ok(json!({
        "family": case.family, "size": case.size, "precision": case.precision, "steps": case.steps,
        "median_ratio": medians.ratio, "disturbed_pairs": disturbed, "memory_ratio": medians.memory[1] / medians.memory[0],
        "share_of_product_limit": medians.products / medians.limit,
        "pairs": pairs.iter().map(Pair::json).collect::<Vec<_>>(),
    }))
}

impl Pair {
    fn is_disturbed(&self) -> bool {
        self.others.is_some_and(|share| share > DISTURBED)
    }

    fn print(&self, number: usize) -> Result<()> {
        let (rival, ours) = (self.rival.tokens_per_second, self.ours.number("tokens_per_second")?);
        let share = 100.0 * self.others.unwrap_or(0.0);
        let note =
            self.is_disturbed().then(|| format!("   other programs took {share:.0} % of the processors"));
        println!("  {number:<8} {rival:>12.0} {ours:>12.0} {:>7.2}{}", self.ratio, note.unwrap_or_default());
        Ok(())
    }

    fn json(&self) -> Value {
        json!({"ratio": self.ratio, "others_share": self.others, "rival": self.rival.json(), "ours": self.ours.0})
    }
}

/// The medians over all pairs.
#[derive(Debug)]
struct Medians {
    ratio: f64,
    /// Tokens a second: the rival's, ours.
    speed: [f64; 2],
    /// Peak memory: the rival's, ours.
    memory: [f64; 2],
    products: f64,
    limit: f64,
    first_step: f64,
}

impl Medians {
    fn of(pairs: &[Pair]) -> Result<Self> {
        let rival =
            |figure: fn(&Line) -> f64| median(&pairs.iter().map(|p| figure(&p.rival)).collect::<Vec<_>>());
        let ours = |key: &str| -> Result<f64> {
            let values: Result<Vec<f64>> = pairs.iter().map(|pair| pair.ours.number(key)).collect();
            Ok(median(&values?))
        };
        Ok(Self {
            ratio: median(&pairs.iter().map(|pair| pair.ratio).collect::<Vec<_>>()),
            speed: [rival(|line| line.tokens_per_second), ours("tokens_per_second")?],
            memory: [rival(|line| line.peak_memory_gb), ours("peak_memory_gb")?],
            products: ours("product_gflops")?,
            limit: ours("product_limit_gflops")?,
            first_step: ours("first_step_seconds")?,
        })
    }

    fn print(&self) {
        let [[rival, ours], [rival_memory, memory]] = [self.speed, self.memory];
        println!("  median   {rival:>12.0} {ours:>12.0} {:>7.2}", self.ratio);
        println!("  peak GB  {rival_memory:>12.2} {memory:>12.2} {:>7.2}", memory / rival_memory);
        let (products, limit) = (self.products, self.limit);
        let share = 100.0 * products / limit;
        println!(
            "  products: {products:.0} of {limit:.0} GFLOP/s, {share:.0} % of the measured limit (attention not counted)"
        );
        println!("  first step done {:.2} s after the start", self.first_step);
    }
}

/// The pair whose ratio is the middle one.
fn middle(pairs: &[Pair]) -> &Report {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    &sorted[sorted.len() / 2].ours
}

fn print_operations(report: &Report) -> Result<()> {
    let operations = report.operations()?;
    let sum: f64 = operations.iter().map(|row| row.total()).sum();
    println!("  ms a step              calls  forward  backward   share");
    for row in &operations {
        let (name, calls, share) = (&row.name, row.calls, 100.0 * row.total() / sum);
        println!("  {name:<20} {calls:>7.0} {:>8.1} {:>9.1} {share:>5.1} %", row.forward, row.backward);
    }
    println!("  all                  {:>26.1}", sum);
    Ok(())
}

fn write(file: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ratio: f64) -> Pair {
        let rival = Line {
            millions: 5.8,
            loss: 8.3,
            median_ms: 400.0,
            tokens_per_second: 5000.0,
            peak_memory_gb: 0.5,
        };
        let ours = json!({"tokens_per_second": 5000.0 * ratio, "peak_memory_gb": 0.2, "product_gflops": 380.0,
            "product_limit_gflops": 440.0, "first_step_seconds": 0.5, "optimizer_ms": 5.0, "operations": []});
        Pair { rival, ours: Report(ours), ratio, others: None }
    }

    #[test]
    fn medians_are_over_pairs() {
        let pairs = [pair(1.8), pair(1.5), pair(1.6)];
        let medians = Medians::of(&pairs).unwrap();
        assert_eq!(medians.ratio, 1.6);
        assert_eq!(medians.speed, [5000.0, 8000.0]);
        assert_eq!(middle(&pairs).number("tokens_per_second").unwrap(), 8000.0);
    }

    #[test]
    fn small_models_take_fewer_steps() {
        let options = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            Plan::read(&Options::parse(&words, &OPTIONS).unwrap())
        };
        let plan = options(&["--precision", "f32"]).unwrap();
        assert_eq!(plan.case("gpt", "small").arguments(), ["small", "f32", "8", "gpt"]);
        assert_eq!(plan.case("llama", "tiny").steps, 20);
        assert_eq!(plan.pairs, 5);
        assert!(options(&["--steps", "3"]).is_err(), "nothing would be left after the warm-up");
    }
}
