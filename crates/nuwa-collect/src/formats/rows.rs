//! The rows of a table of text, one after another, whatever its quotes are like.
//!
//! A field may be quoted as in RFC 4180, over several lines too. The quote that closes it stands before a separator or the end
//! of a line; quotes elsewhere in it are characters. A quote that opens a field and is never closed is a character as well,
//! so that it takes no more than its own row: the search for its end stops at the first quote that cannot be it, which is at the
//! latest the next one that opens a field. So the time is linear whatever the quotes are.

use std::io::{self, BufRead};

use super::shape::Shape;

/// How fields are parted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Form {
    pub separator: u8,
    pub quotes: bool,
}

/// A row, its fields as they are meant.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    /// The line it begins in, counted from 1.
    pub line: u64,
    pub fields: Vec<String>,
    /// It has a quote that opens a field and does not close.
    pub open_quote: bool,
}

/// A row of more fields is wrong in any table.
const MOST_FIELDS: usize = 1 << 16;
/// Read at a time.
const BLOCK: usize = 1 << 16;

/// Takes rows from a reader.
pub(super) struct Rows<R> {
    reader: R,
    ended: bool,
    form: Form,
    /// What is read and not taken yet; a row begins at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// The line in which the next row begins.
    line: u64,
    /// The most bytes a row may have.
    limit: usize,
    shape: Shape,
}

/// The quote that closes a field.
struct Closing {
    at: usize,
    /// The quotes within stand behind backslashes.
    backslashes: bool,
}

/// A field on its way: where its characters stand.
struct Field {
    start: usize,
    end: usize,
    /// Where the separator or the line's end stands.
    next: usize,
    quotes: Quotes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Quotes {
    None,
    Open,
    Doubled,
    Backslashes,
}

impl<R: BufRead> Rows<R> {
    pub fn new(reader: R, form: Form, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            reader,
            ended: false,
            form,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            limit,
            shape: Shape::default(),
        }
    }

