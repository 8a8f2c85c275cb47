//! Crawls of a site that answers from memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use nuwa_collect::Error;
use nuwa_collect::crawl::{CrawlSettings, Crawled, Crawler};
use nuwa_collect::{Fetch, FetchError, Request, Response};

use crate::{collected, shown};

/// Answers by address; keeps what was asked.
#[derive(Default)]
struct Site {
    /// The status, a header or none, and the content.
    pages: HashMap<String, (u16, String, String)>,
    /// Each page has this as its `ETag`, where it is set.
    version: Option<String>,
    /// Answers given until the connection is lost for good.
    lives: Cell<Option<usize>>,
    /// Addresses that are busy so often.
    busy: RefCell<HashMap<String, u32>>,
    asked: RefCell<Vec<String>>,
    waited: Cell<Duration>,
}

const HOME: &str = "https://site.test";

impl Site {
    /// Pages by path: their links, and some words.
    fn of(pages: &[(&str, &[&str])]) -> Self {
        let mut site = Self::default();
        for (path, links) in pages {
            let links: String = links.iter().map(|link| format!("<a href=\"{link}\">more</a> ")).collect();
            let words =
                format!("The page {path} tells how potters knead the clay that they found by the river.");
            site.add(path, 200, "Content-Type: text/html", &format!("<p>{words}</p>{links}"));
        }
        site
    }

    fn add(&mut self, path: &str, status: u16, header: &str, content: &str) {
        let url = if path.starts_with('/') { format!("{HOME}{path}") } else { path.into() };
        self.pages.insert(url, (status, header.into(), content.into()));
    }

    fn crawl(&self, folder: &Path, settings: &CrawlSettings, again: bool) -> Result<Crawled, Error> {
        let wait = |time| self.waited.set(self.waited.get() + time);
        let crawler = Crawler { fetch: self, wait: &wait, settings };
        crawler.crawl(&format!("{HOME}/"), folder, again, &mut |_| {})
    }

    fn asked(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|url| url.replace(HOME, "")).collect()
    }
}

impl Fetch for Site {
    fn get(&self, request: &Request) -> Result<Response, FetchError> {
        if let Some(lives) = self.lives.get() {
            if lives == 0 {
                return Err(FetchError("connection refused".into()));
            }
            self.lives.set(Some(lives - 1));
        }
        self.asked.borrow_mut().push(request.url.clone());
        let answer = |status, headers: Vec<(String, String)>, body: &str| {
            let body = Box::new(Cursor::new(body.as_bytes().to_vec()));
            Ok(Response { status, headers, body })
        };
        if let Some(times) = self.busy.borrow_mut().get_mut(&request.url).filter(|times| **times > 0) {
            *times -= 1;
            let (date, until) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:30:00 GMT");
            let headers = [("Date", date), ("Retry-After", until)];
            return answer(429, headers.map(|(name, value)| (name.into(), value.into())).to_vec(), "");
        }
        let Some((status, header, content)) = self.pages.get(&request.url) else {
            return answer(404, Vec::new(), "");
        };
        let mut headers: Vec<(String, String)> =
            header.split_once(": ").into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if let Some(version) = &self.version {
            let wanted = request.headers.iter().find(|(name, _)| name == "If-None-Match");
            if wanted.is_some_and(|(_, wanted)| wanted == version) {
                return answer(304, Vec::new(), "");
            }
            headers.push(("ETag".into(), version.clone()));
        }
        answer(*status, headers, content)
    }
}

/// The addresses of the documents that a crawl gives.
fn pages(crawled: &Crawled) -> BTreeSet<String> {
    let documents = collected(std::slice::from_ref(&crawled.folder), &Default::default()).unwrap();
    let sources: Vec<String> = documents.iter().map(|document| document.source.replace(HOME, "")).collect();
    let pages: BTreeSet<String> = sources.iter().cloned().collect();
    assert_eq!(pages.len(), sources.len(), "a page comes twice: {sources:?}");
    assert_eq!(pages.len() as u64, crawled.summary.pages);
    pages
}

fn set(pages: &[&str]) -> BTreeSet<String> {
    pages.iter().map(|page| page.to_string()).collect()
}

fn tree() -> Site {
    Site::of(&[
        ("/", &["/a", "/b#part", "b", "https://else.test/x", "mailto:a@b.c"]),
        ("/a", &["/c", "/"]),
        ("/b", &["/c", "/d?q=1"]),
        ("/c", &["/e"]),
        ("/d?q=1", &[]),
        ("/e", &["/f"]),
        ("/f", &[]),
    ])
}

