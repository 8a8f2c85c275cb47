//! Text to token ids and back: training, loading, saving, streaming, chat templates.
//!
//! A [`Tokenizer`] is always a Hugging Face `tokenizer.json` with its `tokenizer_config.json`; the other formats
//! are turned into that form when they are read, so whatever was loaded can be saved for other programs.
//!
//! ```
//! use nuwa_tokenizer::{Tokenizer, TrainSettings, train};
//!
//! # let folder = tempfile::tempdir()?;
//! let texts = ["She made people of clay. 女娲用黄土造人。".repeat(9)];
//! let settings = TrainSettings { vocab_size: 270, ..TrainSettings::default() };
//! let tokenizer = train(texts.into_iter(), &settings, &mut |_| {})?;
//! let ids = tokenizer.encode("She made 人 🙂")?;
//! assert_eq!(tokenizer.decode(&ids)?, "She made 人 🙂");
//! tokenizer.save(folder.path())?;
//! assert_eq!(Tokenizer::load(folder.path())?.encode("She made 人 🙂")?, ids);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod added;
mod bpe;
mod byte_level;
mod bytes;
mod chat;
mod config;
mod decode;
mod error;
mod extend;
mod gguf;
mod import;
mod library;
mod pre;
mod ratings;
mod said;
mod special;
mod split;
mod taught;
pub mod template;
mod tokenizer;
mod train;

pub use chat::{CHAT_TEMPLATE, Message, TO_TOOLS, render_chat};
pub use decode::StreamDecoder;
pub use error::{Error, Result};
pub use ratings::{Attribute, RatingTokens};
pub use said::ChatText;
pub use split::SplitRule;
pub use tokenizer::Tokenizer;
pub use train::{END_OF_TEXT, MESSAGE_END, MESSAGE_START, TrainSettings, train};
