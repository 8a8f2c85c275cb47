use nuwa_tensor::{AttentionMask, RelativePlaces, Result, Tape, Tensor};

use crate::{Queries, Text};

/// Where the rows of both streams stand: of each text those of its tokens and then those of its queries, as many for each text.
/// Keys are of each text those of its memory and then those of its tokens.
#[derive(Debug)]
pub struct Streams {
    /// The rows of tokens, and of queries.
    pub content: Vec<u32>,
    pub queries: Vec<u32>,
    /// The keys that are tokens, and those that are memory.
    content_keys: Vec<u32>,
    memory_keys: Vec<u32>,
    /// What all rows see.
    pub both: View,
    /// What the queries alone see.
    pub asked: View,
    /// How far keys lie before rows at most, and after them.
    pub farthest: [usize; 2],
}

/// What some rows see.
#[derive(Debug)]
pub struct View {
    /// Which keys each row attends to.
    pub mask: AttentionMask,
    /// Where each row stands among the keys.
    pub places: RelativePlaces,
}

impl Streams {
    /// Those that a text asks for.
    ///
    /// # Errors
    /// When its queries or what stands before it do not fit it.
    pub fn of(text: &Text) -> Result<Self> {
        let (texts, length) = (text.mask.sequences(), text.mask.length());
        match &text.queries {
            None => Self::of_content(text),
            Some(Queries::Next) => {
                let places = (1..=length as u32).collect::<Vec<_>>().repeat(texts);
                // What follows a token is taken to be of its segment.
                Self::new(text, places, text.segments.clone(), text.mask.clone())
            }
            Some(Queries::Places { places, mask }) => {
                let count = places.len() / texts.max(1);
                let segment = |(query, place): (usize, &u32)| {
                    text.segments.get(query / count.max(1) * length + *place as usize).copied()
                };
                let segments = places.iter().enumerate().filter_map(segment).collect();
                Self::new(text, places.clone(), segments, mask.clone())
            }
        }
    }

    /// The first stream alone.
    ///
    /// # Errors
    /// When what stands before the text does not fit it.
    pub fn of_content(text: &Text) -> Result<Self> {
        let (texts, length) = (text.mask.sequences(), text.mask.length());
        Self::new(text, Vec::new(), Vec::new(), AttentionMask::full_memory(texts, [0, length]))
    }

    /// With queries at these places, of these segments and under this mask.
    fn new(text: &Text, mut queries: Vec<u32>, segments: Vec<u32>, mask: AttentionMask) -> Result<Self> {
        let (texts, length) = (text.mask.sequences(), text.mask.length());
        let (count, mut memory, mut of_tokens, mut of_queries) =
            (queries.len() / texts.max(1), 0, text.mask.clone(), mask);
        if let Some(before) = &text.before {
            memory = before.text.mask.length();
            of_tokens = of_tokens.after_memory(memory, &before.first)?;
            of_queries = of_queries.after_memory(memory, &before.first)?;
        }
        let both = of_tokens.beside(&of_queries)?;
        let tokens: Vec<u32> = (0..length).map(|place| (memory + place) as u32).collect();
        queries.iter_mut().for_each(|place| *place += memory as u32);
        let places = interleaved([&tokens.repeat(texts), &queries], texts);
        let farthest = RelativePlaces::farthest(&places, &both);
        let of_keys = interleaved([&vec![0; texts * memory], &text.segments], texts);
        let view = |mask: AttentionMask, places: Vec<u32>, segments: Vec<u32>| {
            let places = RelativePlaces::new(places, farthest[0]);
            let plain = text.segments.is_empty();
            let places = if plain { places } else { places.with_segments(segments, of_keys.clone()) };
            View { mask, places }
        };
        let of_rows = interleaved([&text.segments, &segments], texts);
        let (both, asked) = (view(both, places, of_rows), view(of_queries, queries, segments));
        let [content, queries] = parts([length, count], texts);
        let [memory_keys, content_keys] = parts([memory, length], texts);
        Ok(Self { content, queries, content_keys, memory_keys, both, asked, farthest })
    }

    /// The rows that keys are made of.
    ///
    /// # Errors
    /// When the memory has another width or other rows.
    pub fn keys(&self, tape: &Tape, x: &Tensor, memory: Option<&Tensor>) -> Result<Tensor> {
        let content = if self.queries.is_empty() { x.clone() } else { tape.rows(x, &self.content)? };
        let Some(memory) = memory else { return Ok(content) };
        let parts = [(memory, &self.memory_keys[..]), (&content, &self.content_keys[..])];
        tape.put_rows(&parts, self.memory_keys.len() + self.content_keys.len())
    }
}

/// What belongs to two parts of each text, text by text.
fn interleaved([first, second]: [&[u32]; 2], texts: usize) -> Vec<u32> {
    let of = |all: &[u32], text: usize| {
        let count = all.len() / texts;
        all[text * count..(text + 1) * count].to_vec()
    };
    (0..texts).flat_map(|text| [of(first, text), of(second, text)].concat()).collect()
}

/// The rows of the first and of the second part of each text, of which each part has so many.
fn parts([first, second]: [usize; 2], texts: usize) -> [Vec<u32>; 2] {
    let of = |from: usize, count: usize| {
        let own = move |text: usize| (text * (first + second) + from..).take(count).map(|row| row as u32);
        (0..texts).flat_map(own).collect()
    };
    [of(0, first), of(first, second)]
}
