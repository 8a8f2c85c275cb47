use crate::statistics::Bootstrap;

/// The version of sacreBLEU whose figures these are.
const SACREBLEU: &str = "2.6.0";

/// A signature in sacreBLEU's form, with the version of sacreBLEU that the figure equals and, behind it, the program that computed it.
///
/// Bootstrap samples are drawn by this program's own generator: intervals of one seed differ from sacreBLEU's in their last digits.
pub fn signature(references: Option<usize>, sampled: Option<Bootstrap>, own: &str) -> String {
    let references = references.map_or("var".to_string(), |count| count.to_string());
    let sampled =
        sampled.map_or(String::new(), |sampled| format!("bs:{}|seed:{}|", sampled.samples, sampled.seed));
    let program = env!("CARGO_PKG_VERSION");
    format!("nrefs:{references}|{sampled}{own}|version:{SACREBLEU}|nuwa:{program}")
}
