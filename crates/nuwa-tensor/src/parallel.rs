//! Splitting rows over threads, always into the same chunks whatever the number of threads.

use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::Yield;
use rayon::prelude::*;

/// Elements a chunk should hold: large against the cost of handing it to another thread (about 10 us).
pub const CHUNK_ELEMENTS: usize = 1 << 15;

/// Runs `work`, which does many operations, on one of the threads that they are divided among. An operation then begins there
/// at once, where any other thread would wake a worker for each and wait to be woken, hundreds of times a training step.
pub fn on_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// As [`on_worker`], with the other threads kept awake until it ends: an operation that is divided among them then begins at once.
/// For work of many short operations, such as the pass of a model for one new token, which would else spend much of its time on
/// waking threads.
pub fn on_team<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let team = &Team::default();
    rayon::scope(|scope| {
        let (own, others) = (rayon::current_thread_index(), rayon::current_num_threads() - 1);
        if others > 0 {
            scope.spawn_broadcast(move |_, context| team.wait_for_work(Some(context.index()) == own));
        }
        let _ending = Ending(team);
        team.gather(others);
        work()
    })
}

/// What `f` makes of each item, in their order: each by one of the threads.
pub fn map_each<I: Send, T: Send>(items: Vec<I>, f: impl Fn(I) -> T + Send + Sync) -> Vec<T> {
    items.into_par_iter().with_max_len(1).map(f).collect()
}

/// How long the work waits for threads to join: somewhat longer than they take to wake up. Those that are busy are not waited for.
const GATHERING: Duration = Duration::from_micros(100);

/// Rounds of waiting before a thread offers its processor to others.
const PATIENCE: usize = 4096;

/// Threads that wait for the parts of a longer work.
#[derive(Default)]
struct Team {
    joined: AtomicUsize,
    /// Whether the work has begun, and whether it has ended.
    begun: AtomicBool,
    ended: AtomicBool,
}

impl Team {
    /// Waits a little for so many threads.
    fn gather(&self, others: usize) {
        let start = Instant::now();
        while self.joined.load(Ordering::Relaxed) < others && start.elapsed() < GATHERING {
            std::hint::spin_loop();
        }
        self.begun.store(true, Ordering::SeqCst);
    }

    /// Does parts of the work, and of any other, until it ends. Nobody joins who comes after the beginning: such a thread may stand in
    /// the midst of a part of this very work, which would then wait for itself.
    fn wait_for_work(&self, is_own: bool) {
        if is_own || self.begun.load(Ordering::SeqCst) {
            return;
        }
        self.joined.fetch_add(1, Ordering::Relaxed);
        let mut idle = 0;
        while !self.ended.load(Ordering::Acquire) {
            if rayon::yield_now() == Some(Yield::Executed) {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle > PATIENCE { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// Ends the work, also where it panics.
struct Ending<'a>(&'a Team);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

/// Runs `work` for each of so many items, in any order. It is behind a pointer, here and where the others end: what divides items among
/// threads is compiled once, and not once for each operation and dtype.
pub fn each(items: usize, work: &(dyn Fn(usize) + Sync)) {
    each_in(items, 1..=usize::MAX, work);
}

/// As [`each`], for long items: any two of them may go to two threads.
pub fn each_alone(items: usize, work: &(dyn Fn(usize) + Sync)) {
    each_in(items, 1..=1, work);
}

/// As [`each`], with at least and at most so many items together on one thread.
pub fn each_in(items: usize, together: RangeInclusive<usize>, work: &(dyn Fn(usize) + Sync)) {
    let items = (0..items).into_par_iter();
    items.with_min_len(*together.start()).with_max_len(*together.end()).for_each(work);
}

/// What is cut into parts, of which each thread takes its own.
///
/// # Safety
/// Parts of different numbers may be used at one time.
pub unsafe trait Parts: Sync {
    type Part;

    fn count(&self) -> usize;

    /// # Safety
    /// The number is below the count, and no part of this number was given before.
    unsafe fn part(&self, index: usize) -> Self::Part;
}

/// A slice in parts of one size, of which the last may be shorter.
pub struct Chunks<'a, T> {
    data: *mut T,
    length: usize,
    size: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the only way to the data is `part`, which gives each element to one caller.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

/// The parts of `size` elements of a slice.
pub fn chunks<T>(data: &mut [T], size: usize) -> Chunks<'_, T> {
    assert!(size > 0, "parts have elements");
    Chunks { data: data.as_mut_ptr(), length: data.len(), size, lifetime: PhantomData }
}

// SAFETY: the parts are disjoint.
unsafe impl<'a, T: Send> Parts for Chunks<'a, T> {
    type Part = &'a mut [T];

    fn count(&self) -> usize {
        self.length.div_ceil(self.size)
    }

    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn part(&self, index: usize) -> &'a mut [T] {
        let start = index * self.size;
        let length = self.size.min(self.length - start);
        // SAFETY: an index below the count begins within the slice, and its part is given once.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), length) }
    }
}

// SAFETY: each of the two gives parts that may be used at one time.
unsafe impl<A: Parts, B: Parts> Parts for (A, B) {
    type Part = (A::Part, B::Part);

    fn count(&self) -> usize {
        self.0.count().min(self.1.count())
    }

    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn part(&self, index: usize) -> Self::Part {
        // SAFETY: the caller's promise.
        unsafe { (self.0.part(index), self.1.part(index)) }
    }
}

/// Calls `work` with each part and its number.
pub fn each_part<P: Parts>(parts: P, work: impl Fn(usize, P::Part) + Sync) {
    each_part_in(parts, 1..=usize::MAX, work);
}

/// As [`each_part`], with at least and at most so many parts together on one thread.
pub fn each_part_in<P: Parts>(
    parts: P,
    together: RangeInclusive<usize>,
    work: impl Fn(usize, P::Part) + Sync,
) {
    each_in(parts.count(), together, &|index| {
        // SAFETY: each index comes once.
        work(index, unsafe { parts.part(index) });
    });
}

/// Runs `work` for each of so many items, which threads take one after the other: all end within an item of each other.
pub fn claimed(items: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = rayon::current_num_threads().min(items);
    if threads <= 1 {
        return (0..items).for_each(work);
    }
    let next = AtomicUsize::new(0);
    each_alone(threads, &|_| {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                return;
            }
            work(item);
        }
    });
}

