//! The program from outside: what it prints, where, and with which exit code.

mod building;
mod messages;
mod support;
