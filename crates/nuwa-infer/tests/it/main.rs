//! Integration tests of text generation and scoring.

mod generate;
mod likelihood;
mod sampling;
mod support;
