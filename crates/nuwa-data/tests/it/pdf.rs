use std::io::Write;

use nuwa_data::collect::CollectSettings;

use crate::archives::gathered;
use crate::{collected, folder, shown};

/// A PDF with a page for each stream of drawing commands, compressed.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (page, commands) in pages.iter().enumerate() {
        let content = 5 + 2 * page;
        let head =
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>";
        objects.push(format!("{head} /Contents {content} 0 R >>").into_bytes());
        objects.push(stream(commands.as_bytes()));
    }
    objects.push(b"<< /Title (A \\(small\\) file) /CreationDate (D:20240501120000Z) >>".to_vec());
    assemble(&objects)
}

fn stream(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    let bytes = encoder.finish().unwrap();
    let head = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", bytes.len());
    [head.as_bytes(), &bytes, b"\nendstream"].concat()
}

fn assemble(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (at, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{} 0 obj\n", at + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    let (size, info) = (objects.len() + 1, objects.len());
    file.extend(table.bytes());
    let trailer =
        format!("trailer << /Size {size} /Root 1 0 R /Info {info} 0 R >>\nstartxref\n{start}\n%%EOF\n");
    file.extend(trailer.bytes());
    file
}

#[test]
fn a_pdf_gives_its_text() {
    let first = "BT /F1 12 Tf 72 720 Td (A line with an exam-) Tj 0 -14 Td (ple and a) Tj ( gr\\374n word.) Tj \
                 0 -14 Td [(Two) -300 (wo) 20 (rds)] TJ 0 -40 Td (A new paragraph.) Tj ET";
    let second = "BT /F1 9 Tf 1 0 0 1 72 700 Tm (Page) Tj 1 0 0 1 100 700 Tm (two) Tj ET";
    let (summary, documents, _) = gathered(&[("a.pdf", &pdf(&[first, second]))], &CollectSettings::default());
    let text = "A line with an example and a grün word.\nTwo words\n\nA new paragraph.\n\nPage two";
    assert_eq!((documents.len(), documents[0].text.as_str()), (1, text));
    let meta = |name: &str| documents[0].meta[name].as_str().unwrap();
    assert_eq!(
        (meta("format"), meta("title"), meta("date")),
        ("pdf", "A (small) file", "2024-05-01T12:00:00")
    );
    assert_eq!(summary.formats["pdf"], 1);
}

#[test]
fn a_pdf_without_text_says_why() {
    let failure = |bytes: &[u8]| {
        let folder = folder(&[("a.pdf", bytes)]);
        let error = collected(&[folder.path().join("a.pdf")], &CollectSettings::default()).unwrap_err();
        shown(&error, folder.path())
    };
    let bomb = format!("BT /F1 12 Tf (x) Tj ET {}", " ".repeat((1 << 28) + 1));
    let all =
        [failure(&pdf(&["0 0 m 10 10 l S"])), failure(b"%PDF-1.4 and no more"), failure(&pdf(&[&bomb]))];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/a.pdf is not text but a PDF of pictures, without text
    hint: make a text of it with another program first
    cannot read DIR/a.pdf: it is no PDF, or damaged
    hint: the file is damaged or cut short; fetch it again
    DIR/a.pdf is not text but a PDF that expands beyond measure
    hint: make a text of it with another program first
    "#);
}
