use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What only its maker can say of a data set and a model: the questions of "Datasheets for Datasets" (Gebru et al. 2021) that cannot be
/// measured. Shown in the data card and in the model card; a question without an answer is shown as not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CardSettings {
    /// Motivation: for what purpose the data was put together, by whom, and who paid for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motivation: Option<String>,
    /// Composition: what the texts are, what they leave out, and whether they speak of people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition: Option<String>,
    /// Collection: how and when the texts were got, and whether those who wrote them or appear in them know of it and agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Uses: what data and model are meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
    /// What they must not be used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misuses: Option<String>,
    /// Known harm and known faults: bias, private data, errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risks: Option<String>,
    /// Distribution: where data and model can be had, and under which conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Maintenance: who looks after it, how mistakes are corrected and texts are taken out on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
    /// The licence, as the Hugging Face Hub writes it, such as "cc-by-4.0" or "mit". If unset: "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where to write to with a question or a complaint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}
