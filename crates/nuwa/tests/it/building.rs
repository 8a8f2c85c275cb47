use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::support::{Place, story};

pub const TINY: &str = "--params 20k --tokens 30k --set tokenizer.vocab_size=320 --set model.context=32";
const STAGES: [&str; 9] =
    ["collect", "clean", "tokenizer", "tokenize", "plan", "pretrain", "eval", "export", "report"];

/// The stages that were skipped, and those that ran.
fn stages(err: &str) -> (Vec<&str>, Vec<&str>) {
    let lines = || {
        STAGES.into_iter().filter_map(|stage| {
            Some((stage, err.lines().find(|line| line.split(' ').next() == Some(stage))?))
        })
    };
    let (skipped, ran): (Vec<_>, Vec<_>) =
        lines().partition(|(_, line)| line.ends_with("skipped: unchanged"));
    let names = |found: Vec<(&'static str, &str)>| found.into_iter().map(|(stage, _)| stage).collect();
    (names(skipped), names(ran))
}

/// As if a stage had taken two hours.
fn pretend_hours(manifest: &Path) {
    let mut value: serde_json::Value = nuwa_files::read_json(manifest).unwrap();
    value["seconds"] = 7200.into();
    nuwa_files::write_json(manifest, &value).unwrap();
}

pub fn weights(place: &Place, run: &str) -> Vec<u8> {
    std::fs::read(place.path(run).join("model/model.safetensors")).unwrap()
}

#[test]
fn a_build_goes_the_whole_way_and_redoes_only_what_it_must() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    let first = place.succeed(&format!("build --from story.txt {TINY}"));
    assert_eq!(stages(&first.err), (vec![], STAGES.to_vec()), "{}", first.err);
    assert!(first.out.contains("nuwa generate runs/story --prompt"), "{}", first.out);
    for file in [
        "report.html",
        "inspect.html",
        "recipe.toml",
        "eval/eval.json",
        "model/config.json",
        "model/README.md",
    ] {
        assert!(place.path("runs/story").join(file).exists(), "{file}");
    }
    assert!(place.read("runs/story/report.html").contains("href=\"inspect.html\""));
    for stage in STAGES {
        assert!(place.path("runs/story").join(stage).join("manifest.json").exists(), "{stage}");
    }
    let trained = weights(&place, "runs/story");

    let again = place.succeed(&format!("build --from story.txt {TINY}"));
    assert_eq!(stages(&again.err), (STAGES.to_vec(), vec![]), "{}", again.err);

    let cosmetic = "--set pretrain.samples=1 --set pretrain.checkpoint_seconds=9";
    let cosmetic = place.succeed(&format!("build --from story.txt {TINY} {cosmetic}"));
    assert_eq!(stages(&cosmetic.err).1, [""; 0], "{}", cosmetic.err);

    let samples = place.succeed(&format!("build --from story.txt {TINY} --set clean.samples=4"));
    assert_eq!(stages(&samples.err).1, ["clean", "report"], "{}", samples.err);
    assert_eq!(weights(&place, "runs/story"), trained);
    place.succeed(&format!("build --from story.txt {TINY}"));
    pretend_hours(&place.path("runs/story/pretrain/manifest.json"));

    let other = place.succeed(&format!("build --from story.txt {TINY} --set pretrain.floor=0.2"));
    assert!(
        other.err.contains(
            "pretrain   begins anew, since this changed: floor; the old result, 2h of work, is kept in \
             runs/story/pretrain.old\n"
        ),
        "{}",
        other.err
    );
    let kept = std::fs::read(place.path("runs/story/pretrain.old/model/model.safetensors")).unwrap();
    assert_eq!(kept, trained);
    assert_eq!(stages(&other.err).0, STAGES[..4], "{}", other.err);
    assert_ne!(weights(&place, "runs/story"), trained);

    let resolved = place.succeed("build runs/story/recipe.toml --out runs/story");
    assert_eq!(stages(&resolved.err).1, [""; 0], "the resolved recipe builds the same: {}", resolved.err);

    let more = place.write("story.txt", story(1600)).succeed(&format!("build --from story.txt {TINY}"));
    assert_eq!(stages(&more.err).1, STAGES, "{}", more.err);
    uses_of_a_model(&place);
}

