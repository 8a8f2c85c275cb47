//! What a site lets crawlers do: `robots.txt` (RFC 9309, <https://www.rfc-editor.org/rfc/rfc9309>).

use crate::percent::percent_byte;

/// The name by which this crawler is spoken to.
pub(super) const NAME: &str = "nuwa";
/// More of a robots.txt is not read (RFC 9309, section 2.5, asks for 500 kibibytes).
pub(super) const LARGEST: u64 = 500 << 10;

/// Thirty years: longer pauses are told as this.
const LONGEST: f64 = 1e9;

/// The rules for this crawler.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Robots {
    rules: Vec<Rule>,
    /// They could not be had.
    is_closed: bool,
    /// Seconds between two requests. No part of the RFC, but of many files.
    pub delay: Option<f64>,
    /// Addresses of sitemaps.
    pub sitemaps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    pattern: String,
    allows: bool,
}

impl Robots {
    /// Everything is allowed.
    pub fn open() -> Self {
        Self::default()
    }

    /// Nothing is allowed.
    pub fn closed() -> Self {
        Self { is_closed: true, ..Self::default() }
    }

    /// Reads a robots.txt: the groups for this crawler, or where there are none, those for all.
    pub fn parse(text: &str) -> Self {
        let (mut own, mut general) = (Self::default(), Self::default());
        let (mut is_own, mut is_general, mut in_agents, mut has_own) = (false, false, false, false);
        let mut sitemaps = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match key.as_str() {
                "user-agent" => {
                    if !in_agents {
                        (is_own, is_general) = (false, false);
                    }
                    is_own |= product(value).eq_ignore_ascii_case(NAME);
                    is_general |= value.starts_with('*');
                    (in_agents, has_own) = (true, has_own || is_own);
                    continue;
                }
                // Stands outside of groups.
                "sitemap" => {
                    sitemaps.push(value.to_string());
                    continue;
                }
                "allow" | "disallow" | "crawl-delay" => {}
                _ => continue,
            }
            in_agents = false;
            let groups = [(is_own, &mut own), (is_general, &mut general)];
            groups
                .into_iter()
                .filter(|(is_meant, _)| *is_meant)
                .for_each(|(_, group)| group.add(&key, value));
        }
        Self { sitemaps, ..if has_own { own } else { general } }
    }

    fn add(&mut self, key: &str, value: &str) {
        match key {
            "crawl-delay" => {
                let seconds = value.parse::<f64>().ok().filter(|delay| *delay >= 0.0);
                self.delay = seconds.map(|seconds| seconds.min(LONGEST)).or(self.delay);
            }
            // An empty Disallow forbids nothing.
            _ if value.is_empty() => {}
            _ => self.rules.push(Rule { pattern: normal(value), allows: key == "allow" }),
        }
    }

    /// Whether a path with its query may be asked for: the longest rule that fits decides, of equally long ones the one that allows.
    pub fn allows(&self, path: &str) -> bool {
        let path = normal(path);
        if path == "/robots.txt" {
            return true;
        }
        if self.is_closed {
            return false;
        }
        let fitting = self.rules.iter().filter(|rule| fits(rule.pattern.as_bytes(), path.as_bytes()));
        fitting.map(|rule| (rule.pattern.len(), rule.allows)).max().is_none_or(|(_, allows)| allows)
    }
}

/// The product of `nuwa/1.0`: letters, `-` and `_`.
fn product(agent: &str) -> &str {
    let end = agent.find(|c: char| !(c.is_ascii_alphabetic() || c == '-' || c == '_'));
    &agent[..end.unwrap_or(agent.len())]
}

/// `%XX` in capitals, written plainly where it is a letter, a digit or one of `-._~`; other bytes than ASCII encoded (section 2.2.2).
fn normal(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut normal = String::with_capacity(path.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = percent_byte(bytes, at);
        match code {
            Some(code) if code.is_ascii_alphanumeric() || b"-._~".contains(&code) => {
                normal.push(char::from(code))
            }
            Some(code) => normal.push_str(&format!("%{code:02X}")),
            None if bytes[at].is_ascii_graphic() => normal.push(char::from(bytes[at])),
            None => normal.push_str(&format!("%{:02X}", bytes[at])),
        }
        at += if code.is_some() { 3 } else { 1 };
    }
    normal
}

