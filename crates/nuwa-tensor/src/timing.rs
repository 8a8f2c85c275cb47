//! How long each kind of operation takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The time of one kind of operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpTime {
    /// Its name.
    pub name: &'static str,
    /// How often it ran forward.
    pub calls: u64,
    /// Time of all forward runs together.
    pub forward: Duration,
    /// Time of all backward runs together.
    pub backward: Duration,
}

/// Attributes the time since the last note to the operation that just ended: operations run one after the other.
pub(crate) struct Clock {
    last: Instant,
    table: BTreeMap<&'static str, OpTime>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { last: Instant::now(), table: BTreeMap::new() }
    }
}

impl Clock {
    pub fn forward(&mut self, name: &'static str) {
        let elapsed = self.skip();
        let row = self.row(name);
        row.calls += 1;
        row.forward += elapsed;
    }

    pub fn backward(&mut self, name: &'static str) {
        let elapsed = self.skip();
        self.row(name).backward += elapsed;
    }

    pub fn skip(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }

    pub fn table(&self) -> Vec<OpTime> {
        let mut rows: Vec<OpTime> = self.table.values().copied().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.forward + row.backward));
        rows
    }

    fn row(&mut self, name: &'static str) -> &mut OpTime {
        let new = OpTime { name, calls: 0, forward: Duration::ZERO, backward: Duration::ZERO };
        self.table.entry(name).or_insert(new)
    }
}
