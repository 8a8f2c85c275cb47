use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use crate::device::Kernels;
use crate::device::{Slot, Storage};
use crate::gradients::Gradients;
use crate::inputs::InputLog;
use crate::statistics::BatchStatistics;
use crate::timing::{Clock, OpTime};
use crate::{DType, Device, Error, Parameter, Precision, Random, Result, Shape, Tensor};

/// A place on the tape: which record, of which pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pass: u32,
    index: u32,
}

impl Node {
    pub fn index(self) -> usize {
        self.index as usize
    }
}

type Backward = Box<dyn FnOnce(&Storage, &mut Gradients) -> Result<()> + Send>;

struct Record {
    operation: &'static str,
    backward: Backward,
}

/// Runs operations and, while recording, remembers how to compute their gradients.
///
/// One tape serves a whole run: [`Tape::backward`] empties it and its buffers are used again for the next step.
/// The operations are methods on it, a file each under [`ops`](crate::ops).
pub struct Tape {
    kernels: Arc<dyn Kernels>,
    recording: bool,
    batch_invariant: bool,
    precision: Precision,
    clock: Option<RefCell<Clock>>,
    inputs: Option<Arc<InputLog>>,
    statistics: Option<Arc<BatchStatistics>>,
    pass: Cell<u32>,
    records: RefCell<Vec<Record>>,
    random: Cell<Random>,
    draws: Cell<u64>,
}

impl Tape {
    /// A tape for training: records gradients, applies dropout.
    pub fn training() -> Self {
        Self::new(true)
    }

    /// A tape for inference: records nothing, leaves dropout out.
    pub fn inference() -> Self {
        Self::new(false)
    }

    /// A tape for inference that uses the idle buffers of this one, and its precision: for validation during training.
    pub fn for_inference(&self) -> Self {
        Self { kernels: Arc::clone(&self.kernels), precision: self.precision, ..Self::inference() }
    }

    pub(crate) fn with_kernels(self, kernels: Arc<dyn Kernels>) -> Self {
        Self { kernels, ..self }
    }