/// What can be done with the model of the run, without building it again.
fn uses_of_a_model(place: &Place) {
    let model = "runs/story/model";
    let text = place.succeed(&format!("generate {model} --prompt mira --max-tokens 20 --seed 3"));
    assert_eq!(text.err, "");
    assert!(!text.out.is_empty());
    let same = place.succeed(&format!("generate {model} --prompt mira --max-tokens 20 --seed 3"));
    assert_eq!(same.out, text.out);
    prompts_come_from_anywhere(place, &text.out);
    a_base_model_says_what_it_is(place);

    let figures = place.succeed(&format!("eval {model} --task language_modelling --json"));
    let figures: serde_json::Value = serde_json::from_str(&figures.out).unwrap();
    let built: serde_json::Value = serde_json::from_str(&place.read("runs/story/eval/eval.json")).unwrap();
    assert_eq!(figures, built, "eval of the run's model measures on what the run held out");
    assert!(
        figures["tasks"]["language_modelling"]["metrics"]["bits_per_byte"]["value"].as_f64().unwrap() < 8.0
    );

    place.write("other.txt", story(40));
    place.succeed(&format!("eval {model} --task language_modelling --data other.txt --out e.json"));
    assert!(place.read("e.json").contains("bits_per_byte"));

    place.succeed(&format!("export {model} --format safetensors --out exported"));
    place.succeed("import exported --out imported");
    let imported = std::fs::read(place.path("imported/model.safetensors")).unwrap();
    assert_eq!(imported, weights(place, "runs/story"));
    assert_eq!(place.succeed("report runs/story").out, "runs/story/report.html\n");
    failures_of_a_model(place, model);
}

/// Standard input, files and the command line give the same text.
fn prompts_come_from_anywhere(place: &Place, expected: &str) {
    let run = "generate runs/story --max-tokens 20 --seed 3";
    assert_eq!(place.nuwa_with_input(&format!("{run} --prompt -"), b"mira\n").out, expected);
    place.write("prompt.txt", "mira\n").write("prompts.txt", "mira\n\nton\n");
    place.write("prompts.jsonl", "{\"prompt\": \"ton\"}\n{\"prompt\": \"mira\"}\n");
    assert_eq!(place.succeed(&format!("{run} --file prompt.txt")).out, expected);
    let written = |arguments: &str| -> Vec<(String, String)> {
        let lines = place.succeed(&format!("{run} {arguments}")).out;
        let line = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
        let texts = lines.lines().map(|text| (line(text)["prompt"].clone(), line(text)["text"].clone()));
        texts.map(|(prompt, text)| (prompt.as_str().unwrap().into(), text.as_str().unwrap().into())).collect()
    };
    let lines = written("--prompts prompts.txt");
    assert_eq!(lines[0], ("mira".into(), expected.into()));
    assert_eq!(lines.iter().rev().cloned().collect::<Vec<_>>(), written("--prompts prompts.jsonl"));
    assert_eq!(written("--prompt mira --json"), lines[..1]);
    let penalised =
        place.succeed(&format!("{run} --prompt mira --frequency-penalty 2 --presence-penalty 2")).out;
    assert_ne!(penalised, expected, "what was written comes less often");
    place.write("long.txt", format!("mira\n{}\n", "mira".repeat(200)));
    let failed = place.nuwa(&format!("{run} --prompts long.txt"));
    assert!(
        failed.err.contains("error: long.txt, line 2: it was not continued\ncause: the prompt has "),
        "{failed:?}"
    );
}

