use nuwa_infer::Error;

use crate::failure::Problem;

/// Names a setting that is out of its range as the flag that was typed.
pub fn in_flags(error: Error) -> anyhow::Error {
    let Error::Setting { name, value, expected } = error else { return error.into() };
    let flag = match name {
        "beams" => "beam",
        "returned" => "best",
        other => other,
    };
    Problem::new(format!("--{} {value}: {expected}", flag.replace('_', "-"))).into()
}

#[cfg(test)]
mod tests {
    use nuwa_infer::{BeamSettings, SamplingSettings};

    use super::*;

    #[test]
    fn settings_are_named_as_flags() {
        let beams = BeamSettings { returned: 9, ..BeamSettings::default() };
        let told = in_flags(beams.check().unwrap_err()).to_string();
        assert_eq!(told, "--best 9: expected at least 1, at most the beam width");
        let sampling = SamplingSettings { top_p: 2.0, ..SamplingSettings::default() };
        let told = in_flags(sampling.check().unwrap_err()).to_string();
        assert_eq!(told, "--top-p 2: expected more than 0, at most 1");
    }
}
