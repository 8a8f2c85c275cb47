//! Plain loops, compiled once per instruction set, chosen at run time.
//!
//! A kernel wrapped in `vectorised!` is one portable body; the compiler turns its fixed-width inner loops into
//! AVX2 or AVX-512 code in the copies that may use those instructions. There is no second source to keep equal.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::element::{DType, Element};

/// How many `f32` partial sums a reduction keeps: a multiple of every vector width in use.
pub const LANES: usize = 16;

/// The instruction sets the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What the target guarantees: SSE2 on x86-64, NEON on AArch64.
    Baseline = 1,
    /// AVX2 with fused multiply-add.
    Avx2 = 2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512 = 3,
    /// AVX-512 with products of bf16.
    Avx512Bf16 = 4,
    /// These and tile registers that multiply bf16 (AMX).
    Amx = 5,
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The level in use: the best the processor has, unless [`force`] set a lower one.
pub fn level() -> Level {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => Level::Baseline,
        2 => Level::Avx2,
        3 => Level::Avx512,
        4 => Level::Avx512Bf16,
        5 => Level::Amx,
        _ => {
            let best = detect();
            CHOSEN.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Uses `wanted` from now on, or the best the processor has where that is lower. For tests and measurements: while an
/// operation runs it must not change, for operands are packed for one level.
pub fn force(wanted: Level) {
    CHOSEN.store(wanted.min(highest()) as u8, Ordering::Relaxed);
}

/// The levels that can be forced here, lowest first: what tests of all of them go through.
pub fn levels() -> impl Iterator<Item = Level> {
    let all = [Level::Baseline, Level::Avx2, Level::Avx512, Level::Avx512Bf16, Level::Amx];
    let highest = highest();
    all.into_iter().filter(move |&level| level <= highest)
}

/// The best level that can be forced: unit tests emulate tile registers where only these are missing.
fn highest() -> Level {
    match detect() {
        Level::Avx512Bf16 if cfg!(test) => Level::Amx,
        best => best,
    }
}

/// The best level of this processor.
#[cfg(target_arch = "x86_64")]
pub fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx2 && avx512) {
        (_, true) if is_x86_feature_detected!("avx512bf16") => {
            if tile_registers() {
                Level::Amx
            } else {
                Level::Avx512Bf16
            }
        }
        (_, true) => Level::Avx512,
        (true, _) => Level::Avx2,
        _ => Level::Baseline,
    }
}

