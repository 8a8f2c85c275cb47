//! Lines of a terminal that are drawn over again and again.
//!
//! They lie directly above the cursor, which waits at the beginning of the line below them, and all moves go from there: the
//! terminal is never asked where the cursor is. Whatever else is written, by whomever, begins on a line of its own.

use std::fmt::Write as _;
use std::io::{self, Write};

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Clears from the cursor to the end of its line, and of the screen.
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// The lines, and where they go.
pub(super) struct Region<W> {
    out: W,
    colours: bool,
    /// Columns that each line takes which stands now.
    standing: Vec<usize>,
}

impl<W: Write> Region<W> {
    /// Nothing is drawn yet; the cursor is at the beginning of a line.
    pub(super) fn new(out: W, colours: bool) -> Self {
        Self { out, colours, standing: Vec::new() }
    }

    /// Draws the rows of `buffer` in place of those that stand, on a terminal of so many columns.
    pub(super) fn draw(&mut self, buffer: &Buffer, columns: u16) -> io::Result<()> {
        let mut text = self.to_first(columns);
        self.standing.clear();
        for cells in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
            let row = CellRow::of(cells);
            self.standing.push(row.columns);
            text += CLEAR_LINE;
            row.write(self.colours, &mut text);
            text += "\r\n";
        }
        self.send(&(text + CLEAR_BELOW))
    }

    /// Takes the lines away and writes `text` there, which stays.
    pub(super) fn replace(&mut self, text: &str, columns: u16) -> io::Result<()> {
        let mut all = self.to_first(columns) + CLEAR_BELOW;
        self.standing.clear();
        text.lines().for_each(|line| all.extend([line, "\r\n"]));
        self.send(&all)
    }

    /// To the beginning of the first line that stands. A terminal that became narrower has broken long lines in several.
    fn to_first(&self, columns: u16) -> String {
        let columns = usize::from(columns.max(1));
        let rows: usize = self.standing.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 { "\r".into() } else { format!("\r\u{1b}[{rows}A") }
    }

    /// All at once, so that no half of a drawing is seen.
    fn send(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// The cells of a row that are to be written: not those behind a wide character, and no blanks at the end.
struct CellRow<'a> {
    cells: Vec<&'a Cell>,
    columns: usize,
}

impl<'a> CellRow<'a> {
    fn of(row: &'a [Cell]) -> Self {
        let (mut cells, mut columns, mut at) = (Vec::new(), 0, 0);
        let end = row.iter().rposition(|cell| cell.symbol() != " ").map_or(0, |last| last + 1);
        while at < end {
            let width = row[at].symbol().width().max(1);
            cells.push(&row[at]);
            (at, columns) = (at + width, columns + width);
        }
        Self { cells, columns }
    }

    fn write(&self, colours: bool, text: &mut String) {
        for run in self.cells.chunk_by(|one, other| (one.fg, one.modifier) == (other.fg, other.modifier)) {
            let symbols = run.iter().map(|cell| cell.symbol());
            let codes = if colours { codes(run[0]) } else { String::new() };
            if codes.is_empty() {
                text.extend(symbols);
            } else {
                let symbols: String = symbols.collect();
                let _ = write!(text, "\u{1b}[{codes}m{symbols}\u{1b}[0m");
            }
        }
    }
}

/// The codes of a cell's style, of those that the live view has.
fn codes(cell: &Cell) -> String {
    let colour = match cell.fg {
        Color::Green => "32",
        Color::Cyan => "36",
        Color::DarkGray => "90",
        _ => "",
    };
    let bold = if cell.modifier.contains(Modifier::BOLD) { "1" } else { "" };
    [colour, bold].into_iter().filter(|code| !code.is_empty()).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    /// A screen that follows the codes a region writes, and no others.
    #[derive(Default)]
    struct Emulator {
        rows: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Emulator {
        fn show(bytes: &[u8]) -> String {
            let mut screen = Self::default();
            let text = std::str::from_utf8(bytes).unwrap();
            let mut rest = text.chars();
            while let Some(character) = rest.next() {
                match character {
                    '\r' => screen.column = 0,
                    '\n' => screen.row += 1,
                    '\u{1b}' => {
                        assert_eq!(rest.next(), Some('['));
                        let number: String = rest.clone().take_while(char::is_ascii_digit).collect();
                        rest = rest.as_str()[number.len()..].chars();
                        screen.obey(rest.next().unwrap(), number.parse().unwrap_or(0));
                    }
                    _ => screen.put(character),
                }
            }
            let rows = screen.rows.iter().map(|row| row.iter().collect::<String>());
            rows.map(|row| row.trim_end().to_string() + "\n").collect::<String>().trim_end().to_string()
        }

        fn obey(&mut self, code: char, number: usize) {
            match code {
                'A' => self.row -= number,
                'K' => self.rows.iter_mut().skip(self.row).take(1).for_each(|row| row.truncate(self.column)),
                'J' => self.rows.truncate(self.row),
                other => panic!("{other}"),
            }
        }

        fn put(&mut self, character: char) {
            let height = self.rows.len().max(self.row + 1);
            self.rows.resize(height, Vec::new());
            let row = &mut self.rows[self.row];
            let width = row.len().max(self.column + 1);
            row.resize(width, ' ');
            row[self.column] = character;
            self.column += 1;
        }
    }

    fn drawing(lines: &[&str]) -> Buffer {
        Buffer::with_lines(lines.to_vec())
    }

    #[test]
    fn rows_are_drawn_over_and_notes_stay_above_them() {
        let mut region = Region::new(Vec::new(), false);
        region.draw(&drawing(&["one and more", "two", "three"]), 40).unwrap();
        region.replace("a note\nof two lines", 40).unwrap();
        region.draw(&drawing(&["1", "2"]), 40).unwrap();
        assert_eq!(Emulator::show(&region.out), "a note\nof two lines\n1\n2");
        region.replace("", 40).unwrap();
        assert_eq!(Emulator::show(&region.out), "a note\nof two lines");
    }

    #[test]
    fn a_terminal_that_became_narrower_is_cleared_as_well() {
        let mut region = Region::new(Vec::new(), false);
        region.draw(&drawing(&["a row of twenty-five cell", ""]), 80).unwrap();
        region.out.clear();
        region.draw(&drawing(&["short", ""]), 10).unwrap();
        assert!(region.out.starts_with(b"\r\x1b[4A"), "three rows of ten cells, and an empty one");
    }

    #[test]
    fn the_cursor_is_never_asked_for_and_colours_are_left_out() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "女娲", Style::new().fg(Color::Green));
        buffer.set_string(5, 0, "ok", Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD));
        let drawn = |colours| {
            let mut region = Region::new(Vec::new(), colours);
            region.draw(&buffer, 40).unwrap();
            String::from_utf8(region.out).unwrap()
        };
        assert_eq!(drawn(false), "\r\u{1b}[K女娲 ok\r\n\u{1b}[J");
        assert_eq!(drawn(true), "\r\u{1b}[K\u{1b}[32m女娲\u{1b}[0m \u{1b}[36;1mok\u{1b}[0m\r\n\u{1b}[J");
    }
}
