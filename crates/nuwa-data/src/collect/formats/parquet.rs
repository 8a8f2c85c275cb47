//! Parquet tables: a document a row.
//!
//! The column of the text is found as in other tables. Columns that hold bytes (pictures, say) are not read; the others go
//! into `meta`. Pages are read one at a time, so that memory does not grow with the table.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
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
    let damage = |error: ParquetError| Error::damage(path, error.to_string());
    let reader = guarded(path, || SerializedFileReader::new(bytes))?.map_err(damage)?;
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

/// The columns to read, and the name of the one that holds the text.
fn columns(schema: &Type, reading: &Reading) -> Result<(Vec<TypePtr>, String)> {
    let all = schema.get_fields();
    let names: Vec<&str> =
        all.iter().filter(|column| holds_text(column)).map(|column| column.name()).collect();
    let Some(at) = text_column(names.iter().copied(), reading.way.settings) else {
        let columns = all.iter().map(|column| column.name().to_string()).collect();
        return Err(no_text_column(reading, columns));
    };
    let text = names[at].to_string();
    let wanted = all.iter().filter(|column| column.name() == text || !holds_bytes(column));
    Ok((wanted.map(Arc::clone).collect(), text))
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
    let at = columns.iter().position(|(name, _)| name == text_column)?;
    let text = match columns.remove(at).1 {
        Field::Str(text) => text,
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        _ => return None,
    };
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
