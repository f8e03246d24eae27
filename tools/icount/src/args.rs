// SPDX-License-Identifier: BSD-2-Clause
//! The plugin's arguments, as QEMU passes them: `key=value`.

/// A named range of physical addresses, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A named physical address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) name: String,
    pub(crate) address: u64,
}

/// A program that is known by the content of its pages, wherever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// The file that holds its pages, one behind the other.
    pub(crate) file: String,
}

/// All arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    /// The file for the counters.
    pub(crate) out: String,
    /// Physical address of the first byte of RAM.
    pub(crate) ram: u64,
    /// Virtual addresses of identity-mapped code that runs first.
    pub(crate) boot: (u64, u64),
    pub(crate) ranges: Vec<Range>,
    pub(crate) programs: Vec<Program>,
    pub(crate) probes: Vec<Probe>,
    /// The mark that ends QEMU.
    pub(crate) stop: Option<u32>,
}

impl Args {
    /// Reads the arguments; the error says which one is wrong.
    pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut args = Self {
            out: String::new(),
            ram: 0x4000_0000,
            boot: (0x4000_0000, 0x8000_0000),
            ranges: Vec::new(),
            programs: Vec::new(),
            probes: Vec::new(),
            stop: None,
        };
        for word in words {
            args.set(word)
                .ok_or_else(|| format!("icount: bad argument {word}"))?;
        }
        if args.out.is_empty() {
            return Err("icount: out=FILE is missing".into());
        }
        Ok(args)
    }

    fn set(&mut self, word: &str) -> Option<()> {
        let (key, value) = word.split_once('=')?;
        match key {
            "out" => self.out = value.into(),
            "ram" => self.ram = number(value)?,
            "boot" => self.boot = span(value)?,
            "stop" => self.stop = Some(value.parse().ok()?),
            "range" => {
                let (name, value) = named(value)?;
                let (start, end) = span(value)?;
                self.ranges.push(Range { name, start, end });
            }
            "pages" => {
                let (name, file) = named(value)?;
                let file = file.to_owned();
                self.programs.push(Program { name, file });
            }
            "probe" => {
                let (name, value) = named(value)?;
                let address = number(value)?;
                self.probes.push(Probe { name, address });
            }
            _ => return None,
        }
        Some(())
    }
}

/// Names go into JSON as they are.
fn named(value: &str) -> Option<(String, &str)> {
    let (name, rest) = value.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then(|| (name.into(), rest))
}

fn span(value: &str) -> Option<(u64, u64)> {
    let (start, end) = value.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    (start < end).then_some((start, end))
}

fn number(value: &str) -> Option<u64> {
    match value.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let words = [
            "out=/tmp/x.json",
            "boot=0x70000000-0x80000000",
            "range=kernel:0x60000000-0x60400000",
            "range=vmm_ivi:1-2",
            "pages=mux:/tmp/mux.pages",
            "probe=sync:0x60000400",
            "stop=3",
        ];
        let args = Args::parse(words.into_iter()).unwrap();
        assert_eq!(args.out, "/tmp/x.json");
        assert_eq!(args.boot, (0x7000_0000, 0x8000_0000));
        assert_eq!(args.ranges[1].name, "vmm_ivi");
        assert_eq!((args.ranges[1].start, args.ranges[1].end), (1, 2));
        assert_eq!(args.programs[0].name, "mux");
        assert_eq!(args.programs[0].file, "/tmp/mux.pages");
        assert_eq!(args.probes[0].address, 0x6000_0400);
        assert_eq!(args.stop, Some(3));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for word in [
            "out",
            "oat=x",
            "stop=x",
            "boot=2-1",
            "range=a:1",
            "range=1-2",
            "range=a\"b:1-2",
            "probe=:1",
            "probe=a:0x",
        ] {
            let error = Args::parse(["out=x", word].into_iter()).unwrap_err();
            assert!(error.ends_with(word), "{error}");
        }
        assert!(Args::parse(std::iter::empty()).is_err());
    }
}
