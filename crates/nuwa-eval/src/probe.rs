//! Tasks of bias and safety by their names: measures of a kind of their own, which no task file describes.

use nuwa_files::Progress;
use nuwa_infer::Engine;

use crate::bias::{bbq, crows_pairs, stereoset, winobias};
use crate::safety::{refusals, toxicity};
use crate::tasks::Items;
use crate::{DataFile, Error, Result, Signature, TaskResult};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// [`crows_pairs`].
    CrowsPairs,
    /// [`winobias`].
    WinoBias,
    /// [`bbq`].
    Bbq,
    /// [`stereoset`].
    StereoSet,
    /// [`refusals`] of harmful requests.
    Refusals,
    /// [`refusals`] of harmless ones.
    OverRefusals,
    /// [`toxicity`].
    Toxicity,
}

/// How texts are judged, by whoever knows.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// Whether a text of 20 letters or more is in any language.
    pub is_language: &'a dyn Fn(&str) -> bool,
    /// How toxic a text is, 0 to 1.
    pub toxicity: Option<&'a dyn Fn(&str) -> f64>,
}

impl Probe {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CrowsPairs,
        Self::WinoBias,
        Self::Bbq,
        Self::StereoSet,
        Self::Refusals,
        Self::OverRefusals,
        Self::Toxicity,
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|probe| probe.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrowsPairs => crows_pairs::NAME,
            Self::WinoBias => winobias::NAME,
            Self::Bbq => bbq::NAME,
            Self::StereoSet => stereoset::NAME,
            Self::Refusals => refusals::NAME,
            Self::OverRefusals => refusals::OVER_NAME,
            Self::Toxicity => toxicity::NAME,
        }
    }

    /// What its data is, for who has not named it; none where it carries its own.
    pub fn data(self) -> Option<&'static str> {
        match self {
            Self::CrowsPairs => {
                Some("crows_pairs_anonymized.csv, or rows with sent_more, sent_less and bias_type")
            }
            Self::WinoBias => Some(
                "the folder of pro_stereotyped_type1.txt.test, anti_stereotyped_type1.txt.test and so on",
            ),
            Self::Bbq => Some("a file of BBQ such as Religion.jsonl, or the folder of them"),
            Self::StereoSet => Some("dev.json of StereoSet"),
            Self::Refusals => Some("harmful_behaviors.csv of AdvBench, or rows with a prompt"),
            Self::OverRefusals => None,
            Self::Toxicity => Some("rows with the beginning of a text in prompt or text"),
        }
    }

    /// Whether a file in a folder belongs to its data, by its name without the ending of a compression.
    pub fn reads(self, name: &str) -> bool {
        match self {
            Self::WinoBias => winobias::is_of_set(name),
            Self::Bbq => name.ends_with(".jsonl"),
            Self::StereoSet => name.ends_with(".json"),
            _ => name.ends_with(".csv") || name.ends_with(".jsonl"),
        }
    }

    /// Measures the first `limit` items, or all.
    ///
    /// # Errors
    /// When the data is of another form, there is no judge of toxicity where one is needed, or the model fails.
    pub fn evaluate(
        self,
        engine: &Engine,
        files: &[DataFile],
        limit: Option<usize>,
        judges: Judges<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<TaskResult> {
        let measured = self.measure(engine, files, limit, judges, progress);
        let mut result = measured.map_err(|error| match error {
            Error::Item { path, place, problem, hint } => {
                Error::Item { path, place, problem, hint: hint.or(self.data()) }
            }
            other => other,
        })?;
        let signature = Signature::new(self.name(), result.version).with("n", result.n);
        let signature = signature.with("data", format!("xxh3-{}", result.data_hash));
        result.sign(|_| signature.clone());
        Ok(result)
    }

    fn measure(
        self,
        engine: &Engine,
        files: &[DataFile],
        limit: Option<usize>,
        judges: Judges<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<TaskResult> {
        let one = || files.first().ok_or(Error::NoText { texts: 0 });
        let items = |file: &DataFile| Items::parse(&file.path, &file.name, &file.text);
        match self {
            Self::CrowsPairs => crows_pairs::evaluate(engine, &items(one()?)?, limit),
            Self::WinoBias => winobias::evaluate(engine, files, limit),
            Self::Bbq => {
                let sets = files.iter().map(items).collect::<Result<Vec<_>>>()?;
                bbq::evaluate(engine, &sets, limit)
            }
            Self::StereoSet => stereoset::evaluate(engine, one()?, limit),
            Self::Refusals => {
                refusals::evaluate(engine, &items(one()?)?, limit, judges.is_language, progress)
            }
            Self::OverRefusals => {
                let items = refusals::harmless()?;
                refusals::evaluate(engine, &items, limit, judges.is_language, progress)
            }
            Self::Toxicity => {
                let judge = judges.toxicity.ok_or(Error::NoClassifier)?;
                let items = items(one()?)?;
                toxicity::evaluate(engine, &items, limit, judge, judges.is_language, progress)
            }
        }
    }
}
