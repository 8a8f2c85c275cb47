use nuwa_tokenizer::{StreamDecoder, Tokenizer};

use crate::Result;
use crate::stop::StopFilter;

/// Turns ids into text that is handed on in whole characters, up to the first stop string.
pub struct Writer<'a> {
    decoder: StreamDecoder,
    filter: StopFilter<'a>,
    text: String,
    stopped: bool,
    on_text: &'a mut dyn FnMut(&str),
}

impl<'a> Writer<'a> {
    /// Begins after `prompt`, whose text is not written.
    pub fn new(
        tokenizer: &Tokenizer,
        prompt: &[u32],
        stops: &'a [String],
        on_text: &'a mut dyn FnMut(&str),
    ) -> Result<Self> {
        let mut decoder = tokenizer.stream_decoder().skip_special_tokens();
        for &id in prompt {
            decoder.push(id)?;
        }
        Ok(Self { decoder, filter: StopFilter::new(stops), text: String::new(), stopped: false, on_text })
    }

    /// Writes what `id` completes; whether a stop string was reached.
    pub fn push(&mut self, id: u32) -> Result<bool> {
        match self.decoder.push(id)? {
            Some(piece) => Ok(self.pass(&piece)),
            None => Ok(false),
        }
    }

    /// Writes what was waiting for more, and gives the whole text with whether a stop string was reached. A character
    /// that was begun and not finished is left out.
    pub fn finish(mut self) -> (String, bool) {
        let rest = self.decoder.finish();
        if !self.stopped && !self.pass(rest.trim_end_matches(char::REPLACEMENT_CHARACTER)) {
            let held = self.filter.finish();
            self.write(&held);
        }
        (self.text, self.stopped)
    }

    fn pass(&mut self, piece: &str) -> bool {
        let passed = self.filter.push(piece);
        self.write(&passed.text);
        self.stopped = passed.stopped;
        self.stopped
    }

    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(text);
            (self.on_text)(text);
        }
    }
}
