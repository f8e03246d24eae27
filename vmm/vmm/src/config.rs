// SPDX-License-Identifier: BSD-2-Clause
//! A guest's VMM from its configuration record; the roles are listed in the crate's README.

use core::fmt::Write;

use boot::{Digest, Guest, Refusal, Source};
use bus::{Policy, Window};
use guest::Span;
use guest::machine::{
    FLASH, FLASH_SIZE, PRIMECELL_SIZE, RAM_BASE, RTC, RTC_IRQ, UART, UART_IRQ, VIRTIO_SLOTS,
    VIRTIO_STRIDE, virtio_slot,
};
use guest::placement::{Entry, IMAGE_START, Parts, Placement};
use guest_mem::GuestMem;
use pd::{Cache, Call, Component, KernelError, Setup, SetupError};
use record::LookupError;
use serial::Stream;
use shm::{OutOfBounds, Region, Ro, Rw};
use units::{Gpa, PdVaddr, VcpuId};
use virtio_mmio::Transport;

use crate::cpu::CpuSet;
use crate::machine::Machine;
use crate::peripheral::{Peripheral, Rtc, Uart, Virtio};
use crate::vmm::{Loader, Vmm};
use crate::wake::Wake;

/// What the clock shows when the counter is at zero, unless the record says otherwise: the start of
/// 2025.
const DEFAULT_EPOCH: u64 = 1_735_689_600;

/// The VMM of a guest on the machine of [`guest::machine`].
pub type GuestVmm = Vmm<Peripheral, Images>;

/// The pristine images of a guest, and its memory.
#[derive(Debug)]
pub struct Images {
    guest: Guest,
    memory: GuestMem,
    /// Where this domain sees the first byte of RAM.
    ram: PdVaddr,
    /// Who hashes faster than this domain can.
    server: Option<hashing::Client>,
    /// The pages that the guest reads instead of virtio registers.
    pages: Option<Region<Rw>>,
}

/// Why a guest was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its images are not what the build made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The kernel would not write them back to memory.
    #[error("cache maintenance failed: {0}")]
    Cache(KernelError),
}

/// Digests by the hash server, if there is one.
struct Hashes<'a, K> {
    server: Option<&'a hashing::Client>,
    kernel: &'a mut K,
}

impl<K: Call> boot::Hasher for Hashes<'_, K> {
    fn sha256(&mut self, region: &Region<Ro>, len: usize) -> Result<Digest, OutOfBounds> {
        let server = self.server;
        match server.and_then(|server| server.sha256(self.kernel, region, len)) {
            Some(bytes) => Ok(Digest::new(bytes)),
            None => Digest::of(region, len),
        }
    }
}

impl<K: Cache + Call> Loader<K> for Images {
    type Refusal = LoadError;

    fn load(&mut self, kernel: &mut K) -> Result<Entry, LoadError> {
        let mut hashes = Hashes {
            server: self.server.as_ref(),
            kernel,
        };
        let entry = self.guest.boot(&self.memory, &mut hashes)?;
        // The guest starts with its caches off, and would see what was in memory before.
        let placement = &self.guest.placement;
        let spans = [Some(placement.image), Some(placement.dtb), placement.initrd];
        for span in spans.into_iter().flatten() {
            self.clean(kernel, span).map_err(LoadError::Cache)?;
        }
        if let Some(pages) = self.pages
            && let Some(start) = PdVaddr::new(pages.address())
        {
            let cleaned = kernel.cache_clean(start, pages.len());
            cleaned.map_err(LoadError::Cache)?;
        }
        Ok(entry)
    }
}

impl Images {
    fn clean<K: Cache>(&self, kernel: &mut K, span: Span) -> Result<(), KernelError> {
        // The parts are in RAM, which this domain maps as a whole, or they were refused.
        let start = span.base().offset_from(RAM_BASE);
        let start = start.and_then(|offset| self.ram.checked_add(offset));
        match (start, usize::try_from(span.size())) {
            (Some(start), Ok(len)) => kernel.cache_clean(start, len),
            _ => Err(KernelError::IllegalOperation),
        }
    }
}

