//! The program from outside: what it prints, where, and with which exit code.

#[cfg(target_os = "linux")]
mod apart;
#[cfg(unix)]
mod asked;
#[cfg(unix)]
mod browser;
mod building;
mod certificate;
mod compare;
mod crawl;
mod custom;
mod encoder;
#[cfg(unix)]
mod feedback;
mod gguf;
mod hub;
#[cfg(unix)]
mod interrupt;
#[cfg(unix)]
mod judge;
mod labels;
mod messages;
mod metric;
#[cfg(unix)]
mod page;
mod ratings;
#[cfg(unix)]
mod rewards;
mod runs;
mod sequences;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod serving;
mod support;
#[cfg(unix)]
mod terminal;
mod trust;
mod xlnet;
