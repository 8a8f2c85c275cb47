use std::io::Write;
use std::path::PathBuf;

use nuwa_collect::{BadLines, CollectSettings, collect};

use crate::archives::gz;
use crate::{collected, folder, shown};

fn texts(paths: &[PathBuf]) -> Vec<(String, String)> {
    let documents = collected(paths, &CollectSettings::default()).unwrap();
    documents.into_iter().map(|document| (document.id, document.text)).collect()
}

fn failure(files: &[(&str, &[u8])], name: &str) -> String {
    let folder = folder(files);
    let path = if name.is_empty() { folder.path().to_path_buf() } else { folder.path().join(name) };
    let error = collected(&[path], &CollectSettings::default()).unwrap_err();
    shown(&error, folder.path())
}

#[test]
fn every_format_is_read_in_the_order_of_names() {
    let zst = zstd::encode_all(&b"{\"text\":\"five\",\"lang\":\"en\",\"n\":1}\n"[..], 1).unwrap();
    let folder = folder(&[
        ("b/two.md", b"# two"),
        ("a.txt.gz", &gz(b"one")),
        ("c.html", b"<p>three"),
        ("d.jsonl", b"{\"text\":\"four\"}\n\n{\"text\":\"4b\"}"),
        ("e.jsonl.zst", &zst),
        ("f.png", b"\x89PNG"),
        (".hidden", b"x"),
        ("g.txt", b"PK\x03\x04\0"),
        ("h.txt", b" \n"),
    ]);
    let out = tempfile::tempdir().unwrap();
    let settings = CollectSettings::default();
    let summary = collect(&[folder.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    assert_eq!((summary.documents, summary.files, summary.skipped_files), (6, 5, 4));
    let reasons: Vec<&str> = summary.skipped_reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, [".png is not a known ending", "a zip archive", "empty", "hidden"]);
    let found = texts(&[folder.path().into()]);
    let found: Vec<(&str, &str)> = found.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    let expected = [
        ("a.txt.gz", "one"),
        ("b/two.md", "# two"),
        ("c.html", "<p>three"),
        ("d.jsonl#1", "four"),
        ("d.jsonl#3", "4b"),
        ("e.jsonl.zst#1", "five"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_encodings_are_decoded_and_noted() {
    let chinese =
        encoding_rs::GBK.encode("静以修身，俭以养德。非淡泊无以明志，非宁静无以致远。").0.into_owned();
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend("naïve".encode_utf16().flat_map(u16::to_le_bytes));
    let folder = folder(&[
        ("a.txt", b"Der Fu\xdf und die T\xfcr, sch\xf6n"),
        ("b.txt", &chinese),
        ("c.txt", &utf16),
        ("d.html", b"<html><meta charset=iso-8859-2><p>\xb1"),
        ("e.txt", "é".repeat(30).as_bytes()),
        ("f.txt", &[&"é".repeat(30).into_bytes()[..], b"\xff"].concat()),
    ]);
    let documents = collected(&[folder.path().into()], &CollectSettings::default()).unwrap();
    let seen: Vec<(&str, String)> = documents
        .iter()
        .map(|document| {
            let encoding = document.meta.get("encoding").and_then(|name| name.as_str()).unwrap_or("UTF-8");
            (encoding, document.text.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect())
        })
        .collect();
    assert_eq!(seen[0], ("windows-1252", "r, schön".to_string()));
    assert_eq!(seen[1], ("GBK", "，非宁静无以致远。".chars().skip(1).collect()));
    assert_eq!(seen[2], ("UTF-16LE", "naïve".to_string()));
    assert_eq!(seen[3], ("ISO-8859-2", "8859-2><p>ą".chars().skip(3).collect()));
    assert_eq!(seen[4].0, "UTF-8");
    assert_eq!(seen[5], ("UTF-8", "ééééééé\u{fffd}".to_string()));
    assert_eq!(documents[5].meta["decoding_errors"], 1);
}

#[test]
fn a_fortune_file_gives_its_items() {
    let folder = folder(&[("f.txt", b"one\n%\ntwo\n2\n%\n%\nthree 100\n%\n".as_slice())]);
    let found = texts(&[folder.path().join("f.txt")]);
    let found: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(found, ["one\n", "two\n2\n", "three 100\n"]);
}

#[test]
fn a_huge_text_is_cut_at_paragraphs_and_nothing_is_lost() {
    let text: String = (0..900_000).map(|at| if at % 97 == 0 { "\n\n" } else { "wörd " }).collect();
    let folder = folder(&[("t.txt", text.as_bytes())]);
    let settings = CollectSettings { split_documents_over: 100_000, ..Default::default() };
    let documents = collected(&[folder.path().join("t.txt")], &settings).unwrap();
    assert!(documents.len() > 40 && documents.iter().all(|document| document.text.len() <= 100_001));
    assert!(documents[..10].iter().all(|document| document.text.ends_with("\n\n")));
    assert_eq!(documents.iter().map(|document| document.text.as_str()).collect::<String>(), text);
}

#[test]
fn bad_lines_stop_or_are_counted() {
    let mut lines = "{\"text\":\"good\"}\n".repeat(16);
    lines.push_str("{\"text\": \n{\"text\":\"good\"}\n{\"text\":7}\n{\"body\":\"x\"}\n");
    let folder = folder(&[("a.jsonl", lines.as_bytes())]);
    let out = tempfile::tempdir().unwrap();
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..Default::default() };
    let summary = collect(&[folder.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    assert_eq!((summary.documents, summary.skipped_lines), (17, 3));
}

#[test]
fn errors_say_what_where_and_what_next() {
    let mut lines = "{\"text\":\"good\"}\n".repeat(16).into_bytes();
    lines.extend(b"{\"text\": oops}\n");
    let cut = gz(&(0..9999_u32).flat_map(|n| (n * n).to_string().into_bytes()).collect::<Vec<_>>());
    let all = [
        failure(&[("a.txt", b"x")], "nothing-here"),
        failure(&[("sub/a.png", b"x")], ""),
        failure(&[("a.txt", b"")], "a.txt"),
        failure(&[("a.txt", b"a\0b")], "a.txt"),
        failure(&[("a.txt", b"PK\x03\x04")], "a.txt"),
        failure(&[("a.jsonl", &lines)], "a.jsonl"),
        failure(&[("a.jsonl", b"{\"text\": 5}")], "a.jsonl"),
        failure(&[("a.jsonl", b"{\"body\": \"b\", \"n\": 1}")], "a.jsonl"),
        failure(&[("a.jsonl", b"[1]")], ""),
        failure(&[("a.txt.gz", &cut[..cut.len() / 2])], "a.txt.gz"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/nothing-here does not exist
    hint: check the spelling; a relative path starts at the current folder
    DIR holds no text that can be read (1 .png is not a known ending)
    hint: it must hold files of known endings; name other endings of plain text in collect.extra_text_extensions
    DIR/a.txt is empty
    hint: give a file with some text in it
    DIR/a.txt is not text but binary data (it has NUL bytes)
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    DIR/a.txt is not text but a zip archive
    hint: give it a name that ends in .zip
    DIR/a.jsonl, line 17: invalid JSON: expected value at column 10
    hint: correct the line (JSON lines hold one object each); when collecting, collect.bad_lines = "skip" leaves such lines out and counts them
    DIR/a.jsonl, line 1: `text` is a number, expected a string
    hint: correct the line (JSON lines hold one object each); when collecting, collect.bad_lines = "skip" leaves such lines out and counts them
    DIR/a.jsonl, line 1: no field `text`
    hint: set collect.text_field to the field that holds the text; here: body
    DIR/a.jsonl, line 1: invalid JSON: a number, expected an object
    hint: correct the line (JSON lines hold one object each); when collecting, collect.bad_lines = "skip" leaves such lines out and counts them
    cannot read DIR/a.txt.gz: incomplete deflate stream
    hint: the file is damaged or cut short; fetch it again
    "#);
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bzip2_and_xz_are_read_like_gzip() {
    let twice = [bz2(b"one "), bz2(b"file")].concat();
    let folder = folder(&[
        ("a.txt.bz2", &twice),
        ("b.jsonl.xz", &xz(b"{\"text\":\"two\"}\n")),
        ("c.txt.xz", &[xz(b"three "), xz(b"streams")].concat()),
        ("d.txt", b"BZh91 is how a text may begin"),
    ]);
    let found: Vec<String> = texts(&[folder.path().into()]).into_iter().map(|(_, text)| text).collect();
    assert_eq!(found, ["one file", "two", "three streams", "BZh91 is how a text may begin"]);
}

#[test]
fn a_row_of_a_table_is_a_document() {
    let csv =
        "id,Content,lang,note\n7,\"two\nlines, \"\"quoted\"\"\",de,\n8,  ,en,empty\n9,plain,none,kept\n";
    let folder = folder(&[
        ("a.csv", csv.as_bytes()),
        ("b.csv", "id;text\n1;a, b\n".as_bytes()),
        ("c.tsv", "text\tby\n\"Yes\" he said\tA\n\"No\tB\n".as_bytes()),
        ("numbers.csv", b"x,y\n1,2\n"),
    ]);
    let out = tempfile::tempdir().unwrap();
    let settings = CollectSettings::default();
    let summary = collect(&[folder.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    assert_eq!((summary.documents, summary.files, summary.skipped_files), (5, 3, 1));
    assert_eq!(summary.skipped_records["a row without text"], 1);
    assert_eq!(summary.skipped_reasons["a table without a column of text"], 1);
    let documents = collected(&[folder.path().into()], &settings).unwrap();
    let first = &documents[0];
    assert_eq!((first.id.as_str(), first.text.as_str()), ("a.csv#2", "two\nlines, \"quoted\""));
    assert_eq!((first.lang.as_deref(), &first.meta["id"]), (Some("de"), &"7".into()));
    assert_eq!((&documents[1].lang, &documents[1].meta["lang"]), (&None, &"none".into()));
    let rest: Vec<&str> = documents[2..].iter().map(|document| document.text.as_str()).collect();
    assert_eq!(rest, ["a, b", "\"Yes\" he said", "\"No"]);
}

#[test]
fn bad_rows_stop_or_are_counted() {
    let bytes = b"text,by\none,A\ntwo\nthree,C\n".as_slice();
    let folder = folder(&[("a.csv", bytes)]);
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..Default::default() };
    let out = tempfile::tempdir().unwrap();
    let summary = collect(&[folder.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    assert_eq!((summary.documents, summary.skipped_lines), (2, 1));
    let all = [failure(&[("a.csv", bytes)], ""), failure(&[("a.csv", b"id,words\n1,a\n")], "a.csv")];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/a.csv, line 3: it has 1 of 2 fields
    hint: correct the row, or leave such rows out and count them: collect.bad_lines = "skip"
    DIR/a.csv has no column `text`
    hint: set collect.text_field to the column that holds the text; here: id, words
    "#);
}
