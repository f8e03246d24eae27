// SPDX-License-Identifier: BSD-2-Clause
//! A system to measure: how to start it, and how to tell who executes an instruction.

use std::path::{Path, PathBuf};

use host::qemu::{Machine, Start, option_value};
use host::{Failure, Outcome};

use crate::elf;

/// Arguments that make a run repeatable: one nanosecond per instruction, idle time skipped, fixed
/// seeds, virtual clock (benchmarks.md, section 4).
const REPEATABLE: [&str; 6] = [
    "-seed",
    "1",
    "-icount",
    "shift=0,sleep=off",
    "-rtc",
    "base=2025-01-01T00:00:00,clock=vm",
];

/// Room for a loader that runs where the image was loaded, in bytes.
const LOADER: u64 = 0x1000_0000;
/// Exceptions from lower exception levels in AArch64 state enter at these offsets of the vector
/// table (Arm ARM, D1.3.1).
const ENTRIES: [(&str, u64); 2] = [("lower-sync", 0x400), ("lower-irq", 0x480)];

/// Who executes an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The guests.
    Guest,
    /// The kernel, with loader and initialiser.
    Kernel,
    /// The VMM of the guest that runs the programs.
    Vmm,
    /// Any other protection domain.
    Domain,
}

/// A range of physical addresses, end excluded, that one owner executes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// A name of letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Who runs there.
    pub owner: Owner,
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

/// An executable that one owner runs, wherever the kernel has put it: it is known by the content of
/// its code pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A name of letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Who runs it.
    pub owner: Owner,
    /// The ELF file.
    pub file: PathBuf,
}

/// A physical address whose executions are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// A name of letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// The address.
    pub address: u64,
    /// Whether it is one of the kernel's entry points (an exception vector), so that its count adds
    /// to the kernel entries.
    pub is_entry: bool,
}

/// One system to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the report: letters, digits, `_`, `-`.
    pub name: String,
    /// What it is, in one line.
    pub description: String,
    /// QEMU's arguments, without those for the console, the plugin and repeatability.
    pub arguments: Vec<String>,
    /// Virtual addresses where code runs identity-mapped at first: the loader's or kernel's.
    pub boot: (u64, u64),
    /// The guest's console is the first UART, or a virtio console that `arguments` connects to
    /// the character device [`Target::CONSOLE`].
    pub console_is_uart: bool,
    /// Address ranges; the first that fits counts.
    pub ranges: Vec<Range>,
    /// Programs, for what lies in no range.
    pub programs: Vec<Program>,
    /// Who runs all the rest.
    pub rest: Owner,
    /// Counted addresses.
    pub probes: Vec<Probe>,
}

/// QEMU's arguments for an image on `machine`.
fn image_arguments(machine: &Machine) -> Vec<String> {
    let board = format!("{},dtb-randomness=off", machine.machine);
    let words = ["-M", &board, "-cpu", &machine.cpu, "-m", &machine.memory];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.extend(machine.start.arguments());
    words.extend(["-nic", "none"].map(str::to_owned));
    words.extend(machine.extra.iter().cloned());
    words
}

/// A kernel's entry points, and what it does for its callers.
fn kernel_probes(kernel: &elf::Kernel) -> Vec<Probe> {
    let probe = |name: &str, address, is_entry| Probe {
        name: name.into(),
        address,
        is_entry,
    };
    let entries = ENTRIES
        .iter()
        .map(|(name, offset)| probe(name, kernel.vectors + offset, true));
    let work = kernel.work.iter();
    let work = work.map(|(name, address)| probe(name, *address, false));
    entries.chain(work).collect()
}

impl Target {
    /// The character device that carries the guest's console.
    pub const CONSOLE: &str = "benchmark";

    /// A Bulkhead image on `machine`. Its guest must run [`crate::Prepared`]'s kernel, initrd and
    /// command line, with [`crate::SEED`] in its device tree and 512 MiB of memory.
    ///
    /// `kernel` is the kernel's ELF file, whose physical addresses, and symbol `kernel_vectors` or
    /// `arm_vector_table`, are used; what neither the kernel nor `programs` execute is the guest's.
    ///
    /// # Errors
    /// [`host::Failure`] when the kernel's file cannot be used.
    pub fn image(
        name: &str,
        machine: &Machine,
        kernel: &Path,
        programs: Vec<Program>,
    ) -> Outcome<Self> {
        let kernel = elf::Kernel::read(kernel)?;
        let Start::Image { file, address } = &machine.start else {
            return Err(Failure::input("only images have a kernel of their own"));
        };
        Ok(Self {
            name: name.into(),
            description: format!("Bulkhead image {}", file.display()),
            arguments: image_arguments(machine),
            boot: (*address, address + LOADER),
            console_is_uart: true,
            ranges: vec![Range {
                name: "kernel".into(),
                owner: Owner::Kernel,
                start: kernel.start,
                end: kernel.end,
            }],
            programs,
            rest: Owner::Guest,
            probes: kernel_probes(&kernel),
        })
    }

