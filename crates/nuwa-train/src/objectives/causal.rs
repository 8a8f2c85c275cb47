//! The next token (Radford et al. 2018): every token is predicted from those before it.

use std::ops::Range;

use nuwa_models::{Batch, Text};

use super::{Objective, Windows};
use crate::{PretrainSettings, Result};

/// Predicts each next token.
#[derive(Debug, Clone, Copy)]
pub struct Causal {
    /// The token that ends documents, where attention stops there. It is the first position of what follows it, as it is in
    /// generation.
    pub eos: Option<u32>,
}

impl Causal {
    /// As `settings` say, of text whose documents end in `eos`.
    pub fn new(eos: Option<u32>, settings: &PretrainSettings) -> Self {
        Self { eos: eos.filter(|_| settings.document_boundaries) }
    }
}

impl Objective for Causal {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let (context, texts) = (windows.context(), (numbers.end - numbers.start) as usize);
        let mut window = vec![0; context + 1];
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for number in numbers {
            windows.read(number, &mut window)?;
            inputs.extend_from_slice(&window[..context]);
            targets.extend_from_slice(&window[1..]);
        }
        let weights = vec![1.0 / (texts * context * passes) as f32; targets.len()];
        Ok(Batch::of_every_row(self.text(inputs, texts), targets, weights))
    }
}

impl Causal {
    /// Texts whose tokens see what stands before them in their document.
    pub(super) fn text(&self, ids: Vec<u32>, texts: usize) -> Text {
        let Some(eos) = self.eos else { return Text::causal(ids, texts) };
        let mut starts = Vec::with_capacity(ids.len());
        for text in ids.chunks_exact(ids.len() / texts) {
            let mut start = 0;
            starts.extend(text.iter().zip(0..).map(|(&id, position)| {
                if id == eos {
                    start = position;
                }
                start
            }));
        }
        Text::causal(ids, texts).within_documents(starts)
    }
}
