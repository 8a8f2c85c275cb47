//! Masked words in many languages, and in translations: Lample & Conneau, "Cross-lingual Language Model Pretraining" (XLM, 2019).
//!
//! A text is a window of the stream of documents, `[CLS] window [SEP]`, and each token says the language of its document (MLM).
//! A language with a share `p` of the tokens is met with a share that is as large as `p^0.7`: a window is taken or left by the language
//! of most of its tokens. Where translations are given, every second text is one of those (TLM): pairs `[CLS] a [SEP] [CLS] b [SEP]`,
//! as many as fill the text, each seeing itself alone, with positions that count anew in the second sentence and with the language of
//! each. Tokens are chosen and hidden as [`Masked`] has it. The authors also choose rare tokens more often, by the inverse root of
//! their frequency; here all are as likely.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use nuwa_models::{Batch, Losses, Targets, Text};
use nuwa_shards::{Languages, Part};
use nuwa_tensor::{AttentionMask, Random};
use nuwa_tokenizer::Tokenizer;

use super::draw::Draw;
use super::language_windows::LanguageWindows;
use super::masked::{Masked, MaskedTokens};
use super::{Objective, Windows, read};
use crate::{Error, Figures, LanguageSettings, MaskedSettings, Result};

/// Predicts masked tokens of texts in several languages.
#[derive(Debug, Clone)]
pub struct CrossLingual {
    masked: Masked,
    settings: LanguageSettings,
    languages: LanguageWindows,
    translations: Arc<[Translation]>,
    random: Random,
}

/// A sentence in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The tokens of both.
    pub sentences: [Vec<u32>; 2],
    /// The numbers of their languages.
    pub languages: [u32; 2],
}

/// The fewest tokens of a text that holds a translation.
const SHORTEST: usize = 12;

impl CrossLingual {
    /// The objective of a run with `seed` on the shards in `folder`.
    ///
    /// # Errors
    /// When the shards do not say their languages or there is only one, or a file of translations cannot be read.
    pub fn new(
        (settings, masked): (&LanguageSettings, &MaskedSettings),
        tokenizer: &Tokenizer,
        folder: &Path,
        seed: u64,
    ) -> Result<Self> {
        let languages = LanguageWindows::languages(folder)?;
        let mut translations = Vec::new();
        for named in &settings.parallel {
            translations.extend(super::translations::read(named, &languages, tokenizer)?);
        }
        let tokens = MaskedTokens::of(tokenizer);
        Ok(Self::of((settings, masked), tokens, (languages, translations), seed))
    }

    fn of(
        (settings, masked): (&LanguageSettings, &MaskedSettings),
        tokens: MaskedTokens,
        (languages, translations): (Languages, Vec<Translation>),
        seed: u64,
    ) -> Self {
        Self {
            masked: Masked::new(masked.clone(), tokens, seed),
            languages: LanguageWindows::new(languages, settings.exponent),
            translations: translations.into(),
            settings: settings.clone(),
            random: Random::new(seed).named("languages"),
        }
    }

    fn example(&self, windows: &dyn Windows, number: u64) -> Result<Example> {
        let mut draw = Draw::new(self.random.stream(number));
        // What is held out is text alone: the translations are all learnt from.
        let is_learnt = windows.place(number).is_none_or(|(part, _)| part == Part::Train);
        let translates =
            !self.translations.is_empty() && is_learnt && draw.chance(self.settings.parallel_share);
        let mut example = match translates {
            true => self.translated(windows.context(), &mut draw),
            false => self.window(windows, number, &mut draw)?,
        };
        example.targets = self.masked.hide(&mut example.ids, &mut draw);
        Ok(example)
    }

    /// A window of the text, of a language that is taken.
    fn window(&self, windows: &dyn Windows, number: u64, draw: &mut Draw) -> Result<Example> {
        let length = windows.context() - 2;
        let (chosen, mut languages) = self.languages.choose(windows, number, length, draw);
        let special = self.masked.tokens.special;
        let mut example = Example::default();
        let text = read(windows, chosen, length)?;
        languages.truncate(text.len());
        let [first, last] = [languages.first(), languages.last()].map(|own| own.copied().unwrap_or_default());
        let ids = [&[special.class][..], &text, &[special.separator]].concat();
        let languages = [&[first][..], &languages, &[last]].concat();
        example.begin_document();
        example.push(&ids, &languages);
        Ok(example)
    }

