use nuwa_train::PretrainSettings;

use super::super::about::HandsOn;
use super::super::manifest::renew_inputs;
use super::*;

static COLLECT: About = About::new("collect", "收集");
static CLEAN: About = About { hands_on: HandsOn::Files(&["documents-"]), ..About::new("clean", "清洗") };
static TOKENIZER: About = About::new("tokenizer", "训练分词器");
static PRETRAIN: About = About::training("pretrain", "预训练");
static REPORT: About = About { format: None, ..About::new("report", "报告") };

fn stage(setting: u32) -> Dependencies {
    Dependencies::of(&CLEAN).settings(&setting).unwrap()
}

fn run(folder: &Path, setting: u32, text: &str) -> &'static str {
    let work = |out: &Path| {
        let kept = out.join("half-done").exists();
        fs::write(out.join("a.txt"), if kept { "went on" } else { text })?;
        Ok(())
    };
    if run_stage(folder, stage(setting), work).unwrap().skipped { "skipped" } else { "done" }
}

#[test]
fn an_unchanged_stage_is_skipped_and_a_changed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), 1, "text"), "done");
    assert_eq!(run(folder.path(), 1, "text"), "skipped");
    assert_eq!(run(folder.path(), 2, "text"), "done", "other settings");
    fs::write(folder.path().join("clean/a.txt"), "TEXT").unwrap();
    assert_eq!(run(folder.path(), 2, "text"), "done", "damaged output of the same length");
    fs::remove_file(folder.path().join("clean/a.txt")).unwrap();
    assert_eq!(run(folder.path(), 2, "text"), "done", "lost output");
}

#[test]
fn unfinished_work_is_kept_on_the_same_basis_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clean");
    let killed = |out: &Path| {
        fs::write(out.join("half-done"), "")?;
        fs::write(out.join(".writing-a1b2.tmp"), "half a checkpoint")?;
        anyhow::bail!("killed")
    };
    run_stage(folder.path(), stage(1), killed).unwrap_err();
    assert!(!path.join("manifest.json").exists());
    assert_eq!(run(folder.path(), 1, "text"), "done");
    assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "went on");
    assert!(!path.join(".writing-a1b2.tmp").exists(), "nobody's result");
    run_stage(folder.path(), stage(3), killed).unwrap_err();
    assert_eq!(run(folder.path(), 4, "text"), "done");
    assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "text");
    assert!(!path.join(UNFINISHED).exists());
}

#[test]
fn a_folder_of_the_users_own_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("clean")).unwrap();
    fs::write(folder.path().join("clean/thesis.txt"), "years of work").unwrap();
    let refused = run_stage(folder.path(), stage(1), |_| Ok(())).unwrap_err();
    assert!(refused.to_string().contains("no build wrote"));
    assert!(folder.path().join("clean/thesis.txt").exists());
}

#[test]
fn a_changed_input_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    let hash = |text: &str| {
        fs::write(&input, text).unwrap();
        Dependencies::of(&COLLECT).reads(&input, &[]).unwrap().basis.inputs
    };
    assert_ne!(hash("aaaa"), hash("aaab"));
    assert_eq!(hash("aaaa"), hash("aaaa"));
}

/// A stage that trains, its settings changed by `change`.
fn training(change: impl FnOnce(&mut PretrainSettings)) -> Dependencies {
    let mut settings = PretrainSettings::default();
    change(&mut settings);
    Dependencies::of(&PRETRAIN).settings(&settings).unwrap().seed(7)
}

/// Trains for so many seconds, if it must.
fn train(run: &Path, stage: Dependencies, seconds: f64) -> StageOutcome {
    let work = |out: &Path| {
        fs::create_dir_all(out.join("model"))?;
        fs::write(out.join("model/weights"), "weights")?;
        fs::write(out.join("metrics.jsonl"), format!("{{\"seconds\": {seconds}}}\n{{\"sec"))?;
        Ok(())
    };
    run_stage(run, stage, work).unwrap()
}

