use nuwa_tensor::{
    AttentionMask, AttentionOptions, CachedRows, HeadLayout, KeyValueCache, Kind, Result, Tape, Tensor,
};

/// Whole sequences of equal length, for training and scoring.
#[derive(Debug, Clone)]
pub struct Sequences {
    mask: AttentionMask,
    positions: Vec<u32>,
}

impl Sequences {
    /// `sequences` of `length`, each position seeing itself and what came before.
    pub fn causal(sequences: usize, length: usize) -> Self {
        let positions = (0..length as u32).collect::<Vec<_>>().repeat(sequences);
        Self { mask: AttentionMask::causal(sequences, length), positions }
    }

    /// The same, but no position sees an earlier document, and positions count from each document's start;
    /// `starts[s * length + i]` is where in sequence `s` the document of position `i` begins.
    ///
    /// # Panics
    /// When there is not one start a position.
    #[must_use]
    pub fn within_documents(mut self, starts: &[u32]) -> Self {
        self.mask = self.mask.within_documents(starts);
        for (position, start) in self.positions.iter_mut().zip(starts) {
            *position -= start;
        }
        self
    }
}

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
}

impl Cache {
    /// An empty cache of attention for each layer, kept in numbers of this kind.
    pub fn attention(layers: usize, heads: HeadLayout, capacity: usize, kind: Kind) -> Self {
        let layer = LayerCache::Attention(KeyValueCache::new(heads, capacity, kind));
        Self { layers: vec![layer; layers], length: 0, capacity }
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
            }
        }
        self.length = length;
        true
    }

    /// A copy that holds the first `length` positions; none where a layer cannot go back to them.
    pub fn prefix(&self, length: usize) -> Option<Self> {
        let layers = self.layers.iter().map(|layer| match layer {
            LayerCache::Attention(cache) => Some(LayerCache::Attention(cache.prefix(length))),
        });
        Some(Self { layers: layers.collect::<Option<_>>()?, length: self.length.min(length), ..*self })
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let of_layer = |layer: &LayerCache| match layer {
            LayerCache::Attention(cache) => cache.bytes(),
        };
        self.layers.iter().map(of_layer).sum()
    }
}

/// New ids of one sequence, and what is remembered of those before.
#[derive(Debug)]
pub struct NewRows<'a> {
    /// What is remembered, which the new ones join.
    pub cache: &'a mut Cache,
    /// How many ids are new.
    pub rows: usize,
}

/// What the ids of a forward pass are.
#[derive(Debug)]
pub enum Input<'a> {
    /// Whole sequences, one after the other.
    Sequences(&'a Sequences),
    /// The next ids of several sequences whose past is cached, those of each one after the other. A row of the result does not
    /// depend on which others are computed with it.
    Next(Vec<NewRows<'a>>),
}

impl Input<'_> {
    /// The position of each id in its document or sequence.
    pub(crate) fn positions(&self) -> Vec<u32> {
        match self {
            Self::Sequences(sequences) => sequences.positions.clone(),
            Self::Next(sequences) => {
                sequences.iter().flat_map(|new| (new.cache.length as u32..).take(new.rows)).collect()
            }
        }
    }

    /// What layer `index` needs of it.
    pub(crate) fn layer(&mut self, index: usize) -> LayerInput<'_> {
        match self {
            Self::Sequences(sequences) => LayerInput::Sequences(&sequences.mask),
            Self::Next(sequences) => {
                let rows = sequences.iter_mut().map(|new| match &mut new.cache.layers[index] {
                    LayerCache::Attention(cache) => {
                        // A pass that failed may have left rows in some layers.
                        cache.truncate(new.cache.length);
                        CachedRows { cache, rows: new.rows }
                    }
                });
                LayerInput::Next(rows.collect())
            }
        }
    }

    /// Takes note that all layers have seen the ids.
    pub(crate) fn finish(self) {
        if let Self::Next(sequences) = self {
            sequences.into_iter().for_each(|new| new.cache.length += new.rows);
        }
    }
}

/// What one attention layer needs of the input.
#[derive(Debug)]
pub enum LayerInput<'a> {
    /// Which keys each query sees.
    Sequences(&'a AttentionMask),
    /// The new rows of each sequence, and its keys and values so far.
    Next(Vec<CachedRows<'a>>),
}

impl LayerInput<'_> {
    /// Attention of packed rows over what this layer sees.
    pub(crate) fn attention(self, tape: &Tape, qkv: &Tensor, heads: HeadLayout) -> Result<Tensor> {
        match self {
            Self::Sequences(mask) => tape.attention(qkv, heads, mask, AttentionOptions::default()),
            Self::Next(mut sequences) => tape.cached_attention(qkv, heads, &mut sequences, None),
        }
    }
}
