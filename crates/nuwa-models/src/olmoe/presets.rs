use crate::Preset;

/// Muennighoff et al. 2024, Table 1 and appendix B.
pub const PRESETS: &[Preset] = &[Preset::new("olmoe-1b-7b", [16, 2048, 16], 4096, &[OLMOE_1B_7B])
    .untied()
    .at(4e-4)
    .in_batches_of(4_194_304)];

const OLMOE_1B_7B: &str = r#"{"intermediate_size": 1024, "num_experts": 64, "num_experts_per_tok": 8}"#;
