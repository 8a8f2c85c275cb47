use std::fs;

use super::*;

fn values() -> Vec<(String, Value)> {
    [
        ("general.architecture", Value::Text("llama".into())),
        ("general.alignment", Value::U32(32)),
        ("a.float", Value::F32(1e-5)),
        ("a.double", Value::F64(-0.25)),
        ("a.flag", Value::Bool(true)),
        ("a.byte", Value::I8(-3)),
        ("a.short", Value::U16(700)),
        ("a.long", Value::I64(i64::MIN)),
        ("a.list", Value::List(List::I32(vec![1, -2, 3]))),
        ("a.flags", Value::List(List::Bool(vec![true, false]))),
        ("a.texts", Value::List(List::Text(vec!["女娲".into(), String::new(), "clay".into()]))),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .to_vec()
}

fn tensors() -> Vec<NewTensor> {
    [
        ("token_embd.weight", vec![3, 32], "Q4_0"),
        ("norm.weight", vec![5], "F32"),
        ("deep", vec![2, 3, 4], "F16"),
    ]
    .map(|(name, shape, kind)| NewTensor { name: name.into(), shape, kind: TensorType::named(kind).unwrap() })
    .to_vec()
}

fn write_file(path: &Path, values: &[(String, Value)]) {
    let tensors = tensors();
    let data = |number: usize, out: &mut Vec<u8>| -> Result<()> {
        out.resize(tensors[number].kind.length(&tensors[number].shape).unwrap() as usize, number as u8 + 1);
        Ok(())
    };
    write(path, values, &tensors, data).unwrap().confirm().unwrap();
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    write_file(&path, &values());
    assert!(is_gguf(&path) && !is_gguf(folder.path()));
    let read = Gguf::open(&path).unwrap();
    let mut expected = values();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let found: Vec<(String, Value)> =
        read.values().map(|(key, value)| (key.to_string(), value.clone())).collect();
    assert_eq!(found, expected);
    let bytes = fs::read(&path).unwrap();
    for (number, (tensor, written)) in read.tensors().iter().zip(tensors()).enumerate() {
        assert_eq!((&tensor.name, &tensor.shape, tensor.kind), (&written.name, &written.shape, written.kind));
        assert!(tensor.start.is_multiple_of(32));
        let own = &bytes[tensor.start as usize..][..tensor.length as usize];
        assert!(own.iter().all(|byte| *byte == number as u8 + 1), "{}", tensor.name);
    }
    assert_eq!(read.whole("a.short").unwrap(), Some(700));
    assert_eq!(read.number("a.double").unwrap(), Some(-0.25));
    assert_eq!(read.text("absent").unwrap(), None);
    let told = read.whole("a.byte").unwrap_err().to_string();
    assert!(told.ends_with("a.byte is -3, expected a whole number of at least 0"), "{told}");
    let told = read.texts("a.list").unwrap_err().to_string();
    assert!(
        told.ends_with("a.list is a list of 3 values of the kind i32, expected a list of texts"),
        "{told}"
    );
}

#[test]
fn a_file_that_is_not_confirmed_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let written = write(&path, &values(), &[], |_, _| Ok::<(), Error>(())).unwrap();
    assert_eq!(Gguf::open(written.path()).unwrap().tensors(), []);
    drop(written);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    write_file(&path, &values());
    let whole = fs::read(&path).unwrap();
    // The padding behind the last tensor may be missing: nothing is read there.
    let needed = whole.len() - 16;
    for length in 0..needed {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(Gguf::open(&path).is_err(), "{length} of {}", whole.len());
    }
    fs::write(&path, &whole[..needed]).unwrap();
    Gguf::open(&path).unwrap();
}

#[test]
fn counts_beyond_measure_ask_for_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    write_file(&path, &values());
    let whole = fs::read(&path).unwrap();
    // Each 8 bytes of the head as a number that is too large, whatever stands there.
    for at in (8..whole.len().min(700) - 8).step_by(5) {
        for number in [u64::MAX, i64::MAX as u64, 1 << 40, 1 << 32] {
            let mut damaged = whole.clone();
            damaged[at..at + 8].copy_from_slice(&number.to_le_bytes());
            fs::write(&path, &damaged).unwrap();
            // Some of these are texts and stay readable; none may panic or take long.
            let _ = Gguf::open(&path);
        }
    }
    let mut damaged = whole.clone();
    damaged[8..16].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    fs::write(&path, &damaged).unwrap();
    let told = Gguf::open(&path).unwrap_err().to_string();
    assert!(told.contains("the header says that there are 1125899906842624 tensors"), "{told}");
}

#[test]
fn what_is_not_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Gguf::open(&path).unwrap_err();
        (error.to_string().replace(&path.display().to_string(), "PATH"), error.hint().unwrap())
    };
    assert_eq!(told(b"PK\x03\x04").0, "PATH: it does not begin with GGUF");
    assert_eq!(told(b"GGUF\x01\0\0\0").0, "PATH: it is GGUF of version 1, only 2 and 3 are read");
    assert!(told(b"GGUF\0\0\0\x03").0.contains("big-endian"));
    write_file(&path, &values());
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(17).position(|bytes| bytes == b"token_embd.weight").unwrap() + 17 + 4 + 16;
    let mut other = whole.clone();
    other[at] = 31;
    assert_eq!(told(&other).0, "PATH: tensor token_embd.weight is of type 31, which llama.cpp has given up");
    other[at] = 99;
    assert!(told(&other).0.ends_with("tensor token_embd.weight is of type 99, which is none that is known"));
    let twice: Vec<(String, Value)> = [values(), values()].concat();
    write_file(&path, &twice);
    let twice = fs::read(&path).unwrap();
    assert!(told(&twice).0.ends_with("the key general.architecture is there twice"));
}

#[test]
fn a_model_in_parts_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number: u16, tensor: &str| {
        let path = folder.path().join(format!("m-{:05}-of-00002.gguf", number + 1));
        let values = [("split.no", Value::U16(number)), ("split.count", Value::U16(2))]
            .map(|(key, value)| (key.to_string(), value));
        let kind = TensorType::named("F32").unwrap();
        let tensors = [NewTensor { name: tensor.into(), shape: vec![2], kind }];
        let data = |_: usize, out: &mut Vec<u8>| -> Result<()> {
            out.resize(8, 0);
            Ok(())
        };
        write(&path, &values, &tensors, data).unwrap().confirm().unwrap();
        path
    };
    let (first, second) = (part(0, "a"), part(1, "b"));
    let model = Gguf::open(&first).unwrap();
    let places: Vec<(&str, usize)> =
        model.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor.file)).collect();
    assert_eq!(places, [("a", 0), ("b", 1)]);
    assert_eq!(model.files(), [first.clone(), second.clone()]);
    let told = Gguf::open(&second).unwrap_err();
    assert!(told.to_string().ends_with("it is part 2 of 2 of a model"), "{told}");
    assert!(told.hint().unwrap().ends_with("m-00001-of-00002.gguf"));
    fs::remove_file(&second).unwrap();
    let told = Gguf::open(&first).unwrap_err().to_string();
    assert!(told.ends_with("m-00002-of-00002.gguf is missing, part 2 of the 2 of this model"), "{told}");
    let other = folder.path().join("other.gguf");
    fs::rename(&first, &other).unwrap();
    let told = Gguf::open(&other).unwrap_err().to_string();
    assert!(told.contains("expected NAME-00001-of-00002.gguf"), "{told}");
}
