//! The names of special tokens in a text: which are there, and which of them may stand for their tokens.

use std::ops::Range;

use ahash::AHashMap;
use aho_corasick::{AhoCorasick, MatchKind};
use tokenizers::tokenizer::normalizer;
use tokenizers::{
    Model, ModelWrapper, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer, Token,
    Tokenizer as Pipeline,
};

use crate::added::AddedToken;
use crate::{Error, Result};

/// The special tokens of a vocabulary by their names.
#[derive(Debug, Default)]
pub struct Specials {
    by_name: AHashMap<String, Named>,
    /// The lengths that names have, the longest first.
    lengths: Vec<usize>,
    /// The characters that a name begins or ends with.
    ends: Vec<char>,
    /// Whether a name may also come out of a text that is normalised first.
    pub normalised: bool,
}

#[derive(Debug, Clone, Copy)]
struct Named {
    id: u32,
    takes_blanks_before: bool,
    takes_blanks_after: bool,
}

/// A special token in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bytes of its name.
    pub name: Range<usize>,
    /// The bytes that the token takes up: blanks beside it may belong to it.
    pub taken: Range<usize>,
    /// The token.
    pub id: u32,
}

impl Specials {
    pub fn new(added: &[AddedToken], is_normalised: bool) -> Self {
        let mut specials = Self::default();
        added
            .iter()
            .filter(|token| token.special && !token.content.is_empty())
            .for_each(|token| specials.add(token));
        specials.normalised &= is_normalised;
        specials.lengths.sort_unstable_by(|one, other| other.cmp(one));
        specials.lengths.dedup();
        specials.ends.sort_unstable();
        specials.ends.dedup();
        specials
    }

    fn add(&mut self, token: &AddedToken) {
        let ends = [token.content.chars().next(), token.content.chars().next_back()];
        self.ends.extend(ends.into_iter().flatten());
        self.lengths.push(token.content.len());
        self.normalised |= token.normalized;
        let named =
            Named { id: token.id, takes_blanks_before: token.lstrip, takes_blanks_after: token.rstrip };
        self.by_name.insert(token.content.clone(), named);
    }

    /// The characters that a name begins or ends with.
    pub fn ends(&self) -> &[char] {
        &self.ends
    }

    /// The special tokens of `text`, from left to right and the longest first, but those that `foreign` refuses.
    pub fn places(&self, text: &str, foreign: impl Fn(&Range<usize>) -> bool) -> Vec<Place> {
        let (mut places, mut free) = (Vec::<Place>::new(), 0);
        for start in self.starts(text) {
            let fits = |length: &usize| !foreign(&(start..start + length));
            if start < free {
                continue;
            }
            let found = self.lengths.iter().filter(|length| fits(length)).find_map(|&length| {
                Some((start..start + length, self.by_name.get(text.get(start..start + length)?)?))
            });
            if let Some((name, named)) = found {
                let taken = named.with_blanks(text, &name, free);
                free = taken.end;
                places.push(Place { name, taken, id: named.id });
            }
        }
        places
    }

    /// Whether a name that `foreign` refuses stands in `text`.
    pub fn any(&self, text: &str, foreign: impl Fn(&Range<usize>) -> bool) -> bool {
        let is_name = |range: &Range<usize>| {
            text.get(range.clone()).is_some_and(|name| self.by_name.contains_key(name)) && foreign(range)
        };
        self.starts(text).any(|start| self.lengths.iter().any(|length| is_name(&(start..start + length))))
    }

    fn starts<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        let begins = |character: &char| self.ends.binary_search(character).is_ok();
        text.char_indices().filter(move |(_, character)| begins(character)).map(|(start, _)| start)
    }
}

impl Named {
    fn with_blanks(self, text: &str, name: &Range<usize>, free: usize) -> Range<usize> {
        let (before, after) = (&text[free..name.start], &text[name.end..]);
        let start = if self.takes_blanks_before { free + before.trim_end().len() } else { name.start };
        let end = if self.takes_blanks_after { text.len() - after.trim_start().len() } else { name.end };
        start..end
    }
}

/// Finds the names of special tokens whatever the case of their letters.
#[derive(Debug)]
pub struct NamesInAnyCase(AhoCorasick);

impl NamesInAnyCase {
    /// # Errors
    /// When the names together are too long to search for.
    pub fn new(specials: &Specials) -> Result<Self> {
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(specials.by_name.keys());
        search.map(Self).map_err(|error| Error::pipeline("encode", error))
    }

