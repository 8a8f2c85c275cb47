//! Items from files: text that may be compressed, and Parquet tables.

use std::path::{Path, PathBuf};

use nuwa_collect::table_rows;
use nuwa_eval::tasks::Items;
use nuwa_files::compressed;

use crate::failure::Problem;

/// The items of a file that may be compressed.
pub fn read_items(path: &Path) -> anyhow::Result<Items> {
    if path.extension().is_some_and(|ending| ending == "parquet") {
        let mut rows = Vec::new();
        table_rows(path, &mut |row| rows.push(row))?;
        return Ok(Items::of_rows(path, rows));
    }
    Ok(Items::parse(path, &compressed::name_within(path), &read_text(path)?)?)
}

/// The text of a file that may be compressed.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(compressed::read(path)?).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let problem =
            format!("{}: byte {place} is not UTF-8, expected JSON lines, a JSON list or CSV", path.display());
        Problem::new(problem).hint("save the items as text in UTF-8").into()
    })
}

/// The items of several files, one after the other.
pub fn read_all(paths: &[PathBuf]) -> anyhow::Result<Items> {
    let mut all: Option<Items> = None;
    for path in paths {
        let own = read_items(path)?;
        all = Some(match all {
            Some(before) => before.followed_by(own),
            None => own,
        });
    }
    Ok(all.unwrap_or_default())
}
