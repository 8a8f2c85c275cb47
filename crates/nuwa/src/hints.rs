//! What to do next, in words of the command line: libraries say what is wrong and name settings, the program words verbs and
//! flags.

use std::error::Error as StandardError;
use std::io;

use nuwa_align::Advice;
use nuwa_files::{Remedy, quoted, quoted_path};
use nuwa_models::Prediction;

/// What the user can do about one cause of a failure.
pub fn hint(cause: &(dyn StandardError + 'static)) -> Option<String> {
    macro_rules! hint_of {
        ($($kind:ty => $hint:expr),+ $(,)?) => {
            $(if let Some(error) = cause.downcast_ref::<$kind>() { return $hint(error); })+
        };
    }
    hint_of!(nuwa_files::Error => of_files, nuwa_text::Error => of_text, nuwa_collect::Error => of_collect);
    hint_of!(nuwa_clean::Error => of_clean, nuwa_world::Error => of_world, nuwa_shards::Error => of_shards);
    hint_of!(nuwa_train::Error => of_train, nuwa_align::Error => of_align, nuwa_guard::Error => of_guard);
    hint_of!(nuwa_tokenizer::Error => of_tokenizer, nuwa_format::Error => of_format);
    hint_of!(nuwa_serve::Error => of_serve);
    hint_of!(nuwa_infer::Error => of_infer, nuwa_eval::Error => of_eval, nuwa_report::Error => of_report);
    of_io(cause.downcast_ref::<io::Error>()?)
}

const SETTING: &str = "correct the value in the recipe or in --set";

fn of_files(error: &nuwa_files::Error) -> Option<String> {
    match error {
        nuwa_files::Error::NoDocuments { .. } => {
            Some("turn raw files into documents first: nuwa collect PATH --out DIR".into())
        }
        error => error.hint(),
    }
}

fn of_text(error: &nuwa_text::Error) -> Option<String> {
    let hint = match error {
        nuwa_text::Error::File(error) => return of_files(error),
        nuwa_text::Error::NoText { others, .. } if others.is_empty() => {
            "name the field that holds the text: --text-field NAME".into()
        }
        nuwa_text::Error::NoText { others, .. } => {
            format!("name the field that holds the text (--text-field NAME); here: {}", others.join(", "))
        }
        nuwa_text::Error::Classifier { .. } => {
            "train it again: nuwa classifier --positive FILE --negative FILE --out FILE".into()
        }
        error => return error.hint(),
    };
    Some(hint)
}

fn of_guard(error: &nuwa_guard::Error) -> Option<String> {
    match error {
        nuwa_guard::Error::File(error) => of_files(error),
        error => error.hint(),
    }
}

fn of_collect(error: &nuwa_collect::Error) -> Option<String> {
    if let Some(remedy) = error.remedy() {
        return Some(in_flags(&remedy));
    }
    let hint = match error {
        nuwa_collect::Error::File(error @ nuwa_files::Error::NoDocuments { .. }) => return of_files(error),
        nuwa_collect::Error::EmptyFolder { path, .. } if path.is_dir() => {
            "it must hold files of known endings (nuwa collect --help lists them); name other endings of plain text in \
            collect.extra_text_extensions"
                .into()
        }
        nuwa_collect::Error::Dialogues { path, is_preference: true, .. } => format!(
            "tune a model on it: nuwa dpo MODEL --data {0} --out DIR, or nuwa build --preferences {0}",
            quoted_path(path)
        ),
        nuwa_collect::Error::Dialogues { path, .. } => format!(
            "tune a model on it: nuwa sft MODEL --data {0} --out DIR, or nuwa build --answers {0}; to learn one of its \
            fields as text, set collect.text_field",
            quoted_path(path)
        ),
        nuwa_collect::Error::Setting { .. } => SETTING.into(),
        error => return error.hint(),
    };
    Some(hint)
}

fn of_clean(error: &nuwa_clean::Error) -> Option<String> {
    match error {
        nuwa_clean::Error::File(error) => of_files(error),
        nuwa_clean::Error::Text(error) => of_text(error),
        nuwa_clean::Error::Setting { .. } => Some(SETTING.into()),
        error => error.remedy().map_or_else(|| error.hint(), |remedy| Some(in_flags(&remedy))),
    }
}

fn of_world(error: &nuwa_world::Error) -> Option<String> {
    match error {
        nuwa_world::Error::File(error) => of_files(error),
        nuwa_world::Error::Setting { .. } => Some(SETTING.into()),
    }
}

fn of_shards(error: &nuwa_shards::Error) -> Option<String> {
    let hint = match error {
        nuwa_shards::Error::File(error) => return of_files(error),
        nuwa_shards::Error::Setting { .. } => SETTING,
        nuwa_shards::Error::Shard { .. } => {
            "the file may have been cut short; write the shards again: nuwa tokenize"
        }
        nuwa_shards::Error::NoLanguages { .. } => {
            "write them again with the languages: nuwa tokenize DOCS --set tokenize.languages=true"
        }
        nuwa_shards::Error::NoEndOfText => {
            "name one as `eos_token` in tokenizer_config.json, or train a tokenizer with nuwa tokenizer train"
        }
        error => return error.hint(),
    };
    Some(hint.into())
}

fn of_tokenizer(error: &nuwa_tokenizer::Error) -> Option<String> {
    use nuwa_tokenizer::Error;
    match error {
        Error::Files(error) => of_files(error),
        Error::NoTokenizer { .. } | Error::UnknownForm { .. } => {
            Some("name a folder with tokenizer.json, or train one with `nuwa tokenizer train`".into())
        }
        Error::Setting { name, .. } => Some(change(name)),
        error => error.hint(),
    }
}

fn of_format(error: &nuwa_format::Error) -> Option<String> {
    match error {
        nuwa_format::Error::Files(error) => of_files(error),
        nuwa_format::Error::Tokenizer(error) => of_tokenizer(error),
        nuwa_format::Error::TellsNothing { .. } => Some(
            "fine-tune it on texts with labels first: nuwa sft MODEL --data labelled.csv --out DIR; or name labels for a model that writes: --labels good,bad".into(),
        ),
        nuwa_format::Error::TellsLabels { folder } => {
            let model = quoted_path(folder);
            Some(format!("let it tell labels: nuwa classify {model} TEXT"))
        }
        error => error.hint(),
    }
}

fn of_infer(error: &nuwa_infer::Error) -> Option<String> {
    match error {
        nuwa_infer::Error::Format(error) => of_format(error),
        nuwa_infer::Error::Tokenizer(error) => of_tokenizer(error),
        nuwa_infer::Error::Predicts { wanted: Prediction::NextToken, predicts: Prediction::Answer } => Some(
            "it is an encoder-decoder: give it a text to answer with nuwa translate or nuwa summarize, and teach it with nuwa sft".into(),
        ),
        nuwa_infer::Error::Predicts { wanted: Prediction::Answer, .. } => Some(
            "take an encoder-decoder (--family marian, t5 or bart), or let this one write with nuwa generate or nuwa chat".into(),
        ),
        error => error.hint(),
    }
}

fn of_serve(error: &nuwa_serve::Error) -> Option<String> {
    use nuwa_serve::Error;
    let hint = match error {
        Error::Infer(error) => return of_infer(error),
        Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            "another program has the port: name another one with --port"
        }
        Error::Listen { .. } => {
            "name an address of this machine with --host, and a port above 1023 with --port"
        }
        Error::NoKey { .. } => {
            "write a key of at least 16 characters into a file and name it with --api-key FILE, or listen on 127.0.0.1"
        }
        Error::SameName { .. } => "name each model once; NAME=PATH gives it a name",
        error => return error.hint(),
    };
    Some(hint.into())
}

