//! What is wrong in one file is said and harms no other; nothing panics.

use std::io::Write;

use nuwa_collect::{BadLines, CollectSettings, collect};
use parquet::basic::Compression;
use proptest::prelude::*;

use crate::archives::{gathered, gz, response, tar, zip};
use crate::pdf::pdf;
use crate::tables::table;
use crate::{collected, folder, shown};

fn lines(count: usize) -> String {
    (0..count).map(|n: usize| format!("{{\"text\":\"{} {}\"}}\n", n, n.wrapping_mul(n) % 7919)).collect()
}

#[test]
fn what_comes_before_damage_is_kept() {
    let text = lines(100_000);
    let gzipped = gz(text.as_bytes());
    let zst = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let files = [
        ("a.jsonl.gz", half(&gzipped)),
        ("b.jsonl.zst", half(&zst)),
        ("c.txt.gz", half(&gz(text.as_bytes()))),
        ("d.jsonl", b"{\"text\":\"unharmed\"}".to_vec()),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!((summary.files, summary.skipped_reasons["damaged or cut short"]), (1, 3));
    let of = |start: &str| documents.iter().filter(|document| document.id.starts_with(start)).count();
    assert!(
        of("a.jsonl.gz") > 40_000 && of("b.jsonl.zst") > 10_000,
        "{} {}",
        of("a.jsonl.gz"),
        of("b.jsonl.zst")
    );
    assert_eq!((of("c.txt.gz"), of("d.jsonl")), (1, 1));
}

#[test]
fn a_bomb_is_stopped() {
    let lines = 280_000;
    let text = format!("{{\"text\":\"{}\"}}\n", "a".repeat(1000)).repeat(lines);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    let bomb = encoder.finish().unwrap();
    let zipped = zip(&[("inner.jsonl.gz", &bomb), ("after.txt", b"after")]);
    let files = [("a.jsonl.gz", &bomb[..]), ("b.zip", &zipped[..]), ("c.txt", b"unharmed")];
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    assert_eq!(summary.skipped_reasons["expands too far for its size"], 2);
    assert_eq!(documents.last().unwrap().text, "unharmed");
    let folder = folder(&[("a.jsonl.gz", &bomb)]);
    let error = collected(&[folder.path().join("a.jsonl.gz")], &CollectSettings::default()).unwrap_err();
    insta::assert_snapshot!(shown(&error, folder.path()), @r#"
    DIR/a.jsonl.gz expands to more than 268435456 bytes
    hint: if it is no bomb, unpack it and give the folder, or raise collect.largest_expansion
    "#);
    let settings = CollectSettings { largest_expansion: 2000, ..Default::default() };
    let out = tempfile::tempdir().unwrap();
    let summary = collect(&[folder.path().join("a.jsonl.gz")], out.path(), &settings, &mut |_| {}).unwrap();
    assert_eq!(summary.documents, lines as u64);
}

#[test]
fn archives_in_archives_end_somewhere() {
    let mut archive = zip(&[("deepest.txt", b"deepest")]);
    for level in 0..4 {
        let name = format!("level {level}.txt");
        archive = zip(&[("inner.zip", &archive), (&name, name.as_bytes())]);
    }
    let (summary, documents, _) = gathered(&[("a.zip", &archive)], &CollectSettings::default());
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(texts, ["level 1.txt", "level 2.txt", "level 3.txt"]);
    assert_eq!(summary.skipped_reasons["an archive too deep within archives"], 1);
}

#[test]
fn a_line_without_end_is_counted() {
    let mut bytes = b"{\"text\":\"first\"}\n{\"text\":\"".to_vec();
    bytes.resize((1 << 28) + 1000, b'a');
    bytes.extend(b"\"}\n{\"text\":\"last\"}\n");
    let folder = folder(&[("a.jsonl", &bytes)]);
    drop(bytes);
    let paths = [folder.path().join("a.jsonl")];
    let error = collected(&paths, &CollectSettings::default()).unwrap_err();
    assert!(error.to_string().ends_with("a.jsonl, line 2: longer than 268435456 bytes"), "{error}");
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..Default::default() };
    let documents = collected(&paths, &settings).unwrap();
    assert_eq!(documents.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["first", "last"]);
}

#[test]
fn a_quote_without_end_takes_its_own_row() {
    let mut bytes = b"text,by\none,A\n\"two,B\n".to_vec();
    bytes.resize((1 << 28) + (1 << 20), b'a');
    let folder = folder(&[("a.csv", &bytes)]);
    drop(bytes);
    let error = collected(&[folder.path().join("a.csv")], &CollectSettings::default()).unwrap_err();
    assert!(error.to_string().ends_with("a.csv, line 4: longer than 268435456 bytes"), "{error}");
}

#[test]
fn html_nested_without_measure_is_read() {
    let page = format!("<html><body>{}a page{}", "<div>".repeat(100_000), "</div>".repeat(50_000));
    let (_, documents, _) = gathered(&[("a.html", page.as_bytes())], &CollectSettings::default());
    assert_eq!(documents[0].text, page);
    assert_eq!(nuwa_collect::html::article(&page).text.trim(), "a page");
}

/// Endings of all formats, with a good file of each.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let mail = "From: a@example.org\nSubject: x\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain\n\nbody\n--B--\n";
    let page = response(
        "http://a/1",
        "200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked",
        b"3\r\n<p>\r\n0\r\n\r\n",
    );
    vec![
        ("txt", "one\n%\ntwo\n%\nthree\n%\n".into()),
        ("html", "<html><p>one</p>".into()),
        ("jsonl", "{\"text\":\"one\",\"lang\":\"en\"}\n".into()),
        ("json", "[{\"text\": \"one\"}, {\"text\": \"\\ud83d\", \"n\": NaN}]".into()),
        ("docx", zip(&[("word/document.xml", b"<w:p><w:t>one</w:t></w:p>")])),
        ("odt", zip(&[("mimetype", b"x"), ("content.xml", b"<text:p>one<text:s/></text:p>")])),
        ("csv", "text,by\n\"one\",A\n".into()),
        ("tsv", "text\tby\none\t\"A\n".into()),
        ("eml", mail.into()),
        ("mbox", format!("From a\n{mail}\nFrom b\n{mail}").into_bytes()),
        ("warc", [page.clone(), page.clone()].concat()),
        ("warc.gz", gz(&page)),
        ("zip", zip(&[("a.txt", b"one"), ("b.jsonl", b"{\"text\":\"two\"}")])),
        ("tar", tar(&[("a.txt", b"one"), (&"long/".repeat(40), b"two")])),
        ("tgz", gz(&tar(&[("a.txt", b"one")]))),
        ("parquet", table(&["one", "two", "three"], Compression::SNAPPY)),
        ("pdf", pdf(&["BT /F1 12 Tf 72 720 Td (one) Tj ET"])),
    ]
}

