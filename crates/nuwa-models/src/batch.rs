//! What an objective asks of a model, and the loss of it.

use nuwa_nn::{Context, Head};
use nuwa_tensor::{Error, HeadLoss, Loss, LossRows, Objective, Result, RouterShares, Tensor};

use crate::{Input, Model, Text};

/// One forward pass of an objective.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What is read: by the encoder where there is one.
    pub source: Text,
    /// What the decoder of an encoder-decoder reads.
    pub answer: Option<Text>,
    /// The tokens to predict, in rows of the answer, or of the source where there is none.
    pub targets: Targets,
    /// The classes of texts, for models that tell classes.
    pub classes: Option<Classes>,
}

/// Tokens to predict.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The rows they are predicted from; none where every row predicts one.
    pub rows: Option<Vec<u32>>,
    /// The token that is right for each of them.
    pub ids: Vec<u32>,
    /// What each counts in the loss.
    pub weights: Vec<f32>,
}

/// Classes of texts.
#[derive(Debug, Clone)]
pub struct Classes {
    /// The texts whose class is asked for; none where that of every one is.
    pub texts: Option<Vec<u32>>,
    /// The right one for each of them.
    pub labels: Vec<u32>,
    /// What each counts in the loss.
    pub weights: Vec<f32>,
}

impl Batch {
    /// A source whose every row predicts a token.
    pub fn of_every_row(source: Text, ids: Vec<u32>, weights: Vec<f32>) -> Self {
        Self { source, answer: None, targets: Targets { rows: None, ids, weights }, classes: None }
    }
}

/// The losses of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// Of the tokens.
    pub tokens: Loss,
    /// Of the classes, where there are any.
    pub classes: Option<Loss>,
    /// The model's own (of a router), of this pass alone, where it has one: the part of it that is added to the others, which is
    /// as large as the share of the pass in the step (the sum of the weights of its tokens).
    pub auxiliary: Option<f32>,
    /// How each layer shared the rows of the pass among its experts, of models that have some.
    pub shares: Vec<Option<RouterShares>>,
}

impl Losses {
    /// What is measured: the sum without the model's own.
    pub fn total(&self) -> f32 {
        self.classes.as_ref().map_or(self.tokens.total, |classes| self.tokens.total + classes.total)
    }

    /// What is minimised: the sum of all.
    pub fn objective(&self) -> f32 {
        self.auxiliary.map_or(self.total(), |auxiliary| self.total() + auxiliary)
    }
}

/// The losses of `batch`.
///
/// # Errors
/// When the batch does not fit the model.
pub fn losses(model: &dyn Model, context: &Context<'_>, batch: &Batch) -> Result<Losses> {
    let asked = Asked::new(model, context, batch)?;
    let losses = asked.losses().into_iter().map(|loss| context.tape.cross_entropy(&loss));
    let losses = losses.collect::<Result<_>>()?;
    asked.found(losses)
}

/// The losses of `batch`, whose gradients are added to those of the parameters where their sum is finite.
///
/// # Errors
/// When the batch does not fit the model.
pub fn backward(model: &dyn Model, context: &Context<'_>, batch: &Batch) -> Result<Losses> {
    let asked = Asked::new(model, context, batch)?;
    let auxiliary: Vec<_> = asked.auxiliary.iter().map(|own| (own, asked.share())).collect();
    let losses = context.tape.backward_losses_and(&asked.losses(), &auxiliary)?;
    asked.found(losses)
}

/// As [`backward`], of what `weigh` makes of the negative log-likelihoods of all targets, in place of their weighted sum; gives its
/// value. Of a head without a bias, and without the model's own loss.
///
/// # Errors
/// When the batch does not fit the model, its head has a bias, or there is not one slope a target.
pub fn backward_objective(
    model: &dyn Model,
    context: &Context<'_>,
    batch: &Batch,
    weigh: impl FnOnce(&[f32]) -> Objective,
) -> Result<f32> {
    let (head, rows, targets) = Asked::new(model, context, batch)?.tokens;
    if head.bias.is_some() {
        let reason =
            "the head of the model has a bias, which an objective of log-likelihoods cannot have".into();
        return Err(Error::Shape { operation: "cross_entropy", reason });
    }
    Ok(context.tape.backward_objective(&head.loss(&rows, targets), weigh)?.total)
}

/// The rows of a batch in front of their heads.
struct Asked<'a> {
    tokens: (Head<'a>, Tensor, LossRows<'a>),
    classes: Option<(Head<'a>, Tensor, LossRows<'a>)>,
    auxiliary: Option<Tensor>,
    shares: Vec<Option<RouterShares>>,
    label_smoothing: f32,
    z_loss: f32,
}

impl<'a> Asked<'a> {
    fn new(model: &'a dyn Model, context: &Context<'_>, batch: &'a Batch) -> Result<Self> {
        let tape = context.tape;
        let rows = match &batch.answer {
            None => model.hidden(context, Input::Text(&batch.source))?,
            Some(text) => {
                let memory = model.encode(context, &batch.source)?;
                model.hidden(context, Input::Answer { text, memory: &memory })?
            }
        };
        let hidden = match &batch.targets.rows {
            Some(indices) => tape.rows(&rows.hidden, indices)?,
            None => rows.hidden,
        };
        let targets = LossRows { targets: &batch.targets.ids, weights: &batch.targets.weights };
        let tokens = (model.head(), model.head().rows(tape, &hidden)?, targets);
        let (auxiliary, shares) = (rows.auxiliary, rows.shares);
        let (label_smoothing, z_loss) = (context.label_smoothing, context.z_loss);
        let Some(classes) = &batch.classes else {
            return Ok(Self { tokens, classes: None, auxiliary, shares, label_smoothing, z_loss });
        };
        let (Some(head), Some(pooled)) = (model.class_head(), rows.pooled) else {
            return Err(Error::Shape {
                operation: "cross_entropy",
                reason: "the batch has classes, the model has no head for them".into(),
            });
        };
        let targets = LossRows { targets: &classes.labels, weights: &classes.weights };
        let pooled = match &classes.texts {
            Some(texts) => tape.rows(&pooled, texts)?,
            None => pooled,
        };
        let rows = head.rows(tape, &pooled)?;
        Ok(Self { tokens, classes: Some((head, rows, targets)), auxiliary, shares, label_smoothing, z_loss })
    }

    fn losses(&self) -> Vec<HeadLoss<'_>> {
        let (head, rows, targets) = &self.tokens;
        let (label_smoothing, z_loss) = (self.label_smoothing, self.z_loss);
        let tokens = HeadLoss { label_smoothing, z_loss, ..head.loss(rows, *targets) };
        let classes = self.classes.as_ref().map(|(head, rows, targets)| head.loss(rows, *targets));
        std::iter::once(tokens).chain(classes).collect()
    }

    /// The share of the pass in its step.
    fn share(&self) -> f32 {
        self.tokens.2.weights.iter().sum()
    }

    fn found(self, losses: Vec<Loss>) -> Result<Losses> {
        let auxiliary =
            self.auxiliary.as_ref().map(|own| Ok::<_, Error>(self.share() * own.scalar()?)).transpose()?;
        let mut losses = losses.into_iter();
        let tokens = losses.next().expect("there is a loss of tokens");
        Ok(Losses { tokens, classes: losses.next(), auxiliary, shares: self.shares })
    }
}
