//! Integration tests of the evaluation tasks.

mod language_modelling;
mod support;
