//! Recipes: every setting of a build in one TOML file.
//!
//! Each room defines its own settings; [`Recipe`] puts them together, and the JSON schema made of them is where
//! key names, types, defaults and documentation come from, for checking as well as for `nuwa init`.

mod check;
mod deciding;
mod draft;
mod keys;
mod pages;
pub mod renamed;
mod settings;

pub use deciding::deciding;
pub use draft::Draft;
pub use pages::{documented, short};
pub use settings::{Align, EvalSettings, Recipe};
