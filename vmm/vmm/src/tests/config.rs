// SPDX-License-Identifier: BSD-2-Clause
//! A whole guest from its record: images, UART, clock, virtio, on the shared fake kernel.

use arm::regs::index_of;
use boot::Digest;
use pd::fake::{FakeKernel, KernelCall, World};
use pd::{Handler, SetupError, label};
use serial::Stream;
use serial::fake::FakeLink;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use vio::{Backend, Offer};

use crate::{Count, GuestVmm, State};

const RAM_SIZE: usize = 4 << 20;
const VCPU: u8 = 7;
const CONSOLE: u64 = 1;
const TIMER: u64 = 2;
const VIRTIO: u64 = 3;

const UART: u64 = 0x0900_0000;
const RTC: u64 = 0x0901_0000;
const BLOCK: u64 = 0x0a00_0200;
const BLOCK_TYPE: u32 = 2;

/// The parts of a guest and the far ends of its links.
struct Parts {
    world: World,
    ram: Region<Rw>,
    image: Region<Rw>,
    console: FakeLink,
    orders: Region<Rw>,
    answers: Region<Rw>,
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

/// A part of `len` bytes, padded to a page as the tool does.
fn part(world: &mut World, role: &'static str, fill: u8, len: usize) -> Region<Rw> {
    let region = fake::region(len.next_multiple_of(4096));
    region.fill(0, len, fill).unwrap();
    let digest = Digest::of(&region, len).unwrap();
    world.region_ro(role, region);
    world.value(leak(format!("{role}.size")), len as u64);
    world.text(leak(format!("{role}.sha256")), leak(digest.to_string()));
    region
}

fn parts() -> Parts {
    let mut world = World::new();
    let ram = fake::region(RAM_SIZE);
    world.region_rw("ram", ram).vcpu("vcpu0", VCPU.into());
    let image = part(&mut world, "image", 0x11, 5000);
    part(&mut world, "dtb", 0x22, 600);
    let console = FakeLink::new(256);
    world
        .region_rw("console.out", console.memory.first)
        .region_ro("console.in", console.memory.second)
        .channel("console", CONSOLE);
    let (orders, answers) = (fake::region(4096), fake::region(8192));
    world
        .region_rw("virtio1.orders", orders)
        .region_ro("virtio1.answers", answers)
        .channel("virtio1", VIRTIO)
        .value("virtio1.type", BLOCK_TYPE.into());
    world.channel("timer", TIMER);
    Parts {
        world,
        ram,
        image,
        console,
        orders,
        answers,
    }
}

/// A guest with what it prints on.
struct Running {
    vmm: GuestVmm,
    kernel: FakeKernel,
    far: Stream,
}

impl Running {
    fn new(parts: &mut Parts) -> Self {
        let mut vmm: GuestVmm = parts.world.create().unwrap();
        let mut kernel = FakeKernel::new();
        vmm.init(&mut kernel);
        let far = parts.console.second(channel(0));
        Self { vmm, kernel, far }
    }

    fn access(&mut self, gpa: u64, write: bool) {
        let pc = self.kernel.thread(VCPU)[0];
        let syndrome = 0x9380_8006 | u64::from(write) << 6;
        self.kernel.push_fault(
            units::ChildId::new(VCPU.into()).unwrap(),
            label::VM_FAULT,
            &[pc, gpa, 0, syndrome],
        );
        self.kernel.drive_on(&mut self.vmm);
    }

    fn store(&mut self, gpa: u64, value: u64) {
        self.kernel.thread(VCPU)[index_of(0).unwrap()] = value;
        self.access(gpa, true);
    }

    fn load(&mut self, gpa: u64) -> u64 {
        self.access(gpa, false);
        self.kernel.thread(VCPU)[index_of(0).unwrap()]
    }

    fn notify(&mut self, id: u64) {
        self.vmm
            .notified(&mut self.kernel, ChannelSet::from_badge(1 << id));
    }

