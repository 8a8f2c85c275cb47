//! IP addresses, of version 4 and 6, that belong to a host on the public net.
//!
//! Private, loopback, link-local and documentation addresses (RFC 1918, 5737, 3849, 4291) tell nothing about anybody.
//! Four small numbers are as often a version or a section ("3.0.2.1"): where the first is below 20 and none has three
//! digits, a word before must say that it is an address.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::context::Context;

/// The address of version 4 that begins with the digits at `start`: where it ends.
pub(super) fn version_4(text: &str, start: usize) -> Option<usize> {
    let rest = &text.as_bytes()[start..];
    let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let written = text[start..start + length].trim_end_matches('.');
    let address: Ipv4Addr = written.parse().ok()?;
    let end = start + written.len();
    let context = Context::of(text, start, end);
    let small = address.octets()[0] < 20 && address.octets().iter().all(|&octet| octet < 100);
    let in_address = text[..start].ends_with("://");
    let is_version = small && !context.is_address() || context.is_something_else();
    ((context.is_free() || in_address) && is_public(address) && !is_version).then_some(end)
}

fn is_public(address: Ipv4Addr) -> bool {
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || matches!(address.octets()[0], 0 | 224..))
}

/// The addresses of version 6 in `text`, in order.
pub(super) fn version_6(text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let belongs = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let mut done = 0;
    for colon in memchr::memchr_iter(b':', bytes) {
        if colon < done {
            continue;
        }
        let start = colon - bytes[done..colon].iter().rev().take_while(|byte| belongs(byte)).count();
        let end = colon + bytes[colon..].iter().take_while(|byte| belongs(byte)).count();
        done = end;
        if is_global(&text[start..end]) && Context::of(text, start, end).is_free() {
            found(start..end);
        }
    }
}

/// In 2000::/3, what is given out, but not the documentation's 2001:db8::/32.
fn is_global(written: &str) -> bool {
    written.len() >= 9
        && written.parse::<Ipv6Addr>().is_ok_and(|address| {
            let segments = address.segments();
            segments[0] >> 13 == 1 && segments[..2] != [0x2001, 0x0db8]
        })
}
