//! Files that ask for more than they are worth, or lead elsewhere: refused, named and counted, and the others unharmed.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use nuwa_collect::{CollectSettings, CollectSummary};

use crate::archives::{gathered, gz, response, tar, zip};
use crate::pdf::{pdf_with, stream_of, stream_with};
use crate::{collected, folder, shown};

const MIB: usize = 1 << 20;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What becomes of a folder of this file and another one, whose text is all that is kept.
fn refused(name: &str, bytes: &[u8]) -> CollectSummary {
    let (summary, documents, _) =
        gathered(&[(name, bytes), ("z.txt", b"unharmed")], &CollectSettings::default());
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(texts, ["unharmed"], "{name}");
    summary
}

/// Codes of LZW that double nothing and grow all the same: each names what the one before named, and a blank more.
fn lzw(rounds: usize) -> Vec<u8> {
    let mut codes: Vec<(u32, u32)> = Vec::new();
    for _ in 0..rounds {
        codes.extend([(256, if codes.is_empty() { 9 } else { 12 }), (32, 9)]);
        codes.extend((258..4094_u32).map(|code| (code, (code + 1).ilog2().max(8) + 1)));
    }
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u64, 0);
    for (code, width) in codes {
        (held, bits) = ((held << width | u64::from(code)) & 0xff_ffff_ffff, bits + width);
        while bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes.push((held << (8 - bits)) as u8);
    bytes
}

/// A PDF with one page, which names streams.
fn pdf(streams: &[Vec<u8>]) -> Vec<u8> {
    pdf_with("<< >>", streams, &["BT (text) Tj ET"])
}

#[test]
fn a_pdf_expands_no_further_than_its_budget_through_all_of_its_filters() {
    let blanks = zlib(&vec![b' '; 70 * MIB]);
    let runs: Vec<u8> = [129, b' '].repeat(600_000);
    let part = stream_with("", &vec![b' '; 10 * MIB]);
    for (name, streams) in [
        ("one large stream", vec![stream_of("/Filter /FlateDecode", &blanks)]),
        ("Flate in Flate", vec![stream_of("/Filter [/FlateDecode /FlateDecode]", &zlib(&blanks))]),
        ("runs in Flate", vec![stream_of("/Filter [/Fl /RunLengthDecode]", &zlib(&runs))]),
        ("LZW", vec![stream_of("/Filter /LZWDecode", &lzw(10))]),
        ("escaped names", vec![stream_of("/Fil#74er [/Flate#44ecode /F#6c]", &zlib(&blanks))]),
        ("many streams", vec![part; 40]),
    ] {
        let summary = refused("a.pdf", &pdf(&streams));
        assert_eq!(summary.skipped_reasons["a PDF that expands beyond measure"], 1, "{name}");
    }
}

#[test]
fn large_pictures_in_a_pdf_are_not_even_looked_at() {
    let picture = stream_with("/Type /XObject /Subtype /Image /Width 9", &vec![0; 70 * MIB]);
    let (_, documents, _) = gathered(&[("a.pdf", &pdf(&[picture]))], &CollectSettings::default());
    assert_eq!(documents[0].text, "text");
}

#[test]
fn a_font_that_makes_a_page_of_each_letter_is_refused() {
    let table = format!("1 beginbfchar <41> <{}> endbfchar", "0041".repeat(200));
    let font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 4 0 R >>".to_vec();
    let page = format!("BT /F1 1 Tf ({}) Tj ET", "A".repeat(100_000));
    let file = pdf_with("<< /Font << /F1 3 0 R >> >>", &[font, stream_with("", table.as_bytes())], &[&page]);
    assert_eq!(refused("a.pdf", &file).skipped_reasons["a PDF that expands beyond measure"], 1);
}

#[test]
fn pages_of_a_crawl_that_expand_too_far_are_named_and_all_of_them_count() {
    let page = |size: usize| {
        let head = "200 OK\r\nContent-Type: text/html\r\nContent-Encoding: zstd";
        response("http://a/", head, &zstd::encode_all(&vec![0; size * MIB][..], 1).unwrap())
    };
    let summary = refused("a.warc", &page(70));
    assert_eq!(summary.skipped_records["a page that expands to more than 64 MiB"], 1);
    let summary = refused("a.warc", &page(60).repeat(6));
    assert_eq!(summary.skipped_reasons["expands too far for its size"], 1);
}

/// Puts members, named, into an archive.
type Archive<'a> = &'a dyn Fn(&[(&str, &[u8])]) -> Vec<u8>;

