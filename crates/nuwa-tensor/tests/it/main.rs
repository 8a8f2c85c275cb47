//! Integration tests of the engine: gradients by finite differences, golden numbers from PyTorch, levels, threads.

mod attention;
mod batch_norm;
mod blocks;
mod cache;
mod conformance;
mod finite_differences;
mod golden;
mod invariants;
mod levels;
mod recurrent;