#[test]
fn links_are_followed_to_the_depth_on_the_same_host_once_each() {
    let folder = tempfile::tempdir().unwrap();
    for (depth, expected) in [
        (0, set(&["/"])),
        (1, set(&["/", "/a", "/b"])),
        (2, set(&["/", "/a", "/b", "/c", "/d?q=1"])),
        (9, set(&["/", "/a", "/b", "/c", "/d?q=1", "/e", "/f"])),
    ] {
        let site = tree();
        let settings = CrawlSettings { depth, ..Default::default() };
        let crawled = site.crawl(&folder.path().join(depth.to_string()), &settings, false).unwrap();
        assert_eq!(pages(&crawled), expected);
        let asked = site.asked();
        let different: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "{asked:?}");
        assert_eq!(site.waited.get(), Duration::from_secs(asked.len() as u64));
    }
}

#[test]
fn no_more_pages_are_taken_than_wanted_and_other_hosts_only_where_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = tree();
    site.add(
        "https://else.test/x",
        200,
        "Content-Type: text/plain",
        "Words about ropes that are made of hemp.",
    );
    let settings = CrawlSettings { max_pages: 3, ..Default::default() };
    let crawled = site.crawl(&folder.path().join("few"), &settings, false).unwrap();
    assert_eq!(pages(&crawled), set(&["/", "/a", "/b"]));
    assert_eq!(crawled.summary.left_out, 2);
    let settings = CrawlSettings { hosts: vec!["else.test".into()], depth: 1, ..Default::default() };
    let crawled = site.crawl(&folder.path().join("more"), &settings, false).unwrap();
    assert!(pages(&crawled).contains("https://else.test/x"));
    assert!(site.asked().contains(&"https://else.test/robots.txt".to_string()));
}

#[test]
fn what_a_site_forbids_is_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = tree();
    let robots = "User-agent: *\nDisallow: /\n\nUser-agent: nuwa\nCrawl-delay: 5\nDisallow: /b\n";
    site.add("/robots.txt", 200, "Content-Type: text/plain", robots);
    let no_index =
        "<meta name=robots content=noindex><p>Not to be kept by anyone, they say.</p><a href=/e>e</a>";
    site.add("/c", 200, "Content-Type: text/html", no_index);
    let crawled = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap();
    assert_eq!(pages(&crawled), set(&["/", "/a", "/e"]));
    assert_eq!(crawled.summary.forbidden, 2);
    assert!(!site.asked().contains(&"/b".to_string()));
    // The first request is that for robots.txt, which says so.
    assert_eq!(site.waited.get(), Duration::from_secs(1 + 5 * (site.asked().len() as u64 - 1)));

    let mut closed = tree();
    closed.add("/robots.txt", 200, "", "User-agent: *\nDisallow: /");
    let forbidden =
        closed.crawl(&folder.path().join("closed"), &CrawlSettings::default(), false).unwrap_err();
    closed.add("/robots.txt", 500, "", "");
    let broken = closed.crawl(&folder.path().join("broken"), &CrawlSettings::default(), false).unwrap_err();
    assert_eq!(closed.asked(), ["/robots.txt", "/robots.txt"]);
    let crawler = Crawler { fetch: &closed, wait: &|_| {}, settings: &CrawlSettings::default() };
    let no_address = crawler.crawl("site.test", folder.path(), false, &mut |_| {}).unwrap_err();
    let nothing =
        Site::default().crawl(&folder.path().join("nothing"), &CrawlSettings::default(), false).unwrap_err();
    let dead = Site::default();
    dead.lives.set(Some(0));
    let silent = dead.crawl(&folder.path().join("dead"), &CrawlSettings::default(), false).unwrap_err();
    let messages = [forbidden, broken, no_address, nothing, silent].map(|error| shown(&error, folder.path()));
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn redirects_sitemaps_and_busy_servers() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::of(&[("/new", &["/loop", "/away", "/picture"]), ("/listed", &[]), ("/hidden", &[])]);
    site.add("/", 301, "Location: /new", "");
    site.add("/loop", 302, "Location: /loop?1", "");
    for number in 1..9 {
        site.add(&format!("/loop?{number}"), 302, &format!("Location: /loop?{}", number + 1), "");
    }
    site.add("/away", 307, "Location: https://else.test/x", "");
    site.add("/picture", 200, "Content-Type: image/png", "png");
    site.add("/robots.txt", 200, "", "User-agent: *\nDisallow: /hidden\nSitemap: https://site.test/maps.xml");
    site.add(
        "/maps.xml",
        200,
        "",
        "<sitemapindex><sitemap><loc>https://site.test/map.txt</loc></sitemap></sitemapindex>",
    );
    site.add(
        "/map.txt",
        200,
        "",
        "https://site.test/listed\nhttps://site.test/hidden\nhttps://else.test/y\n",
    );
    site.busy.borrow_mut().insert(format!("{HOME}/listed"), 2);
    let crawled = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap();
    assert_eq!(pages(&crawled), set(&["/new", "/listed"]));
    let summary = &crawled.summary;
    assert_eq!(summary.redirected, 1 + 1 + 5);
    assert_eq!(summary.failed.iter().collect::<Vec<_>>(), [(&"more than 5 redirects".to_string(), &1)]);
    assert_eq!(summary.other_types["image/png"], 1);
    // Two minutes for each time that it was busy.
    assert!(site.waited.get() > Duration::from_secs(240) && site.waited.get() < Duration::from_secs(270));
    assert!(site.asked().iter().all(|url| !url.contains("else.test")), "{:?}", site.asked());
}

