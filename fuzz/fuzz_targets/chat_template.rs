//! Chat templates, which come with models of others.
#![no_main]

use std::sync::LazyLock;

use nuwa_tokenizer::{Message, Tokenizer, TrainSettings, train};

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let text = "the potter put the jar on the wheel ".repeat(20);
    let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
    train(std::iter::once(text), &settings, &mut |_| {}).expect("a small vocabulary")
});

libfuzzer_sys::fuzz_target!(|template: &str| {
    let Ok(tokenizer) = TOKENIZER.with_chat_template(template) else { return };
    let messages = [Message::new("system", "s"), Message::new("user", "u"), Message::new("assistant", "a")];
    let _ = tokenizer.apply_chat_template(&messages, true);
});
