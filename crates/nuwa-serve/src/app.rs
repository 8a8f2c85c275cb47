use std::collections::BTreeMap;
use std::sync::Arc;

use nuwa_infer::SchedulerSettings;

use crate::event::Observer;
use crate::metrics::Metrics;
use crate::served::ServedModel;
use crate::settings::ServeSettings;
use crate::worker::{Worker, Workers};
use crate::{Error, Result};

/// What all connections share.
pub struct App {
    pub settings: ServeSettings,
    pub models: BTreeMap<String, Arc<ServedModel>>,
    /// The model that is meant where none is named: the first one.
    pub usual: String,
    pub workers: Workers,
    pub metrics: Arc<Metrics>,
    pub observer: Observer,
}

impl App {
    /// Starts a thread for each model.
    pub fn start(settings: ServeSettings, models: Vec<ServedModel>, observer: Observer) -> Result<Arc<Self>> {
        let usual = models.first().ok_or(Error::NoModel)?.name.clone();
        let metrics = Arc::new(Metrics::new(models.iter().map(|model| model.name.clone())));
        let (mut named, mut workers) = (BTreeMap::new(), BTreeMap::new());
        for model in models.into_iter().map(Arc::new) {
            let name = model.name.clone();
            let mut schedule = SchedulerSettings { slots: settings.slots, prompt_chunk: settings.prompt_chunk, ..SchedulerSettings::default() };
            if let Some(engine) = &model.engine {
                schedule.cache = engine.cache();
            }
            let (shared, observer) = (Arc::clone(&metrics), Arc::clone(&observer));
            let worker = Worker::start(Arc::clone(&model), schedule, settings.queue, shared, observer)?;
            workers.insert(name.clone(), worker);
            if named.insert(name.clone(), model).is_some() {
                return Err(Error::SameName { name });
            }
        }
        Ok(Arc::new(Self { settings, models: named, usual, workers, metrics, observer }))
    }

    /// Takes no more requests.
    pub fn stop(&self) {
        self.workers.values().for_each(Worker::stop);
    }

    /// Ends what still runs.
    pub fn end(&self) {
        self.workers.values().for_each(Worker::end);
    }
}
