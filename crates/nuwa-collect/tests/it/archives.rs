//! Formats that hold many documents: zip, tar, mailboxes, WARC.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use nuwa_collect::{CollectSettings, CollectSummary, collect};
use nuwa_files::Document;
use nuwa_files::documents;
use zip::write::SimpleFileOptions;

use crate::{collected, folder, shared, shown};

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a folder of these files gives.
pub fn gathered(
    files: &[(&str, &[u8])],
    settings: &CollectSettings,
) -> (CollectSummary, Vec<Document>, tempfile::TempDir) {
    let folder = folder(files);
    let out = tempfile::tempdir().unwrap();
    let summary = collect(&[folder.path().into()], out.path(), settings, &mut |_| {}).unwrap();
    let documents = documents::read(out.path()).unwrap().map(Result::unwrap).collect();
    let left: Vec<_> =
        std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name != "collect.json.tmp" && !name.to_string_lossy().starts_with(".tmp"))
    );
    (summary, documents, folder)
}

fn ids_and_texts(documents: &[Document]) -> Vec<(&str, &str)> {
    documents.iter().map(|document| (document.id.as_str(), document.text.as_str())).collect()
}

#[test]
fn members_of_archives_are_read_like_files() {
    let long = format!("{}/five.txt", "a long name/".repeat(20));
    let inner = zip(&[("four.txt", b"four")]);
    let zipped = zip(&[
        ("one.txt", b"one"),
        ("b/two.jsonl.gz", &gz(b"{\"text\":\"two\",\"n\":2}\n")),
        ("b/.hidden.txt", b"x"),
        ("picture.png", b"x"),
        ("three.md", b" "),
        ("inner.zip", &inner),
    ]);
    let tarred = gz(&tar(&[(&long, b"five"), ("six.html", b"<p>six")]));
    let files = [("a.zip", &zipped[..]), ("b.tgz", &tarred[..])];
    let (summary, documents, folder) = gathered(&files, &CollectSettings::default());
    let five = format!("b.tgz!{long}");
    let expected = [
        ("a.zip!one.txt", "one"),
        ("a.zip!b/two.jsonl.gz#1", "two"),
        ("a.zip!inner.zip!four.txt", "four"),
        (&five, "five"),
        ("b.tgz!six.html", "<p>six"),
    ];
    assert_eq!(ids_and_texts(&documents), expected);
    assert_eq!(documents[0].source, format!("{}/a.zip!one.txt", folder.path().display()));
    assert_eq!((summary.files, summary.skipped_files), (5, 3));
    let reasons: Vec<&str> = summary.skipped_reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, [".png is not a known ending", "empty", "hidden"]);
}

#[test]
fn a_named_archive_needs_no_ending() {
    let files = folder(&[("x", &zip(&[("one.txt", b"one")])), ("y", &gz(&tar(&[("two.txt", b"two")])))]);
    let paths = [files.path().join("x"), files.path().join("y")];
    let documents = collected(&paths, &CollectSettings::default()).unwrap();
    assert_eq!(ids_and_texts(&documents), [("x!one.txt", "one"), ("y!two.txt", "two")]);
}

#[test]
fn large_members_go_through_a_copy() {
    let line = format!("{{\"text\":\"{}\"}}\n", "word ".repeat(200));
    let lines = line.repeat(6000);
    let table = zip(&[("lines.jsonl", lines.as_bytes())]);
    let files = [("a.tar", &tar(&[("inner.zip", &table), ("lines.jsonl.gz", &gz(lines.as_bytes()))])[..])];
    let (summary, ..) = gathered(&files, &CollectSettings::default());
    assert_eq!((summary.documents, summary.files), (12_000, 2));
}

const MAIL: &str = "\
Return-Path: <ada@example.org>
From: =?utf-8?q?Ad=C3=A1?= <ada@example.org>
To: bob@example.org
Subject: =?iso-8859-1?q?Gr=FC=DFe?=
Date: Thu, 22 Aug 2002 13:17:22 +0200
Content-Type: multipart/alternative; boundary=B

--B
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=\n=DFe
--B
Content-Type: text/html; charset=utf-8

<p>Schöne Grüße
--B--
";

