//! The same as the page, for a terminal: bars of blocks, texts wrapped beside a line.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Cleaned;
use super::view::{BiasView, ClusterView, DocumentCard, Inspection, LanguageRow};
use crate::Result;
use crate::cleaning::{Caught, Funnel, NamedCount};
use crate::columns::Columns;
use crate::difference::{Piece, PieceKind};
use crate::facts::Fact;
use crate::words::inspect::Words;

/// The terminal speaks English.
const WORDS: Words = Words::ALL;

/// Columns of a bar.
const BAR: usize = 24;
/// Lines of a picture of columns, and of a text.
const PICTURE: usize = 8;
const LINES: usize = 10;

/// What is drawn on.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether it shows colours; else signs stand for them.
    pub colours: bool,
}

/// Colours by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Plain,
    Soft,
    Title,
    Kept,
    Changed,
    Rejected,
    Removed,
    Added,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Soft => "2",
            Self::Title => "1",
            Self::Kept => "36",
            Self::Changed => "33",
            Self::Rejected => "31",
            Self::Removed => "31;9",
            Self::Added => "32",
        }
    }

    fn of_outcome(outcome: &str) -> Self {
        match outcome {
            "kept" => Self::Kept,
            "changed" => Self::Changed,
            _ => Self::Rejected,
        }
    }
}

/// All that there is to see of a cleaned corpus; with `find` only the documents that hold all of its words.
///
/// # Errors
/// When a file of the run cannot be read.
pub fn text(cleaned: &Cleaned, screen: Screen, find: Option<&str>) -> Result<String> {
    let inspection = cleaned.inspection()?;
    let mut drawing = Drawing { screen, out: String::new() };
    match find {
        Some(words) => drawing.found(&inspection.cards, words),
        None => drawing.whole(&inspection),
    }
    Ok(drawing.out)
}

struct Drawing {
    screen: Screen,
    out: String,
}

impl Drawing {
    fn whole(&mut self, inspection: &Inspection) {
        let (title, subtitle) = (self.paint(Ink::Title, &inspection.name), &inspection.subtitle);
        self.line(&format!("{title}  {}", self.paint(Ink::Soft, &subtitle.en)));
        for tile in &inspection.tiles {
            let note = self.paint(Ink::Soft, &tile.note.en);
            self.line(&format!("  {:<16} {:>12}  {note}", tile.label.en, tile.value));
        }
        self.funnel(&inspection.funnel);
        inspection.lengths.iter().for_each(|lengths| self.lengths(lengths));
        self.languages(&inspection.languages);
        inspection.clusters.iter().for_each(|clusters| self.clusters(clusters));
        inspection.bias.iter().for_each(|bias| self.bias(bias));
        inspection.caught.iter().for_each(|caught| self.caught(caught));
        self.heading("Documents, a few of each kind");
        inspection.cards.iter().for_each(|card| self.card(card));
    }

    fn found(&mut self, cards: &[DocumentCard], find: &str) {
        let words: Vec<String> = find.split_whitespace().map(str::to_lowercase).collect();
        let found: Vec<&DocumentCard> = cards.iter().filter(|card| card.holds(&words)).collect();
        self.line(&format!("{} of {} samples hold {find}", found.len(), cards.len()));
        found.into_iter().for_each(|card| self.card(card));
    }

