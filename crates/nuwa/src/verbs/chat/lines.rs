//! Standard input, line by line, whatever stands in it.

use std::io::{self, BufRead};

use nuwa_report::numbers::grouped;

use crate::failure::Problem;

/// Far more than any model's context holds; a line that never ends does not fill the memory.
const MOST_BYTES: usize = 1 << 20;

/// Lines that end in LF, CR LF or CR. One that cannot be read as a question is an error, and the next can be read.
pub struct Lines<R> {
    input: R,
    number: u64,
    after_return: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { input, number: 0, after_return: false }
    }

    /// The number of the last line, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end and the mark of Unicode before it.
    pub fn read(&mut self) -> io::Result<Option<Result<String, Problem>>> {
        let line = self.bytes()?.map(|(kept, length)| match length > MOST_BYTES {
            true => Err(too_long(length)),
            false => text(kept),
        });
        self.number += u64::from(line.is_some());
        Ok(line)
    }

    /// The beginning of the next line, at most [`MOST_BYTES`], and the length of all of it.
    fn bytes(&mut self) -> io::Result<Option<(Vec<u8>, usize)>> {
        let (mut kept, mut length) = (Vec::new(), 0);
        loop {
            let buffer = filled(&mut self.input)?;
            if buffer.is_empty() {
                return Ok((length > 0).then_some((kept, length)));
            }
            if std::mem::take(&mut self.after_return) && buffer[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            let end = buffer.iter().position(|byte| b"\r\n".contains(byte));
            let part = &buffer[..end.unwrap_or(buffer.len())];
            kept.extend_from_slice(&part[..part.len().min(MOST_BYTES - kept.len())]);
            length += part.len();
            self.after_return = end.is_some_and(|end| buffer[end] == b'\r');
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some((kept, length)));
            }
        }
    }
}

/// What can be read now, nothing at the end of the input.
fn filled(input: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = input.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    input.fill_buf()
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(format!("this is not UTF-8: byte {} begins no character", at + 1))
            .hint("convert it first, for example with iconv -f GB18030 -t UTF-8")
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_string())
}

fn too_long(length: usize) -> Problem {
    let (length, most) = (grouped(length as u64), grouped(MOST_BYTES as u64));
    Problem::new(format!("this line has {length} bytes; a question has at most {most}"))
        .hint("a line is a question: end each with a line break, and shorten this one")
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(input: &[u8], buffer: usize) -> Vec<Result<String, String>> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, input));
        std::iter::from_fn(|| lines.read().unwrap())
            .map(|line| line.map_err(|problem| problem.to_string()))
            .collect()
    }

    #[test]
    fn any_end_of_line_is_one_and_the_mark_of_unicode_is_no_text() {
        for buffer in [1, 2, 3, 64] {
            let read = lines("\u{feff}one\r\ntwo\rthree\n\nfive".as_bytes(), buffer);
            let read: Vec<String> = read.into_iter().map(Result::unwrap).collect();
            assert_eq!(read, ["one", "two", "three", "", "five"], "buffer of {buffer}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error_and_the_next_is_read() {
        let mut input = b"caf\xe9\n".to_vec();
        input.extend(vec![b'a'; MOST_BYTES + 1]);
        input.extend(b"\nlast\n");
        let read = lines(&input, 8192);
        assert_eq!(read[0], Err("this is not UTF-8: byte 4 begins no character".into()));
        assert_eq!(read[1], Err("this line has 1,048,577 bytes; a question has at most 1,048,576".into()));
        assert_eq!(read[2..], [Ok("last".to_string())]);
    }
}
