//! All weights of a model in one flat block of `f32`, their gradients in a second block of the same layout.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::quantised::{QuantisedRows, check_parts};
use super::{Kernels, Slot, Storage, Stored};
use crate::{DType, Device, Error, Random, Result, Shape};

/// Entries start at multiples of this many elements: whole cache lines, and what vectors of a GPU and slices of several
/// machines want.
const ALIGNMENT: usize = 64;

/// The blocks, and the device that they are on. The values are there once all parameters are declared.
#[derive(Debug)]
struct Flat {
    kernels: Arc<dyn Kernels>,
    values: OnceLock<RwLock<Storage>>,
    gradients: Mutex<Option<Storage>>,
}

impl Flat {
    fn new(device: Device) -> Self {
        Self { kernels: device.open(), values: OnceLock::new(), gradients: Mutex::default() }
    }

    fn values(&self) -> &RwLock<Storage> {
        self.values.get().expect("parameters have values once all of them are declared")
    }

    fn read(&self) -> RwLockReadGuard<'_, Storage> {
        self.values().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Storage> {
        self.values().write().unwrap_or_else(PoisonError::into_inner)
    }

    fn gradients(&self) -> MutexGuard<'_, Option<Storage>> {
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gradients, made on first use.
    fn gradients_block(&self) -> GradientsBlock<'_> {
        let mut guard = self.gradients();
        if guard.is_none() {
            *guard = Some(self.kernels.zeros(self.read().len()));
        }
        GradientsBlock { guard }
    }
}

/// The flat block of gradients, while nobody else uses it.
pub(crate) struct GradientsBlock<'a> {
    guard: MutexGuard<'a, Option<Storage>>,
}

impl Deref for GradientsBlock<'_> {
    type Target = Storage;
    fn deref(&self) -> &Storage {
        self.guard.as_ref().expect("made before")
    }
}

impl DerefMut for GradientsBlock<'_> {
    fn deref_mut(&mut self) -> &mut Storage {
        self.guard.as_mut().expect("made before")
    }
}

/// A flat block of gradients beside the one that backward adds to: of another pass, or their sum.
#[derive(Debug)]
pub struct GradientBlock {
    storage: Storage,
    kernels: Arc<dyn Kernels>,
}

impl GradientBlock {
    /// Adds another block of the same parameters, element by element.
    ///
    /// # Panics
    /// When the blocks are not of one length.
    pub fn add(&mut self, part: &Self) {
        assert_eq!(self.storage.len(), part.storage.len(), "blocks of the same parameters");
        self.kernels.add_to(Slot { storage: &mut self.storage, accumulate: true }, &part.storage);
    }

    /// The Euclidean norm of all elements together.
    pub fn norm(&self) -> f32 {
        self.kernels.gradient_norm(&self.storage)
    }

    /// Sets all elements to zero.
    pub fn clear(&mut self) {
        self.kernels.clear(&mut self.storage);
    }

    /// A copy of all elements, padding included.
    pub fn to_host(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.storage.len()];
        self.kernels.copy_to_host(&self.storage, 0, &mut values);
        values
    }
}

/// What a device made of the values of a version.
type Cached = Option<(u64, Arc<dyn Any + Send + Sync>)>;

/// What is known of one parameter besides its numbers.
#[derive(Debug)]
pub struct ParameterEntry {
    path: String,
    shape: Shape,
    offset: usize,
    decays: bool,
    is_buffer: bool,
    trainable: AtomicBool,
    /// How often the values have changed.
    version: AtomicU64,
    /// What the device keeps beside the values, such as a form of them that its kernels read faster.
    cached: Mutex<Cached>,
    /// Of a matrix for inference alone: its values, which are not in the flat block.
    matrix: Option<InferenceMatrix>,
}

/// A matrix in the form that a device's products read fastest, which gets no gradient.
#[derive(Debug)]
struct InferenceMatrix {
    dtype: DType,
    /// None before values are set.
    packed: RwLock<Option<Storage>>,
    is_quantised: AtomicBool,
}

impl InferenceMatrix {
    fn read(&self) -> Option<Storage> {
        self.packed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn new(dtype: DType) -> Self {
        Self { dtype, packed: RwLock::default(), is_quantised: AtomicBool::new(false) }
    }

    fn replace(&self, packed: Storage, is_quantised: bool) {
        self.is_quantised.store(is_quantised, Ordering::Relaxed);
        *self.packed.write().unwrap_or_else(PoisonError::into_inner) = Some(packed);
    }
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
        self.matrix.is_none() && !self.is_buffer && self.trainable.load(Ordering::Relaxed)
    }

