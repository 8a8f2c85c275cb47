//! The pages of runs, from their folders.

mod pages;
