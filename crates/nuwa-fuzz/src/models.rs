//! Models and tokenizers of strangers.

use std::sync::LazyLock;

use nuwa_format::{GgufSettings, Mixture};
use nuwa_models::ModelConfig;
use nuwa_tokenizer::{Message, Tokenizer, TrainSettings, train};

use crate::Target;
use crate::files::{Files, chosen, joined, parts};

pub const TARGETS: &[Target] = &[
    Target { name: "adapter", run: adapter, seeds: adapters },
    Target { name: "chat_template", run: chat_template, seeds: chat_templates },
    Target { name: "gguf", run: gguf, seeds: gguf_files },
    Target { name: "llama2c", run: llama2c, seeds: llama2c_files },
    Target { name: "safetensors", run: safetensors, seeds: model_folders },
    Target { name: "tokenizer", run: tokenizer, seeds: tokenizers },
];

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 5, "hidden_size": 4, "intermediate_size": 4,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8}"#;
const GPT2: &str =
    r#"{"model_type": "gpt2", "vocab_size": 5, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 2}"#;
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let text = "the potter put the jar on the wheel ".repeat(20);
    let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
    train(std::iter::once(text), &settings, &mut |_| {}).expect("a small vocabulary")
});

/// A configuration, weights, and an index of weights in several files.
fn safetensors(bytes: &[u8]) {
    let [config, weights, index] = parts(bytes);
    let whole = if index.is_empty() { WEIGHTS } else { "model-00001-of-00001.safetensors" };
    let mut all = vec![(CONFIG, config), (whole, weights)];
    if index.len() > 4 {
        all.push(("model.safetensors.index.json", index));
    }
    let _ = nuwa_format::load_model(Files::new(&all).folder());
}

fn model_folders() -> Vec<Vec<u8>> {
    let [config, weights] = written(LLAMA);
    let [other_config, other_weights] = written(GPT2);
    let index = br#"{"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}}"#;
    vec![
        joined(&[&config, &weights]),
        joined(&[&other_config, &other_weights]),
        joined(&[&config, &weights, index]),
        joined(&[&config, &weights, b"-"]),
    ]
}

/// `config.json` and the weights of a small model.
fn written(config: &str) -> [Vec<u8>; 2] {
    let config: ModelConfig = serde_json::from_str(config).expect("a configuration");
    let folder = Files::new(&[]);
    let model = nuwa_models::build(&config, 1).expect("a small model");
    nuwa_format::save_model(&*model, folder.folder()).expect("a folder that can be written to");
    [CONFIG, WEIGHTS].map(|name| std::fs::read(folder.path(name)).expect("a file just written"))
}

/// The configuration and the weights of an adapter.
fn adapter(bytes: &[u8]) {
    let [config, weights] = parts(bytes);
    let files = Files::new(&[("adapter_config.json", config), ("adapter_model.safetensors", weights)]);
    let Ok(adapter) = nuwa_format::load_adapter(files.folder()) else { return };
    let config: ModelConfig = serde_json::from_str(LLAMA).expect("a configuration");
    let model = nuwa_models::build(&config, 1).expect("a small model");
    let _ = nuwa_format::merge(&*model, &adapter, files.folder());
}

