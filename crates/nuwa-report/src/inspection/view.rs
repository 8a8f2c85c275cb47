//! A survey as the page and the terminal show it: everything is counted, rounded and worded here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use nuwa_clean::bias::{BiasReport, GroupReport};
use nuwa_clean::survey::{Cluster, Clusters, Example, Languages, Share, Survey};
use nuwa_clean::{Change, CleanSummary};
use nuwa_world::Audit;
use serde::Serialize;

use crate::cleaning::{self, Caught, Funnel};
use crate::columns::Columns;
use crate::difference::{self, Piece, PieceKind};
use crate::numbers::{bytes, grouped};
use crate::numbers::{percent, value};
use crate::text::{clipped, printable};
use crate::words::inspect::{self as words, Words};
use crate::words::report::CleaningWords;
use crate::words::{Fixed, Text, names};

const WORDS: Words = Words::ALL;

/// Languages that have a row of their own.
const LANGUAGES: usize = 16;
/// Words beside the terms of a group: in the table, and in the group's own.
const FEW_WORDS: usize = 5;
const MORE_WORDS: usize = 12;
/// Characters of the text of a cluster in its title.
const OPENING: usize = 60;

/// What there is to see.
#[derive(Debug, Serialize)]
pub struct Inspection {
    pub words: Words,
    pub cleaning_words: CleaningWords,
    pub name: String,
    pub subtitle: Text,
    pub tiles: Vec<CountTile>,
    pub funnel: Funnel,
    pub lengths: Option<Columns>,
    pub languages: Vec<LanguageRow>,
    pub clusters: Option<ClusterView>,
    pub bias: Option<BiasView>,
    pub caught: Option<Caught>,
    pub cards: Vec<DocumentCard>,
    /// How many of the documents that are shown had which outcome.
    pub outcomes: Vec<OutcomeCount>,
    /// The steps and reasons of the documents that are shown.
    pub steps: Vec<Choice>,
    pub reasons: Vec<Choice>,
}

/// A headline figure.
#[derive(Debug, Serialize)]
pub struct CountTile {
    pub label: Fixed,
    pub value: String,
    pub note: Text,
}

/// Something to choose in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// As the cards say it.
    pub key: String,
    pub name: Text,
}

/// How many of the documents that are shown had an outcome.
#[derive(Debug, Serialize)]
pub struct OutcomeCount {
    pub key: &'static str,
    pub name: Fixed,
    pub count: String,
}

/// A language. Shares are per cent of the documents of the most frequent one.
#[derive(Debug, Serialize)]
pub struct LanguageRow {
    pub name: Text,
    /// Whether the name is a code such as "en".
    pub is_code: bool,
    /// "12 kept, 3 rejected · 4 kB".
    pub counts: Text,
    pub kept_share: f64,
    pub rejected_share: f64,
}

/// Documents that repeat each other.
#[derive(Debug, Serialize)]
pub struct ClusterView {
    pub sentence: Text,
    pub sizes: Vec<ClusterSize>,
    pub largest: Vec<ClusterCard>,
}

/// Clusters of about one size. Shares are per cent of the documents of the most frequent size.
#[derive(Debug, Serialize)]
pub struct ClusterSize {
    /// "12 clusters of 3 to 4".
    pub size: Text,
    pub counts: Text,
    pub kept_share: f64,
    pub rejected_share: f64,
}

/// A cluster to look at.
#[derive(Debug, Serialize)]
pub struct ClusterCard {
    pub title: Text,
    /// How its text begins.
    pub opening: String,
    pub original: Option<DocumentCard>,
    pub copies: Vec<DocumentCard>,
    pub more: Option<Text>,
}

/// What is said of groups of people.
#[derive(Debug, Serialize)]
pub struct BiasView {
    pub sentence: Text,
    pub estimate: Option<Text>,
    pub groups: Vec<GroupRow>,
}

/// A group of terms before and after.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    pub name: Text,
    pub counts: [String; 2],
    pub rates: [String; 2],
    pub documents: [String; 2],
    /// The words that stand out beside its terms, after cleaning.
    pub beside: String,
    pub terms: Option<Text>,
    pub words: Vec<WordRow>,
}

