use std::borrow::Cow;
use std::sync::Arc;

use nuwa_nn::{Carried, Context, CrossAttention, Keys, LayerInput, Layers, PassMask, RecurrentState, Source};
use nuwa_tensor::{
    AttentionMask, CachedRows, DType, Error, HeadLayout, KeptRows, KeyValueCache, Result, RouterLog, Runs,
};

use crate::content::ContentCache;
use crate::{Memory, Text};

/// What the layers of a model remember of one sequence.
#[derive(Debug, Clone)]
pub struct Cache {
    layers: Vec<LayerCache>,
    length: usize,
    capacity: usize,
}

/// What one layer remembers of one sequence.
#[derive(Debug, Clone)]
enum LayerCache {
    /// The keys and values of each position.
    Attention(KeyValueCache),
    /// The same, and the keys and values of a source, which stay and which copies share.
    Decoder(KeyValueCache, Arc<KeyValueCache>),
    /// Those of each position of a content stream.
    Content(ContentCache),
    /// A state that every position changes.
    Recurrent(RecurrentState),
}

/// What a layer of a model remembers of a sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Remembers {
    /// Keys and values of these heads.
    Attention(HeadLayout),
    /// A state.
    State,
}

impl LayerCache {
    /// Forgets the positions from `length` on, which [`LayerCache::nearest`] says is possible.
    fn truncate(&mut self, length: usize) {
        match self {
            Self::Attention(own) | Self::Decoder(own, _) => own.truncate(length),
            Self::Content(own) => own.truncate(length),
            Self::Recurrent(own) => *own = own.after(length).unwrap_or_default(),
        }
    }

    /// A copy of the first `length` positions, which [`LayerCache::nearest`] says is possible.
    fn prefix(&self, length: usize) -> Self {
        match self {
            Self::Attention(own) => Self::Attention(own.prefix(length)),
            Self::Decoder(own, source) => Self::Decoder(own.prefix(length), Arc::clone(source)),
            Self::Content(own) => Self::Content(own.prefix(length)),
            Self::Recurrent(own) => Self::Recurrent(own.after(length).unwrap_or_default()),
        }
    }

    /// The largest length, at most `length`, to which there is a way back.
    fn nearest(&self, length: usize) -> usize {
        match self {
            Self::Attention(_) | Self::Decoder(..) | Self::Content(_) => length,
            Self::Recurrent(own) => own.nearest(length),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Attention(own) => own.bytes(),
            Self::Decoder(own, source) => own.bytes() + source.bytes(),
            Self::Content(own) => own.bytes(),
            Self::Recurrent(own) => own.bytes(),
        }
    }
}

impl Cache {
    /// An empty cache of attention for each layer, kept in this dtype.
    pub fn attention(layers: usize, heads: HeadLayout, capacity: usize, dtype: DType) -> Self {
        let layer = LayerCache::Attention(KeyValueCache::new(heads, capacity, dtype));
        Self { layers: vec![layer; layers], length: 0, capacity }
    }

    /// An empty cache of what each layer remembers; keys and values are kept in this dtype.
    pub(crate) fn of_layers(
        layers: impl IntoIterator<Item = Remembers>,
        capacity: usize,
        dtype: DType,
    ) -> Self {
        let layer = |kind| match kind {
            Remembers::Attention(heads) => LayerCache::Attention(KeyValueCache::new(heads, capacity, dtype)),
            Remembers::State => LayerCache::Recurrent(RecurrentState::default()),
        };
        Self { layers: layers.into_iter().map(layer).collect(), length: 0, capacity }
    }

    /// An empty cache of a content stream for each layer.
    pub(crate) fn content(layers: usize, capacity: usize) -> Self {
        let layer = LayerCache::Content(ContentCache::default());
        Self { layers: vec![layer; layers], length: 0, capacity }
    }

    /// What layer `index` remembers, of a cache that [`Cache::content`] made; none of another.
    pub(crate) fn of_content(&mut self, index: usize) -> Option<&mut ContentCache> {
        match self.layers.get_mut(index)? {
            LayerCache::Content(cache) => Some(cache),
            LayerCache::Attention(_) | LayerCache::Decoder(..) | LayerCache::Recurrent(_) => None,
        }
    }

    /// Takes note that all layers have seen so many new positions.
    pub(crate) fn grow(&mut self, rows: usize) {
        self.length += rows;
        self.states().for_each(|state| state.advance(rows));
    }

