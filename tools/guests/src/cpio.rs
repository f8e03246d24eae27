// SPDX-License-Identifier: BSD-2-Clause
//! Archives in the `newc` format that Linux unpacks as its initramfs
//! (Linux: Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Owner, times and inode numbers are fixed, so the same input gives the same bytes.

const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    next_inode: u32,
}

/// A device number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// An entry is larger than the format's 32-bit sizes can say.
#[derive(Debug, thiserror::Error)]
#[error("{name}: larger than the 4 GiB that a newc archive can hold")]
pub struct TooLarge {
    name: String,
}

impl Archive {
    /// Adds a folder.
    ///
    /// # Errors
    /// [`TooLarge`] never happens here in practice; the signature is that of the other entries.
    pub fn dir(&mut self, name: &str) -> Result<(), TooLarge> {
        self.entry(name, S_IFDIR | 0o755, Device::default(), &[])
    }

    /// Adds a file with the given permission bits.
    ///
    /// # Errors
    /// [`TooLarge`] for a file of 4 GiB or more.
    pub fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<(), TooLarge> {
        self.entry(name, S_IFREG | (mode & 0o7777), Device::default(), data)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// [`TooLarge`] for a target of 4 GiB or more.
    pub fn symlink(&mut self, name: &str, target: &str) -> Result<(), TooLarge> {
        self.entry(name, S_IFLNK | 0o777, Device::default(), target.as_bytes())
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// [`TooLarge`] never happens here in practice; the signature is that of the other entries.
    pub fn char_device(&mut self, name: &str, mode: u32, device: Device) -> Result<(), TooLarge> {
        self.entry(name, S_IFCHR | (mode & 0o7777), device, &[])
    }

    /// Ends the archive and gives its bytes, a multiple of 512 long.
    ///
    /// # Errors
    /// [`TooLarge`] never happens here in practice; the signature is that of the other entries.
    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        self.next_inode = 0;
        self.entry("TRAILER!!!", 0, Device::default(), &[])?;
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, dev: Device, data: &[u8]) -> Result<(), TooLarge> {
        let too_large = |_| TooLarge {
            name: name.to_owned(),
        };
        let data_len = u32::try_from(data.len()).map_err(too_large)?;
        let name_len = u32::try_from(name.len() + 1).map_err(too_large)?;
        let links = 1;
        let fields = [
            self.next_inode,
            mode,
            0,
            0,
            links,
            0,
            data_len,
            0,
            0,
            dev.major,
            dev.minor,
            name_len,
            0,
        ];
        self.next_inode += 1;
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of its own, so that the writer is not checked against itself.
    fn names(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let hex = |at: usize| {
            u32::from_str_radix(std::str::from_utf8(&bytes[at..at + 8]).unwrap(), 16).unwrap()
        };
        let (mut at, mut found) = (0, Vec::new());
        loop {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_len) =
                (hex(at + 14), hex(at + 54) as usize, hex(at + 94) as usize);
            let name =
                String::from_utf8(bytes[at + 110..at + 110 + name_len - 1].to_vec()).unwrap();
            let data = (at + 110 + name_len).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return found;
            }
            found.push((name, mode, bytes[data..data + size].to_vec()));
            at = (data + size).next_multiple_of(4);
        }
    }

    #[test]
    fn entries_come_back_in_order_with_mode_and_content() {
        let mut archive = Archive::default();
        archive.dir("bin").unwrap();
        archive.file("bin/x", 0o755, b"hello").unwrap();
        archive.symlink("bin/y", "x").unwrap();
        archive
            .char_device("console", 0o600, Device { major: 5, minor: 1 })
            .unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let found = names(&bytes);
        assert_eq!(found[0], ("bin".into(), 0o040_755, vec![]));
        assert_eq!(found[1], ("bin/x".into(), 0o100_755, b"hello".to_vec()));
        assert_eq!(found[2], ("bin/y".into(), 0o120_777, b"x".to_vec()));
        assert_eq!(found[3].1, 0o020_600);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let make = || {
            let mut archive = Archive::default();
            archive.file("a", 0o644, b"1").unwrap();
            archive.finish().unwrap()
        };
        assert_eq!(make(), make());
    }
}