impl Component for GuestVmm {
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let memory = memory(setup)?;
        let (ram, images) = images(setup, memory)?;
        let wake = Wake::new(optional(setup.channel("timer"))?);
        let machine = Machine::new(Policy::AbortUnmapped);
        let span = (ram.base().get(), ram.size());
        let mut vmm = Self::new(cpus(setup)?, machine, wake, span, images);
        attach(setup, &mut vmm.machine, ram)?;
        Ok(vmm)
    }
}

/// Gives the guest its devices. Apart from `create`, on whose stack the whole VMM lies by then.
#[inline(never)]
fn attach(
    setup: &mut Setup<'_>,
    machine: &mut Machine<Peripheral>,
    ram: Span,
) -> Result<(), SetupError> {
    attach_flash(machine)?;
    attach_uart(setup, machine)?;
    attach_rtc(setup, machine)?;
    for slot in 0..VIRTIO_SLOTS {
        attach_virtio(setup, machine, slot, ram)?;
    }
    Ok(())
}

/// `None` for what the record does not have.
fn optional<T>(found: Result<T, SetupError>) -> Result<Option<T>, SetupError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(SetupError::Lookup(LookupError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The role `<stem><index><suffix>`.
fn role(stem: &str, index: u32, suffix: &str) -> heapless::String<32> {
    let mut role = heapless::String::new();
    // Stems and suffixes are our own, and short.
    let _ = write!(role, "{stem}{index}{suffix}");
    role
}

fn cpus(setup: &Setup<'_>) -> Result<CpuSet, SetupError> {
    let first = setup.vcpu("vcpu0")?;
    let mut others: heapless::Vec<VcpuId, { arm::MAX_CPUS - 1 }> = heapless::Vec::new();
    for index in 1.. {
        let Some(id) = optional(setup.vcpu(&role("vcpu", index, "")))? else {
            break;
        };
        others
            .push(id)
            .map_err(|_| SetupError::invalid(&role("vcpu", index, ""), "is one vCPU too many"))?;
    }
    Ok(CpuSet::new(first, &others))
}

fn memory(setup: &mut Setup<'_>) -> Result<GuestMem, SetupError> {
    let ram = setup.region_rw("ram")?;
    GuestMem::new()
        .with(RAM_BASE, ram)
        .map_err(|_| SetupError::invalid("ram", "is not a range of guest-physical memory"))
}

/// The pristine copy of the part with this role.
fn source(setup: &mut Setup<'_>, part: &'static str) -> Result<Source, SetupError> {
    let region = setup.region_ro(part)?;
    let size = setup.value(&suffixed(part, ".size"))?;
    let text = setup.text(&suffixed(part, ".sha256"))?;
    let digest = Digest::from_hex(text)
        .map_err(|_| SetupError::invalid(&suffixed(part, ".sha256"), "is no SHA-256 digest"))?;
    let len = usize::try_from(size)
        .ok()
        .filter(|len| *len <= region.len())
        .ok_or_else(|| SetupError::invalid(part, "is shorter than its size"))?;
    Ok(Source {
        region,
        len,
        digest,
    })
}

fn suffixed(part: &str, suffix: &str) -> heapless::String<32> {
    let mut role = heapless::String::new();
    let _ = write!(role, "{part}{suffix}");
    role
}

/// Plans the placement again from what the record holds, with the rules the tool used.
fn images(setup: &mut Setup<'_>, memory: GuestMem) -> Result<(Span, Images), SetupError> {
    let ram = setup.region_entry("ram")?;
    let image = source(setup, "image")?;
    let dtb = source(setup, "dtb")?;
    let initrd = match setup.record().region("initrd") {
        Err(LookupError::Missing { .. }) => None,
        _ => Some(source(setup, "initrd")?),
    };
    let mut start = [0; IMAGE_START];
    let (start, _) = start.split_at_mut(IMAGE_START.min(image.len));
    image
        .region
        .copy_in(0, start)
        .map_err(|_| SetupError::invalid("image", "cannot be read"))?;
    let parts = Parts {
        image_start: start,
        image: image.len as u64,
        dtb: dtb.len as u64,
        initrd: initrd.map(|initrd| initrd.len as u64),
    };
    let placement = Placement::plan(ram.size.get(), parts)
        .map_err(|_| SetupError::invalid("image", "does not fit the guest's memory"))?;
    let guest = Guest {
        placement,
        image,
        dtb,
        initrd,
    };
    let images = Images {
        guest,
        memory,
        ram: ram.vaddr,
        server: hash_server(setup)?,
        pages: optional(setup.region_rw("virtio.page"))?,
    };
    Ok((placement.ram, images))
}

fn hash_server(setup: &mut Setup<'_>) -> Result<Option<hashing::Client>, SetupError> {
    let Some(channel) = optional(setup.channel("hash"))? else {
        return Ok(None);
    };
    let buffer = setup.region_rw("hash.buffer")?;
    Ok(Some(hashing::Client::new(channel, buffer)))
}

fn attach_flash(machine: &mut Machine<Peripheral>) -> Result<(), SetupError> {
    let slot = machine.attach(window(FLASH, FLASH_SIZE), Peripheral::Flash, 0);
    slot.map(drop)
        .map_err(|_| SetupError::invalid("ram", "leaves no room for the flash"))
}

fn attach_uart(setup: &mut Setup<'_>, machine: &mut Machine<Peripheral>) -> Result<(), SetupError> {
    if optional(setup.channel("console"))?.is_none() {
        return Ok(());
    }
    let uart = Peripheral::Uart(Uart::new(Stream::open(setup, "console")?));
    let slot = machine.attach(window(UART, PRIMECELL_SIZE), uart, intid(UART_IRQ));
    slot.map(drop)
        .map_err(|_| SetupError::invalid("console", "finds its window taken"))
}

fn attach_rtc(setup: &mut Setup<'_>, machine: &mut Machine<Peripheral>) -> Result<(), SetupError> {
    let epoch = setup.value_or("rtc.epoch", DEFAULT_EPOCH)?;
    let epoch = u32::try_from(epoch)
        .map_err(|_| SetupError::invalid("rtc.epoch", "does not fit a 32-bit clock"))?;
    let rtc = Peripheral::Rtc(Rtc::new(epoch));
    let slot = machine.attach_clock(window(RTC, PRIMECELL_SIZE), rtc, intid(RTC_IRQ));
    slot.map(drop)
        .map_err(|_| SetupError::invalid("rtc.epoch", "finds its window taken"))
}

fn attach_virtio(
    setup: &mut Setup<'_>,
    machine: &mut Machine<Peripheral>,
    slot: u32,
    ram: Span,
) -> Result<(), SetupError> {
    let name = role("virtio", slot, "");
    let (Some(backend), Some((base, irq))) = (optional(setup.channel(&name))?, virtio_slot(slot))
    else {
        if let Some(page) = register_window(setup, slot)? {
            // It is as long as a window.
            let _ = virtio_mmio::show_no_device(&page);
        }
        return Ok(());
    };
    let device = u32::try_from(setup.value(&role("virtio", slot, ".type"))?)
        .map_err(|_| SetupError::invalid(&name, "has a type that no device has"))?;
    let orders = setup.region_rw(&role("virtio", slot, ".orders"))?;
    let answers = setup.region_ro(&role("virtio", slot, ".answers"))?;
    let link = vio::Transport::new(orders, answers)
        .map_err(|_| SetupError::invalid(&name, "has regions that are too small"))?;
    let page = register_window(setup, slot)?;
    let virtio = Virtio::new(Transport::new(link, device, &[ram]), backend, page);
    let model = Peripheral::Virtio(virtio);
    machine
        .attach(window(base, VIRTIO_STRIDE), model, intid(irq))
        .map(drop)
        .map_err(|_| SetupError::invalid(&name, "is one device too many"))
}

/// The window of `slot` on the pages that the guest reads instead of registers, if there are any and
/// the slot is on them.
fn register_window(setup: &mut Setup<'_>, slot: u32) -> Result<Option<Region<Rw>>, SetupError> {
    let Some(page) = optional(setup.region_rw("virtio.page"))? else {
        return Ok(None);
    };
    let size = usize::try_from(VIRTIO_STRIDE).unwrap_or(usize::MAX);
    let offset = usize::try_from(slot)
        .unwrap_or(usize::MAX)
        .saturating_mul(size);
    Ok(page.sub(offset, size).ok())
}

const fn window(base: Gpa, size: u64) -> Window {
    Window {
        base: base.get(),
        size,
    }
}

/// An interrupt of the machine, all of which the distributor has.
fn intid(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(0)
}
