//! How the likelihoods of a model differ between groups of people, by published sets of sentences.
//!
//! - [`crows_pairs`]: two sentences that differ in the group (Nangia et al. 2020).
//! - [`winobias`]: whom a pronoun means, with and against the usual occupation (Zhao et al. 2018).
//! - [`bbq`]: questions whose answer the context does not tell, or tells (Parrish et al. 2022).
//! - [`stereoset`]: which of three words or sentences goes on (Nadeem et al. 2021).
//!
//! What they say is "a difference in likelihood between such sentences", with its interval; there is no mark that a model passes
//! (Blodgett et al. 2021 found invalid pairs in three of the four). The sets are read from files of the user's; none is carried.

pub mod bbq;
pub mod crows_pairs;
mod sentence;
pub mod stereoset;
pub mod winobias;
