//! Tasks whose ends are shared: a thread that finds no task left helps those that still work.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rayon::prelude::*;

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
    let loans: Vec<Loan> = (0..tasks).map(|_| Loan::default()).collect();
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
                let _closing = Closing { loan, pieces };
                own(task, &|words| loan.lend(words, pieces, |words, index| piece(task, words, index)));
            }
        }
        help(&loans, pieces, &piece);
    };
    (0..threads).into_par_iter().with_max_len(1).for_each(work);
}

/// Takes pieces of others' tasks until none is left.
fn help(loans: &[Loan], pieces: usize, piece: &impl Fn(usize, &[u32], usize)) {
    let mut waiting = Waiting::default();
    loop {
        let mut is_done = true;
        // The last ones are those that are still worked on.
        for (task, loan) in loans.iter().enumerate().rev() {
            if loan.has_ended(pieces) {
                continue;
            }
            match loan.words() {
                Some(words) => loan.take(words, pieces, |words, index| piece(task, words, index)),
                None => is_done = false,
            }
        }
        if is_done {
            return;
        }
        waiting.round();
    }
}

/// What the owner of a task lends to those who help.
#[derive(Default)]
struct Loan {
    words: AtomicPtr<u32>,
    length: AtomicUsize,
    /// The pieces that were given to a thread, and those that are done.
    taken: AtomicUsize,
    done: AtomicUsize,
}

/// The words of a loan, which may only be read by a thread that has taken a piece.
#[derive(Clone, Copy)]
struct Words {
    data: *const u32,
    length: usize,
}

impl Loan {
    /// Lends the words, works on the pieces, and returns when nobody reads the words any more.
    fn lend(&self, words: &[u32], pieces: usize, work: impl Fn(&[u32], usize)) {
        let _returning = Returning(Closing { loan: self, pieces });
        self.length.store(words.len(), Ordering::Relaxed);
        self.words.store(words.as_ptr().cast_mut(), Ordering::Release);
        self.take(Words { data: words.as_ptr(), length: words.len() }, pieces, work);
    }

    /// The words, once they are lent.
    fn words(&self) -> Option<Words> {
        let data = self.words.load(Ordering::Acquire).cast_const();
        (!data.is_null()).then(|| Words { data, length: self.length.load(Ordering::Relaxed) })
    }

    /// Whether no piece is left to take: they were given away, or the owner panicked.
    fn has_ended(&self, pieces: usize) -> bool {
        self.taken.load(Ordering::Relaxed) >= pieces
    }

    /// Does pieces until all are given away.
    fn take(&self, words: Words, pieces: usize, work: impl Fn(&[u32], usize)) {
        while !self.has_ended(pieces) {
            let index = self.taken.fetch_add(1, Ordering::AcqRel);
            if index >= pieces {
                return;
            }
            let _done = Done(&self.done);
            // SAFETY: the owner lent this slice and waits in `Returning` until the piece that was just taken is done.
            work(unsafe { std::slice::from_raw_parts(words.data, words.length) }, index);
        }
    }
}

/// Counts a piece as done when it ends, also by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Gives away no further piece, for there may be some left after a panic.
struct Closing<'a> {
    loan: &'a Loan,
    pieces: usize,
}

impl Closing<'_> {
    /// The number of pieces that were given away until now.
    fn close(&self) -> usize {
        self.loan.taken.fetch_max(self.pieces, Ordering::AcqRel).min(self.pieces)
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes a loan and waits until the pieces that were given away are done.
struct Returning<'a>(Closing<'a>);

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        let taken = self.0.close();
        let mut waiting = Waiting::default();
        while self.0.loan.done.load(Ordering::Acquire) < taken {
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
            for (tasks, pieces) in [(0, 3), (3, 0), (1, 1), (1, 40), (7, 5), (300, 1)] {
                let counts: Vec<AtomicUsize> = (0..tasks * pieces).map(|_| AtomicUsize::new(0)).collect();
                shared_tasks(
                    tasks,
                    pieces,
                    |task, lend| lend(&vec![task as u32; 100 + task]),
                    |task, words, index| {
                        assert!(words.len() == 100 + task && words.iter().all(|&word| word == task as u32));
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
