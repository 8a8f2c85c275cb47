//! A polite crawler: the pages of a site, from an address on, stored as WARC.
//!
//! It asks for one page at a time and waits between two, obeys robots.txt (RFC 9309), `nofollow`, `noindex` and `Retry-After`,
//! stays on the host of the start (and on those that it is told), takes each address once, and knows more of them from
//! sitemaps. Where it was killed it goes on: whatever was stored is not asked for again. Crawled again, a site is asked only for what has
//! changed (`If-None-Match`, `If-Modified-Since`; RFC 9110, section 13), and the rest taken over.
//!
//! A crawl under way lies in a hidden folder beside its final place, and takes that only when it has ended.

mod address;
mod journal;
mod links;
mod robots;
pub(crate) mod settings;
mod sitemap;
mod store;

pub use settings::CrawlSettings;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use mail_parser::DateTime;
use nuwa_files::Progress;
use serde::{Deserialize, Serialize};

use super::content::LARGEST_PAGE;
use super::fetch::{Fetch, Request, Response};
use crate::{Error, Result};
use address::Address;
use journal::{Done, Journal, Kept, Outcome, Start, Waiting};
use robots::Robots;
use sitemap::Sitemap;
use store::{Answer, Store};

/// What became of a crawl.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlSummary {
    /// Pages stored.
    pub pages: u64,
    /// Of these, pages that had not changed since an earlier crawl.
    pub unchanged: u64,
    /// Addresses that led to others.
    pub redirected: u64,
    /// Pages that robots.txt, or they themselves, forbid.
    pub forbidden: u64,
    /// What is no text, by type.
    pub other_types: BTreeMap<String, u64>,
    /// Addresses that gave no page, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Addresses that were known but not asked for, since `max_pages` was reached or a path had too many queries.
    pub left_out: u64,
}

/// A site on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawled {
    /// The folder that holds its WARC files.
    pub folder: PathBuf,
    /// What became of the crawl.
    pub summary: CrawlSummary,
}

/// Crawls sites.
pub struct Crawler<'a> {
    /// What sends the requests.
    pub fetch: &'a dyn Fetch,
    /// Waits.
    pub wait: &'a dyn Fn(Duration),
    /// How far.
    pub settings: &'a CrawlSettings,
}

const SUMMARY: &str = ".crawl.json";

/// What a crawl keeps beside its pages.
pub(super) const OWN_FILES: [&str; 2] = [SUMMARY, journal::FILE];

/// Redirects that are followed from one address to another (RFC 9309 asks for five for robots.txt).
const REDIRECTS: u32 = 5;
/// For one page in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a page is asked for where the server is busy or does not answer.
const ATTEMPTS: u32 = 3;
/// What a busy server is given where it does not say, and the most it is given, in seconds.
const RETRY: u64 = 30;
const LONGEST_RETRY: u64 = 600;
/// Addresses in a row without an answer, after which something is wrong with the connection.
const SILENCE: u32 = 5;
/// Sitemaps that are read of one site.
const SITEMAPS: usize = 50;

