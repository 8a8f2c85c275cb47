//! The program from outside: what it prints, where, and with which exit code.

mod building;
mod crawl;
mod hub;
mod messages;
mod support;
