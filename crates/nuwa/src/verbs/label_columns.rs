use clap::{Args, ValueEnum};
use nuwa_align::Problem;
use nuwa_align::data::LabelColumns;

/// What these arguments stand under in the help.
pub const HEADING: &str = "Texts with labels";

/// Which columns hold texts and labels.
#[derive(Debug, Args)]
pub struct LabelArguments {
    /// The column of the labels [default: the one that is named label, labels, class, category, score or the like]
    #[arg(long, value_name = "COLUMN", help_heading = HEADING)]
    label: Option<String>,
    /// The column of the texts [default: the one that is named text, sentence, review or the like, or the only one]
    #[arg(long, value_name = "COLUMN", help_heading = HEADING)]
    text: Option<String>,
    /// The column of second texts, where a label is that of a pair
    #[arg(long, value_name = "COLUMN", requires = "text", help_heading = HEADING)]
    pair: Option<String>,
    /// What a label is: one of several, any number of several (a list, or names between ; , or |), or a number [default: as
    /// the column looks]
    #[arg(long, value_name = "WHAT", help_heading = HEADING)]
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    One,
    Several,
    Number,
}

impl LabelArguments {
    /// What was said.
    pub fn columns(&self) -> LabelColumns {
        let problem = self.kind.map(|kind| match kind {
            Kind::One => Problem::One,
            Kind::Several => Problem::Several,
            Kind::Number => Problem::Number,
        });
        LabelColumns { text: self.text.clone(), pair: self.pair.clone(), label: self.label.clone(), problem }
    }
}