    fn printed(&mut self) -> String {
        let mut bytes = [0; 300];
        let len = self.far.read(&mut bytes);
        let _ = self.far.wait_for_bytes();
        self.far.flush(&mut FakeKernel::new());
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }
}

#[test]
fn a_guest_starts_with_its_images_in_place() {
    let mut parts = parts();
    let guest = Running::new(&mut parts);
    assert_eq!(guest.vmm.state(), State::Running);
    let mut bytes = [0; 2];
    parts.ram.copy_in(0x8_0000 + 4998, &mut bytes).unwrap();
    assert_eq!(bytes, [0x11; 2]);
    parts.ram.copy_in(0x8_0000 + 5000, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 2], "padding is not copied");
    parts.ram.copy_in(598, &mut bytes).unwrap();
    assert_eq!(bytes, [0x22; 2]);
    let cleaned: Vec<_> = guest
        .kernel
        .calls()
        .iter()
        .filter_map(|call| match call {
            KernelCall::CacheClean(start, len) => Some((start.get() & 0xfff_ffff, *len)),
            _ => None,
        })
        .collect();
    assert_eq!(cleaned, [(0x8_0000, 5000), (0, 600)]);
}

#[test]
fn a_damaged_image_is_refused_with_both_digests() {
    let mut parts = parts();
    parts.image.copy_out(4999, &[0x10]).unwrap();
    let mut guest = Running::new(&mut parts);
    assert_eq!(guest.vmm.state(), State::Refused);
    let console = guest.printed();
    assert!(guest.kernel.console().is_empty(), "said once");
    let digests = console.matches(|c: char| c.is_ascii_hexdigit()).count();
    assert!(console.contains("VMM|guest refused: the image has SHA-256"));
    assert!(digests >= 128, "{console}");
}

#[test]
fn what_the_guest_sends_to_its_uart_arrives_at_the_console() {
    let mut parts = parts();
    let mut guest = Running::new(&mut parts);
    for byte in *b"hello\n" {
        guest.store(UART, byte.into());
    }
    assert_eq!(guest.printed(), "hello\n");
    // A console that does not read: back-pressure, and nothing is lost.
    let mut sent = String::new();
    for n in 0..1000_u64 {
        if guest.load(UART + 0x18) & 0x20 != 0 {
            break;
        }
        let byte = b'a' + (n % 26) as u8;
        guest.store(UART, byte.into());
        sent.push(byte.into());
    }
    assert!((256..300).contains(&sent.len()), "{}", sent.len());
    let mut received = guest.printed();
    guest.notify(CONSOLE);
    received.push_str(&guest.printed());
    assert_eq!(received, sent);
}

#[test]
fn what_is_typed_interrupts_the_guest_and_can_be_read() {
    let mut parts = parts();
    let mut guest = Running::new(&mut parts);
    guest.store(0x0800_0000, 1);
    guest.store(0x0800_0104, 2);
    guest.store(UART + 0x2c, 0x10);
    guest.store(UART + 0x38, 0x10);
    guest.far.write(b"ls");
    guest.far.flush(&mut FakeKernel::new());
    guest.kernel.take_calls();
    guest.notify(CONSOLE);
    let injected =
        |call: &KernelCall| matches!(call, KernelCall::VcpuInjectIrq(_, irq) if irq.virq() == 33);
    assert!(guest.kernel.calls().iter().any(injected));
    assert_eq!(guest.load(UART), b'l'.into());
    assert_eq!(guest.load(UART), b's'.into());
    assert_eq!(guest.load(UART + 0x18) & 0x10, 0x10, "RXFE");
}

#[test]
fn the_clock_starts_at_its_epoch() {
    let mut parts = parts();
    let mut guest = Running::new(&mut parts);
    assert_eq!(guest.load(RTC), 1_735_689_600);
    parts.world.value("rtc.epoch", 77);
    let mut guest = Running::new(&mut parts);
    assert_eq!(guest.load(RTC), 77);
}

