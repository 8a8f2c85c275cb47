//! A page on what was taken for what: figures, the confusion matrix, each class, calibration.

use std::path::Path;

use nuwa_eval::metrics::{Calibration, Confusion};
use serde::Serialize;

use crate::error::Result;
use crate::numbers::{grouped, percent};
use crate::templates::{Sealed, render};
use crate::words::Text;
use crate::words::classes::{Words, figure_name, items_of};

/// What the page is about.
#[derive(Debug)]
pub struct Classified<'a> {
    /// The file that was measured.
    pub source: String,
    /// What was taken for what.
    pub confusion: &'a Confusion,
    /// Figures with their names and their 95 % intervals.
    pub figures: Vec<(String, f64, Option<[f64; 2]>)>,
    /// How sure the predictions were, where that is known.
    pub calibration: Option<&'a Calibration>,
    /// How the figures came about.
    pub signature: String,
}

#[derive(Serialize)]
struct Page {
    words: Words,
    source: String,
    subtitle: Text,
    signature: String,
    figures: Vec<FigureRow>,
    classes: Vec<String>,
    matrix: Vec<MatrixRow>,
    scores: Vec<ClassRow>,
    bins: Vec<BinRow>,
}

#[derive(Serialize)]
struct FigureRow {
    name: Text,
    value: String,
    interval: String,
}

#[derive(Serialize)]
struct MatrixRow {
    name: String,
    cells: Vec<Cell>,
}

/// A number of items, its share of its row in whole per cent, and whether it is what is right.
#[derive(Serialize)]
struct Cell {
    count: String,
    share: u64,
    told: String,
    is_right: bool,
}

#[derive(Serialize)]
struct ClassRow {
    name: String,
    precision: String,
    recall: String,
    f1: String,
    items: String,
}

/// A bin; widths are per cent.
#[derive(Serialize)]
struct BinRow {
    range: String,
    items: String,
    said: String,
    right: String,
    width: u64,
}

/// Writes the page to `path`. It stands alone, in English and Chinese.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, classified: &Classified<'_>) -> Result<()> {
    let page = Page::of(classified);
    let html = render("classes.html", Sealed::new(&page, &page)?)?;
    Ok(nuwa_files::write_atomically(path, html.as_bytes())?)
}

impl Page {
    fn of(classified: &Classified<'_>) -> Self {
        let confusion = classified.confusion;
        let all = 0..confusion.classes.len();
        Self {
            words: Words::ALL,
            source: classified.source.clone(),
            subtitle: items_of(confusion.total(), confusion.classes.len()),
            signature: classified.signature.clone(),
            figures: classified.figures.iter().map(FigureRow::of).collect(),
            classes: confusion.classes.clone(),
            matrix: all.clone().map(|class| MatrixRow::of(confusion, class)).collect(),
            scores: all.map(|class| ClassRow::of(confusion, class)).collect(),
            bins: classified.calibration.map(bins).unwrap_or_default(),
        }
    }
}

impl FigureRow {
    fn of((name, value, interval): &(String, f64, Option<[f64; 2]>)) -> Self {
        Self {
            name: figure_name(name),
            value: format!("{value:.4}"),
            interval: interval.map_or(String::new(), |[low, high]| format!("{low:.4} – {high:.4}")),
        }
    }
}

impl MatrixRow {
    fn of(confusion: &Confusion, class: usize) -> Self {
        let all = confusion.right(class);
        let cell = |(chosen, count): (usize, &u64)| Cell {
            count: grouped(*count),
            share: (100 * count).checked_div(all).unwrap_or(0),
            told: percent(*count as f64, all as f64),
            is_right: chosen == class,
        };
        Self {
            name: confusion.classes[class].clone(),
            cells: confusion.counts[class].iter().enumerate().map(cell).collect(),
        }
    }
}

impl ClassRow {
    fn of(confusion: &Confusion, class: usize) -> Self {
        let scores = confusion.class(class);
        let told = |value: f64| format!("{value:.4}");
        Self {
            name: confusion.classes[class].clone(),
            precision: told(scores.precision),
            recall: told(scores.recall),
            f1: told(scores.f1),
            items: grouped(confusion.right(class)),
        }
    }
}

/// The bins that hold items.
fn bins(calibration: &Calibration) -> Vec<BinRow> {
    let filled = calibration.bins.iter().filter(|bin| bin.count > 0);
    filled
        .map(|bin| BinRow {
            range: format!("{:.2} – {:.2}", bin.above, bin.up_to),
            items: grouped(bin.count),
            said: format!("{:.3}", bin.confidence),
            right: format!("{:.3}", bin.accuracy),
            width: (100.0 * bin.accuracy).round() as u64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stands_alone_and_shows_names_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["<b>spam</b>".to_string(), "ham".into()];
        let confusion = Confusion::new(names, [[0, 0], [0, 1], [1, 1]]);
        let calibration = nuwa_eval::metrics::calibration(&[0.9, 0.7, 0.95], &[true, false, true], 10);
        let classified = Classified {
            source: "mails.csv".into(),
            confusion: &confusion,
            figures: vec![("accuracy".into(), 2.0 / 3.0, Some([0.2, 0.9]))],
            calibration: Some(&calibration),
            signature: "classes:2|nuwa:0".into(),
        };
        let path = folder.path().join("page.html");
        write(&path, &classified).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains("0.6667") && page.contains("准确率") && page.contains("classes:2|nuwa:0"));
        assert!(page.contains("&lt;b&gt;spam") && !page.contains("<b>spam"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
