use std::fs;
use std::path::Path;

use nuwa_report::{CardSettings, ReportedStage, data_card, model_card, write};
use serde_json::json;

/// The stages of a build.
const STAGES: [ReportedStage; 10] = [
    ReportedStage::new("collect", "收集"),
    ReportedStage::new("clean", "清洗"),
    ReportedStage::new("tokenizer", "训练分词器"),
    ReportedStage::new("tokenize", "分词"),
    ReportedStage { former: Some("tune"), ..ReportedStage::new("plan", "训练计划") },
    ReportedStage::training("pretrain", "预训练"),
    ReportedStage::training("sft", "监督微调"),
    ReportedStage::training("dpo", "偏好优化"),
    ReportedStage::new("eval", "评测"),
    ReportedStage::new("report", "报告"),
];

fn put(run: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = run.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The manifest of a stage with these settings.
fn manifest(stage: &str, settings: serde_json::Value) -> String {
    json!({"stage": stage, "version": "0.1.0", "inputs": {}, "settings": settings, "seed": 7, "started": 0,
        "seconds": 2.5, "outputs": {}})
    .to_string()
}

fn llama() -> serde_json::Value {
    json!({"model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true})
}

/// What training came to, with `more`.
fn trained(more: serde_json::Value) -> String {
    let mut outcome = json!({"parameters": 12345, "peak_memory_bytes": null, "prompt": "", "steps": 3, "tokens": 1024,
        "seconds": 2.5, "validation_loss": null, "bits_per_byte": null, "peak_tensor_bytes": 0});
    outcome.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    outcome.to_string()
}

/// What fine-tuning came to, with `more`.
fn fine_tuned(more: serde_json::Value) -> String {
    let mut outcome = json!({"tuned_parameters": 9, "peak_memory_bytes": null, "reading": {"records": 9, "skipped": {}},
        "held_back": 1, "steps": 3, "seconds": 1.0, "before": null, "after": null, "written": "model"});
    outcome.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    outcome.to_string()
}

/// A run with every artifact, small.
fn whole_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    put(run, "recipe.toml", "seed = 7\n[collect]\nfrom = [\"a<b>.txt\"]\n");
    put(
        run,
        "machine.json",
        json!({"processor": "Some CPU", "cores": 2, "simd": "AVX2", "memory_total_bytes": 25769803776u64})
            .to_string(),
    );
    put(run, "command.json", json!(["nuwa", "build", "--from", "my text"]).to_string());
    for stage in ["collect", "clean", "tokenize", "pretrain"] {
        put(run, &format!("{stage}/manifest.json"), manifest(stage, json!({})));
    }
    put(
        run,
        "collect/collect.json",
        json!({"files": 3, "documents": 4, "bytes": 4000, "characters": 4000, "formats": {}, "encodings": {},
            "skipped_files": 2, "skipped_reasons": {"binary": 2}, "skipped": [], "skipped_lines": 0, "seconds": 0.1})
        .to_string(),
    );
    let step = json!({"name": "length", "documents_in": 4, "documents_out": 3, "changed": 0, "rejected": 1,
        "bytes_in": 4000, "bytes_out": 3000, "reasons": {"too short": 1}, "seconds": 0.1});
    let sample = json!({"id": "a:1", "outcome": "rejected", "step": "length", "reason": "too short", "text": "<script>alert(1)</script>"});
    put(
        run,
        "clean/clean.json",
        json!({"documents_in": 4, "documents_out": 3, "bytes_in": 4000, "bytes_out": 3000,
        "steps": [step], "samples": [sample], "seconds": 0.2})
        .to_string(),
    );
    put(run, "tokenize/tokenize.json", json!({"train": {"documents": 2, "tokens": 900, "bytes": 2700, "characters": 2700},
        "val": {"documents": 1, "tokens": 100, "bytes": 300, "characters": 300}, "vocab_size": 300, "bytes_per_token": 3.0,
        "end_of_text": 0, "seconds": 0.1}).to_string());
    put(
        run,
        "plan/plan.json",
        json!({"model": llama(), "parameters": 12345, "tokens": 2000, "epochs": 2.2, "steps": 3, "context": 128,
            "sequences": 2, "accumulation": 2, "learning_rate": 3e-4, "dropout": 0.0, "goal": {"seconds": 60.0},
            "pilot": {"steps": 30, "tokens": 180, "seconds": 4.0, "tokens_per_second": 50.0, "held_back": [[90, 4.5], [180, 3.5]]},
            "predicted": {"seconds": 2.0, "memory_bytes": 100000000, "bits_per_byte": 2.3, "bits_per_byte_error": 0.1},
            "batch_tokens": 512, "asked": null})
        .to_string(),
    );
    put(
        run,
        "pretrain/metrics.jsonl",
        concat!(
            "{\"step\":1,\"loss\":5.7,\"learning_rate\":1e-4,\"gradient_norm\":2.0,\"tokens\":512,\"tokens_per_second\":900}\n",
            "{\"step\":1,\"sample\":{\"prompt\":\"女娲\",\"text\":\"女娲``` |补天 & <b>\"}}\n",
            "{\"step\":2,\"loss\":5.0,\"learning_rate\":3e-4,\"gradient_norm\":1.0,\"tokens\":1024,\"tokens_per_second\":950}\n",
            "{\"step\":2,\"tokens\":1024,\"validation_loss\":5.1,\"bits_per_byte\":2.45}\n",
        ),
    );
    put(
        run,
        "eval/eval.json",
        json!({"model": "model", "tasks": {"language_modelling": {"version": 1, "n": 1,
        "metrics": {"bits_per_byte": {"value": 2.41, "stderr": 0.02}}, "settings": {}, "standard_errors": "",
        "data_hash": ""}}})
        .to_string(),
    );
    let header = json!({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [100, 123], "data_offsets": [0, 49200]},
        "b": {"dtype": "F32", "shape": [45], "data_offsets": [49200, 49380]}})
    .to_string();
    put(run, "model/model.safetensors", [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    put(
        run,
        "model/config.json",
        json!({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32,
        "max_position_embeddings": 128, "vocab_size": 300})
        .to_string(),
    );
    folder
}

fn report(run: &Path) -> String {
    fs::read_to_string(write(run, &STAGES).unwrap()).unwrap()
}

#[test]
fn a_whole_run_is_on_the_page() {
    let folder = whole_run();
    let html = report(folder.path());
    for expected in [
        "2.41",
        "predicted 2.30 ± 0.10",
        "0.01 above the error bar",
        "高出误差范围 0.01",
        "12,345",
        "1m for training and the stages after it",
        "30 steps in 4.0s, down to 3.50 bits per byte",
        "512",
        "<span class=\"t\" lang=\"en\">rejected</span><span class=\"t\" lang=\"zh\">剔除</span> 1",
        "too short",
        "过短",
        "nuwa build --from &#x27;my text&#x27;",
        "25.8 GB",
        "AVX2",
        "+25.0 %",
        "<svg class=\"model\"",
        ">layers 1-2</text>",
        "qkv 96 × 32, output 32 × 32",
        "结构",
    ] {
        assert!(html.contains(expected), "{expected} is not in\n{html}");
    }
    assert!(!html.contains("Missing from this page"), "{html}");
}

#[test]
fn a_last_validation_on_more_text_is_not_joined_to_the_curve() {
    let folder = whole_run();
    let lines = |range: std::ops::Range<u64>| -> String {
        let line = |step| {
            json!({"step": step, "tokens": step, "validation_loss": 3.0, "bits_per_byte": 2.0}).to_string()
                + "\n"
        };
        range.map(line).collect()
    };
    put(folder.path(), "pretrain/metrics.jsonl", lines(1..4) + "{\"step\":3,\"loss\":3.0,\"tokens\":3}\n");
    assert!(!report(folder.path()).contains("all held-out text"));
    put(folder.path(), "pretrain/manifest.json", manifest("pretrain", json!({"validation_tokens": 50})));
    assert!(report(folder.path()).contains("all held-out text"));
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let folder = whole_run();
    let html = report(folder.path());
    for forbidden in ["http:", "https:", "//cdn", "@import", "url(", " src=", "<link", "innerHTML", "eval("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let nonce = html.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(html.contains("default-src 'none'") && nonce.len() >= 16, "{nonce}");
    assert_eq!(html.matches("<script").count(), 1, "the page's own");
    assert!(html.contains(&format!("<script nonce=\"{nonce}\">")));
}

#[test]
fn text_of_documents_and_models_is_escaped() {
    let folder = whole_run();
    let html = report(folder.path());
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(html.contains("补天 &amp; &lt;b&gt;"), "{html}");
    assert!(html.contains("a&lt;b&gt;.txt"), "{html}");
}

#[test]
fn without_any_one_artifact_there_is_still_a_page_that_names_it() {
    let files = [
        "recipe.toml",
        "collect/collect.json",
        "clean/clean.json",
        "tokenize/tokenize.json",
        "plan/plan.json",
        "pretrain/metrics.jsonl",
        "eval/eval.json",
        "model/config.json",
    ];
    for file in files {
        let folder = whole_run();
        fs::remove_file(folder.path().join(file)).unwrap();
        assert!(
            report(folder.path()).contains(&format!("{file} is absent").replace('/', "&#x2f;")),
            "{file}"
        );
        model_card(folder.path(), &STAGES, &CardSettings::default()).unwrap();
    }
}

#[test]
fn broken_artifacts_are_notes() {
    let folder = whole_run();
    for file in [
        "collect/collect.json",
        "clean/clean.json",
        "plan/plan.json",
        "eval/eval.json",
        "clean/manifest.json",
    ] {
        for content in ["", "{\"tasks\":", "[1,2]", "null", "\"text\"", "\u{0}\u{ff}"] {
            put(folder.path(), file, content);
            report(folder.path());
            model_card(folder.path(), &STAGES, &CardSettings::default()).unwrap();
        }
    }
    put(folder.path(), "pretrain/metrics.jsonl", [0xFF, 0xFE, b'\n', b'{']);
    assert!(report(folder.path()).contains("pretrain&#x2f;metrics.jsonl: 1 unreadable line skipped"));
    put(folder.path(), "sft/metrics.jsonl", b"\xff\n{\"step\":1,\"loss\":2}\n{\"st");
    assert!(report(folder.path()).contains("sft&#x2f;metrics.jsonl: 1 unreadable line skipped"));
}

/// The same run with a stage of fine-tuning after it.
fn tuned_run() -> tempfile::TempDir {
    let folder = whole_run();
    let run = folder.path();
    put(run, "sft/manifest.json", manifest("sft", json!({})));
    let line = |loss: f64| json!({"step": 0, "validation_loss": loss});
    put(run, "sft/sft.json", fine_tuned(json!({"before": line(6.1), "after": line(1.2)})));
    let task = |figure: &str, value: f64, shown: bool| {
        let shown = json!([{"prompt": "谁?", "expected": "a", "given": "b", "is_right": false}])
            .as_array()
            .filter(|_| shown)
            .cloned();
        json!({"version": 1, "n": 100, "metrics": {figure: {"value": value, "stderr": 0.02}}, "settings": {},
            "standard_errors": "", "data_hash": "", "shown": shown.unwrap_or_default()})
    };
    let tasks = json!({
        "pretrain/language_modelling": task("bits_per_byte", 2.41, false),
        "sft/language_modelling": task("bits_per_byte", 2.73, false),
        "pretrain/world_answer_zh": task("exact_match", 0.1, true),
        "sft/world_answer_zh": task("exact_match", 0.9, true),
    });
    let changes = json!({"language_modelling": {"value": 0.32, "stderr": 0.015, "paired": true},
        "world_answer_zh": {"value": 0.8, "stderr": 0.04, "paired": true}});
    put(run, "eval/eval.json", json!({"model": "model", "tasks": tasks, "changes": changes}).to_string());
    let line = |number: usize, lang: &str| {
        json!({"id": number.to_string(), "text": "words of clay", "lang": lang}).to_string()
    };
    let lines = [line(0, "en"), line(1, "en"), line(2, "en"), line(3, "zh")].join("\n");
    put(run, "clean/documents-00000.jsonl", lines);
    folder
}

#[test]
fn the_headline_is_the_model_that_is_shipped() {
    let folder = tuned_run();
    let html = report(folder.path());
    for expected in [
        "Bits per byte, final model",
        "2.730<small> ± 0.020</small>",
        "2.410 after pretraining, predicted 2.30 ± 0.10",
        "measured after pretraining: 2.41, 0.01 above the error bar. After fine-tuning: 2.73.",
        "预训练后实测为 2.41，高出误差范围 0.01。微调后为 2.73。",
        "Loss on held-out answers",
        "nats per token after SFT, 6.1 before",
        "1 of 2 metrics got better and 1 got worse (language modelling), by more than two standard errors",
        "2 项指标中有 1 项改善、1 项变差（语言建模），变化均超过两倍标准误",
        "<tr class=\"lost\"><th><span class=\"t\" lang=\"en\">language modelling</span><span class=\"t\" lang=\"zh\">语言建模</span></th>",
        "+0.320 <small>± 0.015</small>",
        "per-item differences",
    ] {
        assert!(html.contains(expected), "{expected} is not in\n{html}");
    }
    assert!(!html.contains("class=\"warning\""), "{html}");
}

#[test]
fn the_model_that_was_kept_is_named_and_marked() {
    let folder = whole_run();
    let outcome = json!({"steps": 9, "kept_step": 2, "ended": "validation", "fall": {"start": 4, "end": 9}});
    put(folder.path(), "pretrain/pretrain.json", trained(outcome));
    let html = report(folder.path());
    for expected in [
        "from step 4 to step 9",
        "step 2, the best on the validation set; stopped early",
        "the checkpoint that was kept",
    ] {
        assert!(html.contains(expected), "{expected} is not in\n{html}");
    }
}

#[test]
fn text_that_is_read_many_times_is_warned_of() {
    let folder = whole_run();
    put(folder.path(), "pretrain/pretrain.json", trained(json!({"tokens": 90_000})));
    let html = report(folder.path());
    assert!(html.contains("The text is repeated for 100 epochs. "), "{html}");
}

#[test]
fn the_card_of_a_tuned_model_is_about_that_model_its_form_and_its_languages() {
    let folder = tuned_run();
    put(folder.path(), "sft/sft.json", fine_tuned(json!({"question": "Who made \"you\"?"})));
    let tokenizer = nuwa_tokenizer::train(
        std::iter::once("clay and water, clay and water".to_string()),
        &nuwa_tokenizer::TrainSettings { vocab_size: 270, ..Default::default() },
        &mut |_| {},
    );
    tokenizer.unwrap().save(&folder.path().join("model")).unwrap();
    model_card(folder.path(), &STAGES, &CardSettings::default()).unwrap();
    let card = fs::read_to_string(folder.path().join("model/README.md")).unwrap();
    for expected in [
        "language:\n- en\n- zh\n",
        "| en | 75 % of the text, 3 documents |\n| zh | 25 % of the text, 1 document |",
        "| language modelling | bits per byte | 2.730 | 0.020 |",
        "| 语言建模 | 每字节比特数 | 2.730 | 0.020 |",
        "| zh | 占文本的 25 %，1 个文档 |",
        "| world answer zh | exact match | 0.900 | 0.020 |",
        "| language modelling | bits per byte | 2.410 | 2.730 | +0.320 ± 0.015 | worse |",
        "<|im_start|>user\n Who made \"you\"?<|im_end|>\n<|im_start|>assistant\n",
        "| End of turn | `<\\|im_end\\|>` (2) |",
        "nuwa chat PATH/TO/THIS/FOLDER --prompt 'Who made \"you\"?'",
        "\"content\": \"Who made \\\"you\\\"?\"}]",
    ] {
        assert!(card.contains(expected), "{expected} is not in\n{card}");
    }
    assert!(!card.contains("\n\n\n"), "{card}");
}

#[test]
fn only_a_recipe_is_enough_and_nothing_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let problem = write(folder.path(), &STAGES).unwrap_err().to_string();
    assert!(problem.contains("holds nothing that a run writes"), "{problem}");
    let problem = write(&folder.path().join("absent"), &STAGES).unwrap_err().to_string();
    assert!(problem.contains("absent is not a folder"), "{problem}");
    put(folder.path(), "recipe.toml", "seed = 1");
    assert!(report(folder.path()).contains("seed = 1"));
}

#[test]
fn the_model_card_has_front_matter_figures_and_whole_fences() {
    let folder = whole_run();
    model_card(folder.path(), &STAGES, &CardSettings::default()).unwrap();
    let card = fs::read_to_string(folder.path().join("model/README.md")).unwrap();
    assert!(card.starts_with("---\nlibrary_name: transformers\npipeline_tag: text-generation\n"), "{card}");
    for expected in [
        "| bits per byte | 2.410 | 0.020 |",
        "````text\n女娲``` |补天 & <b>\n````",
        "| Layers | 2 |",
        "| 层数 | 2 |",
        "at most 128",
    ] {
        assert!(card.contains(expected), "{expected} is not in\n{card}");
    }
    assert!(!card.contains("\n\n\n"), "{card}");
}

#[test]
fn what_its_maker_says_stands_in_the_cards_and_what_is_measured_in_their_heads() {
    let folder = whole_run();
    let answers = CardSettings {
        licence: Some("mit".into()),
        uses: Some("Tests.".into()),
        risks: Some("None are known.".into()),
        ..CardSettings::default()
    };
    model_card(folder.path(), &STAGES, &answers).unwrap();
    data_card(folder.path(), &STAGES, &answers).unwrap();
    let model = fs::read_to_string(folder.path().join("model/README.md")).unwrap();
    let data = fs::read_to_string(folder.path().join("data-card.md")).unwrap();
    for expected in [
        "license: \"mit\"\n",
        "\nmodel-index:\n- name: ",
        "    metrics:\n    - type: \"bits_per_byte\"\n      value: 2.41\n      args:\n        stderr: 0.02\n",
        "- Meant for: Tests.\n",
        "- 已知的危害与缺陷: None are known.\n",
    ] {
        assert!(model.contains(expected), "{expected} is not in\n{model}");
    }
    for expected in [
        "license: \"mit\"\n",
        "## Uses\n\nTests.\n",
        "## 用途\n\nTests.\n",
        "## Motivation\n\n*Not answered.*\n",
        "Licence: mit\n",
        "Contact: *Not answered.*\n",
    ] {
        assert!(data.contains(expected), "{expected} is not in\n{data}");
    }
    assert!(!model.contains("\n\n\n"), "{model}");
    assert!(!data.contains("\n\n\n"), "{data}");
}
