use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::app::App;
use crate::event::{Event, RequestRecord};

/// The status in the log where the client went before the answer.
const GONE: u16 = 499;

/// What is noted of a request; told when it goes, which is when the answer has been written or the client went.
pub struct Record {
    app: Arc<App>,
    came: Instant,
    told: RequestRecord,
}

impl Record {
    pub fn new(app: &Arc<App>, client: IpAddr, method: &str, route: &'static str) -> Self {
        let told = RequestRecord { client: Some(client), method: method.into(), route, status: GONE, ..RequestRecord::default() };
        Self { app: Arc::clone(app), came: Instant::now(), told }
    }

    pub fn model(&mut self, name: &str) {
        self.told.model = Some(name.to_string());
    }

    pub fn status(&mut self, status: u16) {
        self.told.status = status;
    }

    pub fn tokens(&mut self, prompt: usize, completion: usize) {
        (self.told.prompt_tokens, self.told.completion_tokens) = (prompt, completion);
    }

    /// What was asked, where that is to be logged.
    pub fn asked(&mut self, text: impl FnOnce() -> String) {
        if self.app.settings.log_texts {
            self.told.texts = Some((text(), String::new()));
        }
    }

    /// More of what is answered.
    pub fn answered(&mut self, text: &str) {
        if let Some((_, answer)) = &mut self.told.texts {
            answer.push_str(text);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.told.took = self.came.elapsed();
        self.app.metrics.answered(self.told.route, self.told.status);
        (self.app.observer)(Event::Request(std::mem::take(&mut self.told)));
    }
}
