//! Low-rank adapters: what they begin as, their gradients, their files.

use std::sync::Arc;

use nuwa_align::{Job, LoraAdapters, LoraSettings, Sft, SftSettings, trainer, tune};
use nuwa_format::{Adapter, Base, load_adapter, merge, save_adapter, weights_hash};
use nuwa_models::Model;
use nuwa_tensor::OptimizerState;
use nuwa_train::{Steps, Trainer};

use crate::{difference, exact, examples, gradient, load, sft_settings, tuned};

fn lora(rank: usize) -> LoraSettings {
    LoraSettings { rank, ..LoraSettings::default() }
}

fn adapted(name: &str, rank: usize) -> (Trainer, Arc<LoraAdapters>) {
    let model = load(name);
    let adapters = Arc::new(LoraAdapters::new(model.as_ref(), &lora(rank), 1).unwrap());
    (trainer(model, Some(adapters.clone()), &exact(), 0), adapters)
}

/// Trains adapters for a few steps.
fn trained(name: &str) -> (Box<dyn Model>, Arc<LoraAdapters>) {
    let settings =
        SftSettings { epochs: Some(3), batch_tokens: Some(60), tuning: exact(), ..SftSettings::default() };
    let (mut trainer, adapters) = adapted(name, 4);
    let mut sft = Sft::of_examples(examples(12), Vec::new(), &settings, 5).unwrap();
    let out = tempfile::tempdir().unwrap();
    let job = Job {
        out: out.path(),
        settings: &settings.tuning,
        learning_rate: 1e-2,
        base: "",
        samples: 0,
        stop: || false,
    };
    tune(&job, &mut trainer, &mut sft, &mut |_| {}).unwrap();
    let model = trainer.into_model();
    assert_ne!(weights_hash(model.as_ref()), weights_hash(load(name).as_ref()));
    (model, adapters)
}

#[test]
fn only_adapters_change_and_their_files_give_the_tuned_model_back() {
    for name in ["gpt2", "llama", "falcon_grouped", "lamda", "gpt_neo", "lstm", "recurrent_gemma"] {
        let (tuned, adapters) = trained(name);
        let base = load(name);
        assert_eq!(tuned.head().weight.to_host(), base.head().weight.to_host(), "{name}: the head is frozen");
        assert!(difference(&tuned.parameters().to_host(), &base.parameters().to_host()) > 1e-2, "{name}");
        let folder = tempfile::tempdir().unwrap();
        let adapter = adapters.to_adapter(tuned.as_ref());
        let of = Base::new(std::path::Path::new("/home/somebody/base"), weights_hash(base.as_ref()));
        save_adapter(&adapter, &of, name == "gpt2", folder.path()).unwrap();
        assert_eq!(Base::of_adapter(folder.path()).unwrap(), Some(of));
        let config = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
        assert!(config.contains("\"base_model_name_or_path\": \"base\"") && !config.contains("somebody"));
        let read = load_adapter(folder.path()).unwrap();
        let merged = load(name);
        merge(merged.as_ref(), &read, folder.path()).unwrap();
        let off = difference(&merged.parameters().to_host(), &tuned.parameters().to_host());
        assert!(off < 1e-6, "{name}: {off}");
    }
}

/// gpt2's layers have biases, which are frozen while the matrices beside them are not.
#[test]
fn the_gradient_of_adapters_is_that_of_finite_differences() {
    ["gpt2", "llama"].into_iter().for_each(compare_with_finite_differences);
}

