//! Layers of a page that are switched off, as those of other languages of a sheet are: their text is not read.

use std::collections::{HashMap, HashSet};

use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, Name, ObjectIdentifier};

use super::budget::Budget;

/// The layers that are off, and what follows for those that were met.
pub(super) struct Layers {
    off: HashSet<ObjectIdentifier>,
    shown: HashMap<ObjectIdentifier, bool>,
}

impl Layers {
    pub fn of(pdf: &Pdf) -> Self {
        let catalog = pdf.xref().get::<Dict>(pdf.xref().root_id()).unwrap_or_default();
        let properties = catalog.get::<Dict>("OCProperties").unwrap_or_default();
        let usual = properties.get::<Dict>("D").unwrap_or_default();
        let is_off = usual.get::<Name>("BaseState").is_some_and(|state| &*state == b"OFF");
        let mut off: HashSet<_> = if is_off { listed(&properties, "OCGs").collect() } else { HashSet::new() };
        listed(&usual, "ON").for_each(|layer| {
            off.remove(&layer);
        });
        off.extend(listed(&usual, "OFF"));
        Self { off, shown: HashMap::new() }
    }

    /// Whether what the entry of the dictionary belongs to is seen.
    pub fn shows(&mut self, dict: &Dict, key: &[u8], budget: &mut Budget) -> bool {
        let Some(layer) = dict.get_ref(key).map(ObjectIdentifier::from) else { return true };
        if let Some(is_shown) = self.shown.get(&layer) {
            return *is_shown;
        }
        budget.object();
        let policy =
            dict.get::<Dict>(key).filter(|layer| layer.get::<Name>("Type").as_deref() == Some(b"OCMD"));
        let is_shown = match policy {
            Some(policy) => self.shows_by_policy(&policy, budget),
            None => !self.off.contains(&layer),
        };
        self.shown.insert(layer, is_shown);
        is_shown
    }

    fn shows_by_policy(&self, policy: &Dict, budget: &mut Budget) -> bool {
        let one = policy.get_ref("OCGs").map(ObjectIdentifier::from);
        let size = policy.get::<Array>("OCGs").map_or(0, |list| list.data().len());
        budget.read(size + policy.data().len());
        let mut layers = match policy.get::<Array>("OCGs") {
            Some(_) => listed(policy, "OCGs").collect(),
            None => Vec::from_iter(one),
        }
        .into_iter()
        .map(|layer| !self.off.contains(&layer))
        .peekable();
        if layers.peek().is_none() {
            return true;
        }
        match policy.get::<Name>("P").as_deref() {
            Some(b"AllOn") => layers.all(|is_on| is_on),
            Some(b"AnyOff") => layers.any(|is_on| !is_on),
            Some(b"AllOff") => layers.all(|is_on| !is_on),
            _ => layers.any(|is_on| is_on),
        }
    }
}

fn listed<'a>(dict: &Dict<'a>, key: &str) -> impl Iterator<Item = ObjectIdentifier> + use<'a> {
    let list = dict.get::<Array<'a>>(key).unwrap_or_default();
    list.raw_iter().filter_map(|item| item.as_obj_ref().map(ObjectIdentifier::from))
}