fn of_eval(error: &nuwa_eval::Error) -> Option<String> {
    match error {
        nuwa_eval::Error::Files(error) => of_files(error),
        nuwa_eval::Error::Infer(error) => of_infer(error),
        nuwa_eval::Error::TaskFile { .. } => {
            Some("nuwa eval --help says where a task file is described".into())
        }
        nuwa_eval::Error::TooFewExamples { found, .. } => {
            Some(format!("name a file with more of them, or ask for fewer: --num-fewshot {found}"))
        }
        nuwa_eval::Error::Comparing { .. } => {
            Some("name models whose evaluations have a task in common, or run one: nuwa compare A B --task NAME --data FILE".into())
        }
        error => error.hint(),
    }
}

fn of_report(error: &nuwa_report::Error) -> Option<String> {
    use nuwa_report::Error;
    let hint = match error {
        Error::Files(error) => return of_files(error),
        Error::Clean(error) => return of_clean(error),
        Error::NotAFolder { .. } | Error::NoRun { .. } => {
            "name the folder that `nuwa build` wrote, such as runs/NAME".into()
        }
        Error::NotCleaned { run, collected: true } => {
            let [documents, out] = ["collect", "clean"].map(|stage| quoted_path(run.join(stage)));
            format!("clean what was collected: nuwa clean {documents} --out {out}")
        }
        Error::NotCleaned { run, .. } => {
            let (recipe, out) = (quoted_path(run.join("recipe.toml")), quoted_path(run));
            format!("go on with the build: nuwa build {recipe} --out {out}")
        }
        Error::NothingCleaned { .. } => {
            "name the folder of a run, such as runs/NAME, or one that `nuwa clean DOCUMENTS --out DIR` wrote"
                .into()
        }
        error => return error.hint(),
    };
    Some(hint)
}

