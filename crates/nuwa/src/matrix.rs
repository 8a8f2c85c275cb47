//! A confusion matrix in text.

use nuwa_eval::metrics::Confusion;
use nuwa_text::clip;
use unicode_width::UnicodeWidthStr;

/// The most classes of a matrix that is drawn whole.
const MOST_CLASSES: usize = 10;
/// The most characters of a name.
const LONGEST: usize = 16;
/// Mistakes that are told where there is no room for a matrix.
const MISTAKES: usize = 10;

/// A row for each right class, a column for each chosen one, each line behind `indent`. Of many classes, the commonest mistakes.
pub fn matrix(confusion: &Confusion, indent: &str) -> String {
    let lines = if confusion.classes.len() > MOST_CLASSES { mistakes(confusion) } else { drawn(confusion) };
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

fn drawn(confusion: &Confusion) -> Vec<String> {
    let names: Vec<String> = confusion.classes.iter().map(|name| clip(name, LONGEST)).collect();
    let first = names.iter().map(|name| name.width()).max().unwrap_or_default().max(9) + 3;
    let largest = confusion.counts.iter().flatten().max().map_or(1, |count| count.to_string().len());
    let widths: Vec<usize> = names.iter().map(|name| name.width().max(largest)).collect();
    let cells = |cells: Vec<String>| -> String {
        cells.iter().zip(&widths).map(|(cell, width)| format!("  {}", padded_left(cell, *width))).collect()
    };
    let head = format!("{}{}", padded("taken for", first), cells(names.clone()));
    let rows = names.iter().zip(&confusion.counts).map(|(name, counts)| {
        let counts = counts.iter().map(u64::to_string).collect();
        format!("{}{}", padded(&format!("is {name}"), first), cells(counts))
    });
    std::iter::once(head).chain(rows).collect()
}

fn mistakes(confusion: &Confusion) -> Vec<String> {
    let mut all: Vec<(u64, &str, &str)> = Vec::new();
    for (right, row) in confusion.counts.iter().enumerate() {
        for (chosen, count) in
            row.iter().enumerate().filter(|(chosen, count)| *chosen != right && **count > 0)
        {
            all.push((*count, &confusion.classes[right], &confusion.classes[chosen]));
        }
    }
    all.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    all.truncate(MISTAKES);
    let line = |(count, right, chosen): &(u64, &str, &str)| {
        format!("{count:>6}  {} taken for {}", clip(right, LONGEST), clip(chosen, LONGEST))
    };
    let head = format!("the commonest mistakes among {} classes:", confusion.classes.len());
    std::iter::once(head).chain(all.iter().map(line)).collect()
}

/// The text, and blanks up to so many columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn padded_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_straight_columns() {
        let names = ["neg", "正面"].map(String::from).to_vec();
        let confusion = Confusion::new(names, [[0, 0], [0, 1], [1, 1], [1, 1]]);
        let text = matrix(&confusion, "  ");
        assert_eq!(text, "  taken for     neg  正面\n  is neg          1     1\n  is 正面         0     2");
    }

    #[test]
    fn of_many_classes_the_mistakes_are_told() {
        let names: Vec<String> = (0..30).map(|class| format!("c{class}")).collect();
        let confusion = Confusion::new(names, [[0, 1], [0, 1], [2, 2], [3, 4]]);
        let text = matrix(&confusion, "");
        assert_eq!(
            text,
            "the commonest mistakes among 30 classes:\n     2  c0 taken for c1\n     1  c3 taken for c4"
        );
    }
}
