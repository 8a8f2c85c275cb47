use std::fs;
use std::path::Path;

use nuwa_tokenizer::Tokenizer;
use proptest::prelude::*;

use crate::shared;

/// llama2.c's encoding as run.c describes it: characters first, then the best-scored pair until none is left.
struct Reference {
    tokens: Vec<(Vec<u8>, f32)>,
}

impl Reference {
    fn load(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let number = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap();
        let (mut at, mut tokens) = (4, Vec::new());
        while at < bytes.len() {
            let length = u32::from_le_bytes(number(at + 4)) as usize;
            tokens.push((bytes[at + 8..at + 8 + length].to_vec(), f32::from_le_bytes(number(at))));
            at += 8 + length;
        }
        Self { tokens }
    }

    fn find(&self, bytes: &[u8]) -> Option<u32> {
        self.tokens.iter().position(|(token, _)| token == bytes).map(|id| id as u32)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = if text.is_empty() { Vec::new() } else { vec![self.find(b" ").unwrap()] };
        for character in text.chars() {
            let bytes = character.to_string().into_bytes();
            match self.find(&bytes) {
                Some(id) => ids.push(id),
                None => ids.extend(bytes.iter().map(|&byte| u32::from(byte) + 3)),
            }
        }
        while let Some((at, id)) = self.best_pair(&ids) {
            ids[at] = id;
            ids.remove(at + 1);
        }
        ids
    }

    fn best_pair(&self, ids: &[u32]) -> Option<(usize, u32)> {
        let mut best: Option<(usize, u32, f32)> = None;
        for (at, pair) in ids.windows(2).enumerate() {
            let joined = [&self.tokens[pair[0] as usize].0[..], &self.tokens[pair[1] as usize].0].concat();
            if let Some(id) = self.find(&joined) {
                let score = self.tokens[id as usize].1;
                if best.is_none_or(|(_, _, least)| score > least) {
                    best = Some((at, id, score));
                }
            }
        }
        best.map(|(at, id, _)| (at, id))
    }
}

#[test]
fn a_story_begins_as_in_llama2c_also_after_saving() {
    let Some(path) =
        shared("a_story_begins_as_in_llama2c_also_after_saving", "weights/stories260K/tok512.bin")
    else {
        return;
    };
    let reference = Reference::load(&path);
    let tokenizer = Tokenizer::load(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    tokenizer.save(folder.path()).unwrap();
    let saved = Tokenizer::load(folder.path()).unwrap();
    for tokenizer in [&tokenizer, &saved] {
        assert_eq!(tokenizer.vocab_size(), 512);
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
        assert!(tokenizer.adds_bos());
        let ids = tokenizer.encode("Once upon a time").unwrap();
        assert_eq!(ids, [403, 407, 261, 378]);
        assert_eq!(ids, reference.encode("Once upon a time"));
        assert_eq!(tokenizer.decode(&ids).unwrap(), "Once upon a time");
        let with_begin = [&[1], &ids[..]].concat();
        assert_eq!(tokenizer.decode_skipping_special_tokens(&with_begin).unwrap(), "Once upon a time");
        let mut stream = tokenizer.stream_decoder().skip_special_tokens();
        let parts: Vec<_> = with_begin.iter().map(|&id| stream.push(id).unwrap()).collect();
        assert_eq!(
            parts,
            [None, Some("Once".into()), Some(" upon".into()), Some(" a".into()), Some(" time".into())]
        );
    }
}

#[test]
fn any_text_is_encoded_as_in_llama2c() {
    let Some(path) = shared("any_text_is_encoded_as_in_llama2c", "weights/stories260K/tok512.bin") else {
        return;
    };
    let reference = Reference::load(&path);
    let tokenizer = Tokenizer::load(&path).unwrap();
    proptest!(|(text in "[a-zA-Z ,.'\"!?\n\t0-9一-龥éß👩‍👧~#]{0,40}")| {
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(&ids, &reference.encode(&text));
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    });
}

#[test]
fn the_model_file_and_llama2cs_give_the_same_ids() {
    let name = "the_model_file_and_llama2cs_give_the_same_ids";
    let (Some(model), Some(bin)) =
        (shared(name, "tokenizers/llama2/tokenizer.model"), shared(name, "tokenizers/llama2/tokenizer.bin"))
    else {
        return;
    };
    let (model, bin) = (Tokenizer::load(&model).unwrap(), Tokenizer::load(&bin).unwrap());
    assert_eq!((model.vocab_size(), bin.vocab_size()), (32_000, 32_000));
    for text in [
        "Hello, world!",
        "  two  blanks\n\n",
        "女娲补天，炼五色石。 👩‍👧",
        "don't <s> stop </s>",
        "x = 3.14159;\treturn",
    ] {
        let ids = model.encode(text).unwrap();
        assert_eq!(bin.encode(text).unwrap(), ids, "{text}");
        assert_eq!(model.decode(&ids).unwrap(), text);
    }
    assert_eq!(model.encode("Hello, world!").unwrap(), [15043, 29892, 3186, 29991]);
}