fn of_train(error: &nuwa_train::Error) -> Option<String> {
    use nuwa_train::Error;
    let hint = match error {
        Error::Files(error) => return of_files(error),
        Error::Shards(error) => return of_shards(error),
        Error::Tokenizer(error) => return of_tokenizer(error),
        Error::Setting { name, .. } => return Some(change(name)),
        Error::Steps(cause) => return hint(cause.as_ref()),
        Error::TooShort { .. } => {
            "give more text, or a shorter context with --set model.context=64 (any even number from 8 on)"
        }
        Error::Diverged { .. } => {
            "the last good state is kept in the checkpoint; delete it and lower the peak: --set \
            pretrain.learning_rate=3e-4"
        }
        Error::Stopped { .. } => "give the same command again: it goes on",
        Error::Budget { .. } => "give more time, such as --budget 5m",
        Error::PresetMemory { largest: Some(largest), .. } => {
            return Some(format!("choose it: --preset {largest}, or a shorter --set model.context=256"));
        }
        Error::PresetMemory { .. } => {
            "choose a shorter --set model.context=256, or --params in place of a preset"
        }
        Error::Memory { .. } => {
            "choose fewer --params, a smaller --set pretrain.micro_batch_tokens=1024, or leave pretrain.recompute on \
            auto"
        }
        error => return error.hint(),
    };
    Some(hint.into())
}

fn of_align(error: &nuwa_align::Error) -> Option<String> {
    use nuwa_align::Error;
    let hint = match error {
        Error::Files(error) => return of_files(error),
        Error::Shards(error) => return of_shards(error),
        Error::Tokenizer(error) => return of_tokenizer(error),
        Error::Format(error) => return of_format(error),
        Error::Train(error) => return of_train(error),
        Error::Setting { name, .. } => return Some(change(name)),
        Error::Record { advice, .. } => return Some(of_record(advice)),
        Error::Empty { .. } => "look at what is trained on with nuwa inspect MODEL --tokens FILE",
        Error::Template { .. } => {
            "use a template that writes turn after turn, such as ChatML: --chat-template FILE"
        }
        Error::Text { source, .. } => return of_infer(source),
        Error::Columns { .. } => {
            "say which columns hold the texts and their labels: --text COLUMN --label COLUMN (--pair COLUMN for second texts)"
        }
        Error::TooManyLabels { .. } => {
            "name the column that holds the labels: --label COLUMN; of a quantity, have a number learnt: --kind number"
        }
        Error::NoTarget { .. } => "choose among these with --set sft.lora.targets or --set dpo.lora.targets",
        error => return error.hint(),
    };
    Some(hint.into())
}

fn of_record(advice: &Advice) -> String {
    match advice {
        Advice::LeaveOut(stage) => format!(
            "correct the record, or leave such records out: --set {stage}.tuning.bad_records=skip"
        ),
        Advice::LeaveOutPrompt => "correct the record, or leave such prompts out: --bad-records skip".into(),
        Advice::Columns(example) => format!(
            "give the columns these names; nuwa sft and nuwa dpo also take names of your own, for example --columns \
            {example}"
        ),
        Advice::Pairs(example) => {
            format!(
                "call the text that is read source and the other one target, or say which is which; nuwa sft takes \
                 --columns {example}"
            )
        }
        Advice::Preferences => {
            "records with chosen and rejected are preferences: nuwa dpo learns from them, and nuwa build --preferences"
                .into()
        }
        Advice::LabelledAnswers => {
            "records with a label are single answers, not pairs: learn from them with nuwa dpo --loss kto (in a build: --set dpo.loss=kto); nuwa sft learns those whose label is true"
                .into()
        }
    }
}

fn change(setting: &str) -> String {
    format!("change {setting} in the recipe, or with --set {setting}=...")
}

/// The settings as flags to be copied.
fn in_flags(remedy: &Remedy) -> String {
    let flags: Vec<String> =
        remedy.settings.iter().map(|setting| format!("--set {}", quoted(setting))).collect();
    format!("{}: {}", remedy.purpose, flags.join(" "))
}

fn of_io(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "check the spelling; a relative path starts at the current folder",
        io::ErrorKind::PermissionDenied => "choose a place you may write to, or change its permissions",
        io::ErrorKind::StorageFull => {
            "free some space or choose another place with --out, then run the same command again: it goes on"
        }
        io::ErrorKind::InvalidData => "convert the input to UTF-8 first",
        _ => return None,
    };
    Some(hint.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_flags_that_a_shell_reads_as_they_are() {
        let remedy =
            Remedy { purpose: "to keep them".into(), settings: vec!["a.b=1".into(), "c=[\"x\"]".into()] };
        assert_eq!(in_flags(&remedy), "to keep them: --set a.b=1 --set 'c=[\"x\"]'");
    }

    #[test]
    fn what_a_stage_below_says_is_worded_too() {
        let error = nuwa_align::Error::Train(nuwa_shards::Error::NoEndOfText.into());
        assert!(hint(&error).unwrap().ends_with("with nuwa tokenizer train"));
    }
}
