//! A server on the loopback interface with a tiny model of random weights, asked over its socket.

mod answers;
mod clients;
mod embeddings;
mod guarding;
mod limits;
mod plain;
mod support;
mod together;
mod tools;
