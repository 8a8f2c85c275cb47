//! llama2.c's model files, version 0: seven i32, then all weights as f32, kind by kind.
//!
//! A negative vocabulary size says that the output head is not the embedding. Queries and keys are turned in
//! neighbouring pairs there and in halves here, so their rows change places.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nuwa_files::Error as FileError;
use nuwa_models::decoder::{DecoderConfig, GateActivation};
use nuwa_models::llama::LlamaConfig;
use nuwa_models::{Model, ModelConfig, Rope};

use crate::layout::Part;
use crate::tensor_files::check_finite;
use crate::{Error, Result, folder};

const HEADER: [&str; 7] = ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"];
const HEADER_BYTES: u64 = 4 * HEADER.len() as u64;

/// What later versions of the format begin with: "ak42".
const LATER_MAGIC: u32 = 0x616b_3432;

/// A PyTorch pickle is a zip archive.
const ZIP_MAGIC: [u8; 4] = *b"PK\x03\x04";

/// An opened file whose length is right.
#[derive(Debug)]
pub struct Llama2c {
    path: PathBuf,
    file: File,
    config: DecoderConfig,
    starts: BTreeMap<String, u64>,
}

/// A kind of weight: its name at Hugging Face with `{}` for the layer, and its size in each layer.
struct Section {
    name: &'static str,
    layers: usize,
    elements: u128,
}

impl Llama2c {
    /// Reads the header, and makes sure that the file is as long as it says.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(FileError::read(path))?;
        let found = file.metadata().map_err(FileError::read(path))?.len();
        if found < HEADER_BYTES {
            let reason = format!("it has {found} bytes, the header of a llama2.c model {HEADER_BYTES}");
            return Err(Error::invalid(path, reason));
        }
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact(&mut header).map_err(FileError::read(path))?;
        let config = configuration(path, &header)?;
        let sections = sections(&config);
        let elements: u128 = sections.iter().map(|section| section.layers as u128 * section.elements).sum();
        let expected = u128::from(HEADER_BYTES) + 4 * elements;
        if expected != u128::from(found) {
            return Err(Error::Length { path: path.to_path_buf(), expected, found });
        }
        Ok(Self { path: path.to_path_buf(), file, config, starts: starts(&sections) })
    }

    /// The number of token ids.
    pub fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// Reads the weights.
    pub fn model(mut self) -> Result<Box<dyn Model>> {
        let config = llama(self.config.clone());
        let model = nuwa_models::build_zeros(&config)
            .map_err(|error| Error::config(&self.path, error.to_string()))?;
        folder::fill(model.as_ref(), &model.names(), |part| self.tensor(part))?;
        Ok(model)
    }

    fn tensor(&mut self, part: &Part) -> Result<Vec<f32>> {
        let start =
            self.starts.get(&part.name).expect("every tensor of a LLaMA without biases has a section");
        let mut bytes = vec![0; 4 * part.shape.iter().product::<usize>()];
        self.file.seek(SeekFrom::Start(*start)).map_err(FileError::read(&self.path))?;
        self.file.read_exact(&mut bytes).map_err(FileError::read(&self.path))?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect();
        check_finite(&self.path, &part.name, &values)?;
        let turned = ["q_proj.weight", "k_proj.weight"].iter().any(|name| part.name.ends_with(name));
        if turned {
            Ok(pairs_to_halves(&values, self.config.head_dim, self.config.hidden_size))
        } else {
            Ok(values)
        }
    }
}

/// That of a LLaMA without biases.
fn llama(decoder: DecoderConfig) -> ModelConfig {
    ModelConfig::Llama(LlamaConfig { decoder, attention_bias: false, mlp_bias: false })
}

