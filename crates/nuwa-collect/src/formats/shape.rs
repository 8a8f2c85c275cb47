//! What the rows of a table have in common, by which a field that holds rows of the table is known.

/// The columns of a table, as its rows so far show them.
#[derive(Debug, Default)]
pub(super) struct Shape {
    columns: usize,
    /// The rows behind the header.
    rows: u64,
    /// Whether a column held numbers only.
    numbers: Vec<bool>,
}

/// So many lines in one field that look like rows of a table without numbers are taken for rows.
const ROWS_OF_TWO: usize = 8;
const ROWS_OF_MORE: usize = 3;

impl Shape {
    /// How many columns the header has; none before it.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Learns from a row; the first is the header.
    pub fn learn(&mut self, fields: &[String]) {
        if self.columns == 0 {
            self.columns = fields.len();
            self.numbers = vec![true; fields.len()];
            return;
        }
        if fields.len() != self.columns {
            return;
        }
        self.rows += 1;
        for (numbers, field) in self.numbers.iter_mut().zip(fields) {
            *numbers &= is_number(field.as_bytes());
        }
    }

    /// Whether the lines behind the first one of a field are rows of this table.
    pub fn holds_rows(&self, field: &[u8], separator: u8) -> bool {
        let Some(end) = memchr::memchr2(b'\n', b'\r', field) else { return false };
        let lines = field[end..].split(|byte| matches!(byte, b'\n' | b'\r'));
        let mut count = 0;
        for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
            if !self.is_row(line, separator) {
                return false;
            }
            count += 1;
        }
        let has_numbers = self.rows > 0 && self.numbers.contains(&true);
        let enough = match self.columns {
            0 | 1 => return false,
            _ if has_numbers => 1,
            2 => ROWS_OF_TWO,
            _ => ROWS_OF_MORE,
        };
        count >= enough
    }

    fn is_row(&self, line: &[u8], separator: u8) -> bool {
        let mut fields = line.split(|byte| *byte == separator);
        let fits = |numbers: &bool| {
            fields.next().is_some_and(|field| self.rows == 0 || !numbers || is_number(field))
        };
        self.numbers.iter().all(fits) && fields.next().is_none()
    }
}

/// A number, or a date or a time written in numbers.
fn is_number(field: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-+.:/ ".contains(byte);
    field.iter().any(u8::is_ascii_digit) && field.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: &[&[&str]]) -> Shape {
        let mut shape = Shape::default();
        for row in rows {
            shape.learn(&row.iter().map(|field| field.to_string()).collect::<Vec<_>>());
        }
        shape
    }

    #[test]
    fn lines_of_a_field_are_rows_where_numbers_stand_as_in_the_table() {
        let numbered = shape(&[&["id", "text"], &["1", "one"], &["2", "two"]]);
        assert!(numbered.holds_rows(b"three\n4,four\n5,five", b','));
        assert!(!numbered.holds_rows(b"three, one line", b','));
        assert!(!numbered.holds_rows(b"Dear Sir, hello\nBest, Bob", b','));
        assert!(!numbered.holds_rows(b"three\n4,four\nfive", b','));
        let words = shape(&[&["by", "text"], &["A", "one"]]);
        assert!(!words.holds_rows(b"three\nB,four\nC,five", b','));
        assert!(words.holds_rows("\nB,four".repeat(8).as_bytes(), b','));
        assert!(!shape(&[&["text"], &["1"]]).holds_rows(b"a\n2\n3", b','));
    }
}
