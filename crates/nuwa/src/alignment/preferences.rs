//! Fine-tuning on preferences, on pairs or on single answers.

use nuwa_align::data::Opinions;
use nuwa_align::{Dpo, DpoSettings, Kto, PairEpochs, RecordSteps, dpo, kto};
use nuwa_report::numbers;
use nuwa_report::records::FineTuningOutcome;
use nuwa_tokenizer::Tokenizer;

use super::{Accounts, Alignment, FineTuner};
use crate::console::Display;
use crate::suggestion;

impl Alignment<'_> {
    /// Fine-tuning on preferences, with the loss that `settings` name.
    pub fn dpo(&self, settings: &DpoSettings, display: &mut Display) -> anyhow::Result<FineTuningOutcome> {
        settings.check()?;
        let tokenizer = self.tokenizer()?;
        let (opinions, reading) = Opinions::read(self.data, self.columns, settings)?;
        let mut tuner = self.tuner(&settings.lora, &settings.tuning)?;
        let question = suggestion::question(opinions.prompts().into_iter());
        let accounts = Accounts { loss: Some(settings.loss), reading, question, ..Accounts::default() };
        match opinions {
            Opinions::Pairs(pairs) => {
                let own = Dpo::new(&tokenizer, &pairs, settings, &mut tuner.trainer, self.seed)?;
                drop(pairs);
                chosen_for_pairs(settings, &own).iter().for_each(|told| display.note(told));
                let (pairs, pair_course) = (Some(own.stats().clone()), Some(own.epochs()));
                let accounts = Accounts { pairs, pair_course, held_out: own.held_out(), ..accounts };
                self.prefer(own, settings, tuner, &tokenizer, accounts, display)
            }
            Opinions::Answers(answers) => {
                let own = Kto::new(&tokenizer, &answers, settings, &mut tuner.trainer, self.seed)?;
                drop(answers);
                chosen_for_answers(settings, &own).iter().for_each(|told| display.note(told));
                let (answers, pair_course) = (Some(own.stats().clone()), Some(own.epochs()));
                let accounts = Accounts { answers, pair_course, held_out: own.held_out(), ..accounts };
                self.prefer(own, settings, tuner, &tokenizer, accounts, display)
            }
        }
    }

    fn prefer<O: RecordSteps>(
        &self,
        objective: O,
        settings: &DpoSettings,
        mut tuner: FineTuner,
        tokenizer: &Tokenizer,
        accounts: Accounts,
        display: &mut Display,
    ) -> anyhow::Result<FineTuningOutcome> {
        let context = tuner.trainer.model().context();
        let mut objective =
            self.mixed(objective, &settings.pretraining, &settings.tuning, tokenizer, context)?;
        let job = self.job(&settings.tuning, settings.learning_rate, &tuner.base);
        let (summary, memory) = self.run(&job, &mut tuner.trainer, &mut objective, display)?;
        let accounts = Accounts { text: objective.text().cloned(), ..accounts };
        self.finish("dpo.json", tuner, tokenizer, accounts, summary, memory)
    }
}

/// `12 pairs: 7 epochs, 84 steps of up to 1 pair`, where the settings leave that open.
fn chosen_for_pairs(settings: &DpoSettings, dpo: &Dpo) -> Option<String> {
    let open = settings.epochs.is_none() || settings.batch_pairs.is_none();
    open.then(|| {
        let PairEpochs { epochs, batch_pairs } = dpo.epochs();
        let [pairs, batch] = [dpo.stats().pairs, batch_pairs as u64].map(|n| numbers::counted(n, "pair"));
        let (epochs, steps) = (numbers::counted(epochs, "epoch"), numbers::counted(dpo.count(), "step"));
        format!("{pairs}: {epochs}, {steps} of up to {batch}")
    })
}

/// `24 answers: 7 epochs, 84 steps of up to 2 answers` where the settings leave that open, and what each kind weighs.
fn chosen_for_answers(settings: &DpoSettings, kto: &Kto) -> Vec<String> {
    let kto::AnswerStats { answers, desirable, undesirable, weights, .. } = kto.stats();
    let open = settings.epochs.is_none() || settings.batch_pairs.is_none();
    let course = open.then(|| {
        let PairEpochs { epochs, batch_pairs } = kto.epochs();
        let [answers, batch] = [*answers, batch_pairs as u64].map(|n| numbers::counted(n, "answer"));
        let (epochs, steps) = (numbers::counted(epochs, "epoch"), numbers::counted(kto.count(), "step"));
        format!("{answers}: {epochs}, {steps} of up to {batch}")
    });
    let [desirable, undesirable] = [*desirable, *undesirable].map(numbers::grouped);
    let weights = format!(
        "{desirable} desirable answers weigh {:.2} each, {undesirable} undesirable ones {:.2}",
        weights[0], weights[1]
    );
    course.into_iter().chain([weights]).collect()
}

/// `1,520 of 1,600 pairs; 3 stand after others`.
pub fn pairs_text(account: &dpo::PairStats) -> String {
    let dpo::PairStats { pairs, too_long, joined, shortened } = *account;
    let used = numbers::grouped(pairs - too_long);
    let text = format!("{used} of {} pairs", numbers::grouped(pairs));
    text + &fates(joined, shortened, too_long)
}

/// The same of single answers, with how many of each kind there are.
pub fn answers_text(account: &kto::AnswerStats) -> String {
    let kto::AnswerStats { answers, too_long, joined, shortened, desirable, undesirable, weights } = *account;
    let used = numbers::grouped(answers - too_long);
    let [desirable, undesirable] = [desirable, undesirable].map(numbers::grouped);
    let text = format!(
        "{used} of {} answers, {desirable} desirable (weight {:.2}) and {undesirable} undesirable ones (weight {:.2}) to learn from",
        numbers::grouped(answers),
        weights[0],
        weights[1]
    );
    text + &fates(joined, shortened, too_long)
}

fn fates(joined: u64, shortened: u64, too_long: u64) -> String {
    let joined_text = format!("; {} stand after others", numbers::grouped(joined));
    let all = [
        (joined, joined_text),
        (shortened, format!("; {shortened} lost their oldest turns to fit the context")),
        (too_long, format!("; {too_long} are longer than the context and were left out")),
    ];
    all.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect()
}
