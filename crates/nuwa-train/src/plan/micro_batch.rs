//! How many sequences go through the model at one time, where that is as many as the memory holds.

use nuwa_files::Progress;

use super::pilot::Pilot;
use super::{Plan, Request, Text, foreseen_bytes, needed, set_tokens};
use crate::Result;

/// What of the memory a micro-batch that was looked for may fill by prediction, which may err.
const PREDICTED_SHARE: f64 = 0.8;

/// The most sequences that fit the memory at one time, by prediction; none where nothing is known of it.
pub(super) fn largest_by_prediction(plan: &Plan, request: &Request<'_>) -> Option<usize> {
    let available = (request.memory? as f64 * PREDICTED_SHARE) as u64;
    let fits = |sequences: usize| {
        let tried = Plan { sequences, accumulation: 2, ..plan.clone() };
        needed(request, &tried) <= available
    };
    let most = MOST_AT_ONCE / plan.context.max(1);
    (0..usize::BITS)
        .map(|power| 1 << power)
        .take_while(|count| *count <= most.max(1) && fits(*count))
        .last()
        .or(Some(1))
}

/// More tokens than this at one time are no faster.
const MOST_AT_ONCE: usize = 1 << 17;

/// One probe of a micro-batch that was looked for: halves it until what a step really took fits the memory.
pub(super) fn probe(
    plan: &mut Plan,
    request: &Request<'_>,
    text: Text,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let (Some(available), Some(mut largest)) = (request.memory, plan.largest) else { return Ok(()) };
    loop {
        let mut pilot = Pilot::start(request, plan)?;
        pilot.run_steps(1, progress)?;
        if foreseen_bytes(plan, request, &pilot) <= available || plan.sequences == 1 {
            return Ok(());
        }
        largest = (plan.sequences / 2).min(largest / 2).max(1);
        plan.largest = Some(largest);
        let tokens = plan.tokens;
        set_tokens(plan, request, text, tokens);
    }
}