    /// Translations that fill a text, drawn one after the other.
    fn translated(&self, context: usize, draw: &mut Draw) -> Example {
        let special = self.masked.tokens.special;
        let mut example = Example::default();
        loop {
            let Translation { sentences, languages } =
                &self.translations[draw.below(self.translations.len())];
            let room = context - example.ids.len();
            let needed = sentences.iter().map(|sentence| sentence.len() + 2).sum::<usize>();
            if needed > room && !example.ids.is_empty() {
                return example;
            }
            // A pair that is longer than a text loses its ends.
            let most = if needed > room { room / 2 - 2 } else { usize::MAX };
            example.begin_document();
            for (sentence, language) in sentences.iter().zip(languages) {
                let sentence = &sentence[..sentence.len().min(most)];
                let ids = [&[special.class][..], sentence, &[special.separator]].concat();
                example.push(&ids, &vec![*language; ids.len()]);
            }
        }
    }
}

/// One text with what is to be predicted in it.
#[derive(Debug, Default)]
struct Example {
    ids: Vec<u32>,
    positions: Vec<u32>,
    languages: Vec<u32>,
    /// Where the document of each token begins: it sees that document alone.
    starts: Vec<usize>,
    start: usize,
    /// Rows and tokens.
    targets: Vec<(usize, u32)>,
}

impl Example {
    fn begin_document(&mut self) {
        self.start = self.ids.len();
    }

    /// A sentence of the document, whose positions count from 0.
    fn push(&mut self, ids: &[u32], languages: &[u32]) {
        self.ids.extend(ids);
        self.positions.extend(0..ids.len() as u32);
        self.languages.extend(languages);
        self.starts.resize(self.ids.len(), self.start);
    }

    /// The keys that each token attends to, and those that fill up to `context`.
    fn ranges(&self, context: usize) -> Vec<[u32; 2]> {
        let length = self.ids.len();
        let mut ranges = vec![[0, length as u32]; context];
        for document in self.starts.chunk_by(|one, other| one == other) {
            let (start, end) = (document[0], document[0] + document.len());
            ranges[start..end].fill([start as u32, end as u32]);
        }
        ranges
    }
}

impl Objective for CrossLingual {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        let context = windows.context();
        if context < self.shortest() {
            let needed = self.shortest() as u64;
            return Err(Error::TooShort { part: "training", tokens: context as u64, needed });
        }
        let examples: Vec<Example> =
            numbers.map(|number| self.example(windows, number)).collect::<Result<_>>()?;
        Ok(batch(&examples, context, self.masked.tokens.special.padding, passes))
    }

    fn shortest(&self) -> usize {
        SHORTEST
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        self.masked.figures(losses)
    }

    fn languages(&self) -> &[String] {
        self.languages.names()
    }

    fn padding(&self) -> Option<u32> {
        Some(self.masked.tokens.special.padding)
    }

    fn settings(&self) -> Option<serde_json::Value> {
        let translations = self.translations.len();
        Some(serde_json::json!(["cross-lingual", self.masked.settings, self.settings, translations]))
    }
}

