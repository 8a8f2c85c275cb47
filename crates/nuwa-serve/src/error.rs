use std::io;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Host and port.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// A host that others can reach, and no key.
    #[error("{host} can be reached from other machines, and there is no key that they would have to know")]
    NoKey {
        /// The host.
        host: String,
    },
    /// Two models of one name.
    #[error("two models are called {name}")]
    SameName {
        /// The name.
        name: String,
    },
    /// No model at all.
    #[error("there is no model to serve")]
    NoModel,
    /// A setting that nothing can be served with.
    #[error("{name} = {value}: {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The model or its tokenizer.
    #[error(transparent)]
    Infer(#[from] nuwa_infer::Error),
    /// The system gave no thread or no runtime.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => "another program has the port: name another one",
            Self::Listen { .. } => "name a host that this machine has, and a port above 1023",
            Self::NoKey { .. } => "name a file with a key, or listen on 127.0.0.1",
            Self::SameName { .. } => "give each model a name of its own",
            Self::NoModel => "name a model folder",
            Self::Infer(error) => return error.hint(),
            Self::Setting { .. } | Self::Thread(_) => return None,
        };
        Some(hint.to_string())
    }
}
