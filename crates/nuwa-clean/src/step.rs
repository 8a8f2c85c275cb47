use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_files::Document;

use super::summary::{Portion, Replacement};
use crate::Result;

/// Why a document is rejected: few different strings, for they are counted.
pub type Reason = Cow<'static, str>;

/// How often a step found something, by kind: few different strings, for they are counted.
pub type Labels = BTreeMap<Cow<'static, str>, u64>;

/// What a step says about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it was.
    Kept,
    /// It goes on, changed by the step.
    Changed,
    /// It goes no further.
    Rejected {
        /// What is counted.
        reason: Reason,
        /// What only concerns this document: the value that was too high, the document it repeats.
        detail: String,
    },
}

impl Verdict {
    /// Rejected for `reason`, with what only concerns this document.
    pub fn rejected(reason: impl Into<Reason>, detail: impl Into<String>) -> Self {
        Self::Rejected { reason: reason.into(), detail: detail.into() }
    }

    /// Changed or kept.
    pub fn changed(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Kept }
    }
}

/// A step that judges each document by itself, from many threads at once.
pub trait DocumentStep: Send + Sync {
    /// Its name in settings and counts.
    fn name(&self) -> &'static str;
    /// Looks at a document and changes it where needed.
    fn apply(&self, document: &mut Document) -> Verdict;
    /// [`DocumentStep::apply`], for steps that also count what they find, by kind: into `labels`.
    fn apply_and_count(&self, document: &mut Document, _labels: &mut Labels) -> Verdict {
        self.apply(document)
    }
    /// At the end: counts of what the step works with rather than of documents, by name.
    fn totals(&self) -> Labels {
        Labels::new()
    }
    /// At the end: which words it wrote in the place of which, where it does such a thing.
    fn replacements(&self) -> Vec<Replacement> {
        Vec::new()
    }
}

/// What a step that needs the whole corpus may use, so that memory does not grow with the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// A folder of its own, made when it is first used, gone when the work is done.
    pub folder: PathBuf,
    /// The bytes that it may hold.
    pub memory: usize,
}

/// A step that learns from the whole corpus, and then judges each document by itself, from many threads at once.
pub trait LearningStep: DocumentStep {
    /// Comes before all else: where it may spill what it learns.
    ///
    /// # Errors
    /// When what is learnt cannot be spilled to the disk.
    fn begin(&mut self, _workspace: &Workspace) -> Result<()> {
        Ok(())
    }
    /// The first pass: the documents in their order.
    ///
    /// # Errors
    /// When what is learnt cannot be spilled to the disk.
    fn observe(&mut self, batch: &[&Document]) -> Result<()>;
    /// The end of the first pass.
    ///
    /// # Errors
    /// When what was spilled cannot be read.
    fn conclude(&mut self) -> Result<()>;
}

/// A step for which a document's fate depends on the others: it sees all documents, once or more often, then all once more,
/// each time in their order.
pub trait CorpusStep: Send {
    /// Its name in settings and counts.
    fn name(&self) -> &'static str;
    /// Comes before all else: where it may spill what it learns.
    ///
    /// # Errors
    /// When what is learnt cannot be spilled to the disk.
    fn begin(&mut self, workspace: &Workspace) -> Result<()>;
    /// How often it must have seen all documents before it can judge one.
    fn observations(&self) -> usize {
        1
    }
    /// A pass before the last.
    ///
    /// # Errors
    /// When what is learnt cannot be spilled to the disk.
    fn observe(&mut self, batch: &[&Document]) -> Result<()>;
    /// The end of each pass before the last.
    ///
    /// # Errors
    /// When what was spilled cannot be read.
    fn conclude(&mut self) -> Result<()>;
    /// The last pass: changes documents where needed, and gives a verdict for each of the batch.
    ///
    /// # Errors
    /// When what was spilled cannot be read.
    fn apply(&mut self, batch: &mut [&mut Document]) -> Result<Vec<Verdict>>;
    /// At the end: what it found, by kind.
    fn found(&self) -> Labels {
        Labels::new()
    }
    /// At the end: the shares of the text that were asked for, and those reached.
    fn portions(&self) -> Vec<Portion> {
        Vec::new()
    }
}

/// A link of the chain.
pub enum Step {
    /// Judges each document by itself.
    Document(Box<dyn DocumentStep>),
    /// Learns from all documents, then judges each by itself.
    Learning(Box<dyn LearningStep>),
    /// Judges a document by the others, or cuts from it what they hold.
    Corpus(Box<dyn CorpusStep>),
}

impl Step {
    /// A per-document step as a link.
    pub fn document(step: impl DocumentStep + 'static) -> Self {
        Self::Document(Box::new(step))
    }

    /// A learning step as a link.
    pub fn learning(step: impl LearningStep + 'static) -> Self {
        Self::Learning(Box::new(step))
    }

    /// A corpus-wide step as a link.
    pub fn corpus(step: impl CorpusStep + 'static) -> Self {
        Self::Corpus(Box::new(step))
    }

    /// The step's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Document(step) => step.name(),
            Self::Learning(step) => step.name(),
            Self::Corpus(step) => step.name(),
        }
    }

    pub(super) fn begin(&mut self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Document(_) => Ok(()),
            Self::Learning(step) => step.begin(workspace),
            Self::Corpus(step) => step.begin(workspace),
        }
    }

    /// How often it must have seen the whole corpus before it can judge a document.
    pub(super) fn observations(&self) -> usize {
        match self {
            Self::Document(_) => 0,
            Self::Learning(_) => 1,
            Self::Corpus(step) => step.observations(),
        }
    }

    pub(super) fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        match self {
            Self::Document(_) => Ok(()),
            Self::Learning(step) => step.observe(batch),
            Self::Corpus(step) => step.observe(batch),
        }
    }

    pub(super) fn conclude(&mut self) -> Result<()> {
        match self {
            Self::Document(_) => Ok(()),
            Self::Learning(step) => step.conclude(),
            Self::Corpus(step) => step.conclude(),
        }
    }

    /// The step as one that judges documents by the others, if it does.
    pub(super) fn as_corpus(&self) -> Option<&dyn CorpusStep> {
        match self {
            Self::Corpus(step) => Some(step.as_ref()),
            Self::Document(_) | Self::Learning(_) => None,
        }
    }

    /// The step as one that judges each document by itself, if it does.
    pub(super) fn as_document(&self) -> Option<&dyn DocumentStep> {
        match self {
            Self::Document(step) => Some(step.as_ref()),
            Self::Learning(step) => Some(step.as_ref()),
            Self::Corpus(_) => None,
        }
    }
}