    /// Whether it is kept with the weights and is none: see [`ParametersBuilder::add_buffer`].
    pub fn is_buffer(&self) -> bool {
        self.is_buffer
    }

    /// Whether it is kept for inference alone: see [`ParametersBuilder::inference`].
    pub fn is_for_inference(&self) -> bool {
        self.matrix.is_some()
    }

    /// Whether its values are quantised blocks: see [`Parameter::set_quantised`].
    pub fn is_quantised(&self) -> bool {
        self.matrix.as_ref().is_some_and(|matrix| matrix.is_quantised.load(Ordering::Relaxed))
    }

    /// Freezes (`false`) or thaws (`true`) this parameter; one for inference alone, and a buffer, stay frozen.
    pub fn set_trainable(&self, trainable: bool) {
        self.trainable.store(trainable, Ordering::Relaxed);
    }

    /// Says that the values are others now: what was cached belongs to the earlier ones.
    pub(crate) fn has_changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
        *self.cached_lock() = None;
    }

    /// Keeps what a device made of the present values.
    pub(crate) fn cache<C: Any + Send + Sync>(&self, made: Arc<C>) {
        *self.cached_lock() = Some((self.version.load(Ordering::Relaxed), made));
    }

    /// What [`ParameterEntry::cache`] kept of the present values.
    pub(crate) fn cached<C: Any + Send + Sync>(&self) -> Option<Arc<C>> {
        let (version, made) = self.cached_lock().clone()?;
        (version == self.version.load(Ordering::Relaxed)).then_some(made)?.downcast().ok()
    }

    /// Takes it out, to change it together with the values.
    pub(crate) fn take_cached<C: Any + Send + Sync>(&self) -> Option<Arc<C>> {
        let cached = self.cached();
        *self.cached_lock() = None;
        cached
    }

    fn cached_lock(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A copy of the values.
    pub fn to_host(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.shape().elements()];
        match &self.entry.matrix {
            None => self.flat.kernels.copy_to_host(&self.flat.read(), self.entry.offset, &mut values),
            Some(matrix) => {
                if let Some(packed) = matrix.read() {
                    self.flat.kernels.unpack(&packed, self.width(), &mut values);
                }
            }
        }
        values
    }

    /// The values of a matrix that is kept for inference alone, as its device packed them.
    ///
    /// # Panics
    /// When they have not been set yet.
    pub(crate) fn matrix(&self) -> Option<Storage> {
        let matrix = self.entry.matrix.as_ref()?;
        Some(matrix.read().expect("a matrix for inference is filled before it is used"))
    }

    /// Overwrites the values of a matrix for inference ([`ParametersBuilder::inference`]) by blocks of quantised numbers, whose rows
    /// follow one another. Products then read them as they are, with their other operand rounded to 8 bits: each row of it in
    /// blocks of 32, `q = round(127 x / largest |x|)`. Setting values anew makes it a matrix of the builder's dtype again.
    ///
    /// # Errors
    /// When it is no such matrix, or the rows are not those of its shape, or their bytes not those of their blocks; the values
    /// are then as before.
    pub fn set_quantised(&self, parts: &[QuantisedRows]) -> Result<()> {
        let Some(matrix) = &self.entry.matrix else {
            let reason = format!("{} is no matrix for inference, and keeps f32", self.entry.path);
            return Err(Error::Option { operation: "set_quantised", reason });
        };
        check_parts(parts, self.rows(), self.width())?;
        matrix.replace(self.flat.kernels.pack_quantised(parts), true);
        Ok(())
    }

    /// Overwrites the values.
    ///
    /// # Panics
    /// When there is not one value an element.
    pub fn from_host(&self, values: &[f32]) {
        assert_eq!(
            values.len(),
            self.shape().elements(),
            "one value for each element of {}",
            self.entry.path
        );
        self.set(|own| own.copy_from_slice(values));
    }

    /// Overwrites the values through `fill`, which gets a copy of them in host memory, or themselves where they are there.
    ///
    /// Values for inference alone are rounded to the dtype that they are kept in.
    pub fn set(&self, fill: impl FnOnce(&mut [f32])) {
        if let Some(matrix) = &self.entry.matrix {
            let mut values = self.to_host();
            fill(&mut values);
            let packed = self.flat.kernels.pack(&values, self.width(), matrix.dtype);
            return matrix.replace(packed, false);
        }
        let mut values = self.flat.write();
        self.entry.has_changed();
        let (mut fill, length) = (Some(fill), self.shape().elements());
        let mut change = |values: &mut [f32]| fill.take().into_iter().for_each(|fill| fill(values));
        self.flat.kernels.edit(&mut values, self.entry.offset, length, &mut change);
    }

    /// The values in host memory, for the kernels of a device that has them there.
    pub(crate) fn values(&self) -> HostValues<'_> {
        HostValues { guard: self.flat.read(), range: self.entry.range() }
    }

    pub(crate) fn device(&self) -> Device {
        self.flat.kernels.device()
    }

    /// A copy of the gradient; zeros where none was computed yet.
    pub fn gradient(&self) -> Vec<f32> {
        let mut gradient = vec![0.0; self.shape().elements()];
        if let Some(gradients) = &*self.flat.gradients() {
            self.flat.kernels.copy_to_host(gradients, self.entry.offset, &mut gradient);
        }
        gradient
    }

    /// Overwrites the gradient through `fill`, as [`Parameter::set`] does the values.
    pub fn set_gradient(&self, fill: impl FnOnce(&mut [f32])) {
        let mut gradients = self.flat.gradients_block();
        let (mut fill, length) = (Some(fill), self.shape().elements());
        let mut change = |values: &mut [f32]| fill.take().into_iter().for_each(|fill| fill(values));
        self.flat.kernels.edit(&mut gradients, self.entry.offset, length, &mut change);
    }

    /// Adds to the gradient in host memory through `add`, unless the parameter is frozen.
    pub(crate) fn accumulate(&self, add: impl FnOnce(&mut [f32])) {
        if self.entry.is_trainable() {
            add(&mut <f32 as Stored>::of_mut(&mut self.flat.gradients_block())[self.entry.range()]);
        }
    }
}

