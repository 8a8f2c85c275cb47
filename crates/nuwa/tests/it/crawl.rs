//! Crawls of a site on this machine.

use super::support::{Place, serve};

const FILES: &[(&str, &str)] = &[
    ("/robots.txt", "User-agent: *\nDisallow: /secret\n"),
    (
        "/",
        "<title>Home</title><p>Potters knead clay of many colours.</p><a href=/a>a</a><a href=/secret>b</a>",
    ),
    (
        "/a",
        "<title>A</title><p>Ropes are made of hemp that grows by the river.</p><a href=/b>c</a><a href=/gone>d</a>",
    ),
    ("/b", "<title>B</title><p>This page is two links away from the start.</p>"),
    ("/secret", "<title>Secret</title><p>Nobody is to read this.</p>"),
];

#[test]
fn a_site_becomes_documents() {
    let place = Place::new();
    let address = serve(FILES);
    let crawl = |more: &str| {
        let arguments =
            format!("collect --crawl {address}/ --set collect.crawl.delay=0 --out documents {more}");
        let answer = place.command(&arguments).output().unwrap();
        let said = String::from_utf8(answer.stderr).unwrap();
        assert!(answer.status.success(), "{said}");
        let summary: serde_json::Value = serde_json::from_str(&place.read("documents/collect.json")).unwrap();
        (said, summary["documents"].as_u64().unwrap())
    };
    let (said, documents) = crawl("--depth 1");
    assert!(said.contains("2 pages, 1 forbidden"), "{said}");
    assert_eq!(documents, 2);
    let (said, documents) = crawl("--max-pages 2");
    assert!(said.contains("2 pages") && said.contains("left out (--max-pages takes more)"), "{said}");
    assert_eq!(documents, 2);
    let (said, documents) = crawl("");
    assert!(said.contains("3 pages, 1 forbidden, 1 without an answer (1 status 404)"), "{said}");
    assert_eq!(documents, 3);
}

#[test]
fn what_cannot_be_crawled_is_named() {
    let place = Place::new();
    let said = place.failure("collect --crawl example.org --out documents");
    assert!(said.contains("example.org is no address of a page") && said.contains("https://"), "{said}");
    let said =
        place.failure("collect --crawl http://127.0.0.1:9/ --set collect.crawl.delay=0 --out documents");
    assert!(said.contains("http://127.0.0.1:9/robots.txt") && said.contains("check the address"), "{said}");
    let said = place.failure("collect --crawl http://127.0.0.1:9/ --max-pages 0 --out documents");
    assert!(said.contains("collect.crawl.max_pages = 0: expected 1 or more"), "{said}");
}
