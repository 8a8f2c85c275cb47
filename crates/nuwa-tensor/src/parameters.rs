//! All weights of a model in one flat block of `f32`, their gradients in a second block of the same layout.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ops::parallel::zeros;
use crate::ops::product::PackedWeight;
use crate::pool::Pool;
use crate::{Random, Shape};

/// Entries start at multiples of this many elements: one cache line, so that no two share one.
const ALIGNMENT: usize = 16;

#[derive(Debug, Default)]
struct Flat {
    values: RwLock<Vec<f32>>,
    gradients: RwLock<Vec<f32>>,
}

impl Flat {
    /// The gradients, made on first use.
    fn gradients_mut(&self) -> RwLockWriteGuard<'_, Vec<f32>> {
        let length = read(&self.values).len();
        let mut gradients = write(&self.gradients);
        if gradients.len() != length {
            *gradients = zeros(length);
        }
        gradients
    }
}

/// What is known of one parameter besides its numbers.
#[derive(Debug)]
pub struct ParameterEntry {
    path: String,
    shape: Shape,
    offset: usize,
    decays: bool,
    trainable: AtomicBool,
    /// The values in bf16 as products read them, while they are the same as when they were packed.
    packed: Mutex<Option<Arc<PackedWeight>>>,
}

impl ParameterEntry {
    /// The name within the model, such as `layers.3.attention.output.weight`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether weight decay applies: matrices and embeddings yes, biases and norms no.
    pub fn decays(&self) -> bool {
        self.decays
    }

    /// Whether gradients are computed and the optimizer changes it.
    pub fn is_trainable(&self) -> bool {
        self.trainable.load(Ordering::Relaxed)
    }

    /// Freezes (`false`) or thaws (`true`) this parameter.
    pub fn set_trainable(&self, trainable: bool) {
        self.trainable.store(trainable, Ordering::Relaxed);
    }

    /// What was packed, to be taken out where the values change.
    pub(crate) fn packed(&self) -> MutexGuard<'_, Option<Arc<PackedWeight>>> {
        self.packed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its elements lie in the flat blocks.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.elements()
    }
}

/// A handle on one parameter; clones are the same parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    flat: Arc<Flat>,
    entry: Arc<ParameterEntry>,
}

impl Parameter {
    /// Name, shape and flags.
    pub fn entry(&self) -> &ParameterEntry {
        &self.entry
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        &self.entry.shape
    }

    /// The number of rows when all outer axes are folded into one.
    pub fn rows(&self) -> usize {
        self.entry.shape.rows()
    }

    /// The length of the innermost axis.
    pub fn width(&self) -> usize {
        self.entry.shape.width()
    }

    /// The values, readable while the guard lives.
    pub fn values(&self) -> ParameterValues<'_> {
        ParameterValues { guard: read(&self.flat.values), range: self.entry.range() }
    }

    /// Overwrites the values through `fill`.
    pub fn set(&self, fill: impl FnOnce(&mut [f32])) {
        let mut values = write(&self.flat.values);
        *self.entry.packed() = None;
        fill(&mut values[self.entry.range()]);
    }

    /// What [`Parameter::packed`] gave since the values changed.
    pub(crate) fn packed_before(&self) -> Option<Arc<PackedWeight>> {
        self.entry.packed().as_ref().filter(|packed| packed.is_readable()).cloned()
    }

    /// The values in bf16, packed for both products of a weight; kept until they change.
    pub(crate) fn packed(&self, pool: &Arc<Pool>) -> Arc<PackedWeight> {
        let values = self.values();
        if let Some(packed) = self.packed_before() {
            return packed;
        }
        // Not under the lock: packing takes several threads, and one of them may come here again with other work.
        let packed = Arc::new(PackedWeight::new(pool, &values, self.width()));
        *self.entry.packed() = Some(Arc::clone(&packed));
        packed
    }

    /// A copy of the gradient; zeros where none was computed yet.
    pub fn gradient(&self) -> Vec<f32> {
        let gradients = read(&self.flat.gradients);
        gradients.get(self.entry.range()).map_or_else(|| vec![0.0; self.shape().elements()], <[f32]>::to_vec)
    }

    /// Adds to the gradient through `add`, unless the parameter is frozen.
    pub(crate) fn accumulate(&self, add: impl FnOnce(&mut [f32])) {
        if self.entry.is_trainable() {
            add(&mut self.flat.gradients_mut()[self.entry.range()]);
        }
    }
}