    fn line(&mut self, text: &str) {
        self.out += text.trim_end();
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let title = self.paint(Ink::Title, text);
        self.line(&format!("\n{title}"));
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        match self.screen.colours && ink != Ink::Plain && !text.is_empty() {
            true => format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()),
            false => text.to_string(),
        }
    }

    /// A bar of two shares, in per cent of its width.
    fn bar(&self, kept: f64, rejected: f64) -> String {
        let cells = |share: f64| (share / 100.0 * BAR as f64).round() as usize;
        let kept_cells = cells(kept).max(usize::from(kept > 0.0)).min(BAR);
        let end = cells(kept + rejected).max(kept_cells + usize::from(rejected > 0.0)).min(BAR);
        let kept_cells = kept_cells.min(end - usize::from(rejected > 0.0).min(end));
        let rejected_cells = end - kept_cells;
        self.paint(Ink::Kept, &"█".repeat(kept_cells))
            + &self.paint(Ink::Rejected, &"▒".repeat(rejected_cells))
            + &" ".repeat(BAR - end)
    }

    fn funnel(&mut self, funnel: &Funnel) {
        self.heading(WORDS.steps_title.en);
        let wide = widest(funnel.steps.iter().map(|step| step.name.en.as_str()));
        for step in &funnel.steps {
            let (bar, name) = (self.bar(step.kept_share, step.rejected_share), padded(&step.name.en, wide));
            self.line(&format!("  {name}  {bar}  {} · {} · {}", step.documents.en, step.bytes, step.seconds));
            let changed = step.changed.as_ref().map(|count| (Ink::Changed, format!("{count} changed")));
            let rejected = step.rejected.as_ref();
            let rejected =
                rejected.map(|count| (Ink::Rejected, format!("{count} rejected: {}", listed(&step.reasons))));
            let found =
                (!step.labels.is_empty()).then(|| (Ink::Soft, format!("found: {}", listed(&step.labels))));
            let totals =
                (!step.totals.is_empty()).then(|| (Ink::Soft, format!("used {}", worked_with(&step.totals))));
            let portions = (!step.portions.is_empty())
                .then(|| (Ink::Soft, format!("shares of the text: {}", portions(&step.portions))));
            for (ink, text) in [changed, rejected, totals, found, portions].into_iter().flatten() {
                self.wrapped(&" ".repeat(wide + 4), &[(ink, text)], usize::MAX);
            }
        }
    }

    fn lengths(&mut self, lengths: &Columns) {
        let key =
            [(Ink::Kept, "█ kept"), (Ink::Rejected, "▒ rejected")].map(|(ink, text)| self.paint(ink, text));
        self.heading(&format!("Documents by length, in characters  {}", key.join("  ")));
        let top = lengths.y.iter().min_by(|one, other| one.at.total_cmp(&other.at));
        for row in (0..PICTURE).rev() {
            let level = (row as f64 + 0.5) / PICTURE as f64 * 100.0;
            let cell = |column: &crate::columns::Column| match column.kept + column.rejected {
                _ if column.kept > level => (Ink::Kept, "██"),
                both if both > level => (Ink::Rejected, "▒▒"),
                both if row == 0 && both > 0.0 && column.kept > 0.0 => (Ink::Kept, "▁▁"),
                both if row == 0 && both > 0.0 => (Ink::Rejected, "▁▁"),
                _ => (Ink::Plain, "  "),
            };
            let cells: String =
                lengths.columns.iter().map(cell).map(|(ink, text)| self.paint(ink, text)).collect();
            let label = top.filter(|tick| {
                row == ((1.0 - tick.at / 100.0) * PICTURE as f64) as usize - usize::from(tick.at < 1.0)
            });
            let label = label.map(|tick| tick.label.as_str()).unwrap_or_default();
            self.line(&format!("  {label:>8} {cells}"));
        }
        let labels =
            axis(lengths.x.iter().map(|tick| (tick.at, tick.label.as_str())), 2 * lengths.columns.len());
        let labels = self.paint(Ink::Soft, &labels);
        self.line(&format!("  {:>8} {labels}", ""));
    }

    fn languages(&mut self, rows: &[LanguageRow]) {
        if rows.is_empty() {
            return;
        }
        self.heading(WORDS.languages.en);
        let wide = widest(rows.iter().map(|row| row.name.en.as_str()));
        for row in rows {
            let (name, bar) = (padded(&row.name.en, wide), self.bar(row.kept_share, row.rejected_share));
            self.line(&format!("  {name}  {bar}  {}", row.counts.en));
        }
    }

    fn clusters(&mut self, clusters: &ClusterView) {
        self.heading(WORDS.duplicates_title.en);
        self.wrapped("  ", &[(Ink::Plain, clusters.sentence.en.clone())], usize::MAX);
        for row in &clusters.sizes {
            let (bar, of) = (self.bar(row.kept_share, row.rejected_share), &row.size.en);
            self.line(&format!("  {of:<18}  {bar}  {}", row.counts.en));
        }
        for cluster in clusters.largest.iter().take(3) {
            let title = self.paint(Ink::Soft, &cluster.title.en);
            self.line(&format!("\n  {title}"));
            let shown = cluster.original.iter().chain(cluster.copies.iter().take(2));
            shown.for_each(|card| self.card_of(card, 3));
        }
    }

    fn bias(&mut self, bias: &BiasView) {
        self.heading(WORDS.bias_title.en);
        let sentence = [Some(&bias.sentence), bias.estimate.as_ref()];
        self.wrapped(
            "  ",
            &[(
                Ink::Soft,
                sentence.into_iter().flatten().map(|text| text.en.as_str()).collect::<Vec<_>>().join(" "),
            )],
            usize::MAX,
        );
        let wide = widest(bias.groups.iter().map(|group| group.name.en.as_str()));
        for group in &bias.groups {
            let name = padded(&group.name.en, wide);
            let [before, after] = &group.rates;
            let rates = format!("{before:>9} → {after:<9} per million words");
            let beside = self.paint(Ink::Soft, &group.beside);
            self.line(&format!("  {name}  {rates}  {beside}"));
        }
    }

    fn caught(&mut self, caught: &Caught) {
        self.heading(WORDS.planted_title.en);
        self.line(&format!(
            "  {:<18} {:>8} {:>9} {:>9} {:>8}",
            "", "planted", "rejected", "repaired", "caught"
        ));
        for row in &caught.rows {
            let (kind, planted, rejected, repaired) = (&row.kind.en, row.planted, row.rejected, row.repaired);
            self.line(&format!("  {kind:<18} {planted:>8} {rejected:>9} {repaired:>9} {:>8}", row.share));
        }
        self.line(&format!("  {}", caught.lost.en));
    }

    fn card(&mut self, card: &DocumentCard) {
        self.out.push('\n');
        self.card_of(card, LINES);
    }

    fn card_of(&mut self, card: &DocumentCard, lines: usize) {
        let mut header = vec![(Ink::of_outcome(card.outcome), card.outcome_name.en.to_string())];
        let why = [&card.step, &card.reason].map(|choice| choice.name.en.as_str()).join(": ");
        let why = why.trim_matches([':', ' ']);
        header.extend((!why.is_empty()).then(|| (Ink::Plain, format!(" · {why}"))));
        header.extend((!card.detail.is_empty()).then(|| (Ink::Soft, format!(" {}", card.detail))));
        self.wrapped("  ", &header, 2);
        self.wrapped("  ", &[(Ink::Soft, card.id.clone())], 1);
        let pieces: Vec<(Ink, String)> = card.pieces.iter().map(|piece| self.piece(piece)).collect();
        match pieces.is_empty() {
            true => self.wrapped("  │ ", &[(Ink::Soft, card.note.en.to_string())], 1),
            false => self.wrapped("  │ ", &pieces, lines),
        }
    }

    /// A piece with its colour, or between the marks of a word difference.
    fn piece(&self, piece: &Piece) -> (Ink, String) {
        let (ink, [open, close]) = match piece.kind {
            PieceKind::Same => (Ink::Plain, ["", ""]),
            PieceKind::Gap => (Ink::Soft, ["", ""]),
            PieceKind::Removed => (Ink::Removed, ["[-", "-]"]),
            PieceKind::Added => (Ink::Added, ["{+", "+}"]),
        };
        match self.screen.colours {
            true => (ink, piece.text.clone()),
            false => (ink, format!("{open}{}{close}", piece.text)),
        }
    }

    /// At most `lines` lines of the pieces, each behind `margin`.
    fn wrapped(&mut self, margin: &str, pieces: &[(Ink, String)], lines: usize) {
        let room = self.screen.width.saturating_sub(margin.width()).max(20);
        let wrapped = wrap(pieces, room);
        let left = wrapped.len().saturating_sub(lines);
        for (at, line) in wrapped.iter().take(lines).enumerate() {
            let runs = line.chunk_by(|one, other| one.0 == other.0);
            let text: String = runs
                .map(|run| {
                    self.paint(run[0].0, &run.iter().map(|(_, character)| *character).collect::<String>())
                })
                .collect();
            let cut = if left > 0 && at + 1 == lines { " …" } else { "" };
            self.line(&format!("{margin}{}{cut}", text.trim_end()));
        }
    }
}

