//! Heads for labels against `fixtures/labels`, made by transformers, and against themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nuwa_align::data::Truth;
use nuwa_align::labelling::{LabelledExample, Labelling};
use nuwa_align::{
    Labels, LoraAdapters, LoraSettings, Problem, RecordSteps, SftSettings, TuningSettings, trainer, tune,
};
use nuwa_format::parts;
use nuwa_infer::{LabelTeller, TextReader, WholeText};
use nuwa_models::Model;
use nuwa_tokenizer::{Tokenizer, TrainSettings};
use nuwa_train::{Steps, Trainer};
use safetensors::{Dtype, SafeTensors};

use crate::tuning::{Breaking, job, weights};
use crate::{difference, exact, fixtures};

const NAMES: [&str; 11] = [
    "bert_one",
    "bert_several",
    "bert_number",
    "gpt2_one",
    "llama_several",
    "t5_one",
    "t5_gated_number",
    "bart_several",
    "marian_one",
    "xlnet_one",
    "xlnet_number",
];
const SPECIAL: [(&str, &str); 4] =
    [("pad_token", "[PAD]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("mask_token", "[MASK]")];

type Golden = BTreeMap<String, Vec<f32>>;

fn golden(name: &str) -> Golden {
    let bytes = std::fs::read(fixtures().join("labels").join(name).join("golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |view: safetensors::tensor::TensorView<'_>| {
        let words = view.data().as_chunks::<4>().0.iter().copied();
        match view.dtype() {
            Dtype::F32 => words.map(f32::from_le_bytes).collect::<Vec<f32>>(),
            _ => words.map(|word| i32::from_le_bytes(word) as f32).collect(),
        }
    };
    file.tensors().into_iter().map(|(name, view)| (name, values(view))).collect()
}

/// Bytes and the special tokens of an encoder.
fn tokenizer() -> Tokenizer {
    let settings = TrainSettings { vocab_size: 265, ..TrainSettings::default() };
    let text = std::iter::once("ab cd ef gh ".repeat(20));
    let tokenizer = nuwa_tokenizer::train(text, &settings, &mut |_| {}).unwrap();
    tokenizer.with_special_tokens(&SPECIAL).unwrap()
}

/// The two texts of a golden file, with what is right of them.
fn examples(golden: &Golden, labels: &Labels) -> Vec<LabelledExample> {
    let length = golden["ids"].len() / 2;
    let of = |number: usize| {
        let own = |name: &str| golden[name][number * length..(number + 1) * length].to_vec();
        let count = golden["lengths"][number] as usize;
        let ids = own("ids")[..count].iter().map(|id| *id as u32).collect();
        let second = own("segments")[..count].iter().position(|segment| *segment == 1.0).unwrap_or(count);
        let outputs = golden["labels"].len() / 2;
        let right = &golden["labels"][number * outputs..(number + 1) * outputs];
        let truth = match labels.problem {
            Problem::One => Truth::One(right[0] as usize),
            Problem::Several => Truth::Several(right.iter().map(|has| *has == 1.0).collect()),
            Problem::Number => Truth::Number(f64::from(right[0])),
        };
        LabelledExample { text: WholeText { ids, second, cut: 0 }, truth }
    };
    (0..2).map(of).collect()
}

fn settings(micro_batch_tokens: usize) -> SftSettings {
    let tuning = TuningSettings { micro_batch_tokens, ..exact() };
    SftSettings { batch_tokens: Some(1000), epochs: Some(1), tuning, ..SftSettings::default() }
}

#[test]
fn scores_losses_and_gradients_are_those_of_transformers() {
    for name in NAMES {
        let golden = golden(name);
        for micro_batch in [1000, 1] {
            let (model, labels) = nuwa_format::load_labelled(&fixtures().join("labels").join(name)).unwrap();
            assert_eq!(labels.names.len(), golden["logits"].len() / 2, "{name}");
            let reader = TextReader::new(&model, &tokenizer()).unwrap();
            let examples = examples(&golden, &labels);
            let texts: Vec<&WholeText> = examples.iter().map(|example| &example.text).collect();
            let mut trainer = trainer(Box::new(model), None, &exact(), 0);
            let found = trainer.scores(&reader.packed(&texts), &reader.rows(&texts)).unwrap();
            assert!(difference(&found, &golden["logits"]) < 2e-5, "{name}: {found:?}");
            let data = [examples, Vec::new()];
            let mut objective =
                Labelling::of_examples(reader, labels, data, &settings(micro_batch), 0).unwrap();
            let loss = objective.step(&mut trainer, 0).unwrap().loss as f32;
            assert!((loss - golden["loss"][0]).abs() < 5e-6, "{name}: {loss} {:?}", golden["loss"]);
            assert_gradients(&mut trainer, &golden, name);
        }
    }
}

fn assert_gradients(trainer: &mut Trainer, golden: &Golden, name: &str) {
    trainer.collect_gradient();
    let model = trainer.model();
    let mut count = 0;
    for own in model.names() {
        let parameter = model.parameters().get(&own.parameter).unwrap();
        let gradient = parameter.gradient();
        for part in parts(&own, parameter.shape()) {
            let off = difference(&part.stored(&gradient), &golden[&format!("grad.{}", part.name)]);
            assert!(off < 2e-5, "{name}: the gradient of {} differs by {off}", part.name);
            count += 1;
        }
    }
    let expected = golden.keys().filter(|key| key.starts_with("grad.")).count();
    assert_eq!(count, expected, "{name}: tensors with a gradient");
}

/// Texts whose label follows from their first letter.
fn letters(reader: &TextReader, count: usize) -> Vec<LabelledExample> {
    let of = |number: usize| {
        let first = ["ab", "cd"][number % 2];
        let text = format!("{first} {} gh", ["ef", "gh", "ab"][number % 3]);
        LabelledExample { text: reader.read(&text, None).unwrap(), truth: Truth::One(number % 2) }
    };
    (0..count).map(of).collect()
}

fn labels() -> Labels {
    Labels { problem: Problem::One, names: vec!["ab".into(), "cd".into()] }
}

/// A new model with a head for two labels in a folder, below a model of that family without such a head.
fn untrained(family: &str) -> Box<dyn Model> {
    let config = match family {
        "bert" => {
            r#"{"model_type": "bert", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
                "num_attention_heads": 4, "max_position_embeddings": 32, "architectures": ["BertForMaskedLM"]}"#
        }
        "t5" => {
            r#"{"model_type": "t5", "vocab_size": 300, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1,
                "num_decoder_layers": 1, "num_heads": 4, "n_positions": 32, "decoder_start_token_id": 0,
                "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}"#
        }
        "bart" | "marian" => {
            return untrained_post_norm(family);
        }
        "xlnet" => {
            r#"{"model_type": "xlnet", "vocab_size": 300, "d_model": 32, "d_inner": 64, "n_layer": 1, "n_head": 4,
                "n_positions": 32}"#
        }
        _ => {
            r#"{"model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
                "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32}"#
        }
    };
    nuwa_models::build(&serde_json::from_str(config).unwrap(), 3).unwrap()
}

fn untrained_post_norm(family: &str) -> Box<dyn Model> {
    let config = serde_json::json!({
        "model_type": family, "vocab_size": 300, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
        "max_position_embeddings": 32, "decoder_start_token_id": 0, "scale_embedding": family == "marian",
    });
    nuwa_models::build(&serde_json::from_value(config).unwrap(), 3).unwrap()
}

fn saved(family: &str, folder: &Path) {
    nuwa_format::save_with_tokenizer(untrained(family).as_ref(), &tokenizer(), folder).unwrap();
}

/// The weights that a file holds: a head for tokens is in none.
fn stored(model: &dyn Model) -> Vec<Vec<f32>> {
    let of = |name: &nuwa_models::TensorName| model.parameters().get(&name.parameter).unwrap().to_host();
    model.names().iter().map(of).collect()
}

#[test]
fn labels_are_learnt_with_all_weights_or_adapters_and_come_back_from_the_folder() {
    let all = [("bert", 0), ("llama", 0), ("t5", 0), ("bart", 0), ("marian", 0), ("xlnet", 0)];
    for (family, rank) in all.into_iter().chain([("bert", 4), ("llama", 4), ("t5", 4), ("xlnet", 4)]) {
        let folder = tempfile::tempdir().unwrap();
        saved(family, folder.path());
        let model = nuwa_format::labelled_from(folder.path(), &labels(), 1).unwrap();
        let reader = TextReader::new(&model, &tokenizer()).unwrap();
        let lora = LoraSettings { rank, ..LoraSettings::default() };
        let settings = SftSettings { lora, epochs: Some(20), tuning: exact(), ..SftSettings::default() };
        let adapters = (rank > 0).then(|| Arc::new(LoraAdapters::new(&model, &settings.lora, 1).unwrap()));
        let all = letters(&reader, 48);
        let held = letters(&reader, 12);
        let texts: Vec<WholeText> = held.iter().map(|example| example.text.clone()).collect();
        let mut objective = Labelling::of_examples(reader, labels(), [all, held], &settings, 1).unwrap();
        let mut trainer = trainer(Box::new(model), adapters, &settings.tuning, 1);
        let out = tempfile::tempdir().unwrap();
        let summary =
            tune(&job(out.path(), &settings.tuning), &mut trainer, &mut objective, &mut |_| {}).unwrap();
        let accuracy = summary.after.unwrap().figures["accuracy"];
        assert_eq!(accuracy, 1.0, "{family} with rank {rank}");
        let judged = objective.judged(&mut trainer).unwrap();
        let written = out.path().join("model");
        nuwa_format::save_labelled(trainer.model(), &labels(), &tokenizer(), &written).unwrap();
        let teller = LabelTeller::load(&written).unwrap();
        assert_eq!(teller.labels(), &labels());
        for (told, before) in teller.tell(&texts).unwrap().iter().zip(&judged) {
            assert_eq!(told, &before.told, "{family} with rank {rank}");
        }
        let alone = teller.tell(&texts[..1]).unwrap();
        assert!((alone[0][0] - judged[0].told[0]).abs() < 1e-5, "a text beside others is as it is alone");
        // The same labels go on with their head, other labels begin a new one.
        let again = nuwa_format::labelled_from(&written, &labels(), 9).unwrap();
        assert!(stored(&again) == stored(trainer.model()), "{family} with rank {rank}");
        let other = Labels { names: vec!["x".into(), "y".into()], ..labels() };
        let other = nuwa_format::labelled_from(&written, &other, 9).unwrap();
        let head = |model: &dyn Model| model.score().unwrap().weight().to_host();
        assert_ne!(head(&other), head(&again));
        let refused = nuwa_format::load_model(&written).map(drop).unwrap_err().to_string();
        assert!(refused.contains("holds a classifier"), "{refused}");
    }
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    saved("bert", folder.path());
    let tuning = TuningSettings { checkpoint_seconds: 0, dropout: Some(0.1), ..exact() };
    let settings = SftSettings { epochs: Some(2), tuning, ..SftSettings::default() };
    let make = || {
        let model = nuwa_format::labelled_from(folder.path(), &labels(), 1).unwrap();
        let reader = TextReader::new(&model, &tokenizer()).unwrap();
        let data = [letters(&reader, 40), letters(&reader, 6)];
        let objective = Labelling::of_examples(reader, labels(), data, &settings, 1).unwrap();
        (trainer(Box::new(model), None, &settings.tuning, 2), objective)
    };
    let run = |objective: &mut dyn RecordSteps, trainer: &mut Trainer, out: &Path| {
        tune(&job(out, &settings.tuning), trainer, objective, &mut |_| {})
    };
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut expected, mut objective) = make();
    run(&mut objective, &mut expected, whole.path()).unwrap();
    let (mut killed, objective) = make();
    run(&mut Breaking(objective, 3), &mut killed, broken.path()).unwrap_err();
    let (mut resumed, mut objective) = make();
    run(&mut objective, &mut resumed, broken.path()).unwrap();
    assert_eq!(weights(&resumed), weights(&expected), "bit for bit");
}
