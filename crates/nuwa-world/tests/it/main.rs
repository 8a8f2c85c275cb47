//! The world on its whole way: written, collected, cleaned, audited.

mod world;
