// SPDX-License-Identifier: BSD-2-Clause
//! What a disk holds after the power fails: the log that QEMU's `blklogwrites` driver keeps of all
//! writes and flushes, cut at any point, without what was never flushed.
//!
//! The format is that of Linux' dm-log-writes: a super block, then entries of one sector each, each
//! followed by its data. QEMU appends an entry when the request is done, before the device
//! acknowledges it. The super block's count of entries lags behind and is not used.

use std::io;

/// Start of the super block.
const MAGIC: u64 = 0x6a_7366_7773_6872;
/// The layout that is read here.
const VERSION: u64 = 1;
/// Bytes of a sector on the disk, whatever the log's own is.
const DISK_SECTOR: u64 = 512;
/// Bits of an entry's flags.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// One logged request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// Bytes were written at `offset` of the disk; they are in the log.
    Write {
        /// First byte on the disk.
        offset: u64,
        /// First byte in the log.
        data: usize,
        /// Bytes.
        len: usize,
        /// Durable by itself.
        durable: bool,
    },
    /// Everything done before is durable.
    Flush,
    /// Discarded, or a mark: the contents may be anything, so they are left alone.
    Other,
}

/// A log, as far as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteLog<'a> {
    bytes: &'a [u8],
    entries: Vec<Logged>,
}

impl<'a> WriteLog<'a> {
    /// Reads a log; an unfinished entry at its end is left out.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it does not begin as a log does, or an entry makes no sense.
    pub fn read(bytes: &'a [u8]) -> io::Result<Self> {
        if word(bytes, 0) != Some(MAGIC) || word(bytes, 8) != Some(VERSION) {
            return Err(invalid("not a log of writes"));
        }
        let sector = word(bytes, 24).map(|word| word & 0xffff_ffff);
        let sector = sector
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| (512..=1 << 16).contains(size));
        let sector = sector.ok_or_else(|| invalid("a log with an impossible sector size"))?;
        let mut entries = Vec::new();
        let mut at = sector;
        while let Some((entry, next)) = entry(bytes, at, sector)? {
            entries.push(entry);
            at = next;
        }
        Ok(Self { bytes, entries })
    }

    /// What was logged, in order.
    #[must_use]
    pub fn entries(&self) -> &[Logged] {
        &self.entries
    }

    /// Brings `disk` to the state after a power cut: what is flushed is there; of each later write
    /// `survives` decides.
    pub fn replay(&self, disk: &mut [u8], mut survives: impl FnMut(usize) -> bool) {
        let flushed = self
            .entries
            .iter()
            .rposition(|entry| *entry == Logged::Flush)
            .unwrap_or(0);
        for (index, entry) in self.entries.iter().enumerate() {
            let Logged::Write {
                offset,
                data,
                len,
                durable,
            } = *entry
            else {
                continue;
            };
            if index < flushed || durable || survives(index) {
                let target = usize::try_from(offset)
                    .ok()
                    .and_then(|offset| disk.get_mut(offset..)?.get_mut(..len));
                if let (Some(target), Some(source)) = (target, self.bytes.get(data..data + len)) {
                    target.copy_from_slice(source);
                }
            }
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// The entry at `at` and where the next one begins; nothing at the end of the log.
fn entry(bytes: &[u8], at: usize, sector: usize) -> io::Result<Option<(Logged, usize)>> {
    let field = |index: usize| word(bytes, at.checked_add(index * 8)?);
    let (Some(first), Some(count), Some(flags), Some(_)) = (field(0), field(1), field(2), field(3))
    else {
        return Ok(None);
    };
    if (first, count, flags) == (0, 0, 0) {
        // Not written yet: QEMU's writes need not reach the file in order.
        return Ok(None);
    }
    if flags & !(FLUSH | FUA | DISCARD | MARK) != 0 {
        return Err(invalid("an entry with unknown flags"));
    }
    let len = count
        .checked_mul(DISK_SECTOR)
        .and_then(|len| usize::try_from(len).ok());
    let (Some(len), Some(offset)) = (len, first.checked_mul(DISK_SECTOR)) else {
        return Err(invalid("an entry of impossible length"));
    };
    let has_data = flags & (DISCARD | MARK) == 0;
    let data = at + sector;
    let held = if has_data { len } else { 0 };
    let Some(next) = data.checked_add(held.next_multiple_of(sector)) else {
        return Err(invalid("an entry of impossible length"));
    };
    if held > 0 && data + held > bytes.len() {
        return Ok(None);
    }
    let logged = match (has_data, len) {
        (false, _) => Logged::Other,
        (true, 0) => Logged::Flush,
        (true, len) => Logged::Write {
            offset,
            data,
            len,
            durable: flags & FUA != 0,
        },
    };
    Ok(Some((logged, next)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(entries: &[(u64, u64, u64, u8)]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes[24..28].copy_from_slice(&512u32.to_le_bytes());
        for (sector, count, flags, fill) in entries {
            let mut head = vec![0; 512];
            for (index, word) in [*sector, *count, *flags, 0].iter().enumerate() {
                head[index * 8..][..8].copy_from_slice(&word.to_le_bytes());
            }
            bytes.extend(head);
            if flags & DISCARD == 0 {
                bytes.extend(std::iter::repeat_n(
                    *fill,
                    usize::try_from(count * 512).unwrap(),
                ));
            }
        }
        bytes
    }

    #[test]
    fn what_is_flushed_survives_and_the_rest_may() {
        let bytes = log(&[
            (0, 1, 0, 1),
            (1, 1, 0, 2),
            (0, 0, FLUSH, 0),
            (0, 1, 0, 3),
            (2, 1, FUA, 4),
            (1, 1, DISCARD, 0),
        ]);
        let log = WriteLog::read(&bytes).unwrap();
        assert_eq!(log.entries().len(), 6);
        let state = |survives: bool| {
            let mut disk = vec![0; 3 * 512];
            log.replay(&mut disk, |_| survives);
            [disk[0], disk[512], disk[1024]]
        };
        assert_eq!(state(false), [1, 2, 4]);
        assert_eq!(state(true), [3, 2, 4]);
    }

    #[test]
    fn nothing_is_certain_before_the_first_flush() {
        let bytes = log(&[(0, 1, 0, 1)]);
        let mut disk = vec![0; 512];
        WriteLog::read(&bytes).unwrap().replay(&mut disk, |_| false);
        assert_eq!(disk[0], 0);
    }

    #[test]
    fn a_log_cut_anywhere_is_read_as_far_as_it_goes() {
        let bytes = log(&[(0, 2, 0, 7), (0, 0, FLUSH, 0), (4, 1, 0, 9)]);
        let counts: Vec<_> = (512..=bytes.len())
            .step_by(256)
            .map(|end| WriteLog::read(&bytes[..end]).unwrap().entries().len())
            .collect();
        assert!(
            counts.is_sorted() && counts[0] == 0 && *counts.last().unwrap() == 3,
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..4096), entries in 0usize..3) {
            let mut bytes = log(&vec![(1, 1, 0, 1); entries]);
            bytes.extend(noise);
            let mut disk = vec![0; 1024];
            if let Ok(log) = WriteLog::read(&bytes) {
                log.replay(&mut disk, |_| true);
            }
            prop_assert!(WriteLog::read(&bytes[8..]).is_err());
        }
    }
}