/// Whether the processor has tile registers for bf16 and the system lets this process use them: Linux wants to be asked, for
/// they make what it saves of each thread 8 KiB larger.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tile_registers() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// Intel's bits of leaf 7: AMX-BF16 and AMX-TILE.
    const FEATURES: u32 = 1 << 22 | 1 << 24;
    /// Linux's number of the call, its request for permission, and the state that is asked for.
    const ARCH_PRCTL: u64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XTILEDATA: u64 = 18;

    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & FEATURES != FEATURES {
        return false;
    }
    let mut result = ARCH_PRCTL;
    // SAFETY: the call touches no memory of this process; the kernel overwrites `rcx` and `r11`.
    unsafe {
        std::arch::asm!(
            "syscall",
            inout("rax") result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Other systems are not asked.
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn tile_registers() -> bool {
    false
}

/// The best level of this processor.
#[cfg(not(target_arch = "x86_64"))]
pub fn detect() -> Level {
    Level::Baseline
}

/// Asks for the cache lines of `count` elements, to be read soon.
#[inline(always)]
pub(crate) fn prefetch_read<T>(values: *const T, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..count * size_of::<T>()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, count);
}

/// Asks for the cache lines of `count` elements, to be written soon.
#[inline(always)]
pub(crate) fn prefetch_write<T>(values: *const T, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..count * size_of::<T>()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a prefetch touches no memory as the program sees it, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(values.cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, count);
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// `a b + c` as a level has it.
pub(crate) trait MultiplyAdd: Copy + Send + Sync {
    fn multiply_add(self, a: f32, b: f32, c: f32) -> f32;
}

/// One instruction, rounded once.
#[derive(Clone, Copy)]
pub(crate) struct Fused;

impl MultiplyAdd for Fused {
    #[inline(always)]
    fn multiply_add(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// A product and a sum, for targets where the fused one would be a function call.
#[cfg(not(target_arch = "aarch64"))]
#[derive(Clone, Copy)]
pub(crate) struct Separate;

#[cfg(not(target_arch = "aarch64"))]
impl MultiplyAdd for Separate {
    #[inline(always)]
    fn multiply_add(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// What the target guarantees.
#[cfg(target_arch = "aarch64")]
pub(crate) const BASELINE: Fused = Fused;
/// What the target guarantees.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const BASELINE: Separate = Separate;

/// Compiles a function once per [`Level`] and calls the copy for the level in use. `fn name with m (..)` binds `m` to the
/// [`MultiplyAdd`] of the level.
macro_rules! vectorised {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident $([$($generics:tt)*])? ($($arguments:tt)*) $(-> $output:ty)? $body:block) => {
        $crate::simd::vectorised! {
            $(#[$meta])* $visibility fn $name with _unused $([$($generics)*])? ($($arguments)*) $(-> $output)? $body
        }
    };
    ($(#[$meta:meta])* $visibility:vis fn $name:ident with $fma:ident $([$($generics:tt)*])? ($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$($generics)*>)? ($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn portable<M: $crate::simd::MultiplyAdd, $($($generics)*)?> ($fma: M, $($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2 $(<$($generics)*>)? ($($argument: $type),*) $(-> $output)? {
                portable($crate::simd::Fused, $($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            #[allow(clippy::too_many_arguments)]
            fn avx512 $(<$($generics)*>)? ($($argument: $type),*) $(-> $output)? {
                portable($crate::simd::Fused, $($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            match $crate::simd::level() {
                $crate::simd::Level::Baseline => {}
                // SAFETY: `level` only names instruction sets that this processor was found to have.
                $crate::simd::Level::Avx2 => return unsafe { avx2($($argument),*) },
                // SAFETY: as above, and higher levels have what this one has.
                _ => return unsafe { avx512($($argument),*) },
            }
            portable($crate::simd::BASELINE, $($argument),*)
        }
    };
}
pub(crate) use vectorised;

/// 1.5 * 2^23: of a sum with it the low bits are the nearest whole number to the other, if that is small.
const ROUND: f32 = 12_582_912.0;

/// The coefficients of 2^x for `|x| <= 1/2` and results that will be bf16, highest first.
#[expect(
    clippy::approx_constant,
    reason = "the last but one is not ln 2 but what errs least beside the others"
)]
const POWERS_OF_TWO: [f32; 6] =
    [1.326_472_7e-3, 9.671_513e-3, 5.550_734e-2, 2.402_224_2e-1, 6.931_47e-1, 1.0];

/// `e^x` to about 2 units in the last place, without branches so that loops over it become vector code.
///
/// Splits `x = n ln 2 + r` with `|r| <= ln 2 / 2`, takes a degree-6 polynomial of `r` (Cephes `expf`), and scales
/// by `2^n` through the exponent bits. Those of n = -127 and n = 128 are 0 and infinity, so what is clamped to them needs
/// no case of its own: below -87.7 it gives 0, above 88.4 infinity, and NaN for NaN.
#[inline(always)]
pub(crate) fn exp(m: impl MultiplyAdd, x: f32) -> f32 {
    const COEFFICIENTS: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let clamped = x.clamp(-88.0, 89.0);
    let shifted = m.multiply_add(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = m.multiply_add(n, 2.121_944_4e-4, m.multiply_add(n, -0.693_359_4, clamped));
    let polynomial = horner(m, r, COEFFICIENTS);
    let fraction = m.multiply_add(polynomial * r, r, r) + 1.0;
    fraction * power_of_two(shifted)
}

/// `e^x` for a result that will be a `T`: [`exp`] for `f32`, and for bf16 four operations less, its relative error up to
/// 3e-6 where `x` is large.
///
/// As [`exp`] with the whole part of `x / ln 2` split off in one step, and a polynomial of degree 5 for 2 to the power of the
/// rest: of all that give 1 for 0, the one of the smallest relative error, 1e-7.
#[inline(always)]
pub(crate) fn exp_for<T: Element>(m: impl MultiplyAdd, x: f32) -> f32 {
    if T::DTYPE == DType::F32 {
        return exp(m, x);
    }
    let clamped = x.clamp(-88.0, 89.0);
    let shifted = m.multiply_add(clamped, std::f32::consts::LOG2_E, ROUND);
    let rest = m.multiply_add(clamped, std::f32::consts::LOG2_E, -(shifted - ROUND));
    horner(m, rest, POWERS_OF_TWO) * power_of_two(shifted)
}

/// `2^x` for a result that will be a `T`; `x` is at most 128. Below -126.5 it gives 0, above 127.5 infinity, and NaN for NaN.
///
/// The whole part of `x` goes into the exponent, the rest into a polynomial: of all that give 1 for 0, the one of the smallest relative
/// error, 2e-9 of degree 6 for `f32` and 1e-7 of degree 5 for bf16.
#[inline(always)]
pub(crate) fn exp2_for<T: Element>(m: impl MultiplyAdd, x: f32) -> f32 {
    const FOR_F32: [f32; 7] =
        [1.535_336_2e-4, 1.339_887_5e-3, 9.618_437e-3, 5.550_332_4e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0];
    const LOWEST: f32 = -127.0;
    let clamped = if x < LOWEST { LOWEST } else { x };
    let shifted = clamped + ROUND;
    let rest = clamped - (shifted - ROUND);
    let polynomial = match T::DTYPE {
        DType::F32 => horner(m, rest, FOR_F32),
        DType::Bf16 => horner(m, rest, POWERS_OF_TWO),
    };
    polynomial * power_of_two(shifted)
}

/// The polynomial of the given coefficients, highest first.
#[inline(always)]
fn horner<const COUNT: usize>(m: impl MultiplyAdd, x: f32, coefficients: [f32; COUNT]) -> f32 {
    let mut polynomial = coefficients[0];
    for coefficient in &coefficients[1..] {
        polynomial = m.multiply_add(polynomial, x, *coefficient);
    }
    polynomial
}

/// `2^n` from `n + 1.5 * 2^23`, whose low bits hold n itself, so that no conversion to an integer is needed.
#[inline(always)]
fn power_of_two(shifted: f32) -> f32 {
    f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// The error function, absolute error below 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub(crate) fn erf(m: impl MultiplyAdd, x: f32) -> f32 {
    let magnitude = x.abs();
    let t = 1.0 / m.multiply_add(0.327_591_1, magnitude, 1.0);
    let mut polynomial = 1.061_405_4;
    for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        polynomial = m.multiply_add(polynomial, t, coefficient);
    }
    (1.0 - polynomial * t * exp(m, -magnitude * magnitude)).copysign(x)
}

/// `1 / (1 + e^-x)`, as precise as [`exp_for`].
#[inline(always)]
pub(crate) fn sigmoid<T: Element>(m: impl MultiplyAdd, x: f32) -> f32 {
    1.0 / (1.0 + exp_for::<T>(m, -x))
}

/// The sum of `f` over the elements, in [`LANES`] partial sums, added in a fixed order.
#[inline(always)]
pub(crate) fn sum<A: Copy>(a: &[A], f: impl Fn(A) -> f32) -> f32 {
    sum_of_three(a, a, a, |a, _, _| f(a))
}

/// The sum of the products of the elements of two rows.
#[inline(always)]
pub(crate) fn dot<A: Element, B: Element>(a: &[A], b: &[B]) -> f32 {
    sum_of_three(a, b, b, |a, b, _| a.widen() * b.widen())
}

/// As [`sum`] over the elements of three rows. It goes by whole blocks of each row: an index that is checked against each
/// length, or two sums in one pass, would keep the compiler from using vectors.
#[inline(always)]
pub(crate) fn sum_of_three<A: Copy, B: Copy, C: Copy>(
    a: &[A],
    b: &[B],
    c: &[C],
    f: impl Fn(A, B, C) -> f32,
) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b[..a.len()].as_chunks::<LANES>();
    let (c_blocks, c_rest) = c[..a.len()].as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for ((a, b), c) in a_blocks.iter().zip(b_blocks).zip(c_blocks) {
        for (((lane, &a), &b), &c) in lanes.iter_mut().zip(a).zip(b).zip(c) {
            *lane += f(a, b, c);
        }
    }
    for (((lane, &a), &b), &c) in lanes.iter_mut().zip(a_rest).zip(b_rest).zip(c_rest) {
        *lane += f(a, b, c);
    }
    sum_of_lanes(lanes)
}

/// The sum of all lanes: halves, quarters, ... are added to each other, which vectors do at once.
#[inline(always)]
pub(crate) fn sum_of_lanes(lanes: [f32; LANES]) -> f32 {
    fold(lanes, |a, b| a + b)
}

/// The largest value, or minus infinity of none; NaN is passed over.
#[inline(always)]
pub(crate) fn maximum(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, value);
    }
    fold(lanes, larger)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = f(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Holds the level at `wanted`, or the best the processor has where that is lower, until the guard is dropped.
#[cfg(test)]
pub(crate) fn force_in_tests(wanted: Level) -> impl Drop {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    static HELD: Mutex<()> = Mutex::new(());
    struct Held(#[allow(dead_code)] MutexGuard<'static, ()>);
    impl Drop for Held {
        fn drop(&mut self) {
            force(detect());
        }
    }
    let held = Held(HELD.lock().unwrap_or_else(PoisonError::into_inner));
    force(wanted);
    held
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::Bf16;

    /// `f` at hundredths, and for NaN.
    fn is_close(hundredths: Range<i32>, f: impl Fn(f32) -> f32, exact: fn(f64) -> f64, bound: f64) {
        for step in hundredths {
            let x = step as f32 / 100.0;
            let expected = exact(f64::from(x));
            let error = (f64::from(f(x)) - expected).abs() / expected;
            assert!(error < bound, "at {x}: relative error {error}");
        }
        assert!(f(f32::NAN).is_nan());
    }

    fn exp_is_close<T: Element>(m: impl MultiplyAdd, bound: f64) {
        let exp = |x| exp_for::<T>(m, x);
        is_close(-8733..8837, exp, f64::exp, bound);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(1000.0), f32::INFINITY);
    }

    #[test]
    fn exp_is_close_over_its_whole_range() {
        exp_is_close::<f32>(Fused, 3e-7);
        exp_is_close::<f32>(BASELINE, 3e-7);
        exp_is_close::<Bf16>(Fused, 6e-6);
        exp_is_close::<Bf16>(BASELINE, 1e-5);
        // What softmax asks for most.
        for step in -800..1 {
            let x = step as f32 / 100.0;
            assert!((exp_for::<Bf16>(Fused, x) / x.exp() - 1.0).abs() < 6e-7, "exp({x})");
        }
    }

    fn exp2_is_close<T: Element>(m: impl MultiplyAdd, bound: f64) {
        let exp2 = |x| exp2_for::<T>(m, x);
        is_close(-12649..12750, exp2, f64::exp2, bound);
        for whole in -126..128 {
            assert_eq!(exp2(whole as f32), 2.0_f32.powi(whole));
        }
        for low in [-127.0, -1000.0, f32::NEG_INFINITY] {
            assert_eq!(exp2(low), 0.0);
        }
        assert_eq!(exp2(128.0), f32::INFINITY);
    }

    #[test]
    fn powers_of_two_are_close_over_their_whole_range() {
        exp2_is_close::<f32>(Fused, 2e-7);
        exp2_is_close::<f32>(BASELINE, 2e-7);
        exp2_is_close::<Bf16>(Fused, 3e-7);
        exp2_is_close::<Bf16>(BASELINE, 3e-7);
    }

    #[test]
    fn erf_and_sigmoid_are_close() {
        // erf from 2 / sqrt(pi) times the integral of e^-t^2, by Simpson's rule in f64.
        let erf_exact = |x: f64| {
            let steps = 2000;
            let width = x / f64::from(steps);
            let f = |i: i32| (-(f64::from(i) * width).powi(2)).exp();
            let inner: f64 = (1..steps).map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
            2.0 / std::f64::consts::PI.sqrt() * width / 3.0 * (f(0) + inner + f(steps))
        };
        for step in -500..500 {
            let x = step as f32 / 100.0;
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid::<f32>(BASELINE, x)) - exact).abs() < 2e-7, "sigmoid({x})");
            assert!((f64::from(erf(BASELINE, x)) - erf_exact(f64::from(x))).abs() < 4e-7, "erf({x})");
        }
    }
}
