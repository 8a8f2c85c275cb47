//! Tasks whose ends are shared: a thread that finds no task left helps those that still work.

use crate::parallel::each_alone;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Rounds of waiting before a thread offers its processor to others.
const PATIENCE: usize = 256;

/// Does the `pieces` of each of the `tasks`. `own(task, lend)` prepares a task on one thread and lends the words that its pieces
/// read; `piece(task, words, index)` does a piece of it, on that thread or on one that has no task of its own left. So all
/// threads end within a piece of each other, also where there are more of them than tasks.
pub fn shared_tasks(
    tasks: usize,
    pieces: usize,
    own: impl Fn(usize, &dyn Fn(&[u32])) + Sync,
    piece: impl Fn(usize, &[u32], usize) + Sync,
) {
    let loans: Vec<Loan> = (0..tasks).map(|_| Loan { pieces, ..Loan::default() }).collect();
    let threads = rayon::current_num_threads().min(tasks * pieces);
    let starts: Vec<AtomicUsize> =
        (0..threads).map(|thread| AtomicUsize::new(thread * tasks / threads)).collect();
    // Each thread begins with tasks side by side, for what they write may lie side by side, and goes on with those of others.
    let work = |thread: usize| {
        for owner in (thread..threads).chain(0..thread) {
            let end = (owner + 1) * tasks / threads;
            loop {
                let task = starts[owner].fetch_add(1, Ordering::Relaxed);
                if task >= end {
                    break;
                }
                let loan = &loans[task];
                let _closing = Closing(loan);
                own(task, &|words| loan.lend(words, |words, index| piece(task, words, index)));
            }
        }
        help(&loans, &piece);
    };
    each_alone(threads, &work);
}

/// Takes pieces of others' tasks until none is left.
fn help(loans: &[Loan], piece: &impl Fn(usize, &[u32], usize)) {
    let mut waiting = Waiting::default();
    loop {
        // The last ones are those that are still worked on.
        for (task, loan) in loans.iter().enumerate().rev() {
            loan.take(|words, index| piece(task, words, index));
        }
        if loans.iter().all(Loan::has_ended) {
            return;
        }
        waiting.round();
    }
}

/// What the owner of a task lends to those who help.
#[derive(Default)]
struct Loan {
    pieces: usize,
    words: AtomicPtr<u32>,
    length: AtomicUsize,
    /// The pieces that were given to a thread, and those that are done.
    taken: AtomicUsize,
    done: AtomicUsize,
}

impl Loan {
    /// Lends the words, works on the pieces, and returns when nobody reads the words any more.
    fn lend(&self, words: &[u32], work: impl Fn(&[u32], usize)) {
        let _returning = Returning(self);
        self.length.store(words.len(), Ordering::Relaxed);
        self.words.store(words.as_ptr().cast_mut(), Ordering::Release);
        self.take(work);
    }

    /// Whether no piece is left to take: they were given away, or the owner panicked.
    fn has_ended(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.pieces
    }

    /// Does pieces until all are given away, or none where nothing is lent yet.
    fn take(&self, work: impl Fn(&[u32], usize)) {
        let words = self.words.load(Ordering::Acquire).cast_const();
        while !words.is_null() && !self.has_ended() {
            let index = self.taken.fetch_add(1, Ordering::AcqRel);
            if index >= self.pieces {
                return;
            }
            let _done = Done(&self.done);
            let length = self.length.load(Ordering::Relaxed);
            // SAFETY: the owner lent this slice and waits in `Returning` until the piece that was just taken is done.
            work(unsafe { std::slice::from_raw_parts(words, length) }, index);
        }
    }

    /// Gives away no further piece; the number of those that were given away.
    fn close(&self) -> usize {
        self.taken.fetch_max(self.pieces, Ordering::AcqRel).min(self.pieces)
    }
}

/// Counts a piece as done when it ends, also by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Closes a loan, for after a panic there may be pieces left.
struct Closing<'a>(&'a Loan);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Closes a loan and waits until the pieces that were given away are done.
struct Returning<'a>(&'a Loan);

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        let taken = self.0.close();
        let mut waiting = Waiting::default();
        while self.0.done.load(Ordering::Acquire) < taken {
            waiting.round();
        }
    }
}

/// Waiting for another thread, which is short: it works on one piece.
#[derive(Default)]
struct Waiting(usize);

impl Waiting {
    fn round(&mut self) {
        self.0 += 1;
        if self.0 > PATIENCE { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// With one thread, two, and more than there are processors.
    fn on_pools(test: impl Fn() + Sync) {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads can be had").install(&test);
        }
    }

    #[test]
    fn every_piece_is_done_once() {
        on_pools(|| {
            for (tasks, pieces) in [(0, 3), (3, 0), (1, 1), (1, 40), (7, 5), (30, 1)] {
                let counts: Vec<AtomicUsize> = (0..tasks * pieces).map(|_| AtomicUsize::new(0)).collect();
                shared_tasks(
                    tasks,
                    pieces,
                    |task, lend| lend(&vec![task as u32; 10 + task]),
                    |task, words, index| {
                        assert!(words.len() == 10 + task && words.iter().all(|&word| word == task as u32));
                        counts[task * pieces + index].fetch_add(1, Ordering::Relaxed);
                    },
                );
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        });
    }

    /// Nobody waits for ever for a task that has failed.
    #[test]
    fn a_panic_reaches_the_caller() {
        let fails = |own: &(dyn Fn(usize) + Sync), piece: &(dyn Fn(usize) + Sync)| {
            on_pools(|| {
                let own = |task: usize, lend: &dyn Fn(&[u32])| {
                    own(task);
                    lend(&[]);
                };
                let run = || shared_tasks(3, 4, own, |task, _, index| piece(task * 4 + index));
                assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            });
        };
        for fault in 0..12 {
            fails(&|_| {}, &|piece| assert!(piece != fault));
        }
        for fault in 0..3 {
            fails(&|task| assert!(task != fault), &|_| {});
        }
    }
}
