//! Parquet tables: a document a row.
//!
//! The column of the text is found as in other tables; a text may also lie in a group (`data.text`), or be a list of strings, which
//! are its lines. Columns that hold bytes (pictures, say) are not read; the others go
//! into `meta`. Pages are read one at a time, so that memory does not grow with the table.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::guard::guarded;
use super::table::{no_text_column, set_field, text_column};
use crate::apart;
use crate::content::Seekable;
use crate::reading::Reading;
use crate::{Error, Result};

/// A row counts as so many bytes, besides its text: a few bytes of a file can stand for millions of rows.
const ROW: u64 = 128;

/// What a table gives, in order.
#[derive(Serialize, Deserialize)]
enum Found {
    Row {
        /// From 1 on.
        number: u64,
        text: String,
        /// The other columns.
        columns: Map<String, Value>,
    },
    /// A row without text.
    Blank,
}

/// Why a table gives no more.
#[derive(Serialize, Deserialize)]
enum Refusal {
    Empty,
    /// None of these columns is known to hold the text.
    NoText(Vec<String>),
    Unsupported(String),
    Damaged(String),
    /// Reading it ended the process that was to do so.
    Fatal,
}

/// Why reading ends before the end: the table, or who takes its rows.
enum Stop {
    Refused(Refusal),
    Taker(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Taker(error)
    }
}

/// In the place of the text's column: all columns alike.
const ALL: &str = "*";

/// Takes what a table gives.
type Taker<'a> = &'a mut dyn FnMut(Found) -> Result<()>;

/// A document a row.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let settings = reading.context.settings;
    let table = Table { bytes: reading.seekable()?, field: &settings.text_field, effort: settings.effort };
    match rows_apart(table, &mut |found| take(reading, found)) {
        Ok(()) => Ok("parquet"),
        Err(Stop::Taker(error)) => Err(error),
        Err(Stop::Refused(refusal)) => Err(refusal.error(reading)),
    }
}

/// The rows of a Parquet table as they are, each an object of its columns, in the order of the file. Columns of bytes are left out, and
/// fields that are null.
///
/// # Errors
/// When the file cannot be read, or is no such table.
pub fn table_rows(path: &Path, take: &mut dyn FnMut(Map<String, Value>)) -> Result<()> {
    let file = File::open(path).map_err(Error::read(path))?;
    let table = Table { bytes: Seekable::File(file), field: ALL, effort: 1 };
    let found = rows_apart(table, &mut |found| {
        if let Found::Row { columns, .. } = found {
            take(columns);
        }
        Ok(())
    });
    match found {
        Ok(()) => Ok(()),
        Err(Stop::Taker(error)) => Err(error),
        Err(Stop::Refused(refusal)) => Err(refusal.of_file(path)),
    }
}

fn take(reading: &mut Reading, found: Found) -> Result<()> {
    reading.spend(ROW)?;
    let Found::Row { number, text, columns } = found else {
        reading.leave_out("a row without text");
        return Ok(());
    };
    reading.spend(text.len() as u64)?;
    let mut document = reading.document(Some(number), text, "parquet");
    columns.into_iter().for_each(|(name, value)| set_field(&mut document, &name, value));
    reading.give(document)
}

impl Refusal {
    fn error(self, reading: &Reading) -> Error {
        match self {
            Self::NoText(columns) => no_text_column(reading, columns),
            other => other.of_file(&reading.input.path),
        }
    }

    fn of_file(self, path: &Path) -> Error {
        let path = path.to_path_buf();
        match self {
            Self::Empty => Error::EmptyFile { path },
            Self::Unsupported(what) => Error::Unsupported { path, what },
            Self::Damaged(problem) => Error::damage(&path, problem),
            Self::NoText(columns) => Error::damage(&path, format!("no text in {}", columns.join(", "))),
            Self::Fatal => {
                Error::Binary { path, kind: "a Parquet table that takes more time or memory than it may" }
            }
        }
    }
}

/// A table to be read.
struct Table<'a> {
    bytes: Seekable,
    /// The column of the text.
    field: &'a str,
    /// A multiple of the usual limits.
    effort: u32,
}

/// Hands on the rows of a table, read in a process of its own where there is one.
fn rows_apart(table: Table, take: Taker) -> Result<(), Stop> {
    let again = table.bytes.again().map_err(Error::read(apart::PARQUET.as_ref()))?;
    let Some(mut reader) = apart::start(apart::PARQUET, table.effort, table.field, again) else {
        return self::table(table.bytes, table.field, take);
    };
    loop {
        match reader.line() {
            Some(Line::Found(found)) => take(found)?,
            Some(Line::End(refusal)) => return refusal.map_or(Ok(()), |refusal| Err(refusal.into())),
            None => return Err(Refusal::Fatal.into()),
        }
    }
}