fn compare_with_finite_differences(name: &str) {
    let (mut trainer, _) = adapted(name, 2);
    // Away from B = 0, where the gradient of A vanishes.
    let random = nuwa_tensor::Random::new(9);
    for parameter in trainer.parameters().iter() {
        parameter.set(|values| random.named(parameter.entry().path()).fill_normal(values, 0.1));
    }
    trainer.resume(OptimizerState::new(trainer.parameters()));
    let mut sft = Sft::of_examples(examples(4), Vec::new(), &sft_settings(), 0).unwrap();
    sft.step(&mut trainer, 0).unwrap();
    let found = gradient(&mut trainer);
    let all: Vec<_> = trainer.parameters().iter().cloned().collect();
    for (parameter, index) in [(&all[0], 3), (&all[1], 5), (&all[2], 1), (&all[5], 7)] {
        let mut loss_at = |change: f32| {
            parameter.set(|values| values[index] += change);
            trainer.resume(OptimizerState::new(trainer.parameters()));
            let packed = nuwa_align::packed(&examples(4), 1.0);
            let losses = trainer.losses(&packed).unwrap();
            parameter.set(|values| values[index] -= change);
            losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64
        };
        let step = 2e-3;
        let finite = (loss_at(step) - loss_at(-step)) / f64::from(2.0 * step);
        let exact = f64::from(found[parameter.entry().range().start + index]);
        assert!(
            (finite - exact).abs() < 2e-3 * (1.0 + exact.abs()),
            "{name} {}: {finite} {exact}",
            parameter.entry().path()
        );
    }
}

#[test]
fn adapters_begin_as_nothing() {
    let packed = nuwa_align::packed(&examples(4), 1.0);
    assert_eq!(adapted("gpt2", 3).0.losses(&packed).unwrap(), tuned("gpt2").losses(&packed).unwrap());
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let unknown = LoraSettings { rank: 2, targets: vec!["attention.quantum".into()], ..lora(2) };
    let error = LoraAdapters::new(load("llama").as_ref(), &unknown, 0).unwrap_err();
    insta::assert_snapshot!(error, @r#"no matrix of the model has a name that holds "attention.quantum"; it has attention.output, attention.qkv, feed_forward.down, feed_forward.gate_up"#);
    let (tuned, adapters) = trained("gpt2");
    let adapter = adapters.to_adapter(tuned.as_ref());
    let error = merge(load("llama").as_ref(), &adapter, std::path::Path::new("adapters")).unwrap_err();
    assert!(error.to_string().contains("transformer.h.0.attn.c_attn.weight"), "{error}");
}

/// The adapters in a folder whose configuration was changed in one field.
fn with_field(field: &str, value: serde_json::Value) -> nuwa_format::Result<Adapter> {
    let (tuned, adapters) = trained("gpt2");
    let folder = tempfile::tempdir().unwrap();
    let base = Base::new(std::path::Path::new("base"), String::new());
    save_adapter(&adapters.to_adapter(tuned.as_ref()), &base, true, folder.path()).unwrap();
    let path = folder.path().join("adapter_config.json");
    let mut config: serde_json::Value = nuwa_files::read_json(&path).unwrap();
    config[field] = value;
    nuwa_files::write_json(&path, &config).unwrap();
    load_adapter(folder.path())
}

#[test]
fn adapters_of_other_forms_are_scaled_rightly_or_refused() {
    let plain = with_field("use_rslora", false.into()).unwrap();
    let stabilised = with_field("use_rslora", true.into()).unwrap();
    assert!((stabilised.alpha / plain.alpha - 2.0).abs() < 1e-6, "the root of rank 4");
    with_field("init_lora_weights", "gaussian".into()).unwrap();
    let refused = [
        ("peft_type", "IA3".into()),
        ("use_dora", true.into()),
        ("alpha_pattern", serde_json::json!({ "c_attn": 8 })),
        ("init_lora_weights", "pissa_niter_4".into()),
    ];
    let messages = refused.map(|(field, value)| {
        let message = with_field(field, value).unwrap_err().to_string();
        message[message.find("adapter_config").unwrap()..].to_string()
    });
    insta::assert_snapshot!(messages.join("\n"), @r#"
    adapter_config.json: peft_type = "IA3": only "LORA" is supported
    adapter_config.json: use_dora = true: such adapters are not read
    adapter_config.json: alpha_pattern = {"c_attn":8}: such adapters are not read
    adapter_config.json: init_lora_weights = "pissa_niter_4": it changes the base model, so such adapters are not read
    "#);
}
