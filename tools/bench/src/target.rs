// SPDX-License-Identifier: BSD-2-Clause
//! A system to measure: how to start it, and whose instructions lie where.

use std::path::Path;

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

/// Who executes an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The guest that runs the programs.
    Guest,
    /// The kernel, loader included.
    Kernel,
    /// That guest's VMM.
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
    /// Address ranges; what lies in none counts as kernel.
    pub ranges: Vec<Range>,
    /// Counted addresses.
    pub probes: Vec<Probe>,
}

impl Target {
    /// The character device that carries the guest's console.
    pub const CONSOLE: &str = "benchmark";

    /// A Bulkhead image that QEMU's loader places at `address` and enters there, on QEMU's virt
    /// machine with EL2 and GICv2. The image must run the guest with [`crate::Prepared`]'s kernel,
    /// initrd and command line.
    pub fn image(name: &str, image: &Path, address: u64, ranges: Vec<Range>) -> Self {
        // QEMU separates option values by commas; a doubled comma stands for itself.
        let file = image.display().to_string().replace(',', ",,");
        let loader = format!("loader,file={file},addr={address:#x},cpu-num=0");
        let machine = "virt,virtualization=on,gic-version=2,dtb-randomness=off";
        let arguments = [
            "-M",
            machine,
            "-cpu",
            "cortex-a53",
            "-m",
            "2G",
            "-device",
            &loader,
        ];
        Self {
            name: name.into(),
            description: format!("Bulkhead image {}", image.display()),
            arguments: arguments.map(str::to_owned).to_vec(),
            boot: (address, address + 0x1000_0000),
            console_is_uart: true,
            ranges,
            probes: Vec::new(),
        }
    }

    /// The complete arguments: output files go to `folder`, the run ends at mark `stop`.
    pub(crate) fn command(&self, plugin: &Path, folder: &Path, stop: u32) -> Vec<String> {
        let quote = |path: &Path| path.display().to_string().replace(',', ",,");
        let console = format!(
            "file,id={},path={}",
            Self::CONSOLE,
            quote(&folder.join(CONSOLE_FILE))
        );
        let (first, last) = self.boot;
        let mut load = format!(
            "{},out={},boot={first:#x}-{last:#x},stop={stop}",
            quote(plugin),
            quote(&folder.join(COUNTS_FILE))
        );
        for range in &self.ranges {
            load += &format!(",range={}:{:#x}-{:#x}", range.name, range.start, range.end);
        }
        for probe in &self.probes {
            load += &format!(",probe={}:{:#x}", probe.name, probe.address);
        }
        let serial = format!("chardev:{}", Self::CONSOLE);
        let mut words: Vec<String> = REPEATABLE.map(str::to_owned).to_vec();
        words.extend(["-nodefaults", "-display", "none", "-chardev", &console].map(str::to_owned));
        if self.console_is_uart {
            words.extend(["-serial".to_owned(), serial]);
        }
        words.extend(self.arguments.iter().cloned());
        words.extend(["-plugin".to_owned(), load]);
        words
    }
}

/// The guest's console, in the target's output folder.
pub(crate) const CONSOLE_FILE: &str = "console.log";
/// The plugin's counts, in the target's output folder.
pub(crate) const COUNTS_FILE: &str = "counts.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_probes_reach_the_plugin() {
        let range = Range {
            name: "vmm_ivi".into(),
            owner: Owner::Vmm,
            start: 0x8000_0000,
            end: 0x8001_0000,
        };
        let mut target = Target::image("dev", Path::new("/t/a,b.img"), 0x6000_0000, vec![range]);
        target.probes.push(Probe {
            name: "sync".into(),
            address: 0x6000_0c00,
            is_entry: true,
        });
        let words = target.command(Path::new("/t/lib.so"), Path::new("/o"), 3);
        let text = words.join(" ");
        assert!(text.contains("loader,file=/t/a,,b.img,addr=0x60000000,cpu-num=0"));
        assert!(text.contains("-serial chardev:benchmark"));
        assert_eq!(
            words.last().unwrap(),
            "/t/lib.so,out=/o/counts.json,boot=0x60000000-0x70000000,stop=3,\
             range=vmm_ivi:0x80000000-0x80010000,probe=sync:0x60000c00"
        );
    }
}