/// The examples side by side, filled up to `context` tokens each.
fn batch(examples: &[Example], context: usize, padding: u32, passes: usize) -> Batch {
    let (mut ids, mut positions, mut languages) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ranges, mut rows, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (number, example) in examples.iter().enumerate() {
        let end = (number + 1) * context;
        ids.extend(&example.ids);
        ids.resize(end, padding);
        positions.extend(&example.positions);
        positions.resize(end, 0);
        languages.extend(&example.languages);
        languages.resize(end, 0);
        ranges.extend(example.ranges(context));
        rows.extend(example.targets.iter().map(|(row, _)| (number * context + row) as u32));
        targets.extend(example.targets.iter().map(|(_, id)| *id));
    }
    let mask =
        AttentionMask::new(examples.len(), context, ranges).expect("a text is no longer than the context");
    let weights = vec![1.0 / (targets.len() * passes) as f32; targets.len()];
    Batch {
        source: Text {
            positions: positions.into(),
            languages,
            mask,
            ..Text::bidirectional(ids, examples.len())
        },
        answer: None,
        targets: Targets { rows: Some(rows), ids: targets, weights },
        classes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objectives::{Special, Words};

    const SPECIAL: Special = Special { padding: 100, class: 101, separator: 102, mask: 103 };

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
            ids.iter_mut().zip(number * 32..).for_each(|(id, at)| *id = 1 + (at % 90) as u32);
            Ok(())
        }

        fn place(&self, number: u64) -> Option<(Part, u64)> {
            Some((self.0, number % 1000 * 32))
        }
    }

    fn languages() -> Languages {
        let folder = tempfile::tempdir().unwrap();
        let json = serde_json::json!({
            "format": 1, "languages": ["en", "zh"],
            "train": [[28_800, 0], [32_000, 1]], "val": [[16_000, 0], [32_000, 1]], "test": [],
        });
        std::fs::write(folder.path().join("languages.json"), json.to_string()).unwrap();
        Languages::load(folder.path()).unwrap()
    }

    fn objective(translations: Vec<Translation>) -> CrossLingual {
        let words = Words::made_up(100, |_| true, |_| false);
        let tokens = MaskedTokens { special: SPECIAL, eos: Some(0), words };
        let settings = (&LanguageSettings::default(), &MaskedSettings::default());
        CrossLingual::of(settings, tokens, (languages(), translations), 3)
    }

    fn translations() -> Vec<Translation> {
        let sentence = |first: u32, length: u32| (first..first + length).collect::<Vec<u32>>();
        (0..9)
            .map(|n| Translation { sentences: [sentence(1, 3 + n), sentence(40, 4)], languages: [0, 1] })
            .collect()
    }

    #[test]
    fn languages_are_met_as_the_power_of_their_share_says() {
        let objective = objective(Vec::new());
        let count = 4000;
        let of = |number: u64| objective.example(&Counted(Part::Train), number).unwrap().languages[5];
        let second = (0..count).filter(|number| of(*number) == 1).count();
        let [first, other] = [0.9_f64, 0.1].map(|share| share.powf(0.7));
        let expected = other / (first + other);
        let share = second as f64 / count as f64;
        assert!((share - expected).abs() < 0.02, "{share} {expected}");
    }

    #[test]
    fn a_window_says_the_language_of_each_token() {
        let objective = objective(Vec::new());
        for number in 0..50 {
            let example = objective.example(&Counted(Part::Train), number).unwrap();
            assert_eq!((example.ids[0], example.ids[31]), (SPECIAL.class, SPECIAL.separator));
            assert_eq!(example.positions, (0..32).collect::<Vec<u32>>());
            assert_eq!(example.ranges(32), vec![[0, 32]; 32]);
            assert_eq!(example.languages.len(), 32);
        }
        // 900 windows are in the first language; 28,800 is where the second begins.
        assert_eq!(objective.languages.of(&Counted(Part::Train), 899, 30), vec![0; 30]);
        assert_eq!(objective.languages.of(&Counted(Part::Train), 900, 30), vec![1; 30]);
        assert_eq!(objective.languages.of(&Counted(Part::Validation), 899, 30), vec![1; 30]);
    }

    #[test]
    fn translations_count_positions_anew_and_see_their_pair_alone() {
        let objective = objective(translations());
        let (mut translated, mut masked, mut tokens) = (0, [0, 0], 0);
        for number in 0..400 {
            let example = objective.example(&Counted(Part::Train), number).unwrap();
            if example.ids.iter().filter(|id| **id == SPECIAL.class).count() == 1 {
                continue;
            }
            translated += 1;
            tokens += example.ids.len();
            let ranges = example.ranges(32);
            for (at, id) in example.ids.iter().enumerate() {
                if *id == SPECIAL.class {
                    assert_eq!(example.positions[at], 0);
                }
                let [first, end] = ranges[at].map(|place| place as usize);
                assert!(first <= at && at < end);
                let classes = example.ids[first..end].iter().filter(|id| **id == SPECIAL.class).count();
                assert_eq!(classes, 2, "each token sees both sentences of its pair and no other");
            }
            for (row, _) in &example.targets {
                masked[example.languages[*row] as usize] += 1;
            }
        }
        assert!((160..240).contains(&translated), "{translated} of 400");
        assert!(masked[0] > 100 && masked[1] > 100, "both sentences are masked: {masked:?}");
        let share = (masked[0] + masked[1]) as f64 / tokens as f64;
        assert!((share - 0.15).abs() < 0.02, "{share}");
        let mut held_out =
            (0..100).map(|number| objective.example(&Counted(Part::Validation), number).unwrap());
        let is_text = |example: Example| example.ids.iter().filter(|id| **id == SPECIAL.class).count() == 1;
        assert!(held_out.all(is_text), "translations are learnt from, so nothing is measured on them");
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let objective = objective(translations());
        let whole = objective.batch(&Counted(Part::Train), 4..8, 1).unwrap();
        let part = objective.batch(&Counted(Part::Train), 6..8, 1).unwrap();
        assert_eq!(whole.source.ids[64..], part.source.ids);
        assert_eq!(whole.source.languages[64..], part.source.languages);
        assert_eq!(whole.source.positions[64..], part.source.positions[..]);
    }

    #[test]
    fn a_pair_that_is_too_long_loses_its_ends() {
        let long = Translation { sentences: [vec![1; 90], vec![2; 3]], languages: [0, 1] };
        let objective = objective(vec![long]);
        let example = objective.translated(32, &mut Draw::new(Random::new(1)));
        assert!(example.ids.len() <= 32 && example.ids.contains(&2), "{:?}", example.ids);
    }
}
