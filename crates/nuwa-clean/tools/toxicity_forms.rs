//! What a classifier of toxicity learns of the form of its examples: `cargo run -p nuwa-clean --example toxicity_forms -- ../shared/data
//! even|odd`. It learns from even examples; even measures on other even ones (for tuning), odd on odd ones (for reporting).

#[path = "../tests/it/forms.rs"]
mod forms;

use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shared, half] = &arguments[..] else { panic!("expected: SHARED even|odd") };
    let material = forms::material(&PathBuf::from(shared), half == "even");
    let (classifier, measured) = forms::learnt(&material);
    println!("{} positives, {} negatives: {measured:?}", material.positive.len(), material.negative.len());
    println!("taken for abuse ({half} half), written as: {}", forms::FORMS.join(", "));
    for kind in &material.measured {
        let counts = forms::FORMS.map(|form| forms::taken(&classifier, &kind.texts, form).to_string());
        let wanted = if kind.is_abuse { "all" } else { "none" };
        println!("{} ({wanted} of {}): {}", kind.name, kind.texts.len(), counts.join(" "));
    }
}