    /// The line in which the next row begins.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next row that is not blank; an error of the kind `FileTooLarge` where it is too long.
    pub fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            self.compact();
            if !self.has(self.start)? {
                return Ok(None);
            }
            let fields = self.fields(false)?;
            let wrong = fields.len() != self.shape.columns();
            // Some programs write \" for a quote.
            let fields = match self.shape.columns() > 0 && wrong && self.holds_backslash_quote(&fields) {
                true => Some(self.fields(true)?)
                    .filter(|again| again.len() == self.shape.columns())
                    .unwrap_or(fields),
                false => fields,
            };
            let row = self.take(&fields);
            if row.fields != [""] {
                self.shape.learn(&row.fields);
                return Ok(Some(row));
            }
        }
    }

    fn holds_backslash_quote(&self, fields: &[Field]) -> bool {
        let end = fields.last().map_or(self.start, |field| field.next);
        fields.iter().any(|field| field.quotes != Quotes::None)
            && memchr::memmem::find(&self.buffer[self.start..end], b"\\\"").is_some()
    }

    /// Forgets what is taken, once that is most of what is held.
    fn compact(&mut self) {
        if self.start > BLOCK && self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    /// Whether there is a byte at this place; reads on where it must.
    fn has(&mut self, at: usize) -> io::Result<bool> {
        while at >= self.buffer.len() && !self.ended {
            if self.buffer.len() - self.start > self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let block = self.reader.fill_buf()?;
            let count = block.len();
            self.ended = count == 0;
            self.buffer.extend_from_slice(block);
            self.reader.consume(count);
        }
        Ok(at < self.buffer.len())
    }

    /// The first place from `at` on where one of three bytes stands, or the end.
    fn find(&mut self, bytes: [u8; 3], mut at: usize) -> io::Result<usize> {
        loop {
            if let Some(found) = memchr::memchr3(bytes[0], bytes[1], bytes[2], &self.buffer[at..]) {
                return Ok(at + found);
            }
            at = self.buffer.len();
            if !self.has(at)? {
                return Ok(at);
            }
        }
    }

    fn is_line_end(&mut self, at: usize) -> io::Result<bool> {
        Ok(!self.has(at)? || matches!(self.buffer[at], b'\n' | b'\r'))
    }

    /// The fields of the row that begins at `start`.
    fn fields(&mut self, backslashes: bool) -> io::Result<Vec<Field>> {
        let mut fields: Vec<Field> = Vec::new();
        let mut at = self.start;
        loop {
            let field = self.field(at, backslashes)?;
            let next = field.next;
            if fields.len() < MOST_FIELDS {
                fields.push(field);
            } else if let Some(last) = fields.last_mut() {
                last.next = next;
            }
            if self.is_line_end(next)? {
                // The LF behind a CR may not be read yet.
                self.has(next + 1)?;
                return Ok(fields);
            }
            at = next + 1;
        }
    }

    fn field(&mut self, at: usize, backslashes: bool) -> io::Result<Field> {
        let is_open = self.form.quotes && self.has(at)? && self.buffer[at] == b'"';
        let ends = [self.form.separator, b'\n', b'\r'];
        if is_open && let Some(Closing { at: end, backslashes }) = self.closing(at, backslashes)? {
            let quotes = if backslashes { Quotes::Backslashes } else { Quotes::Doubled };
            return Ok(Field { start: at + 1, end, next: self.find(ends, end)?, quotes });
        }
        let next = self.find(ends, at)?;
        let quotes = if is_open { Quotes::Open } else { Quotes::None };
        Ok(Field { start: at, end: next, next, quotes })
    }

    /// The end of the field that the quote at `open` begins; `None` where it has none.
    fn closing(&mut self, open: usize, backslashes: bool) -> io::Result<Option<Closing>> {
        let mut at = open + 1;
        let (mut is_stray, mut escaped) = (false, true);
        loop {
            let Some(quote) = self.quote(at, is_stray)? else { return Ok(None) };
            let is_behind_backslash = self.is_behind_backslash(open, quote);
            if is_stray && quote > open + 1 && self.buffer[quote - 1] == self.form.separator {
                return Ok(None);
            }
            if backslashes && is_behind_backslash {
                at = quote + 1;
                continue;
            }
            if self.has(quote + 1)? && self.buffer[quote + 1] == b'"' {
                at = quote + 2;
                continue;
            }
            if self.closes(quote)? {
                let backslashes = backslashes || (is_stray && escaped);
                return Ok(self
                    .unless_rows_are_within(open, quote)
                    .then_some(Closing { at: quote, backslashes }));
            }
            if !is_stray && memchr::memchr2(b'\n', b'\r', &self.buffer[open..quote]).is_some() {
                return Ok(None);
            }
            is_stray = true;
            escaped &= is_behind_backslash;
            at = quote + 1;
        }
    }

    /// The next quote. A field with stray quotes may go no further than its line, or it could take the rest of the table.
    fn quote(&mut self, at: usize, in_line: bool) -> io::Result<Option<usize>> {
        let ends = if in_line { [b'"', b'\n', b'\r'] } else { [b'"'; 3] };
        match self.find(ends, at) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
            Err(error) => Err(error),
            Ok(at) => Ok((self.buffer.get(at) == Some(&b'"')).then_some(at)),
        }
    }

    fn is_behind_backslash(&self, open: usize, quote: usize) -> bool {
        let before = self.buffer[open + 1..quote].iter().rev();
        before.take_while(|byte| **byte == b'\\').count() % 2 == 1
    }

    /// Whether a separator or the end of the line follows, blanks aside.
    fn closes(&mut self, quote: usize) -> io::Result<bool> {
        let mut at = quote + 1;
        while self.has(at)? && self.buffer[at] == b' ' && self.form.separator != b' ' && at < quote + 16 {
            at += 1;
        }
        Ok(self.is_line_end(at)? || self.buffer[at] == self.form.separator)
    }

    fn unless_rows_are_within(&self, open: usize, quote: usize) -> bool {
        !self.shape.holds_rows(&self.buffer[open + 1..quote], self.form.separator)
    }

    /// The row of these fields; the next one begins behind it.
    fn take(&mut self, fields: &[Field]) -> Row {
        let end = fields.last().map_or(self.start, |field| field.next);
        let fields_of = fields.iter().map(|field| self.text(field)).collect();
        let opened = fields.iter().position(|field| field.quotes == Quotes::Open);
        let mut row = Row { line: self.line, fields: fields_of, open_quote: opened.is_some() };
        if let Some(opened) = opened {
            self.join_surplus(&mut row.fields, opened);
        }
        self.line += line_ends(&self.buffer[self.start..end]);
        self.start = self.behind_line_end(end);
        row
    }

    /// A text whose quote is never closed may hold separators.
    fn join_surplus(&self, fields: &mut Vec<String>, opened: usize) {
        let surplus = match self.shape.columns() {
            0 => 0,
            columns => fields.len().saturating_sub(columns),
        };
        let last = opened + surplus;
        if surplus > 0 && last < fields.len() {
            let separator = char::from(self.form.separator).to_string();
            let joined = fields[opened..=last].join(&separator);
            fields.splice(opened..=last, [joined]);
        }
    }

    fn text(&self, field: &Field) -> String {
        let text = String::from_utf8_lossy(&self.buffer[field.start..field.end]);
        match field.quotes {
            Quotes::Doubled if text.contains('"') => text.replace("\"\"", "\""),
            Quotes::Backslashes => text.replace("\\\"", "\"").replace("\"\"", "\""),
            _ => text.into_owned(),
        }
    }

    fn behind_line_end(&mut self, at: usize) -> usize {
        let rest = &self.buffer[at..];
        let length = if rest.starts_with(b"\r\n") { 2 } else { usize::from(!rest.is_empty()) };
        self.line += u64::from(length > 0);
        at + length
    }
}