    fn states(&mut self) -> impl Iterator<Item = &mut RecurrentState> {
        self.layers.iter_mut().filter_map(|layer| match layer {
            LayerCache::Recurrent(state) => Some(state),
            LayerCache::Attention(_) | LayerCache::Decoder(..) | LayerCache::Content(_) => None,
        })
    }

    /// Whether a layer carries a state along, from which there is no way back but to a [snapshot](Cache::snapshot).
    pub fn carries_states(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, LayerCache::Recurrent(_)))
    }

    /// Keeps a copy of the states that layers carry along, so that there is a way back to the present length. The oldest of several
    /// is forgotten.
    pub fn snapshot(&mut self) {
        self.states().for_each(RecurrentState::snapshot);
    }

    /// The largest length, at most `length`, to which there is a way back: that itself where all layers keep something of each
    /// position, else that of a snapshot, or 0.
    pub fn nearest(&self, length: usize) -> usize {
        let length = length.min(self.length);
        self.layers.iter().map(|layer| layer.nearest(length)).min().unwrap_or(length)
    }

    /// This cache, which is empty, for an answer to each source of `memory`, which holds one a text: with what `layers` keep of it
    /// in `dtype`.
    ///
    /// # Errors
    /// When widths differ, or the tape records.
    pub(crate) fn over_memory(
        &self,
        context: &Context<'_>,
        memory: &Memory,
        layers: &[&CrossAttention],
        dtype: DType,
    ) -> Result<Vec<Self>> {
        let tape = context.tape;
        let empty = Self { layers: Vec::new(), ..*self };
        let mut caches = vec![empty; memory.sources().count()];
        for (own, layer) in self.layers.iter().zip(layers) {
            let rows = layer.memory(tape, memory.rows())?;
            for (cache, source) in caches.iter_mut().zip(memory.sources()) {
                let of_source = tape.rows(&rows, &source.collect::<Vec<u32>>())?;
                let kept = Arc::new(layer.keep(tape, &of_source, dtype)?);
                if let LayerCache::Attention(own) | LayerCache::Decoder(own, _) = own {
                    cache.layers.push(LayerCache::Decoder(own.clone(), kept));
                }
            }
        }
        Ok(caches)
    }

    /// The number of positions seen so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The number of positions there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all positions from `length` on, where every layer can: what attention holds is a position each, but a state
    /// that each position changed has no way back except to a snapshot ([`Cache::nearest`]). Where it was not possible nothing has
    /// changed, and the cache has to be filled anew.
    #[must_use]
    pub fn truncate(&mut self, length: usize) -> bool {
        if length >= self.length {
            return true;
        }
        if self.nearest(length) != length {
            return false;
        }
        self.layers.iter_mut().for_each(|layer| layer.truncate(length));
        self.length = length;
        true
    }

    /// A copy that holds the first `length` positions; none where a layer cannot go back to them.
    pub fn prefix(&self, length: usize) -> Option<Self> {
        let length = length.min(self.length);
        let layers = self.layers.iter().map(|layer| layer.prefix(length));
        (self.nearest(length) == length).then(|| Self { layers: layers.collect(), length, ..*self })
    }

    /// The bytes that it takes, those of a source among them, which copies of it share.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(LayerCache::bytes).sum()
    }
}

/// New ids of one sequence, and what is remembered of those before.
#[derive(Debug)]
pub struct NewRows<'a> {
    /// What is remembered, which the new ones join.
    pub cache: &'a mut Cache,
    /// The new ids.
    pub ids: &'a [u32],
}

