//! Parquet tables: a document a row.
//!
//! The column of the text is found as in other tables; a text may also lie in a group (`data.text`), or be a list of strings, which
//! are its lines. Columns that hold bytes (pictures, say) are not read; the others go
//! into `meta`. Pages are read one at a time, so that memory does not grow with the table.

use std::fs::File;
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
use serde_json::{Map, Value};

use super::guard::guarded;
use super::table::{no_text_column, set_field, text_column};
use crate::collect::content::Seekable;
use crate::collect::read::Reading;
use crate::{Error, Result};

/// A document a row.
pub(in crate::collect) fn read(reading: &mut Reading) -> Result<&'static str> {
    match reading.seekable()? {
        Seekable::Memory(bytes) => rows(reading, Bytes::from_owner(bytes.into_inner()))?,
        Seekable::File(file) => rows::<File>(reading, file)?,
    }
    Ok("parquet")
}

fn rows<R: ChunkReader + Length + 'static>(reading: &mut Reading, bytes: R) -> Result<()> {
    let input = reading.input;
    let path = &input.path;
    if bytes.len() == 0 {
        return Err(Error::EmptyFile { path: path.clone() });
    }
    let damage = |error| failure(path, error);
    let reader = guarded(path, || SerializedFileReader::new(bytes))?.map_err(damage)?;
    if let Some(what) = not_read(reader.metadata()) {
        return Err(Error::Unsupported { path: path.clone(), what: what.into() });
    }
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema();
    let (columns, text) = columns(schema, reading)?;
    let wanted = Type::group_type_builder(schema.name()).with_fields(columns).build().map_err(damage)?;
    let mut rows =
        guarded(path, || RowIter::from_file(Some(wanted), &reader as &dyn FileReader))?.map_err(damage)?;
    let mut number = 0;
    while let Some(row) = guarded(path, || rows.next())? {
        number += 1;
        match document(reading, row.map_err(damage)?, &text, number) {
            Some(document) => reading.give(document)?,
            None => reading.leave_out("a row without text"),
        }
    }
    match number {
        0 => Err(Error::EmptyFile { path: path.clone() }),
        _ => Ok(()),
    }
}

/// What the parser cannot do is no damage.
fn failure(path: &Path, error: ParquetError) -> Error {
    match &error {
        ParquetError::NYI(what) => {
            Error::Unsupported { path: path.into(), what: format!("a Parquet table ({what})") }
        }
        _ if error.to_string().contains("encrypt") => {
            Error::Unsupported { path: path.into(), what: "an encrypted Parquet table".into() }
        }
        _ => Error::damage(path, error.to_string()),
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
fn columns(schema: &Type, reading: &Reading) -> Result<(Vec<TypePtr>, String)> {
    let all = schema.get_fields();
    let names: Vec<String> = all.iter().flat_map(|column| texts_in(column)).collect();
    let Some(at) = text_column(names.iter().map(String::as_str), reading.way.settings) else {
        let others =
            all.iter().filter(|column| column.is_primitive()).map(|column| column.name().to_string());
        let others = others.filter(|name| !names.contains(name)).collect();
        return Err(no_text_column(reading, [names, others].concat()));
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

fn document(reading: &Reading, row: Row, text_column: &str, number: u64) -> Option<crate::Document> {
    let mut columns = row.into_columns();
    let text = take_text(&mut columns, text_column)?;
    if text.trim().is_empty() {
        return None;
    }
    let mut document = reading.document(Some(number), text, "parquet");
    for (name, field) in columns {
        match value(field) {
            Value::Null => {}
            value => set_field(&mut document, &name, value),
        }
    }
    Some(document)
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
