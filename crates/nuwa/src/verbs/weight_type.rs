//! How the weights of a GGUF file are kept, as an argument.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use nuwa_format::Mixture;

/// One of the mixtures by its name, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightType(pub Mixture);

impl FromStr for WeightType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Mixture::ALL.into_iter().find(|mixture| mixture.name().eq_ignore_ascii_case(text));
        found.map(Self).ok_or_else(|| {
            let names = Mixture::ALL.map(Mixture::name).join(", ");
            format!("`{text}` is not a type that is written: expected one of {names}")
        })
    }
}

/// The name of the file for a model that was named by a path: that of a run, of a folder, or of a file without its ending.
pub fn file_name(model: &Path, mixture: Mixture) -> PathBuf {
    let absolute = crate::model::absolute(model);
    let stages = ["model", "adapter"];
    let parts = absolute.ancestors().filter_map(Path::file_stem).map(|part| part.to_string_lossy());
    let named = parts.into_iter().find(|part| !stages.contains(&part.as_ref()));
    format!("{}-{}.gguf", named.as_deref().unwrap_or("model"), mixture.name()).into()
}

/// What rows that are no whole blocks were kept as instead, in words.
pub fn fallback_notes(written: &nuwa_format::GgufWritten) -> Vec<String> {
    let share = |weights: usize| nuwa_report::numbers::percent(weights as f64, written.parameters as f64);
    let note = |((wanted, kept), weights): (&(&str, &str), &usize)| {
        format!(
            "{} of the weights are kept as {kept} in place of {wanted}, whose blocks are 256 wide: their rows are no multiple of that",
            share(*weights)
        )
    };
    written.fallbacks.iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_in_any_case() {
        assert_eq!("q4_k_m".parse(), Ok(WeightType(Mixture::Q4_K_M)));
        let told = "q3".parse::<WeightType>().unwrap_err();
        assert_eq!(
            told,
            "`q3` is not a type that is written: expected one of F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0"
        );
    }

    #[test]
    fn a_file_is_named_after_its_run() {
        let name = |path: &str| file_name(Path::new(path), Mixture::Q8_0);
        assert_eq!(name("/runs/world/sft/model"), Path::new("sft-Q8_0.gguf"));
        assert_eq!(name("/runs/book/model"), Path::new("book-Q8_0.gguf"));
        assert_eq!(name("/models/SmolLM2.BF16.gguf"), Path::new("SmolLM2.BF16-Q8_0.gguf"));
    }
}
