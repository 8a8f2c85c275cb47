//! Sentences that stand in both languages, and which of them are held out.

use super::World;
use super::facts::{Fact, Language};
use super::random::{Random, held_out};

/// One in so many pairs of sentences is never translated in what is trained on.
const UNTRANSLATED: u64 = 8;

/// The demand for a translation into English, and that into Chinese.
pub const ASKS: [&str; 2] = ["Translate into English: ", "翻译成中文："];

/// A fact whose first sentence is translated in what is trained on, or is not.
pub fn translatable(world: &World, random: &mut Random, held: bool) -> Fact {
    loop {
        let fact = *random.choose(&world.facts);
        if is_untranslated(world.settings.seed, &fact, 0) == held {
            return fact;
        }
    }
}

/// Whether the translation of this sentence is kept for measuring.
pub fn is_untranslated(seed: u64, fact: &Fact, way: usize) -> bool {
    held_out(seed, &format!("{}|{way}", fact.statement(Language::English, way)), UNTRANSLATED)
}
