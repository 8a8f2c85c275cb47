/// What stands between the fields of a table with this first line: of comma, semicolon, tab and bar the one there is most of,
/// quoted ones aside.
pub fn column_separator(first: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in first {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == byte && !quoted) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(byte, _)| *byte)
}
