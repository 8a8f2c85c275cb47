use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LoraSettings, PretrainingText, TuningSettings, check_common, check_share, ensure};
use crate::preference::PairRule;
use crate::{Error, PairEpochs, Result};

/// What is minimised over preferences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PreferenceLoss {
    /// Direct preference optimisation (Rafailov et al. 2023).
    #[default]
    Sigmoid,
    /// DPO that corrects for a known share of swapped labels (Chowdhury et al. 2024).
    Robust,
    /// Identity preference optimisation: the margin has an aim (Azar et al. 2023).
    Ipo,
    /// The hinge loss of SLiC (Zhao et al. 2023).
    Hinge,
    /// Mean log-probabilities with a margin, without a reference (Meng et al. 2024).
    Simpo,
    /// Supervised fine-tuning with a ratio of odds, without a reference (Hong et al. 2024).
    Orpo,
    /// DPO that keeps chosen answers likely (Pal et al. 2024).
    Dpop,
    /// DPO on the sorted margins of a step (Melnyk et al. 2024).
    Aot,
    /// Single answers that are desirable or not (Ethayarajh et al. 2024).
    Kto,
}

impl PreferenceLoss {
    /// Every loss.
    pub const ALL: [Self; 9] = [
        Self::Sigmoid,
        Self::Robust,
        Self::Ipo,
        Self::Hinge,
        Self::Simpo,
        Self::Orpo,
        Self::Dpop,
        Self::Aot,
        Self::Kto,
    ];

    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Robust => "robust",
            Self::Ipo => "ipo",
            Self::Hinge => "hinge",
            Self::Simpo => "simpo",
            Self::Orpo => "orpo",
            Self::Dpop => "dpop",
            Self::Aot => "aot",
            Self::Kto => "kto",
        }
    }

    /// Its name in the field.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sigmoid => "DPO",
            Self::Robust => "Robust DPO",
            Self::Ipo => "IPO",
            Self::Hinge => "SLiC",
            Self::Simpo => "SimPO",
            Self::Orpo => "ORPO",
            Self::Dpop => "DPOP",
            Self::Aot => "AOT",
            Self::Kto => "KTO",
        }
    }

    /// Whether it learns from single answers, not from pairs.
    pub fn is_unpaired(self) -> bool {
        self == Self::Kto
    }

    /// Whether the model is held against what it was before.
    pub fn has_reference(self) -> bool {
        ![Self::Simpo, Self::Orpo].contains(&self)
    }
}

/// Fine-tuning on preferences: chosen answers become likelier than rejected ones. Direct preference optimisation (Rafailov et al.
/// 2023) and its relatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DpoSettings {
    /// Preference loss: sigmoid (DPO), robust, ipo, hinge, simpo, orpo, dpop, aot, or kto, which
    /// learns from single answers labelled good or bad.
    pub loss: PreferenceLoss,
    /// Number of epochs over the pairs. If unset: 1 to 10, more for fewer pairs.
    pub epochs: Option<u64>,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Batch size: pairs per optimizer step (kto: answers). If unset: 1 to 16 pairs, an eighth of
    /// all for small data sets; twice as many answers.
    pub batch_pairs: Option<usize>,
    /// DPO's beta: strength of the implicit KL penalty; the larger, the closer the model stays to
    /// the reference model. If unset: 0.1; for simpo, which has no reference, 2. Not for orpo.
    pub beta: Option<f32>,
    /// Target margin between the mean log-probabilities of chosen and rejected answers, in nats per
    /// token (SimPO's gamma divided by beta), 0 or more; for simpo. If unset: 0.5.
    pub gamma_ratio: Option<f32>,
    /// For orpo: weight of the odds ratio beside the SFT loss; if unset: 0.1. For dpop: weight of
    /// the penalty on chosen answers that become less likely; if unset: 5.
    pub lambda: Option<f32>,
    /// Weight of desirable answers, for kto. If unset: 1, or more where they are fewer than the
    /// undesirable ones.
    pub desirable_weight: Option<f32>,
    /// Weight of undesirable answers, for kto. If unset: 1, or more where there are fewer than 3
    /// for 4 desirable ones.
    pub undesirable_weight: Option<f32>,
    /// Score from which on a scored answer is desirable, for kto. If unset: above the mean of the
    /// answers to the same prompt.
    pub score_threshold: Option<f64>,
    /// Label smoothing: assumed share of pairs whose labels are swapped, 0 to below 0.5; for
    /// sigmoid (conservative DPO), simpo, dpop and aot, and above 0 for robust.
    pub label_smoothing: f32,
    /// Average the log-probabilities over an answer's tokens instead of summing them, so that
    /// length does not matter. If unset: true for ipo, simpo and orpo, else false.
    pub length_normalised: Option<bool>,
    /// Reference-free DPO: compute the margin from the model alone.
    pub reference_free: bool,
    /// Weight of an SFT loss on the chosen answers (mean per token), added to the DPO loss; keeps
    /// them likely.
    pub sft_weight: f32,
    /// Share of the pairs that are placed in conversations that fill the context, each after
    /// earlier pairs with their chosen answers, 0 to 1. Higher values take more time.
    pub joined: f64,
    /// Pretraining text mixed into DPO, against forgetting.
    pub pretraining: PretrainingText,
    /// Train LoRA adapters instead of all weights.
    pub lora: LoraSettings,
    /// Settings shared by all kinds of fine-tuning.
    pub tuning: TuningSettings,
}

