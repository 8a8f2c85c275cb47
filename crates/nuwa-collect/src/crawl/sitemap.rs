//! Sitemaps: lists of a site's pages (<https://www.sitemaps.org/protocol.html>, version 0.9), as XML or as plain text.

use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::html::unescape;

/// The protocol's limits: bytes of a sitemap, and addresses in it.
pub(super) const LARGEST: u64 = 50 << 20;
const MOST: usize = 50_000;

/// What a sitemap lists.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sitemap {
    /// The addresses are those of further sitemaps.
    pub is_index: bool,
    pub addresses: Vec<String>,
}

/// Unpacks what is compressed, within the limit.
pub(super) fn unpacked(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(&bytes[..]).take(LARGEST).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

impl Sitemap {
    /// Reads a sitemap; of what is no sitemap, nothing.
    pub fn parse(text: &str) -> Self {
        let is_index = text.contains("<sitemapindex");
        let is_xml = is_index || text.contains("<urlset");
        let addresses = if is_xml { locations(text) } else { lines(text) };
        Self { is_index, addresses }
    }
}

/// What stands in `<loc>`, with or without a prefix of its namespace.
fn locations(text: &str) -> Vec<String> {
    let parts = text.split('<').filter_map(|part| {
        let (tag, content) = part.split_once('>')?;
        let name = tag.split_ascii_whitespace().next()?;
        let is_location = name.rsplit(':').next() == Some("loc") && !name.starts_with('/');
        is_location.then_some(content)
    });
    // In a CDATA section the address stands behind another `<`.
    let sections =
        text.split("<![CDATA[").skip(1).filter_map(|part| part.split_once("]]>").map(|(inside, _)| inside));
    let plain = parts.chain(sections).map(str::trim).filter(|address| address.starts_with("http"));
    plain.take(MOST).map(|address| unescape(address).into_owned()).collect()
}

fn lines(text: &str) -> Vec<String> {
    let addresses =
        text.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("http"));
    addresses.filter(|line| !line.is_empty()).take(MOST).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn sitemaps_list_pages_or_sitemaps() {
        let pages = "<?xml version=\"1.0\"?><urlset xmlns=\"x\"><url><loc> https://a.org/?a=1&amp;b=2 </loc><lastmod>2024</lastmod></url>\
            <url><s:loc><![CDATA[https://a.org/c]]></s:loc></url></urlset>";
        let expected = ["https://a.org/?a=1&b=2", "https://a.org/c"].map(String::from).to_vec();
        assert_eq!(Sitemap::parse(pages), Sitemap { is_index: false, addresses: expected });
        assert!(Sitemap::parse("<sitemapindex><sitemap><loc>https://a.org/1.xml</loc>").is_index);
        assert_eq!(Sitemap::parse("https://a.org/1\n\nhttps://a.org/2\n").addresses.len(), 2);
        assert_eq!(Sitemap::parse("<html><loc>https://a.org").addresses, [] as [String; 0]);
    }

    #[test]
    fn packed_sitemaps_are_unpacked() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"https://a.org/1").unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(unpacked(packed.clone()).unwrap(), b"https://a.org/1");
        assert!(unpacked(packed[..20].to_vec()).is_err());
    }
}
