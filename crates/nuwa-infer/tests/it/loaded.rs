//! Models from files: greedy ids that transformers gave, and the known text of a real model.

use std::path::{Path, PathBuf};

use nuwa_infer::{Engine, Finish, Sampler, SamplingSettings, Sequence};
use nuwa_tensor::{Bf16, DType, Element};
use safetensors::SafeTensors;

use crate::support::{greedy, tokenizer};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models")
}

fn ids(file: &SafeTensors<'_>, name: &str) -> Vec<u32> {
    let (numbers, _) = file.tensor(name).unwrap().data().as_chunks::<4>();
    numbers.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect()
}

#[test]
fn greedy_ids_are_those_of_transformers() {
    for name in ["gpt2", "gpt2_gelu_exact", "llama", "llama_bias", "llama_rope_llama3", "llama_tied"] {
        let folder = fixtures().join(name);
        let model = nuwa_format::load_model(&folder).unwrap();
        let bytes = std::fs::read(folder.join("golden.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut sequence = Sequence::new(model.as_ref(), &ids(&file, "ids")[..5], 20).unwrap();
        let mut sampler = Sampler::new(&SamplingSettings::greedy(), model.vocabulary(), 0).unwrap();
        for _ in 0..20 {
            let id = sampler.choose(&sequence.next_logits().unwrap().to_host()).unwrap();
            sequence.push(id);
        }
        assert_eq!(sequence.ids()[5..], ids(&file, "greedy"), "{name}");
    }
}

/// Saves the model with its matrices rounded to bf16, still as `f32`.
fn round_matrices(folder: &Path, out: &Path) {
    let model = nuwa_format::load_model(folder).unwrap();
    for parameter in model.parameters().iter().filter(|parameter| parameter.shape().axes().len() == 2) {
        parameter.set(|values| values.iter_mut().for_each(|value| *value = Bf16::narrow(*value).widen()));
    }
    nuwa_format::save_model(model.as_ref(), out).unwrap();
}

#[test]
fn weights_in_bf16_are_the_rounded_ones() {
    for name in ["gpt2", "llama_bias", "llama_tied"] {
        let (folder, rounded) = (fixtures().join(name), tempfile::tempdir().unwrap());
        round_matrices(&folder, rounded.path());
        let all = [
            nuwa_format::load_model(rounded.path()).unwrap(),
            nuwa_format::load_for_inference(rounded.path(), Some(DType::F32)).unwrap(),
            nuwa_format::load_for_inference(&folder, Some(DType::Bf16)).unwrap(),
        ];
        let logits = all.each_ref().map(|model| {
            let mut sequence = Sequence::new(model.as_ref(), &[1, 5, 9, 2, 7, 11, 3], 3).unwrap();
            sequence.next_logits().unwrap().to_host()
        });
        assert_eq!(logits[0], logits[1], "{name}");
        assert_eq!(logits[0], logits[2], "{name}");
        for parameter in all[0].parameters().iter() {
            let path = parameter.entry().path();
            assert_eq!(parameter.to_host(), all[2].parameters().get(path).unwrap().to_host(), "{path}");
        }
    }
}

#[test]
fn the_real_model_tells_its_known_story() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/weights/stories260K");
    if !source.exists() {
        eprintln!("skipped: the_real_model_tells_its_known_story: ../shared/data is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    nuwa_format::import(&source.join("stories260K.bin"), folder.path()).unwrap();
    let engine = Engine::load(folder.path()).unwrap();
    let mut streamed = String::new();
    let written = engine.generate("", &greedy(200), &mut |piece| streamed.push_str(piece)).unwrap();
    let expected = std::fs::read_to_string(fixtures().join("stories260k_greedy.txt")).unwrap();
    assert_eq!((streamed.as_str(), written.finish), (expected.as_str(), Finish::Length));
    let begun = engine.generate("Once upon a time, there was a", &greedy(40), &mut |_| ()).unwrap();
    assert!(begun.text.starts_with(" little girl named Lily."), "{}", begun.text);
}

#[test]
fn a_folder_that_is_no_model_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let error = Engine::load(folder.path()).err().unwrap();
    assert!(error.to_string().contains("is no model folder"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_saved_engine_writes_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let engine = crate::support::engine(11);
    nuwa_format::save_model(engine.model(), folder.path()).unwrap();
    tokenizer().save(folder.path()).unwrap();
    let loaded = Engine::load(folder.path()).unwrap();
    let text = |engine: &Engine| engine.generate("Nuwa", &greedy(30), &mut |_| ()).unwrap();
    assert_eq!(text(&loaded), text(&engine));
}
