//! Integration tests of the evaluation tasks.

mod bias;
mod files;
mod harness;
mod language_modelling;
mod shots;
mod support;
