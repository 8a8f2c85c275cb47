//! Windows of text in several languages: a language with a share `p` of the tokens is met with a share that is as large as `p^a`
//! (Lample & Conneau 2019, with `a` from 0.5 to 0.7).

use std::path::Path;
use std::sync::Arc;

use nuwa_shards::{Languages, Part};

use super::Windows;
use super::draw::Draw;
use crate::{Error, Result};

/// The languages of windows, and how likely one in each is taken.
#[derive(Debug, Clone)]
pub(super) struct LanguageWindows {
    languages: Arc<Languages>,
    taken: Vec<f64>,
}

/// Windows that are looked at before one is taken whatever its language.
const MOST_TRIES: usize = 64;

impl LanguageWindows {
    /// With the shares of languages to the power of `exponent`.
    pub fn new(languages: Languages, exponent: f64) -> Self {
        let taken = taken(&languages.shares(Part::Train), exponent);
        Self { languages: Arc::new(languages), taken }
    }

    /// The languages of the shards in `folder`.
    ///
    /// # Errors
    /// When the shards do not say them, or there is only one.
    pub fn languages(folder: &Path) -> Result<Languages> {
        let languages = Languages::load(folder)?;
        if languages.names().len() < 2 {
            let only = languages.names().first().cloned().unwrap_or_default();
            return Err(Error::OneLanguage { folder: folder.to_path_buf(), only });
        }
        Ok(languages)
    }

    /// Their codes, by number.
    pub fn names(&self) -> &[String] {
        self.languages.names()
    }

    /// The languages of the first `count` tokens of a window.
    pub fn of(&self, windows: &dyn Windows, number: u64, count: usize) -> Vec<u32> {
        match windows.place(number) {
            Some((part, start)) => self.languages.of(part, start, count),
            None => vec![0; count],
        }
    }

    /// Window `number`, or another one in its place where that is of a language that is left: its number, and the languages of its
    /// first `count` tokens.
    pub fn choose(
        &self,
        windows: &dyn Windows,
        number: u64,
        count: usize,
        draw: &mut Draw,
    ) -> (u64, Vec<u32>) {
        let (mut chosen, mut languages) = (number, self.of(windows, number, count));
        for _ in 0..MOST_TRIES {
            if draw.chance(self.taken[commonest(&languages)]) {
                break;
            }
            chosen = number - number % windows.count() + draw.below(windows.count() as usize) as u64;
            languages = self.of(windows, chosen, count);
        }
        (chosen, languages)
    }
}

/// How likely a window in a language with each of these shares is taken, so that it is met as often as the share to the power of
/// `exponent` says.
fn taken(shares: &[f64], exponent: f64) -> Vec<f64> {
    let wanted: Vec<f64> =
        shares.iter().map(|share| if *share > 0.0 { share.powf(exponent - 1.0) } else { 0.0 }).collect();
    let most = wanted.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    wanted.into_iter().map(|own| own / most).collect()
}

/// The language of most tokens.
fn commonest(languages: &[u32]) -> usize {
    let mut counts = vec![0_usize; languages.iter().max().map_or(1, |most| *most as usize + 1)];
    languages.iter().for_each(|language| counts[*language as usize] += 1);
    (0..counts.len()).max_by_key(|language| (counts[*language], usize::MAX - language)).unwrap_or_default()
}