#[test]
fn the_flash_is_erased_and_cannot_be_written() {
    let mut parts = parts();
    let mut guest = Running::new(&mut parts);
    guest.store(0x0400_0000, 0x98);
    assert_eq!(guest.load(0x0400_0000), 0xffff_ffff);
    assert_eq!(guest.vmm.stats().of(Count::Ignored), 1);
}

#[test]
fn a_virtio_device_appears_with_its_backend_and_holds_the_reset() {
    let mut parts = parts();
    let offer = Offer {
        device: BLOCK_TYPE,
        features: 1 << 32,
        queues: 1,
        queue_max: 16,
        config_len: 8,
    };
    let (orders, answers) = (parts.orders.read_only(), parts.answers);
    let mut backend = Backend::new(orders, answers, offer, &[5]).unwrap();
    let mut guest = Running::new(&mut parts);
    assert_eq!(guest.kernel.notifications(channel(VIRTIO)), 1);
    assert_eq!(guest.load(BLOCK), u64::from(u32::from_le_bytes(*b"virt")));
    assert_eq!(guest.load(BLOCK + 8), u64::from(BLOCK_TYPE));
    guest.load(0x0a00_0000);
    assert_eq!(guest.vmm.stats().of(Count::Aborted), 1, "no device there");
    let follow = |backend: &mut Backend| {
        let (orders, _) = backend.orders().unwrap();
        backend.acknowledge(orders.generation);
    };
    follow(&mut backend);
    guest.store(BLOCK + 0x70, 3);
    guest.store(BLOCK + 0x24, 1);
    guest.store(BLOCK + 0x20, 1);
    guest.store(BLOCK + 0x70, 0xb);
    guest.store(BLOCK + 0x70, 0xf);
    assert_eq!(guest.load(BLOCK + 0x70), 0xf);
    follow(&mut backend);
    guest.kernel.take_calls();
    // A reset is over when the backend says so, and the vCPU waits behind its store until then.
    guest.store(BLOCK + 0x70, 0);
    let resumed = |calls: Vec<KernelCall>| {
        let resumes =
            |call: &KernelCall| matches!(call, KernelCall::WriteRegisters { resume: true, .. });
        calls.iter().any(resumes)
    };
    assert!(!resumed(guest.kernel.take_calls()));
    guest.notify(CONSOLE);
    assert!(!resumed(guest.kernel.take_calls()));
    follow(&mut backend);
    guest.notify(VIRTIO);
    assert!(resumed(guest.kernel.take_calls()));
    assert_eq!(guest.load(BLOCK + 0x70), 0);
}

#[test]
fn a_record_that_makes_no_sense_is_refused_by_role() {
    let refusal = |change: fn(&mut World)| {
        let mut parts = parts();
        change(&mut parts.world);
        let created: Result<GuestVmm, SetupError> = parts.world.create();
        created.err().map(|error| error.to_string()).unwrap()
    };
    let text = refusal(|world| {
        world.value("rtc.epoch", 1 << 32);
    });
    assert!(text.contains("rtc.epoch"), "{text}");
    let text = refusal(|world| {
        for (role, id) in [("vcpu1", 8), ("vcpu2", 9), ("vcpu3", 10), ("vcpu4", 11)] {
            world.vcpu(role, id);
        }
    });
    assert!(text.contains("vcpu4"), "{text}");
    let text = refusal(|world| {
        world.region_ro("initrd", fake::region(4096));
    });
    assert!(text.contains("initrd.size"), "{text}");
    let text = refusal(|world| {
        world.channel("virtio9", 9);
    });
    assert!(text.contains("virtio9.type"), "{text}");
    let mut empty = World::new();
    let created: Result<GuestVmm, SetupError> = empty.create();
    assert!(matches!(created, Err(SetupError::Lookup(_))));
}

#[test]
fn the_vmm_fits_its_stack() {
    let size = size_of::<GuestVmm>();
    assert!(size <= 32 << 10, "{size} bytes");
}
