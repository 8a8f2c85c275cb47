use std::path::Path;

use clap::Args;
use nuwa_eval::metrics::{BleuCounts, BleuSettings, BleuTokens, ChrfCounts, ChrfSettings};
use serde::Serialize;
use serde_json::json;

use super::asked::{Told, is_asked, together};
use super::metric::figures::{Figure, Measured, Shown};
use super::metric::texts::Pairs;
use super::sequences::SequenceArguments;
use crate::failure::Problem;
use crate::model;
use crate::prompted::{Asker, GivenText, Reserve, Task, joined, pieces};

/// Translate texts
///
/// With an encoder-decoder (marian, t5, bart) or UniLM by beam search, many texts at a time; which languages is up to what it was trained on:
/// nuwa sft MODEL --data PAIRS. With a model that chats by asking it for a translation into the language --to; long texts are cut at
/// ends of sentences into pieces that fit its context. With --references, prints BLEU, chrF and the share of exact matches instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa translate en-zh \"Mina lives in Marlow.\"
  nuwa translate en-zh --file news.en > news.zh
  nuwa translate en-zh --file test.en --references test.zh
  nuwa translate t5 --prefix \"translate English to German: \" \"That is good.\"
  echo \"Mina has a goat.\" | nuwa translate en-zh --beam 8 --best 3 --json
  nuwa translate runs/world --to Chinese \"Mina lives in Marlow.\"
  nuwa translate smollm2 --to fr --file letter.docx --prompt-file formal.jinja")]
pub struct Translate {
    /// The language to translate into, by name or code, for a model that chats
    #[arg(long, value_name = "LANGUAGE")]
    to: Option<String>,
    /// The language of the texts, by name or code, for a model that chats [default: the model finds out]
    #[arg(long, value_name = "LANGUAGE")]
    from: Option<String>,
    #[command(flatten)]
    arguments: SequenceArguments,
}

/// What the prompt file is given.
#[derive(Serialize)]
struct Values<'a> {
    text: &'a str,
    to: &'a str,
    from: Option<&'a str>,
}

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.arguments.model)?;
        if is_asked(&folder)? {
            return self.ask(&folder);
        }
        match self.to.is_some() || self.from.is_some() {
            true => Err(Problem::new(
                "--to and --from are for models that chat, and this one is an encoder-decoder",
            )
            .hint("leave them out: the model translates between the languages that it was trained on")
            .into()),
            false => self.arguments.run(measure),
        }
    }

    fn ask(&self, folder: &Path) -> anyhow::Result<()> {
        let Some(to) = self.to.as_deref().map(language_name) else {
            let problem = Problem::new("this model chats, and is not told which language to translate into");
            return Err(problem.hint("name it: --to Chinese").into());
        };
        let template = self.arguments.prompt.template(Task::Translate)?;
        let from = self.from.as_deref().map(language_name);
        let work = |asker: &mut Asker, texts: &[GivenText]| {
            translated(asker, texts, &|text| template.render(Values { text, to, from }))
        };
        self.arguments.run_asked(folder, work, measure)
    }
}

/// The texts in the other language, the pieces of all of them together.
fn translated(
    asker: &mut Asker,
    texts: &[GivenText],
    prompt: &dyn Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Told>> {
    let room = asker.room(&prompt("")?, Reserve::AsMuch)?;
    let (mut cut, mut prompts) = (Vec::new(), Vec::new());
    for given in texts {
        let own = pieces(&given.text, room, &|text| asker.count(text))?;
        for piece in &own {
            prompts.push(asker.prompt(&prompt(piece.text)?)?);
        }
        cut.push(own);
    }
    let written = asker.write_all(prompts, None)?;
    let mut rest = written.as_slice();
    let told = cut.iter().map(|own| {
        let (of_text, others) = rest.split_at(own.len());
        rest = others;
        let answers: Vec<String> = of_text.iter().map(|written| written.text.clone()).collect();
        together(joined(own, &answers), of_text)
    });
    Ok(told.collect())
}

/// Names of languages by their codes, as models know them.
const NAMES: [(&str, &str); 24] = [
    ("ar", "Arabic"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("es", "Spanish"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("nl", "Dutch"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ru", "Russian"),
    ("sv", "Swedish"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("vi", "Vietnamese"),
    ("zh", "Chinese"),
];

/// The name of a language that is given by its code, in any case; anything else is a name already.
fn language_name(given: &str) -> &str {
    let known =
        |(code, name): &(&str, &str)| code.eq_ignore_ascii_case(given) || name.eq_ignore_ascii_case(given);
    NAMES.iter().find(|names| known(names)).map_or(given, |(_, name)| name)
}

/// How near the translations are to their references.
fn measure(pairs: &Pairs, json: bool) -> anyhow::Result<()> {
    let shown = Shown::usual(json);
    let tokens = if pairs.is_unspaced() { BleuTokens::Chinese } else { BleuTokens::V13a };
    let bleu = BleuSettings { tokens, ..BleuSettings::default() };
    let chrf = ChrfSettings::CHRF;
    let of_bleu = pairs.each(|text, references| bleu.counts(text, references));
    let of_chrf = pairs.each(|text, references| chrf.counts(text, references));
    let exact =
        pairs.each(|text, references| f64::from(u8::from(references.iter().any(|own| own.trim() == text))));
    let count = exact.len();
    let score =
        |sample: &[usize]| bleu.score(&BleuCounts::sum(sample.iter().map(|index| &of_bleu[*index]))).score;
    let letters =
        |sample: &[usize]| chrf.score(&ChrfCounts::sum(sample.iter().map(|index| &of_chrf[*index])));
    let figures = [
        Figure::over("BLEU", count, shown, score),
        Figure::over(chrf.name(), count, shown, letters),
        Figure::mean("exact match", &exact, shown),
    ];
    let more = json!({ "translations": pairs.hypotheses });
    Measured {
        metric: "translation",
        item: "text",
        items: count,
        figures: figures.into_iter().flatten().collect(),
        signature: bleu.signature(pairs.count(), shown.samples()),
        more: more.as_object().cloned().unwrap_or_default(),
        text: Vec::new(),
        each: None,
    }
    .print(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_named_by_code_or_name() {
        let cases = [
            ("zh", "Chinese"),
            ("ZH", "Chinese"),
            ("chinese", "Chinese"),
            ("Klingon", "Klingon"),
            ("fr", "French"),
        ];
        for (given, name) in cases {
            assert_eq!(language_name(given), name);
        }
    }
}
