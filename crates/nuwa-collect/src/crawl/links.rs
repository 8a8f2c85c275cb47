//! What a page says to crawlers: where its links lead, and what it forbids.

use super::address::Address;
use crate::formats::page::{attribute, is_one_of, tags_of};
use crate::html::unescape;

/// What a page says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Where its links lead, in their order.
    pub links: Vec<Address>,
    /// The address that it would rather be known by.
    pub canonical: Option<Address>,
    /// It is not to be kept.
    pub no_index: bool,
}

/// Reads a page.
pub(super) fn read(page: &str, address: &Address) -> Said {
    let mut said = Said::default();
    let (mut base, mut no_follow) = (address.clone(), false);
    let page = without_comments(page);
    for (name, attributes) in tags_of(&page, b"ablm") {
        let target = || attribute(attributes, "href").map(unescape);
        let relation = attribute(attributes, "rel");
        match name.as_str() {
            "base" => {
                base = target().and_then(|href| Address::parse(&href, Some(address))).unwrap_or(base);
            }
            "a" | "area" if !is_one_of(relation, "nofollow") => {
                said.links.extend(target().and_then(|href| Address::parse(&href, Some(&base))));
            }
            "link" if is_one_of(relation, "canonical") => {
                said.canonical = target().and_then(|href| Address::parse(&href, Some(&base)));
            }
            "link" if is_one_of(relation, "next") => {
                said.links.extend(target().and_then(|href| Address::parse(&href, Some(&base))));
            }
            "meta" if is_for_robots(attribute(attributes, "name")) => {
                let orders = attribute(attributes, "content").unwrap_or_default();
                said.no_index |= orders_say(orders, "noindex");
                no_follow |= orders_say(orders, "nofollow");
            }
            _ => {}
        }
    }
    if no_follow {
        said.links.clear();
    }
    said
}

/// The page without comments, scripts and styles, in which nothing is a tag. What is not closed goes to the end.
fn without_comments(page: &str) -> String {
    const HIDDEN: [(&str, &str); 3] = [("!--", "-->"), ("script", "</script"), ("style", "</style")];
    let begins = |text: &str, start: &str| {
        text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    let (mut seen, mut rest) = (String::with_capacity(page.len()), page);
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        seen.push_str(before);
        let hidden = HIDDEN.iter().find(|(start, _)| begins(&tag[1..], start));
        rest = match hidden {
            None => {
                seen.push('<');
                &tag[1..]
            }
            Some((_, end)) => {
                let places = tag.match_indices(&end[..1]).map(|(place, _)| place);
                let end_at = places.skip(1).find(|place| begins(&tag[*place..], end));
                end_at.map_or("", |place| &tag[place + end.len()..])
            }
        };
    }
    seen + rest
}

fn is_for_robots(name: Option<&str>) -> bool {
    name.is_some_and(|name| {
        ["robots", super::robots::NAME].iter().any(|own| name.trim().eq_ignore_ascii_case(own))
    })
}

/// The same of an `X-Robots-Tag`, where orders may be for one crawler alone: "nuwa: noindex".
pub(super) fn header_says(value: &str, order: &str) -> bool {
    match value.split_once(':') {
        Some((name, _)) if name.trim().eq_ignore_ascii_case("unavailable_after") => false,
        Some((name, orders)) => is_for_robots(Some(name)) && orders_say(orders, order),
        None => orders_say(value, order),
    }
}

/// Whether a list of orders, as in `meta name=robots`, holds this one, or "none".
pub(super) fn orders_say(orders: &str, order: &str) -> bool {
    let words = orders.split([',', ';', ' ']);
    words.map(str::trim).any(|word| word.eq_ignore_ascii_case(order) || word.eq_ignore_ascii_case("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_orders_obeyed() {
        let address = Address::parse("https://a.org/dir/page", None).unwrap();
        let page = "<html><head><base href='/base/'><link rel=canonical href=/page><meta name=Robots content='NoIndex, follow'></head>\
            <a class=x href=\"one?a=1&amp;b=2\">1</a> <A HREF=two>2</A> <a rel='external nofollow' href=three>3</a>\
            <a name=here>4</a> <area href=/five><abbr href=six> <a href='mailto:x@y.z'>7</a><link rel=next href=eight>";
        let said = read(page, &address);
        let links: Vec<&str> = said.links.iter().map(Address::as_str).collect();
        assert_eq!(
            links,
            [
                "https://a.org/base/one?a=1&b=2",
                "https://a.org/base/two",
                "https://a.org/five",
                "https://a.org/base/eight"
            ]
        );
        assert!(said.no_index && said.canonical.unwrap().as_str() == "https://a.org/page");
        let silent = read("<a href=x>1</a><meta name=nuwa content=none>", &address);
        assert!(silent.links.is_empty() && silent.no_index);
        assert_eq!(read("<a href", &address), Said::default());
        let hidden = "<!-- <a href=x>1</a> --><SCRIPT>\"<a href=y>\"</Script><a href=/z>2</a><style><a href=w></style><!-- <a href=v>";
        let said = read(hidden, &address);
        assert_eq!(said.links.iter().map(Address::as_str).collect::<Vec<_>>(), ["https://a.org/z"]);
        assert!(header_says("noindex, nofollow", "nofollow") && header_says("nuwa: NONE", "noindex"));
        assert!(!header_says("otherbot: noindex", "noindex") && !header_says("all", "noindex"));
    }
}
