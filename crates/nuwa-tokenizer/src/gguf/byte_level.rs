//! Byte-level BPE: a rule that cuts text into words, and merges.

use nuwa_files::gguf::List;
use serde_json::Value as Json;

use super::{Form, inexpressible, merges};
use crate::pre::Rule;
use crate::{Result, bytes};

/// The form of a vocabulary of that kind.
pub fn form(json: &Json) -> Result<Form> {
    let pre = pre(json)?;
    let lines = merges(&json["model"])?.into_iter().map(|(left, right)| format!("{left} {right}"));
    let rule = ("merges", List::Text(lines.collect()));
    Ok(Form { model: "gpt2", pre, rule, puts_blank_first: false })
}

/// The name under which llama.cpp cuts text as this tokenizer does.
fn pre(json: &Json) -> Result<&'static str> {
    let model = &json["model"];
    // Text is normalised (NFC) before some of these at Hugging Face; llama.cpp's own converter leaves that out.
    let normalizer = json["normalizer"]["type"].as_str();
    if let Some(kind) = normalizer.filter(|kind| *kind != "NFC") {
        return Err(inexpressible(format!("its normalizer ({kind}) has no equal in llama.cpp")));
    }
    let (pre_tokenizer, ignore_merges) = (&json["pre_tokenizer"], model["ignore_merges"] == true);
    if let Some(name) = Rule::name_of(pre_tokenizer, ignore_merges) {
        return Ok(name);
    }
    match Rule::name_of_runs(pre_tokenizer, ignore_merges) {
        Some(name) if !joins_characters(model) => Ok(name),
        Some(_) => Err(inexpressible(
            "it cuts Chinese characters one by one, as llama.cpp does not, and has tokens that would join two of them",
        )),
        None => Err(inexpressible("it cuts text into words as llama.cpp cannot")),
    }
}

/// Whether a token joins the end of a character to the beginning of a Chinese character or of kana, whose first bytes are E3 to E9.
fn joins_characters(model: &Json) -> bool {
    let tokens = model["vocab"].as_object().into_iter().flatten().map(|(token, _)| token);
    let joins = |token: &String| {
        let bytes = bytes::from_characters(token).unwrap_or_default();
        bytes.windows(2).any(|pair| matches!(pair, [0x80..=0xBF, 0xE3..=0xE9]))
    };
    tokens.into_iter().any(joins)
}

#[cfg(test)]
mod tests {

    use crate::{SplitRule, Tokenizer, TrainSettings, train};

    fn trained(split: SplitRule) -> Tokenizer {
        let settings = TrainSettings { vocab_size: 280, split, ..TrainSettings::default() };
        let texts = ["She made people of clay and water. 女娲用黄土造人。".repeat(20)];
        train(texts.into_iter(), &settings, &mut |_| {}).unwrap()
    }

    fn file(tokenizer: &Tokenizer, ids: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        let keys = tokenizer.gguf_keys(ids).unwrap();
        let written = nuwa_files::gguf::write(&path, &keys, &[], |_, _| Ok::<(), nuwa_files::Error>(()));
        written.unwrap().confirm().unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_written_gives_the_same_ids() {
        for split in [
            SplitRule::Multilingual,
            SplitRule::Characters,
            SplitRule::Llama3,
            SplitRule::Qwen2,
            SplitRule::Gpt2,
        ] {
            let tokenizer = trained(split);
            let (_folder, path) = file(&tokenizer, 290);
            let read = Tokenizer::load(&path).unwrap();
            for text in ["She made 女娲 people,\n\n  of 1234 clays!", "", " \t x", "don't <|im_end|>", "🙂é"]
            {
                assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{split:?} {text:?}");
                let special = |of: &Tokenizer| of.encode_with_special_tokens(text).unwrap();
                assert_eq!(special(&read), special(&tokenizer), "{split:?} {text:?}");
            }
            let told = |of: &Tokenizer| {
                (of.eos(), of.bos(), of.adds_bos(), of.end_of_turn(), of.chat_template().map(String::from))
            };
            assert_eq!(told(&read), told(&tokenizer), "{split:?}");
            assert_eq!(read.vocab_size(), tokenizer.vocab_size(), "what only fills up is no token");
            assert!(read.ends().contains(&tokenizer.end_of_turn().unwrap()));
        }
    }

    #[test]
    fn characters_one_by_one_are_a_run_where_no_token_joins_two() {
        let tokenizer = trained(SplitRule::Characters);
        let (_folder, path) = file(&tokenizer, 280);
        let read = Tokenizer::load(&path).unwrap();
        for text in ["女娲用黄土造人。", "かなカナ々〇女A1娲", "土土土 water 造人"] {
            assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn a_rule_that_llama_cpp_lacks_is_refused() {
        // Characters beyond the usual ones are cut as letters, in runs, and their tokens would join usual ones too.
        let settings =
            TrainSettings { vocab_size: 265, split: SplitRule::Characters, ..TrainSettings::default() };
        let texts = ["々々々々 々々々々".repeat(20)];
        let tokenizer = train(texts.into_iter(), &settings, &mut |_| {}).unwrap();
        let error = tokenizer.gguf_keys(280).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tokenizer cannot be written into a GGUF file: it cuts Chinese characters one by one, as llama.cpp does not, and has \
             tokens that would join two of them"
        );
        assert!(error.hint().unwrap().contains("split = \"multilingual\""));
    }
}
