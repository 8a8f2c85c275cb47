//! What has to be said to repeat a run that was planned against the clock, on any machine of the same kind.

use nuwa_models::ModelConfig;
use nuwa_nn::ScheduleKind;
use nuwa_train::Summary;
use nuwa_train::plan::Plan;

/// Arguments that give the same plan without a clock: the sizes, and everything that followed from the time.
pub fn settings(plan: &Plan, summary: &Summary) -> Vec<String> {
    let steps = summary.fall.map_or(summary.steps, |fall| fall.end);
    let tokens = steps * plan.batch_tokens();
    let size = match plan.preset {
        Some(preset) => ["--preset".into(), preset.to_string()],
        None => ["--params".into(), plan.model.size().active().to_string()],
    };
    let mut arguments: Vec<String> = [&size[..], &["--tokens".into(), tokens.to_string()]].concat();
    let shape = match plan.preset {
        Some(_) => vec![("model.context", plan.context.to_string())],
        None => shape(&plan.model),
    };
    for (key, value) in shape.into_iter().chain(course(plan, summary)) {
        arguments.extend(["--set".into(), format!("{key}={value}")]);
    }
    arguments
}

fn shape(model: &ModelConfig) -> Vec<(&'static str, String)> {
    let [heads, kv_heads] = model.heads();
    let mut shape = vec![
        ("model.width", model.width().to_string()),
        ("model.layers", model.layers().to_string()),
        ("model.heads", heads.to_string()),
        ("model.context", model.context().to_string()),
    ];
    if kv_heads != heads {
        shape.push(("model.kv_heads", kv_heads.to_string()));
    }
    shape
}

fn course(plan: &Plan, summary: &Summary) -> Vec<(&'static str, String)> {
    let mut course = vec![
        ("pretrain.batch_tokens", plan.batch_tokens().to_string()),
        ("pretrain.learning_rate", plan.learning_rate.to_string()),
        ("pretrain.dropout", plan.dropout.to_string()),
        ("pretrain.optimizer.weight_decay", plan.weight_decay.to_string()),
        ("pretrain.warmup_steps", plan.warmup.to_string()),
        ("pretrain.validate_every", plan.validate_every.to_string()),
    ];
    if plan.schedule == ScheduleKind::WarmupStableDecay {
        let fall = summary.fall.map_or(0, |fall| fall.end - fall.start);
        course.push(("pretrain.schedule", "warmup-stable-decay".into()));
        course.push(("pretrain.decay_steps", fall.to_string()));
    }
    course
}
