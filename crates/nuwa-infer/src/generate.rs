use nuwa_models::Model;
use nuwa_tokenizer::Tokenizer;

use crate::writer::Writer;
use crate::{GenerateSettings, Prompt, Result, Sampler, Sequence};

/// A text that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The continuation, without the prompt and without a stop string.
    pub text: String,
    /// The ids that were chosen, those of a stop string among them, without the end of the text.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it.
    EndOfText,
    /// It has as many tokens as were asked for.
    Length,
    /// A stop string came.
    Stop,
    /// The listener had enough.
    Interrupted,
}

/// What the listener to a text says after each piece of it.
pub type Flow = std::ops::ControlFlow<()>;

/// Continues `prompt`, which nothing is added to; `on_text` is given the text as it comes, in whole characters.
///
/// [`Engine`](crate::Engine) is the usual way here; this one is for a model that belongs to somebody else, such as a
/// training loop.
///
/// # Errors
/// When a setting makes no sense, the prompt is empty or longer than the model's context, or an id is unknown.
pub fn continue_ids(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    settings: &GenerateSettings,
    on_text: &mut dyn FnMut(&str),
) -> Result<Generation> {
    let ends: Vec<u32> = tokenizer.end_of_text().into_iter().collect();
    let prompt = Prompt::of(prompt.to_vec());
    continue_until(model, tokenizer, &prompt, settings, &ends, &mut || Flow::Continue(()), on_text)
}

/// As [`continue_ids`], up to any of the ids `ends`, and as long as `goes_on` says so before each token.
///
/// # Errors
/// As there.
pub fn continue_until(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    prompt: &Prompt,
    settings: &GenerateSettings,
    ends: &[u32],
    goes_on: &mut dyn FnMut() -> Flow,
    on_text: &mut dyn FnMut(&str),
) -> Result<Generation> {
    settings.check()?;
    let Prompt { ids, written, .. } = prompt;
    let mut sequence = Sequence::new(model, ids, settings.max_tokens)?;
    let vocabulary = model.vocabulary();
    // A model may know more ids than its tokenizer has tokens.
    let unwritable: Vec<u32> =
        (0..vocabulary as u32).filter(|&id| tokenizer.id_to_token(id).is_none()).collect();
    let mut sampler = Sampler::new(&settings.sampling, vocabulary, settings.seed)?.without(&unwritable);
    let given = ids.len().saturating_sub(*written);
    sampler.observe(&ids[..given]);
    sampler.wrote(&ids[given..]);
    let mut writer = Writer::new(tokenizer, ids, &settings.stop, on_text)?;
    let mut finish = Finish::Length;
    for _ in 0..settings.max_tokens {
        if goes_on().is_break() {
            finish = Finish::Interrupted;
            break;
        }
        let id = sampler.choose(&sequence.next_scores()?.to_host())?;
        if ends.contains(&id) {
            finish = Finish::EndOfText;
            break;
        }
        sequence.push(id);
        sampler.wrote(&[id]);
        if writer.push(id)? {
            break;
        }
    }
    let (text, stopped) = writer.finish();
    if stopped && finish != Finish::Interrupted {
        finish = Finish::Stop;
    }
    Ok(Generation { text, tokens: sequence.ids()[ids.len()..].to_vec(), finish })
}
