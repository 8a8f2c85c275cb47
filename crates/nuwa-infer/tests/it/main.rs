//! Integration tests of text generation and scoring.

mod beam;
mod candidates;
mod conversation;
mod encoder_decoders;
mod generate;
mod likelihood;
mod loaded;
mod sampling;
mod scheduler;
mod support;
