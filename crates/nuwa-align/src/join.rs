//! Records joined into conversations as long as the context.
//!
//! Most dialogues are short. A model that is tuned on them alone never answers late in its context, and fails there in use,
//! however much of the context it has. So a share of the records is put one after the other, as turns of one
//! conversation; the others stay alone, as most questions are asked.

use std::collections::BTreeMap;

use nuwa_tensor::Random;
use nuwa_tokenizer::Message;

use crate::data::{Dialogue, JudgedAnswer, Preference};
use crate::pack;

/// Tokens that may stand between the last answer of a record and the next record.
const BETWEEN: usize = 2;

/// Something that may be a part of a longer conversation.
pub(crate) trait Part {
    /// What stands before its answer or answers.
    fn messages(&self) -> &[Message];

    /// Whether it cannot be a part: its template is told about tools, or some of its answers are not trained on.
    fn stays_alone(&self) -> bool;
}

impl Part for Dialogue {
    fn messages(&self) -> &[Message] {
        &self.messages
    }

    fn stays_alone(&self) -> bool {
        self.tools.is_some() || !self.untrained.is_empty()
    }
}

impl Part for JudgedAnswer {
    fn messages(&self) -> &[Message] {
        &self.prompt
    }

    fn stays_alone(&self) -> bool {
        false
    }
}

impl Part for Preference {
    fn messages(&self) -> &[Message] {
        &self.prompt
    }

    fn stays_alone(&self) -> bool {
        false
    }
}

/// Which of `parts` stand in one conversation, and in which order: a `share` of them, chosen by `seed`, in groups whose
/// `sizes` fill the context, those of one system prompt together; each of the others alone.
pub(crate) fn groups(
    parts: &[&impl Part],
    sizes: &[usize],
    share: f64,
    context: usize,
    seed: u64,
) -> Vec<Vec<usize>> {
    let order = Random::new(seed).named("joined").permutation(parts.len());
    let (joined, alone) = order.split_at((share * parts.len() as f64).round() as usize);
    let mut groups: Vec<Vec<usize>> = alone.iter().map(|&index| vec![index]).collect();
    let mut by_system: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &index in joined {
        match system_of(parts[index]) {
            Some(system) => by_system.entry(system).or_default().push(index),
            None => groups.push(vec![index]),
        }
    }
    let sizes: Vec<usize> = sizes.iter().map(|size| size + BETWEEN).collect();
    let limit = context + 1 + BETWEEN;
    groups.extend(by_system.into_values().flat_map(|members| pack::groups(members, &sizes, limit)));
    groups
}

/// The system prompt of a part that can be joined, empty where it has none; none where it cannot.
fn system_of(part: &impl Part) -> Option<&str> {
    let (system, turns) = split(part.messages());
    let fits = turns.first().is_some_and(|turn| turn.role == "user")
        && turns.iter().all(|turn| turn.role != "system")
        && !part.stays_alone();
    fits.then(|| system.map_or("", |message| message.content.as_str()))
}

/// The turns of `parts` as one conversation with the system prompt of the first.
pub(crate) fn joined<'a>(parts: impl IntoIterator<Item = &'a [Message]>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for part in parts {
        let own = if messages.is_empty() { part } else { split(part).1 };
        messages.extend_from_slice(own);
    }
    messages
}

fn split(messages: &[Message]) -> (Option<&Message>, &[Message]) {
    match messages.split_first() {
        Some((first, rest)) if first.role == "system" => (Some(first), rest),
        _ => (None, messages),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(system: Option<&str>, question: &str) -> Dialogue {
        let system = system.map(|text| Message::new("system", text));
        let turns = [Message::new("user", question), Message::new("assistant", "yes")];
        let messages = system.into_iter().chain(turns).collect();
        Dialogue { messages, untrained: Vec::new(), tools: None, place: String::new() }
    }

    #[test]
    fn a_share_is_joined_under_one_system_prompt_each_record_once() {
        let system = |index: usize| [None, Some("be kind")][index % 2];
        let dialogues: Vec<Dialogue> = (0..40).map(|index| dialogue(system(index), "who?")).collect();
        let parts: Vec<&Dialogue> = dialogues.iter().collect();
        let groups = groups(&parts, &[10; 40], 0.5, 50, 3);
        let mut all: Vec<usize> = groups.concat();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        let longer: Vec<&Vec<usize>> = groups.iter().filter(|group| group.len() > 1).collect();
        assert!(longer.iter().all(|group| group.len() <= 4 && group.iter().all(|i| i % 2 == group[0] % 2)));
        let joined: usize = longer.iter().map(|group| group.len()).sum();
        assert!((18..=20).contains(&joined), "{groups:?}");
        let texts = joined_texts(&longer, &dialogues);
        assert!(texts.iter().all(|roles| roles.matches("system").count() < 2), "{texts:?}");
    }

    fn joined_texts(groups: &[&Vec<usize>], dialogues: &[Dialogue]) -> Vec<String> {
        let roles = |group: &&Vec<usize>| {
            let messages = joined(group.iter().map(|&index| dialogues[index].messages.as_slice()));
            messages.into_iter().map(|message| message.role).collect::<Vec<_>>().join(" ")
        };
        groups.iter().map(roles).collect()
    }

    #[test]
    fn what_is_long_or_has_tools_or_answers_of_no_weight_stays_alone() {
        let mut tools = dialogue(None, "tools");
        tools.tools = Some(serde_json::json!([{}]));
        let mut untrained = dialogue(None, "untrained");
        untrained.untrained = vec![1];
        let (long, short) = (dialogue(None, "long"), dialogue(None, "short"));
        let groups = groups(&[&tools, &untrained, &long, &short], &[5, 5, 60, 5], 1.0, 50, 1);
        assert!(groups.iter().all(|group| group.len() == 1), "{groups:?}");
    }
}
