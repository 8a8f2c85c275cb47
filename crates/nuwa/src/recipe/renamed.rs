//! Settings that have another name now. A recipe that says the old one is read all the same, with a word about the new one.

use serde_json::{Map, Value};
use toml::Table;

/// The old name and the new one, in the same table.
const RENAMED: [(&str, &str); 2] =
    [("sft.tuning.held_back", "sft.tuning.held_out"), ("dpo.tuning.held_back", "dpo.tuning.held_out")];

/// Puts what `table` says under an old name under the new one, unless that is said too, and gives a word about each.
pub fn rename(table: &mut Table) -> Vec<String> {
    let renamed = RENAMED.iter().filter(|(old, new)| rename_one(table, old, new));
    renamed.map(|(old, new)| format!("the setting `{old}` is called `{new}` now")).collect()
}

/// The same for the settings of one stage, or of several, as its manifest keeps them.
pub fn rename_kept(settings: Value) -> Value {
    let Value::Object(settings) = settings else { return settings };
    let name_of = |key: String| {
        let renamed = RENAMED.iter().find(|(old, _)| last(old) == key);
        renamed.map_or(key, |(_, new)| last(new).to_string())
    };
    let renamed = settings.into_iter().map(|(key, value)| (name_of(key), rename_kept(value)));
    Value::Object(renamed.collect::<Map<_, _>>())
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn rename_one(table: &mut Table, old: &str, new: &str) -> bool {
    let Some((parent, old)) = old.rsplit_once('.') else { return false };
    let new = last(new);
    let parent = parent.split('.').try_fold(table, |table, step| table.get_mut(step)?.as_table_mut());
    let Some(parent) = parent.filter(|parent| !parent.contains_key(new)) else { return false };
    match parent.remove(old) {
        Some(value) => parent.insert(new.into(), value).is_none(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::keys;

    #[test]
    fn old_names_are_read_and_told() {
        let mut table: Table = "[sft.tuning]\nheld_back = 0.1\n[dpo.tuning]\nheld_out = 0.2".parse().unwrap();
        let told = "the setting `sft.tuning.held_back` is called `sft.tuning.held_out` now";
        assert_eq!(rename(&mut table), [told]);
        assert_eq!(table, "[sft.tuning]\nheld_out = 0.1\n[dpo.tuning]\nheld_out = 0.2".parse().unwrap());
        assert!(rename(&mut table).is_empty());
    }

    #[test]
    fn what_is_said_under_both_names_is_left() {
        let text = "[sft.tuning]\nheld_back = 0.1\nheld_out = 0.2";
        let mut table: Table = text.parse().unwrap();
        assert!(rename(&mut table).is_empty());
        assert_eq!(table, text.parse().unwrap());
    }

    #[test]
    fn a_manifest_of_an_earlier_version_is_compared_by_the_new_names() {
        let kept = serde_json::json!({"epochs": 3, "tuning": {"held_back": 0.05}});
        assert_eq!(rename_kept(kept), serde_json::json!({"epochs": 3, "tuning": {"held_out": 0.05}}));
    }

    #[test]
    fn every_new_name_is_a_setting_and_no_old_one_is() {
        for (old, new) in RENAMED {
            assert!(keys::find(new).is_some() && keys::find(old).is_none(), "{old} {new}");
        }
    }
}
