use std::borrow::Cow;
use std::sync::Arc;

use nuwa_nn::{Keys, LayerInput, Layers, PassMask};
use nuwa_tensor::{CachedRows, DType, Error, HeadLayout, KeyValueCache, Result, RouterLog};

use crate::Text;
use crate::content::ContentCache;

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
    /// The same of a content stream.
    Content(ContentCache),
}

impl Cache {
    /// An empty cache of attention for each layer, kept in this dtype.
    pub fn attention(layers: usize, heads: HeadLayout, capacity: usize, dtype: DType) -> Self {
        let layer = LayerCache::Attention(KeyValueCache::new(heads, capacity, dtype));
        Self { layers: vec![layer; layers], length: 0, capacity }
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
            LayerCache::Attention(_) => None,
        }
    }

    /// Takes note that all layers have seen so many new positions.
    pub(crate) fn grow(&mut self, rows: usize) {
        self.length += rows;
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
    /// that each position changed has no way back. Where it was not possible nothing has changed, and the cache has to be
    /// filled anew.
    #[must_use]
    pub fn truncate(&mut self, length: usize) -> bool {
        if length >= self.length {
            return true;
        }
        for layer in &mut self.layers {
            match layer {
                LayerCache::Attention(cache) => cache.truncate(length),
                LayerCache::Content(cache) => cache.truncate(length),
            }
        }
        self.length = length;
        true
    }

    /// A copy that holds the first `length` positions; none where a layer cannot go back to them.
    pub fn prefix(&self, length: usize) -> Option<Self> {
        let layers = self.layers.iter().map(|layer| match layer {
            LayerCache::Attention(cache) => Some(LayerCache::Attention(cache.prefix(length))),
            LayerCache::Content(cache) => Some(LayerCache::Content(cache.prefix(length))),
        });
        Some(Self { layers: layers.collect::<Option<_>>()?, length: self.length.min(length), ..*self })
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let of_layer = |layer: &LayerCache| match layer {
            LayerCache::Attention(cache) => cache.bytes(),
            LayerCache::Content(cache) => cache.bytes(),
        };
        self.layers.iter().map(of_layer).sum()
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
            Self::Next(_) => Err(Error::Shape {
                operation: "attention",
                reason: "an encoder reads whole texts, it has no cache".into(),
            }),
        }
    }

    /// Begins a forward pass.
    pub(crate) fn begin(self) -> Pass<'a> {
        let (ids, positions) = match &self {
            Self::Text(text) => (Cow::Borrowed(&text.ids[..]), Arc::clone(&text.positions)),
            Self::Next(sequences) => {
                let positions = |new: &NewRows<'_>| (new.cache.length as u32..).take(new.ids.len());
                let ids: Vec<u32> = sequences.iter().flat_map(|new| new.ids).copied().collect();
                (Cow::Owned(ids), sequences.iter().flat_map(positions).collect())
            }
        };
        let new = match self {
            Self::Text(text) => New::Text(PassMask::new(text.mask.clone())),
            Self::Next(sequences) => New::Rows(sequences),
        };
        Pass { ids, positions, routers: RouterLog::new(), new }
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
    new: New<'a>,
}

/// What is new to the layers: a whole text, or rows that join those of a cache.
#[derive(Debug)]
enum New<'a> {
    Text(PassMask),
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
        let router = matches!(self.new, New::Text(_)).then(|| self.routers.layer(index));
        let keys = match &mut self.new {
            New::Text(mask) => Keys::Pass(mask),
            New::Rows(sequences) => {
                // A cache of another kind holds no rows for these layers, and they will say so.
                let rows = sequences.iter_mut().filter_map(|new| match &mut new.cache.layers[index] {
                    LayerCache::Attention(cache) => {
                        // A pass that failed may have left rows in some layers.
                        cache.truncate(new.cache.length);
                        Some(CachedRows { cache, rows: new.ids.len() })
                    }
                    LayerCache::Content(_) => None,
                });
                Keys::Cached(rows.collect())
            }
        };
        LayerInput { positions: &self.positions, keys, router }
    }
}
