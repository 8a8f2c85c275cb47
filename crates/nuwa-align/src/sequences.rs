//! Sequence to sequence: an encoder-decoder learns to write what stands beside each source.
//!
//! With `T` the tokens of the targets of a step, the end of each among them: `loss = sum over T of loss_t / |T|`, `loss_t = (1 - s)
//! nll_t + s mean over the vocabulary of -log p` (Vaswani et al. 2017, 5.4; `s` is [`SftSettings::label_smoothing`]). What is held
//! out is measured without smoothing, in nats a token. The encoder reads a source closed by the end of a text; the decoder writes the
//! target, and then the same.

use nuwa_models::{Batch, SequencePair};
use nuwa_tokenizer::Tokenizer;
use nuwa_train::{Figures, Measured, Steps, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::TextPair;
use crate::epochs::Epochs;
use crate::pack::{groups, steps};
use crate::sft::divide;
use crate::tune::RecordSteps;
use crate::{Error, LongDialogues, Result, SftSettings};

/// What of an encoder-decoder its examples depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceLimits {
    /// What the decoder reads first.
    pub start: u32,
    /// The most tokens of a source.
    pub source: usize,
    /// The most tokens of a target.
    pub target: usize,
}

/// What became of every pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceStats {
    /// Pairs in all.
    pub pairs: u64,
    /// Pairs that are used whole.
    pub whole: u64,
    /// Pairs of which a side was cut to what the model reads or writes.
    pub cut: u64,
    /// Pairs that are not used, a side being too long.
    pub dropped: u64,
    /// Tokens of all sources.
    pub source_tokens: u64,
    /// Tokens of all targets, which are trained on.
    pub target_tokens: u64,
}

/// Fine-tuning on pairs.
#[derive(Debug)]
pub struct SequenceToSequence {
    pairs: Vec<SequencePair>,
    held_out: Vec<SequencePair>,
    steps: Vec<Vec<usize>>,
    start: u32,
    micro_batch: usize,
    stats: SequenceStats,
    epochs: Epochs,
    fingerprint: String,
}

impl SequenceToSequence {
    /// Encodes, cuts and orders `pairs`.
    ///
    /// # Errors
    /// When a setting is out of range, the tokenizer has no token that ends a text, or nothing is left to train on.
    pub fn new(
        tokenizer: &Tokenizer,
        pairs: &[TextPair],
        settings: &SftSettings,
        limits: SequenceLimits,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        let end = tokenizer.eos().ok_or(Error::NoEndOfText)?;
        let encoder = Encoder { tokenizer, end, limits, long: settings.long_dialogues };
        let [trained, held_out] = divide(pairs, settings.tuning.held_out, seed);
        let (trained, stats) = encoder.all(&trained)?;
        let (held_out, _) = encoder.all(&held_out)?;
        Ok(Self { stats, ..Self::of_pairs(trained, held_out, limits.start, settings, seed)? })
    }

    /// Fine-tuning on pairs of ids, of which nothing is cut; the decoder reads `start` first.
    ///
    /// # Errors
    /// When a setting is out of range, or there is no pair.
    pub fn of_pairs(
        pairs: Vec<SequencePair>,
        held_out: Vec<SequencePair>,
        start: u32,
        settings: &SftSettings,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        if pairs.is_empty() {
            let reason = "no pair fits the model's context";
            return Err(Error::Empty { path: "the data".into(), reason: reason.into() });
        }
        let sizes: Vec<usize> = pairs.iter().map(SequencePair::positions).collect();
        let epochs = Epochs::of(settings.epochs, settings.batch_tokens, sizes.iter().sum());
        let content: Vec<u8> = pairs.iter().chain(&held_out).flat_map(content).collect();
        let deciding = SftSettings {
            epochs: Some(epochs.epochs),
            batch_tokens: Some(epochs.batch_tokens),
            tuning: settings.tuning.deciding(),
            ..settings.clone()
        };
        let data = nuwa_files::hash_bytes(&content);
        let fingerprint = serde_json::json!(["sequence to sequence", data, start, deciding, seed]).to_string();
        Ok(Self {
            steps: steps(&sizes, epochs.batch_tokens, epochs.epochs, seed),
            pairs,
            held_out,
            start,
            micro_batch: settings.tuning.micro_batch_tokens,
            stats: SequenceStats::default(),
            epochs,
            fingerprint,
        })
    }

    /// What became of the pairs that are trained on.
    pub fn stats(&self) -> &SequenceStats {
        &self.stats
    }

    /// How often the pairs are seen, and how many at a time.
    pub fn epochs(&self) -> Epochs {
        self.epochs
    }

    /// Pairs that are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// Pairs in groups that go through the model at one time.
    fn groups<'a>(&self, pairs: &'a [SequencePair], indices: &[usize]) -> Vec<Vec<&'a SequencePair>> {
        let sizes: Vec<usize> = pairs.iter().map(SequencePair::positions).collect();
        let of = |group: Vec<usize>| group.into_iter().map(|index| &pairs[index]).collect();
        groups(indices.iter().copied(), &sizes, self.micro_batch).into_iter().map(of).collect()
    }
}

impl RecordSteps for SequenceToSequence {
    fn count(&self) -> u64 {
        self.steps.len() as u64
    }
}

