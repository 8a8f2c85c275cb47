//! The embedded world: a small bilingual world that is made from one number, in which everything that is true is known.
//!
//! From a seed follow people, towns, animals, trades and what is so about them ([`facts`]); a corpus that says it in many
//! ways, with noise planted for the cleaning stage ([`Noise`]); dialogues, preferences, rated answers, translations and opinions
//! to tune on; prompts with all answers that are right, to reinforce by; and held-out items in the forms of known benchmarks. Because
//! the truth is known, the worth of each stage can be measured: [`audit`] tells what cleaning caught and what it lost, the items what
//! a model has learnt, and [`true_reward`] how good an answer truly is, whatever a reward model holds of it.
//!
//! Held out are: for each fact and language one of the three ways to ask for it; one in eight scenes (who has what where),
//! sums, reviews, invented names, and pairs of a sentence with its translation. None of these occurs in what is trained on.
//!
//! ```
//! use nuwa_world::{Language, World, WorldSettings, facts};
//!
//! let settings = WorldSettings::default();
//! let world = World::new(&settings)?;
//! let fact = facts(settings.seed)[0];
//! println!("{} / {}", fact.statement(Language::English, 0), fact.statement(Language::Chinese, 0));
//! # let folder = tempfile::tempdir()?;
//! # let settings = WorldSettings { documents: 50, ..settings };
//! let summary = nuwa_world::write(&settings, folder.path(), &mut |_| {})?;
//! assert!(summary.documents > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod audit;
mod documents;
mod error;
mod facts;
mod items;
mod lexicon;
mod lookups;
mod manners;
mod noise;
mod offer;
mod prompts;
mod pronouns;
mod random;
mod ratings;
mod scenes;
mod settings;
mod small_talk;
mod talk;
mod translation;
mod truth;
mod write;

pub use audit::{Audit, Caught, audit};
pub use error::{Error, Result};
pub use facts::{Fact, KINDS, Kind, Language, entities, facts};
pub use items::TASKS;
pub use lexicon::{Name, SLURS};
pub use noise::Noise;
pub use offer::{
    BIAS_PAIRS, CORPUS, DIALOGUES, HELD_OUT_PROMPTS, ITEMS, LOOKUPS, PREFERENCES, PROMPTS, RATINGS, RECIPE,
    SLUR_LIST, USUAL_SECONDS, WorldTask, tasks,
};
pub use settings::{NoiseShares, PlantedBias, Shares, WorldSettings};
pub use truth::true_reward;
pub use write::{Planted, WorldSummary, write};

use random::Random;

/// The world under its settings.
#[derive(Debug)]
pub struct World {
    settings: WorldSettings,
    facts: Vec<Fact>,
    people: Vec<Name>,
}

impl World {
    /// Makes the world.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn new(settings: &WorldSettings) -> Result<Self> {
        settings.check()?;
        let facts = facts(settings.seed);
        Ok(Self { settings: settings.clone(), facts, people: lexicon::PEOPLE.to_vec() })
    }

    /// What is so about a subject.
    fn about(&self, subject: Name) -> impl Iterator<Item = Fact> + '_ {
        self.facts.iter().filter(move |fact| fact.subject == subject).copied()
    }

    /// The words of the question for `fact` that are never trained on.
    fn held_question(&self, fact: &Fact, language: Language) -> usize {
        let name = format!("{}|{}", fact.statement(Language::English, 0), language.code());
        Random::new(self.settings.seed, &name).below(3)
    }

    /// One of the two other ways to ask.
    fn trained_question(&self, fact: &Fact, language: Language, random: &mut Random) -> usize {
        (self.held_question(fact, language) + 1 + random.below(2)) % 3
    }
}