/// Whether a source is the address of a page.
pub fn is_address(source: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

impl Crawler<'_> {
    /// Crawls from `url` on into a folder of its own below `folder`. A site that was crawled before is only asked `again` if that
    /// is wanted, for what has changed.
    ///
    /// # Errors
    /// When the address is none, the site forbids or does not answer, or a page cannot be written.
    pub fn crawl(
        &self,
        url: &str,
        folder: &Path,
        again: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Crawled> {
        self.settings.check()?;
        let start = Address::parse(url, None).ok_or_else(|| Error::CrawlAddress { given: url.into() })?;
        let places = Places::new(folder, &start);
        places.repair()?;
        if places.whole.exists() && !again {
            let summary = nuwa_files::read_json(&places.whole.join(SUMMARY))?;
            return Ok(Crawled { folder: places.whole, summary });
        }
        let journal = self.journal(&places, &start)?;
        let store = Store::open(&places.part, journal.last.as_ref())?;
        let mut homes = HashSet::from([start.host().to_string()]);
        homes.extend(
            journal.homes.iter().filter_map(|url| Some(Address::parse(url, None)?.host().to_string())),
        );
        let earlier = journal::kept_pages(&places.earlier())?;
        let site = Visit {
            crawler: self,
            journal,
            store,
            homes,
            earlier,
            places: &places,
            robots: HashMap::new(),
            silent: 0,
            unsure: Vec::new(),
        };
        let summary = match site.run(&start, progress) {
            // Nothing in it is worth going on with.
            Err(
                error @ (Error::CrawlNothing { .. } | Error::CrawlForbidden { .. } | Error::CrawlSlow { .. }),
            ) => {
                nuwa_files::remove_folder(&places.part)?;
                return Err(error);
            }
            ended => ended?,
        };
        nuwa_files::write_json(&places.part.join(SUMMARY), &summary)?;
        places.finish()?;
        Ok(Crawled { folder: places.whole, summary })
    }

    /// A journal that was begun with other settings becomes an earlier crawl, of which pages are taken over.
    fn journal(&self, places: &Places, start: &Address) -> Result<Journal> {
        let start = Start { url: start.as_str().into(), settings: self.settings.clone() };
        if let Some(journal) = Journal::open(&places.part, start.clone())? {
            return Ok(journal);
        }
        places.put_aside()?;
        let journal = Journal::open(&places.part, start)?;
        Ok(journal.expect("a folder that is new has no journal of another crawl"))
    }
}

/// Where a site lies, before and after.
struct Places {
    whole: PathBuf,
    part: PathBuf,
    old: PathBuf,
}

impl Places {
    fn new(folder: &Path, start: &Address) -> Self {
        let name = start.as_str().split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let mut name: String = name.replace('/', "--").chars().map(plain).collect();
        if name.len() > 100 {
            let hash = nuwa_files::hash_bytes(name.as_bytes());
            name = format!("{}-{}", &name[..100], &hash[..8]);
        }
        let place = |name: String| folder.join(name);
        Self {
            whole: place(name.clone()),
            part: place(format!(".{name}.part")),
            old: place(format!(".{name}.old")),
        }
    }

    /// The crawl that this one is compared with.
    fn earlier(&self) -> PathBuf {
        if self.whole.exists() { self.whole.clone() } else { self.old.clone() }
    }

    /// Where the last crawl was cut off between two renames.
    fn repair(&self) -> Result<()> {
        if !self.whole.exists() && self.part.join(SUMMARY).exists() {
            return rename(&self.part, &self.whole);
        }
        Ok(())
    }

    fn put_aside(&self) -> Result<()> {
        if self.whole.exists() || self.old.exists() {
            return Ok(nuwa_files::remove_folder(&self.part)?);
        }
        rename(&self.part, &self.old)
    }

    fn finish(&self) -> Result<()> {
        if self.whole.exists() {
            nuwa_files::remove_folder(&self.old)?;
            rename(&self.whole, &self.old)?;
        }
        rename(&self.part, &self.whole)?;
        Ok(nuwa_files::remove_folder(&self.old)?)
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    Ok(nuwa_files::rename(from, to)?)
}

/// A crawl under way.
struct Visit<'a> {
    crawler: &'a Crawler<'a>,
    journal: Journal,
    store: Store,
    /// Hosts that belong to the start.
    homes: HashSet<String>,
    earlier: HashMap<String, Kept>,
    places: &'a Places,
    /// By site.
    robots: HashMap<String, Robots>,
    /// Addresses in a row that got no answer.
    silent: u32,
    /// Their visits, not written down until another address answers: perhaps the connection is lost, and they are well.
    unsure: Vec<Done>,
}

/// Why an address gives no page.
enum Trouble {
    /// What is counted.
    Reason(String),
    /// The server, or the connection, is silent.
    NoAnswer,
    /// What ends the crawl.
    End(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::End(error)
    }
}

impl Visit<'_> {
    fn run(mut self, start: &Address, progress: &mut dyn FnMut(Progress)) -> Result<CrawlSummary> {
        if self.journal.is_new() {
            self.begin(start)?;
        }
        let max_pages = self.crawler.settings.max_pages;
        while let Some(waiting) = self.journal.next().filter(|_| self.journal.summary.pages < max_pages) {
            let (done, more) = (self.journal.summary.pages, self.journal.waiting());
            let total = Some((done + more).min(max_pages));
            progress(Progress { task: "crawling", done, total, unit: "pages", bytes: None });
            self.visit(&waiting)?;
        }
        self.settle()?;
        let mut summary = self.journal.summary.clone();
        summary.left_out += self.journal.waiting();
        match summary.pages {
            0 => Err(nothing(start, &summary)),
            _ => Ok(summary),
        }
    }

    /// The start and what sitemaps know.
    fn begin(&mut self, start: &Address) -> Result<()> {
        let robots = self.robots(start)?;
        let robots = robots.clone();
        if !robots.allows(start.path_and_query()) {
            let unreadable = robots == Robots::closed();
            return Err(Error::CrawlForbidden { url: start.as_str().into(), unreadable });
        }
        if let Some(seconds) = robots.delay.filter(|delay| *delay > self.crawler.settings.longest_delay) {
            return Err(Error::CrawlSlow { url: start.as_str().into(), seconds });
        }
        self.journal.found(start, 0, 0)?;
        if self.crawler.settings.sitemaps && self.crawler.settings.depth > 0 {
            self.sitemaps(start)?;
        }
        Ok(())
    }

    fn visit(&mut self, waiting: &Waiting) -> Result<()> {
        let Some(address) = Address::parse(&waiting.url, None) else {
            return self.done(waiting, Outcome::Failed("no address".into()), None);
        };
        let is_home = self.homes.contains(address.host());
        let robots = self.robots(&address)?;
        if is_home && *robots == Robots::closed() {
            // What waits is not forbidden because the site is in trouble just now: the crawl can go on later.
            let problem = "its robots.txt could not be had".into();
            return Err(Error::CrawlSilent { url: waiting.url.clone(), problem });
        }
        if !robots.allows(address.path_and_query()) {
            return self.done(waiting, Outcome::Forbidden, None);
        }
        if robots.delay.is_some_and(|delay| delay > self.crawler.settings.longest_delay) {
            return self.done(waiting, Outcome::Failed("a pause longer than longest_delay".into()), None);
        }
        let earlier = self.earlier.get(&waiting.url).cloned();
        let (outcome, kept) = match self.ask(&address, earlier.as_ref()) {
            Ok(answer) => self.take(waiting, &address, answer, earlier)?,
            Err(Trouble::Reason(reason)) => (Outcome::Failed(reason), None),
            Err(Trouble::NoAnswer) => {
                let outcome = Outcome::Failed("no answer".into());
                self.unsure.push(Done { url: waiting.url.clone(), outcome, kept: None });
                self.journal.put_off();
                return Ok(());
            }
            Err(Trouble::End(error)) => return Err(error),
        };
        self.done(waiting, outcome, kept)
    }

    fn done(&mut self, waiting: &Waiting, outcome: Outcome, kept: Option<Kept>) -> Result<()> {
        self.journal.done(Done { url: waiting.url.clone(), outcome, kept })
    }

    /// Visits without an answer count as such where others got one.
    fn settle(&mut self) -> Result<()> {
        std::mem::take(&mut self.unsure).into_iter().try_for_each(|done| self.journal.note(done))
    }

    fn take(
        &mut self,
        waiting: &Waiting,
        address: &Address,
        answer: Response,
        earlier: Option<Kept>,
    ) -> Result<(Outcome, Option<Kept>)> {
        match (answer.status, earlier) {
            (200, _) => self.page(waiting, address, answer),
            (304, Some(kept)) => {
                let kept = self.store.take_over(&self.places.earlier(), &kept)?;
                self.follow_kept(waiting, address, &kept)?;
                Ok((Outcome::Unchanged, Some(kept)))
            }
            (301 | 302 | 303 | 307 | 308, _) => {
                let target =
                    answer.header("location").and_then(|location| Address::parse(location, Some(address)));
                Ok((self.redirect(waiting, target)?, None))
            }
            (status, _) => Ok((Outcome::Failed(format!("status {status}")), None)),
        }
    }

    fn redirect(&mut self, waiting: &Waiting, target: Option<Address>) -> Result<Outcome> {
        let Some(target) = target else { return Ok(Outcome::Failed("a redirect to nowhere".into())) };
        if waiting.redirects >= REDIRECTS {
            return Ok(Outcome::Failed(format!("more than {REDIRECTS} redirects")));
        }
        // Where the start itself has moved to the same site with or without `www.`, that is home too.
        let is_start = waiting.depth == 0;
        if is_start && self.homes.iter().any(|home| is_same_site(home, target.host())) {
            self.homes.insert(target.host().to_string());
        }
        if is_start && !self.is_inside(&target) {
            return Ok(Outcome::Failed(format!("a redirect to another host, {}", target.site())));
        }
        if self.is_inside(&target) {
            self.journal.found(&target, waiting.depth, waiting.redirects + 1)?;
        }
        Ok(Outcome::Redirected)
    }

    fn page(
        &mut self,
        waiting: &Waiting,
        address: &Address,
        answer: Response,
    ) -> Result<(Outcome, Option<Kept>)> {
        let kind = answer.header("content-type").unwrap_or("text/html").split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        if !["text/html", "application/xhtml+xml", "text/plain", "text/markdown"].contains(&kind.as_str()) {
            return Ok((Outcome::OtherType(kind), None));
        }
        let coding = answer.header("content-encoding").unwrap_or("identity").trim().to_ascii_lowercase();
        // Some servers compress whatever they are asked for.
        let content: Box<dyn Read> = match coding.as_str() {
            "identity" | "" => answer.body,
            "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(answer.body)),
            _ => return Ok((Outcome::Failed("compressed in a way that is not read".into()), None)),
        };
        let mut body = Vec::new();
        match content.take(LARGEST_BODY + 1).read_to_end(&mut body) {
            Err(_) => return Ok((Outcome::Failed("broken off".into()), None)),
            Ok(bytes) if bytes as u64 > LARGEST_BODY => {
                return Ok((Outcome::Failed("too large".into()), None));
            }
            Ok(_) => {}
        }
        let headers = &answer.headers;
        let orders = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-robots-tag"));
        let orders = |order| orders.clone().any(|(_, value)| links::header_says(value, order));
        let (no_index, no_follow) = (orders("noindex"), orders("nofollow"));
        let said = match kind.contains("html") {
            true => links::read(&String::from_utf8_lossy(&body), address),
            false => links::Said::default(),
        };
        if !no_follow {
            self.follow(waiting, &said)?;
        }
        if no_index || said.no_index {
            return Ok((Outcome::Forbidden, None));
        }
        let kept = self.store.page(&Answer { url: address.as_str(), headers, body: &body })?;
        Ok((Outcome::Stored, Some(kept)))
    }

    fn follow(&mut self, waiting: &Waiting, said: &links::Said) -> Result<()> {
        if let Some(canonical) = said.canonical.as_ref().filter(|canonical| self.is_inside(canonical)) {
            self.journal.pass_over(canonical)?;
        }
        if waiting.depth >= self.crawler.settings.depth {
            return Ok(());
        }
        for link in &said.links {
            if self.is_inside(link) {
                self.journal.found(link, waiting.depth + 1, 0)?;
            }
        }
        Ok(())
    }

    /// The links of a page that has not changed.
    fn follow_kept(&mut self, waiting: &Waiting, address: &Address, kept: &Kept) -> Result<()> {
        let page = self.store.read(kept)?;
        self.follow(waiting, &links::read(&String::from_utf8_lossy(&page), address))
    }

    fn is_inside(&self, address: &Address) -> bool {
        self.homes.contains(address.host())
            || self.crawler.settings.hosts.iter().any(|host| host == address.host())
    }

    /// The rules of the site that an address is on, asked for once.
    fn robots(&mut self, address: &Address) -> Result<&Robots> {
        if !self.robots.contains_key(address.site()) {
            let robots = self.ask_for_robots(address)?;
            self.robots.insert(address.site().to_string(), robots);
        }
        Ok(&self.robots[address.site()])
    }

    /// RFC 9309, section 2.3.1: without a robots.txt everything is allowed, and nothing while the server cannot say.
    fn ask_for_robots(&mut self, address: &Address) -> Result<Robots> {
        let mut at = Address::parse("/robots.txt", Some(address));
        for _ in 0..=REDIRECTS {
            let Some(address) = &at else { break };
            let answer = match self.ask(address, None) {
                Ok(answer) => answer,
                Err(Trouble::Reason(_) | Trouble::NoAnswer) => return Ok(Robots::closed()),
                Err(Trouble::End(error)) => return Err(error),
            };
            match (answer.status, answer.header("location")) {
                (200, _) => {
                    let mut text = Vec::new();
                    return match answer.body.take(robots::LARGEST).read_to_end(&mut text) {
                        Ok(_) => Ok(Robots::parse(&String::from_utf8_lossy(&text))),
                        Err(_) => Ok(Robots::closed()),
                    };
                }
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let next = Address::parse(location, Some(address));
                    if let Some(next) = next.as_ref().filter(|next| !self.belongs(next, address)) {
                        return self.no_robots(address, next);
                    }
                    at = next;
                }
                (status, _) if status >= 500 || status == 429 => return Ok(Robots::closed()),
                _ => break,
            }
        }
        Ok(Robots::open())
    }

    /// Rules that lie on a host that was not named: of the start's site that is told, another one is passed over.
    fn no_robots(&self, address: &Address, next: &Address) -> Result<Robots> {
        if !self.homes.contains(address.host()) {
            return Ok(Robots::closed());
        }
        let problem = format!("it leads to another host, {}, which was not named", next.site());
        Err(Error::CrawlSilent { url: address.as_str().into(), problem })
    }

    /// Whether what an address leads to may be asked for.
    fn belongs(&self, next: &Address, address: &Address) -> bool {
        self.is_inside(next) || is_same_site(next.host(), address.host())
    }

    fn sitemaps(&mut self, start: &Address) -> Result<()> {
        let named = self.robots(start)?.sitemaps.clone();
        let usual = Address::parse("/sitemap.xml", Some(start));
        let mut maps: Vec<Address> =
            named.iter().filter_map(|map| Address::parse(map, Some(start))).collect();
        if maps.is_empty() {
            maps.extend(usual);
        }
        let mut seen: HashSet<String> = maps.iter().map(|map| map.as_str().to_string()).collect();
        let (mut read, mut elsewhere) = (0, Vec::new());
        while read < maps.len().min(SITEMAPS) {
            let map = maps[read].clone();
            read += 1;
            if !self.belongs(&map, start) {
                elsewhere.push(map);
                continue;
            }
            let Some(listed) = self.sitemap(&map)? else { continue };
            let listed_pages = listed.addresses.iter().filter_map(|page| Address::parse(page, Some(&map)));
            if listed.is_index {
                let new = listed_pages.filter(|map| seen.insert(map.as_str().to_string()));
                maps.extend(new.take(SITEMAPS));
                continue;
            }
            for page in listed_pages {
                if self.is_inside(&page) {
                    self.journal.found(&page, 1, 0)?;
                }
            }
        }
        // Last: a crawl that knows of visits has read its sitemaps.
        for map in elsewhere {
            let outcome = Outcome::Failed("a sitemap on another host".into());
            self.journal.note(Done { url: map.as_str().into(), outcome, kept: None })?;
        }
        Ok(())
    }

    fn sitemap(&mut self, map: &Address) -> Result<Option<Sitemap>> {
        if !self.robots(map)?.allows(map.path_and_query()) {
            return Ok(None);
        }
        let answer = match self.ask(map, None) {
            Ok(answer) if answer.status == 200 => answer,
            Ok(_) | Err(Trouble::Reason(_) | Trouble::NoAnswer) => return Ok(None),
            Err(Trouble::End(error)) => return Err(error),
        };
        let mut bytes = Vec::new();
        let read = answer.body.take(sitemap::LARGEST).read_to_end(&mut bytes);
        let bytes = read.and_then(|_| sitemap::unpacked(bytes));
        Ok(bytes.ok().map(|bytes| Sitemap::parse(&String::from_utf8_lossy(&bytes))))
    }

    /// Sends one request, politely: after the site's pause, and again where it asks for patience.
    fn ask(&mut self, address: &Address, earlier: Option<&Kept>) -> std::result::Result<Response, Trouble> {
        let request = self.request(address, earlier);
        let mut trouble = Trouble::NoAnswer;
        let mut problem = String::new();
        for attempt in 1..=ATTEMPTS {
            (self.crawler.wait)(self.pause(address));
            match self.crawler.fetch.get(&request) {
                Ok(answer) if [429, 503].contains(&answer.status) => {
                    trouble = Trouble::Reason(format!("status {}", answer.status));
                    if attempt < ATTEMPTS {
                        (self.crawler.wait)(retry_after(&answer));
                    }
                }
                Ok(answer) => {
                    self.silent = 0;
                    self.settle()?;
                    return Ok(answer);
                }
                Err(error) => (trouble, problem) = (Trouble::NoAnswer, error.to_string()),
            }
        }
        if !matches!(trouble, Trouble::NoAnswer) {
            return Err(trouble);
        }
        self.silent += 1;
        // Of a site that never answered, the first silence says it all.
        let is_first = self.journal.is_new();
        match is_first || self.silent >= SILENCE {
            true => Err(Trouble::End(Error::CrawlSilent { url: address.as_str().into(), problem })),
            false => Err(Trouble::NoAnswer),
        }
    }

    fn request(&self, address: &Address, earlier: Option<&Kept>) -> Request {
        let contact = &self.crawler.settings.contact;
        let mut request = Request::new(address.as_str()).header("Accept-Encoding", "identity");
        request.patience = Some(PATIENCE);
        if !contact.is_empty() {
            let agent = format!("{}/{} (+{contact})", robots::NAME, env!("CARGO_PKG_VERSION"));
            request = request.header("User-Agent", agent);
        }
        if let Some(etag) = earlier.and_then(|kept| kept.etag.as_ref()) {
            request = request.header("If-None-Match", etag);
        }
        match earlier.and_then(|kept| kept.modified.as_ref()) {
            Some(modified) => request.header("If-Modified-Since", modified),
            None => request,
        }
    }

    fn pause(&self, address: &Address) -> Duration {
        let asked = self.robots.get(address.site()).and_then(|robots| robots.delay);
        let settings = self.crawler.settings;
        Duration::from_secs_f64(asked.unwrap_or(0.0).min(settings.longest_delay).max(settings.delay))
    }
}

