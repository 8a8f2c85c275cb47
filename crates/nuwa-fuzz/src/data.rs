//! What the rooms of data read: every format that is collected, pages, sites, shards, classifiers, and texts of any kind.

use std::io::Cursor;
use std::sync::LazyLock;

use nuwa_clean::{CleanSettings, DocumentStep, Preset, Step, Verdict};
use nuwa_collect::crawl::{CrawlSettings, Crawler};
use nuwa_collect::{BadLines, CollectSettings, Fetch, FetchError, Request, Response, collect};
use nuwa_files::Document;
use nuwa_shards::{Part, Shards};
use nuwa_text::classify::Classifier;

use crate::Target;
use crate::files::{Files, chosen, joined, parts};

pub const TARGETS: &[Target] = &[
    Target { name: "classifier", run: classifier, seeds: classifiers },
    Target { name: "collect", run: formats, seeds: samples },
    Target { name: "crawl", run: crawl, seeds: sites },
    Target { name: "html", run: html, seeds: pages },
    Target { name: "language", run: language, seeds: texts },
    Target { name: "shards", run: shards, seeds: shard_files },
    Target { name: "steps", run: steps, seeds: texts },
];

/// A classifier's file.
fn classifier(bytes: &[u8]) {
    let files = Files::new(&[("a.classifier", bytes)]);
    if let Ok(classifier) = Classifier::load(&files.path("a.classifier")) {
        classifier.probability("The potter put the jar on the wheel.");
    }
}

fn classifiers() -> Vec<Vec<u8>> {
    let head: [&[u8]; 3] = [b"NUWACLS\0", &2_u32.to_le_bytes(), &3_u32.to_le_bytes()];
    vec![[head.concat(), 0.5_f32.to_le_bytes().repeat(12)].concat()]
}

const ENDINGS: [&str; 20] = [
    "txt", "html", "jsonl", "csv", "tsv", "eml", "mbox", "warc", "wet", "zip", "tar", "parquet", "pdf", "gz",
    "json", "docx", "odt", "epub", "md", "pptx",
];

/// Every format that is collected; the first byte chooses which.
fn formats(bytes: &[u8]) {
    let Some((ending, bytes)) = chosen(bytes, ENDINGS.len()) else { return };
    let name = format!("a.{}", ENDINGS[ending]);
    let files = Files::new(&[(&name, bytes)]);
    let settings = CollectSettings { bad_lines: BadLines::Skip, ..CollectSettings::default() };
    let _ = collect(&[files.path(&name)], &files.folder().join("out"), &settings, &mut |_| {});
}

fn samples() -> Vec<Vec<u8>> {
    let mail = "From: a@example.org\nSubject: =?utf-8?q?x?=\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain\n\nbody\n--B--\n";
    let warc = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/1\r\nContent-Type: application/http; msgtype=response\r\n\
        Content-Length: 56\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>one</p>\r\n\r\n\r\n";
    let pdf = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n\
        4 0 obj<</Length 35>>stream\nBT /F1 12 Tf 72 720 Td (one) Tj ET\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF";
    let mailbox = format!("From a\n{mail}\nFrom b\n{mail}");
    let of = |ending: &str, text: &str| {
        let place = ENDINGS.iter().position(|own| *own == ending).unwrap_or_default();
        [&[place as u8], text.as_bytes()].concat()
    };
    vec![
        of("txt", "one\n%\ntwo\n%\nthree\n%\n"),
        of("html", "<html><p>one</p>"),
        of("jsonl", "{\"text\":\"one\",\"lang\":\"en\"}\n{\"text\":\"two\"}\n"),
        of("json", "[{\"text\": \"one\"}, {\"text\": \"\\ud83d\", \"n\": NaN}]"),
        of("csv", "text,by\n\"one\",A\n"),
        of("tsv", "text\tby\none\t\"A\n"),
        of("eml", mail),
        of("mbox", &mailbox),
        of("warc", warc),
        of("pdf", pdf),
    ]
}

struct Site<'a>(Vec<&'a [u8]>);

impl Fetch for Site<'_> {
    fn get(&self, request: &Request) -> Result<Response, FetchError> {
        let place = match request.url.as_str() {
            url if url.ends_with("/robots.txt") => 0,
            url if url.ends_with("/sitemap.xml") => 1,
            url => 2 + url.len() % 4,
        };
        let body = self.0.get(place).copied().unwrap_or_default();
        let header = String::from_utf8_lossy(body.get(..20).unwrap_or_default()).into_owned();
        let headers =
            ["X-Robots-Tag", "Location", "Retry-After"].map(|name| (name.to_string(), header.clone()));
        let status = if body.first() == Some(&b'3') { 301 } else { 200 };
        Ok(Response { status, headers: headers.to_vec(), body: Box::new(Cursor::new(body.to_vec())) })
    }
}