impl Default for DpoSettings {
    fn default() -> Self {
        Self {
            loss: PreferenceLoss::Sigmoid,
            epochs: None,
            learning_rate: 5e-5,
            batch_pairs: None,
            beta: None,
            gamma_ratio: None,
            lambda: None,
            desirable_weight: None,
            undesirable_weight: None,
            score_threshold: None,
            label_smoothing: 0.0,
            length_normalised: None,
            reference_free: false,
            sft_weight: 0.0,
            joined: 0.2,
            pretraining: PretrainingText::default(),
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

impl DpoSettings {
    /// The strength of the penalty, where it was left open that of the loss.
    pub fn beta(&self) -> f32 {
        self.beta.unwrap_or(if self.loss == PreferenceLoss::Simpo { 2.0 } else { 0.1 })
    }

    /// Whether log-probabilities are means over an answer's tokens, not sums.
    pub fn by_token(&self) -> bool {
        use PreferenceLoss::{Ipo, Orpo, Simpo};
        self.length_normalised.unwrap_or([Ipo, Simpo, Orpo].contains(&self.loss))
    }

    /// Whether the model is held against what it was before.
    pub fn asks_reference(&self) -> bool {
        self.loss.has_reference() && !self.reference_free
    }

    /// What decides the outcome, with the course that was chosen.
    pub(crate) fn deciding(&self, course: PairEpochs) -> Self {
        Self {
            epochs: Some(course.epochs),
            batch_pairs: Some(course.batch_pairs),
            tuning: self.tuning.deciding(),
            ..self.clone()
        }
    }

    /// The loss of pairs.
    ///
    /// # Errors
    /// Where it learns from single answers.
    pub(crate) fn pair_rule(&self) -> Result<PairRule> {
        let (beta, smoothing) = (self.beta(), self.label_smoothing);
        Ok(match self.loss {
            PreferenceLoss::Sigmoid => PairRule::Sigmoid { beta, smoothing },
            PreferenceLoss::Robust => PairRule::Robust { beta, smoothing },
            PreferenceLoss::Ipo => PairRule::Ipo { beta },
            PreferenceLoss::Hinge => PairRule::Hinge { beta },
            PreferenceLoss::Simpo => {
                PairRule::Simpo { beta, gamma_ratio: self.gamma_ratio.unwrap_or(0.5), smoothing }
            }
            PreferenceLoss::Orpo => PairRule::Orpo { lambda: self.lambda.unwrap_or(0.1) },
            PreferenceLoss::Dpop => PairRule::Dpop { beta, lambda: self.lambda.unwrap_or(5.0), smoothing },
            PreferenceLoss::Aot => PairRule::Aot { beta, smoothing },
            PreferenceLoss::Kto => {
                return Err(wrong("loss", "kto", "a loss of pairs: kto learns from single answers"));
            }
        })
    }

    /// Whether each value lies in its range, and goes with the loss.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range or does not go with the loss.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("dpo")?;
        self.pretraining.check("dpo")?;
        check_common("dpo", self.epochs.unwrap_or(1), self.learning_rate)?;
        check_share("dpo.joined", self.joined)?;
        let batch = self.batch_pairs.unwrap_or(1);
        let least = if self.loss.is_unpaired() && self.batch_pairs.is_some() { 2 } else { 1 };
        ensure(batch >= least, "dpo.batch_pairs", batch, &format!("at least {least}"))?;
        let beta = self.beta();
        ensure(beta > 0.0 && beta.is_finite(), "dpo.beta", beta, "a number above 0")?;
        let smoothing = self.label_smoothing;
        ensure(
            (0.0..0.5).contains(&smoothing),
            "dpo.label_smoothing",
            smoothing,
            "a share from 0 to below 0.5",
        )?;
        for (name, weight) in self.weights() {
            let value = weight.unwrap_or(0.0);
            ensure(value >= 0.0 && value.is_finite(), &format!("dpo.{name}"), value, "0 or more")?;
        }
        let threshold = self.score_threshold.unwrap_or(0.0);
        ensure(threshold.is_finite(), "dpo.score_threshold", threshold, "a number")?;
        self.check_that_all_go_with_the_loss()
    }

    /// Settings that are 0 or more.
    fn weights(&self) -> [(&'static str, Option<f32>); 5] {
        [
            ("gamma_ratio", self.gamma_ratio),
            ("lambda", self.lambda),
            ("desirable_weight", self.desirable_weight),
            ("undesirable_weight", self.undesirable_weight),
            ("sft_weight", Some(self.sft_weight)),
        ]
    }

    fn check_that_all_go_with_the_loss(&self) -> Result<()> {
        use PreferenceLoss::{Aot, Dpop, Hinge, Ipo, Kto, Orpo, Robust, Sigmoid, Simpo};
        let all_but = |others: &[PreferenceLoss]| -> Vec<PreferenceLoss> {
            PreferenceLoss::ALL.into_iter().filter(|loss| !others.contains(loss)).collect()
        };
        let number = |value: Option<f32>| value.map(|value| value.to_string());
        let above_0 = |value: f32| number(Some(value).filter(|value| *value > 0.0));
        let threshold = self.score_threshold.map(|score| score.to_string());
        let is_free = self.reference_free.then(|| "true".to_string());
        let sums = (self.length_normalised == Some(false)).then(|| "false".to_string());
        let goes_with: [(&str, Option<String>, Vec<PreferenceLoss>); 10] = [
            ("beta", number(self.beta), all_but(&[Orpo])),
            ("gamma_ratio", number(self.gamma_ratio), vec![Simpo]),
            ("lambda", number(self.lambda), vec![Orpo, Dpop]),
            ("desirable_weight", number(self.desirable_weight), vec![Kto]),
            ("undesirable_weight", number(self.undesirable_weight), vec![Kto]),
            ("score_threshold", threshold, vec![Kto]),
            ("label_smoothing", above_0(self.label_smoothing), vec![Sigmoid, Robust, Simpo, Dpop, Aot]),
            ("length_normalised", sums, all_but(&[Simpo, Orpo])),
            ("reference_free", is_free, vec![Sigmoid, Robust, Ipo, Hinge, Simpo, Orpo]),
            ("sft_weight", above_0(self.sft_weight), all_but(&[Orpo, Kto])),
        ];
        for (name, value, losses) in goes_with {
            if let Some(value) = value.filter(|_| !losses.contains(&self.loss)) {
                let losses: Vec<&str> = losses.into_iter().map(PreferenceLoss::name).collect();
                let loss = self.loss.name();
                let expected =
                    format!("it to be left out with dpo.loss = {loss:?}; it goes with {}", losses.join(", "));
                return Err(wrong(name, &value, &expected));
            }
        }
        ensure(
            self.loss != Robust || self.label_smoothing > 0.0,
            "dpo.label_smoothing",
            self.label_smoothing,
            "the share of swapped pairs, above 0, that dpo.loss = \"robust\" corrects for",
        )
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::Setting { name: format!("dpo.{name}"), value: value.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: DpoSettings) -> String {
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_go_with_the_loss_is_refused() {
        let with = |loss| DpoSettings { loss, ..DpoSettings::default() };
        let smoothed = DpoSettings { label_smoothing: 0.1, ..with(PreferenceLoss::Ipo) };
        assert_eq!(
            refused(smoothed),
            "dpo.label_smoothing = 0.1: expected it to be left out with dpo.loss = \"ipo\"; it goes with sigmoid, robust, simpo, dpop, aot"
        );
        for (settings, name) in [
            (DpoSettings { beta: Some(0.1), ..with(PreferenceLoss::Orpo) }, "beta"),
            (DpoSettings { gamma_ratio: Some(0.5), ..with(PreferenceLoss::Sigmoid) }, "gamma_ratio"),
            (DpoSettings { lambda: Some(0.5), ..with(PreferenceLoss::Simpo) }, "lambda"),
            (DpoSettings { desirable_weight: Some(1.0), ..with(PreferenceLoss::Ipo) }, "desirable_weight"),
            (DpoSettings { score_threshold: Some(0.5), ..with(PreferenceLoss::Dpop) }, "score_threshold"),
            (
                DpoSettings { length_normalised: Some(false), ..with(PreferenceLoss::Orpo) },
                "length_normalised",
            ),
            (DpoSettings { reference_free: true, ..with(PreferenceLoss::Kto) }, "reference_free"),
            (DpoSettings { sft_weight: 0.1, ..with(PreferenceLoss::Kto) }, "sft_weight"),
            (with(PreferenceLoss::Robust), "label_smoothing"),
        ] {
            let told = refused(settings);
            assert!(told.starts_with(&format!("dpo.{name} = ")), "{told}");
        }
    }

    #[test]
    fn every_loss_has_its_own_defaults() {
        for loss in PreferenceLoss::ALL {
            let label_smoothing = if loss == PreferenceLoss::Robust { 0.1 } else { 0.0 };
            let settings = DpoSettings { loss, label_smoothing, ..DpoSettings::default() };
            settings.check().unwrap();
            assert_eq!(settings.pair_rule().is_err(), loss.is_unpaired());
            assert_eq!(serde_json::to_value(loss).unwrap(), loss.name());
        }
        let of = |loss| DpoSettings { loss, ..DpoSettings::default() };
        assert_eq!((of(PreferenceLoss::Simpo).beta(), of(PreferenceLoss::Ipo).beta()), (2.0, 0.1));
        assert!(of(PreferenceLoss::Ipo).by_token() && !of(PreferenceLoss::Sigmoid).by_token());
    }
}
