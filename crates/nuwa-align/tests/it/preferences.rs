//! Every loss of preferences in the loop: accumulation, resumption, and what is learnt.

use nuwa_align::pack::Example;
use nuwa_align::{Dpo, DpoSettings, Kto, PreferenceLoss, RecordSteps, TuningSettings, trainer, tune};
use nuwa_train::{Measured, Steps, Trainer};

use crate::tuning::{job, whole_and_resumed};
use crate::{difference, exact, examples, gradient, load, tuned};

/// A loss on some pairs, or on their answers one by one.
enum Preferring {
    Pairs(Dpo),
    Answers(Kto),
}

impl Preferring {
    fn new(
        pairs: &[[Example; 2]],
        held_out: &[[Example; 2]],
        settings: &DpoSettings,
        trainer: &mut Trainer,
    ) -> Self {
        if !settings.loss.is_unpaired() {
            return Self::Pairs(
                Dpo::of_pairs(pairs.to_vec(), held_out.to_vec(), settings, trainer, 5).unwrap(),
            );
        }
        let [answers, held_out] = [pairs, held_out].map(|pairs| {
            let both =
                |[chosen, rejected]: &[Example; 2]| [(chosen.clone(), true), (rejected.clone(), false)];
            pairs.iter().flat_map(both).collect()
        });
        Self::Answers(Kto::of_examples(answers, held_out, settings, trainer, 5).unwrap())
    }

    fn own(&self) -> &dyn RecordSteps {
        match self {
            Self::Pairs(own) => own,
            Self::Answers(own) => own,
        }
    }
}

impl RecordSteps for Preferring {
    fn count(&self) -> u64 {
        self.own().count()
    }
}

impl Steps for Preferring {
    fn tokens(&self, step: u64) -> u64 {
        self.own().tokens(step)
    }
    fn step(&mut self, trainer: &mut Trainer, step: u64) -> nuwa_train::Result<Measured> {
        match self {
            Self::Pairs(own) => own.step(trainer, step),
            Self::Answers(own) => own.step(trainer, step),
        }
    }
    fn validate(&mut self, trainer: &mut Trainer) -> nuwa_train::Result<Option<Measured>> {
        match self {
            Self::Pairs(own) => own.validate(trainer),
            Self::Answers(own) => own.validate(trainer),
        }
    }
    fn fingerprint(&self) -> String {
        self.own().fingerprint()
    }
}

fn pairs(count: usize) -> Vec<[Example; 2]> {
    examples(2 * count).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
}

fn settings(loss: PreferenceLoss, tuning: TuningSettings) -> DpoSettings {
    let label_smoothing = if loss == PreferenceLoss::Robust { 0.1 } else { 0.0 };
    DpoSettings { loss, label_smoothing, tuning, ..DpoSettings::default() }
}

/// With a reference that is another model, so that nothing is at its beginning.
#[test]
fn every_loss_accumulates_alike() {
    for loss in PreferenceLoss::ALL {
        let run = |micro_batch_tokens: usize| {
            let tuning = TuningSettings { micro_batch_tokens, ..exact() };
            let settings = DpoSettings { batch_pairs: Some(16), ..settings(loss, tuning) };
            let other = load("llama");
            other.parameters().set(|values| values.iter_mut().for_each(|value| *value *= 1.1));
            let mut reference = trainer(other, None, &exact(), 0);
            let mut objective = Preferring::new(&pairs(6), &[], &settings, &mut reference);
            let mut trainer = tuned("llama");
            let measured = objective.step(&mut trainer, 0).unwrap();
            (measured, gradient(&mut trainer))
        };
        let (whole, gradient_of_whole) = run(10_000);
        for micro_batch_tokens in [1, 30] {
            let (measured, gradient) = run(micro_batch_tokens);
            assert!((measured.loss - whole.loss).abs() < 1e-5, "{loss:?}: {} {}", measured.loss, whole.loss);
            let off = difference(&gradient, &gradient_of_whole);
            assert!(off < 1e-5, "{loss:?}: gradients differ by {off}");
            let names = whole.figures.keys();
            let figures = names.map(|name| (whole.figures[name] - measured.figures[name]).abs());
            assert!(
                figures.fold(0.0, f64::max) < 1e-4,
                "{loss:?}: {:?} {:?}",
                whole.figures,
                measured.figures
            );
        }
    }
}

#[test]
fn every_loss_that_was_killed_goes_on_as_if_it_had_not_been() {
    for loss in PreferenceLoss::ALL {
        let tuning =
            TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), micro_batch_tokens: 30, ..exact() };
        let settings = DpoSettings { epochs: Some(2), batch_pairs: Some(3), ..settings(loss, tuning) };
        let [whole, resumed] = whole_and_resumed(&settings.tuning, || {
            let mut trainer = trainer(load("llama"), None, &settings.tuning, 2);
            let objective = Preferring::new(&pairs(8), &pairs(2), &settings, &mut trainer);
            (trainer, objective)
        });
        assert!(
            difference(&whole, &load("llama").parameters().to_host()) > 1e-3,
            "{loss:?}: nothing was learnt"
        );
        assert!(whole == resumed, "{loss:?}: other weights after resuming");
    }
}

#[test]
fn every_loss_tells_answers_apart() {
    for loss in PreferenceLoss::ALL {
        let settings = DpoSettings { epochs: Some(10), batch_pairs: Some(3), ..settings(loss, exact()) };
        let mut trainer = tuned("gpt2");
        let mut objective = Preferring::new(&pairs(6), &pairs(6), &settings, &mut trainer);
        let out = tempfile::tempdir().unwrap();
        let job = job(out.path(), &settings.tuning);
        let summary = tune(&job, &mut trainer, &mut objective, &mut |_| {}).unwrap();
        let [before, after] = [summary.before, summary.after].map(|line| line.unwrap().figures);
        assert!(after["margin"] > before["margin"], "{loss:?}: {before:?} {after:?}");
        // Which pairs the sorted margins pull apart is theirs to choose.
        let least = if loss == PreferenceLoss::Aot { 0.6 } else { 0.9 };
        assert!(after["accuracy"] >= least, "{loss:?}: {before:?} {after:?}");
    }
}

#[test]
fn answers_alone_say_how_far_the_model_has_gone() {
    let settings =
        DpoSettings { epochs: Some(6), batch_pairs: Some(4), ..settings(PreferenceLoss::Kto, exact()) };
    let mut trainer = tuned("llama");
    let mut objective = Preferring::new(&pairs(8), &pairs(8), &settings, &mut trainer);
    let before = objective.validate(&mut trainer).unwrap().unwrap().figures;
    assert_eq!((before["kl"], before["accuracy"], before["margin"]), (0.0, 0.5, 0.0));
    let out = tempfile::tempdir().unwrap();
    tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut |_| {}).unwrap();
    let after = objective.validate(&mut trainer).unwrap().unwrap().figures;
    assert!(after["desirable_reward"] > after["undesirable_reward"], "{after:?}");
}

#[test]
fn a_loss_of_pairs_is_not_one_of_answers() {
    let settings = settings(PreferenceLoss::Kto, exact());
    let told = Dpo::of_pairs(pairs(2), Vec::new(), &settings, &mut tuned("gpt2"), 0).unwrap_err().to_string();
    assert_eq!(told, "dpo.loss = kto: expected a loss of pairs: kto learns from single answers");
}