/// Whether hosts are the same but for a `www.`; ports count.
fn is_same_site(one: &str, other: &str) -> bool {
    let bare = |host: &str| host.strip_prefix("www.").unwrap_or(host).to_string();
    bare(one) == bare(other)
}

/// A page with its headers must fit into a record that is read again.
const LARGEST_BODY: u64 = LARGEST_PAGE - (1 << 20);

/// How long a busy server wants to be left alone (RFC 9110, section 10.2.3): seconds, or a date, which is compared with the server's own.
fn retry_after(answer: &Response) -> Duration {
    let seconds =
        |date: &str| DateTime::parse_rfc822(date).filter(DateTime::is_valid).map(|date| date.to_timestamp());
    let value = answer.header("retry-after").map(str::trim);
    let said = value.and_then(|value| value.parse::<u64>().ok());
    let dated = || {
        let until = seconds(value?)? - seconds(answer.header("date")?)?;
        Some(u64::try_from(until).unwrap_or(0))
    };
    Duration::from_secs(said.or_else(dated).unwrap_or(RETRY).min(LONGEST_RETRY))
}

fn nothing(start: &Address, summary: &CrawlSummary) -> Error {
    let mut reasons = summary.failed.clone();
    for (kind, count) in &summary.other_types {
        *reasons.entry(kind.clone()).or_default() += count;
    }
    if summary.forbidden > 0 {
        reasons.insert("forbidden".into(), summary.forbidden);
    }
    Error::CrawlNothing { url: start.as_str().into(), reasons }
}