/// Calls `f(first row, rows of the chunk)` for chunks of `out`, in parallel where there is enough to do.
pub fn rows_mut<T: Send>(out: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let rows_per_chunk = (CHUNK_ELEMENTS / width.max(1)).max(1);
    chunks_mut(out, width, rows_per_chunk, f);
}

/// As [`rows_mut`] with a given number of rows a chunk.
pub fn chunks_mut<T: Send>(
    out: &mut [T],
    width: usize,
    rows_per_chunk: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let chunk = rows_per_chunk * width;
    if out.len() <= chunk {
        return f(0, out);
    }
    each_part(chunks(out, chunk), |index, rows| f(index * rows_per_chunk, rows));
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
    fn each_item_is_done_once() {
        on_pools(|| {
            for items in [0, 1, 2, 40] {
                let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                claimed(items, &|item| {
                    counts[item].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        });
    }

    #[test]
    fn each_element_is_in_one_part() {
        on_pools(|| {
            for (length, size, together) in
                [(0, 3, 1..=1), (7, 3, 1..=usize::MAX), (40, 1, 4..=9), (9, 9, 2..=3)]
            {
                let (mut first, mut second) = (vec![0; length], vec![0; 2 * length]);
                let parts = (chunks(&mut first, size), chunks(&mut second, 2 * size));
                each_part_in(parts, together, |index, (first, second)| {
                    first.iter_mut().chain(second).for_each(|element| *element += index + 1);
                });
                let expected = |size: usize, length: usize| -> Vec<usize> {
                    (0..length).map(|at| at / size + 1).collect()
                };
                assert_eq!(first, expected(size, length));
                assert_eq!(second, expected(2 * size, 2 * length));
            }
        });
    }

    /// Parts of parts, from several works at a time: nobody waits for a thread that waits for the work.
    #[test]
    fn a_team_does_parts_of_parts() {
        on_pools(|| {
            (0..4_u64).into_par_iter().for_each(|work| {
                for _ in 0..20 {
                    let total: u64 = on_team(|| {
                        let rows = (0..50_u64).into_par_iter();
                        rows.map(|row| (0..50).into_par_iter().map(|i| i * row + work).sum::<u64>()).sum()
                    });
                    assert_eq!(total, 1225 * 1225 + 2500 * work);
                }
            });
        });
    }

    #[test]
    fn a_team_ends_when_its_work_panics() {
        on_pools(|| {
            let result = catch_unwind(AssertUnwindSafe(|| on_team(|| panic!("a work that fails"))));
            assert!(result.is_err());
        });
    }
}