/// A word that stands beside the terms of a group.
#[derive(Debug, Serialize)]
pub struct WordRow {
    pub word: String,
    pub counts: [String; 2],
    pub bits: [String; 2],
}

/// A document to look at.
#[derive(Debug, Serialize)]
pub struct DocumentCard {
    /// "kept", "changed" or "rejected".
    pub outcome: &'static str,
    pub outcome_name: Fixed,
    pub step: Choice,
    pub reason: Choice,
    pub detail: String,
    pub id: String,
    pub source: String,
    pub lang: Option<String>,
    /// Said instead of pieces where there are none.
    pub note: Fixed,
    pub pieces: Vec<Piece>,
}

impl Inspection {
    /// Words and rounds the figures of `survey`.
    pub fn of(name: String, survey: &Survey, audit: Option<&Audit>, bias: Option<&BiasReport>) -> Self {
        let cards = cards(survey);
        let distinct = |of: fn(&DocumentCard) -> &Choice| {
            let mut seen = BTreeSet::new();
            let named = cards.iter().map(of).filter(|choice| !choice.key.is_empty());
            named.filter(|choice| seen.insert(choice.key.as_str())).cloned().collect::<Vec<_>>()
        };
        Self {
            words: WORDS,
            cleaning_words: CleaningWords::ALL,
            name,
            subtitle: subtitle(&survey.cleaning),
            tiles: tiles(&survey.cleaning),
            funnel: cleaning::funnel(&survey.cleaning),
            lengths: Columns::of_lengths(&survey.kept_lengths, &survey.rejected_lengths),
            languages: languages(&survey.kept_languages, &survey.rejected_languages),
            clusters: clusters(&survey.clusters),
            bias: bias.map(bias_view),
            caught: audit.map(cleaning::caught),
            outcomes: outcomes(&cards),
            steps: distinct(|card| &card.step),
            reasons: distinct(|card| &card.reason),
            cards,
        }
    }
}

fn subtitle(summary: &CleanSummary) -> Text {
    let speed = summary.bytes_in as f64 / summary.seconds.max(1e-3);
    words::subtitle(summary.documents_in, summary.bytes_in, summary.seconds, speed as u64)
}

fn tiles(summary: &CleanSummary) -> Vec<CountTile> {
    let of_all = |part: u64, whole: u64| percent(part as f64, whole as f64);
    let rejected = summary.documents_in.saturating_sub(summary.documents_out);
    let busiest = summary.steps.iter().max_by_key(|step| step.changed).filter(|step| step.changed > 0);
    let strictest = summary.steps.iter().max_by_key(|step| step.rejected).filter(|step| step.rejected > 0);
    let most = |step: Option<&nuwa_clean::StepSummary>| {
        step.map(|step| words::most_by(&names::name(&step.name))).unwrap_or_default()
    };
    let changes: u64 = summary.steps.iter().map(|step| step.changed).sum();
    let kept = words::of_all(&of_all(summary.documents_out, summary.documents_in));
    let text = words::of_text(&of_all(summary.bytes_out, summary.bytes_in), summary.bytes_in);
    vec![
        CountTile { label: WORDS.documents_kept, value: grouped(summary.documents_out), note: kept },
        CountTile { label: WORDS.text_kept, value: bytes(summary.bytes_out), note: text },
        CountTile { label: WORDS.documents_rejected, value: grouped(rejected), note: most(strictest) },
        CountTile { label: WORDS.changes, value: grouped(changes), note: most(busiest) },
    ]
}

