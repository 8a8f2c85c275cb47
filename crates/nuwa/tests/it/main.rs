//! The program from outside: what it prints, where, and with which exit code.

#[cfg(target_os = "linux")]
mod apart;
mod building;
mod certificate;
mod crawl;
mod encoder;
mod hub;
#[cfg(unix)]
mod interrupt;
mod messages;
mod ratings;
mod runs;
mod support;
#[cfg(unix)]
mod terminal;
