use std::path::Path;

use clap::Args;

use crate::failure::Problem;

/// The language of texts, for models that tell languages apart.
#[derive(Debug, Args)]
pub struct LanguageArgument {
    /// The language of the texts by its code, such as en; needed by a model that is told languages (xlm)
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
}

impl LanguageArgument {
    /// Its number in the model in `folder`; none where the model tells no languages apart.
    pub fn number(&self, folder: &Path) -> anyhow::Result<Option<u32>> {
        let known = nuwa_format::load_config(folder)?.languages();
        let codes = known.join(", ");
        match &self.language {
            None if known.is_empty() => Ok(None),
            None => {
                let problem = Problem::new("the model is told the language of a text, and none was named");
                Err(problem.hint(format!("name it with --language: {codes}")).into())
            }
            Some(code) => {
                let place = known.iter().position(|own| own == code).map(|place| place as u32);
                let hint = match known.is_empty() {
                    true => "leave --language out: the model tells no languages apart".to_string(),
                    false => format!("the model knows {codes}"),
                };
                let problem =
                    || Problem::new(format!("--language {code}: the model does not know it")).hint(hint);
                Ok(Some(place.ok_or_else(problem)?))
            }
        }
    }
}