    /// The complete arguments: output files go to `folder`, the run ends at mark `stop`.
    pub(crate) fn command(&self, plugin: &Path, folder: &Path, stop: u32) -> Vec<String> {
        let console = option_value(&folder.join(CONSOLE_FILE));
        let console = format!("file,id={},path={console}", Self::CONSOLE);
        let serial = format!("chardev:{}", Self::CONSOLE);
        let mut words: Vec<String> = REPEATABLE.map(str::to_owned).to_vec();
        words.extend(["-nodefaults", "-display", "none", "-chardev", &console].map(str::to_owned));
        if self.console_is_uart {
            words.extend(["-serial".to_owned(), serial]);
        }
        words.extend(self.arguments.iter().cloned());
        words.extend([
            "-plugin".to_owned(),
            self.plugin_options(plugin, folder, stop),
        ]);
        words
    }

    fn plugin_options(&self, plugin: &Path, folder: &Path, stop: u32) -> String {
        let (first, last) = self.boot;
        let out = option_value(&folder.join(COUNTS_FILE));
        let mut text = format!(
            "{},out={out},boot={first:#x}-{last:#x},stop={stop}",
            option_value(plugin)
        );
        for range in &self.ranges {
            text += &format!(",range={}:{:#x}-{:#x}", range.name, range.start, range.end);
        }
        for program in &self.programs {
            let file = option_value(&pages_file(folder, program));
            text += &format!(",pages={}:{file}", program.name);
        }
        for probe in &self.probes {
            text += &format!(",probe={}:{:#x}", probe.name, probe.address);
        }
        text
    }

    /// Writes the programs' code pages to `folder`, for the plugin.
    pub(crate) fn write_pages(&self, folder: &Path) -> Outcome<()> {
        for program in &self.programs {
            let pages = elf::code_pages(&program.file)?;
            host::output::write(&pages_file(folder, program), &pages)?;
        }
        Ok(())
    }
}

fn pages_file(folder: &Path, program: &Program) -> PathBuf {
    folder.join(format!("{}.pages", program.name))
}

/// The guest's console, in the target's output folder.
pub(crate) const CONSOLE_FILE: &str = "console.log";
/// The plugin's counts, in the target's output folder.
pub(crate) const COUNTS_FILE: &str = "counts.json";

/// A target for tests.
#[cfg(test)]
pub(crate) fn example(name: &str) -> Target {
    Target {
        name: name.into(),
        description: "an example".into(),
        arguments: vec!["-M".into(), "virt".into()],
        boot: (0x6000_0000, 0x7000_0000),
        console_is_uart: true,
        ranges: Vec::new(),
        programs: Vec::new(),
        rest: Owner::Guest,
        probes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_programs_and_probes_reach_the_plugin() {
        let mut target = example("dev");
        target.ranges.push(Range {
            name: "kernel".into(),
            owner: Owner::Kernel,
            start: 0x6000_0000,
            end: 0x6001_0000,
        });
        target.programs.push(Program {
            name: "vmm_ivi".into(),
            owner: Owner::Vmm,
            file: "/t/vmm.elf".into(),
        });
        target.probes.push(Probe {
            name: "sync".into(),
            address: 0x6000_0c00,
            is_entry: true,
        });
        let words = target.command(Path::new("/t/a,b.so"), Path::new("/o"), 3);
        assert!(
            words
                .join(" ")
                .contains("-serial chardev:benchmark -M virt")
        );
        assert_eq!(
            words.last().unwrap(),
            "/t/a,,b.so,out=/o/counts.json,boot=0x60000000-0x70000000,stop=3,\
             range=kernel:0x60000000-0x60010000,pages=vmm_ivi:/o/vmm_ivi.pages,probe=sync:0x60000c00"
        );
    }
}
