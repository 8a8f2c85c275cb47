//! The log-likelihood of continuations, cut into tokens as lm-evaluation-harness does.

use nuwa_infer::Window;

use crate::{Result, Scorer};

/// A context and what follows it, in ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    ids: Vec<u32>,
    scored_from: usize,
    is_cut: bool,
}

impl Pair {
    /// Blanks at the end of the context belong to the continuation; the continuation's ids are what `context +
    /// continuation` has more than the context. What does not fit is cut off on the left.
    pub fn new(scorer: &dyn Scorer, begins_text: bool, context: &str, continuation: &str) -> Result<Self> {
        let bare = context.trim_end();
        let continuation = format!("{}{continuation}", &context[bare.len()..]);
        let tokenizer = scorer.tokenizer();
        let encode = |text: &str| tokenizer.encode(text).map_err(nuwa_infer::Error::from);
        let whole = encode(&format!("{bare}{continuation}"))?;
        let context = encode(bare)?.len().min(whole.len().saturating_sub(1));
        let starts = begins_text || tokenizer.adds_bos() || context == 0;
        let start = scorer.start_of_text().filter(|_| starts);
        let added = usize::from(start.is_some());
        let ids: Vec<u32> = start.into_iter().chain(whole).collect();
        Ok(Self::cut(scorer, ids, context + added))
    }

    /// Of ids that nothing is added to.
    pub fn of_ids(scorer: &dyn Scorer, context: &[u32], continuation: &[u32]) -> Self {
        Self::cut(scorer, [context, continuation].concat(), context.len())
    }

    fn cut(scorer: &dyn Scorer, ids: Vec<u32>, scored_from: usize) -> Self {
        let cut = ids.len().saturating_sub(scorer.context() + 1);
        Self {
            ids: ids[cut..].to_vec(),
            scored_from: scored_from.saturating_sub(cut).max(1),
            is_cut: cut > 0,
        }
    }

    /// Whether its beginning was cut off, since it was longer than the context.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The ids of the context and of the continuation.
    pub fn parts(&self) -> (&[u32], &[u32]) {
        self.ids.split_at(self.scored_from)
    }

    /// How many ids are scored.
    pub fn scored(&self) -> usize {
        self.ids.len() - self.scored_from
    }
}

/// The log-likelihood of each pair's continuation.
pub fn log_likelihoods(scorer: &dyn Scorer, pairs: &[Pair]) -> Result<Vec<f64>> {
    let windows: Vec<Window<'_>> =
        pairs.iter().map(|pair| Window { ids: &pair.ids, scored_from: pair.scored_from }).collect();
    let losses = scorer.score(&windows)?;
    Ok(losses.into_iter().map(|losses| -losses.into_iter().map(f64::from).sum::<f64>()).collect())
}
