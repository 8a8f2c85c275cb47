use std::io::Write;

use nuwa_collect::CollectSettings;

use crate::archives::gathered;
use crate::{collected, folder, shown};

const HELVETICA: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";

/// A PDF with a page for each stream of drawing commands, compressed.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    pdf_with("<< /Font << /F1 3 0 R >> >>", &[HELVETICA.into()], pages)
}

/// The same with resources of its own; the objects they name are counted from the third.
pub fn pdf_with(resources: &str, named: &[Vec<u8>], pages: &[&str]) -> Vec<u8> {
    pdf_of("/Pages 2 0 R", resources, named, pages)
}

fn pdf_of(catalog: &str, resources: &str, named: &[Vec<u8>], pages: &[&str]) -> Vec<u8> {
    let first = 3 + named.len();
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", first + 2 * page)).collect();
    let tree = format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len());
    let mut objects = vec![format!("<< /Type /Catalog {catalog} >>").into_bytes(), tree.into_bytes()];
    objects.extend_from_slice(named);
    for (page, commands) in pages.iter().enumerate() {
        let content = first + 1 + 2 * page;
        let head = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]";
        objects.push(format!("{head} /Resources {resources} /Contents {content} 0 R >>").into_bytes());
        objects.push(stream(commands.as_bytes()));
    }
    objects.push(b"<< /Title (A \\(small\\) file) /CreationDate (D:20240501120000Z) >>".to_vec());
    assemble(&objects)
}

fn stream(bytes: &[u8]) -> Vec<u8> {
    stream_with("", bytes)
}

pub fn stream_with(entries: &str, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    stream_of(&format!("{entries} /Filter /FlateDecode"), &encoder.finish().unwrap())
}

/// A stream of these bytes, with what its dictionary says besides their number.
pub fn stream_of(entries: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("<< {entries} /Length {} >>\nstream\n", bytes.len());
    [head.as_bytes(), bytes, b"\nendstream"].concat()
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
    hint: if it is no bomb, allow more: collect.effort=10
    "#);
}

/// The text of a page written with one font, which may name objects from the fourth on.
fn written(font: &str, others: &[Vec<u8>], commands: &str) -> String {
    let mut named = vec![font.as_bytes().to_vec()];
    named.extend_from_slice(others);
    let page = format!("BT /F1 10 Tf 72 720 Td {commands} ET");
    let file = pdf_with("<< /Font << /F1 3 0 R >> >>", &named, &[&page]);
    gathered(&[("a.pdf", &file)], &CollectSettings::default()).1[0].text.clone()
}

#[test]
fn each_way_to_encode_characters_is_read() {
    let simple = |rest: &str, text: &str| {
        let font = format!("<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman {rest} >>");
        written(&font, &[], &format!("({text}) Tj"))
    };
    assert_eq!(simple("/Encoding /MacRomanEncoding", "gr\\237n"), "grün");
    assert_eq!(simple("", "\\252A\\272 \\256 \\373"), "“A” ﬁ ß");
    let differences = "/Encoding << /Differences [65 /afii10017 /uni20AC 200 /Lslash /f_i /g17] >>";
    assert_eq!(simple(differences, "AB\\310\\311\\312C"), "А€ŁfiC");
    let symbol = "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>";
    assert_eq!(written(symbol, &[], "(a \\336 b) Tj"), "α ⇒ β");
}

#[test]
fn fonts_of_many_characters_are_read() {
    let font = |encoding: &str, more: &str| {
        let inner = "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /A /CIDSystemInfo \
                     << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>";
        format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /{encoding} {more} /DescendantFonts [{inner}] >>"
        )
    };
    assert_eq!(written(&font("GBK-EUC-H", ""), &[], "<C4E3BAC3 CAC0BDE7> Tj"), "你好世界");
    assert_eq!(written(&font("UniGB-UCS2-H", ""), &[], "<4F60597D> Tj"), "你好");
    let down = "<4F60597D> Tj 1 0 0 1 60 720 Tm <4E16754C> Tj";
    assert_eq!(written(&font("UniGB-UCS2-V", ""), &[], down), "你好\n世界");
    let map =
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfchar <0007> <00660069> endbfchar \
                1 beginbfrange <0010> <0012> <0041> endbfrange";
    let text = written(&font("Identity-H", "/ToUnicode 4 0 R"), &[stream(map)], "<0007001000110012> Tj");
    assert_eq!(text, "fiABC");
}

#[test]
fn the_encoding_of_a_font_program_is_read() {
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /ABCDEF+Own /FontDescriptor << /FontFile 4 0 R >> \
                /FirstChar 1 /Widths [500 500 500] >>";
    let program = b"%!PS-AdobeFont-1.0\n/Encoding 256 array\n0 1 255 {1 index exch /.notdef put} for\n\
                    dup 1/alpha put dup 8#2 /eacute put\ndup 3 /ffi put readonly def\ncurrentfile eexec dup 1 /A put";
    assert_eq!(written(font, &[stream(program)], "<010203> Tj"), "αéﬃ");
}

#[test]
fn forms_are_read_and_layers_that_are_off_are_not() {
    let form =
        |commands: &str| stream_with("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", commands.as_bytes());
    let named = [
        HELVETICA.into(),
        form("BT /F1 10 Tf 72 700 Td (inside) Tj ET"),
        b"<< /Type /OCG /Name (no) >>".to_vec(),
    ];
    let resources = "<< /Font << /F1 3 0 R >> /XObject << /X 4 0 R >> /Properties << /P 5 0 R >> >>";
    let page = "BT /F1 10 Tf 72 720 Td (outside) Tj ET q /X Do Q /OC /P BDC BT /F1 10 Tf 72 600 Td (hidden) Tj ET EMC";
    let text = |catalog| {
        let file = pdf_of(catalog, resources, &named, &[page]);
        gathered(&[("a.pdf", &file)], &CollectSettings::default()).1[0].text.clone()
    };
    assert_eq!(text("/Pages 2 0 R"), "outside\n\ninside\n\nhidden");
    let off = "/Pages 2 0 R /OCProperties << /OCGs [5 0 R] /D << /OFF [5 0 R] >> >>";
    assert_eq!(text(off), "outside\n\ninside");
}

#[test]
fn forms_that_draw_others_a_million_times_are_refused() {
    let form = |next: usize| {
        let entries = format!(
            "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {next} 0 R >> >>"
        );
        stream_with(&entries, "/X Do ".repeat(100).as_bytes())
    };
    let forms: Vec<_> = (4..10).map(form).collect();
    let file = pdf_with("<< /XObject << /X 3 0 R >> >>", &forms, &["/X Do"]);
    let folder = folder(&[("a.pdf", &file)]);
    let error = collected(&[folder.path().join("a.pdf")], &CollectSettings::default()).unwrap_err();
    assert!(error.to_string().ends_with("a PDF that expands beyond measure"), "{error}");
}
