//! Ratings of answers, written as tokens (Thoppilan et al., "LaMDA", 2022, section 6.1).
//!
//! One model answers and rates. It is taught `<context> RESPONSE <response> SENSIBLE 1`: the conversation as the chat template
//! writes it up to the end of the answer, then the attribute in plain text, then one token, `1` or `0`. What people say stands
//! within turns and this does not, so nobody can say a rating. No token is added to the vocabulary: any model can be taught.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Tokenizer};

/// What an answer is rated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attribute {
    /// It makes sense where it stands and contradicts nothing.
    Sensible,
    /// It is about this conversation, and would not fit any other.
    Specific,
    /// It tells more than was asked for, or is clever.
    Interesting,
    /// It does no harm.
    Safe,
    /// What it claims of the world has a source.
    Grounded,
}

impl Attribute {
    /// All attributes.
    pub const ALL: [Self; 5] =
        [Self::Sensible, Self::Specific, Self::Interesting, Self::Safe, Self::Grounded];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sensible => "sensible",
            Self::Specific => "specific",
            Self::Interesting => "interesting",
            Self::Safe => "safe",
            Self::Grounded => "grounded",
        }
    }

    /// The attribute of a name in files.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// Its name as the model reads it.
    fn written(self) -> String {
        self.name().to_uppercase()
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How a tokenizer writes ratings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingTokens {
    /// The ids of each attribute's name, up to the rating, in the order of [`Attribute::ALL`].
    names: Vec<Vec<u32>>,
    /// The ids of `0` and of `1`.
    ratings: [u32; 2],
}

impl RatingTokens {
    /// How `tokenizer` writes them.
    ///
    /// # Errors
    /// When a rating is not one token of its own.
    pub fn of(tokenizer: &Tokenizer) -> Result<Self> {
        let unfit = || Error::Ratings { reason: "it writes 0 and 1 with the same last token".into() };
        let [mut zero, mut one] = [tokenizer.encode(" 0")?, tokenizer.encode(" 1")?];
        let ratings = [zero.pop().ok_or_else(unfit)?, one.pop().ok_or_else(unfit)?];
        if zero != one || ratings[0] == ratings[1] {
            return Err(unfit());
        }
        let name = |attribute: Attribute| {
            let mut ids = tokenizer.encode(&attribute.written())?;
            ids.extend(&zero);
            Ok(ids)
        };
        let names = Attribute::ALL.into_iter().map(name).collect::<Result<_>>()?;
        Ok(Self { names, ratings })
    }

    /// What stands between the end of an answer and its rating.
    pub fn name(&self, attribute: Attribute) -> &[u32] {
        &self.names[attribute as usize]
    }

    /// The token of a rating: of 1 or of 0.
    pub fn rating(&self, is_so: bool) -> u32 {
        self.ratings[usize::from(is_so)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TrainSettings, train};

    fn tokenizer() -> Tokenizer {
        let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
        train(std::iter::once("It is 1 of 10, or 0. ".repeat(9)), &settings, &mut |_| {}).unwrap()
    }

    #[test]
    fn a_rating_is_one_token_after_the_name_of_its_attribute() {
        let tokenizer = tokenizer();
        let tokens = RatingTokens::of(&tokenizer).unwrap();
        for attribute in Attribute::ALL {
            let row = [tokens.name(attribute), &[tokens.rating(true)]].concat();
            assert_eq!(tokenizer.decode(&row).unwrap(), format!("{} 1", attribute.written()));
            assert_eq!(Attribute::of_name(attribute.name()), Some(attribute));
        }
        assert_ne!(tokens.rating(true), tokens.rating(false));
    }
}