/// A site whose robots.txt, sitemap and pages are any bytes; parts are divided by a zero byte.
fn crawl(bytes: &[u8]) {
    let site = Site(bytes.split(|byte| *byte == 0).collect());
    let settings = CrawlSettings { max_pages: 8, ..CrawlSettings::default() };
    let crawler = Crawler { fetch: &site, wait: &|_| {}, settings: &settings };
    let files = Files::new(&[]);
    let _ = crawler.crawl("https://site.test/a/b", files.folder(), false, &mut |_| {});
}

fn sites() -> Vec<Vec<u8>> {
    let robots =
        "User-agent: *\nDisallow: /x*$\nAllow: /\nCrawl-delay: 1\nSitemap: https://site.test/sitemap.xml\n";
    let map = "<urlset><url><loc>https://site.test/a/bc</loc></url></urlset>";
    let index = "<sitemapindex><sitemap><loc>https://site.test/sitemap.xml</loc></sitemap></sitemapindex>";
    let page =
        "<html><head><base href=\"/a/\"></head><a href=\"b\">one</a><a href=\"//site.test/a/?q=1#x\">two</a>";
    vec![
        [robots, map, page, page, page, page].join("\0").into(),
        [robots, index, page, "301 /a/", page, page].join("\0").into(),
    ]
}

/// HTML: the tree, the article, its text.
fn html(bytes: &[u8]) {
    let page = String::from_utf8_lossy(bytes);
    nuwa_collect::html::article(&page);
    nuwa_collect::html::visible_text(&page);
}

fn pages() -> Vec<Vec<u8>> {
    let page = "<!doctype html><html><head><title>t</title><script>var a = '<b>';</script></head><body><div class=nav><a href=/>home</a></div>\
        <article><h1>A &amp; B&#x4e2d;</h1><p>The potter put the jar on the wheel, <i>slowly</i>.<p>And took it off.</article>\
        <table><tr><td>1<td>2</table><!-- c --><pre> x\n y</pre><ul><li>one<li>two</ul></body></html>";
    vec![page.into()]
}

/// Which language a text is in.
fn language(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    nuwa_text::language::identify(&text, 1, 0.1);
    nuwa_text::language::identify(&text, 24, 0.6);
}

fn texts() -> Vec<Vec<u8>> {
    vec![
        "The potter put the jar on the wheel. Call +49 30 1234567 or write to a.b@example.org, card 4111 1111 1111 1111.\n".into(),
        "\u{4e2d}\u{6587}\u{7684}\u{4e00}\u{53e5}\u{8bdd}\u{3002} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} :-) \u{1b}[31mred\u{1b}[0m e\u{301}\n".into(),
    ]
}

/// Token shards: the first part is the shard, the second its index.
fn shards(bytes: &[u8]) {
    let [shard, index] = parts(bytes);
    let files = Files::new(&[("train-00000.bin", shard), ("train-00000.idx", index)]);
    if let Ok(shards) = Shards::open(files.folder(), Part::Train) {
        let tokens = shards.tokens();
        let mut ids = vec![0; tokens.min(64) as usize];
        let _ = shards.read(0, &mut ids);
        if let Ok(ends) = shards.ends_in(0, tokens) {
            ends.for_each(drop);
        }
    }
}

fn shard_files() -> Vec<Vec<u8>> {
    let header: Vec<u8> = [20_240_520_i32, 1, 6].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut shard = header;
    shard.resize(1024, 0);
    shard.extend([1_u16, 2, 3, 4, 5, 6].iter().flat_map(|token| token.to_le_bytes()));
    let numbers: Vec<u8> = [1_u64, 4, 9, 9, 6, 8, 8].iter().flat_map(|number| number.to_le_bytes()).collect();
    let index = [b"NUWAIDX\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0", &numbers[8..]].concat();
    vec![joined(&[&shard, &index])]
}

static CHAIN: LazyLock<Vec<Box<dyn DocumentStep>>> = LazyLock::new(|| {
    let settings = CleanSettings { preset: Preset::Web, ..CleanSettings::default() };
    let chain = settings.chain().expect("the chain of the preset").into_iter();
    chain.filter_map(|step| if let Step::Document(step) = step { Some(step) } else { None }).collect()
});

/// The steps that judge a document by itself, on any text.
fn steps(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut document = Document { text: text.clone().into(), ..Document::default() };
    for step in CHAIN.iter() {
        if let Verdict::Rejected { .. } = step.apply(&mut document) {
            document.text = text.clone().into();
        }
    }
}
