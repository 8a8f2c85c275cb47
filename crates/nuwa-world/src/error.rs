/// What can go wrong while the world is written or audited.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A setting outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting's name, as in a recipe.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Setting { .. } => Some("correct the value in the recipe".into()),
        }
    }
}
