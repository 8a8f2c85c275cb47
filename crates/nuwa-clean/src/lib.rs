//! Documents through a chain of steps: what is kept, what is changed, what is rejected and why.
//!
//! A step is a file in [`steps`]. Most look at one document at a time and run side by side; a few need the whole
//! corpus (duplicates). Where a step must have seen everything before it can judge anything, the documents are
//! spilled to a temporary file and read a second time, so that memory stays flat but for the few bytes a
//! document that such a step states in its own docs.
//!
//! ```
//! use nuwa_clean::{CleanSettings, StepName, clean};
//!
//! # let folder = tempfile::tempdir()?;
//! # let (documents, out) = (folder.path().join("documents.jsonl"), folder.path().join("clean"));
//! let letter = "Please write to mina@example.org about the clay, the water and the rope that were ordered.";
//! let lines = [letter, letter, "Too short."].map(|text| format!("{{\"text\": \"{text}\"}}\n"));
//! std::fs::write(&documents, lines.concat())?;
//! let mut settings = CleanSettings::default();
//! settings.steps = vec![StepName::Length, StepName::NearDuplicates, StepName::PersonalData];
//! settings.length.min_letters = 20;
//! let summary = clean(&[documents], &out, &settings, &mut |_| {})?;
//! assert_eq!((summary.documents_in, summary.documents_out), (3, 1));
//! let kept = nuwa_files::documents::read(&out)?.next().unwrap()?;
//! assert!(!kept.text.contains("mina@example.org"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod bias;
mod bloom_filter;
mod bottom_k_sample;
mod chain;
mod changes;
mod clean;
mod counted;
mod error;
mod limits;
mod memory;
mod pieces;
mod run;
mod samples;
mod settings;
mod spill;
mod state;
mod step;
pub mod steps;
mod summary;
pub mod survey;
mod way_out;

pub use changes::Change;
pub use clean::{clean, clean_with};
pub use error::{Error, Result};
pub use settings::{CleanSettings, Preset, StepName};
pub use step::{CorpusStep, DocumentStep, Labels, LearningStep, Reason, Step, Verdict, Workspace};
pub use summary::{CleanSummary, Portion, Replacement, Sample, StepSummary};
