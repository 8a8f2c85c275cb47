//! The data of a run as its data card shows it: the questions of a datasheet, answered by what was measured and by its maker.

use nuwa_clean::{bias::BiasReport, survey};
use serde::Serialize;

use crate::Result;
use crate::card::{cell, cells, codes, languages, line};
use crate::card_settings::CardSettings;
use crate::facts::{self, Fact};
use crate::numbers::{bytes, grouped};
use crate::run::Run;
use crate::words::data_card::{self as words, Words};
use crate::words::{Text, names};

/// What `templates/data_card.md` is given.
#[derive(Debug, Serialize)]
pub struct DataCard {
    words: Words,
    title: String,
    pretty_name: String,
    licence: String,
    size_category: Option<&'static str>,
    language_codes: Vec<String>,
    languages: Vec<Fact>,
    data: Vec<Fact>,
    formats: Vec<Fact>,
    steps: Vec<StepRow>,
    kept: Option<Text>,
    people: Vec<Fact>,
    asked: Asked,
}

/// The answers of the maker; none where there is none.
#[derive(Debug, Serialize)]
struct Asked {
    motivation: Option<String>,
    composition: Option<String>,
    collection: Option<String>,
    uses: Option<String>,
    misuses: Option<String>,
    risks: Option<String>,
    distribution: Option<String>,
    maintenance: Option<String>,
    licence: Option<String>,
    contact: Option<String>,
}

/// A cleaning step.
#[derive(Debug, Serialize)]
struct StepRow {
    name: Text,
    documents: String,
    rejected: String,
    changed: String,
}

impl DataCard {
    /// Words the data of `run`, and what `answers` says of it.
    pub fn of(run: &Run, answers: &CardSettings) -> Result<Self> {
        let counted = survey::languages(&run.folder.join("clean")).unwrap_or_default();
        let bias: Option<BiasReport> = nuwa_files::read_json(&run.folder.join("clean/bias.json")).ok();
        let clean = run.clean.as_ref();
        let steps = clean.iter().flat_map(|clean| &clean.steps).map(|step| StepRow {
            name: names::name(&step.name),
            documents: grouped(step.documents_in),
            rejected: grouped(step.rejected),
            changed: grouped(step.changed),
        });
        let formats = run.collect.iter().flat_map(|collect| &collect.formats);
        let groups = bias.iter().flat_map(|bias| &bias.after.groups);
        let documents = clean.map(|clean| clean.documents_out);
        Ok(Self {
            words: Words::ALL,
            title: line(&run.name),
            pretty_name: serde_json::to_string(&line(&run.name))?,
            licence: serde_json::to_string(answers.licence.as_deref().unwrap_or("unknown"))?,
            size_category: documents.map(size_category),
            language_codes: codes(&counted),
            languages: languages(&counted),
            data: cells(facts::data(run)),
            formats: cells(
                formats
                    .map(|(name, count)| Fact::new(Text::same(name), Text::same(grouped(*count))))
                    .collect(),
            ),
            steps: steps.collect(),
            kept: clean.map(|clean| words::kept(clean.documents_out, &bytes(clean.bytes_out))),
            people: groups
                .map(|group| {
                    let value = Text::same(grouped(group.per_million_words.round() as u64));
                    Fact::new(names::name(&group.name), value)
                })
                .collect(),
            asked: Asked::of(answers),
        })
    }
}

impl Asked {
    fn of(answers: &CardSettings) -> Self {
        let told = |answer: &Option<String>| {
            let answer = answer.as_ref().map(|answer| answer.trim().to_string());
            answer.filter(|answer| !answer.is_empty())
        };
        Self {
            motivation: told(&answers.motivation),
            composition: told(&answers.composition),
            collection: told(&answers.collection),
            uses: told(&answers.uses),
            misuses: told(&answers.misuses),
            risks: told(&answers.risks),
            distribution: told(&answers.distribution),
            maintenance: told(&answers.maintenance),
            licence: told(&answers.licence).map(|licence| cell(&licence)),
            contact: told(&answers.contact).map(|contact| cell(&contact)),
        }
    }
}

/// As the Hugging Face Hub sorts data sets by their rows.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        _ => "n>100M",
    }
}
