//! Model folders in Hugging Face's layout, and models of other programs turned into them.
//!
//! [`load_model`], [`save_model`] and [`save_with_tokenizer`] read and write the weights and the configuration;
//! [`import`] and [`export`] make a whole folder with its tokenizer; [`Adapter`] is what LoRA trains. How one parameter
//! here is spread over the tensors there is [`parts`].
//!
//! ```
//! use nuwa_format::{load_for_inference, load_model, save_model};
//! use nuwa_tensor::DType;
//!
//! # let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/llama");
//! # let (source, copy) = (std::path::Path::new(source), tempfile::tempdir()?);
//! let model = load_model(source)?;
//! save_model(model.as_ref(), copy.path())?;
//! assert_eq!(load_model(copy.path())?.parameters().to_host(), model.parameters().to_host());
//! // Half the memory, where nothing is to be trained.
//! let small = load_for_inference(source, Some(DType::Bf16))?;
//! assert_eq!(small.parameters().count(), model.parameters().count());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod adapter;
mod base;
mod config;
mod dialect;
mod error;
mod folder;
mod generation;
mod gguf;
mod import;
mod labels;
mod layout;
mod llama2c;
mod scored;
mod sentence;
mod tensor_files;
mod to_gguf;
mod weights;

pub use adapter::{Adapter, AdapterPart, is_adapter, load_adapter, merge, save_adapter};
pub use base::{Base, weights_hash};
pub use config::load_config;
pub use error::{Error, Result};
pub use folder::{load_for_inference, load_model, save_model, save_with_tokenizer, weights_memory};
pub use import::{Imported, export, export_labelled, import};
pub use labels::{Labels, Problem};
pub use layout::{Part, parts};
pub use scored::{
    is_scored, labelled_from, load_labelled, load_scored, save_labelled, save_scored, scored_from,
};
pub use sentence::{Pooling, SentenceSettings};
pub use to_gguf::{
    GgufSettings, GgufWritten, MODELFILE, Mixture, check_trainable, export_gguf, modelfile,
    write as write_gguf,
};