/// The most frequent languages, and all others in one row.
fn languages(kept: &Languages, rejected: &Languages) -> Vec<LanguageRow> {
    let mut parts: BTreeMap<&str, [Share; 2]> = BTreeMap::new();
    for (at, languages) in [kept, rejected].into_iter().enumerate() {
        for (name, share) in &languages.shares {
            parts.entry(name).or_default()[at] = *share;
        }
    }
    let documents = |[kept, rejected]: &[Share; 2]| kept.documents + rejected.documents;
    let mut rows: Vec<(Text, [Share; 2])> =
        parts.into_iter().map(|(name, shares)| (names::language(&printable(name)), shares)).collect();
    rows.sort_by_key(|(_, shares)| Reverse(documents(shares)));
    if rows.len() > LANGUAGES {
        let rest = rows.split_off(LANGUAGES - 1);
        let sum = rest.iter().fold([Share::default(); 2], |sum, (_, shares)| {
            [0, 1].map(|at| Share {
                documents: sum[at].documents + shares[at].documents,
                bytes: sum[at].bytes + shares[at].bytes,
            })
        });
        rows.push((words::others(rest.len()), sum));
    }
    let most = rows.iter().map(|(_, shares)| documents(shares)).max().unwrap_or(1).max(1);
    let share = |part: &Share| 100.0 * part.documents as f64 / most as f64;
    let row = |(name, [kept, rejected]): (Text, [Share; 2])| LanguageRow {
        is_code: (2..=3).contains(&name.en.len()) && name.en.bytes().all(|byte| byte.is_ascii_lowercase()),
        name,
        counts: words::kept_and_rejected(kept.documents, rejected.documents, kept.bytes),
        kept_share: share(&kept),
        rejected_share: share(&rejected),
    };
    rows.into_iter().map(row).collect()
}

fn clusters(clusters: &Clusters) -> Option<ClusterView> {
    let count: u64 = clusters.sizes.values().sum();
    if count == 0 {
        return None;
    }
    let sentence = words::clusters(clusters.copies, clusters.copies + count, count);
    Some(ClusterView {
        sentence,
        sizes: cluster_sizes(clusters),
        largest: clusters.largest.iter().map(cluster_card).collect(),
    })
}

/// Clusters by size: 2, 3 to 4, 5 to 8, and so on.
fn cluster_sizes(clusters: &Clusters) -> Vec<ClusterSize> {
    let mut classes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (size, count) in &clusters.sizes {
        let class = classes.entry((size - 1).ilog2()).or_default();
        class.0 += count;
        class.1 += count * size;
    }
    let most = classes.values().map(|(_, documents)| *documents).max().unwrap_or(1) as f64;
    let row = |(class, (count, documents)): (u32, (u64, u64))| ClusterSize {
        size: words::clusters_of(count, if class == 0 { 2 } else { (1 << class) + 1 }, 2 << class),
        counts: words::before_and_after(documents, count),
        kept_share: 100.0 * count as f64 / most,
        rejected_share: 100.0 * (documents - count) as f64 / most,
    };
    classes.into_iter().map(row).collect()
}

fn cluster_card(cluster: &Cluster) -> ClusterCard {
    let copy = |example: &Example| {
        let mut card = DocumentCard::of("rejected", example);
        if let Some(original) = &cluster.original {
            let clipped = original.is_clipped() || example.is_clipped();
            card.pieces = difference::difference(&original.text, &example.text, clipped);
            card.note = WORDS.same_text;
        }
        card
    };
    let first = cluster.original.as_ref().or(cluster.copies.first());
    let opening = first.map(|example| example.text.split_whitespace().take(12).collect::<Vec<_>>().join(" "));
    let left = cluster.size - 1 - cluster.copies.len() as u64;
    ClusterCard {
        title: words::cluster_title(cluster.size, &names::name(&cluster.step)),
        opening: clipped(&opening.unwrap_or_default(), OPENING),
        original: cluster.original.as_ref().map(|example| DocumentCard::of("kept", example)),
        copies: cluster.copies.iter().map(copy).collect(),
        more: (left > 0).then(|| words::more(left)),
    }
}

fn bias_view(report: &BiasReport) -> BiasView {
    let (before, after) = (&report.before, &report.after);
    let is_estimate = before.analysed_bytes < before.bytes || after.analysed_bytes < after.bytes;
    let analysed = before.analysed_bytes.max(after.analysed_bytes);
    BiasView {
        sentence: words::bias(report.window),
        estimate: is_estimate.then(|| words::estimated_from(analysed)),
        groups: before.groups.iter().zip(&after.groups).map(group_row).collect(),
    }
}