fn configuration(path: &Path, header: &[u8; HEADER_BYTES as usize]) -> Result<DecoderConfig> {
    if header.starts_with(&ZIP_MAGIC) {
        let reason = "it is a PyTorch pickle; save the model in transformers with save_pretrained".into();
        return Err(Error::UnknownForm { path: path.to_path_buf(), reason });
    }
    let mut fields = [0_i32; HEADER.len()];
    for (field, word) in fields.iter_mut().zip(header.as_chunks::<4>().0) {
        *field = i32::from_le_bytes(*word);
    }
    if fields[0] as u32 == LATER_MAGIC {
        let reason = format!("it is a llama2.c model of version {}; only version 0 is read", fields[1]);
        return Err(Error::UnknownForm { path: path.to_path_buf(), reason });
    }
    let shared_head = fields[5] > 0;
    fields[5] = fields[5].saturating_abs();
    if let Some(index) = fields.iter().position(|&field| field <= 0) {
        let reason = format!("{} = {}: expected a number above 0", HEADER[index], fields[index]);
        return Err(Error::invalid(path, reason));
    }
    let [dim, hidden_dim, layers, heads, kv_heads, vocabulary, context] = fields.map(|field| field as usize);
    if !dim.is_multiple_of(heads) {
        return Err(Error::invalid(path, format!("n_heads = {heads}: expected a divisor of dim = {dim}")));
    }
    let config = DecoderConfig {
        vocab_size: vocabulary,
        hidden_size: dim,
        intermediate_size: hidden_dim,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim: dim / heads,
        max_position_embeddings: context,
        rms_norm_eps: 1e-5,
        rope: Rope::plain(10_000.0),
        hidden_act: GateActivation::Silu,
        tie_word_embeddings: shared_head,
        initializer_range: 0.02,
        bos_token_id: Some(1),
        eos_token_id: Some(2),
    };
    let checked = llama(config.clone()).validate();
    checked.map_err(|error| Error::invalid(path, error.to_string()))?;
    Ok(config)
}

/// The weights in the order of the file.
fn sections(config: &DecoderConfig) -> Vec<Section> {
    let number = |size: usize| size as u128;
    let (width, inner) = (number(config.hidden_size), number(config.intermediate_size));
    let (vocabulary, context) = (number(config.vocab_size), number(config.max_position_embeddings));
    let key_width = number(config.num_key_value_heads) * number(config.head_dim);
    let layered = |name, elements| Section { name, layers: config.num_hidden_layers, elements };
    let once = |name, elements| Section { name, layers: 1, elements };
    let mut sections = vec![
        once("model.embed_tokens.weight", vocabulary * width),
        layered("model.layers.{}.input_layernorm.weight", width),
        layered("model.layers.{}.self_attn.q_proj.weight", width * width),
        layered("model.layers.{}.self_attn.k_proj.weight", key_width * width),
        layered("model.layers.{}.self_attn.v_proj.weight", key_width * width),
        layered("model.layers.{}.self_attn.o_proj.weight", width * width),
        layered("model.layers.{}.post_attention_layernorm.weight", width),
        layered("model.layers.{}.mlp.gate_proj.weight", inner * width),
        layered("model.layers.{}.mlp.down_proj.weight", inner * width),
        layered("model.layers.{}.mlp.up_proj.weight", inner * width),
        once("model.norm.weight", width),
        // Cosines and sines, half a head wide each; computed here instead.
        once("rotary tables", context * number(config.head_dim)),
    ];
    if !config.tie_word_embeddings {
        sections.push(once("lm_head.weight", vocabulary * width));
    }
    sections
}

/// The byte that each tensor begins at. The sizes have been held against the file's length.
fn starts(sections: &[Section]) -> BTreeMap<String, u64> {
    let mut starts = BTreeMap::new();
    let mut at = HEADER_BYTES;
    for section in sections {
        for layer in 0..section.layers {
            starts.insert(section.name.replace("{}", &layer.to_string()), at);
            at += 4 * section.elements as u64;
        }
    }
    starts
}

/// In each head, row `2 i` goes to `i` and row `2 i + 1` to `i + head_dim / 2`.
fn pairs_to_halves(values: &[f32], head_dim: usize, width: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * width) {
        for parity in 0..2 {
            for pair in 0..head_dim / 2 {
                turned.extend_from_slice(&head[(2 * pair + parity) * width..][..width]);
            }
        }
    }
    turned
}
