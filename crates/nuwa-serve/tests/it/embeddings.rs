//! Vectors of texts, in both encodings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::usual;

#[test]
fn a_text_has_one_vector_of_length_one_however_it_is_sent() {
    let place = usual();
    let ask = |fields: Value| place.post("/v1/embeddings", fields);
    let vectors = |answer: &Value| -> Vec<Vec<f64>> {
        let numbers = |own: &Value| own["embedding"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        answer["data"].as_array().unwrap().iter().map(numbers).collect()
    };
    let answer = ask(json!({"input": ["Nuwa shaped", "The sky", "Nuwa shaped"], "model": "tiny"})).ok().json();
    let all = vectors(&answer);
    assert_eq!((all.len(), all[0].len()), (3, 32));
    for vector in &all {
        let length: f64 = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert!(all[0] == all[2] && all[0] != all[1]);
    let coded = ask(json!({"input": "The sky", "encoding_format": "base64"})).ok().json();
    let bytes = STANDARD.decode(coded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let coded: Vec<f64> = bytes.chunks_exact(4).map(|own| f64::from(f32::from_le_bytes(own.try_into().unwrap()))).collect();
    assert_eq!(coded.len(), 32);
    assert!(coded.iter().zip(&all[1]).all(|(a, b)| (a - b).abs() < 1e-6));
    for (fields, status) in [
        (json!({"input": ""}), 400),
        (json!({"input": []}), 400),
        (json!({"input": "a", "dimensions": 7}), 400),
        (json!({"input": "a", "dimensions": 32}), 200),
        (json!({"input": "a", "encoding_format": "hex"}), 400),
        (json!({"input": 5}), 400),
        (json!({}), 400),
    ] {
        assert_eq!(ask(fields.clone()).status, status, "{fields}");
    }
}
