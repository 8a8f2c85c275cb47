//! Figures with their intervals, as they are printed.

use clap::Args;
use nuwa_eval::statistics::{self, Bootstrap};
use nuwa_report::numbers::counted;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::console::{print_drawn, print_json, print_line};

/// Bootstrap samples, and their seed, where nothing else is said.
const BOOTSTRAP: usize = 1000;
const SEED: u64 = 12345;

/// How sure a figure is, and how it is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Shown {
    /// Number of bootstrap samples for the 95 % intervals; 0: none
    #[arg(long, value_name = "N", default_value_t = BOOTSTRAP)]
    bootstrap: usize,
    /// Seed of the samples
    #[arg(long, value_name = "SEED", default_value_t = SEED)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

impl Shown {
    /// As it is where nothing was said.
    pub fn usual(json: bool) -> Self {
        Self { bootstrap: BOOTSTRAP, seed: SEED, json }
    }

    /// The samples, if intervals were asked for.
    pub fn samples(&self) -> Option<Bootstrap> {
        (self.bootstrap > 0).then_some(Bootstrap { samples: self.bootstrap, seed: self.seed })
    }

    /// What stands of the samples in a signature.
    pub fn signature(&self) -> String {
        let told = |samples: Bootstrap| format!("bs:{}|seed:{}|", samples.samples, samples.seed);
        self.samples().map_or(String::new(), told)
    }
}

/// A figure over items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    #[serde(skip)]
    pub name: String,
    pub value: f64,
    /// Its 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

impl Figure {
    /// A figure of all items, which `of` gives for any choice of them. Without a number there is no figure.
    pub fn over(
        name: impl Into<String>,
        items: usize,
        shown: Shown,
        of: impl Fn(&[usize]) -> f64,
    ) -> Option<Self> {
        let value = of(&(0..items).collect::<Vec<_>>());
        let interval = shown.samples().and_then(|samples| statistics::bootstrap(items, samples, of));
        value.is_finite().then(|| Self { name: name.into(), value, interval })
    }

    /// The mean of what each item has.
    pub fn mean(name: impl Into<String>, values: &[f64], shown: Shown) -> Option<Self> {
        Self::over(name, values.len(), shown, |sample| {
            sample.iter().map(|index| values[*index]).sum::<f64>() / sample.len() as f64
        })
    }
}

/// All that is known of a metric.
#[derive(Debug)]
pub struct Measured {
    /// Its name on the command line.
    pub metric: &'static str,
    /// What an item is called.
    pub item: &'static str,
    pub items: usize,
    pub figures: Vec<Figure>,
    /// How the figures came about.
    pub signature: String,
    /// What else is printed in JSON.
    pub more: Map<String, Value>,
    /// What else is printed for people.
    pub text: Vec<String>,
    /// The figures of each item, under their names, where they were asked for.
    pub each: Option<(Vec<String>, Vec<Vec<f64>>)>,
}

impl Measured {
    /// The means of what each text has, under `names`.
    pub fn means(
        metric: &'static str,
        names: &[&str],
        rows: Vec<Vec<f64>>,
        signature: String,
        each: bool,
        shown: Shown,
    ) -> Self {
        let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<f64>>();
        let figure = |(index, name): (usize, &&str)| Figure::mean(*name, &column(index), shown);
        Self {
            metric,
            item: "text",
            items: rows.len(),
            figures: names.iter().enumerate().filter_map(figure).collect(),
            signature: format!("{}{signature}", shown.signature()),
            more: Map::new(),
            text: Vec::new(),
            each: each.then(|| (names.iter().map(|name| name.to_string()).collect(), rows)),
        }
    }

    /// Prints the figures: each item's, where those were asked for, then those of all.
    pub fn print(self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(&self.json());
        }
        if let Some((names, rows)) = &self.each {
            print_line(&names.join("\t"))?;
            for row in rows {
                print_drawn(&format!("{}\n", row.iter().map(f64::to_string).collect::<Vec<_>>().join("\t")))?;
            }
            print_line("")?;
        }
        print_line(&self.told())
    }

    fn told(&self) -> String {
        let width = self.figures.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
        let line = |figure: &Figure| {
            let interval = figure.interval.map_or(String::new(), |[low, high]| {
                format!("   95 %: {} to {}", rounded(low), rounded(high))
            });
            format!("{:<width$}  {:>9}{interval}", figure.name, rounded(figure.value))
        };
        let of = format!("over {}", counted(self.items as u64, self.item));
        let lines = self.figures.iter().map(line).chain(self.text.iter().cloned());
        lines.chain([of, self.signature.clone()]).collect::<Vec<_>>().join("\n")
    }

    fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.figures.iter().map(|figure| (figure.name.clone(), serde_json::json!(figure))).collect();
        let mut all = Map::new();
        all.insert("metric".into(), self.metric.into());
        all.insert("items".into(), self.items.into());
        all.insert("figures".into(), figures.into());
        all.extend(self.more.clone());
        if let Some((names, rows)) = &self.each {
            let row = |row: &Vec<f64>| -> Map<String, Value> {
                names.iter().cloned().zip(row.iter().map(|value| (*value).into())).collect()
            };
            all.insert("each".into(), rows.iter().map(row).collect::<Vec<_>>().into());
        }
        all.insert("signature".into(), self.signature.clone().into());
        all.into()
    }
}

/// Four decimals, and fewer of numbers that are large.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.1}"),
        size if size >= 1.5 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
