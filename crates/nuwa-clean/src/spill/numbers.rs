//! Numbers of 32 bits on disk, read and changed by their place.
//!
//! A file of 4 bytes a number, of which pages of 4 KiB are held in memory where they were last used: at most 512 of them,
//! 2 MiB. Whoever goes through the numbers in order hardly waits for the disk.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Temporary, bytes_of, numbers_of};
use crate::Result;

const PAGE: usize = 1024;
const PAGE_BYTES: usize = PAGE * size_of::<u32>();
/// Pages held; a page can only take the place of one whose number differs by a multiple of this.
const HELD: usize = 512;

/// As many numbers as were pushed.
#[derive(Debug)]
pub(crate) struct Numbers {
    path: Temporary,
    file: File,
    held: Vec<Option<Page>>,
    pages_on_disk: u64,
    length: u32,
}

#[derive(Debug)]
struct Page {
    number: u64,
    is_changed: bool,
    values: Box<[u32; PAGE]>,
}

impl Numbers {
    /// None yet, in a file `STEM` of `folder`.
    pub fn create(folder: &Path, stem: &str) -> Result<Self> {
        let (path, file) = Temporary::create(folder.join(stem))?;
        let held = std::iter::repeat_with(|| None).take(HELD).collect();
        Ok(Self { path, file, held, pages_on_disk: 0, length: 0 })
    }

    /// Takes the next number.
    pub fn push(&mut self, value: u32) -> Result<()> {
        self.length += 1;
        self.set(self.length - 1, value)
    }

    /// The number at a place.
    pub fn get(&mut self, place: u32) -> Result<u32> {
        assert!(place < self.length, "place {place} of {}", self.length);
        Ok(self.page(place)?.values[place as usize % PAGE])
    }

    /// Changes the number at a place.
    pub fn set(&mut self, place: u32, value: u32) -> Result<()> {
        assert!(place < self.length, "place {place} of {}", self.length);
        let page = self.page(place)?;
        page.is_changed = true;
        page.values[place as usize % PAGE] = value;
        Ok(())
    }

    /// The page with this place, now in memory.
    fn page(&mut self, place: u32) -> Result<&mut Page> {
        let number = u64::from(place) / PAGE as u64;
        let slot = number as usize % HELD;
        if self.held[slot].as_ref().is_none_or(|page| page.number != number) {
            let freed = self.held[slot].take();
            let values = freed.map(|page| self.put_away(page)).transpose()?;
            let values = self.read(number, values.unwrap_or_else(|| Box::new([0; PAGE])))?;
            self.held[slot] = Some(Page { number, is_changed: false, values });
        }
        Ok(self.held[slot].as_mut().expect("it was put there"))
    }

    /// Writes a page if the disk has not got it so; gives its memory to be used again.
    fn put_away(&mut self, page: Page) -> Result<Box<[u32; PAGE]>> {
        if page.is_changed {
            // A page further on than those written before leaves a gap of zeros, as pages that were never changed are.
            let written =
                self.seek(page.number).and_then(|()| self.file.write_all(&bytes_of(&page.values[..])));
            written.map_err(nuwa_files::Error::write(&self.path.0))?;
            self.pages_on_disk = self.pages_on_disk.max(page.number + 1);
        }
        Ok(page.values)
    }

    fn read(&mut self, number: u64, mut values: Box<[u32; PAGE]>) -> Result<Box<[u32; PAGE]>> {
        if number >= self.pages_on_disk {
            values.fill(0);
            return Ok(values);
        }
        let mut bytes = [0; PAGE_BYTES];
        let read = self.seek(number).and_then(|()| self.file.read_exact(&mut bytes));
        read.map_err(nuwa_files::Error::read(&self.path.0))?;
        values.iter_mut().zip(numbers_of(&bytes)).for_each(|(value, number)| *value = number);
        Ok(values)
    }

    fn seek(&mut self, number: u64) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(number * PAGE_BYTES as u64)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use nuwa_text::mix;

    use super::*;

    #[test]
    fn numbers_are_those_that_were_put_there_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut numbers = Numbers::create(&folder.path().join("made"), "numbers").unwrap();
        // Four pages for each that is held, and a piece of one.
        let length = (PAGE * HELD * 4 + 7) as u32;
        let mut expected: Vec<u32> = (0..length).map(|place| place.wrapping_mul(2_654_435_761)).collect();
        expected.iter().for_each(|value| numbers.push(*value).unwrap());
        for at in 0..20_000 {
            let place = (mix(3, at) % u64::from(length)) as u32;
            assert_eq!(numbers.get(place).unwrap(), expected[place as usize]);
            numbers.set(place, at as u32).unwrap();
            expected[place as usize] = at as u32;
        }
        assert!((0..length).all(|place| numbers.get(place).unwrap() == expected[place as usize]));
        drop(numbers);
        assert_eq!(std::fs::read_dir(folder.path().join("made")).unwrap().count(), 0, "files are left");
    }

    #[test]
    #[should_panic(expected = "place 1 of 1")]
    fn there_are_no_more_than_were_pushed() {
        let folder = tempfile::tempdir().unwrap();
        let mut numbers = Numbers::create(folder.path(), "numbers").unwrap();
        numbers.push(5).unwrap();
        let _ = numbers.get(1);
    }
}