impl DocumentCard {
    /// Whether each of the words stands somewhere in it.
    fn holds(&self, words: &[String]) -> bool {
        let named = [self.outcome, &self.step.key, &self.reason.key, &self.detail, &self.id, &self.source];
        let texts = self.pieces.iter().map(|piece| piece.text.as_str());
        let all = format!("{}\n{}", named.join("\n"), texts.collect::<String>()).to_lowercase();
        words.iter().all(|word| all.contains(word.as_str()))
    }
}

/// Facts in a line, the first dozen.
fn listed(facts: &[NamedCount]) -> String {
    let shown: Vec<String> =
        facts.iter().take(12).map(|fact| format!("{} {}", fact.name.en, fact.value)).collect();
    let more = if facts.len() > 12 { format!(" and {} more", facts.len() - 12) } else { String::new() };
    shown.join(", ") + &more
}

/// "960 items looked for, 3 too short".
fn worked_with(totals: &[NamedCount]) -> String {
    let each: Vec<String> = totals.iter().map(|total| format!("{} {}", total.value, total.name.en)).collect();
    each.join(", ")
}

fn portions(portions: &[Fact]) -> String {
    let each: Vec<String> =
        portions.iter().map(|portion| format!("{} {}", portion.name.en, portion.value.en)).collect();
    each.join("; ")
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(UnicodeWidthStr::width).max().unwrap_or(0)
}

