//! Items of tasks, and rows of tables, from files that may be compressed.

use std::path::Path;

use nuwa_eval::tasks::Items;
use nuwa_files::compressed;

use crate::failure::Problem;

/// The items of a file that may be compressed.
pub fn read_items(path: &Path) -> anyhow::Result<Items> {
    let bytes = compressed::read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let problem =
            format!("{}: byte {place} is not UTF-8, expected JSON lines, a JSON list or CSV", path.display());
        Problem::new(problem).hint("save the items as text in UTF-8")
    })?;
    Ok(Items::parse(path, &compressed::name_within(path), &text)?)
}
