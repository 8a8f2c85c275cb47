//! `nuwa judge`: people, and models that are asked as they are, judge the answers of several models blind.
//!
//! [`answers`] are written or read, a plan of [`nuwa_eval::people`] fixes what is asked, [`session`]s keep what each judge says,
//! [`routes`] are what the page asks, and [`model_judge`] asks a model behind an address.

mod answers;
mod model_judge;
mod routes;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use nuwa_eval::people::{JudgeKind, JudgePlan};

use crate::page::{Request, Server};
use session::Session;

pub use answers::{Contestant, Writing};
pub use model_judge::ModelJudge;

/// What all requests share.
pub struct Judging {
    folder: PathBuf,
    plan: JudgePlan,
    sessions: Mutex<BTreeMap<String, Session>>,
}

impl Judging {
    /// Serves the page of a plan.
    pub fn start(folder: PathBuf, plan: JudgePlan, server: Server) -> Arc<Self> {
        let judging = Arc::new(Self { folder, plan, sessions: Mutex::new(BTreeMap::new()) });
        let served = Arc::clone(&judging);
        server.start(Arc::new(move |request: &Request| routes::answer(&served, request)));
        judging
    }

    /// The judges who came, for as long as the guard lives.
    pub fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Does something in the session of a judge, who may be new.
    fn with_session<T>(
        &self,
        judge: &str,
        act: impl FnOnce(&mut Session, &JudgePlan) -> nuwa_eval::Result<T>,
    ) -> nuwa_eval::Result<T> {
        let mut sessions = self.sessions();
        let judge = judge.trim();
        if !sessions.contains_key(judge) {
            let session = Session::open(&self.folder, &self.plan, judge, JudgeKind::Person)?;
            sessions.insert(judge.to_string(), session);
        }
        match sessions.get_mut(judge) {
            Some(session) => act(session, &self.plan),
            None => Err(nuwa_eval::Error::Judging { problem: format!("there is no judge {judge}") }),
        }
    }
}