    /// Where they begin in `text`, in order.
    pub fn starts(&self, text: &str) -> Vec<usize> {
        let mut starts: Vec<usize> = self.0.find_overlapping_iter(text).map(|found| found.start()).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }
}

/// The added tokens that are no special tokens: they are recognised in any text.
#[derive(Debug, Default)]
pub struct PlainTokens {
    ids: Vec<u32>,
    names: Option<AhoCorasick>,
}

impl PlainTokens {
    /// # Errors
    /// In words, when their names together are too long to search for.
    pub fn new(added: &[AddedToken]) -> Result<Self, String> {
        let plain: Vec<_> =
            added.iter().filter(|token| !token.special && !token.content.is_empty()).collect();
        if plain.is_empty() {
            return Ok(Self::default());
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(plain.iter().map(|token| &token.content));
        let names = search.map_err(|error| format!("its added tokens cannot be searched for: {error}"))?;
        Ok(Self { ids: plain.iter().map(|token| token.id).collect(), names: Some(names) })
    }

    /// Whether the token of this id is one of them.
    pub fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    /// Where their names stand in `text`, from left to right and the longest first.
    fn places(&self, text: &str) -> Vec<(Range<usize>, u32)> {
        let found = self.names.iter().flat_map(|names| names.find_iter(text));
        found.map(|found| (found.range(), self.ids[found.pattern().as_usize()])).collect()
    }
}

/// The ids, by the `tokenizers` crate, of `text` in which only `places` are special tokens, whatever else has the name of
/// one. `plain` are the added tokens that are recognised in any text.
pub fn encode(
    pipeline: &Pipeline,
    specials: &Specials,
    plain: &PlainTokens,
    text: &str,
    places: &[Place],
) -> Result<Vec<u32>> {
    let mut parts = PreTokenizedString::from(text);
    let encoded = parts
        .split(|_, whole| Ok(cut(&whole, places.iter().map(|place| (place.taken.clone(), place.id)))))
        .and_then(|()| parts.split(|_, part| Ok(cut(&part, plain.places(part.get())))))
        .and_then(|()| {
            parts.normalize(|part| pipeline.get_normalizer().map_or(Ok(()), |rule| rule.normalize(part)))
        })
        .and_then(|()| pipeline.get_pre_tokenizer().map_or(Ok(()), |rule| rule.pre_tokenize(&mut parts)))
        .and_then(|()| match finds_names(pipeline) {
            true => parts.split(|_, part| Ok(halve(&part, specials))),
            false => Ok(()),
        })
        .and_then(|()| parts.tokenize(|part| pipeline.get_model().tokenize(part.get())))
        .and_then(|()| parts.into_encoding(None, 0, OffsetType::None));
    let encoded = encoded.map_err(|error| Error::pipeline("encode", error))?;
    Ok(encoded.get_ids().to_vec())
}

/// Whether the model itself takes a special token's name in a text for the token: a vocabulary of whole pieces does.
pub fn finds_names(pipeline: &Pipeline) -> bool {
    matches!(pipeline.get_model(), ModelWrapper::Unigram(_))
}

/// `part` cut within each special token's name.
fn halve(part: &NormalizedString, specials: &Specials) -> Vec<Part> {
    let text = part.get();
    let ends = specials.places(text, |_| false).into_iter().map(|place| {
        let first = text[place.name.start..].chars().next().map_or(0, char::len_utf8);
        place.name.start + first
    });
    let (mut parts, mut done) = (Vec::new(), 0);
    for end in ends.chain([text.len()]) {
        parts.extend(part.slice(normalizer::Range::Normalized(done..end)).map(|text| (text, None)));
        done = end;
    }
    parts
}

type Part = (NormalizedString, Option<Vec<Token>>);

/// `whole` in parts: tokens, and the text between them.
fn cut(whole: &NormalizedString, tokens: impl IntoIterator<Item = (Range<usize>, u32)>) -> Vec<Part> {
    let slice = |range: Range<usize>| whole.slice(normalizer::Range::Normalized(range));
    let (mut parts, mut done) = (Vec::new(), 0);
    for (range, id) in tokens {
        parts.extend(slice(done..range.start).map(|text| (text, None)));
        done = range.end;
        parts.extend(slice(range).map(|name| {
            let token = Token::new(id, name.get().to_string(), (0, name.get().len()));
            (name, Some(vec![token]))
        }));
    }
    parts.extend(slice(done..whole.get().len()).map(|text| (text, None)));
    parts
}
