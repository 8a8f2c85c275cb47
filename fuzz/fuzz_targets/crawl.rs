//! A site whose robots.txt, sitemap and pages are any bytes; parts are divided by a zero byte.
#![no_main]

use std::io::Cursor;

use nuwa_data::collect::crawl::{CrawlSettings, Crawler};
use nuwa_data::collect::{Fetch, FetchError, Request, Response};
use nuwa_fuzz::Files;

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
        let headers = ["X-Robots-Tag", "Location", "Retry-After"].map(|name| (name.to_string(), header.clone()));
        let status = if body.first() == Some(&b'3') { 301 } else { 200 };
        Ok(Response { status, headers: headers.to_vec(), body: Box::new(Cursor::new(body.to_vec())) })
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let site = Site(bytes.split(|byte| *byte == 0).collect());
    let settings = CrawlSettings { max_pages: 8, ..CrawlSettings::default() };
    let crawler = Crawler { fetch: &site, wait: &|_| {}, settings: &settings };
    let files = Files::new(&[]);
    let _ = crawler.crawl("https://site.test/a/b", files.folder(), false, &mut |_| {});
});
