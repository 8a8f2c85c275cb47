//! Integration tests of the evaluation tasks.

mod files;
mod harness;
mod language_modelling;
mod shots;
mod support;