#[test]
fn a_start_that_has_moved_takes_its_host_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::default();
    site.add("/", 301, "Location: https://www.site.test/", "");
    let page = |link: &str| {
        format!("<p>Potters knead clay and fire it in the kiln for two days.</p><a href={link}>x</a>")
    };
    site.add("https://www.site.test/", 200, "Content-Type: text/html", &page("/a"));
    site.add("https://www.site.test/a", 200, "Content-Type: text/html", &page("/"));
    let crawled = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap();
    assert_eq!(pages(&crawled), set(&["https://www.site.test/", "https://www.site.test/a"]));
}

#[test]
fn a_site_leads_to_no_other_host() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, site: &Site| {
        let error = site.crawl(&folder.path().join(name), &CrawlSettings::default(), false).unwrap_err();
        assert!(site.asked().iter().all(|url| !url.contains("else.test")), "{:?}", site.asked());
        shown(&error, folder.path())
    };
    let mut moved = Site::default();
    moved.add("/", 301, "Location: https://else.test:8080/", "");
    let mut rules = tree();
    rules.add("/robots.txt", 302, "Location: http://else.test/robots.txt", "");
    let mut port = Site::default();
    port.add("/", 302, "Location: https://site.test:22/", "");
    let messages = [refused("moved", &moved), refused("rules", &rules), refused("port", &port)];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    https://site.test/: no page could be had (1 a redirect to another host, https://else.test:8080)
    hint: open the address in a browser and give the one that it ends at
    https://site.test/robots.txt: it leads to another host, http://else.test, which was not named
    hint: name the host if it belongs to the site: collect.crawl.hosts=["HOST"]
    https://site.test/: no page could be had (1 a redirect to another host, https://site.test:22)
    hint: open the address in a browser and give the one that it ends at
    "#);

    let mut site = tree();
    site.add(
        "/robots.txt",
        200,
        "",
        "Sitemap: https://else.test/map.xml\nSitemap: https://site.test:81/map.txt",
    );
    let crawled = site.crawl(&folder.path().join("maps"), &CrawlSettings::default(), false).unwrap();
    assert_eq!(crawled.summary.failed["a sitemap on another host"], 2);
    assert!(site.asked().iter().all(|url| !url.contains("else.test") && !url.contains(":81")));
    let settings = CrawlSettings { hosts: vec!["else.test".into()], ..Default::default() };
    site.crawl(&folder.path().join("named"), &settings, false).unwrap();
    assert!(site.asked().contains(&"https://else.test/map.xml".to_string()));
}

#[test]
fn a_site_that_asks_for_endless_pauses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for delay in ["86399", "1e300", "inf"] {
        let mut site = tree();
        site.add("/robots.txt", 200, "", &format!("User-agent: *\nCrawl-delay: {delay}"));
        let error = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap_err();
        assert!(matches!(error, Error::CrawlSlow { .. }), "{error}");
        assert_eq!(site.asked(), ["/robots.txt"]);
    }
    let mut site = tree();
    site.add("/robots.txt", 200, "", "User-agent: *\nCrawl-delay: 86399");
    let error = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap_err();
    insta::assert_snapshot!(shown(&error, folder.path()), @r"
    https://site.test/: the site's robots.txt asks for a pause of 86399 seconds between two pages
    hint: to wait that long: collect.crawl.longest_delay=86399
    ");
    let settings = CrawlSettings { longest_delay: 86_400.0, max_pages: 1, ..Default::default() };
    site.crawl(folder.path(), &settings, false).unwrap();
    assert!(site.waited.get() > Duration::from_secs(86_399));
}