impl Steps for SequenceToSequence {
    fn tokens(&self, step: u64) -> u64 {
        self.steps[step as usize].iter().map(|&index| self.pairs[index].positions() as u64).sum()
    }

    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        let groups = self.groups(&self.pairs, &self.steps[step as usize]);
        let trained: usize = groups.iter().flatten().map(|pair| pair.answer.len()).sum();
        let mut counted = Counted::default();
        for (pairs, pass) in groups.into_iter().zip(0..) {
            let batch = Batch::of_pairs(pairs, self.start, 1.0 / trained as f32);
            let losses = trainer.pass(&batch, (step << 16) | pass)?;
            counted.add(f64::from(losses.total()), &losses.tokens.hits);
        }
        Ok(Measured { loss: counted.loss, tokens: self.tokens(step), figures: counted.figures() })
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let all: Vec<usize> = (0..self.held_out.len()).collect();
        let (mut counted, mut tokens) = (Counted::default(), 0);
        for pairs in self.groups(&self.held_out, &all) {
            tokens += pairs.iter().map(|pair| pair.positions() as u64).sum::<u64>();
            let losses = trainer.measure(&Batch::of_pairs(pairs, self.start, 1.0))?.tokens;
            counted.add(losses.rows.iter().map(|&row| f64::from(row)).sum(), &losses.hits);
        }
        let loss = counted.loss / counted.targets.max(1) as f64;
        Ok((counted.targets > 0).then(|| Measured { loss, tokens, figures: counted.figures() }))
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// A loss, and how many tokens of targets were found the likeliest.
#[derive(Default)]
struct Counted {
    loss: f64,
    right: usize,
    targets: usize,
}

impl Counted {
    fn add(&mut self, loss: f64, hits: &[bool]) {
        self.loss += loss;
        self.right += hits.iter().filter(|hit| **hit).count();
        self.targets += hits.len();
    }

    fn figures(&self) -> Figures {
        Figures::from([("accuracy".into(), self.right as f64 / self.targets.max(1) as f64)])
    }
}

/// How texts become ids.
struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    end: u32,
    limits: SequenceLimits,
    long: LongDialogues,
}

impl Encoder<'_> {
    fn all(&self, pairs: &[&TextPair]) -> Result<(Vec<SequencePair>, SequenceStats)> {
        let encoded: Vec<[Vec<u32>; 2]> = pairs.par_iter().map(|pair| self.encoded(pair)).collect::<Result<_>>()?;
        let (mut fitting, mut stats) = (Vec::new(), SequenceStats::default());
        for [source, answer] in encoded {
            stats.pairs += 1;
            let fits = source.len() <= self.limits.source && answer.len() <= self.limits.target;
            match fits {
                true => stats.whole += 1,
                false if self.long == LongDialogues::Drop => {
                    stats.dropped += 1;
                    continue;
                }
                false => stats.cut += 1,
            }
            let pair = self.cut(source, answer);
            stats.source_tokens += pair.source.len() as u64;
            stats.target_tokens += pair.answer.len() as u64;
            fitting.push(pair);
        }
        Ok((fitting, stats))
    }

    fn encoded(&self, pair: &TextPair) -> Result<[Vec<u32>; 2]> {
        // Where the tokenizer puts a beginning before a text, both sides have it.
        let begin = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos());
        let closed = |text: &str| -> Result<Vec<u32>> {
            Ok(begin.into_iter().chain(self.tokenizer.encode(text)?).chain([self.end]).collect())
        };
        Ok([closed(&pair.source)?, closed(&pair.target)?])
    }

    /// A source that is cut still ends; a target that is cut goes on, which nobody learns to end there.
    fn cut(&self, mut source: Vec<u32>, mut answer: Vec<u32>) -> SequencePair {
        if source.len() > self.limits.source {
            source.truncate(self.limits.source.saturating_sub(1));
            source.push(self.end);
        }
        answer.truncate(self.limits.target);
        SequencePair { source, answer }
    }
}

/// What a pair holds, in bytes.
fn content(pair: &SequencePair) -> impl Iterator<Item = u8> {
    let lengths = [pair.source.len() as u32, pair.answer.len() as u32];
    let all = lengths.into_iter().chain(pair.source.iter().copied()).chain(pair.answer.iter().copied());
    all.flat_map(u32::to_le_bytes)
}

#[cfg(test)]
mod tests {
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let settings = TrainSettings { vocab_size: 260, ..TrainSettings::default() };
        train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {}).unwrap()
    }

    fn made(long: LongDialogues, texts: &[[&str; 2]]) -> Result<SequenceToSequence> {
        let pair = |[source, target]: &[&str; 2]| TextPair {
            source: source.to_string(),
            target: target.to_string(),
            place: String::new(),
        };
        let pairs: Vec<TextPair> = texts.iter().map(pair).collect();
        let settings = SftSettings { long_dialogues: long, ..SftSettings::default() };
        let limits = SequenceLimits { start: 1, source: 6, target: 4 };
        SequenceToSequence::new(&tokenizer(), &pairs, &settings, limits, 1)
    }

    #[test]
    fn what_is_too_long_is_cut_or_dropped_and_counted() {
        let texts = [["xyz", "abc"], ["xyzxyzxyz", "a"], ["x", "abcdefgh"]];
        let (end, cut) = (tokenizer().eos().unwrap(), made(LongDialogues::Truncate, &texts).unwrap());
        let SequenceStats { pairs, whole, cut: shorter, dropped, .. } = *cut.stats();
        assert_eq!((pairs, whole, shorter, dropped), (3, 1, 2, 0));
        assert_eq!((cut.pairs[1].source.len(), cut.pairs[1].source[5]), (6, end));
        assert_eq!((cut.pairs[2].answer.len(), cut.pairs[2].answer.contains(&end)), (4, false));
        let dropped = made(LongDialogues::Drop, &texts).unwrap();
        assert_eq!((dropped.stats().dropped, dropped.pairs.len(), dropped.stats().target_tokens), (2, 1, 4));
        assert!(made(LongDialogues::Drop, &texts[1..]).is_err(), "nothing is left");
    }
}