#[test]
fn a_mail_gives_its_text() {
    let html = "From: x@example.org\nContent-Type: text/html; charset=gbk\nContent-Transfer-Encoding: base64\n\nPHA+xOO6w9bQzsQ=\n";
    let (summary, documents, _) =
        gathered(&[("a.eml", MAIL.as_bytes()), ("b.eml", html.as_bytes())], &CollectSettings::default());
    let mail = &documents[0];
    assert_eq!(mail.text.trim_end(), "Schöne Grüße");
    let meta = |name: &str| mail.meta[name].as_str().unwrap();
    assert_eq!((meta("subject"), meta("from")), ("Grüße", "Adá <ada@example.org>"));
    assert_eq!((meta("date"), meta("format")), ("2002-08-22T13:17:22+02:00", "mail"));
    assert_eq!((documents[1].text.as_str(), &documents[1].meta["format"]), ("<p>你好中文", &"html".into()));
    assert_eq!(summary.formats["mail"], 2);
}

#[test]
fn a_mailbox_gives_its_mails() {
    let mailbox = format!(
        "From ada Thu Aug 22 13:17:22 2002\nSubject: one\n\nFirst.\n>From here on\nFrom the start\n\nFrom bob Fri Aug 23 08:01:00 2002\n{MAIL}\n\
         From carl Sat Aug 24 08:01:00 2002\nSubject: none\n\n\n\nFrom dora Sun Aug 25 08:01:00 2002\nSubject: last\n\n{}\n",
        "long ".repeat(40_000)
    );
    let (summary, documents, _) = gathered(&[("box.mbox", mailbox.as_bytes())], &CollectSettings::default());
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[0].text.trim_end(), "First.\nFrom here on\nFrom the start");
    assert_eq!((documents[1].id.as_str(), documents[1].text.trim_end()), ("box.mbox#2", "Schöne Grüße"));
    assert_eq!((documents[2].id.as_str(), documents[2].text.trim_end().len()), ("box.mbox#4", 199_999));
    assert_eq!(summary.skipped_records["a mail without text"], 1);
}

#[test]
fn real_mails_are_read() {
    let Some(mails) = shared("messy/spamassassin/easy-ham-1") else { return };
    let mails: Vec<_> = std::fs::read_dir(mails).unwrap().map(|entry| entry.unwrap().path()).collect();
    let read = |(number, path): (usize, &PathBuf)| (format!("{number}.eml"), std::fs::read(path).unwrap());
    let files: Vec<(String, Vec<u8>)> = mails.iter().enumerate().map(read).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let (summary, documents, _) = gathered(&files, &CollectSettings::default());
    let count = mails.len() as u64;
    assert_eq!(summary.documents + summary.skipped_records.values().sum::<u64>(), count);
    let known = |name: &str| documents.iter().filter(|mail| mail.meta.contains_key(name)).count();
    let all = documents.len();
    assert!(all as u64 > count * 99 / 100, "{summary:?}");
    assert!(known("subject") > all * 95 / 100 && known("from") == all && known("date") > all * 95 / 100);
    assert!(documents.iter().all(|mail| !mail.text.contains("Content-Transfer-Encoding: quoted")));
}

fn record(kind: &str, fields: &str, block: &[u8]) -> Vec<u8> {
    let head = format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-01T00:00:00Z\r\n{fields}Content-Length: {}\r\n\r\n",
        block.len()
    );
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

