//! Ratings as examples: `<context> RESPONSE <response> SENSIBLE 1`, of which the last token alone is learnt.
//!
//! With the share `r` of raters who said 1, the loss of an example is `-(r log p(1) + (1 - r) log p(0))` (Thoppilan et al.,
//! "LaMDA", 2022, where `r` is 0 or 1). How a rating is written is in [`RatingTokens`].

use nuwa_tokenizer::{Attribute, RatingTokens, Tokenizer};

use crate::Result;
use crate::data::Rated;
use crate::pack::Example;
use crate::render::render;

/// An example for each rating. Where one is longer than a model of `context` sees, its beginning is left out.
///
/// # Errors
/// When the template fails, or the tokenizer cannot write ratings.
pub fn examples(tokenizer: &Tokenizer, rated: &Rated, context: usize) -> Result<Vec<Example>> {
    let tokens = RatingTokens::of(tokenizer)?;
    let last = rated.dialogue.messages.len() - 1;
    let ids = render(tokenizer, &rated.dialogue, last)?.ids;
    let of = |(attribute, rating): (&Attribute, &f32)| example(&tokens, &ids, *attribute, *rating, context);
    Ok(rated.ratings.iter().map(of).collect())
}

fn example(
    tokens: &RatingTokens,
    answered: &[u32],
    attribute: Attribute,
    rating: f32,
    context: usize,
) -> Example {
    let likelier = rating >= 0.5;
    let mut ids = [answered, tokens.name(attribute), &[tokens.rating(likelier)]].concat();
    ids.drain(..ids.len().saturating_sub(context + 1));
    let mut trained = vec![false; ids.len()];
    trained[ids.len() - 1] = true;
    let share = if likelier { 1.0 - rating } else { rating };
    Example { ids, trained, other: (share > 0.0).then(|| (tokens.rating(!likelier), share)) }
}