/// What is written of a table, a line each.
#[derive(Serialize, Deserialize)]
enum Line {
    Found(Found),
    End(Option<Refusal>),
}

/// Writes what a table gives, for [`read`] in another process.
pub(crate) fn write(source: Seekable, field: &str, output: &mut dyn Write) -> io::Result<()> {
    let mut write = |line: &Line| {
        serde_json::to_writer(&mut *output, line)?;
        output.write_all(b"\n")
    };
    let mut take = |found| write(&Line::Found(found)).map_err(Error::read(apart::PARQUET.as_ref()));
    match table(source, field, &mut take) {
        Ok(()) => write(&Line::End(None)),
        Err(Stop::Refused(refusal)) => write(&Line::End(Some(refusal))),
        Err(Stop::Taker(_)) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// The rows of a table, whose text is in the field of this name.
fn table(bytes: Seekable, field: &str, take: Taker) -> Result<(), Stop> {
    match bytes {
        Seekable::Memory(bytes) => rows(Bytes::from_owner(bytes.into_inner()), field, take),
        Seekable::File(file) => rows::<File>(file, field, take),
    }
}

fn rows<R: ChunkReader + Length + 'static>(bytes: R, field: &str, take: Taker) -> Result<(), Stop> {
    if bytes.len() == 0 {
        return Err(Refusal::Empty.into());
    }
    let reader = guarded(broken(), || SerializedFileReader::new(bytes))?.map_err(failure)?;
    if let Some(what) = not_read(reader.metadata()) {
        return Err(Refusal::Unsupported(what.into()).into());
    }
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema();
    let (columns, text) = columns(schema, field)?;
    let wanted = Type::group_type_builder(schema.name()).with_fields(columns).build().map_err(failure)?;
    let rows = || RowIter::from_file(Some(wanted), &reader as &dyn FileReader);
    let mut rows = guarded(broken(), rows)?.map_err(failure)?;
    let mut number = 0;
    while let Some(row) = guarded(broken(), || rows.next())? {
        number += 1;
        take(found(row.map_err(failure)?, &text, number))?;
    }
    match number {
        0 => Err(Refusal::Empty.into()),
        _ => Ok(()),
    }
}

fn broken() -> Refusal {
    Refusal::Damaged("the file's structure is broken".into())
}

/// What the parser cannot do is no damage.
fn failure(error: ParquetError) -> Refusal {
    match &error {
        ParquetError::NYI(what) => Refusal::Unsupported(format!("a Parquet table ({what})")),
        _ if error.to_string().contains("encrypt") => {
            Refusal::Unsupported("an encrypted Parquet table".into())
        }
        _ => Refusal::Damaged(error.to_string()),
    }
}

/// The compression of a column, where it is not read.
fn not_read(metadata: &ParquetMetaData) -> Option<&'static str> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    columns.map(|column| column.compression()).find_map(|compression| match compression {
        Compression::BROTLI(_) => Some("a Parquet table compressed with Brotli"),
        Compression::LZO => Some("a Parquet table compressed with LZO"),
        _ => None,
    })
}

/// The columns to read, and the name of the one that holds the text.
fn columns(schema: &Type, field: &str) -> Result<(Vec<TypePtr>, String), Refusal> {
    let all = schema.get_fields();
    if field == ALL {
        let plain = all.iter().filter(|column| !holds_bytes(column));
        return Ok((plain.map(Arc::clone).collect(), ALL.into()));
    }
    let names: Vec<String> = all.iter().flat_map(|column| texts_in(column)).collect();
    let Some(at) = text_column(names.iter().map(String::as_str), field) else {
        let others =
            all.iter().filter(|column| column.is_primitive()).map(|column| column.name().to_string());
        let others = others.filter(|name| !names.contains(name)).collect();
        return Err(Refusal::NoText([names, others].concat()));
    };
    let text = names[at].clone();
    let is_within = |column: &Type| texts_in(column).contains(&text);
    let wanted = all.iter().filter(|column| is_within(column) || !holds_bytes(column));
    Ok((wanted.map(Arc::clone).collect(), text))
}

/// The names of texts in a column: its own, or those of the fields of a group.
fn texts_in(column: &Type) -> Vec<String> {
    let name = column.name();
    if holds_text(column) || is_list_of_texts(column) {
        return vec![name.to_string()];
    }
    let is_group = column.is_group() && column.get_basic_info().converted_type() == ConvertedType::NONE;
    let inner = column.is_group().then(|| column.get_fields()).filter(|_| is_group).unwrap_or_default();
    let texts = inner.iter().filter(|inner| holds_text(inner) || is_list_of_texts(inner));
    texts.map(|inner| format!("{name}.{}", inner.name())).collect()
}

