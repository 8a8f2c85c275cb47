//! Answers that are compared, rendered for a model's context: the oldest turns of a prompt are left out where it is too long,
//! and a share of the records stand after others.

use nuwa_tokenizer::{Message, Tokenizer};
use rayon::prelude::*;

use crate::data::{JudgedAnswer, Preference};
use crate::join::{self, Part};
use crate::pack::Example;
use crate::render::render;
use crate::{Error, Result};

/// Which records stand after others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joining {
    pub share: f64,
    pub context: usize,
    pub seed: u64,
}

/// A prompt with the answers to it that are compared.
pub(crate) trait Compared: Part + Clone + Send + Sync {
    /// Its answers, rendered.
    type Examples: AsRef<[Example]> + Send;

    /// What the answers answer to.
    fn prompt_mut(&mut self) -> &mut Vec<Message>;

    /// Each answer after the prompt.
    fn examples(&self, tokenizer: &Tokenizer) -> Result<Self::Examples>;

    /// The answer after which a conversation may go on.
    fn good_answer(&self) -> Option<&[Message]>;
}

impl Compared for Preference {
    type Examples = [Example; 2];

    fn prompt_mut(&mut self) -> &mut Vec<Message> {
        &mut self.prompt
    }

    fn examples(&self, tokenizer: &Tokenizer) -> Result<Self::Examples> {
        let [chosen, rejected] = self.dialogues().map(|dialogue| {
            let rendered = render(tokenizer, &dialogue, self.prompt.len())?;
            Ok::<_, Error>(Example::of(rendered.ids, rendered.trained))
        });
        Ok([chosen?, rejected?])
    }

    fn good_answer(&self) -> Option<&[Message]> {
        Some(&self.chosen)
    }
}

impl Compared for JudgedAnswer {
    type Examples = [Example; 1];

    fn prompt_mut(&mut self) -> &mut Vec<Message> {
        &mut self.prompt
    }

    fn examples(&self, tokenizer: &Tokenizer) -> Result<Self::Examples> {
        let rendered = render(tokenizer, &self.dialogue(), self.prompt.len())?;
        Ok([Example::of(rendered.ids, rendered.trained)])
    }

    fn good_answer(&self) -> Option<&[Message]> {
        self.is_good.then_some(&self.answer)
    }
}

/// What became of records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fates {
    pub shortened: u64,
    pub too_long: u64,
    pub joined: u64,
}

/// The answers of each of `records`, in examples; none where they are longer than the context.
pub(crate) fn fitting<T: Compared>(
    tokenizer: &Tokenizer,
    records: &[&T],
    joining: &Joining,
    fates: &mut Fates,
) -> Result<Vec<Option<T::Examples>>> {
    let context = joining.context;
    let fitted: Vec<Option<Fitted<T::Examples>>> =
        records.par_iter().map(|record| fit(tokenizer, *record, context)).collect::<Result<_>>()?;
    fates.too_long += fitted.iter().filter(|fitted| fitted.is_none()).count() as u64;
    fates.shortened += fitted.iter().flatten().filter(|fitted| fitted.shortened).count() as u64;
    // One that does not fit is too long for any group.
    let size = |fitted: &Option<Fitted<T::Examples>>| fitted.as_ref().map_or(usize::MAX / 2, Fitted::longest);
    let sizes: Vec<usize> = fitted.iter().map(size).collect();
    let before = before_each(records, &sizes, joining);
    let longer: Vec<Option<Fitted<T::Examples>>> = records
        .par_iter()
        .zip(&before)
        .map(|(record, before)| after(tokenizer, before, *record, context))
        .collect();
    fates.joined += longer.iter().flatten().count() as u64;
    let chosen = longer.into_iter().zip(fitted).map(|(longer, alone)| longer.or(alone));
    Ok(chosen.map(|fitted| fitted.map(|fitted| fitted.examples)).collect())
}

/// What stands before each record in its conversation: prompts with their good answers.
fn before_each<'a, T: Compared>(
    records: &[&'a T],
    sizes: &[usize],
    joining: &Joining,
) -> Vec<Vec<(&'a T, &'a [Message])>> {
    let mut before = vec![Vec::new(); records.len()];
    for group in join::groups(records, sizes, joining.share, joining.context, joining.seed) {
        for (place, &index) in group.iter().enumerate() {
            let earlier = group[..place].iter().map(|&earlier| records[earlier]);
            before[index] = earlier.filter_map(|one| Some((one, one.good_answer()?))).collect();
        }
    }
    before
}

/// A record after others; none where there are no others, they do not fit, or the template cannot write it.
fn after<T: Compared>(
    tokenizer: &Tokenizer,
    before: &[(&T, &[Message])],
    record: &T,
    context: usize,
) -> Option<Fitted<T::Examples>> {
    if before.is_empty() {
        return None;
    }
    let earlier: Vec<Vec<Message>> =
        before.iter().map(|(one, answer)| one.messages().iter().chain(*answer).cloned().collect()).collect();
    let parts = earlier.iter().map(Vec::as_slice).chain([record.messages()]);
    let mut whole = record.clone();
    *whole.prompt_mut() = join::joined(parts);
    fit(tokenizer, &whole, context).ok().flatten().filter(|fitted| !fitted.shortened)
}

pub(crate) struct Fitted<E> {
    pub(crate) examples: E,
    pub(crate) shortened: bool,
}

impl<E: AsRef<[Example]>> Fitted<E> {
    fn longest(&self) -> usize {
        self.examples.as_ref().iter().map(|answer| answer.ids.len()).max().unwrap_or(0)
    }
}

/// Leaves out the oldest turns of the prompt, but for a system prompt, until all answers fit the context; none where
/// even the last question alone is too long.
pub(crate) fn fit<T: Compared>(
    tokenizer: &Tokenizer,
    record: &T,
    context: usize,
) -> Result<Option<Fitted<T::Examples>>> {
    let mut shorter = record.clone();
    let first = usize::from(shorter.messages().first().is_some_and(|turn| turn.role == "system"));
    let mut shortened = false;
    loop {
        let examples = shorter.examples(tokenizer)?;
        if examples.as_ref().iter().all(|answer| answer.positions() <= context) {
            return Ok(Some(Fitted { examples, shortened }));
        }
        // A prompt goes on beginning with the user.
        let prompt = shorter.prompt_mut();
        let next = prompt.iter().skip(first + 1).position(|turn| turn.role == "user");
        let Some(next) = next else { return Ok(None) };
        prompt.drain(first..first + 1 + next);
        shortened = true;
    }
}
