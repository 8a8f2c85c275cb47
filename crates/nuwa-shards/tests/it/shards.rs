use std::fs;
use std::path::{Path, PathBuf};

use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
use proptest::prelude::*;

use crate::shown;

fn write(folder: &Path, width: IdWidth, shard_tokens: u64, documents: &[Vec<u32>]) {
    let mut writer = ShardWriter::create(folder, Part::Train, width, shard_tokens);
    for document in documents {
        writer.push(document, &"é".repeat(document.len())).unwrap();
    }
    writer.finish().unwrap();
}

fn read(shards: &Shards, start: u64, count: usize) -> Vec<u32> {
    let mut ids = vec![0; count];
    shards.read(start, &mut ids).unwrap();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_written_is_read(
        documents in prop::collection::vec(prop::collection::vec(0_u32..60_000, 1..30), 1..40),
        shard_tokens in 1_u64..200,
        wide in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let width = if wide { IdWidth::Four } else { IdWidth::Two };
        write(folder.path(), width, shard_tokens, &documents);
        let shards = Shards::open(folder.path(), Part::Train).unwrap();
        let all = documents.concat();
        prop_assert_eq!(shards.tokens(), all.len() as u64);
        prop_assert_eq!(shards.documents(), documents.len() as u64);
        prop_assert_eq!(shards.bytes(), 2 * shards.characters());
        let start = cut.index(all.len());
        prop_assert_eq!(&read(&shards, start as u64, all.len() - start)[..], &all[start..]);
        let mut end = 0;
        let ends: Vec<u64> = documents.iter().map(|d| { end += d.len() as u64; end }).collect();
        prop_assert_eq!(shards.ends_in(0, u64::MAX).unwrap().collect::<Vec<_>>(), ends.clone());
        let (from, to) = (start as u64, start as u64 + 20);
        let expected: Vec<u64> = ends.into_iter().filter(|end| *end > from && *end <= to).collect();
        prop_assert_eq!(shards.ends_in(from, to).unwrap().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_shorter_run_removes_the_shards_of_a_longer_one() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), IdWidth::Two, 1, &[vec![1], vec![2], vec![3]]);
    write(folder.path(), IdWidth::Two, 1, &[vec![4]]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn many_documents_are_found_through_the_sparse_index() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), IdWidth::Two, u64::MAX, &vec![vec![5, 6]; 2000]);
    let shards = Shards::open(folder.path(), Part::Train).unwrap();
    let ends: Vec<u64> = shards.ends_in(1023, 1030).unwrap().collect();
    assert_eq!(ends, [1024, 1026, 1028, 1030]);
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// The frozen files must always be readable: whoever changes the format adds a version and a sample.
#[test]
fn frozen_samples_of_each_version_are_read() {
    for name in ["shards-u16-v1", "shards-u32-v7"] {
        let shards = Shards::open(&samples().join(name), Part::Train).unwrap();
        assert_eq!(read(&shards, 0, 5), [7, 300, 0, 65_000, 0], "{name}");
        assert_eq!(shards.ends_in(0, 5).unwrap().collect::<Vec<_>>(), [3, 5]);
        assert_eq!((shards.documents(), shards.bytes(), shards.characters()), (2, 10, 5));
    }
}

/// And today's writer still makes exactly these bytes.
#[test]
fn the_writer_makes_the_frozen_bytes() {
    for (name, width) in [("shards-u16-v1", IdWidth::Two), ("shards-u32-v7", IdWidth::Four)] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), width, 100, &[vec![7, 300, 0], vec![65_000, 0]]);
        for file in ["train-00000.bin", "train-00000.idx"] {
            let frozen = fs::read(samples().join(name).join(file)).unwrap();
            assert_eq!(fs::read(folder.path().join(file)).unwrap(), frozen, "{name}/{file}");
        }
    }
}

#[test]
fn damage_is_named() {
    let damaged = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), IdWidth::Two, 100, &[vec![1, 2], vec![3]]);
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        shown(&Shards::open(folder.path(), Part::Train).unwrap_err(), folder.path())
    };
    let all = [
        damaged("train-00000.bin", &|bytes| bytes.truncate(100)),
        damaged("train-00000.bin", &|bytes| bytes.truncate(1027)),
        damaged("train-00000.bin", &|bytes| bytes[0] = 1),
        damaged("train-00000.bin", &|bytes| bytes[4] = 9),
        damaged("train-00000.bin", &|bytes| bytes[11] = 0x80),
        damaged("train-00000.idx", &|bytes| bytes[0] = b'X'),
        damaged("train-00000.idx", &|bytes| bytes[8] = 2),
        damaged("train-00000.idx", &|bytes| bytes[16] = 3),
        damaged("train-00000.idx", &|bytes| bytes[23] = 0xff),
        damaged("train-00000.idx", &|bytes| bytes[24] = 9),
        damaged("train-00000.idx", &|bytes| bytes[48] = 4),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/train-00000.bin: 100 bytes, too short for a header of 1024
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.bin: 1027 bytes, expected 1030 for 3 tokens
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.bin: magic 20240385, expected 20240520 or 20240801
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.bin: version 9, expected 1
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.bin: a token count of -2147483645
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: not an index of documents (no NUWAIDX at its start)
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: version 2, expected 1
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: 72 bytes do not fit its 3 documents
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: 72 bytes do not fit its 18374686479671623682 documents
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: document 1 ends before the one before it
    hint: the file may have been cut short; write the shards again
    DIR/train-00000.idx: documents end at token 4, but the shard has 3
    hint: the file may have been cut short; write the shards again
    "#);
    let empty = tempfile::tempdir().unwrap();
    let error = Shards::open(empty.path(), Part::Validation).unwrap_err();
    assert_eq!(shown(&error, empty.path()).lines().next(), Some("DIR/val-00000.bin: there is no such shard"));
}

#[test]
fn a_shard_that_is_missing_between_others_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), IdWidth::Two, 2, &[vec![1, 2], vec![3, 4], vec![5, 6]]);
    fs::remove_file(folder.path().join("train-00001.bin")).unwrap();
    let gap = shown(&Shards::open(folder.path(), Part::Train).unwrap_err(), folder.path());
    fs::remove_file(folder.path().join("train-00001.idx")).unwrap();
    assert_eq!(shown(&Shards::open(folder.path(), Part::Train).unwrap_err(), folder.path()), gap);
    insta::assert_snapshot!(gap, @r#"
    DIR/train-00001.bin: it is missing, though there are files of shards up to number 2
    hint: the file may have been cut short; write the shards again
    "#);
    assert!(Shards::open_if_any(folder.path(), Part::Validation).unwrap().is_none());
    assert!(Shards::open_if_any(&folder.path().join("absent"), Part::Validation).unwrap().is_none());
}

#[test]
fn reading_past_the_end_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), IdWidth::Two, 100, &[vec![1, 2]]);
    let shards = Shards::open(folder.path(), Part::Train).unwrap();
    let error = shards.read(1, &mut [0; 2]).unwrap_err();
    assert_eq!(error.to_string(), "tokens 1..3 asked for, but there are 2");
}
