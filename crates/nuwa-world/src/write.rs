//! The world as files.

use std::path::Path;

use nuwa_files::Progress;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{Author, Clean};
use super::facts::{KINDS, Language, entities};
use super::items::{TASKS, items};
use super::lookups::Shelves;
use super::noise::Noise;
use super::offer::{BIAS_PAIRS, CORPUS, HELD_OUT_PROMPTS, ITEMS, PROMPTS, SLUR_LIST};
use super::prompts::prompts;
use super::pronouns;
use super::random::Random;
use super::talk::Examiner;
use super::translation::is_untranslated;
use super::{SLURS, World, WorldSettings};
use crate::Result;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldSummary {
    /// Names that facts are about.
    pub entities: usize,
    /// Kinds of fact.
    pub kinds: usize,
    /// Facts.
    pub facts: usize,
    /// Documents without noise.
    pub documents: usize,
    /// Documents with planted noise.
    pub planted: usize,
    /// Bytes of the corpus.
    pub bytes: u64,
    /// Dialogues.
    pub dialogues: usize,
    /// Preference pairs.
    pub preferences: usize,
    /// Rated answers.
    #[serde(default)]
    pub ratings: usize,
    /// Dialogues in which things are looked up.
    #[serde(default)]
    pub lookups: usize,
    /// Prompts for reinforcement learning.
    #[serde(default)]
    pub prompts: usize,
    /// Held-out items over all tasks.
    pub items: usize,
}

/// A line of `planted.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// The noisy document: the `id` of its line, or the name of its file.
    pub id: String,
    /// What was done to it.
    pub kind: Noise,
    /// The clean document that it was made from.
    pub of: String,
    /// The text of that.
    pub clean: String,
}

