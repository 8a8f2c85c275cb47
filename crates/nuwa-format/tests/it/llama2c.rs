//! stories260K, a real model in llama2.c's format, whose greedy continuation is known byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use nuwa_format::{Error, Imported, Mixture, export_gguf, import, load_model};
use nuwa_tokenizer::Tokenizer;
use serde_json::Value;

use crate::{difference, fixture, greedy, logits};

const STEPS: usize = 200;

/// The folder of stories260K, or `None` after saying that `test` is skipped.
fn stories(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/weights/stories260K");
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: {test}: ../shared/data is absent");
    None
}

#[test]
fn stories260k_writes_its_known_story() {
    let Some(folder) = stories("stories260k_writes_its_known_story") else { return };
    let out = tempfile::tempdir().unwrap();
    let imported = import(&folder.join("stories260K.bin"), out.path()).unwrap();
    assert_eq!(imported, Imported { parameters: 260_032, tokenizer: Some(512) });

    let model = load_model(out.path()).unwrap();
    let tokenizer = Tokenizer::load(out.path()).unwrap();
    let golden: Value =
        serde_json::from_str(&fs::read_to_string(fixture("models/stories260k_greedy.json")).unwrap())
            .unwrap();
    let ids: Vec<u32> =
        golden["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let expected: Vec<f32> =
        golden["logits_after_bos"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let begin = tokenizer.bos().unwrap();
    assert_eq!(begin, ids[0]);
    let off = difference(&logits(model.as_ref(), &[begin], 1), &expected);
    println!("stories260K: logits {off:.1e}");
    assert!(off <= 2e-5, "logits differ by {off}");

    let written = greedy(model.as_ref(), &[begin], STEPS);
    assert_eq!(written, ids[1..]);
    let text = fs::read_to_string(fixture("models/stories260k_greedy.txt")).unwrap();
    assert_eq!(tokenizer.decode(&written).unwrap(), text);

    // As a GGUF file with its scores it is the same model, and reads prompts as before.
    let file = out.path().join("stories.gguf");
    export_gguf(out.path(), &file, Mixture::F32, None).unwrap();
    let read = Tokenizer::load(&file).unwrap();
    let of = |tokenizer: &Tokenizer| tokenizer.encode_with_special_tokens("Once upon a time, 小狗").unwrap();
    assert_eq!(of(&read), of(&tokenizer));
    assert_eq!(greedy(load_model(&file).unwrap().as_ref(), &[begin], STEPS), written);
}

#[test]
fn the_folder_of_a_model_and_its_vocabulary_will_do() {
    let Some(folder) = stories("the_folder_of_a_model_and_its_vocabulary_will_do") else { return };
    let out = tempfile::tempdir().unwrap();
    assert_eq!(import(&folder, out.path()).unwrap().tokenizer, Some(512));
}

#[test]
fn a_cut_file_says_how_long_it_should_be() {
    let Some(folder) = stories("a_cut_file_says_how_long_it_should_be") else { return };
    let (cut, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, out) = (cut.path().join("stories260K.bin"), out.path().join("model"));
    let bytes = fs::read(folder.join("stories260K.bin")).unwrap();
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        import(&path, &out).unwrap_err().to_string().replace(&path.display().to_string(), "M.bin")
    };
    assert_eq!(message(&bytes[..700_000]), "M.bin is 700000 bytes long, expected 1056540 by its header");
    assert_eq!(
        message(&bytes[..20]),
        "M.bin is not valid: it has 20 bytes, the header of a llama2.c model 28"
    );
    assert_eq!(message(&bytes), "M.bin has no vocabulary beside it: expected tok512.bin or tokenizer.bin");
    assert!(!out.exists(), "nothing is written when an import fails");
}

/// A tiny model in the format: seven fields, then ones.
fn tiny(fields: [i32; 7], numbers: usize) -> Vec<u8> {
    let weights = std::iter::repeat_n(1.0_f32.to_le_bytes(), numbers);
    fields.into_iter().map(i32::to_le_bytes).chain(weights).flatten().collect()
}

#[test]
fn headers_that_make_no_sense_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.bin");
    let message = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        let error = import(&path, &folder.path().join("out")).unwrap_err();
        assert!(error.hint().is_some());
        error.to_string().replace(&path.display().to_string(), "M")
    };
    let good = [8, 12, 2, 2, 1, 16, 32];
    let with = |field: usize, value: i32| {
        let mut fields = good;
        fields[field] = value;
        tiny(fields, 100)
    };
    insta::assert_snapshot!(message(with(0, -3)), @"M is not valid: dim = -3: expected a number above 0");
    insta::assert_snapshot!(message(with(3, 0)), @"M is not valid: n_heads = 0: expected a number above 0");
    insta::assert_snapshot!(message(with(3, 3)), @"M is not valid: n_heads = 3: expected a divisor of dim = 8");
    insta::assert_snapshot!(message(with(4, 5)), @"M is not valid: num_key_value_heads = 5: expected a divisor of num_attention_heads = 2");
    insta::assert_snapshot!(message(with(5, i32::MIN)), @"M is not valid: vocab_size = 2147483647: expected a number below 1073741824");
    insta::assert_snapshot!(message(with(2, i32::MAX)), @"M is not valid: num_hidden_layers = 2147483647: expected a number below 1073741824");
    insta::assert_snapshot!(message(tiny([0x616b_3432, 1, 8, 12, 2, 2, 1], 100)), @"M cannot be imported: it is a llama2.c model of version 1; only version 0 is read");
    insta::assert_snapshot!(message(b"PK\x03\x04 and the rest of a zip archive".to_vec()), @"M cannot be imported: it is a PyTorch pickle; save the model in transformers with save_pretrained");
}

