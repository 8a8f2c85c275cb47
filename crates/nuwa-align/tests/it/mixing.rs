//! Text of the pretraining beside records.

use std::path::Path;

use nuwa_align::pack::Example;
use nuwa_align::{
    Dpo, DpoSettings, Mixed, PretrainingText, RecordSteps, Sft, SftSettings, TextSource, TuningSettings,
    trainer, tune,
};
use nuwa_shards::{IdWidth, Part, ShardWriter};
use nuwa_train::Steps;
use tempfile::TempDir;

use crate::tuning::{Breaking, job, weights};
use crate::{difference, exact, examples, gradient, load, sft_settings, tuned};

const END: u32 = 0;

/// Shards of documents of such lengths, of ids from 1 to 96, each with its end.
fn shards(lengths: &[usize]) -> (TempDir, Vec<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ShardWriter::create(folder.path(), Part::Train, IdWidth::Two, 1000);
    let mut all = Vec::new();
    for &length in lengths {
        let mut ids: Vec<u32> = (1..length).map(|at| 1 + (at * length) as u32 % 96).collect();
        ids.push(END);
        writer.push(&ids, "text").unwrap();
        all.extend(ids);
    }
    writer.finish().unwrap();
    (folder, all)
}

fn source(shards: &Path, micro_batch: usize) -> TextSource<'_> {
    TextSource { shards, eos: Some(END), context: 64, micro_batch, seed: 4 }
}

fn sft() -> Sft {
    Sft::of_examples(examples(12), Vec::new(), &sft_settings(), 1).unwrap()
}

fn all_trained(ids: &[u32]) -> Example {
    Example::of(ids.to_vec(), (0..ids.len()).map(|at| at > 0).collect())
}

/// The gradient of the first step, and the figure of the text's loss.
fn first_step(objective: &mut impl Steps) -> (Vec<f32>, Option<f64>) {
    let mut trainer = tuned("llama");
    let measured = objective.step(&mut trainer, 0).unwrap();
    (gradient(&mut trainer), measured.figures.get("text_loss").copied())
}

#[test]
fn the_texts_mean_loss_is_added_with_its_weight() {
    // 21 tokens are one window of 20 targets, in which one document ends.
    let (folder, ids) = shards(&[9, 12]);
    let end = ids.iter().position(|id| *id == END).unwrap();
    let text = vec![all_trained(&ids[..=end]), all_trained(&ids[end..])];
    let (of_records, none) = first_step(&mut sft());
    assert_eq!(none, None);
    let mut alone = Sft::of_examples(text, Vec::new(), &sft_settings(), 1).unwrap();
    let mut trainer = tuned("llama");
    let loss_of_text = alone.step(&mut trainer, 0).unwrap().loss;
    let of_text = gradient(&mut trainer);

    let records = sft().tokens(0);
    let settings = PretrainingText { share: 20.0 / (20.0 + records as f64), weight: 0.7 };
    for micro_batch in [1000, 5] {
        let mut mixed = Mixed::new(sft(), &settings, &source(folder.path(), micro_batch)).unwrap();
        assert_eq!(mixed.tokens(0), records + 20);
        let (gradient, loss) = first_step(&mut mixed);
        let expected: Vec<f32> =
            of_records.iter().zip(&of_text).map(|(one, other)| one + 0.7 * other).collect();
        assert!(difference(&gradient, &expected) < 1e-6);
        assert!((loss.unwrap() - loss_of_text).abs() < 1e-5, "{loss:?} {loss_of_text}");
    }
}

#[test]
fn preferences_have_the_text_beside_them_too() {
    let (folder, _) = shards(&[30, 20, 45, 12]);
    let pairs = || examples(12).chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
    let settings =
        DpoSettings { epochs: Some(1), batch_pairs: Some(16), tuning: exact(), ..DpoSettings::default() };
    let dpo = || Dpo::of_pairs(pairs(), Vec::new(), &settings, &mut tuned("llama"), 1).unwrap();
    let half = PretrainingText { share: 0.5, weight: 1.0 };
    let mut mixed = Mixed::new(dpo(), &half, &source(folder.path(), 40)).unwrap();
    let account = mixed.text().unwrap().clone();
    assert_eq!(
        (account.tokens, account.share),
        ((0..dpo().count()).map(|step| dpo().tokens(step)).sum(), 0.5)
    );
    let (with, loss) = first_step(&mut mixed);
    let (without, _) = first_step(&mut dpo());
    assert!(loss.is_some() && difference(&with, &without) > 1e-4);
}

#[test]
fn without_share_or_weight_there_is_no_text() {
    let (folder, _) = shards(&[30]);
    let own = sft().fingerprint();
    let mixed = |share, weight| {
        Mixed::new(sft(), &PretrainingText { share, weight }, &source(folder.path(), 1000)).unwrap()
    };
    for (share, weight) in [(0.0, 1.0), (0.5, 0.0)] {
        let alone = mixed(share, weight);
        assert_eq!((alone.text(), alone.fingerprint()), (None, own.clone()));
    }
    let prints = [mixed(0.5, 1.0), mixed(0.4, 1.0), mixed(0.5, 0.5)].map(|mixed| mixed.fingerprint());
    assert!(prints.iter().all(|print| *print != own));
    assert!(prints[0] != prints[1] && prints[0] != prints[2]);
    let (other, _) = shards(&[31]);
    let settings = PretrainingText { share: 0.5, weight: 1.0 };
    let other = Mixed::new(sft(), &settings, &source(other.path(), 1000)).unwrap();
    assert_ne!(other.fingerprint(), prints[0], "another text is another run");
}

#[test]
fn a_killed_run_with_text_goes_on_as_if_it_had_not_been() {
    let (folder, _) = shards(&[30, 20, 45, 12, 70, 33]);
    let tuning = TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), ..exact() };
    let settings = SftSettings { batch_tokens: Some(40), epochs: Some(2), tuning, ..SftSettings::default() };
    let make = || trainer(load("llama"), None, &settings.tuning, 2);
    let objective = || {
        let sft = Sft::of_examples(examples(20), Vec::new(), &settings, 5).unwrap();
        Mixed::new(sft, &PretrainingText::default(), &source(folder.path(), 1000)).unwrap()
    };
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut expected = make();
    tune(&job(whole.path(), &settings.tuning), &mut expected, &mut objective(), &mut |_| {}).unwrap();
    let job = job(broken.path(), &settings.tuning);
    tune(&job, &mut make(), &mut Breaking(objective(), 3), &mut |_| {}).unwrap_err();
    let mut resumed = make();
    tune(&job, &mut resumed, &mut objective(), &mut |_| {}).unwrap();
    assert_eq!(weights(&resumed), weights(&expected), "bit for bit");
}
