use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SearchError;
use super::space::Values;

/// Which part of a search a trial belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The first points, spread evenly.
    Start,
    /// A point that the model of the loss asked for.
    Model,
    /// A longer run of one of the best.
    Race,
    /// The winner at another size or learning rate.
    Sizes,
    /// Winner or defaults with another seed.
    Seeds,
}

/// One model to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What it is for.
    pub stage: Stage,
    /// About how many weights the model is to have.
    pub parameters: u64,
    /// Tokens to train on.
    pub tokens: u64,
    /// Decides weights, data and dropout.
    pub seed: u64,
    /// The settings that differ from the usual ones.
    pub values: Values,
}

/// A trial and what it came to: a line of `trials.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialLine {
    /// What was asked for.
    pub trial: Trial,
    /// The weights it really had.
    pub parameters: u64,
    /// The tokens it really saw.
    pub tokens: u64,
    /// Bits a byte of the held-out text, or nats a token where bytes are not known; lower is better. None where the loss was no number.
    pub figure: Option<f64>,
    /// The learning rate it had.
    pub learning_rate: f32,
    /// Seconds of training.
    pub seconds: f64,
}

/// The trials of a search, in the order in which they were done, in a file that grows by a line each.
#[derive(Debug)]
pub struct TrialLog {
    path: PathBuf,
    lines: Vec<TrialLine>,
    /// How many of them the search has asked for so far.
    asked: usize,
}

impl TrialLog {
    /// Opens the file, with the trials that are in it; half a line at the end, of a search that was killed, is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written, or a line is no trial.
    pub fn open(path: &Path) -> Result<Self, SearchError> {
        let mut lines = Vec::new();
        if path.exists() {
            let text = String::from_utf8_lossy(&std::fs::read(path).map_err(nuwa_files::Error::read(path))?)
                .into_owned();
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            for (number, line) in whole.lines().enumerate() {
                let read = serde_json::from_str(line).map_err(|error| SearchError::Log {
                    path: path.to_path_buf(),
                    line: number + 1,
                    problem: error.to_string(),
                });
                lines.push(read?);
            }
            if whole.len() < text.len() {
                nuwa_files::write_atomically(path, whole.as_bytes())?;
            }
        }
        Ok(Self { path: path.to_path_buf(), lines, asked: 0 })
    }

    /// The trials so far.
    pub fn lines(&self) -> &[TrialLine] {
        &self.lines
    }

    /// The result of the next trial of the search: that of the file, or that of training it.
    pub(super) fn next(
        &mut self,
        trial: &Trial,
        train: &mut dyn FnMut(&Trial) -> Result<TrialLine, SearchError>,
    ) -> Result<TrialLine, SearchError> {
        let number = self.asked;
        self.asked += 1;
        if let Some(known) = self.lines.get(number) {
            if known.trial == *trial {
                return Ok(known.clone());
            }
            let problem = "the search asks for another one here, so the file is of other settings, another text or another seed";
            let (path, problem) = (self.path.clone(), problem.to_string());
            return Err(SearchError::Log { path, line: number + 1, problem });
        }
        let line = train(trial)?;
        let failed = || nuwa_files::Error::write(&self.path);
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed())?;
        let text = serde_json::to_string(&line).expect("a trial of numbers and texts is JSON");
        // As whoever goes on reads it, which may be another number in its last digit.
        let line: TrialLine = serde_json::from_str(&text).expect("what was just written is a trial");
        file.write_all(format!("{text}\n").as_bytes()).map_err(failed())?;
        file.sync_data().map_err(failed())?;
        self.lines.push(line.clone());
        Ok(line)
    }
}
