//! Inputs as people have them, which no standard foresees: they are read, and the account tells what was odd.

use std::io::Write;
use std::path::Path;

use nuwa_collect::{BadLines, CollectSettings, CollectSummary, collect};
use nuwa_files::{Document, documents};

use crate::archives::{gathered, gz, response, zip};
use crate::tables::table;
use crate::{collected, folder, shared, shown};

fn read(name: &str, bytes: &[u8]) -> (Vec<String>, CollectSummary) {
    let (summary, documents, _) = gathered(&[(name, bytes)], &CollectSettings::default());
    (documents.into_iter().map(|document| document.text).collect(), summary)
}

/// What the account tells of a file: what was met, how often, and where first.
fn told(summary: &CollectSummary) -> Vec<(&str, u64, Option<u64>)> {
    summary.oddities.iter().map(|odd| (odd.what.as_str(), odd.count, odd.first)).collect()
}

fn failure(name: &str, bytes: &[u8]) -> String {
    let folder = folder(&[(name, bytes)]);
    let error = collected(&[folder.path().join(name)], &CollectSettings::default()).unwrap_err();
    shown(&error, folder.path())
}

#[test]
fn a_quote_that_is_not_closed_takes_no_rows() {
    let mut csv = String::from("id,text\n");
    for row in 0..2000 {
        let quote = if row % 500 == 3 { "\"" } else { "" };
        csv += &format!("{row},{quote}Row {row} tells of one more rope, or two.\n").replace(", or", " or");
    }
    let (texts, summary) = read("a.csv", csv.as_bytes());
    assert_eq!(texts.len(), 2000);
    assert_eq!(texts[4], "Row 4 tells of one more rope or two.");
    assert_eq!(told(&summary), [("a quote that is never closed, taken as a character", 4, Some(5))]);
    assert_eq!(summary.odd["a quote that is never closed, taken as a character"], 4);
}

#[test]
fn json_records_are_read_in_every_form() {
    let pretty = "[\n {\n  \"text\": \"one\"\n },\n {\n  \"text\": \"two\"\n }\n]";
    let forms = [
        pretty,
        "[{\"text\":\"one\"},{\"text\":\"two\"}]",
        "{\"text\":\"one\"}\n{\"text\":\"two\"}\n",
        "{\n\"text\":\"one\"}\n{\n\"text\":\"two\"}",
        "{\"n\": 2, \"data\": [{\"text\":\"one\"},{\"text\":\"two\"}]}",
        "{\n\"rows\": [\n{\"text\":\"one\"},{\"text\":\"two\"}]}",
        "[\"one\", \"two\"]",
    ];
    for form in forms {
        for name in ["a.json", "a.jsonl", "a.json.gz"] {
            let bytes = if name.ends_with("gz") { gz(form.as_bytes()) } else { form.into() };
            assert_eq!(read(name, &bytes).0, ["one", "two"], "{name}: {form}");
            let folder = folder(&[(name, &bytes)]);
            let alone = collected(&[folder.path().join(name)], &CollectSettings::default()).unwrap();
            assert_eq!(alone.len(), 2, "{name}: {form}");
            assert_ne!(alone[0].id, alone[1].id);
        }
    }
}

#[test]
fn settings_among_texts_are_passed_over() {
    let files: [(&str, &[u8]); 4] = [
        ("a.txt", b"text"),
        ("package.json", b"{\n \"name\": \"x\",\n \"scripts\": {}\n}"),
        ("tsconfig.json", b"{\n // words\n \"a\": 1,\n}"),
        ("list.json", b"[1, 2]"),
    ];
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!(documents.len(), 1);
    assert_eq!(summary.skipped_reasons["JSON without a field of text"], 3);
}

#[test]
fn an_odd_field_does_no_harm() {
    let lines = "{\"text\":\"one\",\"score\":NaN}\n{\"text\":\"a \\ud83d b\"}\n{\"text\":null}\n{\"text\":[\"p\",\"q\"],\"n\":1e999}\n\
        {\"text\":\"tab\there\"}\n{\"text\":\"last\",\"meta\":5}\n";
    let (texts, summary) = read("a.jsonl", lines.as_bytes());
    assert_eq!(texts, ["one", "a \u{fffd} b", "p\nq", "tab\there", "last"]);
    let odd = "a record with an odd value (NaN, half a character or the like), mended";
    assert_eq!(told(&summary), [(odd, 4, Some(1))]);
    assert_eq!(summary.skipped_records["a record without text"], 1);
}