/// Whether a path begins as the pattern says: `*` is anything, `$` at the end the end of the path.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, to_end) = match pattern.strip_suffix(b"$") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    // The last `*` and how far it reaches: where the rest does not fit, it takes one more.
    let (mut at, mut seen, mut star) = (0, 0, None);
    loop {
        if at == pattern.len() && (!to_end || seen == path.len()) {
            return true;
        }
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, seen));
            at += 1;
        } else if at < pattern.len() && path.get(seen) == Some(&pattern[at]) {
            (at, seen) = (at + 1, seen + 1);
        } else if let Some((after, from)) = star.filter(|(_, from)| *from < path.len()) {
            (at, seen) = (after, from + 1);
            star = Some((after, from + 1));
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 9309, sections 2.2.2, 2.2.3 and 5.
    #[test]
    fn rules_are_those_of_the_standard() {
        let allowed =
            |rules: &str, path: &str| Robots::parse(&format!("User-agent: *\n{rules}")).allows(path);
        for (rule, path, fits) in [
            ("/foo/bar?baz=quz", "/foo/bar?baz=quz", true),
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", false),
            ("/foo/bar/ツ", "/foo/bar/%E3%83%84", true),
            ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", true),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz", true),
            ("/", "/any/thing", true),
            ("/path/*.html", "/path/to/page.html?x", true),
            ("/this/*/exactly", "/this/path/exactly", true),
            ("/this/path/exactly$", "/this/path/exactly", true),
            ("/this/path/exactly$", "/this/path/exactly/not", false),
            ("*/b/*c$", "/a/b/xcxc", true),
            ("*/b/*c$", "/a/b/xcx", false),
        ] {
            assert_eq!(allowed(&format!("Disallow: {rule}"), path), !fits, "{rule} {path}");
        }
        assert!(allowed("Allow: /example/page/\nDisallow: /example/page/", "/example/page/x"));
        let longest = "Allow: /example/page/\nDisallow: /example/page/disallowed.gif\nDisallow: /example/";
        assert!(allowed(longest, "/example/page/a") && !allowed(longest, "/example/page/disallowed.gif"));
        assert!(!allowed(longest, "/example/other") && allowed(longest, "/else"));
        assert!(allowed("Disallow:", "/x") && allowed("Disallow: /", "/robots.txt"));
    }

    #[test]
    fn the_groups_of_this_crawler_count_and_else_those_of_all() {
        let text = "\u{feff}Disallow: /xyz\nUSER-AGENT : other\nuser-agent: Nuwa/2.0 # us\nCrawl-delay: 2.5\nDisallow: /a\n\
            Sitemap: https://a.org/map.xml\n\nUser-agent: *\nDisallow: /\nUser-agent: nuwa\nDisallow: /b\nUser-agent: nuwabot\nDisallow: /c";
        let robots = Robots::parse(text);
        assert!(!robots.allows("/a") && !robots.allows("/b"));
        assert!(robots.allows("/c") && robots.allows("/xyz"));
        assert_eq!((robots.delay, robots.sitemaps.len()), (Some(2.5), 1));
        assert!(!Robots::parse("User-agent: *\nDisallow: /").allows("/a"));
        assert!(!Robots::closed().allows("/") && Robots::open().allows("/"));
        assert!(
            Robots::parse("User-agent: nuwa\nUser-agent: x\nAllow: /\n\nUser-agent: *\nDisallow: /")
                .allows("/a")
        );
        assert_eq!(Robots::parse("<html>no robots: here</html>"), Robots::open());
    }

    /// The same by definition.
    fn fits_by_definition(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            b"$" => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|from| fits_by_definition(rest, &path[from..])),
            [first, rest @ ..] => path.first() == Some(first) && fits_by_definition(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_defined(pattern in "[ab*]{0,8}\\$?", path in "[ab]{0,10}") {
            prop_assert_eq!(
                fits(pattern.as_bytes(), path.as_bytes()),
                fits_by_definition(pattern.as_bytes(), path.as_bytes())
            );
        }

        #[test]
        fn any_file_is_read(text in "(User-agent: (\\*|nuwa|x)\n|Disallow: [/*$%a-f0-9]{0,6}\n|\\PC{0,20}\n){0,12}", path in "\\PC{0,12}") {
            Robots::parse(&text).allows(&path);
        }
    }
}
