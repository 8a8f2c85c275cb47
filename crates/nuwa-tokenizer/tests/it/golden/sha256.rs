/// FIPS 180-4, the short way: the constants are the first 32 bits of the fractions of roots of the first primes.
pub fn hex(message: &[u8]) -> String {
    let primes: Vec<u64> = (2_u64..).filter(|n| (2..*n).all(|d| !n.is_multiple_of(d))).take(64).collect();
    let fraction = |root: f64| ((root - root.floor()) * 4_294_967_296.0) as u32;
    let constants: Vec<u32> = primes.iter().map(|&p| fraction((p as f64).cbrt())).collect();
    let mut state: Vec<u32> = primes[..8].iter().map(|&p| fraction((p as f64).sqrt())).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    padded.chunks_exact(64).for_each(|block| compress(&mut state, block, &constants));
    state.iter().map(|word| format!("{word:08x}")).collect()
}

fn compress(state: &mut [u32], block: &[u8], constants: &[u32]) {
    let mut words: Vec<u32> =
        block.chunks_exact(4).map(|b| u32::from_be_bytes(b.try_into().unwrap())).collect();
    for i in 16..64 {
        let (a, b) = (words[i - 15], words[i - 2]);
        let small = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let large = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words.push(words[i - 16].wrapping_add(small).wrapping_add(words[i - 7]).wrapping_add(large));
    }
    let mut v: [u32; 8] = state.try_into().unwrap();
    for (constant, word) in constants.iter().zip(words) {
        let [a, b, c, d, e, f, g, h] = v;
        let mixed = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first =
            h.wrapping_add(mixed).wrapping_add((e & f) ^ (!e & g)).wrapping_add(*constant).wrapping_add(word);
        let second = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22))
            .wrapping_add((a & b) ^ (a & c) ^ (b & c));
        v = [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
    }
    state.iter_mut().zip(v).for_each(|(word, add)| *word = word.wrapping_add(add));
}

#[test]
fn the_empty_message_has_its_known_hash() {
    assert_eq!(hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