#[test]
fn an_index_of_a_million_sitemaps_is_read_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = tree();
    let places: String =
        (0..50_000).map(|at| format!("<sitemap><loc>{HOME}/{at}.xml</loc></sitemap>")).collect();
    site.add("/sitemap.xml", 200, "", &format!("<sitemapindex>{places}</sitemapindex>"));
    let crawled = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap();
    assert!(crawled.summary.pages > 3);
    assert_eq!(site.asked().iter().filter(|url| url.ends_with(".xml")).count(), 50);
}

#[test]
fn a_crawl_that_was_cut_off_goes_on_and_asks_for_nothing_twice() {
    let whole = tree();
    let folder = tempfile::tempdir().unwrap();
    let settings = CrawlSettings { depth: 9, ..Default::default() };
    let expected = pages(&whole.crawl(&folder.path().join("whole"), &settings, false).unwrap());
    for lives in 3..9 {
        let folder = folder.path().join(format!("cut {lives}"));
        let site = tree();
        site.lives.set(Some(lives));
        // The connection is lost, and whoever waits for it gives up after some time.
        let first = site.crawl(&folder, &CrawlSettings { max_pages: 1000, ..settings.clone() }, false);
        let part = folder.join(".site.test.part");
        if let Ok(crawled) = first {
            // All that was left got no answer; those addresses have failed.
            assert!(crawled.summary.failed.contains_key("no answer"), "{lives} {crawled:?}");
            continue;
        }
        // Half a record and half a line, as a killed process leaves them.
        for (file, half) in
            [("crawl-00000.warc.gz", &b"\x1f\x8b\x08half"[..]), (".frontier.jsonl", b"{\"done\":{\"url")]
        {
            let mut bytes = std::fs::read(part.join(file)).unwrap();
            bytes.extend(half);
            std::fs::write(part.join(file), bytes).unwrap();
        }
        site.lives.set(None);
        let crawled = site.crawl(&folder, &settings, false).unwrap();
        assert_eq!(pages(&crawled), expected);
    }
}

#[test]
fn a_killed_crawl_loses_no_page() {
    let folder = tempfile::tempdir().unwrap();
    let settings = CrawlSettings { depth: 9, sitemaps: false, ..Default::default() };
    let expected = pages(&tree().crawl(&folder.path().join("whole"), &settings, false).unwrap());
    for reports in 2..7 {
        let folder = folder.path().join(format!("killed {reports}"));
        let site = tree();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let crawler = Crawler { fetch: &site, wait: &|_| {}, settings: &settings };
            let mut left = reports;
            crawler.crawl(&format!("{HOME}/"), &folder, false, &mut |_| {
                left -= 1;
                assert!(left > 0, "killed");
            })
        }));
        assert!(killed.is_err());
        let part = folder.join(".site.test.part");
        for (file, half) in
            [("crawl-00000.warc.gz", &b"\x1f\x8b\x08half"[..]), (".frontier.jsonl", b"{\"done\":{\"url")]
        {
            let mut bytes = std::fs::read(part.join(file)).unwrap();
            bytes.extend(half);
            std::fs::write(part.join(file), bytes).unwrap();
        }
        assert_eq!(pages(&site.crawl(&folder, &settings, false).unwrap()), expected);
        let asked: Vec<String> = site.asked().into_iter().filter(|url| url != "/robots.txt").collect();
        let different: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "{asked:?}");
    }
}