/// Changes a JSON file.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = nuwa_files::read_json(path).unwrap();
    change(&mut value);
    nuwa_files::write_json(path, &value).unwrap();
}

#[test]
fn neither_cosmetic_settings_nor_a_version_nor_a_new_setting_train_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    train(run, training(|_| {}), 9.0);
    let cosmetic = |settings: &mut PretrainSettings| {
        (settings.samples, settings.checkpoint_seconds) = (9, 600);
    };
    assert!(train(run, training(cosmetic), 9.0).skipped);
    edit(&run.join("pretrain/manifest.json"), |manifest| {
        manifest["version"] = "0.0.1".into();
        manifest.as_object_mut().unwrap().remove("format");
        manifest["settings"].as_object_mut().unwrap().remove("warmup");
    });
    assert!(train(run, training(|_| {}), 9.0).skipped, "as an earlier version wrote it");
    fs::remove_file(run.join("pretrain/metrics.jsonl")).unwrap();
    assert!(train(run, training(|_| {}), 9.0).skipped, "the model is there");
    assert!(!train(run, training(|settings| settings.warmup = 0.5), 9.0).skipped);
    assert!(!run.join("pretrain.old").exists(), "nine seconds of work");
}

#[test]
fn stages_that_show_what_the_program_knows_follow_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let report = || run_stage(folder.path(), Dependencies::of(&REPORT), |_| Ok(())).unwrap().skipped;
    report();
    assert!(report());
    edit(&folder.path().join("report/manifest.json"), |manifest| manifest["version"] = "0.0.1".into());
    assert!(!report());
}

#[test]
fn another_format_trains_again() {
    let earlier = training(|_| {}).basis;
    let mut later = training(|_| {});
    later.basis.format += 1;
    assert_eq!(later.differences(&earlier), ["the form of its files"]);
}

#[test]
fn hours_of_work_are_kept_beside_the_new_result() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let warmup = |warmup: f64| training(move |settings| settings.warmup = warmup);
    train(run, warmup(0.1), 9000.0);
    fs::write(run.join("pretrain/model/weights"), "of hours").unwrap();
    for (place, other) in [("pretrain.old", 0.2), ("pretrain.old-2", 0.3)] {
        assert!(!train(run, warmup(other), 9000.0).skipped);
        assert!(run.join(place).join("model/weights").exists(), "{place}");
    }
    let kept = fs::read_to_string(run.join("pretrain.old/model/weights")).unwrap();
    assert_eq!(kept, "of hours");
    // What was kept is a whole result: moved back, it holds again.
    fs::remove_dir_all(run.join("pretrain")).unwrap();
    fs::rename(run.join("pretrain.old-2"), run.join("pretrain")).unwrap();
    assert!(train(run, warmup(0.2), 9.0).skipped);
}

#[test]
fn unfinished_work_of_hours_is_kept_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let killed = |out: &Path| {
        fs::write(out.join("metrics.jsonl"), "{\"step\":1,\"seconds\":7200.0}\n{\"st")?;
        fs::write(out.join("checkpoint.bin"), "half")?;
        anyhow::bail!("killed")
    };
    run_stage(folder.path(), training(|_| {}), killed).unwrap_err();
    train(folder.path(), training(|settings| settings.samples = 9), 1.0);
    assert!(folder.path().join("pretrain/checkpoint.bin").exists(), "the same work goes on");
    train(folder.path(), training(|settings| settings.warmup = 0.5), 1.0);
    assert!(!folder.path().join("pretrain.old").exists(), "what was finished since took a second");
    run_stage(folder.path(), training(|settings| settings.warmup = 0.6), killed).unwrap_err();
    train(folder.path(), training(|settings| settings.warmup = 0.7), 1.0);
    assert_eq!(fs::read_to_string(folder.path().join("pretrain.old/checkpoint.bin")).unwrap(), "half");
}

