//! How well a model predicts text: bits per byte and per character, perplexity per token and per word.
//!
//! Each text stands after the tokenizer's end-of-text (or beginning-of-text) token, and each of its tokens is scored
//! exactly once, given at most the model's context before it. The token that ends a text is not scored: it is no part
//! of the text. With `L` the sum of `-ln p` over the tokens of all texts:
//!
//! - `bits_per_byte` = `L / ln 2 / bytes of UTF-8`, `bits_per_character` = `L / ln 2 / Unicode characters`: the same
//!   text has the same bytes whatever the tokenizer, so these compare models of different tokenizers.
//! - `perplexity` = `exp(L / tokens)`: compares models of one tokenizer only.
//! - `word_perplexity` = `exp(L / words)`; see [`words`]. Left out where it is no finite number (text without blanks).
//!
//! Texts longer than the context are scored in windows that overlap: see [`Settings::stride`].
//!
//! Standard errors are those of a ratio of sums over units ([`Ratio`](crate::Ratio)): over texts where there are at
//! least [`LEAST_TEXTS`], else over blocks, the runs of tokens that one window scores. Blocks of one text are not
//! independent, so theirs is a lower bound. For perplexities it is carried over by the slope of the exponential.

mod document;
mod tally;
mod words;

use nuwa_files::Progress;
use nuwa_infer::Window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::document::{Block, Document};
pub use self::tally::LEAST_TEXTS;
use self::tally::TextTally;
pub use self::words::words;
use crate::{Error, Result, Scorer, TaskResult, Texts};

/// The task's name.
pub const NAME: &str = "language_modelling";
/// Changes whenever the same model and texts would give other figures.
pub const VERSION: u32 = 1;

/// Texts are gathered up to so many ids before they are scored, so that short ones share a pass of the model.
const GROUP_IDS: usize = 8192;

/// How texts longer than the context are scored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many tokens the model sees before the one it predicts, at most; 0 takes the model's whole context.
    pub context: usize,
    /// How many tokens each window after a text's first one scores, from 1 to the context; 0 takes half of the context.
    /// The tokens before them in the window are only seen, so a smaller stride gives each token more to see and takes
    /// longer.
    pub stride: usize,
}

/// The settings as they apply to a model.
#[derive(Debug, Clone, Copy)]
struct Plan {
    start: u32,
    context: usize,
    stride: usize,
}

impl Plan {
    fn new(scorer: &dyn Scorer, settings: &Settings) -> Result<Self> {
        let start = scorer.start_of_text().ok_or(Error::NoStart)?;
        let largest = scorer.context();
        let context = if settings.context == 0 { largest } else { settings.context };
        check("context", context, largest)?;
        let stride = if settings.stride == 0 { (context / 2).max(1) } else { settings.stride };
        check("stride", stride, context)?;
        Ok(Self { start, context, stride })
    }
}

fn check(name: &'static str, value: usize, largest: usize) -> Result<()> {
    if value <= largest {
        return Ok(());
    }
    Err(Error::Setting { name, value, expected: format!("expected at most {largest}") })
}

/// Scores all texts.
///
/// # Errors
/// When texts cannot be read or hold no token, a setting is beyond the model's context, or the model fails.
pub fn evaluate(
    scorer: &dyn Scorer,
    texts: &mut Texts<'_>,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<TaskResult> {
    let plan = Plan::new(scorer, settings)?;
    let mut tally = TextTally::default();
    let mut group: Vec<Document> = Vec::new();
    let mut group_ids = 0;
    for text in texts {
        let text = text.map_err(Error::Reading)?;
        tally.read(&text);
        let document = Document::new(&text, scorer.tokenizer(), plan)?;
        group_ids += document.ids().len();
        group.push(document);
        if group_ids >= GROUP_IDS {
            score(scorer, &group, &mut tally, progress)?;
            group.clear();
            group_ids = 0;
        }
    }
    score(scorer, &group, &mut tally, progress)?;
    tally.result(plan)
}

/// Scores the blocks of some documents, in portions of about [`GROUP_IDS`].
fn score(
    scorer: &dyn Scorer,
    documents: &[Document],
    tally: &mut TextTally,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut document_losses = vec![0.0; documents.len()];
    let blocks: Vec<(usize, &Block)> = (0..documents.len())
        .flat_map(|index| documents[index].blocks.iter().map(move |block| (index, block)))
        .collect();
    let mut rest = blocks.as_slice();
    while !rest.is_empty() {
        let (portion, later) = rest.split_at(portion_length(rest));
        let windows: Vec<Window<'_>> =
            portion.iter().map(|&(index, block)| documents[index].window(block)).collect();
        for (&(index, block), losses) in portion.iter().zip(scorer.score(&windows)?) {
            let loss = losses.into_iter().map(f64::from).sum();
            document_losses[index] += loss;
            tally.add_block(loss, block.size);
        }
        progress(Progress {
            task: "scoring text",
            done: tally.tokens(),
            total: None,
            unit: "tokens",
            bytes: None,
        });
        rest = later;
    }
    for (document, loss) in documents.iter().zip(document_losses) {
        tally.add_document(loss, document);
    }
    Ok(())
}

/// How many of `blocks` together see about [`GROUP_IDS`]; at least one.
fn portion_length(blocks: &[(usize, &Block)]) -> usize {
    let mut ids = 0;
    let fits = |&&(_, block): &&(usize, &Block)| {
        ids += block.seen.len();
        ids <= GROUP_IDS
    };
    blocks.iter().take_while(fits).count().max(1)
}
