//! Steps counted in tests: work that grows with the square of its input is found without a clock.

#[cfg(test)]
thread_local! {
    static COUNTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts bytes, or other things, that were looked at; outside of tests, nothing.
#[inline(always)]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    COUNTED.set(COUNTED.get() + steps);
    #[cfg(not(test))]
    let _ = steps;
}

/// Checks that twice as much input takes about twice as many steps.
#[cfg(test)]
pub(crate) fn assert_linear(size: usize, work: impl Fn(usize)) {
    let steps = |size| {
        COUNTED.set(0);
        work(size);
        COUNTED.get()
    };
    let (once, twice) = (steps(size), steps(2 * size));
    assert!(twice <= 2 * once + once / 4 + 1000, "{once} steps for {size}, {twice} for twice as much");
}
