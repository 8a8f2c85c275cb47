use std::sync::Arc;

pub use super::kernels::optimizer::norm;
use super::kernels::optimizer::{Segment, update};
use super::product::{PackedWeight, Packer};
use crate::calls::Update;
use crate::device::{Means, Parameter, Parameters, Stored};

/// One pass over the flat blocks, which also packs weights anew for products in bf16.
pub fn adamw(parameters: &Parameters, means: Means<'_>, of: &dyn Fn(&Parameter) -> Update) {
    let (mut gradients, mut values) = (parameters.gradients_block(), parameters.values_block());
    let mut rest = Segment {
        update: None,
        packing: None,
        values: Stored::of_mut(&mut values),
        gradients: Stored::of_mut(&mut gradients),
        first: Stored::of_mut(means.first),
        second: Stored::of_mut(means.second),
    };
    // What is packed is changed in place; where another pass still holds it, it is packed anew when it is asked for.
    let taken = parameters.iter().map(|parameter| parameter.entry().take_cached::<PackedWeight>());
    let mut packed: Vec<Option<PackedWeight>> =
        taken.map(|packed| packed.and_then(Arc::into_inner)).collect();
    let packers: Vec<Option<Packer>> =
        packed.iter_mut().map(|packed| packed.as_mut().map(PackedWeight::packer)).collect();
    let (mut pieces, mut done) = (Vec::new(), 0);
    for (parameter, packer) in parameters.iter().zip(&packers) {
        let entry = parameter.entry();
        let range = entry.range();
        // What lies between two parameters is padding, and always 0.
        rest.take(range.start - done, None);
        let segment = rest.take(range.len(), entry.is_trainable().then(|| of(parameter)));
        pieces.extend(segment.pieces(packer.as_ref()));
        done = range.end;
    }
    update(pieces);
    for (parameter, packed) in parameters.iter().zip(packed) {
        parameter.entry().has_changed();
        if let Some(packed) = packed {
            parameter.entry().cache(Arc::new(packed));
        }
    }
}