#[test]
fn a_site_is_asked_again_only_for_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = tree();
    site.version = Some("\"1\"".into());
    let settings = CrawlSettings { depth: 9, ..Default::default() };
    let first = site.crawl(folder.path(), &settings, false).unwrap();
    let asked = site.asked().len();
    assert_eq!(site.crawl(folder.path(), &settings, false).unwrap(), first);
    assert_eq!(site.asked().len(), asked, "what is there is not asked for again unless that is wanted");
    let second = site.crawl(folder.path(), &settings, true).unwrap();
    assert_eq!((second.summary.pages, second.summary.unchanged), (7, 7));
    assert_eq!(pages(&second), pages(&first));
    // All pages change, and one is new.
    site.version = Some("\"2\"".into());
    site.add(
        "/a",
        200,
        "Content-Type: text/html",
        "<p>The page has changed and speaks of ropes now.</p><a href=/c>c</a><a href=/g>g</a>",
    );
    site.add(
        "/g",
        200,
        "Content-Type: text/html",
        "<p>The new page speaks of the hemp that ropes are made of.</p>",
    );
    let third = site.crawl(folder.path(), &settings, true).unwrap();
    assert_eq!((third.summary.pages, third.summary.unchanged), (8, 0));
    assert_eq!(pages(&third).len(), 8);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["site.test"]);
    // With other settings what was stored serves as the crawl before.
    let nearer = site.crawl(folder.path(), &CrawlSettings { depth: 1, ..settings }, true).unwrap();
    assert_eq!((nearer.summary.pages, nearer.summary.unchanged), (3, 3));
}

#[test]
fn calendars_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::default();
    let page = |day: usize| {
        let links: String =
            (1..6).map(|more| format!("<a href=\"/?day={}\">later</a>", day * 5 + more)).collect();
        format!("<p>On day {day} the potter kneads clay for {day} bowls and more.</p>{links}")
    };
    site.add("/", 200, "Content-Type: text/html", &page(0));
    (1..2000).for_each(|day| site.add(&format!("/?day={day}"), 200, "Content-Type: text/html", &page(day)));
    let settings = CrawlSettings { depth: 100, max_pages: 5000, ..Default::default() };
    let crawled = site.crawl(folder.path(), &settings, false).unwrap();
    assert_eq!(crawled.summary.pages, 201);
    assert!(crawled.summary.left_out > 100);
}

/// A start that leads to seven pages.
fn star() -> Site {
    let paths = ["/1", "/2", "/3", "/4", "/5", "/6", "/7"];
    let mut pages: Vec<(&str, &[&str])> = vec![("/", &paths)];
    pages.extend(paths.iter().map(|path| (*path, &[][..])));
    Site::of(&pages)
}

#[test]
fn a_lost_connection_costs_no_page_however_often_it_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let site = star();
    // robots.txt, sitemap.xml, the start and a page.
    site.lives.set(Some(4));
    let settings = CrawlSettings::default();
    let error = site.crawl(folder.path(), &settings, false).unwrap_err();
    assert!(matches!(error, Error::CrawlSilent { .. }), "{error}");
    // Gone on with while it is still lost: not even robots.txt can be had.
    let error = site.crawl(folder.path(), &settings, false).unwrap_err();
    assert!(matches!(error, Error::CrawlSilent { .. }), "{error}");
    let mut busy = star();
    busy.add("/robots.txt", 500, "", "");
    let error = busy.crawl(folder.path(), &settings, false).unwrap_err();
    assert!(matches!(error, Error::CrawlSilent { .. }), "{error}");
    site.lives.set(None);
    let crawled = site.crawl(folder.path(), &settings, false).unwrap();
    assert_eq!(pages(&crawled).len(), 8);
    assert!(crawled.summary.failed.is_empty() && crawled.summary.forbidden == 0, "{:?}", crawled.summary);
}

#[test]
fn pages_at_the_end_that_do_not_answer_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let site = star();
    site.lives.set(Some(7));
    let crawled = site.crawl(folder.path(), &CrawlSettings::default(), false).unwrap();
    assert_eq!((pages(&crawled).len(), crawled.summary.failed["no answer"]), (5, 3));
}

#[test]
fn what_a_server_compresses_unasked_is_stored_as_it_is() {
    use std::io::Write;
    struct Packing(Site);
    impl Fetch for Packing {
        fn get(&self, request: &Request) -> Result<Response, FetchError> {
            let mut answer = self.0.get(request)?;
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::copy(&mut answer.body, &mut packer).unwrap();
            packer.flush().unwrap();
            let coding = if request.url.ends_with("/2") { "br" } else { "gzip" };
            answer.headers.push(("Content-Encoding".into(), coding.into()));
            answer.body = Box::new(Cursor::new(packer.finish().unwrap()));
            Ok(answer)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = CrawlSettings::default();
    let site = Packing(star());
    let crawler = Crawler { fetch: &site, wait: &|_| {}, settings: &settings };
    let crawled = crawler.crawl(&format!("{HOME}/"), folder.path(), false, &mut |_| {}).unwrap();
    assert_eq!(pages(&crawled).len(), 7, "the links of a compressed page are read, its text too");
    assert_eq!(crawled.summary.failed["compressed in a way that is not read"], 1);
}
