// SPDX-License-Identifier: BSD-2-Clause
//! Making a distribution piece by piece.

use super::{CODE, DATA};
use crate::spec::{
    CNode, Cap, Content, Data, ElfContent, Fill, FillEntry, Frame, NamedObject, Object, PageTable,
    Rights, SchedContext, SchedExtra, Slot, Spec, Tcb, TcbExtra,
};

pub(super) const READ: Rights = Rights {
    read: true,
    write: false,
    grant: false,
    grant_reply: false,
};
pub(super) const SEND: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: false,
};
pub(super) const CALL: Rights = Rights {
    read: false,
    write: true,
    grant: false,
    grant_reply: true,
};
pub(super) const READ_WRITE: Rights = Rights {
    read: true,
    write: true,
    grant: false,
    grant_reply: false,
};

const IPC_BUFFER: u64 = 0xff_ffff_f000;
const STACK: u64 = 0xff_ffff_e000;

/// A capability to a table of capabilities behind a guard of zeros.
pub(super) const fn cnode(object: usize, guard_size: u8) -> Cap {
    Cap::CNode {
        object,
        guard: 0,
        guard_size,
    }
}

/// A capability to a page of ordinary memory.
pub(super) const fn page(object: usize, rights: Rights) -> Cap {
    Cap::Frame {
        object,
        rights,
        cached: true,
        executable: false,
    }
}

/// A distribution that is being made.
pub(super) struct Maker {
    pub(super) spec: Spec,
}

impl Maker {
    pub(super) fn add(&mut self, name: &str, object: Object) -> usize {
        self.spec.objects.push(NamedObject {
            name: Some(name.to_owned()),
            object,
        });
        self.spec.objects.len() - 1
    }

    pub(super) fn id(&self, name: &str) -> usize {
        self.spec.find(name).unwrap_or(usize::MAX)
    }

    pub(super) fn slot(&mut self, table: usize, slot: u64, cap: Cap) {
        let slots = self
            .spec
            .objects
            .get_mut(table)
            .and_then(|named| named.object.slots_mut());
        if let (Some(slots), Ok(slot)) = (slots, u32::try_from(slot)) {
            slots.push(Slot { slot, cap });
        }
    }

    pub(super) fn endpoint(&self, name: &str, badge: u64, rights: Rights) -> Cap {
        Cap::Endpoint {
            object: self.id(name),
            badge,
            rights,
        }
    }

    pub(super) fn notification(&self, pd: &str, badge: u64, rights: Rights) -> Cap {
        Cap::Notification {
            object: self.id(&format!("ntfn_{pd}")),
            badge,
            rights,
        }
    }

    pub(super) fn cnode(&mut self, name: &str, size_bits: u8) -> usize {
        self.add(
            name,
            Object::CNode(CNode {
                size_bits,
                slots: Vec::new(),
            }),
        )
    }

    pub(super) fn table(&mut self, name: &str, level: u8) -> usize {
        let table = PageTable {
            x86_ept: false,
            is_root: level == 1,
            level: Some(level),
            slots: Vec::new(),
        };
        self.add(name, Object::PageTable(table))
    }

    pub(super) fn frame(
        &mut self,
        name: &str,
        size_bits: u8,
        paddr: Option<u64>,
        content: Option<(u64, Data)>,
    ) -> usize {
        let entries = content.map(|(len, data)| FillEntry {
            range: 0..len,
            content: Content::Data(data),
        });
        let init = Fill {
            entries: entries.into_iter().collect(),
        };
        self.add(
            name,
            Object::Frame(Frame {
                size_bits,
                paddr,
                init,
            }),
        )
    }

    /// Maps a page in the space of `who`, with the tables that it takes.
    pub(super) fn map(
        &mut self,
        who: &str,
        vaddr: u64,
        frame: &str,
        rights: Rights,
        (cached, executable): (bool, bool),
    ) {
        let object = self.id(frame);
        let cap = Cap::Frame {
            object,
            rights,
            cached,
            executable,
        };
        let is_large = matches!(self.spec.objects.get(object).map(|o| &o.object), Some(Object::Frame(f)) if f.size_bits > 12);
        let root = self.id(&format!("pud_{who}"));
        let middle = self.next(
            root,
            vaddr >> 30,
            &format!("pd_{who}_{:#x}", vaddr >> 30 << 30),
            2,
        );
        if is_large {
            return self.slot(middle, vaddr >> 21 & 0x1ff, cap);
        }
        let leaf = self.next(
            middle,
            vaddr >> 21 & 0x1ff,
            &format!("pt_{who}_{:#x}", vaddr >> 21 << 21),
            3,
        );
        self.slot(leaf, vaddr >> 12 & 0x1ff, cap);
    }

    pub(super) fn next(&mut self, above: usize, slot: u64, name: &str, level: u8) -> usize {
        if let Some(known) = self.spec.find(name) {
            return known;
        }
        let object = self.table(name, level);
        self.slot(above, slot, Cap::PageTable { object });
        object
    }

    pub(super) fn time(&mut self, name: &str, budget: u64, badge: u64) -> Cap {
        let extra = SchedExtra {
            period: 10_000,
            budget,
            badge,
        };
        let context = SchedContext {
            size_bits: 8,
            extra,
        };
        Cap::SchedContext {
            object: self.add(
                &format!("sched_context_{name}"),
                Object::SchedContext(context),
            ),
        }
    }

    pub(super) fn tcb(
        &mut self,
        name: &str,
        slots: Vec<(u32, Cap)>,
        priority: u8,
        starts: bool,
    ) -> usize {
        let slots = slots
            .into_iter()
            .map(|(slot, cap)| Slot { slot, cap })
            .collect();
        let extra = TcbExtra {
            ipc_buffer_addr: if starts { IPC_BUFFER } else { 0 },
            affinity: 0,
            prio: priority,
            max_prio: priority,
            fpu_disabled: false,
            resume: starts,
            domain: None,
            ip: if starts { CODE + 4 } else { 0 },
            sp: if starts { STACK } else { 0 },
            gprs: Vec::new(),
            master_fault_ep: None,
        };
        self.add(&format!("tcb_{name}"), Object::Tcb(Tcb { slots, extra }))
    }

    /// The address space of a program: code, data, stack, IPC buffer. Returns the buffer's capability.
    pub(super) fn program(&mut self, id: u64, name: &str) -> Cap {
        self.table(&format!("pud_{name}"), 1);
        let part = |segment: u64, len: u64| {
            let content = ElfContent {
                elf_id: id,
                elf_seg_idx: segment,
                elf_seg_data_range: 0..len,
            };
            Some((len, Data::ElfContent(content)))
        };
        let [code, data] = [0, 1].map(|n| format!("frame_elf_{name}_{n:09}"));
        let (stack, buffer) = (
            format!("frame_{name}_stack_000000000"),
            format!("frame_ipcbuf_{name}"),
        );
        self.frame(&code, 12, None, part(0, 64));
        self.frame(&data, 12, None, part(1, 256));
        self.frame(&stack, 12, None, None);
        let object = self.frame(&buffer, 12, None, None);
        self.map(name, CODE, &code, READ, (true, true));
        self.map(name, DATA, &data, READ_WRITE, (true, false));
        self.map(name, STACK - 0x1000, &stack, READ_WRITE, (true, false));
        self.map(name, IPC_BUFFER, &buffer, READ_WRITE, (true, false));
        page(object, READ_WRITE)
    }
}
