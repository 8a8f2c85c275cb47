//! XLNet: Yang et al., "XLNet: Generalized Autoregressive Pretraining for Language Understanding" (2019).
//!
//! Tokens are predicted in any order, each from those that come earlier in it. That takes two streams of rows with the same
//! weights: content rows `h` begin as the embeddings of tokens and see themselves; query rows `g` begin as one learned vector, stand
//! for a place, and do not see the token there. Both attend to the content rows alone, and only `g` predicts:
//!
//! `g = norm(g + attention(g, K = V = h before it))`, `h = norm(h + attention(h, K = V = h up to it))`, then for both
//! `x = norm(x + feed_forward(x))`.
//!
//! Attention is Transformer-XL's (Dai et al. 2019): by relative distance, in place of positions, and over a memory of what each layer
//! was given of the segment before, which gets no gradient. Segments, too, are relative: a key is of the query's own or not. The
//! logits are those of the embedding, with a bias. Weights start normal with deviation 0.02.

mod config;
mod decode;
mod names;
mod presets;
mod streams;

use std::sync::Arc;

pub use config::{XlnetConfig, XlnetHead};
use nuwa_nn::{
    Context, Embedding, FeedForward, Head, Initialisation, LayerNorm, RelativeAttention, Scope,
    relative_sinusoids,
};
use nuwa_tensor::{DType, Parameter, Parameters, ParametersBuilder, Result, Tensor};
use streams::Streams;

use crate::{Cache, Input, Model, ModelConfig, Rows, Text};

/// The model.
#[derive(Debug)]
pub struct Xlnet {
    config: XlnetConfig,
    parameters: Parameters,
    tokens: Embedding,
    /// What every query begins as, `[1, d]`.
    query: Embedding,
    blocks: Vec<Block>,
    head_bias: Option<Parameter>,
}

#[derive(Debug, Clone)]
struct Block {
    attention: RelativeAttention,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    feed_forward_norm: LayerNorm,
}

/// What all blocks of a pass have in common.
#[derive(Debug)]
struct Pass {
    streams: Streams,
    /// Rows that stand for distances.
    distances: Tensor,
}