#[test]
fn files_of_the_user_in_the_folder_of_a_stage_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 1, "text");
    fs::write(folder.path().join("clean/notes.txt"), "mine").unwrap();
    assert_eq!(run(folder.path(), 2, "text"), "done");
    assert_eq!(fs::read_to_string(folder.path().join("clean.old/notes.txt")).unwrap(), "mine");
    assert!(!folder.path().join("clean/notes.txt").exists());
}

#[test]
fn a_finished_stage_that_lost_its_model_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), training(|_| {}), 1.0);
    fs::write(folder.path().join("pretrain/checkpoint.bin"), "the last").unwrap();
    fs::remove_dir_all(folder.path().join("pretrain/model")).unwrap();
    assert!(!train(folder.path(), training(|_| {}), 1.0).skipped);
    assert!(folder.path().join("pretrain/checkpoint.bin").exists());
}

#[test]
fn times_and_accounts_of_an_earlier_stage_make_nothing_anew() {
    let folder = tempfile::tempdir().unwrap();
    let earlier = |samples: u32, seconds: f64| {
        let work = |out: &Path| {
            fs::write(out.join("documents-0.jsonl.zst"), "text")?;
            fs::write(out.join("clean.json"), format!("{seconds}"))?;
            Ok(())
        };
        run_stage(folder.path(), stage(samples), work).unwrap()
    };
    let (first, second) = (earlier(1, 1.5), earlier(2, 2.5));
    assert!(!second.skipped);
    let [before, after] =
        [&first, &second].map(|outcome| Dependencies::of(&TOKENIZER).after(outcome).basis.inputs);
    assert_eq!(before, after);
    let [before, after] =
        [&first, &second].map(|outcome| Dependencies::of(&REPORT).shows(outcome).basis.inputs);
    assert_ne!(before, after);
}

#[test]
fn manifests_of_earlier_versions_name_their_inputs_anew() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let clean = || {
        let work = |out: &Path| {
            fs::write(out.join("documents-0.jsonl.zst"), "text")?;
            Ok(fs::write(out.join("clean.json"), "1.5")?)
        };
        run_stage(run, stage(1), work).unwrap()
    };
    train(run, training(|_| {}).after(&clean()), 1.0);
    let whole = outputs_hash(&clean().manifest);
    edit(&run.join("pretrain/manifest.json"), |manifest| manifest["inputs"]["clean"] = whole.as_str().into());
    renew_inputs(run, &[&CLEAN, &PRETRAIN]).unwrap();
    assert!(train(run, training(|_| {}).after(&clean()), 1.0).skipped);
    edit(&run.join("pretrain/manifest.json"), |manifest| {
        manifest["inputs"]["clean"] = "of other text".into()
    });
    renew_inputs(run, &[&CLEAN, &PRETRAIN]).unwrap();
    assert!(!train(run, training(|_| {}).after(&clean()), 1.0).skipped);
}

#[test]
fn where_a_source_lies_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let stage = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        Dependencies::of(&COLLECT).reads(&path, &[]).unwrap()
    };
    let first = stage("a/book.txt", "text");
    assert_eq!(stage("b/book.txt", "text").differences(&first.basis), [""; 0]);
    assert_eq!(stage("b/book.txt", "other").differences(&first.basis), ["book.txt"]);
    assert_eq!(stage("b/book.md", "text").differences(&first.basis), ["book.md", "book.txt"]);
    let both = first.clone().reads(&folder.path().join("b/book.md"), &[]).unwrap();
    assert_eq!(both.differences(&first.basis), ["book.md"]);
    assert_eq!(first.differences(&both.basis), ["book.md"]);
    let twice = stage("c/book.txt", "text").reads(&folder.path().join("a/book.txt"), &[]).unwrap();
    assert_eq!(twice.differences(&first.basis), ["the number of its sources"]);
}
