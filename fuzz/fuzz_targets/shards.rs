//! Token shards with their index: the first two bytes say how long the shard is, the rest is the index.
#![no_main]

use nuwa_data::shards::{Part, Shards};
use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let (shard, index) = bytes.split_at(usize::from(u16::from_le_bytes(*length)).min(bytes.len()));
    let files = Files::new(&[("train-00000.bin", shard), ("train-00000.idx", index)]);
    if let Ok(shards) = Shards::open(files.folder(), Part::Train) {
        let tokens = shards.tokens();
        let mut ids = vec![0; tokens.min(64) as usize];
        let _ = shards.read(0, &mut ids);
        if let Ok(ends) = shards.ends_in(0, tokens) {
            ends.for_each(drop);
        }
    }
});