/// Whatever the header says, without a vocabulary beside it the answer is an error, never a panic.
#[test]
fn no_header_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.bin");
    let strange = [i32::MIN, -7, -1, 0, 1, 2, 3, 7, 1 << 20, i32::MAX];
    for field in 0..7 {
        for (first, second) in strange.iter().flat_map(|&a| strange.map(|b| (a, b))) {
            let mut fields = [8, 12, 2, 2, 1, 16, 32];
            (fields[field], fields[(field + 1) % 7]) = (first, second);
            fs::write(&path, tiny(fields, 100)).unwrap();
            assert!(import(&path, &folder.path().join("out")).is_err());
        }
    }
}

#[test]
fn a_head_of_its_own_is_read_from_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("m.bin"), folder.path().join("out"));
    // dim 4, hidden 6, 1 layer, 2 heads, 2 key-value heads, 5 ids not shared, 3 positions.
    let weights = 5 * 4 + 4 + 4 * 16 + 4 + 3 * 24 + 4 + 3 * 2;
    let mut bytes = tiny([4, 6, 1, 2, 2, -5, 3], weights);
    bytes.extend((0..20).flat_map(|i| (i as f32).to_le_bytes()));
    fs::write(&path, bytes).unwrap();
    let vocabulary = ["<unk>", "\n<s>\n", "\n</s>\n", "a", "b"];
    let mut pieces = 7_i32.to_le_bytes().to_vec();
    for piece in vocabulary {
        pieces.extend(0.0_f32.to_le_bytes());
        pieces.extend((piece.len() as i32).to_le_bytes());
        pieces.extend(piece.as_bytes());
    }
    fs::write(folder.path().join("tok5.bin"), &pieces).unwrap();
    import(&path, &out).unwrap();
    let model = load_model(&out).unwrap();
    let expected: Vec<f32> = (0..20).map(|i| i as f32).collect();
    assert_eq!(model.head().weight.to_host(), expected[..]);

    pieces.extend([0.0_f32.to_le_bytes(), 1_i32.to_le_bytes()].concat());
    pieces.push(b'c');
    fs::write(folder.path().join("tok5.bin"), &pieces).unwrap();
    let error = import(&path, &out).unwrap_err();
    assert!(matches!(error, Error::Vocabulary { tokenizer: 6, model: 5, .. }), "{error}");
}