/// Line ends as LF, CR or both.
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    ends.filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n')).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows_of(table: &str) -> Vec<Row> {
        let form = Form { separator: b',', quotes: true };
        let reader = io::BufReader::with_capacity(7, table.as_bytes());
        let mut rows = Rows::new(reader, form, 1 << 20);
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    fn fields_of(table: &str) -> Vec<Vec<String>> {
        rows_of(table).into_iter().map(|row| row.fields).collect()
    }

    #[test]
    fn quoted_fields_are_read_as_the_standard_says() {
        let table = "id,text\r\n1,\"two\nlines, \"\"quoted\"\"\"\r\n\r\n2,\"\"\r\n\"3\" ,x\n4,5\" disk";
        let expected =
            [["id", "text"], ["1", "two\nlines, \"quoted\""], ["2", ""], ["3", "x"], ["4", "5\" disk"]];
        assert_eq!(fields_of(table), expected);
        let lines: Vec<u64> = rows_of(table).iter().map(|row| row.line).collect();
        assert_eq!(lines, [1, 2, 5, 6, 7]);
        assert_eq!(fields_of("a,b\r1,2\r3,4"), [["a", "b"], ["1", "2"], ["3", "4"]]);
    }

    #[test]
    fn a_quote_that_is_not_closed_takes_one_row() {
        for end in ["4,four\n5,\"five\"\n", "4,four\n", "4,a 3.5\"\n", "4,\"fo\"\"ur\"\n", "4,\"\"\n"] {
            let table = format!("id,text\n1,one\n2,\"two, and more\n3,three\n{end}");
            let rows = rows_of(&table);
            assert_eq!(rows[2].fields, ["2", "\"two, and more"], "{table}");
            assert_eq!((rows[2].line, rows[2].open_quote), (3, true));
            assert_eq!(rows[3].fields, ["3", "three"], "{table}");
            assert_eq!(rows[4].fields[0], "4");
        }
    }

    #[test]
    fn stray_quotes_are_characters() {
        let table = "a,b\n\"Yes\" he said,\"4, 5\"\n\"he said \"yes\" to me\",1\n\"Yes\" he said,2\n\"No\" she said,3\n";
        let expected = [
            ["a", "b"],
            ["\"Yes\" he said", "4, 5"],
            ["he said \"yes\" to me", "1"],
            ["\"Yes\" he said", "2"],
            ["\"No\" she said", "3"],
        ];
        assert_eq!(fields_of(table), expected);
    }

    #[test]
    fn backslashes_before_quotes_are_undone_where_the_row_asks_for_it() {
        let table = "a,b\n\"he said \\\"yes\\\", then left\",1\n\"C:\\dir\\\",2\n";
        assert_eq!(fields_of(table), [["a", "b"], ["he said \"yes\", then left", "1"], ["C:\\dir\\", "2"]]);
    }

    #[test]
    fn a_long_field_with_commas_is_no_table() {
        let table = "id,text\n1,x\n2,\"Dear Sir, hello\nBest, Bob\"\n3,y\n";
        assert_eq!(fields_of(table)[2], ["2", "Dear Sir, hello\nBest, Bob"]);
    }

    proptest! {
        #[test]
        fn what_a_writer_quotes_is_read_again(
            table in prop::collection::vec(prop::collection::vec("[a\",\n\r ]{0,6}", 3), 1..5)
        ) {
            let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
            for row in &table {
                writer.write_record([&["x".to_string()], &row[..]].concat()).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let read: Vec<Vec<String>> = fields_of(&text).into_iter().map(|row| row[1..].to_vec()).collect();
            prop_assert_eq!(read, table);
        }

        #[test]
        fn no_byte_is_lost(table in "[a\",\n\\\\ ]{0,60}") {
            let letters = |text: &str| text.matches('a').count();
            let read: usize = fields_of(&table).iter().flatten().map(|field| letters(field)).sum();
            prop_assert_eq!(read, letters(&table));
        }
    }
}
