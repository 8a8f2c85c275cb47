//! Means over items, of all and by group; of shares with Wilson's interval.

use std::collections::BTreeMap;

use crate::remark::ErrorsOver;
use crate::statistics::{Z95, wilson};
use crate::{Metric, Ratio, TaskResult};

/// Sums of a figure.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    ratio: Ratio,
    hits: u64,
    /// Whether each value was 0 or 1.
    is_share: bool,
}

type Sums = BTreeMap<String, Sum>;

/// Figures while items come.
#[derive(Debug, Default)]
pub struct Figures {
    all: Sums,
    groups: BTreeMap<String, Sums>,
}

impl Figures {
    /// Whether something holds of an item.
    pub fn share(&mut self, group: Option<&str>, name: &str, holds: bool) {
        self.add(group, name, f64::from(u8::from(holds)), true);
    }

    /// A number of an item.
    pub fn mean(&mut self, group: Option<&str>, name: &str, value: f64) {
        self.add(group, name, value, false);
    }

    fn add(&mut self, group: Option<&str>, name: &str, value: f64, is_share: bool) {
        let add = |sums: &mut Sums| {
            let sum = sums.entry(name.into()).or_default();
            sum.ratio.add(value, 1.0);
            sum.hits += u64::from(is_share && value > 0.5);
            sum.is_share = is_share;
        };
        add(&mut self.all);
        if let Some(group) = group {
            add(self.groups.entry(group.into()).or_default());
        }
    }

    /// All of them, over `n` items whose texts have this hash.
    pub fn result(&self, version: u32, n: u64, data_hash: String) -> TaskResult {
        let mut intervals = intervals(&self.all, "");
        for (group, sums) in &self.groups {
            intervals.extend(self::intervals(sums, &format!("{group}/")));
        }
        TaskResult {
            version,
            n,
            metrics: metrics(&self.all),
            intervals,
            standard_errors: ErrorsOver::Items,
            data_hash,
            groups: self.groups.iter().map(|(name, sums)| (name.clone(), metrics(sums))).collect(),
            ..TaskResult::default()
        }
    }
}

fn metrics(sums: &Sums) -> BTreeMap<String, Metric> {
    sums.iter().filter_map(|(name, sum)| Some((name.clone(), sum.ratio.metric()?))).collect()
}

fn intervals(sums: &Sums, place: &str) -> BTreeMap<String, [f64; 2]> {
    let shares = sums.iter().filter(|(_, sum)| sum.is_share);
    shares
        .map(|(name, sum)| (format!("{place}{name}"), wilson(sum.hits as f64, sum.ratio.units() as f64, Z95)))
        .collect()
}
