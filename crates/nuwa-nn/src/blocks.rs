use std::sync::Arc;

use nuwa_tensor::{Result, Tensor};

use crate::{Carried, Context, Keys, LayerInput, Source};

/// Gives each layer of a model what it has to know of the rows.
pub trait Layers {
    /// What layer `index` has to know.
    fn layer(&mut self, index: usize) -> LayerInput<'_>;
}

/// `x` through `blocks`, one after the other; `forward` is that of one block. Where the context asks for it, of each block
/// only its input is kept.
///
/// # Errors
/// Those of `forward`.
pub fn run_blocks<B: Clone + Send + 'static>(
    context: &Context<'_>,
    blocks: &[B],
    mut x: Tensor,
    input: &mut impl Layers,
    forward: fn(&B, &Context<'_>, &Tensor, LayerInput<'_>) -> Result<Tensor>,
) -> Result<Tensor> {
    for (index, block) in blocks.iter().enumerate() {
        if context.skips(index, blocks.len()) {
            continue;
        }
        x = match input.layer(index) {
            LayerInput { positions, keys: Keys::Pass(mask), router, source, carried }
                if context.recompute =>
            {
                let (block, positions, mask) = (block.clone(), Arc::clone(positions), mask.clone());
                let (dropout, dropouts, runs) = (context.dropout, context.dropouts, carried.runs.clone());
                let (rows, visible) = match source {
                    Some(Source::Pass { rows, mask, .. }) => (Some(rows), Some(mask.clone())),
                    _ => (None, None),
                };
                let inputs: Vec<&Tensor> = [&x].into_iter().chain(rows).collect();
                context.tape.recomputed_from(&inputs, move |tape, inputs| {
                    let keys = Keys::Pass(&mask);
                    let rows = inputs.get(1).zip(visible.as_ref());
                    let source = rows.map(|(rows, mask)| Source::Pass { rows, mask, log: None });
                    let (router, carried) = (router.clone(), Carried::of_texts(&runs));
                    let input = LayerInput { positions: &positions, keys, router, source, carried };
                    let context = Context::new(tape).with_dropout(dropout).with_dropouts(dropouts);
                    forward(&block, &context, &inputs[0], input)
                })?
            }
            input => forward(block, context, &x, input)?,
        };
        if let Some(probe) = context.probe {
            probe.look(&x);
        }
    }
    Ok(x)
}
