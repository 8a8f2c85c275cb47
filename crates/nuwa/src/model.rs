//! Text out of a model that is still in training.

use nuwa_infer::{GenerateSettings, Sampler, Sequence};
use nuwa_models::LanguageModel;
use nuwa_tokenizer::Tokenizer;

/// Continues `prompt` with a model that is still in training.
pub fn continue_text(
    model: &dyn LanguageModel,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    settings: &GenerateSettings,
) -> anyhow::Result<String> {
    let mut sequence = Sequence::new(model, prompt, settings.max_tokens)?;
    let unwritable: Vec<u32> =
        (0..model.vocabulary() as u32).filter(|id| tokenizer.id_to_token(*id).is_none()).collect();
    let mut sampler =
        Sampler::new(&settings.sampling, model.vocabulary(), settings.seed)?.without(&unwritable);
    for _ in 0..settings.max_tokens {
        let id = sampler.choose(sequence.next_scores()?.data())?;
        if Some(id) == tokenizer.end_of_text() {
            break;
        }
        sequence.push(id);
    }
    Ok(tokenizer.decode(&sequence.ids()[prompt.len()..])?)
}
