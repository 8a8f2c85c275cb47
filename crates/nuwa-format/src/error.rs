use std::path::{Path, PathBuf};

/// What can go wrong with a model folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written, or is not JSON.
    #[error(transparent)]
    Files(#[from] nuwa_files::Error),
    /// The tokenizer beside the model is at fault.
    #[error(transparent)]
    Tokenizer(#[from] nuwa_tokenizer::Error),
    /// A file without which a folder is no model.
    #[error("{} is no model folder: it has no {missing}", folder.display())]
    NotAModel {
        /// The folder looked into.
        folder: PathBuf,
        /// The file that was expected.
        missing: &'static str,
        /// Whether weights lie there as PyTorch pickles them.
        pickled: bool,
    },
    /// A family that is not known here.
    #[error("{}: unknown model_type \"{found}\", expected {known}", path.display())]
    UnknownFamily {
        /// The configuration file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// The families known, in words.
        known: String,
    },
    /// A field of the configuration is missing, of the wrong kind, or makes no sense.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Field, value, and what was expected.
        reason: String,
    },
    /// A model that is whole, but of a kind that is not computed here.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// Field and value, and what is supported.
        reason: String,
        /// What the user can do.
        hint: &'static str,
    },
    /// Some of the files of a model are there, and others not.
    #[error("{}: {missing} is missing; {because}", folder.display())]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The file's name.
        missing: String,
        /// What says that it should be there.
        because: String,
    },
    /// The content of a file is not what its form demands.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Place, value, and what was expected.
        reason: String,
    },
    /// A file is not as long as its own header says.
    #[error("{} is {found} bytes long, expected {expected} by its header", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u128,
        /// Bytes it has.
        found: u64,
    },
    /// The configuration asks for a tensor that the weights do not hold.
    #[error("{}: tensor {tensor} is missing", path.display())]
    MissingTensor {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor does not have the shape that the configuration asks for.
    #[error("{}: tensor {tensor} has shape {found:?}, but config.json asks for {expected}", path.display())]
    Shape {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: String,
    },
    /// The experts of a layer are in none of the forms that are read.
    #[error(
        "{}: experts are stored neither as {expected} nor as {fused}; found: {}",
        path.display(), first_names(.found)
    )]
    ExpertLayout {
        /// The weights.
        path: PathBuf,
        /// A tensor of one expert.
        expected: String,
        /// The tensor of all experts that would hold it.
        fused: String,
        /// Tensors of the same layer beside its attention.
        found: Vec<String>,
    },
    /// The weights hold tensors that such a model has no place for.
    #[error("{}: {} no place in the model: {}", path.display(), count(.tensors), first_names(.tensors))]
    Unexpected {
        /// The weights.
        path: PathBuf,
        /// The tensors' names.
        tensors: Vec<String>,
    },
    /// The head of a tied model lies in the file and differs from the embedding.
    #[error("{}: config.json ties the output head to the embedding, but {copy} differs", path.display())]
    NotTied {
        /// The weights.
        path: PathBuf,
        /// The tensor that differs.
        copy: String,
    },
    /// A kind of number that is not read.
    #[error("{}: tensor {tensor} holds {found}, expected F32, F16, BF16 or F64", path.display())]
    Kind {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The kind by its name in safetensors.
        found: String,
    },
    /// A weight that is NaN or infinite.
    #[error("{}: tensor {tensor} holds {value} at element {index}, expected finite numbers", path.display())]
    NotFinite {
        /// The weights.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The first such element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A model that no GGUF file is written of.
    #[error("{} is not written: {reason}", path.display())]
    NoGguf {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing that a model can be made from.
    #[error("{} cannot be imported: {reason}", path.display())]
    UnknownForm {
        /// The file or folder.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// llama2.c keeps the vocabulary in a file of its own, which is not there.
    #[error("{} has no vocabulary beside it: expected {expected}", path.display())]
    NoVocabulary {
        /// The model file.
        path: PathBuf,
        /// The names looked for.
        expected: String,
    },
    /// A model that writes was asked for.
    #[error("{} holds a reward model: it scores answers and writes none", folder.display())]
    Scores {
        /// Its folder.
        folder: PathBuf,
    },
    /// A model that writes was asked for, and this one tells labels.
    #[error("{} holds a classifier: it tells the labels of texts and writes none", folder.display())]
    TellsLabels {
        /// Its folder.
        folder: PathBuf,
    },
    /// A model that tells labels was asked for.
    #[error("{} holds a model without a head for labels", folder.display())]
    TellsNothing {
        /// Its folder.
        folder: PathBuf,
    },
    /// A model that scores was asked for.
    #[error("{} holds no reward model: its weights have no score.weight", folder.display())]
    ScoresNothing {
        /// Its folder.
        folder: PathBuf,
    },
    /// Model and tokenizer do not belong together.
    #[error("{}: the tokenizer has {tokenizer} ids, but the model knows {model}", path.display())]
    Vocabulary {
        /// The tokenizer's file or folder.
        path: PathBuf,
        /// Ids of the tokenizer.
        tokenizer: usize,
        /// Ids of the model.
        model: usize,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn invalid(path: &Path, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn config(path: &Path, reason: impl Into<String>) -> Self {
        Self::Config { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn unsupported(path: &Path, reason: impl Into<String>, hint: &'static str) -> Self {
        Self::Unsupported { path: path.to_path_buf(), reason: reason.into(), hint }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Files(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::NotAModel { pickled: true, .. } => {
                "its weights are a PyTorch pickle, which is not read; load it in transformers and save it again with \
                 save_pretrained, which writes model.safetensors"
            }
            Self::NotAModel { missing: "model.safetensors", .. } => {
                "weights are read from model.safetensors, or from its parts (model-00001-of-00002.safetensors and so on); fetch \
                 the model's whole folder in this form"
            }
            Self::NotAModel { .. } => {
                "give the folder that holds config.json and model.safetensors, such as RUN/model"
            }
            Self::UnknownFamily { .. } => {
                "take a model of one of these kinds (Llama 3, TinyLlama, SmolLM2, Mistral, Qwen2.5, Qwen3, GPT-2 and GPT-Neo are), or run this \
                 one with transformers; another model_type in config.json does not make it one of them"
            }
            Self::Config { .. } => {
                "config.json has to be the one that came with the weights: fetch it again, or export the model again"
            }
            Self::Length { .. } => "the file was not written or copied to its end; fetch or export it again",
            Self::Invalid { .. } => "the file is damaged or of another kind; fetch or export it again",
            Self::MissingTensor { .. } | Self::Shape { .. } | Self::Unexpected { .. } => {
                "config.json and the weights belong to different models; fetch or export both together again"
            }
            Self::ExpertLayout { .. } => {
                "save the model again with transformers' save_pretrained, which writes one of the two"
            }
            Self::NotTied { .. } => {
                "the two do not agree which head the model was trained with: fetch the model again, or save it again with the \
                 program that trained it"
            }
            Self::Kind { .. } => "quantised weights are not read; use the model's f32, f16 or bf16 weights",
            Self::Unsupported { hint, .. } => hint,
            Self::MissingFile { .. } => {
                "fetch the whole folder again: every file of the model has to lie in it"
            }
            Self::NotFinite { .. } => {
                "the weights are damaged or training diverged; go back to an earlier checkpoint or fetch them again"
            }
            Self::UnknownForm { .. } => {
                "a Hugging Face folder with model.safetensors, a GGUF file or a llama2.c .bin file can be imported"
            }
            Self::NoGguf { .. } => "export it as a model folder instead: --format safetensors",
            Self::NoVocabulary { .. } => {
                "put the vocabulary that the model was trained with into the same folder"
            }
            Self::Scores { .. } => "give the model that it was made from, or one that was tuned by it",
            Self::TellsLabels { .. } => "let it tell labels, or give the model that it was made from",
            Self::TellsNothing { .. } => {
                "fine-tune it on texts with labels first; the result has such a head"
            }
            Self::ScoresNothing { .. } => "give one that was trained on preferences to score answers",
            Self::Vocabulary { .. } => "use the tokenizer that the model was trained with",
        };
        Some(hint.to_string())
    }
}

fn count(tensors: &[String]) -> String {
    match tensors.len() {
        1 => "1 tensor has".into(),
        more => format!("{more} tensors have"),
    }
}

/// Enough names to see what is wrong.
fn first_names(tensors: &[String]) -> String {
    const SHOWN: usize = 3;
    let names = tensors[..tensors.len().min(SHOWN)].join(", ");
    if tensors.len() > SHOWN { format!("{names}, ...") } else { names }
}