#[test]
fn archives_too_deep_are_called_so() {
    let nested = |name: &str, wrap: Archive<'_>| {
        (0..5).fold(b"text".to_vec(), |inner, depth| {
            let member = if depth == 0 { "a.txt".to_string() } else { format!("{depth}.{name}") };
            wrap(&[(&member, &inner)])
        })
    };
    let packed_tar = |members: &[(&str, &[u8])]| gz(&tar(members));
    for (name, file) in
        [("zip", nested("zip", &zip)), ("tar", nested("tar", &tar)), ("tgz", nested("tgz", &packed_tar))]
    {
        let summary = refused(&format!("a.{name}"), &file);
        assert_eq!(summary.skipped_reasons["an archive too deep within archives"], 1, "{name}");
    }
    let folder = folder(&[("a.zip", &nested("zip", &zip))]);
    let error = collected(&[folder.path().join("a.zip")], &CollectSettings::default()).unwrap_err();
    insta::assert_snapshot!(shown(&error, folder.path()), @r"
    DIR/a.zip holds no text that can be read (1 an archive too deep within archives)
    hint: to go deeper: collect.nested_archives=10
    ");
}

#[test]
fn mails_with_thousands_of_numbered_parameters_are_left_out() {
    let mail = |pieces: usize| {
        let pieces: String = (0..pieces).map(|piece| format!(";\n name*{piece}=\"{piece}\"")).collect();
        format!("From: a@b.c\nSubject: s\nContent-Type: text/plain{pieces}\n\nA mail of some words.\n")
    };
    let (_, documents, _) = gathered(&[("a.eml", mail(20).as_bytes())], &CollectSettings::default());
    assert_eq!(documents[0].text.trim(), "A mail of some words.");
    let summary = refused("a.eml", mail(5000).as_bytes());
    assert_eq!(summary.skipped_records["a mail with too many numbered parameters"], 1);
}

#[cfg(unix)]
#[test]
fn links_lead_out_of_a_folder_only_where_that_is_wanted() {
    use std::os::unix::fs::symlink;

    let secrets = folder(&[("secret.txt", b"a secret"), ("more/secret.txt", b"another one")]);
    let folder = folder(&[("a.txt", b"a text"), ("below/b.txt", b"another text")]);
    let link = |to: &std::path::Path, name: &str| symlink(to, folder.path().join(name)).unwrap();
    link(&secrets.path().join("secret.txt"), "file.txt");
    link(&secrets.path().join("more"), "folder");
    link(&folder.path().join("below/b.txt"), "within.txt");
    link("..".as_ref(), "below/up");
    link("/dev/zero".as_ref(), "zero.txt");
    let gathered = |settings: &CollectSettings| {
        let out = tempfile::tempdir().unwrap();
        let summary =
            nuwa_collect::collect(&[folder.path().into()], out.path(), settings, &mut |_| {}).unwrap();
        (summary.documents, summary.skipped_reasons)
    };
    let (documents, skipped) = gathered(&CollectSettings::default());
    assert_eq!(documents, 3);
    assert_eq!(skipped["a link that leads out of the folder"], 3);
    let (documents, skipped) = gathered(&CollectSettings { follow_links: true, ..Default::default() });
    assert_eq!(documents, 5);
    assert_eq!(skipped["not a regular file"], 1);

    let only = tempfile::tempdir().unwrap();
    symlink(secrets.path().join("secret.txt"), only.path().join("a.txt")).unwrap();
    let error = collected(&[only.path().into()], &CollectSettings::default()).unwrap_err();
    insta::assert_snapshot!(shown(&error, only.path()), @r"
    DIR holds no text that can be read (1 a link that leads out of the folder)
    hint: to follow links out of the folder: collect.follow_links=true
    ");
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_passed_over() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = folder(&[("a.txt", b"a text"), ("below/b.txt", b"b"), ("c.txt", b"c")]);
    let allow =
        |name: &str, mode| fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode));
    ["below", "c.txt"].iter().for_each(|name| allow(name, 0).unwrap());
    if fs::read_dir(folder.path().join("below")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let settings = CollectSettings::default();
    let summary = nuwa_collect::collect(&[folder.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    ["below", "c.txt"].iter().for_each(|name| allow(name, 0o700).unwrap());
    assert_eq!(summary.documents, 1);
    let reasons: Vec<&str> = summary.skipped_reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["a folder that may not be read", "may not be read"]);
}
