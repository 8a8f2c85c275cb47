//! Sequence to sequence: an encoder-decoder, or UniLM, learns to write what stands beside each source.
//!
//! With `T` the tokens of the targets of a step, the end of each among them: `loss = sum over T of loss_t / |T|`, `loss_t = (1 - s)
//! nll_t + s mean over the vocabulary of -log p` (Vaswani et al. 2017, 5.4; `s` is [`SftSettings::label_smoothing`]). What is held
//! out is measured without smoothing, in nats a token. The encoder reads a source closed by the end of a text; the decoder writes the
//! target, and then the same. UniLM reads both and fills in what is hidden of the target ([`MaskedAnswers`]), in other places each time;
//! `T` are the hidden tokens then, and of what is held out the same ones are hidden in every measurement.

use nuwa_models::{Batch, Family, Model, SequencePair};
use nuwa_tokenizer::Tokenizer;
use nuwa_train::objectives::{MaskedAnswers, MaskedTokens, Special};
use nuwa_train::{Figures, Measured, Steps, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::TextPair;
use crate::epochs::Epochs;
use crate::pack::{groups, steps};
use crate::sft::divide;
use crate::tune::RecordSteps;
use crate::{Error, LongDialogues, Result, SftSettings};

/// How a model is shown pairs.
#[derive(Debug, Clone)]
pub enum PairForm {
    /// An encoder reads the source, and a decoder the answer behind this token.
    Decoded(u32),
    /// One model reads the source and an answer of which most is hidden.
    Masked(MaskedAnswers),
}

/// What of a model its examples depend on.
#[derive(Debug, Clone)]
pub struct SequenceLimits {
    /// How it is shown pairs.
    pub form: PairForm,
    /// The most tokens of a source; of a model that reads both together, of the two.
    pub source: usize,
    /// The most tokens of a target.
    pub target: usize,
}

impl SequenceLimits {
    /// Those of `model`, whose tokenizer is `tokenizer`, in a run with `seed`.
    ///
    /// # Errors
    /// When the model learns nothing from pairs, or the tokenizer lacks a token that stands around them.
    pub fn of(model: &dyn Model, tokenizer: &Tokenizer, seed: u64) -> Result<Self> {
        let (config, context) = (model.config(), model.context());
        if let Some(start) = config.decoder_start() {
            let source = config.source_context().unwrap_or(context);
            return Ok(Self { form: PairForm::Decoded(start), source, target: context });
        }
        let predicts = config.predicts();
        if config.family() != Family::Unilm || predicts != nuwa_models::Prediction::MaskedTokens {
            let wanted = nuwa_models::Prediction::Answer;
            return Err(nuwa_infer::Error::Predicts { wanted, predicts }.into());
        }
        if let Some((role, _)) =
            Special::NAMES.iter().find(|(role, _)| tokenizer.token_of_role(role).is_none())
        {
            return Err(nuwa_infer::Error::NoToken { role }.into());
        }
        let answers = MaskedAnswers::new(MaskedTokens::of(tokenizer), seed);
        Ok(Self { form: PairForm::Masked(answers), source: context, target: context })
    }
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
    form: PairForm,
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
        let encoder = Encoder::new(tokenizer, &limits, settings.long_dialogues)?;
        let [trained, held_out] = divide(pairs, settings.tuning.held_out(), seed);
        let (trained, stats) = encoder.all(&trained)?;
        let (held_out, _) = encoder.all(&held_out)?;
        Ok(Self { stats, ..Self::of_pairs(trained, held_out, limits.form, settings, seed)? })
    }

    /// Fine-tuning on pairs of ids, of which nothing is cut.
    ///
    /// # Errors
    /// When a setting is out of range, or there is no pair.
    pub fn of_pairs(
        pairs: Vec<SequencePair>,
        held_out: Vec<SequencePair>,
        form: PairForm,
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
        let first = match form {
            PairForm::Decoded(start) => serde_json::json!(start),
            PairForm::Masked(_) => "masked".into(),
        };
        let fingerprint =
            serde_json::json!(["sequence to sequence", data, first, deciding, seed]).to_string();
        Ok(Self {
            steps: steps(&sizes, epochs.batch_tokens, epochs.epochs, seed),
            pairs,
            held_out,
            form,
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

    /// The places of pairs in groups that go through the model at one time.
    fn groups(&self, pairs: &[SequencePair], indices: &[usize]) -> Vec<Vec<usize>> {
        let sizes: Vec<usize> = pairs.iter().map(SequencePair::positions).collect();
        groups(indices.iter().copied(), &sizes, self.micro_batch)
    }

    /// Tokens of some pairs that are to be predicted.
    fn targets(&self, pairs: &[SequencePair], indices: &[usize]) -> usize {
        let of = |pair: &SequencePair| match self.form {
            PairForm::Decoded(_) => pair.answer.len(),
            PairForm::Masked(_) => MaskedAnswers::hidden(pair),
        };
        indices.iter().map(|&index| of(&pairs[index])).sum()
    }

    /// Some pairs as they are shown in step `step`, or in every measurement.
    fn batch(&self, pairs: &[SequencePair], indices: &[usize], step: Option<u64>, weight: f32) -> Batch {
        let shown = indices.iter().map(|&index| &pairs[index]);
        match &self.form {
            PairForm::Decoded(start) => Batch::of_pairs(shown, *start, weight),
            PairForm::Masked(answers) => {
                let first = step.map_or(0, |step| (step + 1) << 32);
                answers.batch(indices.iter().map(|&index| first | index as u64).zip(shown), weight)
            }
        }
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
        let trained = self.targets(&self.pairs, &self.steps[step as usize]);
        let mut counted = Counted::default();
        for (group, pass) in self.groups(&self.pairs, &self.steps[step as usize]).into_iter().zip(0..) {
            let batch = self.batch(&self.pairs, &group, Some(step), 1.0 / trained as f32);
            let losses = trainer.pass(&batch, (step << 16) | pass)?;
            counted.add(f64::from(losses.total()), &losses.tokens.hits);
        }
        Ok(Measured { loss: counted.loss, tokens: self.tokens(step), figures: counted.figures() })
    }

    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        let all: Vec<usize> = (0..self.held_out.len()).collect();
        let (mut counted, mut tokens) = (Counted::default(), 0);
        for group in self.groups(&self.held_out, &all) {
            tokens += group.iter().map(|&index| self.held_out[index].positions() as u64).sum::<u64>();
            let losses = trainer.measure(&self.batch(&self.held_out, &group, None, 1.0))?.tokens;
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
    /// What stands before a source, before a target, and behind each.
    marks: [Option<u32>; 3],
    /// Whether both are read together.
    together: bool,
    limits: [usize; 2],
    long: LongDialogues,
}

impl<'a> Encoder<'a> {
    fn new(tokenizer: &'a Tokenizer, limits: &SequenceLimits, long: LongDialogues) -> Result<Self> {
        // Where the tokenizer puts a beginning before a text, both sides have it.
        let begin = tokenizer.bos().filter(|_| tokenizer.adds_bos());
        let role = |role: &str| tokenizer.token_of_role(role);
        let (marks, together) = match limits.form {
            PairForm::Decoded(_) => ([begin, begin, Some(tokenizer.eos().ok_or(Error::NoEndOfText)?)], false),
            PairForm::Masked(_) => ([role("cls_token"), None, role("sep_token")], true),
        };
        Ok(Self { tokenizer, marks, together, limits: [limits.source, limits.target], long })
    }

    fn all(&self, pairs: &[&TextPair]) -> Result<(Vec<SequencePair>, SequenceStats)> {
        let encoded: Vec<[Vec<u32>; 2]> =
            pairs.par_iter().map(|pair| self.encoded(pair)).collect::<Result<_>>()?;
        let (mut fitting, mut stats) = (Vec::new(), SequenceStats::default());
        for [source, answer] in encoded {
            stats.pairs += 1;
            let limits = self.limits_of(&source, &answer);
            let fits = source.len() <= limits[0] && answer.len() <= limits[1];
            match fits {
                true => stats.whole += 1,
                false if self.long == LongDialogues::Drop => {
                    stats.dropped += 1;
                    continue;
                }
                false => stats.cut += 1,
            }
            let pair = self.cut(source, answer, limits);
            stats.source_tokens += pair.source.len() as u64;
            stats.target_tokens += pair.answer.len() as u64;
            fitting.push(pair);
        }
        Ok((fitting, stats))
    }

    fn encoded(&self, pair: &TextPair) -> Result<[Vec<u32>; 2]> {
        let [before_source, before_target, behind] = self.marks;
        let closed = |text: &str, before: Option<u32>| -> Result<Vec<u32>> {
            Ok(before.into_iter().chain(self.tokenizer.encode(text)?).chain(behind).collect())
        };
        Ok([closed(&pair.source, before_source)?, closed(&pair.target, before_target)?])
    }

    /// The most tokens of each side: of two that are read together the shorter one is left whole where it has no more than half of
    /// the room.
    fn limits_of(&self, source: &[u32], answer: &[u32]) -> [usize; 2] {
        let [room, most] = self.limits;
        if !self.together {
            return [room, most];
        }
        let target = answer.len().min((room / 2).max(room.saturating_sub(source.len())));
        [room - target, target]
    }

    /// A source that is cut still ends; a target that is cut goes on, which nobody learns to end there.
    fn cut(&self, mut source: Vec<u32>, mut answer: Vec<u32>, [most, target]: [usize; 2]) -> SequencePair {
        if source.len() > most {
            source.truncate(most.saturating_sub(1));
            source.extend(self.marks[2]);
        }
        answer.truncate(target);
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
        let limits = SequenceLimits { form: PairForm::Decoded(1), source: 6, target: 4 };
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

    #[test]
    fn both_sides_share_the_context_where_they_are_read_together() {
        let tokenizer = tokenizer();
        let special = Special::NAMES;
        let tokenizer = tokenizer.with_special_tokens(&special).unwrap();
        let answers = MaskedAnswers::new(MaskedTokens::of(&tokenizer), 1);
        let limits = SequenceLimits { form: PairForm::Masked(answers), source: 12, target: 12 };
        let encoder = Encoder::new(&tokenizer, &limits, LongDialogues::Truncate).unwrap();
        let lengths = |source: &str, target: &str| {
            let pair = TextPair { source: source.into(), target: target.into(), place: String::new() };
            let (pairs, stats) = encoder.all(&[&pair]).unwrap();
            (pairs[0].source.len(), pairs[0].answer.len(), stats.cut)
        };
        assert_eq!(lengths("xyz", "xyz"), (5, 4, 0));
        assert_eq!(lengths("xyzxyzxyzxyz", "xy"), (9, 3, 1));
        assert_eq!(lengths("xy", "xyzxyzxyzxyz"), (4, 8, 1));
        assert_eq!(lengths("xyzxyzxyzxyz", "xyzxyzxyzxyz"), (6, 6, 1));
    }
}