/// The values of one parameter in host memory, while the guard lives.
pub(crate) struct HostValues<'a> {
    guard: RwLockReadGuard<'a, Storage>,
    range: Range<usize>,
}

impl Deref for HostValues<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &<f32 as Stored>::of(&self.guard)[self.range.clone()]
    }
}

/// Writes the first values of one parameter.
type Fill = Box<dyn FnOnce(&mut [f32], Random)>;

/// Declares the parameters of a model, one after the other. They have values when all are declared, so that the block
/// is made once, of its final length, and its memory is first touched by the threads that write the values.
pub struct ParametersBuilder {
    /// None where all values stay 0, to be overwritten.
    random: Option<Random>,
    /// The dtype that matrices are kept in, where they are for inference alone.
    inference: Option<DType>,
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
        let flat = Arc::new(Flat::new(Device::default()));
        Self { random: None, inference: None, flat, length: 0, entries: Vec::new(), fills: Vec::new() }
    }

    /// Starts an empty set for inference alone, whose values are all to be overwritten. Each matrix is kept once, in numbers of
    /// `dtype`, and in the form that the device's products read fastest; vectors are `f32`. Nothing gets a gradient.
    pub fn inference(dtype: DType) -> Self {
        Self { inference: Some(dtype), ..Self::zeros() }
    }

    /// The same set on another device.
    ///
    /// # Panics
    /// When a parameter has been added already.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        assert!(self.entries.is_empty(), "the device is chosen before parameters are added");
        Self { flat: Arc::new(Flat::new(device)), ..self }
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
        self.declare(path, shape.into(), [decays, false], Box::new(fill))
    }

    /// Adds a vector that is kept with the weights and is none, such as a running mean: it gets no gradient, and no optimizer changes it
    /// or counts it in a norm. Whoever has it sets it ([`Parameter::set`]). `value` is that of all elements at first.
    ///
    /// # Panics
    /// When `path` was added before.
    pub fn add_buffer(&mut self, path: String, length: usize, value: f32) -> Parameter {
        let fill = move |values: &mut [f32], _: Random| values.fill(value);
        self.declare(path, [length].into(), [false, true], Box::new(fill))
    }

    fn declare(
        &mut self,
        path: String,
        shape: Shape,
        [decays, is_buffer]: [bool; 2],
        fill: Fill,
    ) -> Parameter {
        assert!(self.entries.iter().all(|p| p.entry.path != path), "parameter {path} is declared twice");
        let offset = self.length;
        let is_matrix = shape.axes().len() == 2 && shape.elements() > 0;
        let matrix = self.inference.filter(|_| is_matrix).map(InferenceMatrix::new);
        if matrix.is_none() {
            self.length += shape.elements().next_multiple_of(ALIGNMENT);
        }
        self.fills.push(fill);
        let entry = ParameterEntry {
            path,
            shape,
            offset,
            decays,
            is_buffer,
            trainable: AtomicBool::new(self.inference.is_none()),
            version: AtomicU64::new(0),
            cached: Mutex::default(),
            matrix,
        };
        let parameter = Parameter { flat: Arc::clone(&self.flat), entry: Arc::new(entry) };
        self.entries.push(parameter.clone());
        parameter
    }

    /// The finished set.
    pub fn finish(self) -> Parameters {
        let mut values = self.flat.kernels.zeros(self.length);
        if let Some(random) = self.random {
            for (Parameter { entry, .. }, fill) in self.entries.iter().zip(self.fills) {
                let (mut fill, random) = (Some(fill), random.named(&entry.path));
                let mut change =
                    |values: &mut [f32]| fill.take().into_iter().for_each(|fill| fill(values, random));
                self.flat.kernels.edit(&mut values, entry.offset, entry.shape.elements(), &mut change);
            }
        }
        self.flat.values.get_or_init(|| RwLock::new(values));
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

    /// The number of weights, buffers included, without the padding between entries.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|parameter| parameter.shape().elements()).sum()
    }

    /// The device that they are on.
    pub fn device(&self) -> Device {
        self.flat.kernels.device()
    }

    /// The elements of the flat block, padding included; it holds no matrix that is for inference alone.
    pub fn length(&self) -> usize {
        self.flat.read().len()
    }

    /// A copy of the whole flat block of values, padding included.
    pub fn to_host(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.length()];
        self.copy_to_host(0, &mut values);
        values
    }

    /// Copies values of the flat block from `first` on: for writing them somewhere bit by bit.
    pub fn copy_to_host(&self, first: usize, values: &mut [f32]) {
        self.flat.kernels.copy_to_host(&self.flat.read(), first, values);
    }

    /// Overwrites the whole flat block of values.
    ///
    /// # Panics
    /// When there is not one value an element.
    pub fn from_host(&self, values: &[f32]) {
        let mut block = self.values_block();
        assert_eq!(values.len(), block.len(), "one value for each element of the flat block");
        self.flat.kernels.copy_from_host(&mut block, 0, values);
        self.iter().for_each(|parameter| parameter.entry.has_changed());
    }

    /// Changes the whole flat block of values through `change`, as [`Parameter::set`] does those of one parameter.
    pub fn set(&self, change: impl FnOnce(&mut [f32])) {
        let (mut change, length) = (Some(change), self.length());
        let mut edit = |values: &mut [f32]| change.take().into_iter().for_each(|change| change(values));
        self.flat.kernels.edit(&mut self.values_block(), 0, length, &mut edit);
        self.iter().for_each(|parameter| parameter.entry.has_changed());
    }

    /// A copy of the whole flat block of gradients, padding included.
    pub fn gradients_to_host(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.length()];
        self.flat.kernels.copy_to_host(&self.gradients_block(), 0, &mut values);
        values
    }

    /// The Euclidean norm of all gradients together.
    pub fn gradient_norm(&self) -> f32 {
        self.flat.kernels.gradient_norm(&self.gradients_block())
    }

    /// Sets all gradients to zero.
    pub fn clear_gradients(&self) {
        self.flat.kernels.clear(&mut self.gradients_block());
    }

    /// A block of zeros for gradients.
    pub fn zero_gradients(&self) -> GradientBlock {
        let kernels = Arc::clone(&self.flat.kernels);
        GradientBlock { storage: kernels.zeros(self.length()), kernels }
    }

    /// Adds `part` to the gradients, element by element.
    ///
    /// # Panics
    /// When the block is of other parameters.
    pub fn add_gradients(&self, part: &GradientBlock) {
        let mut own = self.gradients_block();
        assert_eq!(own.len(), part.storage.len(), "a block of these parameters");
        self.flat.kernels.add_to(Slot { storage: &mut own, accumulate: true }, &part.storage);
    }

    /// Lets backward add to `block` from now on, and gives the block that it added to so far.
    ///
    /// # Panics
    /// When the block is of other parameters.
    pub fn replace_gradients(&self, block: GradientBlock) -> GradientBlock {
        let mut own = self.gradients_block();
        assert_eq!(own.len(), block.storage.len(), "a block of these parameters");
        let storage = std::mem::replace(&mut *own, block.storage);
        GradientBlock { storage, kernels: Arc::clone(&self.flat.kernels) }
    }

    pub(crate) fn kernels(&self) -> &Arc<dyn Kernels> {
        &self.flat.kernels
    }

    /// The block of values, for a change after which the caller says which parameters have changed.
    pub(crate) fn values_block(&self) -> RwLockWriteGuard<'_, Storage> {
        self.flat.write()
    }

    /// The block of gradients, made on first use.
    pub(crate) fn gradients_block(&self) -> GradientsBlock<'_> {
        self.flat.gradients_block()
    }
}