#[test]
fn a_field_within_a_field_is_named_with_dots() {
    let settings = CollectSettings { text_field: "data.text".into(), ..Default::default() };
    let files: [(&str, &[u8]); 2] = [
        ("a.jsonl", b"{\"data\":{\"text\":\"one\",\"by\":\"A\"}}\n{\"data.text\":\"two\"}\n"),
        ("b.csv", b"data.text,n\nthree,1\n"),
    ];
    let (_, documents, _) = gathered(&files, &settings);
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(documents[0].meta["data"]["by"], "A");
    insta::assert_snapshot!(failure("a.jsonl", b"{\"data\":{\"text\":\"one\"},\"id\":\"7\"}"), @"
    DIR/a.jsonl, line 1: no field `text`
    hint: set collect.text_field to the field that holds the text; here: data.text, id
    ");
}

#[test]
fn dialogues_are_told_where_they_belong() {
    let chat: &[u8] = b"{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}\n";
    let pair: &[u8] = b"{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n";
    let all = [failure("a.jsonl", chat), failure("b.jsonl", pair)];
    insta::assert_snapshot!(all.join("\n"), @"
    DIR/a.jsonl, line 1: a record of a dialogue (`messages`), not a text
    hint: fine-tune a model on it (SFT); to learn one of its fields as text, set collect.text_field
    DIR/b.jsonl, line 1: a record of preferences (`chosen, rejected`), not a text
    hint: fine-tune a model on it with DPO
    ");
    let files: [(&str, &[u8]); 3] = [("a.jsonl", chat), ("b.jsonl", pair), ("c.txt", b"text")];
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!(documents.len(), 1);
    assert_eq!(summary.skipped_reasons["dialogues, which belong to SFT"], 1);
    assert_eq!(summary.skipped_reasons["preferences, which belong to DPO"], 1);
}

#[test]
fn lines_left_out_are_told() {
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..Default::default() };
    let lines = b"{\"text\":\"one\"}\n{\"text\": oops}\n{\"text\":7}\n{\"messages\":[]}\n{\"text\":\n";
    let (summary, ..) = gathered(&[("a.jsonl", lines)], &settings);
    assert_eq!(summary.skipped_lines, 4);
    assert_eq!(
        told(&summary),
        [
            ("a dialogue among texts, left out", 1, Some(4)),
            ("a line of invalid JSON, left out", 2, Some(2)),
            ("a record whose text is no string, left out", 1, Some(3)),
        ]
    );
}

#[test]
fn encodings_without_a_mark_are_known() {
    let text = "Mấy hôm nay trời mưa mãi, những cây lựu đã ướt.\n";
    let utf16 = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let utf32 = |to: fn(u32) -> [u8; 4]| text.chars().flat_map(|one| to(one.into())).collect::<Vec<u8>>();
    let marked = [&[0xff, 0xfe, 0, 0][..], &utf32(u32::to_le_bytes)].concat();
    for (bytes, name) in [
        (utf16(u16::to_le_bytes), "UTF-16LE"),
        (utf16(u16::to_be_bytes), "UTF-16BE"),
        (utf32(u32::to_le_bytes), "UTF-32LE"),
        (utf32(u32::to_be_bytes), "UTF-32BE"),
        (marked, "UTF-32LE"),
    ] {
        let (texts, summary) = read("a.txt", &bytes);
        assert_eq!((texts[0].as_str(), summary.encodings[name]), (text, 1));
    }
    let japanese = "\u{1b}$B$3$N$H$3$m1+$,B3$$$F$$$k!#\u{1b}(B\n";
    let (texts, summary) = read("a.txt", japanese.as_bytes());
    assert_eq!((texts[0].as_str(), summary.encodings["ISO-2022-JP"]), ("このところ雨が続いている。\n", 1));
    let (texts, _) = read("a.txt", b"in \x1b[33mcolour\x1b[0m for $5\n");
    assert_eq!(texts, ["in \u{1b}[33mcolour\u{1b}[0m for $5\n"]);
    insta::assert_snapshot!(failure("a.txt", b"\x1b$)C\x0eHfGO\x0f\n"), @"
    DIR/a.txt: text in ISO-2022-KR is not supported
    hint: make UTF-8 of it first: iconv -f ISO-2022-KR -t UTF-8 FILE > NEW
    ");
}

#[test]
fn stray_nuls_are_removed_and_counted() {
    let line = "The harbour master wrote down every ship that came in.\n";
    let text = [line.as_bytes(), b"\0\0", line.repeat(40).as_bytes(), &[0; 500], line.as_bytes()].concat();
    let (texts, summary) = read("a.txt", &text);
    assert_eq!(texts, [line.repeat(42)]);
    assert_eq!(told(&summary), [("a NUL byte, removed", 502, None)]);
    let list = b"one/path\0another/path\0a third/path\0".repeat(20);
    assert!(failure("a.txt", &list).contains("binary data (it has NUL bytes)"));
}

const MAIL: &str = "From: A <a@example.org>\nSubject: one\nContent-Length: 3\n\nThe harbour master wrote.\n\n\
    From now on we meet at nine, she wrote.\n";

#[test]
fn a_sentence_that_begins_with_from_ends_no_mail() {
    let mailbox = format!(
        "From a@example.org Mon Jan  1 00:00:00 2024\n{MAIL}>From the sea.\n>>From deeper.\n\nFrom\n\n\
        From b@example.org Tue Jan  2 00:00:00 2024\r\nFrom: b@example.org\nSubject: two\n\nTwo.\n\nFrom c\nSubject: 3\n\nThree.\n"
    );
    let (texts, _) = read("a.mbox", mailbox.as_bytes());
    // The empty line before the next separator stays with its mail; `whitespace` takes it.
    assert_eq!(
        texts,
        [
            "The harbour master wrote.\n\nFrom now on we meet at nine, she wrote.\nFrom the sea.\n>From deeper.\n\nFrom\n\n",
            "Two.\n\n",
            "Three.\n"
        ]
    );
}

#[test]
fn mails_are_known_by_their_headers() {
    let mailbox = format!("From a@b.org Mon Jan  1 00:00:00 2024\n{MAIL}\n").repeat(2);
    let tar = crate::archives::tar(&[("maildir/cur/1700.M1.host:2,S", MAIL.as_bytes()), ("README", b"text")]);
    let files: [(&str, &[u8]); 9] = [
        ("1.txt", MAIL.as_bytes()),
        ("2", MAIL.as_bytes()),
        ("00001.7c53336b37003a9286aba55d2945844c", MAIL.as_bytes()),
        ("dir/cur/1700000000.M1P2.host:2,S", MAIL.as_bytes()),
        ("dir/new/1700000001.M1P2.host.org", MAIL.as_bytes()),
        ("dir/.Sent/cur/1700000002.host:2,S", MAIL.as_bytes()),
        ("dir/.Sent/new/1700000003.host", MAIL.as_bytes()),
        ("archive.txt", mailbox.as_bytes()),
        ("t.tar", &tar),
    ];
    let files = [&files[..], &[("LICENSE", &b"words"[..]), (".git/cur", &b"x"[..])]].concat();
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!(documents.len(), 10);
    for document in &documents {
        assert!(
            document.text.starts_with("The harbour") && document.meta["subject"] == "one",
            "{document:?}"
        );
    }
    assert_eq!((summary.formats["mail"], summary.formats["mbox"]), (8, 1));
    assert_eq!((summary.skipped_reasons["no ending"], summary.skipped_reasons["hidden"]), (2, 1));
    let folder = folder(&[("mail", MAIL.as_bytes())]);
    let alone = collected(&[folder.path().join("mail")], &CollectSettings::default()).unwrap();
    assert!(alone[0].text.starts_with("The harbour"));
}

const SENTENCES: [&str; 2] = ["The harbour master wrote.", "Two of them carried salt &amp; rope."];

fn docx() -> Vec<u8> {
    let paragraphs = SENTENCES.map(|text| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")).concat();
    zip(&[("word/document.xml", paragraphs.as_bytes()), ("docProps/core.xml", b"<dc:title>Quay</dc:title>")])
}

fn epub() -> Vec<u8> {
    let chapter = |text: &str| format!("<html><body><h1>Head</h1><p>{text}</p></body></html>");
    let opf = "<package><metadata><dc:title>Quay</dc:title></metadata><manifest><item id='a' href='b.xhtml'/>\
        <item id='b' href='a.xhtml'/></manifest><spine><itemref idref='a'/><itemref idref='b'/></spine></package>";
    zip(&[
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", b"<container><rootfile full-path=\"OEBPS/book.opf\"/></container>"),
        ("OEBPS/book.opf", opf.as_bytes()),
        ("OEBPS/a.xhtml", chapter(SENTENCES[1]).as_bytes()),
        ("OEBPS/b.xhtml", chapter(SENTENCES[0]).as_bytes()),
    ])
}

#[test]
fn office_documents_and_books_are_read() {
    let odt = SENTENCES.map(|text| format!("<text:p>{text}</text:p>")).concat();
    let odt =
        zip(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", odt.as_bytes())]);
    let slide = |text: &str| format!("<p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp>").into_bytes();
    let pptx = zip(&[
        ("ppt/presentation.xml", b"<p/>"),
        ("ppt/slides/slide10.xml", &slide(SENTENCES[1])),
        ("ppt/slides/slide2.xml", &slide(SENTENCES[0])),
    ]);
    for (name, bytes, between) in [
        ("a.docx", docx(), "\n\n"),
        ("a.odt", odt, "\n\n"),
        ("a.pptx", pptx, "\n\n"),
        ("a.epub", epub(), "\n\n# Head\n\n"),
        ("a.zip", docx(), "\n\n"),
    ] {
        let (texts, summary) = read(name, &bytes);
        let joined = SENTENCES.join(between).replace("&amp;", "&");
        assert_eq!(texts.len(), 1, "{name}");
        assert_eq!(texts[0].trim().trim_start_matches("# Head\n\n"), joined, "{name}");
        assert_eq!(summary.files, 1);
    }
    let (_, documents, _) = gathered(&[("a.epub", &epub())], &CollectSettings::default());
    assert_eq!((&documents[0].meta["title"], &documents[0].meta["format"]), (&"Quay".into(), &"epub".into()));
}

#[test]
fn what_is_not_supported_is_not_called_damaged() {
    let old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more".as_slice();
    let sheet = zip(&[("xl/workbook.xml", b"<x/>")]);
    let all = [
        failure("a.docx", old),
        failure("a.doc", old),
        failure("a.xlsx", &sheet),
        failure("a.rtf", b"{\\rtf1 words}"),
        failure("a.feather", b"ARROW1\0\0"),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    DIR/a.docx: an old Office document, or one with a password, is not supported
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    DIR/a.doc is not text but an old Office document (.doc, .xls or .ppt)
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    DIR/a.xlsx: a spreadsheet (.xlsx) is not supported
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    DIR/a.rtf is not text but an RTF document
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    DIR/a.feather is not text but an Arrow table (Feather)
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    ");
}

#[test]
fn a_gzip_file_with_something_behind_it_is_read() {
    let garbage = [gz(b"one "), gz(b"text"), b"garbage".to_vec()].concat();
    let (texts, summary) = read("a.txt.gz", &garbage);
    assert_eq!(texts, ["one text"]);
    assert_eq!(told(&summary), [("bytes behind the end of a gzip file, passed over", 1, None)]);
    let zeros = [gz(b"one text"), vec![0; 600]].concat();
    let (texts, summary) = read("a.txt.gz", &zeros);
    assert_eq!((texts, told(&summary)), (vec!["one text".to_string()], vec![]));
}

#[test]
fn pages_of_a_crawl_are_unpacked_whatever_packed_them() {
    let page = |of: &str| format!("<html><p>The page {of} tells of salt and of rope.</p></html>").repeat(9);
    let head = |more: &str| format!("200 OK\r\nContent-Type: text/html\r\n{more}");
    let zst = zstd::encode_all(page("zstd").as_bytes(), 1).unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    raw.write_all(page("deflate").as_bytes()).unwrap();
    let cut = format!("{:x}\r\n{}", 5000, page("cut"));
    let packed = gz(page("both").as_bytes());
    let both = [format!("{:x}\r\n", packed.len()).as_bytes(), &packed, b"\r\n0\r\n\r\n"].concat();
    let warc = [
        response("http://a/1", &head("Content-Encoding: zstd"), &zst),
        response("http://a/2", &head("Content-Encoding: deflate"), &raw.finish().unwrap()),
        response("http://a/3", &head("Transfer-Encoding: chunked"), cut.as_bytes()),
        response("http://a/4", &head("Transfer-Encoding: gzip, chunked"), &both),
    ]
    .concat();
    let (texts, summary) = read("a.warc", &warc);
    assert_eq!(texts, [page("zstd"), page("deflate"), page("cut"), page("both")]);
    assert_eq!(told(&summary), [("a page cut short, read as far as it goes", 1, Some(3))]);
}

/// The documents of a file of `../shared/data/field/data`, and the account; `None` where it is not there.
fn field(name: &str) -> Option<(Vec<Document>, CollectSummary)> {
    let path = shared(&format!("field/data/{name}"))?;
    let alone = collect_one(&path);
    let folder = folder(&[(name, &std::fs::read(&path).unwrap())]);
    let (documents, _) = collect_one(folder.path());
    assert_eq!(documents.len(), alone.0.len(), "{name} in a folder");
    Some(alone)
}

fn collect_one(path: &Path) -> (Vec<Document>, CollectSummary) {
    let out = tempfile::tempdir().unwrap();
    let summary =
        collect(&[path.to_path_buf()], out.path(), &CollectSettings::default(), &mut |_| {}).unwrap();
    (documents::read(out.path()).unwrap().map(Result::unwrap).collect(), summary)
}

#[test]
fn inputs_of_the_field_are_read() {
    for (name, count, has) in [
        ("unclosed_quote.csv", 200, "tells of one more rope"),
        ("records.json", 6, "harbour master"),
        ("nan.jsonl", 2, "harbour master"),
        ("lone_surrogate.jsonl", 2, "harbour master"),
        ("utf32.txt", 1, "The rain has"),
        ("iso2022jp.txt", 1, "このところ雨が続いている"),
        ("utf16le_nobom.txt", 1, "Mấy hôm nay trời mưa"),
        ("two_nuls.txt", 1, "noon.\nTwo of"),
        ("a.mbox", 2, "From now on we meet"),
        ("b.parquet", 2, "harbour master"),
        ("a.docx", 1, "harbour master wrote down every ship that came in before noon.\n\nTwo"),
        ("a.odt", 1, "harbour master wrote down every ship that came in before noon.\n\nTwo"),
        ("a.warc", 15, "harbour master"),
    ] {
        let Some((documents, _)) = field(name) else { continue };
        assert_eq!(documents.len(), count, "{name}");
        assert!(documents[0].text.contains(has), "{name}: {}", documents[0].text);
    }
    let Some((documents, _)) = field("rot.pdf") else { return };
    let single = documents[0].text.lines().filter(|line| line.trim().chars().count() == 1).count();
    assert_eq!(single, 0, "{}", documents[0].text);
}

#[test]
fn a_table_that_is_not_read_is_said_to_be_so() {
    let Some(path) = shared("field/data/z_brotli.parquet") else { return };
    let error = collected(&[path], &CollectSettings::default()).unwrap_err().to_string();
    assert!(error.ends_with("a Parquet table compressed with Brotli is not supported"), "{error}");
}

#[test]
fn a_table_of_one_column_is_read() {
    let (texts, _) = read("a.parquet", &table(&["one", "two"], parquet::basic::Compression::SNAPPY));
    assert_eq!(texts, ["one", "two"]);
}