fn group_row((before, after): (&GroupReport, &GroupReport)) -> GroupRow {
    let both = |of: &dyn Fn(&GroupReport) -> String| [of(before), of(after)];
    let beside: Vec<&str> = after.beside.iter().take(FEW_WORDS).map(|beside| beside.word.as_str()).collect();
    let terms = after.terms.iter().take(MORE_WORDS);
    let terms: Vec<String> = terms.map(|term| format!("{} {}", term.term, grouped(term.count))).collect();
    GroupRow {
        name: names::name(&after.name).map(printable),
        counts: both(&|group| grouped(group.count)),
        rates: both(&|group| value(group.per_million_words)),
        documents: both(&|group| grouped(group.documents)),
        beside: printable(&beside.join(", ")),
        terms: (!terms.is_empty()).then(|| words::terms(&printable(&terms.join(", ")))),
        words: word_rows(before, after),
    }
}

/// The words that stand out after cleaning, then those that stood out before.
fn word_rows(before: &GroupReport, after: &GroupReport) -> Vec<WordRow> {
    let mut words: Vec<&str> = Vec::new();
    for beside in after.beside.iter().take(MORE_WORDS).chain(before.beside.iter().take(MORE_WORDS)) {
        if !words.contains(&beside.word.as_str()) {
            words.push(&beside.word);
        }
    }
    let row = |word: &str| {
        let found = [before, after].map(|group| group.beside.iter().find(|beside| beside.word == word));
        WordRow {
            word: printable(word),
            counts: found.map(|beside| beside.map(|one| grouped(one.count)).unwrap_or_default()),
            bits: found.map(|beside| beside.map(|one| format!("{:.1}", one.pmi)).unwrap_or_default()),
        }
    };
    words.into_iter().map(row).collect()
}

/// Changed, rejected, kept; the first two in the order of the steps.
fn cards(survey: &Survey) -> Vec<DocumentCard> {
    let order: Vec<&str> = survey.cleaning.steps.iter().map(|step| step.name.as_str()).collect();
    let place = |step: &str| order.iter().position(|name| *name == step).unwrap_or(order.len());
    let mut changed: Vec<&Change> = survey.changed.iter().collect();
    changed.sort_by_key(|change| place(&change.step));
    let mut rejected: Vec<&Example> = survey.rejected.iter().collect();
    rejected.sort_by_key(|example| place(&example.step));
    let changed = changed.into_iter().map(DocumentCard::of_change);
    let rejected = rejected.into_iter().map(|example| DocumentCard::of("rejected", example));
    let kept = survey.kept.iter().map(|example| DocumentCard::of("kept", example));
    changed.chain(rejected).chain(kept).collect()
}

fn outcomes(cards: &[DocumentCard]) -> Vec<OutcomeCount> {
    let count = |outcome: &str| cards.iter().filter(|card| card.outcome == outcome).count() as u64;
    let outcome = |key| OutcomeCount { key, name: outcome_name(key), count: grouped(count(key)) };
    ["changed", "rejected", "kept"].map(outcome).into()
}

fn outcome_name(outcome: &str) -> Fixed {
    match outcome {
        "changed" => WORDS.changed,
        "rejected" => WORDS.rejected,
        _ => WORDS.kept,
    }
}

fn step_choice(step: &str) -> Choice {
    Choice { key: names::spaced(step), name: names::name(step) }
}

/// Where a document came from, unless its id says so.
fn source(id: &str, source: &str) -> String {
    let file = source.rsplit('/').next().unwrap_or(source);
    if id.contains(file) { String::new() } else { printable(source) }
}

impl DocumentCard {
    fn of(outcome: &'static str, example: &Example) -> Self {
        Self {
            outcome,
            outcome_name: outcome_name(outcome),
            step: step_choice(&example.step),
            reason: Choice {
                key: printable(&example.reason),
                name: names::reason(&printable(&example.reason)),
            },
            detail: printable(&example.detail),
            id: printable(&example.id),
            source: source(&example.id, &example.source),
            lang: example.lang.as_deref().map(printable),
            note: WORDS.empty_text,
            pieces: match example.text.is_empty() {
                true => Vec::new(),
                false => vec![Piece::new(PieceKind::Same, &example.text)],
            },
        }
    }

    fn of_change(change: &Change) -> Self {
        Self {
            outcome: "changed",
            outcome_name: WORDS.changed,
            step: step_choice(&change.step),
            reason: Choice { key: String::new(), name: Text::default() },
            detail: String::new(),
            id: printable(&change.id),
            source: source(&change.id, &change.source),
            lang: None,
            note: WORDS.text_unchanged,
            pieces: difference::of_change(change),
        }
    }
}
