// SPDX-License-Identifier: BSD-2-Clause
//! Programs made for tests.

/// A program to be made.
pub(crate) struct Made {
    pub(crate) entry: u64,
    /// Address, `p_flags`, contents, size in memory.
    pub(crate) segments: Vec<(u64, u32, Vec<u8>, u64)>,
    /// Name, address, size.
    pub(crate) symbols: Vec<(&'static str, u64, u64)>,
}

const EXECUTE_READ: u32 = 5;
const READ_WRITE: u32 = 6;

fn half(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

fn word(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

fn wide(value: usize) -> [u8; 8] {
    u64::try_from(value).unwrap().to_le_bytes()
}

impl Made {
    /// Text at 0x200000, data with all of Microkit's symbols at 0x201000, 16 bytes of bss behind it.
    pub(crate) fn program() -> Self {
        let at = |index: u64| 0x20_1000 + index * 8;
        Self {
            entry: 0x20_0000,
            segments: vec![
                (0x20_0000, EXECUTE_READ, vec![0xaa; 0x100], 0x100),
                (0x20_1000, READ_WRITE, vec![0xbb; 0x100], 0x110),
            ],
            symbols: vec![
                ("microkit_irqs", at(0), 8),
                ("microkit_notifications", at(1), 8),
                ("microkit_pps", at(2), 8),
                ("microkit_ioports", at(3), 8),
                ("microkit_name", at(4), 64),
                ("microkit_passive", at(12), 1),
                ("bulkhead_record", at(13), 8),
                ("bulkhead_record_size", at(14), 8),
                ("number", at(15), 8),
                ("in_bss", 0x20_1100, 8),
            ],
        }
    }

    /// A kernel that does nothing.
    pub(crate) fn kernel() -> Self {
        let start = devimage::KERNEL_PADDR;
        Self {
            entry: start,
            segments: vec![
                (start, EXECUTE_READ, vec![0x14; 0x20], 0x20),
                (start + 0x1000, READ_WRITE, vec![0x17; 8], 0x2000),
            ],
            symbols: Vec::new(),
        }
    }

    /// The ELF file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut contents = 64 + 56 * self.segments.len();
        let data: usize = self.segments.iter().map(|segment| segment.2.len()).sum();
        let (symtab, names) = self.symbol_tables();
        let symtab_at = contents + data;
        let names_at = symtab_at + symtab.len();
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend([2, 183].map(half).concat());
        file.extend(word(1));
        file.extend(self.entry.to_le_bytes());
        file.extend([64, names_at + names.len()].map(wide).concat());
        file.extend(word(0));
        let count = u16::try_from(self.segments.len()).unwrap();
        file.extend([64, 56, count, 64, 3, 2].map(half).concat());
        for (vaddr, flags, bytes, mem_size) in &self.segments {
            file.extend([1, *flags].map(word).concat());
            file.extend(wide(contents));
            file.extend([*vaddr, *vaddr].map(u64::to_le_bytes).concat());
            file.extend(wide(bytes.len()));
            file.extend([*mem_size, 0x1000].map(u64::to_le_bytes).concat());
            contents += bytes.len();
        }
        self.segments
            .iter()
            .for_each(|segment| file.extend(&segment.2));
        file.extend(&symtab);
        file.extend(&names);
        section(&mut file, 0, [0, 0], 0, 0);
        section(&mut file, 2, [symtab_at, symtab.len()], 2, 24);
        section(&mut file, 3, [names_at, names.len()], 0, 0);
        file
    }

    fn symbol_tables(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut symtab, mut names) = (vec![0; 24], vec![0]);
        for (name, vaddr, size) in &self.symbols {
            symtab.extend(word(u32::try_from(names.len()).unwrap()));
            symtab.extend([0x11, 0, 1, 0]);
            symtab.extend([*vaddr, *size].map(u64::to_le_bytes).concat());
            names.extend(name.bytes().chain([0]));
        }
        (symtab, names)
    }
}

fn section(file: &mut Vec<u8>, kind: u32, place: [usize; 2], link: u32, each: usize) {
    file.extend([0, kind].map(word).concat());
    file.extend([0, 0, place[0], place[1]].map(wide).concat());
    file.extend([link, 1].map(word).concat());
    file.extend([1, each].map(wide).concat());
}
