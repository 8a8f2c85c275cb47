//! The next token in many languages: the causal form of Lample & Conneau, "Cross-lingual Language Model Pretraining" (XLM, 2019).
//!
//! Every token of a window of the stream of documents is predicted from those before it (CLM), and says the language of its document.
//! Languages are met as [`LanguageWindows`] has it; what is held out is read as it is.

use std::ops::Range;

use nuwa_models::{Batch, Text};
use nuwa_shards::{Languages, Part};
use nuwa_tensor::Random;

use super::causal::Causal;
use super::draw::Draw;
use super::language_windows::LanguageWindows;
use super::{Objective, Windows};
use crate::{LanguageSettings, Result};

/// Predicts each next token of texts in several languages.
#[derive(Debug, Clone)]
pub struct CausalLanguages {
    causal: Causal,
    settings: LanguageSettings,
    languages: LanguageWindows,
    padding: Option<u32>,
    random: Random,
}

impl CausalLanguages {
    /// The objective of a run with `seed` on text in these languages, which a model may fill up with `padding`.
    pub fn new(
        causal: Causal,
        settings: &LanguageSettings,
        languages: Languages,
        padding: Option<u32>,
        seed: u64,
    ) -> Self {
        let random = Random::new(seed).named("languages");
        let windows = LanguageWindows::new(languages, settings.exponent);
        Self { causal, settings: settings.clone(), languages: windows, padding, random }
    }

    /// The number of the window that text `number` is, and the languages of its tokens.
    fn window(&self, windows: &dyn Windows, number: u64) -> (u64, Vec<u32>) {
        let context = windows.context();
        match windows.place(number) {
            Some((part, _)) if part != Part::Train => (number, self.languages.of(windows, number, context)),
            _ => {
                let mut draw = Draw::new(self.random.stream(number));
                self.languages.choose(windows, number, context, &mut draw)
            }
        }
    }
}

impl Objective for CausalLanguages {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let (context, texts) = (windows.context(), (numbers.end - numbers.start) as usize);
        let mut window = vec![0; context + 1];
        let (mut inputs, mut targets, mut languages) = (Vec::new(), Vec::new(), Vec::new());
        for number in numbers {
            let (chosen, own) = self.window(windows, number);
            windows.read(chosen, &mut window)?;
            inputs.extend_from_slice(&window[..context]);
            targets.extend_from_slice(&window[1..]);
            languages.extend(own);
        }
        let weights = vec![1.0 / (texts * context * passes) as f32; targets.len()];
        let text = Text { languages, ..self.causal.text(inputs, texts) };
        Ok(Batch::of_every_row(text, targets, weights))
    }

    fn makes_causal(&self) -> bool {
        true
    }

    fn languages(&self) -> &[String] {
        self.languages.names()
    }

    fn padding(&self) -> Option<u32> {
        self.padding
    }

    fn settings(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!(["causal languages", self.settings]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows whose tokens count up, of which nine in ten are in the first language.
    struct Counted(Part);

    impl Windows for Counted {
        fn count(&self) -> u64 {
            1000
        }

        fn context(&self) -> usize {
            32
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            ids.iter_mut().zip(number * 32..).for_each(|(id, at)| *id = (at % 90) as u32);
            Ok(())
        }

        fn place(&self, number: u64) -> Option<(Part, u64)> {
            Some((self.0, number % 1000 * 32))
        }
    }

    fn objective() -> CausalLanguages {
        let folder = tempfile::tempdir().unwrap();
        let json = serde_json::json!({
            "format": 1, "languages": ["en", "zh"],
            "train": [[28_800, 0], [32_000, 1]], "val": [[28_800, 0], [32_000, 1]], "test": [],
        });
        std::fs::write(folder.path().join("languages.json"), json.to_string()).unwrap();
        let languages = LanguageWindows::languages(folder.path()).unwrap();
        CausalLanguages::new(Causal { eos: Some(0) }, &LanguageSettings::default(), languages, Some(7), 3)
    }

    #[test]
    fn every_token_is_predicted_and_says_its_language() {
        let batch = objective().batch(&Counted(Part::Validation), 898..902, 1).unwrap();
        assert_eq!(batch.source.languages, [vec![0; 64], vec![1; 64]].concat());
        assert_eq!(batch.targets.ids.len(), 128);
        assert!(batch.source.ids[1..32].iter().zip(&batch.targets.ids).all(|(next, target)| next == target));
        let seen: Vec<_> = (0..128).map(|row| batch.source.mask.seen_by(row)).collect();
        assert!(seen.iter().enumerate().all(|(row, seen)| seen.end as usize == row % 32 + 1), "{seen:?}");
        assert!((batch.targets.weights.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn the_rarer_language_is_met_more_often_than_its_share() {
        let objective = objective();
        let of = |number: u64| objective.batch(&Counted(Part::Train), number..number + 1, 1).unwrap();
        let second = (0..4000).filter(|number| of(*number).source.languages[5] == 1).count();
        let [first, other] = [0.9_f64, 0.1].map(|share| share.powf(0.7));
        let share = second as f64 / 4000.0;
        assert!((share - other / (first + other)).abs() < 0.02, "{share}");
    }
}
