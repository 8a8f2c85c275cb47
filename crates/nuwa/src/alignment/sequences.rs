//! An encoder-decoder, or UniLM, learns from pairs.

use nuwa_align::data::{TextPair, line_pairs, text_pairs};
use nuwa_align::sequences::{SequenceLimits, SequenceStats};
use nuwa_align::{Epochs, RecordSteps, SequenceToSequence, SftSettings};
use nuwa_models::{Family, Model, ModelConfig, Prediction};
use nuwa_report::numbers;
use nuwa_report::records::FineTuningOutcome;

use super::{Accounts, Alignment};
use crate::console::Display;
use crate::failure::Problem;
use crate::suggestion;

/// Label smoothing of pairs, where the settings leave it open (Vaswani et al. 2017, Dong et al. 2019).
const LABEL_SMOOTHING: f32 = 0.1;

impl Alignment<'_> {
    /// Supervised fine-tuning of a model that answers sources: pairs, or dialogues whose answers are written for what was said before.
    pub(super) fn sequence_to_sequence(
        &self,
        model: Box<dyn Model>,
        settings: &SftSettings,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        let tokenizer = self.tokenizer()?;
        let limits = SequenceLimits::of(model.as_ref(), &tokenizer, self.seed)?;
        let (pairs, reading) = match self.targets {
            [] => text_pairs(self.data, self.columns, settings.tuning.bad_records)?,
            targets => line_pairs(self.data, targets)?,
        };
        let question = source_to_try(&pairs);
        let mut objective = SequenceToSequence::new(&tokenizer, &pairs, settings, limits, self.seed)?;
        drop(pairs);
        if let Some(told) = chosen(settings, &objective) {
            display.note(&told);
        }
        let mut tuner = self.tuner_of(model, &settings.lora, &settings.tuning)?;
        tuner.trainer.set_label_smoothing(settings.label_smoothing.unwrap_or(LABEL_SMOOTHING));
        let rate = settings.rate(tuner.trainer.model().parameters().count());
        let job = self.job(&settings.tuning, rate, &tuner.base);
        let (summary, memory) = self.run(&job, &mut tuner.trainer, &mut objective, display)?;
        let accounts = Accounts {
            sequences: Some(objective.stats().clone()),
            course: Some(objective.epochs()),
            held_out: objective.held_out(),
            question,
            reading,
            ..Accounts::default()
        };
        self.finish("sft.json", tuner, &tokenizer, accounts, summary, memory)
    }

    /// Refuses files of targets beside a model that has no encoder to read sources.
    pub(super) fn check_no_targets(&self) -> anyhow::Result<()> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let problem = "--target: the model continues text, and has no encoder that reads sources";
        let hint = "take an encoder-decoder (marian, t5, bart) or unilm, or write the pairs as records: {\"prompt\": ..., \"completion\": ...}";
        Err(Problem::new(problem).hint(hint).into())
    }
}

/// Whether a model answers sources, and so learns from pairs.
pub fn learns_pairs(config: &ModelConfig) -> bool {
    let fills_in = config.family() == Family::Unilm && config.predicts() == Prediction::MaskedTokens;
    fills_in || config.is_encoder_decoder()
}

/// A source to try the model with: one line, and short.
fn source_to_try(pairs: &[TextPair]) -> Option<String> {
    let is_longer =
        |pair: &&TextPair| pair.source.split_whitespace().count() > 2 || pair.source.chars().count() > 8;
    let sources = pairs.iter().filter(is_longer).map(|pair| pair.source.as_str());
    sources.take(1000).find_map(|source| suggestion::plain(source).filter(|plain| plain == source))
}

/// `4,000 pairs: 5 epochs, 400 steps`, where the settings leave that open.
fn chosen(settings: &SftSettings, objective: &SequenceToSequence) -> Option<String> {
    let open = settings.epochs.is_none() || settings.batch_tokens.is_none();
    open.then(|| {
        let Epochs { epochs, batch_tokens } = objective.epochs();
        let pairs = numbers::counted(objective.stats().pairs, "pair");
        let (epochs, steps) =
            (numbers::counted(epochs, "epoch"), numbers::counted(objective.count(), "step"));
        format!("{pairs}: {epochs}, {steps} of up to {} tokens", numbers::grouped(batch_tokens as u64))
    })
}

/// `3,990 of 4,000 pairs, 30,000 of 61,000 tokens are targets`.
pub(super) fn text(account: &SequenceStats) -> String {
    let grouped = numbers::grouped;
    let mut text = format!(
        "{} of {} pairs, {} of {} tokens are targets",
        grouped(account.whole + account.cut),
        grouped(account.pairs),
        grouped(account.target_tokens),
        grouped(account.source_tokens + account.target_tokens)
    );
    for (n, what) in [(account.cut, "cut short"), (account.dropped, "dropped")] {
        if n > 0 {
            text += &format!("; {} {what}, being longer than the context", grouped(n));
        }
    }
    text
}
