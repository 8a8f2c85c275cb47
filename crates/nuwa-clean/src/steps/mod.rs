//! The cleaning steps, a file each. To add one: write the file, name it in [`super::StepName`], give it its
//! settings in [`super::CleanSettings`] and a line in `CleanSettings::step`.

pub mod article;
pub mod boilerplate;
pub mod c4;
pub mod classified;
pub mod counterfactual;
pub mod decontaminate;
pub mod emoji;
pub mod exact_duplicates;
pub mod fineweb;
pub mod gopher_quality;
pub mod language;
pub mod length;
pub mod mix;
pub mod near_duplicates;
pub mod personal_data;
pub mod repeated_passages;
pub mod repetition;
pub mod spelling;
pub mod toxicity;
pub mod unicode;
pub mod whitespace;
