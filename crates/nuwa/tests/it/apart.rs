//! Files that would take all the memory, or all the time, of whoever reads them: each is read by a process of its own.

use super::support::Place;

/// Thrift's compact protocol, as far as a table needs it.
mod thrift {
    pub fn number(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 127 {
            bytes.push(number as u8 | 128);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    pub enum Value {
        I32(u64),
        I64(u64),
        Text(&'static str),
        List(u8, Vec<Vec<u8>>),
        Struct(Vec<u8>),
    }

    pub fn group(fields: &[(u8, Value)]) -> Vec<u8> {
        let (mut bytes, mut last) = (Vec::new(), 0);
        for (field, value) in fields {
            let (kind, content) = match value {
                Value::I32(value) => (5, number(value << 1)),
                Value::I64(value) => (6, number(value << 1)),
                Value::Text(text) => (8, [number(text.len() as u64), text.as_bytes().to_vec()].concat()),
                Value::List(kind, items) => {
                    (9, [vec![(items.len() as u8) << 4 | kind], items.concat()].concat())
                }
                Value::Struct(bytes) => (12, bytes.clone()),
            };
            bytes.push((field - last) << 4 | kind);
            bytes.extend(content);
            last = *field;
        }
        bytes.push(0);
        bytes
    }
}

/// A table of one column of texts and one page.
fn table(page: &[u8], values: u64, encoding: u64) -> Vec<u8> {
    use thrift::Value::{I32, I64, List, Struct, Text};
    use thrift::{group, number};

    let size = page.len() as u64;
    let about = group(&[(1, I32(values)), (2, I32(encoding)), (3, I32(3)), (4, I32(3))]);
    let head = group(&[(1, I32(0)), (2, I32(size)), (3, I32(size)), (5, Struct(about))]);
    let whole = head.len() as u64 + size;
    let path = [number(4), b"text".to_vec()].concat();
    let column = group(&[
        (1, I32(6)),
        (2, List(5, vec![number(encoding << 1)])),
        (3, List(8, vec![path])),
        (4, I32(0)),
        (5, I64(values)),
        (6, I64(whole)),
        (7, I64(whole)),
        (9, I64(4)),
    ]);
    let chunk = group(&[(2, I64(4)), (3, Struct(column))]);
    let rows = group(&[(1, List(12, vec![chunk])), (2, I64(whole)), (3, I64(values))]);
    let schema = [
        group(&[(4, Text("schema")), (5, I32(1))]),
        group(&[(1, I32(6)), (3, I32(0)), (4, Text("text")), (6, I32(0))]),
    ];
    let meta =
        group(&[(1, I32(1)), (2, List(12, schema.to_vec())), (3, I64(values)), (4, List(12, vec![rows]))]);
    let length = (meta.len() as u32).to_le_bytes();
    [b"PAR1", &head[..], page, &meta, &length, b"PAR1"].concat()
}

const PLAIN: u64 = 0;
const DELTA_LENGTH: u64 = 6;

/// A PDF of these objects.
fn pdf(objects: &[String]) -> String {
    let mut file = String::from("%PDF-1.4\n");
    let mut places = String::new();
    for (at, object) in objects.iter().enumerate() {
        places.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", at + 1));
    }
    let (start, size) = (file.len(), objects.len() + 1);
    let table = format!("xref\n0 {size}\n0000000000 65535 f \n{places}");
    format!("{file}{table}trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
}

/// Each page holds a table of all the names of the fonts.
fn pdf_of_many_pages(pages: usize, fonts: usize) -> String {
    let kids = "<</Type/Page/Resources 3 0 R/Contents 4 0 R>>".repeat(pages);
    let fonts: String = (0..fonts).map(|font| format!("/F{font} 9 0 R ")).collect();
    pdf(&[
        "<< /Type /Catalog /Pages 2 0 R >>".into(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {pages} >>"),
        format!("<< /Font << {fonts} >> >>"),
        "<< /Length 17 >>\nstream\nBT (a page) Tj ET\nendstream".into(),
    ])
}

#[test]
fn what_takes_all_the_memory_takes_nothing_from_the_others() {
    let place = Place::new();
    // Blocks of 128 lengths in four parts, and a quarter of a million millions of them.
    let claim = [128, 4, 1 << 38, 0].map(thrift::number).concat();
    place.write("in/claim.parquet", table(&claim, 1000, DELTA_LENGTH));
    place.write("in/good.parquet", table(b"\x06\0\0\0a text", 1, PLAIN));
    place.write("in/many.pdf", pdf_of_many_pages(20_000, 20_000));
    place.write("in/good.pdf", pdf_of_many_pages(2, 2));
    place.write("in/z.txt", "unharmed");
    let answer = place.command("collect in --out out").output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let summary: serde_json::Value = serde_json::from_str(&place.read("out/collect.json")).unwrap();
    assert_eq!(summary["documents"], 3, "{summary}");
    let reasons = &summary["skipped_reasons"];
    assert_eq!(reasons["a PDF that takes more time or memory than it may"], 1, "{summary}");
    assert_eq!(reasons["a Parquet table that takes more time or memory than it may"], 1, "{summary}");
    let named = place.failure("collect in/claim.parquet --out other");
    assert!(
        named.contains("is not text but a Parquet table that takes more time or memory than it may"),
        "{named}"
    );
}
