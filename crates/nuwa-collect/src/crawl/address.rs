//! Addresses of pages in one form (RFC 3986), so that each page is asked for once.

use fluent_uri::{Uri, UriRef};

/// Longer addresses are made by machines for machines.
const LONGEST: usize = 2048;

/// An absolute `http` or `https` address in its normal form: scheme and host in lower case, the usual port left out, dots in the path
/// resolved, no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    text: String,
    /// Where the path begins.
    path: usize,
}

impl Address {
    /// An address as it stands in a page, which may be relative to `base`.
    pub fn parse(text: &str, base: Option<&Self>) -> Option<Self> {
        let text = encoded(text.trim());
        let text = text.split('#').next().unwrap_or_default();
        let reference = UriRef::parse(text).ok()?;
        let absolute = match base {
            Some(base) => reference.resolve_against(&Uri::parse(base.text.as_str()).ok()?).ok()?,
            None => Uri::parse(text).ok()?.to_owned(),
        };
        Self::normal(&absolute.normalize())
    }

    fn normal(uri: &Uri<String>) -> Option<Self> {
        let scheme = uri.scheme().as_str();
        let usual = match scheme {
            "http" => "80",
            "https" => "443",
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_end_matches('.');
        let port = authority.port().map(|port| port.as_str()).filter(|port| !["", usual].contains(port));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let site = format!("{scheme}://{host}{port}");
        let path = match uri.path().as_str() {
            "" => "/",
            path => path,
        };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let address = Self { path: site.len(), text: format!("{site}{path}{query}") };
        (!host.is_empty() && address.text.len() <= LONGEST).then_some(address)
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: what a robots.txt speaks for.
    pub fn site(&self) -> &str {
        &self.text[..self.path]
    }

    /// The host, with its port where that is not the usual one.
    pub fn host(&self) -> &str {
        self.site().split_once("://").map_or("", |(_, host)| host)
    }

    /// The path and the query.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.path..]
    }
}

/// Characters that may not stand in an address, as pages have them nevertheless, as `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            // Browsers take these for nothing, and this for a slash.
            b'\t' | b'\n' | b'\r' => {}
            b'\\' => encoded.push('/'),
            b'%' if !(is_hex(at + 1) && is_hex(at + 2)) => encoded.push_str("%25"),
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f.. | 0..0x20 => {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            _ => encoded.push(char::from(*byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_has_one_address() {
        let base = Address::parse("https://Example.org:443/a/b/c?d#e", None).unwrap();
        assert_eq!((base.as_str(), base.host()), ("https://example.org/a/b/c?d", "example.org"));
        for (link, expected) in [
            ("../x", "https://example.org/a/x"),
            (" x y\n", "https://example.org/a/b/x%20y"),
            ("/陶/%e9%99%b6", "https://example.org/%E9%99%B6/%E9%99%B6"),
            ("//Other.org", "https://other.org/"),
            ("http://example.org:8080/%7Euser?q=100%", "http://example.org:8080/~user?q=100%25"),
            ("?page=2", "https://example.org/a/b/c?page=2"),
            ("#top", "https://example.org/a/b/c?d"),
            ("\\x", "https://example.org/x"),
        ] {
            assert_eq!(Address::parse(link, Some(&base)).unwrap().as_str(), expected, "{link}");
        }
        let long = "x".repeat(3000);
        for nothing in ["mailto:a@b.org", "javascript:void(0)", "ftp://a.org/", "http://", "http://[", &long]
        {
            assert_eq!(Address::parse(nothing, Some(&base)), None, "{nothing}");
        }
        assert_eq!(Address::parse("example.org/a", None), None);
        assert_eq!(base.path_and_query(), "/a/b/c?d");
        assert_eq!(base.site(), "https://example.org");
    }
}
