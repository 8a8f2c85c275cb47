//! Parquet.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use nuwa_collect::CollectSettings;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::archives::{gathered, gz, zip};
use crate::{collected, folder, shown};

/// A table of `texts`, in row groups of two.
pub fn table(texts: &[&str], compression: Compression) -> Vec<u8> {
    let schema = "message schema {
        required int64 id;
        optional binary content (UTF8);
        required binary language (UTF8);
        required int32 day (DATE);
        required double score;
        required binary picture;
        optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    for (at, rows) in texts.chunks(2).enumerate() {
        let count = rows.len();
        let ids: Vec<i64> = (0..count).map(|row| (2 * at + row) as i64).collect();
        let words: Vec<ByteArray> =
            rows.iter().filter(|text| !text.is_empty()).map(|text| (*text).into()).collect();
        let present: Vec<i16> = rows.iter().map(|text| i16::from(!text.is_empty())).collect();
        let mut group = writer.next_row_group().unwrap();
        let same = |value: &str| vec![ByteArray::from(value); count];
        macro_rules! column {
            ($kind:ty, $values:expr, $defined:expr, $repeated:expr) => {{
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<$kind>().write_batch($values, $defined, $repeated).unwrap();
                column.close().unwrap();
            }};
        }
        column!(Int64Type, &ids, None, None);
        column!(ByteArrayType, &words, Some(&present), None);
        column!(ByteArrayType, &same("de"), None, None);
        column!(Int32Type, &vec![19_844; count], None, None);
        column!(DoubleType, &vec![0.5; count], None, None);
        column!(ByteArrayType, &same("\u{1}\u{2}"), None, None);
        column!(ByteArrayType, &same("tag"), Some(&vec![3; count]), Some(&vec![0; count]));
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn a_row_of_parquet_is_a_document() {
    let texts = ["one", "", "three", "four", "five"];
    let plain = table(&texts, Compression::UNCOMPRESSED);
    let snappy = table(&texts, Compression::SNAPPY);
    let zstd = table(&texts, Compression::ZSTD(Default::default()));
    let packed = zip(&[("inner.parquet", &zstd)]);
    let files = [("a.parquet", &plain[..]), ("b.parquet.gz", &gz(&snappy)[..]), ("c.zip", &packed[..])];
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!((summary.documents, summary.skipped_records["a row without text"]), (12, 3));
    for (documents, id) in documents.chunks(4).zip(["a.parquet", "b.parquet.gz", "c.zip!inner.parquet"]) {
        let found: Vec<_> = documents.iter().map(|row| (row.id.clone(), row.text.as_str())).collect();
        let expected = [(1, "one"), (3, "three"), (4, "four"), (5, "five")];
        assert_eq!(found, expected.map(|(number, text)| (format!("{id}#{number}"), text)));
        assert_eq!(documents[1].lang.as_deref(), Some("de"));
        let meta = serde_json::to_string(&documents[1].meta).unwrap();
        assert_eq!(meta, r#"{"day":"2024-05-01","format":"parquet","id":2,"score":0.5,"tags":["tag"]}"#);
    }
}

fn failure(name: &str, bytes: &[u8]) -> String {
    let folder = folder(&[(name, bytes)]);
    let settings = CollectSettings { text_field: "words".into(), ..Default::default() };
    let error = collected(&[folder.path().join(name)], &settings).unwrap_err();
    shown(&error, folder.path())
}

#[test]
fn bad_parquet_says_so() {
    let good = table(&["one"], Compression::UNCOMPRESSED);
    let all = [
        failure("a.parquet", b""),
        failure("a.parquet", b"PAR1 and no more"),
        failure("a.parquet", &good[..good.len() / 2]),
        failure("a.parquet", &good),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/a.parquet is empty
    hint: give a file with some text in it
    cannot read DIR/a.parquet: Parquet error: Invalid Parquet file. Corrupt footer
    hint: the file is damaged or cut short; fetch it again
    cannot read DIR/a.parquet: Parquet error: Invalid Parquet file. Corrupt footer
    hint: the file is damaged or cut short; fetch it again
    DIR/a.parquet has no column `words`
    hint: set collect.text_field to the column that holds the text; here: content, language, picture, tags, id, day, score
    "#);
    let (summary, ..) = gathered(
        &[("a.parquet", &table(&[], Compression::SNAPPY)), ("b.txt", b"b")],
        &CollectSettings::default(),
    );
    assert_eq!((summary.documents, summary.skipped_reasons["empty"]), (1, 1));
}

#[test]
fn a_large_table_is_read_from_its_file() {
    let texts: Vec<String> = (0..200).map(|n| format!("{n} ").repeat(10_000)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let bytes = table(&texts, Compression::UNCOMPRESSED);
    assert!(bytes.len() > 1 << 22);
    let files = folder(&[("a.parquet", &bytes)]);
    let documents = collected(&[files.path().join("a.parquet")], &CollectSettings::default()).unwrap();
    assert!(documents.iter().map(|row| row.text.as_str()).eq(texts));
    assert!(File::open(Path::new(&documents[0].source)).is_ok());
}