    /// The same tape on another device; before anything is computed.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        self.with_kernels(device.open())
    }

    /// Where its tensors are.
    pub fn device(&self) -> Device {
        self.kernels.device()
    }

    fn new(recording: bool) -> Self {
        Self {
            kernels: Device::default().open(),
            recording,
            batch_invariant: false,
            precision: Precision::F32,
            clock: None,
            inputs: None,
            statistics: None,
            pass: Cell::new(0),
            records: RefCell::default(),
            random: Cell::new(Random::new(0)),
            draws: Cell::new(0),
        }
    }

    /// The same tape with activations and operands of products in `precision`.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same tape, but each row of a result has the same bits whichever other rows are computed with it and however many:
    /// for decoding, where sequences come and go. Products are then of `f32`, of weights that are packed for it when
    /// they are first used and after each change.
    #[must_use]
    pub fn batch_invariant(self) -> Self {
        Self { batch_invariant: true, ..self }
    }

    /// Whether [`Tape::batch_invariant`] made it.
    pub(crate) fn is_batch_invariant(&self) -> bool {
        self.batch_invariant
    }

    /// The same tape, which adds what each matrix is multiplied by to `log`.
    #[must_use]
    pub fn watching(self, log: &Arc<InputLog>) -> Self {
        Self { inputs: Some(Arc::clone(log)), ..self }
    }

    /// Where what matrices are multiplied by is noted.
    pub(crate) fn inputs(&self) -> Option<&InputLog> {
        self.inputs.as_deref()
    }

    /// The same tape, on which [batch norms](crate::ops::batch_norm) normalise by the mean and variance of the rows they are given,
    /// which backward adds to `statistics`. On any other they normalise by their running ones, and change nothing.
    #[must_use]
    pub fn with_batch_statistics(self, statistics: &Arc<BatchStatistics>) -> Self {
        Self { statistics: Some(Arc::clone(statistics)), ..self }
    }

    /// Where means and variances of rows are added to.
    pub(crate) fn batch_statistics(&self) -> Option<&Arc<BatchStatistics>> {
        self.statistics.as_ref()
    }

    /// What activations and operands of products are kept in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Starts to measure how long each kind of operation takes.
    pub fn enable_timing(&mut self) {
        self.clock = Some(RefCell::default());
    }

    /// The time that each kind of operation took since [`Tape::enable_timing`], the longest first.
    pub fn timings(&self) -> Vec<OpTime> {
        self.clock.as_ref().map(|clock| clock.borrow().table()).unwrap_or_default()
    }

    /// Ends the time of what came before, so that work outside of the tape counts for no operation.
    pub fn skip_time(&self) {
        self.measure(|clock| {
            clock.skip();
        });
    }

    /// Counts the time of what came before as a run of `operation`, which is no record.
    pub(crate) fn count(&self, operation: &'static str) {
        self.measure(|clock| clock.forward(operation));
    }

    fn measure(&self, note: impl FnOnce(&mut Clock)) {
        if let Some(clock) = &self.clock {
            note(&mut clock.borrow_mut());
        }
    }

    /// Whether operations are recorded.
    pub fn is_recording(&self) -> bool {
        self.recording
    }

    /// Sets where random numbers (dropout) come from until the next call: a training loop names its step here, so
    /// that a resumed run draws what the uninterrupted one drew.
    pub fn set_random(&self, random: Random) {
        self.random.set(random);
        self.draws.set(0);
    }

    /// A number from 0 up to 1 of the stream of random numbers that dropout draws from, too.
    pub fn draw(&self) -> f64 {
        self.next_random().uniform(0)
    }

    /// An independent generator for the next random operation.
    pub(crate) fn next_random(&self) -> Random {
        let draw = self.draws.get();
        self.draws.set(draw + 1);
        self.random.get().stream(draw)
    }

    /// Draws from here on what `other` would draw next.
    pub(crate) fn continue_from(&self, other: &Self) {
        self.random.set(other.random.get());
        self.draws.set(other.draws.get());
    }

    /// The largest number of bytes that tensors of this tape used at one time.
    pub fn peak_bytes(&self) -> usize {
        self.kernels.peak_bytes()
    }

    /// The largest number of bytes that tensors of this tape used, or kept for the next ones, at one time.
    pub fn held_bytes(&self) -> usize {
        self.kernels.held_bytes()
    }

    pub(crate) fn kernels(&self) -> &Arc<dyn Kernels> {
        &self.kernels
    }

    /// The kernels for an operation on these, after making sure that all of them are on the device of this tape.
    pub(crate) fn kernels_for(
        &self,
        operation: &'static str,
        tensors: &[&Tensor],
        parameters: &[&Parameter],
    ) -> Result<&dyn Kernels> {
        let device = self.device();
        tensors.iter().try_for_each(|tensor| tensor.storage().check_device(operation, device))?;
        let frozen = parameters.iter().any(|parameter| parameter.entry().is_for_inference());
        if frozen && self.tracks(tensors, &[]) {
            return Err(Error::NoBackward { operation });
        }
        let others = parameters.iter().map(|parameter| parameter.device()).find(|found| *found != device);
        match others {
            Some(found) => Err(Error::Device { operation, found: found.name(), expected: device.name() }),
            None => Ok(self.kernels.as_ref()),
        }
    }

    /// A new block filled through `fill`.
    pub(crate) fn filled(&self, dtype: DType, length: usize, fill: impl FnOnce(Slot<'_>)) -> Storage {
        let mut storage = self.kernels.empty(dtype, length);
        fill(Slot { storage: &mut storage, accumulate: false });
        storage
    }

    /// A tensor of given values that needs no gradient.
    ///
    /// # Errors
    /// When there is not one value an element.
    pub fn constant(&self, shape: impl Into<Shape>, values: &[f32]) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != values.len() {
            return Err(Error::shape(
                "constant",
                format!("{} values do not fill shape {shape}", values.len()),
            ));
        }
        Ok(self.tensor(shape, self.kernels.to_device(values), None))
    }

    /// Whether the result of an operation on these inputs needs a gradient.
    pub(crate) fn tracks(&self, tensors: &[&Tensor], parameters: &[&Parameter]) -> bool {
        self.recording
            && (tensors.iter().any(|tensor| tensor.is_tracked())
                || parameters.iter().any(|parameter| parameter.entry().is_trainable()))
    }

    fn tensor(&self, shape: Shape, storage: Storage, node: Option<Node>) -> Tensor {
        Tensor::new(shape, storage, Arc::clone(&self.kernels), node)
    }

    /// Wraps the result of an operation whose gradient is `backward`, recording it where one of the inputs needs one.
    pub(crate) fn record(
        &self,
        operation: &'static str,
        tensors: &[&Tensor],
        parameters: &[&Parameter],
        shape: Shape,
        values: Storage,
        backward: impl FnOnce(&Storage, &mut Gradients) -> Result<()> + Send + 'static,
    ) -> Result<Tensor> {
        for tensor in tensors {
            self.check_pass(tensor)?;
        }
        Ok(self.record_if(self.tracks(tensors, parameters), operation, shape, values, backward))
    }

    pub(crate) fn record_if(
        &self,
        tracked: bool,
        operation: &'static str,
        shape: Shape,
        values: Storage,
        backward: impl FnOnce(&Storage, &mut Gradients) -> Result<()> + Send + 'static,
    ) -> Tensor {
        let node = tracked.then(|| self.push(Record { operation, backward: Box::new(backward) }));
        self.measure(|clock| clock.forward(operation));
        self.tensor(shape, values, node)
    }

    /// The values of a tensor of another tape, as one whose gradient is wanted where that tensor's is.
    pub(crate) fn leaf(&self, x: &Tensor) -> Tensor {
        self.record_if(x.is_tracked(), "leaf", x.shape().clone(), x.storage().clone(), |_, _| Ok(()))
    }

    /// Wraps the result of an operation that has no gradient; an error where one would be needed.
    pub(crate) fn untracked(
        &self,
        operation: &'static str,
        inputs: &[&Tensor],
        shape: Shape,
        values: Storage,
    ) -> Result<Tensor> {
        if self.tracks(inputs, &[]) {
            return Err(Error::NoBackward { operation });
        }
        self.measure(|clock| clock.forward(operation));
        Ok(self.tensor(shape, values, None))
    }

    fn push(&self, record: Record) -> Node {
        let mut records = self.records.borrow_mut();
        records.push(record);
        Node { pass: self.pass.get(), index: records.len() as u32 - 1 }
    }

    pub(crate) fn check_pass(&self, tensor: &Tensor) -> Result<()> {
        match tensor.node() {
            Some(node) if node.pass != self.pass.get() => {
                Err(Error::Backward("the tensor belongs to an earlier pass of this tape".into()))
            }
            _ => Ok(()),
        }
    }

    /// Adds the gradient of the scalar `loss` to each trainable parameter it came from, and empties the tape.
    ///
    /// # Errors
    /// When the tape does not record, or `loss` is no scalar that was computed on it.
    pub fn backward(&self, loss: &Tensor) -> Result<()> {
        self.check_pass(loss)?;
        if !loss.is_tracked() {
            return Err(Error::Backward(
                "the loss does not depend on any trainable parameter of this tape".into(),
            ));
        }
        if loss.shape().elements() != 1 {
            return Err(Error::Backward(format!("the loss has shape {}, expected one number", loss.shape())));
        }
        self.backward_from(vec![(loss, self.kernels.to_device(&[1.0]))])
    }

    /// Runs back from tensors whose gradients are given, and empties the tape.
    pub(crate) fn backward_from(&self, starts: Vec<(&Tensor, Storage)>) -> Result<()> {
        self.run_back(starts, 0).map(drop)
    }

    /// Runs back from `y`, whose gradient is `dy`, and gives the gradients of `leaves`, the first tensors of this tape; none of
    /// those that need none.
    pub(crate) fn backward_to(
        &self,
        y: &Tensor,
        dy: &Storage,
        leaves: &[Tensor],
    ) -> Result<Vec<Option<Storage>>> {
        let kept = leaves.iter().filter(|leaf| leaf.is_tracked()).count();
        let mut gradients = self.run_back(vec![(y, dy.clone())], kept)?;
        Ok(leaves.iter().map(|leaf| gradients.take(leaf.node()?.index())).collect())
    }

    /// Runs all records but the first `kept` back, and empties the tape.
    fn run_back(&self, starts: Vec<(&Tensor, Storage)>, kept: usize) -> Result<Gradients> {
        let mut records = self.records.take();
        self.pass.set(self.pass.get() + 1);
        let mut gradients = Gradients::new(records.len(), Arc::clone(&self.kernels));
        starts.into_iter().for_each(|(y, dy)| gradients.share(y, &dy));
        while records.len() > kept
            && let Some(Record { operation, backward }) = records.pop()
        {
            if let Some(gradient) = gradients.take(records.len()) {
                backward(&gradient, &mut gradients)?;
                self.measure(|clock| clock.backward(operation));
            }
        }
        Ok(gradients)
    }

    /// Forgets what was recorded since the last backward pass: after an error, or when a loss is not used.
    pub fn discard(&self) {
        self.records.take();
        self.pass.set(self.pass.get() + 1);
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tape {{ recording: {}, records: {} }}", self.recording, self.records.borrow().len())
    }
}