/// What a forward pass reads.
#[derive(Debug)]
pub enum Input<'a> {
    /// Whole texts.
    Text(&'a Text),
    /// Whole answers, to what an encoder has read: see [`Model::encode`](crate::Model::encode).
    Answer {
        /// The answers.
        text: &'a Text,
        /// The sources.
        memory: &'a Memory,
    },
    /// The next ids of several sequences whose past is cached, those of each one after the other. A row of the result does not
    /// depend on which others are computed with it.
    Next(Vec<NewRows<'a>>),
}

impl<'a> Input<'a> {
    /// The whole texts, for models that read nothing else.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn text(self) -> Result<&'a Text> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Answer { .. } | Self::Next(_) => Err(Error::Shape {
                operation: "attention",
                reason: "an encoder reads whole texts, it has no cache".into(),
            }),
        }
    }

    /// Begins a forward pass of a decoder that reads a source.
    ///
    /// # Errors
    /// When there is none, or the answers do not fit it.
    pub(crate) fn begin_answer(self) -> Result<Pass<'a>> {
        let without =
            |reason: &str| Err(Error::Shape { operation: "cross_attention", reason: reason.into() });
        match self {
            Self::Text(_) => without("the decoder reads an answer to a source, and there is no source"),
            Self::Answer { text, memory } => {
                let own = PassMask::new(text.mask.clone());
                let new = New::Answer { own, memory, mask: memory.mask(text)? };
                Ok(Pass { new, ..Self::Text(text).begin() })
            }
            Self::Next(sequences) => {
                let keeps = |layer: &LayerCache| matches!(layer, LayerCache::Decoder(..));
                match sequences.iter().all(|new| new.cache.layers.iter().all(keeps)) {
                    true => Ok(Self::Next(sequences).begin()),
                    false => without("the cache was not begun from a source"),
                }
            }
        }
    }

    /// Begins a forward pass.
    pub(crate) fn begin(self) -> Pass<'a> {
        let (ids, positions) = match &self {
            Self::Text(text) | Self::Answer { text, .. } => {
                (Cow::Borrowed(&text.ids[..]), Arc::clone(&text.positions))
            }
            Self::Next(sequences) => {
                let positions = |new: &NewRows<'_>| (new.cache.length as u32..).take(new.ids.len());
                let ids: Vec<u32> = sequences.iter().flat_map(|new| new.ids).copied().collect();
                (Cow::Owned(ids), sequences.iter().flat_map(positions).collect())
            }
        };
        let runs = match &self {
            Self::Text(text) | Self::Answer { text, .. } => {
                Runs::of_texts(text.mask.sequences(), text.mask.length(), text.starts.as_deref())
            }
            Self::Next(sequences) => {
                Runs::following(sequences.iter().map(|new| (new.ids.len(), new.cache.length == 0)))
            }
        };
        let new = match self {
            Self::Text(text) | Self::Answer { text, .. } => New::Text(PassMask::new(text.mask.clone())),
            Self::Next(sequences) => New::Rows(sequences),
        };
        Pass { ids, positions, routers: RouterLog::new(), runs, new }
    }
}

/// A forward pass under way.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// The tokens.
    pub ids: Cow<'a, [u32]>,
    /// The position of each token in its document.
    pub positions: Arc<[u32]>,
    /// What the routers of all layers do.
    pub routers: RouterLog,
    /// Which rows follow which.
    runs: Runs,
    new: New<'a>,
}

/// What is new to the layers: a whole text, or rows that join those of a cache.
#[derive(Debug)]
enum New<'a> {
    Text(PassMask),
    Answer { own: PassMask, memory: &'a Memory, mask: AttentionMask },
    Rows(Vec<NewRows<'a>>),
}

impl Pass<'_> {
    /// Takes note that all layers have seen the ids; gives what their routers did.
    pub fn finish(self) -> RouterLog {
        if let New::Rows(sequences) = self.new {
            sequences.into_iter().for_each(|new| new.cache.grow(new.ids.len()));
        }
        self.routers
    }
}

impl Layers for Pass<'_> {
    fn layer(&mut self, index: usize) -> LayerInput<'_> {
        let router = (!matches!(self.new, New::Rows(_))).then(|| self.routers.layer(index));
        let mut states = Vec::new();
        let (keys, source) = match &mut self.new {
            New::Text(mask) => (Keys::Pass(mask), None),
            New::Answer { own, memory, mask } => {
                let source = Source::Pass { rows: memory.rows(), mask, log: memory.log() };
                (Keys::Pass(own), Some(source))
            }
            New::Rows(sequences) => {
                let (mut rows, mut kept) = (Vec::new(), Vec::new());
                for new in sequences {
                    let (length, count) = (new.cache.length, new.ids.len());
                    // A pass that failed may have left rows in some layers.
                    match &mut new.cache.layers[index] {
                        LayerCache::Attention(cache) => {
                            cache.truncate(length);
                            rows.push(CachedRows { cache, rows: count });
                        }
                        LayerCache::Decoder(cache, memory) => {
                            cache.truncate(length);
                            rows.push(CachedRows { cache, rows: count });
                            kept.push(KeptRows { memory, rows: count });
                        }
                        LayerCache::Recurrent(state) => {
                            state.begin();
                            states.push(state);
                        }
                        // It holds no rows for these layers, which will say so.
                        LayerCache::Content(_) => {}
                    }
                }
                (Keys::Cached(rows), (!kept.is_empty()).then_some(Source::Kept(kept)))
            }
        };
        let carried = Carried { runs: &self.runs, states };
        LayerInput { positions: &self.positions, keys, router, source, carried }
    }
}