/// A readable view of one parameter's values.
#[derive(Debug)]
pub struct ParameterValues<'a> {
    guard: RwLockReadGuard<'a, Vec<f32>>,
    range: Range<usize>,
}

impl Deref for ParameterValues<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.guard[self.range.clone()]
    }
}

/// Writes the first values of one parameter.
type Fill = Box<dyn FnOnce(&mut [f32], Random)>;

/// Declares the parameters of a model, one after the other. They have values when all are declared, so that the block
/// is made once, of its final length, and its memory is first touched by the threads that write the values.
pub struct ParametersBuilder {
    /// None where all values stay 0, to be overwritten.
    random: Option<Random>,
    flat: Arc<Flat>,
    length: usize,
    entries: Vec<Parameter>,
    fills: Vec<Fill>,
}

impl fmt::Debug for ParametersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParametersBuilder").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl ParametersBuilder {
    /// Starts an empty set whose initial values are drawn under `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: Some(Random::new(seed).named("initialisation")), ..Self::zeros() }
    }

    /// Starts an empty set whose values are all 0: for weights that are read from a file, where drawing them first
    /// would take longer than reading.
    pub fn zeros() -> Self {
        Self { random: None, flat: Arc::default(), length: 0, entries: Vec::new(), fills: Vec::new() }
    }

    /// Adds a parameter, which has no values before [`ParametersBuilder::finish`]. There `fill` writes the first ones,
    /// with a generator that depends on the seed and the path only, so that adding a layer does not change the start of
    /// the others.
    ///
    /// # Panics
    /// When `path` was added before: names are how checkpoints find their place.
    pub fn add(
        &mut self,
        path: String,
        shape: impl Into<Shape>,
        decays: bool,
        fill: impl FnOnce(&mut [f32], Random) + 'static,
    ) -> Parameter {
        assert!(self.entries.iter().all(|p| p.entry.path != path), "parameter {path} is declared twice");
        let shape = shape.into();
        let offset = self.length;
        self.length += shape.elements().next_multiple_of(ALIGNMENT);
        self.fills.push(Box::new(fill));
        let entry = ParameterEntry {
            path,
            shape,
            offset,
            decays,
            trainable: AtomicBool::new(true),
            packed: Mutex::default(),
        };
        let parameter = Parameter { flat: Arc::clone(&self.flat), entry: Arc::new(entry) };
        self.entries.push(parameter.clone());
        parameter
    }

    /// The finished set.
    pub fn finish(self) -> Parameters {
        let mut values = vec![0.0; self.length];
        if let Some(random) = self.random {
            for (Parameter { entry, .. }, fill) in self.entries.iter().zip(self.fills) {
                fill(&mut values[entry.range()], random.named(&entry.path));
            }
        }
        *write(&self.flat.values) = values;
        Parameters { flat: self.flat, entries: self.entries }
    }
}

/// All parameters of a model.
#[derive(Debug)]
pub struct Parameters {
    flat: Arc<Flat>,
    entries: Vec<Parameter>,
}

impl Parameters {
    /// Each parameter, in the order of declaration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.entries.iter()
    }

    /// The parameter of that name.
    pub fn get(&self, path: &str) -> Option<&Parameter> {
        self.entries.iter().find(|parameter| parameter.entry.path == path)
    }

    /// The number of weights, without the padding between entries.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|parameter| parameter.shape().elements()).sum()
    }

    /// The whole flat block of values, padding included.
    pub fn values(&self) -> impl Deref<Target = Vec<f32>> + '_ {
        read(&self.flat.values)
    }

    /// The whole flat block of values, to overwrite.
    pub fn values_mut(&self) -> impl DerefMut<Target = Vec<f32>> + '_ {
        let values = self.values_to_pack();
        self.iter().for_each(|parameter| *parameter.entry.packed() = None);
        values
    }

    /// As [`Parameters::values_mut`], for a change after which the caller packs anew what was packed.
    pub(crate) fn values_to_pack(&self) -> RwLockWriteGuard<'_, Vec<f32>> {
        write(&self.flat.values)
    }

    /// The whole flat block of gradients, made on first use.
    pub fn gradients_mut(&self) -> impl DerefMut<Target = Vec<f32>> + '_ {
        self.flat.gradients_mut()
    }

    /// Sets all gradients to zero.
    pub fn clear_gradients(&self) {
        self.gradients_mut().fill(0.0);
    }
}

fn read(lock: &RwLock<Vec<f32>>) -> RwLockReadGuard<'_, Vec<f32>> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lock: &RwLock<Vec<f32>>) -> RwLockWriteGuard<'_, Vec<f32>> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
