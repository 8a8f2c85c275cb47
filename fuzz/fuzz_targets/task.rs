//! Descriptions of evaluation tasks.
#![no_main]

use nuwa_eval::tasks::Task;
use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let files = Files::new(&[("task.toml", bytes)]);
    let _ = Task::read(&files.path("task.toml"));
});