fn adapters() -> Vec<Vec<u8>> {
    let header = br#"{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":"F32","shape":[1,4],"data_offsets":[0,16]},"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight":{"dtype":"F32","shape":[4,1],"data_offsets":[16,32]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let weights = [&length[..], header, &[0; 32]].concat();
    vec![joined(&[br#"{"peft_type": "LORA", "r": 1, "lora_alpha": 2, "use_rslora": true}"#, &weights])]
}

/// A template with a conversation; a second part holds the tools.
fn chat_template(bytes: &[u8]) {
    let [template, tools] = parts(bytes).map(String::from_utf8_lossy);
    let Ok(tokenizer) = TOKENIZER.with_chat_template(&template) else { return };
    let messages = [Message::new("system", "s"), Message::new("user", "u"), Message::new("assistant", "a")];
    let _ = tokenizer.apply_chat_template(&messages, true);
    let tools = serde_json::from_str(&tools).ok();
    let _ = nuwa_tokenizer::render_chat(&template, &messages, tools.as_ref());
}

fn chat_templates() -> Vec<Vec<u8>> {
    const OTHER: &[u8] = b"{% macro turn(m) %}{{ m.role|upper }}: {{ m['content']|trim ~ '\\n' }}{% endmacro %}\
        {%- set ns = namespace(n=0) -%}{% for m in messages[::-1] if m.role in ['user', 'assistant'] and not m.x is defined %}\
        {% set ns.n = ns.n + loop.index0 * 2 // 1 %}{{ turn(m) }}{% if loop.last %}{{ ns.n|string }}{% endif %}\
        {% else %}{{ raise_exception('no ' + 'turn') }}{% endfor %}{{ strftime_now('%d %b') }}{{ [1, 2.5]|join(', ') }}\
        {{ 'ab'.split('b')[0].replace('a', 'x') * 3 }}{{ range(3)|list|tojson(indent=2) }}{{ eos_token[1:-1] }}";
    let chatml = joined(&[nuwa_tokenizer::CHAT_TEMPLATE.as_bytes(), br#"[{"name": "f"}]"#]);
    vec![chatml, OTHER.to_vec()]
}

/// A model with its tokenizer in one file.
fn gguf(bytes: &[u8]) {
    let files = Files::new(&[("model.gguf", bytes)]);
    let path = files.path("model.gguf");
    let _ = nuwa_format::load_for_inference(&path, None);
    if let Ok(tokenizer) = Tokenizer::load(&path) {
        let _ = tokenizer.encode("the potter, \u{4e2d}\u{6587} 12");
        let _ = (tokenizer.ends(), tokenizer.end_of_turn());
    }
}

fn gguf_files() -> Vec<Vec<u8>> {
    let wide = LLAMA.replace("\"vocab_size\": 5", "\"vocab_size\": 264");
    let models = [
        wide.clone(),
        GPT2.replace("\"vocab_size\": 5", "\"vocab_size\": 264"),
        wide.replace("llama", "mixtral"),
    ];
    let written = models.iter().map(|config| {
        let config: ModelConfig = serde_json::from_str(config).expect("a configuration");
        let (model, files) = (nuwa_models::build(&config, 1).expect("a small model"), Files::new(&[]));
        let settings = GgufSettings { mixture: Mixture::Q8_0, inputs: None, name: "small" };
        let path = files.path("model.gguf");
        nuwa_format::write_gguf(&*model, &TOKENIZER, &path, settings).expect("a file that can be written");
        std::fs::read(path).expect("a file just written")
    });
    written.collect()
}

/// Weights in the format of llama2.c.
fn llama2c(bytes: &[u8]) {
    let files = Files::new(&[("model.bin", bytes), ("tokenizer.bin", &llama2c_vocabulary())]);
    let _ = nuwa_format::import(&files.path("model.bin"), &files.folder().join("out"));
}

fn llama2c_files() -> Vec<Vec<u8>> {
    let file = |vocabulary: i32, numbers: usize| {
        let header = [4, 4, 1, 2, 1, vocabulary, 8].map(i32::to_le_bytes).concat();
        [header, 0.25_f32.to_le_bytes().repeat(numbers)].concat()
    };
    // Embedding, two norms, four attention matrices, three of the feed-forward network, last norm, rotary tables, head.
    let shared = 5 * 4 + 8 + 16 + 8 + 8 + 16 + 48 + 4 + 16;
    vec![file(5, shared), file(-5, shared + 20)]
}

fn llama2c_vocabulary() -> Vec<u8> {
    let tokens = ["<unk>", "\n<s>\n", "\n</s>\n", " a", "b"].iter();
    let token = |text: &&str| {
        let length = (text.len() as u32).to_le_bytes();
        [&1_f32.to_le_bytes()[..], &length, text.as_bytes()].concat()
    };
    [vec![5, 0, 0, 0], tokens.flat_map(token).collect()].concat()
}

const NAMES: [&str; 5] = ["tokenizer.json", "a.tiktoken", "tokenizer.model", "tokenizer.bin", "vocab.json"];

/// Tokenizers of other programs; the first byte chooses the name of the file, and with it the format; a second part is
/// `tokenizer_config.json`.
fn tokenizer(bytes: &[u8]) {
    let Some((name, bytes)) = chosen(bytes, NAMES.len()) else { return };
    let [bytes, config] = parts(bytes);
    let mut all = vec![(NAMES[name], bytes), ("merges.txt", &b"#version: 0.2\na b\n"[..])];
    if !config.is_empty() {
        all.push(("tokenizer_config.json", config));
    }
    let files = Files::new(&all);
    let Ok(tokenizer) = Tokenizer::load(&files.path(NAMES[name])) else { return };
    let Ok(ids) = tokenizer.encode("\u{dc}n\u{ef}code and \u{4e2d}\u{6587}, \u{1f600} and a b.") else {
        return;
    };
    let _ = tokenizer.decode(&ids);
}

fn tokenizers() -> Vec<Vec<u8>> {
    let files = Files::new(&[]);
    TOKENIZER.save(files.folder()).expect("a folder that can be written to");
    let [own, config] = ["tokenizer.json", "tokenizer_config.json"]
        .map(|name| std::fs::read(files.path(name)).expect("a file just written"));
    let numbered = |format: u8, bytes: &[u8]| [&[format], bytes].concat();
    vec![
        joined(&[&numbered(0, &own), &config]),
        numbered(0, WORD_PIECE),
        numbered(0, UNIGRAM),
        numbered(2, &sentence_piece()),
        numbered(3, &llama2c_vocabulary()),
        numbered(4, br#"{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}"#),
    ]
}

const WORD_PIECE: &[u8] = br###"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [
    {"id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"},
    {"type": "Prepend", "prepend": "_"}, {"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, {"type": "Digits", "individual_digits": true}]},
    "post_processor": null, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "b": 3}}}"###;
const UNIGRAM: &[u8] = br#"{"version": "1.0", "added_tokens": [], "normalizer": {"type": "Replace", "pattern": {"Regex": " +"}, "content": "_"},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": true}, "post_processor": null,
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "Fuse"}]},
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["_a", -1.5], ["b", -2.5]], "byte_fallback": false}}"#;

/// A protocol buffer with four pieces, BPE, and a normalizer.
fn sentence_piece() -> Vec<u8> {
    let field = |key: u8, bytes: &[u8]| [&[key, bytes.len() as u8], bytes].concat();
    let piece = |text: &str, kind: u8| {
        let inner = [field(0x0a, text.as_bytes()), vec![0x15, 0, 0, 0x80, 0x3f, 0x18, kind]].concat();
        field(0x0a, &inner)
    };
    let pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("a", 1), ("b", 1), ("ab", 1)];
    let pieces: Vec<u8> = pieces.iter().flat_map(|(text, kind)| piece(text, *kind)).collect();
    [pieces, field(0x12, &[0x18, 2]), field(0x1a, &[0x18, 1, 0x20, 1])].concat()
}
