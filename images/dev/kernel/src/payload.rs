// SPDX-License-Identifier: BSD-2-Clause
//! From the payload behind the kernel to a kernel with all its objects.

use crate::cell::BootCell;
use crate::gic;
use crate::hardware::Hardware;
use crate::memory::Tables;
use crate::registers::{invalidate_all, read_register};
use devimage::{Image, ImageError, Load};
use devkernel::boot::{MAX_CAPS, OutOfStorage};
use devkernel::cap::{CSpace, Cap};
use devkernel::kernel::DOMAINS;
use devkernel::object::{Endpoint, Irq, Notification, Reply, SchedContext, Tcb};
use devkernel::queue::ReadyQueues;
use devkernel::stage2::{self, OutOfTables, ROOT_BYTES, TableMemory as _};
use devkernel::vcpu::Vcpu;
use devkernel::{Kernel, Storage};

/// Why the image cannot run.
#[derive(Debug)]
#[expect(dead_code, reason = "printed through Debug")]
pub(crate) enum StartError {
    Image(ImageError),
    Storage(OutOfStorage),
    Tables,
}

impl From<ImageError> for StartError {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl From<OutOfTables> for StartError {
    fn from(_: OutOfTables) -> Self {
        Self::Tables
    }
}

const TCBS: usize = devimage::MAX_TCBS as usize;
const OBJECTS: usize = devimage::MAX_OBJECTS as usize;

static TCB_STORE: BootCell<[Tcb; TCBS]> = BootCell::new();
static SC_STORE: BootCell<[SchedContext; OBJECTS]> = BootCell::new();
static ENDPOINT_STORE: BootCell<[Endpoint; OBJECTS]> = BootCell::new();
static NOTIFICATION_STORE: BootCell<[Notification; OBJECTS]> = BootCell::new();
static REPLY_STORE: BootCell<[Reply; OBJECTS]> = BootCell::new();
static VCPU_STORE: BootCell<[Vcpu; devimage::MAX_VCPUS as usize]> = BootCell::new();
static IRQ_STORE: BootCell<[Irq; devimage::MAX_IRQ as usize + 1]> = BootCell::new();
static CSPACE_STORE: BootCell<[CSpace; devimage::MAX_CSPACES as usize]> = BootCell::new();
static CAP_STORE: BootCell<[Cap; MAX_CAPS]> = BootCell::new();
static READY_STORE: BootCell<[ReadyQueues; DOMAINS]> = BootCell::new();
static DOMAIN_STORE: BootCell<[(u8, u64); devimage::MAX_DOMAIN_ENTRIES as usize]> = BootCell::new();

/// Empty objects of every kind.
///
/// # Safety
/// Called once.
unsafe fn storage() -> Storage<'static> {
    // SAFETY: each cell is used here only, once.
    unsafe {
        Storage {
            tcbs: TCB_STORE.fill(Tcb::EMPTY),
            scs: SC_STORE.fill(SchedContext::EMPTY),
            endpoints: ENDPOINT_STORE.fill(Endpoint::default()),
            notifications: NOTIFICATION_STORE.fill(Notification::default()),
            replies: REPLY_STORE.fill(Reply::default()),
            vcpus: VCPU_STORE.fill(Vcpu::RESET),
            irqs: IRQ_STORE.fill(Irq::default()),
            cspaces: CSPACE_STORE.fill(CSpace::EMPTY),
            caps: CAP_STORE.fill(Cap::Null),
            ready: READY_STORE.fill(ReadyQueues::EMPTY),
            domains: DOMAIN_STORE.fill((0, 0)),
        }
    }
}

/// Reads the image, fills user memory, builds address spaces and objects. Called once.
pub(crate) fn start() -> Result<Kernel<'static, Hardware>, StartError> {
    let image = image()?;
    for load in image.loads {
        fill(&image, load);
    }
    // SAFETY: this function is called once.
    let (storage, mut tables) = unsafe { (storage(), Tables::new()) };
    let mut roots = [0; devimage::MAX_VSPACES as usize];
    for (root, vspace) in roots.iter_mut().zip(image.vspaces) {
        *root = tables.allocate(ROOT_BYTES).ok_or(StartError::Tables)?;
        for mapping in image.vspace_mappings(vspace) {
            stage2::map(&mut tables, *root, mapping)?;
        }
    }
    for irq in image.irqs {
        let number = u16::try_from(irq.irq.get()).unwrap_or(0);
        gic::configure(number, irq.trigger.get() == devimage::TRIGGER_EDGE);
    }
    invalidate_all();
    let hardware = Hardware {
        tables,
        roots,
        list_registers: gic::list_registers(),
    };
    Kernel::new(hardware, &image, storage, read_register!("cntfrq_el0"))
        .map_err(StartError::Storage)
}

fn image() -> Result<Image<'static>, ImageError> {
    let start = devimage::PAYLOAD_PADDR as *const u8;
    let room = usize::try_from(devimage::RAM_END - devimage::PAYLOAD_PADDR).unwrap_or(0);
    // SAFETY: RAM that the kernel does not use otherwise; user memory begins behind the payload, and this slice is
    // dropped before anything is written there.
    let whole = unsafe { core::slice::from_raw_parts(start, room) };
    let size = usize::try_from(Image::declared_size(whole)?)
        .unwrap_or(usize::MAX)
        .min(room);
    // SAFETY: as above; the payload itself is never written.
    Image::parse(unsafe { core::slice::from_raw_parts(start, size) })
}

/// Copies one record's bytes to user memory and clears the rest of it.
fn fill(image: &Image<'_>, load: &Load) {
    let bytes = image.load_bytes(load);
    let target = load.paddr.get() as *mut u8;
    let size = usize::try_from(load.mem_size.get()).unwrap_or(0);
    // SAFETY: the record was checked: the target is user RAM, at least as long as the bytes, and disjoint from the
    // payload; no thread runs yet.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        core::ptr::write_bytes(target.add(bytes.len()), 0, size - bytes.len());
    }
}
