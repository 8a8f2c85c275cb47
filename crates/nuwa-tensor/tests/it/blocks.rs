//! Blocks of quantised weights against ggml: `fixtures/blocks`.

use std::path::Path;

use nuwa_tensor::BlockType;
use safetensors::SafeTensors;

const WIDTHS: [usize; 2] = [256, 512];

struct Golden(Vec<u8>);

impl Golden {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/blocks/rows.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn dequantised_numbers_have_the_bits_of_ggmls() {
    let golden = Golden::load();
    for (kind, width) in BlockType::ALL.into_iter().flat_map(|kind| WIDTHS.map(|width| (kind, width))) {
        let bytes = golden.bytes(&format!("{kind}_{width}"));
        let expected = golden.floats(&format!("{kind}_{width}_values"));
        let mut numbers = vec![0.0; expected.len()];
        kind.dequantize(&bytes, &mut numbers);
        assert_eq!(bits(&numbers), bits(&expected), "{kind}, {width}");
    }
}

#[test]
fn quantised_rows_have_the_bytes_of_ggmls() {
    let golden = Golden::load();
    for (kind, width) in BlockType::ALL.into_iter().flat_map(|kind| WIDTHS.map(|width| (kind, width))) {
        let rows = golden.floats(&format!("rows_{width}"));
        let importance = golden.floats(&format!("importance_{width}"));
        for (ending, importance) in [("", None), ("_weighted", Some(&importance[..]))] {
            let expected = golden.bytes(&format!("{kind}_{width}{ending}"));
            let length = kind.row_bytes(width).unwrap();
            for (number, (row, expected)) in
                rows.chunks_exact(width).zip(expected.chunks_exact(length)).enumerate()
            {
                let mut bytes = Vec::new();
                kind.quantize(row, importance, &mut bytes);
                let differs = bytes.iter().zip(expected).position(|(own, other)| own != other);
                assert_eq!(differs, None, "{kind}{ending}, {width}, row {number}: byte");
                assert_eq!(bytes.len(), length);
            }
        }
    }
}
