use nuwa_tokenizer::{StreamDecoder, Tokenizer};

use crate::Result;
use crate::stop::StopFilter;

/// Turns ids into text, in whole characters, up to the first stop string.
pub struct Writer {
    decoder: StreamDecoder,
    filter: StopFilter,
    text: String,
    stopped: bool,
}

impl Writer {
    /// Begins after `prompt`, whose text is not written.
    pub fn new(tokenizer: &Tokenizer, prompt: &[u32], stops: Vec<String>) -> Result<Self> {
        let mut decoder = tokenizer.stream_decoder().skip_special_tokens();
        for &id in prompt {
            decoder.push(id)?;
        }
        Ok(Self { decoder, filter: StopFilter::new(stops), text: String::new(), stopped: false })
    }

    /// The text that `id` completes.
    pub fn push(&mut self, id: u32) -> Result<String> {
        Ok(self.decoder.push(id)?.map(|piece| self.pass(&piece)).unwrap_or_default())
    }

    /// Whether a stop string was reached.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What was waiting for more. A character that was begun and not finished is left out.
    pub fn finish(&mut self) -> String {
        let rest = self.decoder.finish();
        if self.stopped {
            return String::new();
        }
        let mut text = self.pass(rest.trim_end_matches(char::REPLACEMENT_CHARACTER));
        if !self.stopped {
            let held = self.filter.finish();
            self.text += &held;
            text += &held;
        }
        text
    }

    /// All that was written.
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn pass(&mut self, piece: &str) -> String {
        let passed = self.filter.push(piece);
        self.text += &passed.text;
        self.stopped = passed.stopped;
        passed.text
    }
}
