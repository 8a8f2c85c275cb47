//! Integration tests of the evaluation tasks.

mod harness;
mod language_modelling;
mod support;