/// A list as Parquet writes it: a group in a group around the strings.
fn is_list_of_texts(column: &Type) -> bool {
    let only = |group: &Type| match group.is_group() && group.get_fields().len() == 1 {
        true => Some(group.get_fields()[0].clone()),
        false => None,
    };
    column.get_basic_info().converted_type() == ConvertedType::LIST
        && only(column)
            .is_some_and(|list| holds_text(&list) || only(&list).is_some_and(|text| holds_text(&text)))
}

/// Strings, and bytes without a further meaning: some programs write strings so.
fn holds_text(column: &Type) -> bool {
    column.is_primitive()
        && column.get_physical_type() == PhysicalType::BYTE_ARRAY
        && (is_string(column) || holds_bytes(column))
}

fn is_string(column: &Type) -> bool {
    let info = column.get_basic_info();
    info.converted_type() == ConvertedType::UTF8
        || matches!(info.logical_type_ref(), Some(LogicalType::String))
}

/// Whether bytes that are no text are in it.
fn holds_bytes(column: &Type) -> bool {
    if column.is_group() {
        return column.get_fields().iter().any(|inner| holds_bytes(inner));
    }
    let info = column.get_basic_info();
    let is_bytes =
        matches!(column.get_physical_type(), PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY);
    is_bytes && info.converted_type() == ConvertedType::NONE && !is_string(column)
}

fn found(row: Row, text_column: &str, number: u64) -> Found {
    let mut columns = row.into_columns();
    if text_column == ALL {
        let columns = columns.into_iter().map(|(name, field)| (name, value(field)));
        let columns = columns.filter(|(_, value)| !value.is_null()).collect();
        return Found::Row { number, text: String::new(), columns };
    }
    let text = take_text(&mut columns, text_column).filter(|text| !text.trim().is_empty());
    let Some(text) = text else { return Found::Blank };
    let columns = columns.into_iter().map(|(name, field)| (name, value(field)));
    Found::Row { number, text, columns: columns.filter(|(_, value)| !value.is_null()).collect() }
}

/// Takes the text out of the columns: the field of this name, or a field of a group.
fn take_text(columns: &mut Vec<(String, Field)>, name: &str) -> Option<String> {
    if let Some(at) = columns.iter().position(|(known, _)| known == name) {
        return text_of(columns.remove(at).1);
    }
    let (group, inner) = name.split_once('.')?;
    let at = columns.iter().position(|(known, _)| known == group)?;
    match columns.remove(at).1 {
        Field::Group(row) => {
            let mut fields = row.into_columns();
            let text = take_text(&mut fields, inner);
            columns.extend(fields.into_iter().map(|(name, field)| (format!("{group}.{name}"), field)));
            text
        }
        _ => None,
    }
}

fn text_of(field: Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text),
        Field::Bytes(bytes) => Some(String::from_utf8_lossy(bytes.data()).into_owned()),
        Field::ListInternal(list) => {
            let lines: Vec<String> = list.elements().iter().cloned().filter_map(text_of).collect();
            Some(lines.join("\n"))
        }
        _ => None,
    }
}

fn value(field: Field) -> Value {
    match field {
        Field::Null | Field::Bytes(_) => Value::Null,
        Field::Bool(value) => value.into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float16(value) => f32::from(value).into(),
        Field::Float(value) => value.into(),
        Field::Double(value) => value.into(),
        Field::Str(value) => value.into(),
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            map.entries().iter().map(|(name, one)| (key(name.clone()), value(one.clone()))).collect()
        }
        Field::Date(days) if !is_printable(i64::from(days) * 86_400) => days.into(),
        Field::TimestampMillis(time) if !is_printable(time / 1_000) => time.into(),
        Field::TimestampMicros(time) if !is_printable(time / 1_000_000) => time.into(),
        // Dates, times and decimals, as they are printed.
        other => other.to_string().into(),
    }
}

/// Whether a time, in seconds since 1970, is one of the 260,000 years around it that can be printed; damaged files and marks
/// for "no time" have others.
fn is_printable(seconds: i64) -> bool {
    seconds.unsigned_abs() < 8_200_000_000_000
}

/// A key of a map as a name.
fn key(field: Field) -> String {
    match value(field) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn object(row: Row) -> Map<String, Value> {
    row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_calendar_holds_stay_numbers() {
        assert_eq!(value(Field::Date(0)), "1970-01-01");
        assert_eq!(value(Field::Date(i32::MAX)), i32::MAX);
        for time in [i64::MIN, i64::MAX] {
            assert_eq!(value(Field::TimestampMillis(time)), time);
            assert_eq!(value(Field::TimestampMicros(time)), time);
        }
        let last = 8_200_000_000_000 - 1;
        for field in [Field::TimestampMillis(last * 1_000), Field::TimestampMillis(-last * 1_000)] {
            assert!(value(field).is_string());
        }
    }
}
