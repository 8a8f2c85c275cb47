//! The cleaning steps, a file each. To add one: write the file, name it in [`super::StepName`], give it its
//! settings in [`super::CleanSettings`] and a line in `CleanSettings::step`.

pub mod article;
pub mod c4;
pub mod exact_duplicates;
pub mod fineweb;
pub mod gopher_quality;
pub mod length;
pub mod near_duplicates;
pub mod repetition;
pub mod unicode;
pub mod whitespace;
