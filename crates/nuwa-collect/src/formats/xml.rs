//! The marks and texts of an XML file in their order. What is broken in it is text, or missing; nothing is an error.

/// A piece of XML.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// As it is written, with its entities.
    Text(&'a str),
    Open(Element<'a>),
    /// The name without its prefix.
    Close(&'a str),
}

#[derive(Debug, PartialEq)]
pub(super) struct Element<'a> {
    /// Without its prefix.
    pub name: &'a str,
    pub attributes: &'a str,
    /// It ends where it begins.
    pub is_empty: bool,
}

/// Takes pieces from an XML file.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub fn of(xml: &'a str) -> Self {
        Self { rest: xml }
    }

    /// What stands up to `end`, which is passed over.
    fn up_to(&mut self, end: &str) -> &'a str {
        let (found, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        found
    }

    /// The inside of a mark; its values may hold its end.
    fn mark(&mut self) -> &'a str {
        let mut quote = None;
        let ends = |(_, byte): &(usize, u8)| match quote {
            Some(open) => {
                quote = quote.filter(|_| *byte != open);
                false
            }
            None => {
                quote = Some(*byte).filter(|byte| matches!(byte, b'"' | b'\''));
                *byte == b'>'
            }
        };
        let end = self.rest.bytes().enumerate().find(ends).map_or(self.rest.len(), |(at, _)| at);
        let (mark, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        mark
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let rest = self.rest.strip_prefix('<');
            let Some(rest) = rest else {
                let end = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return (!text.is_empty()).then_some(Piece::Text(text));
            };
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix("![CDATA[") {
                self.rest = rest;
                return Some(Piece::Text(self.up_to("]]>")));
            }
            let is_passed_over = rest.starts_with(['!', '?']);
            let mark = match () {
                () if rest.starts_with("!--") => self.up_to("-->"),
                () if rest.starts_with('?') => self.up_to("?>"),
                () => self.mark(),
            };
            if !is_passed_over {
                return Some(piece(mark));
            }
        }
    }
}

fn piece(mark: &str) -> Piece<'_> {
    if let Some(name) = mark.strip_prefix('/') {
        return Piece::Close(local(name.trim()));
    }
    let is_empty = mark.ends_with('/');
    let mark = mark.strip_suffix('/').unwrap_or(mark);
    let end = mark.find(|end: char| end.is_ascii_whitespace()).unwrap_or(mark.len());
    let (name, attributes) = mark.split_at(end);
    Piece::Open(Element { name: local(name), attributes, is_empty })
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_xml_file_is_taken_apart() {
        let xml =
            "<?xml version='1.0'?><!DOCTYPE a><w:a b='x>y'>one<!-- <no> --><c/>&amp;<![CDATA[<d>]]></w:a>";
        let pieces: Vec<Piece> = Pieces::of(xml).collect();
        let open = |name, attributes, is_empty| Piece::Open(Element { name, attributes, is_empty });
        let expected = [
            open("a", " b='x>y'", false),
            Piece::Text("one"),
            open("c", "", true),
            Piece::Text("&amp;"),
            Piece::Text("<d>"),
            Piece::Close("a"),
        ];
        assert_eq!(pieces, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(xml in "[<>/!?\\-\\[\\]CDATA\"'a =]{0,60}") {
            prop_assert!(Pieces::of(&xml).count() <= xml.len());
        }
    }
}
