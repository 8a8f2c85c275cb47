//! What sentence-transformers lays beside a model that makes vectors of texts: `modules.json` and the settings that it names.

use std::path::Path;

use serde_json::Value;

use crate::config::LARGEST;
use crate::{Error, Result};

/// How the vectors of such a model are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentenceSettings {
    /// How the rows of a text become one.
    pub pooling: Option<Pooling>,
    /// Whether vectors have length 1.
    pub normalised: bool,
    /// The most tokens of a text.
    pub longest: Option<usize>,
}

/// How the rows of a text become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all.
    Mean,
    /// The first, of encoders `[CLS]`'s.
    Cls,
    /// The last, the only one of a decoder's that has seen the whole text.
    Last,
}

const MODULES: &str = "modules.json";
const LENGTHS: &str = "sentence_bert_config.json";

const HINT: &str = "run it with sentence-transformers, or say how the rows of a text become one yourself";

impl SentenceSettings {
    /// What lies in `folder`; of a folder without `modules.json`, nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or asks for what is not computed here.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(MODULES);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let modules: Value = nuwa_files::read_json_at_most(&path, LARGEST)?;
        let mut settings = Self::default();
        for module in modules.as_array().into_iter().flatten() {
            match module["type"].as_str().and_then(|kind| kind.rsplit('.').next()).unwrap_or_default() {
                "Transformer" => {}
                "Normalize" => settings.normalised = true,
                "Pooling" => {
                    let own = folder.join(module["path"].as_str().unwrap_or_default());
                    settings.pooling = Some(pooling(&own)?);
                }
                other => {
                    let reason =
                        format!("the module {other} is not supported, only Pooling and Normalize are");
                    return Err(Error::unsupported(&path, reason, HINT));
                }
            }
        }
        let lengths = folder.join(LENGTHS);
        if lengths.is_file() {
            let told: Value = nuwa_files::read_json_at_most(&lengths, LARGEST)?;
            settings.longest = told["max_seq_length"].as_u64().map(|longest| longest as usize);
        }
        Ok(settings)
    }
}

/// The only way that the settings of the module in `folder` turn on.
fn pooling(folder: &Path) -> Result<Pooling> {
    let path = folder.join(crate::config::CONFIG);
    let config: Value = nuwa_files::read_json_at_most(&path, LARGEST)?;
    let on: Vec<&str> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| name.starts_with("pooling_mode_") && **value == true)
        .map(|(name, _)| name.as_str())
        .collect();
    match on[..] {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
        ["pooling_mode_lasttoken"] => Ok(Pooling::Last),
        _ => {
            let reason = format!(
                "{} is not supported, only one of pooling_mode_mean_tokens, pooling_mode_cls_token and pooling_mode_lasttoken is",
                on.join(" with ")
            );
            Err(Error::unsupported(&path, reason, HINT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_model_says_how_vectors_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(SentenceSettings::load(folder.path()).unwrap(), SentenceSettings::default());
        let module = |kind: &str, path: &str| {
            format!(r#"{{"type": "sentence_transformers.models.{kind}", "path": "{path}"}}"#)
        };
        let all =
            [module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")];
        write("modules.json", &format!("[{}]", all.join(",")));
        write(
            "1_Pooling/config.json",
            r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
        );
        write("sentence_bert_config.json", r#"{"max_seq_length": 64}"#);
        let found = SentenceSettings::load(folder.path()).unwrap();
        assert_eq!(
            found,
            SentenceSettings { pooling: Some(Pooling::Cls), normalised: true, longest: Some(64) }
        );
        write(
            "1_Pooling/config.json",
            r#"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#,
        );
        assert!(
            SentenceSettings::load(folder.path())
                .unwrap_err()
                .to_string()
                .contains("pooling_mode_max_tokens")
        );
        write("modules.json", &format!("[{}]", module("Dense", "2_Dense")));
        assert!(SentenceSettings::load(folder.path()).unwrap_err().to_string().contains("Dense"));
    }
}
