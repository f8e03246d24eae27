// SPDX-License-Identifier: BSD-2-Clause
//! Programs made for tests: the smallest ELF files that carry chosen segments and symbols.

/// First address of the usual code segment.
pub(crate) const CODE: u64 = 0x20_0000;
/// First address of the usual data segment.
pub(crate) const DATA: u64 = 0x20_1000;

/// A loadable segment.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// First address.
    pub(crate) vaddr: u64,
    /// Bytes in the file.
    pub(crate) file: u64,
    /// Bytes in memory.
    pub(crate) mem: u64,
    /// 4 read, 2 write, 1 execute.
    pub(crate) flags: u32,
}

/// A program to be written.
#[derive(Clone)]
pub(crate) struct Program {
    /// 183 for AArch64.
    pub(crate) machine: u16,
    /// First instruction.
    pub(crate) entry: u64,
    /// Segments.
    pub(crate) loads: Vec<Load>,
    /// Name, address and size.
    pub(crate) symbols: Vec<(String, u64, u64)>,
}

impl Program {
    /// Code, data with some zero memory behind it, Microkit's symbols and `extra` ones of 8 bytes.
    pub(crate) fn new(extra: &[&str]) -> Self {
        let mut symbols = vec![
            ("microkit_name".to_owned(), DATA, 64),
            ("microkit_passive".to_owned(), DATA + 64, 1),
        ];
        let own = [
            "microkit_irqs",
            "microkit_notifications",
            "microkit_pps",
            "microkit_ioports",
        ];
        let mut address = DATA + 72;
        for name in own.iter().chain(extra) {
            symbols.push(((*name).to_owned(), address, 8));
            address += 8;
        }
        let file = address - DATA;
        let loads = vec![
            Load {
                vaddr: CODE,
                file: 16,
                mem: 16,
                flags: 5,
            },
            Load {
                vaddr: DATA,
                file,
                mem: file + 0x1000,
                flags: 6,
            },
        ];
        Self {
            machine: 183,
            entry: CODE,
            loads,
            symbols,
        }
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (table, strings) = self.symbol_table();
        let loads = self.loads.len() as u64;
        let sections = 64 + loads * 56;
        let table_at = sections + 4 * 64;
        let strings_at = table_at + table.len() as u64;
        let mut data_at = (strings_at + strings.len() as u64).next_multiple_of(0x1000);
        let mut out = Words(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec());
        out.half(2).half(self.machine).word(1);
        out.long(self.entry).long(64).long(sections).word(0);
        out.half(64)
            .half(56)
            .half(self.loads.len() as u16)
            .half(64)
            .half(4)
            .half(3);
        for load in &self.loads {
            out.word(1)
                .word(load.flags)
                .long(data_at)
                .long(load.vaddr)
                .long(load.vaddr);
            out.long(load.file).long(load.mem).long(0x1000);
            data_at += load.file.next_multiple_of(0x1000);
        }
        out.section(0, 0, 0, 0, 0);
        out.section(2, table_at, table.len() as u64, 2, 24);
        out.section(3, strings_at, strings.len() as u64, 0, 0);
        out.section(3, strings_at, strings.len() as u64, 0, 0);
        out.0.extend([table, strings].concat());
        out.0.resize(data_at as usize, 0);
        out.0
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut table, mut strings) = (Words(vec![0; 24]), vec![0]);
        for (name, address, size) in &self.symbols {
            // A global object in section 2.
            table
                .word(strings.len() as u32)
                .half(0x11)
                .half(2)
                .long(*address)
                .long(*size);
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        (table.0, strings)
    }
}

/// Little-endian numbers.
struct Words(Vec<u8>);

impl Words {
    fn half(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn word(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn long(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn section(&mut self, kind: u32, offset: u64, size: u64, link: u32, entry: u64) {
        self.word(0)
            .word(kind)
            .long(0)
            .long(0)
            .long(offset)
            .long(size);
        self.word(link).word(1).long(8).long(entry);
    }
}
