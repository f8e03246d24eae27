// SPDX-License-Identifier: BSD-2-Clause
//! Frames: of regions, programs, stacks and IPC buffers.

use super::{Builder, READ_WRITE};
use crate::elf::{Elf, Segment};
use crate::spec::{Cap, ElfContent, Fill, FillEntry, Frame, Object, ObjectId, Prefill, Rights};
use crate::vspace::VSpace;
use sdf::Diagnostic;
use sdf::layout::{Region, STACK_TOP};
use sdf::model::{Map, MemoryRegion, PageSize};
use std::sync::Arc;

/// Initialiser's names of boot information, by the system file's.
const BOOT_INFO: [(&str, &str); 6] = [
    ("x86_vbe", "X86Vbe"),
    ("x86_mbmmap", "X86Mbmmap"),
    ("x86_acpi_rsdp", "X86AcpiRsdp"),
    ("x86_framebuffer", "X86FrameBuffer"),
    ("x86_tsc_freq", "X86TscFreq"),
    ("fdt", "Fdt"),
];

impl<'a> Builder<'a> {
    fn frame(
        &mut self,
        name: String,
        size: PageSize,
        paddr: Option<u64>,
        entry: Option<FillEntry>,
    ) -> ObjectId {
        let size_bits = match size {
            PageSize::Small => 12,
            PageSize::Large => 21,
        };
        let init = Fill {
            entries: entry.into_iter().collect(),
        };
        self.spec.add(
            name,
            Object::Frame(Frame {
                size_bits,
                paddr,
                init,
            }),
        )
    }

    /// Frames of every region.
    pub(super) fn memory_regions(&mut self) {
        let system = self.system;
        for mr in &system.memory_regions {
            let Some(region) = system.region(mr, self.files) else {
                continue;
            };
            let prefill = self.prefill_file(mr);
            let mut frames = Vec::new();
            for page in 0..region.pages() {
                let at = page * region.page_size.bytes();
                let fill = fill(mr, region, prefill.as_ref(), at);
                let paddr = mr.phys_addr.map(|base| base.value.saturating_add(at));
                let name = format!("frame_mr_{}_{page:09}", mr.name.value);
                frames.push(self.frame(name, region.page_size, paddr, fill));
            }
            self.frames.insert(&mr.name, (region.page_size, frames));
        }
    }

    fn prefill_file(&mut self, mr: &MemoryRegion) -> Option<Arc<[u8]>> {
        let path = mr.prefill_path.as_ref()?;
        match self.files.read(path) {
            Ok(bytes) => Some(bytes.into()),
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.value);
                let rule = &sdf::rules::region::PREFILL;
                self.out.push(Diagnostic::new(rule, path.span, message));
                None
            }
        }
    }

    /// Maps the frames of a region.
    pub(super) fn map(&mut self, vspace: &VSpace, map: &Map) {
        let Some((size, frames)) = self.frames.get(map.mr.as_str()) else {
            return;
        };
        let perms = map.perms.value;
        let rights = Rights {
            read: perms.read,
            write: perms.write,
            grant: false,
            grant_reply: false,
        };
        let mut vaddr = map.vaddr.value;
        for frame in frames {
            let cap = Cap::Frame {
                object: *frame,
                rights,
                cached: map.cached.value,
                executable: perms.execute,
            };
            vspace.map(&mut self.spec, vaddr, *size, cap);
            vaddr = vaddr.saturating_add(size.bytes());
        }
    }

    /// Frames of a program's segments, mapped.
    pub(super) fn program(&mut self, vspace: &VSpace, name: &str, elf_id: usize, elf: &Elf) {
        let mut sequence = 0;
        for (index, segment) in elf.segments.iter().enumerate() {
            if segment.mem_size == 0 {
                continue;
            }
            let (mut page, end) = segment.pages();
            while page < end {
                let fill = segment_fill(segment, elf_id, index, page);
                let frame = format!("frame_elf_{name}_{sequence:09}");
                let object = self.frame(frame, PageSize::Small, None, Some(fill));
                let rights = Rights {
                    read: segment.read,
                    write: segment.write,
                    grant: false,
                    grant_reply: false,
                };
                let executable = segment.execute;
                let cap = Cap::Frame {
                    object,
                    rights,
                    cached: true,
                    executable,
                };
                vspace.map(&mut self.spec, page, PageSize::Small, cap);
                page = page.saturating_add(0x1000);
                sequence += 1;
            }
        }
    }

    /// Frames of a stack, mapped; numbered unless there is one only.
    pub(super) fn stack(&mut self, vspace: &VSpace, name: &str, size: u64, numbered: bool) {
        let bottom = STACK_TOP.saturating_sub(size);
        for page in 0..size / 0x1000 {
            let name = if numbered {
                format!("{name}_{page:09}")
            } else {
                name.to_owned()
            };
            let object = self.frame(name, PageSize::Small, None, None);
            let cap = data(object);
            vspace.map(&mut self.spec, bottom + page * 0x1000, PageSize::Small, cap);
        }
    }

    /// An IPC buffer's frame.
    pub(super) fn ipc_buffer(&mut self, name: &str) -> Cap {
        data(self.frame(format!("frame_ipcbuf_{name}"), PageSize::Small, None, None))
    }
}

/// A capability to private memory.
const fn data(object: ObjectId) -> Cap {
    Cap::Frame {
        object,
        rights: READ_WRITE,
        cached: true,
        executable: false,
    }
}

/// Initial contents of the page at offset `at` of a region.
fn fill(mr: &MemoryRegion, region: Region, file: Option<&Arc<[u8]>>, at: u64) -> Option<FillEntry> {
    if let Some(file) = file {
        let start = usize::try_from(at)
            .ok()
            .filter(|start| *start < file.len())?;
        let page = usize::try_from(region.page_size.bytes()).ok()?;
        let end = file.len().min(start.saturating_add(page));
        let content = Prefill::Bytes {
            file: Arc::clone(file),
            range: start..end,
        };
        let length = u64::try_from(end - start).ok()?;
        return Some(FillEntry {
            range: 0..length,
            content,
        });
    }
    let kind = mr.prefill_bootinfo.as_ref()?;
    let (_, id) = BOOT_INFO.into_iter().find(|(name, _)| **kind == **name)?;
    let content = Prefill::BootInfo { id, offset: at };
    Some(FillEntry {
        range: 0..region.page_size.bytes(),
        content,
    })
}

/// What a segment puts on the page at `page`.
fn segment_fill(segment: &Segment, elf_id: usize, elf_seg_idx: usize, page: u64) -> FillEntry {
    let start = segment.vaddr.max(page);
    let end = segment.end().min(page.saturating_add(0x1000));
    let content = ElfContent {
        elf_id,
        elf_seg_idx,
        elf_seg_data_range: start - segment.vaddr..end - segment.vaddr,
    };
    FillEntry {
        range: start - page..end - page,
        content: Prefill::Elf(content),
    }
}
