/// How far a piece of long work has come; libraries hand it to an observer, the program draws it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a short noun phrase ("reading documents").
    pub task: &'static str,
    /// Units finished.
    pub done: u64,
    /// Units in all, where that is known.
    pub total: Option<u64>,
    /// What a unit is ("documents", "bytes").
    pub unit: &'static str,
    /// Bytes in the units finished, where they are counted.
    pub bytes: Option<u64>,
}