fn a_base_model_says_what_it_is(place: &Place) {
    let said = place.succeed("chat runs/story --prompt mira --max-tokens 5");
    assert_snapshot!(said.err, @r"
    this is a base model: it was only pretrained, so it continues the text you write and does not answer; to make it answer: nuwa sft runs/story --data RECORDS.jsonl --out tuned
    ");
    assert!(!said.out.is_empty());
}

fn failures_of_a_model(place: &Place, model: &str) {
    let long = "mira".repeat(200);
    let message = place.failure(&format!("generate {model} --prompt {long}"));
    assert!(
        message.starts_with("error: the prompt has ") && message.contains("\nhint: shorten"),
        "{message}"
    );
    assert_snapshot!(place.failure(&format!("generate {model} --prompt a --temperature -1")), @r#"
    error: --temperature -1: expected 0 or more
    hint: `nuwa generate --help` says what is expected
    "#);
    assert_snapshot!(place.failure(&format!("eval {model} --task spelling")), @r#"
    error: there is no task "spelling"
    hint: the tasks are: language_modelling, ratings, crows_pairs, winobias, bbq, stereoset, refusals, over_refusals, toxicity, arc_easy, arc_challenge, hellaswag, mmlu, truthfulqa_mc1, truthfulqa_mc2, piqa, winogrande, sst2, chnsenticorp, cmmlu, world_choice_en, world_choice_zh, world_ending_en, world_ending_zh, world_subjects_en, world_subjects_zh, world_truth_en, world_truth_zh, world_answer_en, world_answer_zh, world_sum_en, world_sum_zh, world_translation_en, world_translation_zh, world_preference_en, world_preference_zh, world_sentiment_en, world_sentiment_zh, world_careless_en, world_careless_zh, world_unknown_en, world_unknown_zh, world_language_en, world_language_zh
    "#);
    assert_snapshot!(place.failure("eval exported --task language_modelling"), @r#"
    error: exported is not the model of a run, so there is no held-out text
    hint: name the text to measure on with --data FILE
    "#);
    let path = place.path("exported/model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let message = place.failure("generate exported --prompt a");
    assert!(message.contains("exported/model.safetensors") && message.contains("\nhint: "), "{message}");
    assert_snapshot!(place.failure("generate nowhere --prompt a"), @r#"
    error: there is no nowhere
    hint: name a model folder, or the folder of a run: runs/NAME
    "#);
}

#[test]
fn a_planned_vocabulary_fits_the_text_and_stays_in_the_recipe() {
    let place = Place::new();
    place.write("story.txt", story(100));
    let small = "--params 20k --tokens 4k --set model.context=32";
    let first = place.succeed(&format!("build --from story.txt {small} --json"));
    let end: serde_json::Value = serde_json::from_str(&first.out).unwrap();
    let size = end["plan"]["model"]["vocab_size"].as_u64().unwrap();
    assert!(place.read("runs/story/recipe.toml").contains(&format!("vocab_size = {size}\n")));
    let again = place.succeed("build runs/story/recipe.toml");
    assert!(!stages(&again.err).1.contains(&"pretrain"), "{}", again.err);
}

#[test]
fn the_stages_one_by_one() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("clean documents --out cleaned");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize cleaned --tokenizer tokenizer --out shards");
    let pretrain =
        "pretrain --data shards --out trained --params 20k --tokens 4k --set model.context=32 --json";
    let figures: serde_json::Value = serde_json::from_str(&place.succeed(pretrain).out).unwrap();
    assert!(figures["bits_per_byte"].as_f64().unwrap() > 0.0, "{figures}");
    place.succeed("generate trained/model --prompt mira --max-tokens 5");
    assert_snapshot!(place.failure(&pretrain.replace("4k", "5k")), @r#"
    error: trained holds a run that was begun with another budget, size, seed or other settings
    hint: give the same ones to go on with it, or another --out to begin a new one
    "#);
    a_run_has_its_shards_and_tokenizer(&place, &figures["bits_per_byte"]);
    training_goes_on_from_a_model(&place);
}

fn a_run_has_its_shards_and_tokenizer(place: &Place, expected: &serde_json::Value) {
    place.succeed("tokenizer train story.txt --vocab-size 320 --out run/tokenizer");
    place.succeed("tokenize cleaned --tokenizer run/tokenizer --out run/tokenize");
    for beside in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::remove_file(place.path("run/tokenize").join(beside)).unwrap();
    }
    let pretrain = "--params 20k --tokens 4k --set model.context=32 --json";
    let told = place.succeed(&format!("pretrain --data run --out of-run {pretrain}")).out;
    let figures: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(figures["bits_per_byte"], *expected);
}

fn training_goes_on_from_a_model(place: &Place) {
    let further = "pretrain --data shards --init trained --out further --tokens 2k";
    place.succeed(further);
    let losses = |out: &str| -> Vec<f64> {
        let metrics = place.read(&format!("{out}/metrics.jsonl"));
        let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .filter(|line| line["learning_rate"].is_number())
            .map(|line| line["loss"].as_f64().unwrap())
            .collect()
    };
    let (first, begun, went_on) =
        (losses("trained")[0], *losses("trained").last().unwrap(), losses("further")[0]);
    let is_near = (went_on - begun).abs() < (first - went_on).abs();
    assert!(went_on < first && is_near, "{first} to {begun}, then {went_on}");
    let rate = |out: &str| -> f64 {
        let plan: serde_json::Value = serde_json::from_str(&place.read(&format!("{out}/plan.json"))).unwrap();
        plan["learning_rate"].as_f64().unwrap()
    };
    assert!(
        (rate("further") / rate("trained") - 0.3).abs() < 1e-3,
        "{} {}",
        rate("further"),
        rate("trained")
    );
    assert_eq!(place.read("further/model/config.json"), place.read("trained/model/config.json"));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out small");
    place.succeed("tokenize cleaned --tokenizer small --out other");
    assert_snapshot!(place.failure("pretrain --data other --init trained --out wrong --tokens 2k"), @r"
    error: other is not in the vocabulary of trained: the model knows 320 tokens, the shards' tokenizer 300
    hint: make shards with the model's tokenizer: nuwa tokenize DOCUMENTS --tokenizer trained/model --out SHARDS
    ");
    assert_snapshot!(place.failure(&format!("{further} --params 1M")), @r"
    error: --params beside --init: the model has its size already
    hint: leave --params out: --tokens alone says how long to train
    ");
    assert_snapshot!(place.failure(&format!("{further} --set model.layers=3")), @r"
    error: settings of `model` beside --init: the model has its shape already
    hint: leave them out, or leave --init out to train a new model
    ");
    assert_snapshot!(place.failure("pretrain --data shards --out wrong --tokens 2k"), @r"
    error: --tokens 2000 without --params
    hint: say the size too: --params 1M --tokens 2000
    ");
    assert!(!place.path("wrong").exists());
}

#[cfg(unix)]
#[test]
fn a_killed_build_ends_with_the_same_weights() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    let build =
        |out: &str| format!("build --from story.txt {TINY} --set pretrain.checkpoint_seconds=0 --out {out}");
    place.succeed(&build("whole"));
    let moments: [(&str, usize); 5] = [
        ("collect/unfinished.json", 1),
        ("tokenizer/unfinished.json", 1),
        ("plan/unfinished.json", 1),
        ("pretrain/metrics.jsonl", 15),
        ("pretrain/metrics.jsonl", 60),
    ];
    for (file, lines) in moments {
        let mut child = place.command(&build("killed")).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&place.path("killed").join(file), lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = place.succeed(&build("killed"));
    assert!(last.err.contains("goes on after step"), "{}", last.err);
    assert_eq!(weights(&place, "killed"), weights(&place, "whole"));
}

/// Until the file has so many lines.
pub fn wait_for(path: &Path, lines: usize) {
    let began = Instant::now();
    while std::fs::read_to_string(path).map_or(0, |text| text.lines().count()) < lines {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", path.display());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn two_builds_do_not_share_a_folder() {
    let place = Place::new();
    place.write("story.txt", story(400)).write("out/.lock", "");
    let lock = std::fs::File::open(place.path("out/.lock")).unwrap();
    lock.lock().unwrap();
    assert_snapshot!(place.failure("build --from story.txt --out out"), @r#"
    error: another build is working in out
    hint: wait until it ends, or choose another folder with --out
    "#);
}

#[test]
fn a_folder_of_ones_own_is_not_overwritten() {
    let place = Place::new();
    place.write("story.txt", story(400)).write("mine/collect/thesis.txt", "years of work");
    assert_snapshot!(place.failure("build --from story.txt --out mine"), @r#"
    error: mine/collect holds files that no build wrote; they would be lost
    hint: choose another folder with --out
    "#);
    assert_eq!(place.read("mine/collect/thesis.txt"), "years of work");
}

#[test]
fn a_text_too_short_to_train_on() {
    let place = Place::new();
    place.write("short.txt", story(3));
    assert_snapshot!(place.failure("build --from short.txt --params 20k --tokens 4k --set model.context=128"), @r#"
    error: the training text holds 71 tokens, one sequence needs 129
    hint: give more text, or a shorter context with --set model.context=64 (any even number from 8 on)
    "#);
}

const WORLD_STAGES: [&str; 12] = [
    "world",
    "collect",
    "clean",
    "tokenizer",
    "tokenize",
    "plan",
    "pretrain",
    "sft",
    "dpo",
    "eval",
    "export",
    "report",
];

#[test]
fn without_a_source_the_embedded_world_is_built_and_can_be_talked_to() {
    let place = Place::new();
    let small = "--params 30k --tokens 40k --set tokenizer.vocab_size=400 --set model.context=160 \
                 --set world.documents=200 --set world.dialogues=60 --set world.preferences=20 --set world.items=4 \
                 --set sft.epochs=1";
    let first = place.succeed(&format!("build {small}"));
    for stage in WORLD_STAGES {
        let manifest = place.path("runs/world").join(stage).join("manifest.json");
        assert!(manifest.exists(), "{stage}: {}", first.err);
    }
    assert!(first.err.contains("what each stage was worth"), "{}", first.err);
    assert!(first.out.contains("try      nuwa chat runs/world"), "{}", first.out);
    let figures: serde_json::Value = serde_json::from_str(&place.read("runs/world/eval/eval.json")).unwrap();
    for name in ["pretrain/world_choice_en", "sft/world_answer_zh", "dpo/world_preference_en"] {
        assert!(figures["tasks"][name]["metrics"].is_object(), "{name}");
        assert!(figures["tasks"][name]["data_hash"].is_string(), "{name}");
    }
    let audit: serde_json::Value = serde_json::from_str(&place.read("runs/world/clean/audit.json")).unwrap();
    assert!(audit["noise"]["exact_duplicate"]["planted"].as_u64().is_some(), "{audit}");
    let report = place.read("runs/world/report.html");
    assert!(report.contains("Scores after each stage") && report.contains("Planted noise"));
    assert!(report.contains("各阶段得分") && report.contains("植入的噪声"));

    let again = place.succeed(&format!("build {small}"));
    assert_eq!(again.err.matches("skipped: unchanged").count(), WORLD_STAGES.len(), "{}", again.err);

    let answer = place.succeed("chat --prompt hello --max-tokens 5 --temperature 0");
    assert_eq!(answer.out.lines().count().max(1), answer.out.matches('\n').count().max(1));
    let talk = place.nuwa_with_input(
        "chat runs/world --max-tokens 4",
        "hello\n/temperature 0\n/reset\nhello\n/save talk.json\n/load talk.json\n/quit\n".as_bytes(),
    );
    assert_eq!(talk.code, Some(0), "{talk:?}");
    assert!(
        talk.err.contains("all turns are forgotten") && talk.err.contains("2 turns loaded"),
        "{}",
        talk.err
    );
    a_talk_goes_on_after_lines_that_cannot_be_answered(&place);

    place.succeed(
        "sft runs/world/pretrain --data runs/world/world/sft.jsonl --out adapted --lora 2 --epochs 1",
    );
    place.succeed("merge runs/world/pretrain/model --adapter adapted --out merged");
    place.succeed("eval merged --task world_choice_en --data runs/world/world/eval --limit 2 --json");
    packed_items_are_read(&place);

    let onto_itself = "sft runs/world/sft --data runs/world/world/sft.jsonl --out runs/world/sft";
    let refused = place.failure(onto_itself);
    assert!(refused.contains("--out runs/world/sft holds the model that is fine-tuned"), "{refused}");

    let onto_another = "merge runs/world/sft/model --adapter adapted --out wrong";
    insta::assert_snapshot!(place.failure(onto_another), @r#"
    error: adapted/adapter was trained on another model (it was called runs/world/pretrain/model): the weights of runs/world/sft/model differ
    hint: name the model that it was trained on, or merge all the same: nuwa merge runs/world/sft/model --adapter adapted/adapter --out wrong --force
    "#);
    assert!(!place.path("wrong").exists());
    place.succeed(&format!("{onto_another} --force"));
    std::fs::remove_file(place.path("adapted/adapter/base_model.json")).unwrap();
    let unknown = place.succeed("merge runs/world/pretrain/model --adapter adapted --out merged");
    assert!(unknown.err.contains("does not say which weights it was trained on"), "{}", unknown.err);
}

/// Items and examples in a file that is compressed.
fn packed_items_are_read(place: &Place) {
    let items = std::fs::read(place.path("runs/world/world/eval/world_choice_en.jsonl")).unwrap();
    std::fs::create_dir(place.path("packed")).unwrap();
    let packed = zstd::encode_all(items.as_slice(), 1).unwrap();
    std::fs::write(place.path("packed/world_choice_en.jsonl.zst"), packed).unwrap();
    let figures = place.succeed(
        "eval merged --task world_choice_en --data packed --fewshot-data packed/world_choice_en.jsonl.zst \
         --num-fewshot 2 --limit 2 --json",
    );
    let figures: serde_json::Value = serde_json::from_str(&figures.out).unwrap();
    assert_eq!(figures["tasks"]["world_choice_en"]["settings"]["shots"], 2);
}

fn a_talk_goes_on_after_lines_that_cannot_be_answered(place: &Place) {
    let mut input = b"\xef\xbb\xbfhello\r\ncaf\xe9\n/unknown\n/etc/hosts\r//reset\n".to_vec();
    input.extend("clay ".repeat(400).bytes());
    input.extend(b"\n/temperature hot\nhello\n/save bad.json\n/save went-on.json\n");
    place.write("bad.json", "{}");
    let talk = place.nuwa_with_input("chat runs/world --max-tokens 4 --temperature 0", &input);
    assert_eq!((talk.code, talk.out.lines().count() >= 4), (Some(1), true), "{talk:?}");
    let told: Vec<&str> = talk.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        [told[0], told[1], told[3], told[4], told[5]],
        [
            "error: line 2: this is not UTF-8: byte 4 begins no character",
            "error: line 3: there is no /unknown",
            "error: line 7: /temperature hot: expected a number of 0 or more",
            "error: line 9: bad.json exists and is no conversation",
            "error: 5 lines could not be answered",
        ]
    );
    assert!(told[2].starts_with("error: line 6: the question has "), "{}", talk.err);
    assert!(
        told[2].ends_with("only 156 fit: the model's context holds 160, 4 of them for the answer"),
        "{}",
        talk.err
    );
    let kept: serde_json::Value = serde_json::from_str(&place.read("went-on.json")).unwrap();
    let turns = kept["messages"].as_array().unwrap();
    let asked: Vec<_> = turns.iter().step_by(2).map(|turn| turn["content"].as_str().unwrap()).collect();
    assert_eq!(asked, ["hello", "/etc/hosts", "/reset", "hello"]);
    assert_eq!(turns.len(), 8, "no half turn: {kept}");
}

#[test]
fn sources_of_one_name_do_not_share_a_run() {
    let place = Place::new();
    place.write("a/story.txt", story(300)).write("b/story.txt", story(301));
    let small = "--params 20k --tokens 4k --set tokenizer.vocab_size=320 --set model.context=32";
    place.succeed(&format!("build --from a/story.txt {small}"));
    let trained = weights(&place, "runs/story");
    let other = place.succeed(&format!("build --from b/story.txt {small}"));
    let said = other.err.lines().next().unwrap();
    assert!(said.starts_with("runs/story holds the run of /"), "{said}");
    assert!(said.ends_with("/a/story.txt; this one goes to runs/story-2"), "{said}");
    assert_eq!(weights(&place, "runs/story"), trained);
    assert!(other.out.contains("report   runs/story-2/report.html"), "{}", other.out);
    let refused = place.failure(&format!("build --from b/story.txt --out runs/story {small}"));
    let root = format!("{}/", place.path("").canonicalize().unwrap().display());
    assert_snapshot!(refused.replace(&root, "/"), @r#"
    error: runs/story holds the run of /a/story.txt, not of /b/story.txt
    hint: choose another folder with --out
    "#);
    let again = place.succeed("build runs/story-2/recipe.toml");
    assert_eq!(stages(&again.err).1, [""; 0], "{}", again.err);
    let moved = Place::new();
    for part in ["a", "b", "runs"] {
        std::fs::rename(place.path(part), moved.path(part)).unwrap();
    }
    let from = moved.path("b/story.txt");
    let again = moved.succeed(&format!("build --from {} {small}", from.display()));
    assert_eq!(stages(&again.err).1, [""; 0], "{}", again.err);
    assert!(again.out.contains("report   runs/story-2/report.html"), "{}", again.out);
}

/// The run as an earlier version wrote it, in which the stage `plan` was called `tune`.
fn call_the_plan_tune(run: &Path) {
    for stage in STAGES {
        let manifest = run.join(stage).join("manifest.json");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let text = text.replace("plan/plan.json", "tune/tune.json").replace("\"plan\"", "\"tune\"");
        std::fs::write(&manifest, text).unwrap();
    }
    std::fs::rename(run.join("plan/plan.json"), run.join("plan/tune.json")).unwrap();
    std::fs::rename(run.join("plan"), run.join("tune")).unwrap();
}

#[test]
fn a_run_of_an_earlier_version_is_reported_and_goes_on() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    let build = format!("build --from story.txt {TINY}");
    place.succeed(&build);
    place.succeed("report runs/story");
    let page = place.read("runs/story/report.html");
    call_the_plan_tune(&place.path("runs/story"));
    place.succeed("report runs/story");
    assert_eq!(place.read("runs/story/report.html"), page);
    let again = place.succeed(&build);
    let (skipped, ran) = (&STAGES[..STAGES.len() - 1], vec!["report"]);
    assert_eq!(stages(&again.err), (skipped.to_vec(), ran), "the page was written anew: {}", again.err);
    assert!(place.path("runs/story/plan/plan.json").is_file() && !place.path("runs/story/tune").exists());
}

#[test]
fn nothing_held_out_is_built_to_the_end() {
    let place = Place::new();
    place.write("story.txt", story(300)).write("answers.jsonl", ANSWERS);
    let small = "--params 20k --tokens 4k --set tokenizer.vocab_size=320 --set model.context=32";
    let nothing = "--set tokenize.split.validation_share=0";
    let built = place.succeed(&format!("build --from story.txt {small} {nothing}"));
    assert_eq!(stages(&built.err).1, STAGES, "{}", built.err);
    let said = "eval       nothing was held out for validation, so nothing was measured (";
    assert!(built.err.contains(said), "{}", built.err);
    assert!(!built.out.contains("bits per byte"), "{}", built.out);
    assert!(place.read("runs/story/report.html").contains("</html>"));
    let tuned = place.succeed(&format!("build --from story.txt {small} {nothing} --answers answers.jsonl"));
    assert!(tuned.err.contains(said), "{}", tuned.err);
    let root = format!("{}/", place.path("").canonicalize().unwrap().display());
    let refused = place.failure("eval runs/story/model --task language_modelling");
    assert_snapshot!(refused.replace(&root, ""), @r#"
    error: the run runs/story held out no text to measure on
    hint: name the text to measure on with --data FILE
    "#);
}

const ANSWERS: &str = r#"{"prompt":"mira?","completion":"ton"}
{"prompt":"el?","completion":"sha"}
{"prompt":"bo?","completion":"ken"}
"#;

#[test]
fn settings_that_make_nothing_are_refused_before_anything_runs() {
    let place = Place::new();
    place.write("story.txt", story(300));
    let refused = |set: &str| {
        let message = place.failure(&format!("build --from story.txt --set {set}"));
        assert!(!place.path("runs").exists(), "{set}");
        message
    };
    assert_snapshot!(refused("model.width=33"), @r#"
    error: model.width = 33: expected a width that leaves each head (here 1) an even number of features, such as 34
    hint: change model.width in the recipe, or with --set model.width=...
    "#);
    assert_snapshot!(refused("model.heads=0"), @r#"
    error: model.heads = 0: expected at least 1
    hint: change model.heads in the recipe, or with --set model.heads=...
    "#);
    assert_snapshot!(refused("model.context=3"), @r#"
    error: model.context = 3: expected 8 to 1048576
    hint: change model.context in the recipe, or with --set model.context=...
    "#);
    assert_snapshot!(refused("tokenizer.vocab_size=100"), @r#"
    error: a vocabulary of 100 is too small: 256 bytes and 3 special tokens need 259
    hint: ask for at least 259
    "#);
    assert_snapshot!(refused("tokenizer.max_words=3"), @r#"
    error: tokenizer.max_words = 3 is not possible: expected 1000 or more
    hint: change tokenizer.max_words in the recipe, or with --set tokenizer.max_words=...
    "#);
    assert_snapshot!(refused("pretrain.dropout=2"), @r#"
    error: pretrain.dropout = 2: expected a share from 0 to 0.9
    hint: change pretrain.dropout in the recipe, or with --set pretrain.dropout=...
    "#);
    assert_snapshot!(refused("sft.epochs=0"), @r#"
    error: sft.epochs = 0: expected at least 1
    hint: change sft.epochs in the recipe, or with --set sft.epochs=...
    "#);
    assert_snapshot!(refused("tokenize.split.validation_share=0.9"), @r#"
    error: tokenize.split.validation_share = 0.9: expected 0 to 0.5
    hint: correct the value in the recipe or in --set
    "#);
    assert_snapshot!(refused("clean.samples=1000"), @r#"
    error: clean.samples = 1000: expected 0 to 100
    hint: correct the value in the recipe or in --set
    "#);
    assert_snapshot!(refused("eval.tasks=[\"hellaswag\"]"), @r#"
    error: eval.tasks = ["hellaswag"]: expected no others than ["language_modelling"]
    hint: hellaswag asks items of a file, so ask it after the build: nuwa eval RUN/model --task hellaswag --data ITEMS
    "#);
    assert_snapshot!(refused("eval.tasks=[\"language_modeling\"]"), @r#"
    error: eval.tasks = ["language_modeling"]: expected no others than ["language_modelling"]
    hint: there is no task "language_modeling"; did you mean language_modelling?
    "#);
    assert_snapshot!(refused("eval.limit=0"), @r#"
    error: eval.limit = 0: expected at least 1
    hint: leave it out to measure on all that is held out
    "#);
    assert_snapshot!(place.failure("build --from story.txt --budget 3s"), @r#"
    error: the budget leaves 3.0 s for training, too little for a useful run
    hint: give more time, such as --budget 5m
    "#);
    let large = place.failure("build --from story.txt --params 900G --tokens 1M --set model.width=32768");
    assert!(large.starts_with("error: training needs about ") && large.contains("\nhint: "), "{large}");
}