pub fn response(address: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!("WARC-Target-URI: {address}\r\nContent-Type: application/http;msgtype=response\r\n");
    record("response", &fields, &[format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat())
}

#[test]
fn a_crawl_gives_its_pages() {
    let gbk = encoding_rs::GBK.encode("<p>静以修身").0.into_owned();
    let chunked = b"4;x=1\r\n<p>f\r\n3\r\nour\r\n0\r\n\r\n";
    let records = [
        record("warcinfo", "", b"software: test"),
        response("http://a/1", "200 OK\r\nContent-Type: text/html", b"<p>one"),
        response("http://a/2", "404 Not Found\r\nContent-Type: text/html", b"<p>gone"),
        response("http://a/3", "200 OK\r\nContent-Type: text/html; charset=gbk", &gbk),
        response("http://a/4", "200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked", chunked),
        response(
            "http://a/5",
            "200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip",
            &gz(b"<p>five"),
        ),
        response("http://a/6", "200 OK\r\nContent-Type: image/png", b"\x89PNG"),
        record("resource", "WARC-Target-URI: <http://a/7>\r\nContent-Type: text/plain\r\n", b"seven"),
    ];
    // Each record is a gzip member of its own, as crawls are stored.
    let archive: Vec<u8> = records.iter().flat_map(|record| gz(record)).collect();
    let wet = record(
        "conversion",
        "WARC-Target-URI: http://b/1\r\nWARC-Identified-Content-Language: zho\r\nContent-Type: text/plain\r\n",
        "静以修身".as_bytes(),
    );
    let files = [("crawl.warc.gz", &archive[..]), ("text.warc.wet", &wet[..])];
    let (summary, documents, folder) = gathered(&files, &CollectSettings::default());
    let pages: Vec<_> = documents
        .iter()
        .map(|page| (page.source.as_str(), page.text.as_str(), page.meta["format"].as_str().unwrap()))
        .collect();
    let expected = [
        ("http://a/1", "<p>one", "html"),
        ("http://a/3", "<p>静以修身", "html"),
        ("http://a/4", "<p>four", "html"),
        ("http://a/5", "<p>five", "html"),
        ("http://a/7", "seven", "text"),
        ("http://b/1", "静以修身", "text"),
    ];
    assert_eq!(pages, expected);
    assert_eq!(
        (documents[0].id.as_str(), &documents[0].meta["date"]),
        ("crawl.warc.gz#2", &"2024-05-01T00:00:00Z".into())
    );
    assert_eq!(documents[5].lang.as_deref(), Some("zh"));
    let archive = folder.path().join("crawl.warc.gz").display().to_string();
    assert_eq!(documents[0].meta["archive"], archive.as_str());
    let left_out: Vec<_> =
        summary.skipped_records.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(left_out, [("a record that is not text", 1), ("a response other than 200", 1)]);
}

#[test]
fn what_the_server_said_of_a_page_is_kept() {
    let told = "200 OK\r\nContent-Type: text/html\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Language: de\r\nLink: <http://a/b,c>; rel=next, <http://cc/by>; title=\"x\"; rel=\"License nofollow\"";
    let untold = "200 OK\r\nContent-Type: text/plain\r\nLast-Modified: yesterday\r\nContent-Language: de, en\r\n\
        Link: <http://a/license>; rel=next\r\nLink: nothing";
    let archive = [
        response("http://a/1", told, b"<p>one"),
        response("http://a/2", told, b"<html lang=fr><meta name=dcterms.modified content=2001-02-03><p>two"),
        response("http://a/3", untold, b"three"),
    ];
    let (_, documents, _folder) = gathered(&[("a.warc", &archive.concat()[..])], &CollectSettings::default());
    let names = ["modified", "declared_language", "license"];
    let facts: Vec<_> = documents
        .iter()
        .map(|page| names.map(|name| page.meta.get(name).map(|value| value.as_str().unwrap())))
        .collect();
    let expected = [
        [Some("1994-11-06T08:49:37Z"), Some("de"), Some("http://cc/by")],
        [Some("2001-02-03"), Some("fr"), Some("http://cc/by")],
        [None, None, None],
    ];
    assert_eq!(facts, expected);
}

#[test]
fn damaged_archives_say_so() {
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() * 2 / 3].to_vec();
    let page = response("http://a/1", "200 OK\r\nContent-Type: text/html", &b"<p>one".repeat(100));
    let cases = [
        ("a.zip", cut(zip(&[("one.txt", b"one"), ("two.txt", b"two")]))),
        ("a.tar", cut(tar(&[("one.txt", &b"one".repeat(1000))]))),
        ("a.warc", cut([page.clone(), page].concat())),
        ("b.warc", b"no archive at all".to_vec()),
    ];
    let messages: Vec<String> = cases
        .iter()
        .map(|(name, bytes)| {
            let folder = folder(&[(name, bytes)]);
            let error = collected(&[folder.path().join(name)], &CollectSettings::default()).unwrap_err();
            shown(&error, folder.path())
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    cannot read DIR/a.zip: invalid Zip archive: Could not find EOCD
    hint: the file is damaged or cut short; fetch it again
    cannot read DIR/a.tar: unexpected EOF during skip
    hint: the file is damaged or cut short; fetch it again
    cannot read DIR/a.warc: unexpected end of file
    hint: the file is damaged or cut short; fetch it again
    cannot read DIR/b.warc: a record does not begin with its version, as in WARC/1.0
    hint: the file is damaged or cut short; fetch it again
    "#);
}
