//! Stacked columns: how many documents of each length there are, and how many of them were kept.

use nuwa_clean::survey::Lengths;
use serde::Serialize;

use crate::chart::{Horizontal, Scale, Tick};
use crate::words::Text;
use crate::words::inspect as words;

/// A picture of columns that stand for classes of equal factors. Positions are per cent of the plot.
#[derive(Debug, Serialize)]
pub struct Columns {
    pub description: Text,
    pub x: Vec<Tick>,
    pub y: Vec<Tick>,
    pub columns: Vec<Column>,
}

/// One class: what was kept, and above it what was rejected.
#[derive(Debug, Serialize)]
pub struct Column {
    pub left: f64,
    pub width: f64,
    pub kept: f64,
    pub rejected: f64,
    pub label: Text,
}

impl Columns {
    /// The lengths of documents in characters; nothing where there are none.
    pub fn of_lengths(kept: &Lengths, rejected: &Lengths) -> Option<Self> {
        let count = |lengths: &Lengths, class: u32| lengths.classes.get(&class).copied().unwrap_or(0);
        let all = || kept.classes.keys().chain(rejected.classes.keys());
        let (first, last) = (*all().min()?, *all().max()?);
        let x = Scale::around([edge(first), edge(last + 1)].into_iter(), 0.0, Horizontal::Logarithmic)?;
        let highest = (first..=last).map(|class| count(kept, class) + count(rejected, class)).max()?;
        let y = Scale::around([0.0, highest as f64].into_iter(), 0.0, Horizontal::Linear)?;
        let column = |class: u32| {
            let (kept, rejected) = (count(kept, class), count(rejected, class));
            let left = x.position(edge(class));
            Column {
                left,
                width: x.position(edge(class + 1)) - left,
                kept: y.position(kept as f64),
                rejected: y.position(rejected as f64),
                label: words::column(edge(class).ceil() as u64, longest(class), kept, rejected),
            }
        };
        Some(Self {
            description: words::lengths(edge(first).ceil() as u64, longest(last), highest),
            columns: (first..=last).map(column).collect(),
            x: x.ticks(5),
            y: y.ticks(4).into_iter().map(|tick| Tick { at: 100.0 - tick.at, ..tick }).collect(),
        })
    }
}

/// Where a class of lengths begins.
fn edge(class: u32) -> f64 {
    2f64.powf(f64::from(class) / 2.0)
}

/// The greatest length of a class.
fn longest(class: u32) -> u64 {
    (edge(class + 1).ceil() as u64).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(classes: &[(u32, u64)]) -> Lengths {
        Lengths { classes: classes.iter().copied().collect() }
    }

    #[test]
    fn columns_fill_the_plot_and_stand_on_each_other() {
        let columns = Columns::of_lengths(&lengths(&[(10, 30), (12, 60)]), &lengths(&[(12, 40)])).unwrap();
        let shape = |at: usize| {
            let column: &Column = &columns.columns[at];
            [column.left, column.width, column.kept, column.rejected].map(|value| value.round() as i64)
        };
        assert_eq!([shape(0), shape(1), shape(2)], [[0, 33, 30, 0], [33, 33, 0, 0], [67, 33, 60, 40]]);
        assert_eq!(columns.columns[0].label.en, "32 to 45 characters: 30 kept, 0 rejected");
        assert!(Columns::of_lengths(&lengths(&[]), &lengths(&[])).is_none());
    }

    #[test]
    fn one_class_is_a_picture_too() {
        let columns = Columns::of_lengths(&lengths(&[(0, 1)]), &lengths(&[])).unwrap();
        assert_eq!((columns.columns[0].left, columns.columns[0].kept), (0.0, 100.0));
        assert_eq!(columns.columns[0].label.en, "1 character: 1 kept, 0 rejected");
    }
}