impl Xlnet {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: XlnetConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let tokens = Embedding::new(root.child("tokens"), config.vocab_size, config.d_model, weights);
        let query = Embedding::new(root.child("query"), 1, config.d_model, weights);
        let blocks = (0..config.n_layer)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config))
            .collect();
        let head_bias = config
            .head
            .tokens
            .then(|| root.child("head").parameter("bias", [config.vocab_size], Initialisation::Zeros));
        // Without a head there is nothing to ask of a query.
        query.weight().entry().set_trainable(config.head.tokens);
        Self { parameters: builder.finish(), tokens, query, blocks, head_bias, config }
    }

    /// The rows of the queries after all blocks, or where there are none those of the tokens; `given` is told what each block was
    /// given.
    fn run(
        &self,
        context: &Context<'_>,
        text: &Text,
        streams: Streams,
        mut given: impl FnMut(&Tensor),
    ) -> Result<Tensor> {
        let tape = context.tape;
        let memory = self.memory(context, text)?;
        let distances = relative_sinusoids(tape, self.config.d_model, streams.farthest, self.config.clamp())?;
        let mut x = context.embedding_dropout(&self.embed(context, &text.ids, &streams)?)?;
        let pass = Arc::new(Pass { streams, distances: context.dropout(&distances)? });
        for (index, block) in self.blocks.iter().enumerate() {
            given(&x);
            let memory = memory.get(index).cloned();
            let is_last = index + 1 == self.blocks.len();
            x = if context.recompute {
                let (block, pass) = (block.clone(), Arc::clone(&pass));
                let (dropout, dropouts) = (context.dropout, context.dropouts);
                tape.recomputed(&x, move |tape, x| {
                    let context = Context::new(tape).with_dropout(dropout).with_dropouts(dropouts);
                    block.forward(&context, x, &pass, memory.as_ref(), is_last)
                })?
            } else {
                block.forward(context, &x, &pass, memory.as_ref(), is_last)?
            };
        }
        Ok(x)
    }

    /// What each block is given of what stands before the text; nothing where nothing does.
    fn memory(&self, context: &Context<'_>, text: &Text) -> Result<Vec<Tensor>> {
        let Some(before) = &text.before else { return Ok(Vec::new()) };
        let silent = context.tape.for_inference();
        let streams = Streams::of_content(&before.text)?;
        let mut given = Vec::new();
        self.run(&Context::new(&silent), &before.text, streams, |x| given.push(x.clone()))?;
        Ok(given)
    }

    /// The first rows of both streams.
    fn embed(&self, context: &Context<'_>, ids: &[u32], streams: &Streams) -> Result<Tensor> {
        let tape = context.tape;
        let tokens = self.tokens.forward(tape, ids)?;
        if streams.queries.is_empty() {
            return Ok(tokens);
        }
        let queries = self.query.forward(tape, &vec![0; streams.queries.len()])?;
        let parts = [(&tokens, &streams.content[..]), (&queries, &streams.queries[..])];
        tape.put_rows(&parts, ids.len() + streams.queries.len())
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &XlnetConfig) -> Self {
        let (width, epsilon) = (config.d_model, config.layer_norm_eps);
        let weights = Initialisation::Normal(config.initializer_range);
        Self {
            attention: RelativeAttention::new(scope.child("attention"), width, config.head_layout(), weights),
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, epsilon),
            feed_forward: FeedForward::plain(
                scope.child("feed_forward"),
                [width, config.d_inner],
                true,
                config.ff_activation.into(),
                [weights; 2],
            ),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon),
        }
    }

    /// The rows of both streams through attention over the content rows and, before these, `memory`. Of the last block nobody reads
    /// what becomes of content rows where there are queries: it gives those of the queries alone.
    fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        pass: &Pass,
        memory: Option<&Tensor>,
        is_last: bool,
    ) -> Result<Tensor> {
        let (tape, streams) = (context.tape, &pass.streams);
        let keys = self.attention.memory(tape, &streams.keys(tape, x, memory)?)?;
        let (rows, view) = match is_last && !streams.queries.is_empty() {
            true => (tape.rows(x, &streams.queries)?, &streams.asked),
            false => (x.clone(), &streams.both),
        };
        let queries = self.attention.queries(tape, &rows)?;
        let distances = self.attention.distances(tape, &pass.distances)?;
        let inputs = [&queries, &keys, &distances];
        let gathered = self.attention.attend(context, inputs, &view.mask, &view.places)?;
        self.after_attention(context, &rows, &gathered)
    }

    fn after_attention(&self, context: &Context<'_>, x: &Tensor, gathered: &Tensor) -> Result<Tensor> {
        let x = self.attention.output(context, x, gathered)?;
        let x = self.attention_norm.forward_residual(context.tape, &x)?;
        let x = self.feed_forward.forward(context, &x, &x)?;
        self.feed_forward_norm.forward_residual(context.tape, &x)
    }
}

impl Model for Xlnet {
    fn config(&self) -> ModelConfig {
        ModelConfig::Xlnet(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rows of the second stream where the text has queries, else those of the first.
    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let text = match input {
            Input::Next(sequences) => return self.next(context, sequences),
            input => input.text()?,
        };
        let rows = self.run(context, text, Streams::of(text)?, |_| {})?;
        Ok(context.dropout(&rows)?.into())
    }

    /// Of a model without a bias, the embedding alone.
    fn head(&self) -> Head<'_> {
        Head { bias: self.head_bias.as_ref(), ..Head::new(self.tokens.weight()) }
    }

    /// Its numbers are `f32` whatever is asked for.
    fn new_cache(&self, capacity: usize, _: DType) -> Cache {
        Cache::content(self.blocks.len(), capacity)
    }
}