fn padded(name: &str, width: usize) -> String {
    format!("{name}{}", " ".repeat(width.saturating_sub(name.width())))
}

/// Labels below a picture of `width` columns, at places in per cent; those without room are left out.
fn axis<'a>(labels: impl Iterator<Item = (f64, &'a str)>, width: usize) -> String {
    let mut axis = String::new();
    for (at, label) in labels {
        let start = (at / 100.0 * width as f64).round() as usize;
        if start >= axis.len() + usize::from(!axis.is_empty()) {
            axis += &" ".repeat(start - axis.len());
            axis += label;
        }
    }
    axis
}

type Line = Vec<(Ink, char)>;

/// Lines of at most `room` columns, broken at blanks where there are some.
fn wrap(pieces: &[(Ink, String)], room: usize) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    let mut column = 0;
    for (ink, character) in
        pieces.iter().flat_map(|(ink, text)| text.chars().map(|character| (*ink, character)))
    {
        if character == '\n' {
            lines.push(Line::new());
            column = 0;
            continue;
        }
        let character = if character == '\t' { ' ' } else { character };
        let width = character.width().unwrap_or(0);
        if column + width > room {
            let line = lines.last_mut().expect("there is always a line");
            let at =
                line.iter().rposition(|(_, character)| *character == ' ').map_or(line.len(), |at| at + 1);
            let rest = if line.len() - at < room / 2 { line.split_off(at) } else { Line::new() };
            column = rest.iter().map(|(_, character)| character.width().unwrap_or(0)).sum();
            lines.push(rest);
        }
        column += width;
        lines.last_mut().expect("there is always a line").push((ink, character));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, room: usize) -> Vec<String> {
        let line = |line: Line| line.into_iter().map(|(_, character)| character).collect::<String>();
        wrap(&[(Ink::Plain, text.to_string())], room).into_iter().map(line).collect()
    }

    #[test]
    fn lines_break_at_blanks_and_between_characters_of_chinese() {
        assert_eq!(lines("clay and water", 9), ["clay and ", "water"]);
        assert_eq!(lines("女娲补天造人", 5), ["女娲", "补天", "造人"]);
        assert_eq!(lines("aaaaaaaaaaaa", 5), ["aaaaa", "aaaaa", "aa"]);
        assert_eq!(lines("a\n\nb", 5), ["a", "", "b"]);
    }

    #[test]
    fn bars_show_the_smallest_part() {
        let drawing = Drawing { screen: Screen { width: 80, colours: false }, out: String::new() };
        for (kept, rejected, shown) in [
            (100.0, 0.0, (24, 0)),
            (99.9, 0.1, (23, 1)),
            (0.1, 0.0, (1, 0)),
            (0.0, 0.1, (0, 1)),
            (50.0, 50.0, (12, 12)),
        ] {
            let bar = drawing.bar(kept, rejected);
            let count = |sign: char| bar.chars().filter(|character| *character == sign).count();
            assert_eq!((count('█'), count('▒')), shown, "{kept} {rejected}");
            assert_eq!(bar.width(), BAR, "{kept} {rejected}");
        }
    }

    #[test]
    fn labels_of_an_axis_do_not_touch() {
        assert_eq!(
            axis([(0.0, "1"), (50.0, "10"), (52.0, "11"), (90.0, "100")].into_iter(), 20),
            "1         10      100"
        );
    }
}