/// Writes all data of the world below `out`: `corpus/`, `planted.jsonl`, `slurs.txt`, `sft.jsonl`, `preferences.jsonl`, `ratings.jsonl`, `lookups.jsonl`,
/// `translations.jsonl`, `sentiment.jsonl`, each with its `_heldout` beside it, `prompts.jsonl` and `prompts-held-out.jsonl`, and `eval/`.
///
/// # Errors
/// When a setting is out of its range, or a file cannot be written.
pub fn write(
    settings: &WorldSettings,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<WorldSummary> {
    let world = World::new(settings)?;
    let mut shelves = Shelves::default();
    let (documents, planted, bytes) = corpus(&world, out, &mut shelves, progress)?;
    let stated = shelves.stated(&world.facts);
    nuwa_files::write_atomically(&out.join(SLUR_LIST), (SLURS.join("\n") + "\n").as_bytes())?;
    let mut held = 0;
    for (name, is_held) in [("", false), ("_heldout", true)] {
        let count = |trained: usize| if is_held { (trained / 10).clamp(1, 500) } else { trained };
        let mut examiner = Examiner::new(&world, &format!("dialogues{name}"), is_held);
        let dialogues = (0..count(settings.dialogues)).map(|_| examiner.dialogue());
        lines(&out.join(format!("sft{name}.jsonl")), dialogues)?;
        let mut examiner = Examiner::new(&world, &format!("preferences{name}"), is_held);
        let pairs = (0..count(settings.preferences)).map(|_| {
            let language = examiner.language();
            examiner.preference(language)
        });
        lines(&out.join(format!("preferences{name}.jsonl")), pairs)?;
        let mut examiner = Examiner::new(&world, &format!("ratings{name}"), is_held);
        let rated = (0..count(settings.ratings)).map(|_| examiner.rated());
        lines(&out.join(format!("ratings{name}.jsonl")), rated)?;
        let mut examiner = Examiner::new(&world, &format!("lookups{name}"), is_held);
        let looked_up = (0..count(settings.lookups)).map(|_| examiner.looked_up(&stated));
        lines(&out.join(format!("lookups{name}.jsonl")), looked_up)?;
        let mut examiner = Examiner::new(&world, &format!("sentiment{name}"), is_held);
        let reviews = (0..count(1000)).map(|_| {
            let (language, review) = (examiner.language(), examiner.review());
            json!({"text": review.text(language), "label": review.label(language), "lang": language.code()})
        });
        lines(&out.join(format!("sentiment{name}.jsonl")), reviews)?;
        lines(&out.join(format!("translations{name}.jsonl")), translations(&world, is_held))?;
    }
    for (task, language) in TASKS.into_iter().flat_map(|task| Language::BOTH.map(|language| (task, language)))
    {
        let all = items(&world, task, language);
        held += all.len();
        lines(&out.join(ITEMS).join(format!("{task}_{}.jsonl", language.code())), all)?;
    }
    lines(&out.join(ITEMS).join(BIAS_PAIRS), pronouns::pairs())?;
    let asked = prompts(&world, false, settings.prompts);
    let count = asked.len();
    lines(&out.join(PROMPTS), asked)?;
    lines(&out.join(HELD_OUT_PROMPTS), prompts(&world, true, (settings.prompts / 2).min(500)))?;
    let summary = WorldSummary {
        entities: entities(&world.facts),
        kinds: KINDS.len(),
        facts: world.facts.len(),
        documents,
        planted,
        bytes,
        dialogues: settings.dialogues,
        preferences: settings.preferences,
        ratings: settings.ratings,
        lookups: settings.lookups,
        prompts: count,
        items: held,
    };
    nuwa_files::write_json(&out.join("world.json"), &json!({"settings": settings, "summary": summary}))?;
    Ok(summary)
}

/// Every sentence of a fact in both languages.
fn translations(world: &World, held: bool) -> Vec<Value> {
    let seed = world.settings.seed;
    let all = world.facts.iter().flat_map(|fact| [0, 1, 2].map(|way| (fact, way)));
    all.filter(|(fact, way)| is_untranslated(seed, fact, *way) == held)
        .map(|(fact, way)| {
            let [english, chinese] = Language::BOTH.map(|language| fact.statement(language, way));
            json!({"en": english, "zh": chinese})
        })
        .collect()
}

/// Writes the corpus; gives the clean documents, the noisy ones, and the bytes.
fn corpus(
    world: &World,
    out: &Path,
    seen: &mut Shelves,
    progress: &mut dyn FnMut(Progress),
) -> Result<(usize, usize, u64)> {
    let settings = &world.settings;
    let mut author = Author::new(world);
    let mut random = Random::new(settings.seed, "noise");
    let mut shelves = [Vec::new(), Vec::new()];
    let (mut truth, mut documents, mut bytes) = (Vec::new(), 0, 0);
    for number in 0..settings.documents {
        let clean = author.write();
        let id = format!("{}-{number}", clean.language.code());
        let shelf = &mut shelves[usize::from(clean.language == Language::Chinese)];
        let kind = noise(settings, &mut random);
        // Duplicates come beside what they repeat, other noise in its place.
        if kind.is_none_or(Noise::is_rejected) {
            bytes += clean.text.len() as u64;
            seen.add(&id, &clean.text);
            documents += 1;
            shelf.push(document(&id, &clean.text, clean.language));
        }
        if let Some(kind) = kind {
            let (planted, more) = plant(kind, &clean, &id, &mut random, out, shelf)?;
            bytes += more;
            truth.push(planted);
        }
        let (done, total) = (number as u64 + 1, Some(settings.documents as u64));
        progress(Progress { task: "writing the world", done, total, unit: "documents", bytes: None });
    }
    for (shelf, language) in shelves.into_iter().zip(Language::BOTH) {
        lines(&out.join(CORPUS).join(format!("{}.jsonl", language.code())), shelf)?;
    }
    let planted = truth.len();
    lines(&out.join("planted.jsonl"), truth.iter().map(|planted| json!(planted)))?;
    Ok((documents, planted, bytes))
}

/// What is done to the next document, if anything.
fn noise(settings: &WorldSettings, random: &mut Random) -> Option<Noise> {
    let shares = settings.noise.all();
    let rest = (1.0 - shares.iter().sum::<f64>()).max(0.0);
    let weights: Vec<f64> = shares.into_iter().chain([rest]).collect();
    Noise::ALL.get(random.weighted(&weights)).copied()
}

fn document(id: &str, text: &str, language: Language) -> Value {
    json!({"id": id, "text": text, "lang": language.code()})
}

/// Puts a noisy copy on the shelf, or, where it is a page, into a file of its own; with its bytes.
fn plant(
    kind: Noise,
    clean: &Clean,
    of: &str,
    random: &mut Random,
    out: &Path,
    shelf: &mut Vec<Value>,
) -> Result<(Planted, u64)> {
    let text = kind.plant(clean, random);
    let mut id = format!("{of}-{}", kind.name());
    if kind == Noise::BrokenHtml {
        id += ".html";
        nuwa_files::write_atomically(&out.join(CORPUS).join("pages").join(&id), text.as_bytes())?;
    } else {
        shelf.push(document(&id, &text, clean.language));
    }
    let bytes = text.len() as u64;
    Ok((Planted { id, kind, of: of.into(), clean: clean.text.clone() }, bytes))
}

fn lines(path: &Path, values: impl IntoIterator<Item = Value>) -> Result<()> {
    let text: String = values.into_iter().map(|value| format!("{value}\n")).collect();
    Ok(nuwa_files::write_atomically(path, text.as_bytes())?)
}