/// Reading ends with documents or with an error, not with a panic.
fn read_anyway(ending: &str, bytes: &[u8]) {
    let folder = folder(&[(&format!("a.{ending}"), bytes), ("b.txt", b"unharmed")]);
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..Default::default() };
    let documents = collected(&[folder.path().into()], &settings).unwrap();
    assert_eq!(documents.last().unwrap().text, "unharmed");
    let _ = collected(&[folder.path().join(format!("a.{ending}"))], &CollectSettings::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (ending, _) in samples() {
            read_anyway(ending, &bytes);
        }
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        for (ending, mut bytes) in samples() {
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            read_anyway(ending, &bytes);
            bytes.truncate(end.index(bytes.len()));
            read_anyway(ending, &bytes);
        }
    }

    #[test]
    fn mails_come_out_of_a_mailbox_as_they_went_in(bodies in prop::collection::vec("[a-zF>\n ]{0,40}(From |>From )?[a-z]{1,9}", 1..8)) {
        let mut mailbox = String::new();
        for body in &bodies {
            mailbox.push_str("From someone\nSubject: s\n\n");
            for line in body.split('\n') {
                let is_separator = line.trim_start_matches('>').starts_with("From ");
                mailbox.push_str(if is_separator { ">" } else { "" });
                mailbox.push_str(line);
                mailbox.push('\n');
            }
            mailbox.push('\n');
        }
        let (_, documents, _) = gathered(&[("a.mbox", mailbox.as_bytes())], &CollectSettings::default());
        let found: Vec<&str> = documents.iter().map(|mail| mail.text.trim()).collect();
        let expected: Vec<&str> = bodies.iter().map(|body| body.trim()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn pages_come_out_of_a_crawl_as_they_went_in(pages in prop::collection::vec("[a-z\r\n:/0-9]{0,60}[a-z]", 1..8), size in 1_usize..20) {
        let mut crawl = Vec::new();
        for page in &pages {
            let mut body = String::new();
            for chunk in page.as_bytes().chunks(size) {
                body.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()));
            }
            body.push_str("0\r\n\r\n");
            let head = "200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked";
            crawl.extend(response("http://a/", head, body.as_bytes()));
        }
        let (_, documents, _) = gathered(&[("a.warc", &crawl)], &CollectSettings::default());
        let found: Vec<&str> = documents.iter().map(|page| page.text.as_str()).collect();
        prop_assert_eq!(found, pages.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
