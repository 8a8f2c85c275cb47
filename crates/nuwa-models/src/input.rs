use nuwa_tensor::{HeadLayout, KeyValueCache, Result, Tape, Tensor, Visibility};

/// Whole sequences of equal length, for training and scoring.
#[derive(Debug, Clone)]
pub struct Sequences {
    visibility: Visibility,
    positions: Vec<u32>,
}

impl Sequences {
    /// `sequences` of `length`, each position seeing itself and what came before.
    pub fn causal(sequences: usize, length: usize) -> Self {
        let positions = (0..length as u32).collect::<Vec<_>>().repeat(sequences);
        Self { visibility: Visibility::causal(sequences, length), positions }
    }

    /// The same, but no position sees an earlier document, and positions count from each document's start;
    /// `starts[s * length + i]` is where in sequence `s` the document of position `i` begins.
    ///
    /// # Panics
    /// When there is not one start a position.
    #[must_use]
    pub fn within_documents(mut self, starts: &[u32]) -> Self {
        self.visibility = self.visibility.within_documents(starts);
        for (position, start) in self.positions.iter_mut().zip(starts) {
            *position -= start;
        }
        self
    }
}

/// The keys and values of all layers for one sequence.
#[derive(Debug, Clone)]
pub struct Cache {
    layers: Vec<KeyValueCache>,
}

impl Cache {
    /// An empty cache for each layer.
    pub fn new(layers: usize, heads: HeadLayout, capacity: usize) -> Self {
        Self { layers: vec![KeyValueCache::new(heads, capacity); layers] }
    }

    /// The number of positions seen so far.
    pub fn length(&self) -> usize {
        self.layers.first().map_or(0, KeyValueCache::length)
    }

    /// The number of positions there is room for.
    pub fn capacity(&self) -> usize {
        self.layers.first().map_or(0, KeyValueCache::capacity)
    }

    /// Forgets all positions from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.layers.iter_mut().for_each(|layer| layer.truncate(length));
    }
}

/// What the ids of a forward pass are.
#[derive(Debug)]
pub enum Input<'a> {
    /// Whole sequences, one after the other.
    Sequences(&'a Sequences),
    /// The next positions of one sequence whose past is cached.
    Next(&'a mut Cache),
}

impl Input<'_> {
    /// The position of each id in its document.
    pub(crate) fn positions(&self, ids: usize) -> Vec<u32> {
        match self {
            Self::Sequences(sequences) => sequences.positions.clone(),
            Self::Next(cache) => (cache.length() as u32..).take(ids).collect(),
        }
    }

    /// What layer `index` needs of it.
    pub(crate) fn layer(&mut self, index: usize) -> LayerInput<'_> {
        match self {
            Self::Sequences(sequences) => LayerInput::Sequences(&sequences.visibility),
            Self::Next(cache) => LayerInput::Next(&mut cache.layers[index]),
        }
    }
}

/// What one attention layer needs of the input.
#[derive(Debug)]
pub enum LayerInput<'a> {
    /// Which keys each query sees.
    Sequences(&'a Visibility),
    /// The keys and values seen so far.
    Next(&'a mut KeyValueCache),
}

impl LayerInput<'_> {
    /// Attention of packed rows over what this layer sees.
    pub(crate) fn attention(self, tape: &Tape, qkv: &Tensor, heads: HeadLayout) -> Result<Tensor> {
        match self {
            Self::Sequences(visibility) => tape.attention(qkv, heads, visibility),
            Self::Next(cache) => tape.cached_attention(qkv, heads, cache, None),
        }
    }
}
