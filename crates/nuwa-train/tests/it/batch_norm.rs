//! Running means and variances of batch norms, from step to step: kept with the weights, and moved by nothing but steps.

use nuwa_models::custom::{CustomSettings, NormKind};
use nuwa_models::{Batch, Family, Text};
use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_shards::{Part, Shards};
use nuwa_train::{
    Error, Loader, ModelSettings, PretrainSettings, Pretraining, Recompute, TrainEvent, Trainer,
    TrainerSettings,
};

use crate::{World, causal, settings, small};

fn world() -> World {
    let custom = CustomSettings { norm: NormKind::Batch, ..CustomSettings::default() };
    World::of(ModelSettings { family: Family::Custom, layers: Some(2), custom, ..small() })
}

/// Two passes a step, whose blocks are computed again.
fn in_parts() -> PretrainSettings {
    PretrainSettings { micro_batch_tokens: 32, recompute: Recompute::On, ..settings() }
}

#[test]
fn a_killed_run_ends_with_the_same_bits_and_validation_by_running_statistics_learns() {
    let (world, in_parts) = (world(), in_parts());
    assert_eq!(world.plan(&in_parts, 16_000).accumulation, 2);
    let mut losses = Vec::new();
    let whole = world.train_watched("whole", &in_parts, &mut |event| {
        if let TrainEvent::Validated(line) = event {
            losses.push(line.validation_loss);
        }
    });
    assert!(losses[losses.len() - 1] < 0.8 * losses[0], "{losses:?}");
    assert!(world.train("killed", &in_parts, Some(40)).is_none());
    assert!(world.train("killed", &in_parts, Some(133)).is_none());
    assert!(whole == world.train("killed", &in_parts, None).unwrap(), "weights differ after resuming");
    let kept = PretrainSettings { recompute: Recompute::Off, ..in_parts };
    assert!(
        whole == world.train("kept", &kept, None).unwrap(),
        "weights differ where blocks are computed again"
    );
}

fn trainer(world: &World, sizes: [usize; 2], batch_statistics: bool) -> (Trainer, Pretraining) {
    let plan = world.plan(&settings(), 1000);
    let settings = TrainerSettings {
        optimizer: OptimizerSettings { weight_decay: Some(0.5), ..OptimizerSettings::default() },
        batch_statistics,
        seed: 3,
        ..TrainerSettings::default()
    };
    let mut trainer = Trainer::new(nuwa_models::build(&plan.model, 5).unwrap(), None, settings);
    trainer.set_schedule(Schedule::new(ScheduleKind::Constant, 1e-2, 10));
    let loader = Loader::new(Shards::open(&world.shards(), Part::Train).unwrap(), 16, 3).unwrap();
    (trainer, Pretraining::new(loader, causal(), sizes))
}

/// The running means and variances.
fn buffers(trainer: &Trainer) -> Vec<f32> {
    let own = trainer.parameters().iter().filter(|parameter| parameter.entry().is_buffer());
    own.flat_map(|buffer| buffer.to_host()).collect()
}

#[test]
fn all_of_them_follow_each_step_where_it_is_asked_for() {
    let world = world();
    for batch_statistics in [true, false] {
        let (mut trainer, mut source) = trainer(&world, [2, 2], batch_statistics);
        let before = buffers(&trainer);
        // Two blocks with two norms, and that before the head, of 32 features.
        assert_eq!(before, [[0.0; 32], [1.0; 32]].concat().repeat(5));
        trainer.step(&mut source, 0).unwrap();
        let after = buffers(&trainer);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert_eq!(moved, if batch_statistics { before.len() } else { 0 });
    }
}

/// Looks at a model in training leave no trace, and neither does a step that is refused.
#[test]
fn passes_that_teach_nothing_leave_them_as_they_are() {
    let world = world();
    let after = |looks: bool| {
        let (mut trainer, mut source) = trainer(&world, [2, 2], true);
        trainer.step(&mut source, 0).unwrap();
        if looks {
            let before = buffers(&trainer);
            let (ids, weights) = ((1..17).collect::<Vec<u32>>(), vec![1.0 / 16.0; 16]);
            let batch = Batch::of_every_row(Text::causal(ids.clone(), 1), ids, weights);
            trainer.look_inside(&batch, 7).unwrap();
            source.gradient_noise(&mut trainer, 1).unwrap();
            trainer.losses(&batch).unwrap();
            assert_eq!(buffers(&trainer), before);
        }
        trainer.step(&mut source, 1).unwrap();
        trainer.parameters().to_host()
    };
    assert!(after(false) == after(true));
    let (mut trainer, mut source) = trainer(&world, [2, 1], true);
    trainer.step(&mut source, 0).unwrap();
    let good = buffers(&trainer);
    let (head, first) = (trainer.model().head().weight, trainer.model().head().weight.to_host()[0]);
    head.set(|values| values[0] = f32::NAN);
    let error = trainer.step(&mut source, 1).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 1, .. }), "{error}");
    assert_eq!(buffers(&trainer), good);
    trainer.model().head().weight.set(|values| values[0] = first);
    trainer.step(&mut source, 1).unwrap();
    assert!(buffers(&trainer).iter().all(|value| value.is_finite()), "a refused step was remembered");
}
