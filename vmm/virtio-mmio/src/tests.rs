// SPDX-License-Identifier: BSD-2-Clause
//! Tests named after the clauses of VIRTIO 1.3 and the cases of hostile-guest.md.

use bus::{Access, Device, IoError, Width, fuzz};
use guest::Span;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::Gpa;
use vio::{Backend, Orders};
use virtio::mmio::Register as R;

use super::*;

const RAM: u64 = 0x4000_0000;
const FEATURES: u64 = 0x1_3000_0001;
const ACK_DRIVER: u32 = 3;
const FEATURES_OK: u32 = 0xb;
const RUNNING: u32 = 0xf;

/// A transport, its backend's end, and both regions.
struct Rig {
    transport: Transport,
    backend: Backend,
    orders: Region<Rw>,
    answers: Region<Rw>,
}

fn offer() -> Offer {
    Offer {
        device: 3,
        features: FEATURES,
        queues: 2,
        queue_max: 64,
        config_len: 12,
    }
}

fn ram() -> Span {
    Span::new(Gpa::new(RAM), 0x10_0000).unwrap()
}

impl Rig {
    fn new() -> Self {
        let (orders, answers) = (fake::region(0x1000), fake::region(0x1000));
        let config = [80, 0, 25, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let backend = Backend::new(orders.read_only(), answers, offer(), &config).unwrap();
        let link = vio::Transport::new(orders, answers.read_only()).unwrap();
        let mut rig = Self {
            transport: Transport::new(link, 3, &[ram()]),
            backend,
            orders,
            answers,
        };
        rig.serve();
        assert!(rig.transport.take_signal());
        rig
    }

    /// A rig whose driver has got as far as FEATURES_OK.
    fn negotiated() -> Self {
        let mut rig = Self::new();
        rig.write(R::Status, 1);
        rig.write(R::Status, ACK_DRIVER);
        rig.accept(FEATURES);
        rig.write(R::Status, FEATURES_OK);
        rig
    }

    /// A rig with both queues in use.
    fn running() -> Self {
        let mut rig = Self::negotiated();
        for queue in 0..2 {
            rig.set_up(queue, 64, areas(queue));
            rig.write(R::QueueReady, 1);
            assert_eq!(rig.read(R::QueueReady), 1);
        }
        rig.write(R::Status, RUNNING);
        rig.serve();
        assert!(rig.transport.take_signal());
        rig
    }

    /// The backend follows its orders, if there are new ones.
    fn serve(&mut self) -> Option<Orders> {
        let orders = self.backend.orders().map(|(orders, _)| orders);
        if let Some(orders) = &orders {
            self.backend.acknowledge(orders.generation);
        }
        self.transport.on_backend();
        orders
    }

    fn read(&mut self, register: R) -> u32 {
        let value = self
            .transport
            .read(Access::new(register.offset(), Width::Word))
            .unwrap();
        u32::try_from(value).unwrap()
    }

    fn try_write(&mut self, register: R, value: u32) -> Result<(), IoError> {
        self.transport.write(
            Access::new(register.offset(), Width::Word),
            u64::from(value),
        )
    }

    fn write(&mut self, register: R, value: u32) {
        self.try_write(register, value).unwrap();
    }

    fn refused(&mut self, register: R, value: u32, anomaly: Anomaly) {
        let before = self.transport.anomalies().of(anomaly);
        self.try_write(register, value).unwrap_err();
        assert_eq!(
            self.transport.anomalies().of(anomaly),
            before + 1,
            "{anomaly:?}"
        );
    }

    fn accept(&mut self, features: u64) {
        for select in 0..2 {
            self.write(R::DriverFeaturesSel, select);
            let [low, high] = [features & 0xffff_ffff, features >> 32];
            let half = if select == 0 { low } else { high };
            self.write(R::DriverFeatures, u32::try_from(half).unwrap());
        }
    }

    fn set_up(&mut self, queue: u32, size: u32, areas: [u64; 3]) {
        self.write(R::QueueSel, queue);
        self.write(R::QueueSize, size);
        let registers = [
            (R::QueueDescLow, R::QueueDescHigh),
            (R::QueueDriverLow, R::QueueDriverHigh),
            (R::QueueDeviceLow, R::QueueDeviceHigh),
        ];
        for (area, (low, high)) in areas.into_iter().zip(registers) {
            self.write(low, u32::try_from(area & 0xffff_ffff).unwrap());
            self.write(high, u32::try_from(area >> 32).unwrap());
        }
    }
}

fn areas(queue: u32) -> [u64; 3] {
    let base = RAM + u64::from(queue) * 0x1000;
    [base, base + 0x400, base + 0x800]
}

// Shows AV-47.
#[test]
fn clause_4_2_2_identification() {
    let mut rig = Rig::new();
    let ids = [R::MagicValue, R::Version, R::DeviceId, R::VendorId].map(|at| rig.read(at));
    assert_eq!(ids, [0x7472_6976, 2, 3, VENDOR]);
}

#[test]
fn clause_4_2_3_1_1_no_backend_no_device() {
    let (orders, answers) = (fake::region(0x1000), fake::region(0x1000));
    let link = vio::Transport::new(orders, answers.read_only()).unwrap();
    let mut transport = Transport::new(link, 3, &[]);
    let id = |transport: &mut Transport| transport.read(Access::new(8, Width::Word)).unwrap();
    assert_eq!(id(&mut transport), 0);
    let wrong = Offer {
        device: 2,
        ..offer()
    };
    let _ = Backend::new(orders.read_only(), answers, wrong, &[]).unwrap();
    transport.on_backend();
    assert_eq!(
        id(&mut transport),
        0,
        "another type than the system description says"
    );
    let _ = Backend::new(orders.read_only(), answers, offer(), &[]).unwrap();
    transport.on_backend();
    assert_eq!(id(&mut transport), 3);
}

#[test]
fn clause_2_2_feature_bits_are_read_by_halves() {
    let mut rig = Rig::new();
    let half = |rig: &mut Rig, select| {
        rig.write(R::DeviceFeaturesSel, select);
        rig.read(R::DeviceFeatures)
    };
    assert_eq!(half(&mut rig, 0), 0x3000_0001);
    assert_eq!(half(&mut rig, 1), 0x101, "VERSION_1 and RING_RESET");
    assert_eq!(half(&mut rig, 2), 0);
    assert_eq!(half(&mut rig, u32::MAX), 0);
}

#[test]
fn clause_2_2_2_features_not_offered_keep_features_ok_clear() {
    for (features, fine) in [
        (FEATURES, true),
        (1 << 32, true),
        (FEATURES | 1 << 34, false),
        (FEATURES | 1 << 63, false),
        (0x3000_0001, false),
        (0, false),
    ] {
        let mut rig = Rig::new();
        rig.write(R::Status, ACK_DRIVER);
        rig.accept(features);
        assert_eq!(
            rig.try_write(R::Status, FEATURES_OK).is_ok(),
            fine,
            "{features:#x}"
        );
        assert_eq!(
            rig.read(R::Status),
            if fine { FEATURES_OK } else { ACK_DRIVER }
        );
    }
}

#[test]
fn clause_3_1_1_and_h08_status_bits_are_set_in_order_and_never_cleared() {
    let mut rig = Rig::new();
    for value in [2, 4, 8, 0xc, 0xd, 0x10, 0x100, u32::MAX, 0x40] {
        rig.refused(R::Status, value, Anomaly::Status);
        assert_eq!(rig.read(R::Status) & !1, 0, "{value:#x}");
    }
    let mut rig = Rig::negotiated();
    rig.refused(R::Status, 3, Anomaly::Status);
    rig.refused(R::Status, 8, Anomaly::Status);
    assert_eq!(rig.read(R::Status), FEATURES_OK);
    rig.write(R::Status, FEATURES_OK | 128);
    assert_eq!(rig.read(R::Status), FEATURES_OK | 128, "FAILED");
}

#[test]
fn h09_features_are_fixed_from_features_ok_on() {
    let mut rig = Rig::negotiated();
    rig.refused(R::DriverFeatures, 0, Anomaly::LateFeatures);
    rig.write(R::Status, RUNNING);
    let orders = rig.serve().unwrap();
    assert_eq!(orders.features, FEATURES);
}

#[test]
fn clause_2_1_2_nothing_reaches_the_backend_before_driver_ok() {
    let mut rig = Rig::negotiated();
    rig.set_up(0, 64, areas(0));
    rig.write(R::QueueReady, 1);
    rig.refused(R::QueueNotify, 0, Anomaly::Notify);
    assert!(!rig.transport.take_signal());
    assert_eq!(rig.backend.orders(), None);
    rig.write(R::Status, RUNNING);
    assert!(rig.transport.take_signal());
    let orders = rig.serve().unwrap();
    assert_eq!(orders.phase, Phase::Running);
    let [desc, driver, device] = areas(0);
    let config = vio::QueueConfig {
        size: 64,
        ready: true,
        desc,
        driver,
        device,
    };
    assert_eq!(orders.queues[0], config);
    assert!(!orders.queues[1].ready);
}

#[test]
fn h04_queue_registers_of_a_queue_that_does_not_exist() {
    for select in [2, 16, 0xffff, u32::MAX] {
        let mut rig = Rig::negotiated();
        rig.write(R::QueueSel, select);
        let read = [R::QueueSizeMax, R::QueueReady, R::QueueReset].map(|at| rig.read(at));
        assert_eq!(read, [0; 3]);
        for register in [
            R::QueueSize,
            R::QueueReady,
            R::QueueDescLow,
            R::QueueDeviceHigh,
        ] {
            rig.refused(register, 1, Anomaly::QueueSelect);
        }
    }
}

#[test]
fn h05_queue_sizes_that_cannot_be() {
    for size in [0, 3, 63, 65, 128, 0xffff, 0x1_0040, u32::MAX] {
        let mut rig = Rig::negotiated();
        rig.set_up(0, size, areas(0));
        rig.refused(R::QueueReady, 1, Anomaly::QueueSize);
        assert_eq!(rig.read(R::QueueReady), 0);
    }
}

#[test]
fn h06_areas_that_cannot_be() {
    let [desc, driver, device] = areas(0);
    let end = RAM + 0x10_0000;
    for bad in [
        [0x0900_0000, driver, device],
        [desc, 0x0801_0000, device],
        [desc, driver, u64::MAX - 3],
        [desc + 8, driver, device],
        [desc, driver + 1, device],
        [desc, driver, device + 2],
        [desc, desc + 0x3fe, device],
        [desc, driver, driver + 0x80],
        [desc, device + 0x20, device],
        [end - 0x3f0, driver, device],
        [desc, driver, end - 0x200],
        [0, 0, 0],
    ] {
        let mut rig = Rig::negotiated();
        rig.set_up(0, 64, bad);
        rig.refused(R::QueueReady, 1, Anomaly::QueueAddress);
        assert_eq!(rig.read(R::QueueReady), 0, "{bad:x?}");
    }
}

#[test]
fn h07_a_ready_queue_does_not_change() {
    let mut rig = Rig::running();
    rig.write(R::QueueSel, 0);
    for register in [
        R::QueueSize,
        R::QueueDescLow,
        R::QueueDriverHigh,
        R::QueueReady,
    ] {
        rig.refused(register, 1, Anomaly::QueueState);
    }
    assert_eq!(rig.serve(), None);
}

#[test]
fn h07_queue_ready_reads_zero_when_the_backend_has_let_go() {
    let mut rig = Rig::running();
    rig.write(R::QueueSel, 1);
    rig.write(R::QueueReady, 0);
    assert!(rig.transport.take_signal() && rig.transport.is_settling());
    assert_eq!(rig.read(R::QueueReady), 1);
    rig.refused(R::QueueSize, 32, Anomaly::QueueState);
    let orders = rig.serve().unwrap();
    assert!(orders.queues[0].ready && !orders.queues[1].ready);
    assert_eq!(
        (rig.read(R::QueueReady), rig.transport.is_settling()),
        (0, false)
    );
    rig.set_up(1, 32, areas(1));
    rig.write(R::QueueReady, 1);
    assert_eq!(rig.serve().unwrap().queues[1].size, 32);
    rig.write(R::QueueNotify, 1);
}

#[test]
fn clause_2_6_1_and_h12_queue_reset_returns_to_the_defaults() {
    let mut rig = Rig::new();
    rig.write(R::Status, ACK_DRIVER);
    rig.accept(FEATURES | 1 << 40);
    rig.write(R::Status, FEATURES_OK);
    rig.set_up(0, 64, areas(0));
    rig.write(R::QueueReady, 1);
    rig.write(R::Status, RUNNING);
    rig.serve();
    rig.write(R::QueueReset, 1);
    assert_eq!((rig.read(R::QueueReset), rig.read(R::QueueReady)), (1, 0));
    assert!(!rig.serve().unwrap().queues[0].ready);
    assert_eq!(rig.read(R::QueueReset), 0);
    rig.refused(R::QueueReady, 1, Anomaly::QueueSize);
    let mut rig = Rig::running();
    rig.refused(R::QueueReset, 1, Anomaly::QueueState);
}

/// The backend looks at all of its queues, once, and gets no other orders, whatever the value: so that
/// nobody has to fetch it.
#[test]
fn h10_notifications_of_no_queue_are_spurious_ones() {
    let mut rig = Rig::running();
    let access = |width| Access::new(R::QueueNotify.offset(), width);
    assert!(rig.transport.ignores_value(access(Width::Word)));
    assert!(!rig.transport.ignores_value(access(Width::Half)));
    for queue in [0, 1, 2, 16, 0xffff, 0x8000_0000, u32::MAX] {
        rig.write(R::QueueNotify, queue);
        assert!(rig.transport.take_signal());
        assert!(!rig.transport.take_signal());
        assert_eq!(rig.backend.orders(), None);
    }
    assert_eq!(rig.transport.anomalies().total(), 0);
}

#[test]
fn h10_without_a_queue_there_is_nothing_to_notify() {
    let mut rig = Rig::negotiated();
    rig.write(R::Status, RUNNING);
    assert!(rig.transport.take_signal(), "the orders");
    rig.serve();
    rig.refused(R::QueueNotify, 0, Anomaly::Notify);
    assert!(!rig.transport.take_signal());
}

#[test]
fn clause_2_4_and_h11_status_reads_zero_only_when_the_backend_has_let_go() {
    let mut rig = Rig::running();
    rig.backend.used_buffers();
    rig.transport.on_backend();
    rig.write(R::Status, 0);
    assert!(rig.transport.take_signal() && rig.transport.is_settling());
    assert_eq!(rig.read(R::Status), RUNNING);
    assert_eq!(rig.transport.irq(), IrqLine::Low);
    rig.refused(R::Status, 1, Anomaly::Resetting);
    rig.refused(R::QueueSel, 1, Anomaly::Resetting);
    rig.backend.used_buffers();
    rig.transport.on_backend();
    assert_eq!(
        rig.read(R::Status),
        RUNNING,
        "a notification alone is no answer"
    );
    rig.write(R::Status, 0);
    let orders = rig.serve().unwrap();
    assert_eq!((orders.phase, orders.features), (Phase::LetGo, 0));
    assert!(orders.queues.iter().all(|queue| !queue.ready));
    assert_eq!(
        (rig.read(R::Status), rig.transport.is_settling()),
        (0, false)
    );
    assert_eq!(
        rig.transport.irq(),
        IrqLine::Low,
        "interrupts of the time before are void"
    );
    rig.write(R::QueueSel, 0);
    assert_eq!(rig.read(R::QueueReady), 0);
}

#[test]
fn clause_2_4_reset_before_driver_ok_is_immediate() {
    let mut rig = Rig::negotiated();
    rig.write(R::Status, 0);
    assert_eq!(rig.read(R::Status), 0);
    assert!(!rig.transport.is_settling() && !rig.transport.take_signal());
}

#[test]
fn h11_resets_at_every_point_leave_the_same_state() {
    let mut rig = Rig::running();
    for _ in 0..1000 {
        rig.write(R::Status, 0);
        rig.serve();
        rig.write(R::Status, ACK_DRIVER);
        rig.accept(FEATURES);
        rig.write(R::Status, FEATURES_OK);
        rig.set_up(0, 64, areas(0));
        rig.write(R::QueueReady, 1);
        rig.write(R::Status, RUNNING);
        assert!(rig.serve().unwrap().queues[0].ready);
    }
    assert_eq!(rig.transport.anomalies().total(), 0);
}

#[test]
fn clause_4_2_2_used_buffer_interrupt_until_acknowledged() {
    let mut rig = Rig::running();
    rig.transport.on_backend();
    assert_eq!(
        rig.transport.irq(),
        IrqLine::Low,
        "a bare notification is no interrupt"
    );
    rig.backend.used_buffers();
    rig.transport.on_backend();
    assert_eq!(
        (rig.read(R::InterruptStatus), rig.transport.irq()),
        (1, IrqLine::High)
    );
    rig.write(R::InterruptAck, 1);
    assert_eq!(
        (rig.read(R::InterruptStatus), rig.transport.irq()),
        (0, IrqLine::Low)
    );
}

#[test]
fn h14_only_bits_that_are_set_can_be_acknowledged() {
    let mut rig = Rig::running();
    rig.backend.used_buffers();
    rig.transport.on_backend();
    rig.refused(R::InterruptAck, 2, Anomaly::InterruptAck);
    assert_eq!(rig.read(R::InterruptStatus), 1);
    rig.refused(R::InterruptAck, u32::MAX, Anomaly::InterruptAck);
    assert_eq!(rig.read(R::InterruptStatus), 0);
}

#[test]
fn clause_2_1_2_needs_reset_is_told_and_ends_with_a_reset() {
    let mut rig = Rig::running();
    rig.backend.set_fault(7);
    rig.transport.on_backend();
    assert_eq!(rig.read(R::Status), RUNNING | 64);
    assert_eq!(rig.read(R::InterruptStatus), 2);
    rig.refused(R::QueueNotify, 0, Anomaly::Notify);
    rig.write(R::InterruptAck, 2);
    rig.transport.on_backend();
    assert_eq!(rig.read(R::InterruptStatus), 0, "told once");
    rig.write(R::Status, 0);
    rig.backend.set_fault(0);
    rig.serve();
    assert_eq!(rig.read(R::Status), 0);
}

#[test]
fn clause_2_5_and_h01_configuration_space_takes_any_width() {
    let mut rig = Rig::new();
    let mut at = |offset: u64, width| {
        rig.transport
            .read(Access::new(0x100 + offset, width))
            .unwrap()
    };
    assert_eq!(at(0, Width::Half), 80);
    assert_eq!(at(2, Width::Byte), 25);
    assert_eq!(at(3, Width::Word), 0x0302_0100);
    assert_eq!(at(4, Width::Double), 0x0807_0605_0403_0201);
    assert_eq!(
        at(8, Width::Double),
        0x0807_0605,
        "zeros behind the structure"
    );
    assert_eq!(at(0xf8, Width::Double), 0);
}

#[test]
fn h13_configuration_writes_are_ignored_and_changes_have_a_new_generation() {
    let mut rig = Rig::running();
    let answer = rig.transport.write(Access::new(0x100, Width::Half), 1);
    assert_eq!(answer, Err(IoError::ReadOnly));
    assert_eq!(rig.transport.anomalies().of(Anomaly::Config), 1);
    let before = rig.read(R::ConfigGeneration);
    rig.backend.set_config(&[132]).unwrap();
    assert_ne!(
        rig.read(R::ConfigGeneration),
        before,
        "even before the notification is here"
    );
    rig.transport.on_backend();
    assert_eq!(rig.read(R::InterruptStatus), 2);
}

#[test]
fn h13_a_block_device_s_writeback_can_be_written_if_negotiated() {
    let wce = virtio::blk::Features::CONFIG_WCE.bits();
    let (orders, answers) = (fake::region(0x1000), fake::region(0x1000));
    let offer = Offer {
        device: virtio::device::BLOCK,
        features: wce,
        config_len: 60,
        ..offer()
    };
    let backend = Backend::new(orders.read_only(), answers, offer, &[]).unwrap();
    let link = vio::Transport::new(orders, answers.read_only()).unwrap();
    let transport = Transport::new(link, virtio::device::BLOCK, &[ram()]);
    let mut rig = Rig {
        transport,
        backend,
        orders,
        answers,
    };
    rig.serve();
    let negotiate = |rig: &mut Rig, features| {
        rig.write(R::Status, 0);
        let orders = rig.serve();
        rig.write(R::Status, 1);
        rig.write(R::Status, ACK_DRIVER);
        rig.accept(1 << 32 | features);
        rig.write(R::Status, FEATURES_OK);
        orders
    };
    let write = |rig: &mut Rig, offset, width, value| {
        let offset = virtio::mmio::CONFIG + offset;
        rig.transport.write(Access::new(offset, width), value)
    };
    negotiate(&mut rig, 0);
    let refused = Err(IoError::ReadOnly);
    assert_eq!(
        write(&mut rig, 32, Width::Byte, 1),
        refused,
        "not negotiated"
    );
    negotiate(&mut rig, wce);
    for (offset, width) in [(31, Width::Byte), (33, Width::Byte), (32, Width::Half)] {
        assert_eq!(write(&mut rig, offset, width, 1), refused, "{offset}");
    }
    rig.transport.take_signal();
    for value in [0, 1, 0xfe] {
        assert_eq!(write(&mut rig, 32, Width::Byte, value), Ok(()));
        assert!(rig.transport.take_signal());
        let orders = rig.serve().unwrap();
        assert_eq!(orders.config_write.map(u64::from), Some(value));
    }
    rig.write(R::Status, RUNNING);
    assert_eq!(rig.serve().unwrap().config_write, Some(0xfe));
    let orders = negotiate(&mut rig, wce).unwrap();
    assert_eq!(orders.config_write, None, "a reset forgets it");
    write(&mut rig, 32, Width::Byte, 1).unwrap();
    rig.serve();
    let orders = negotiate(&mut rig, wce).unwrap();
    assert_eq!(orders.config_write, None, "also before DRIVER_OK");
}

#[test]
fn h01_control_registers_take_aligned_words_only() {
    let mut rig = Rig::new();
    let mut read = |offset, width| rig.transport.read(Access::new(offset, width));
    assert_eq!(read(0, Width::Byte), Err(IoError::Width));
    assert_eq!(read(0, Width::Double), Err(IoError::Width));
    assert_eq!(read(2, Width::Word), Err(IoError::Misaligned));
    assert_eq!(read(0x1c, Width::Word), Err(IoError::NoRegister));
    assert_eq!(
        read(R::QueueNotify.offset(), Width::Word),
        Err(IoError::WriteOnly)
    );
    assert_eq!(rig.try_write(R::MagicValue, 1), Err(IoError::ReadOnly));
}

#[test]
fn h15_no_shared_memory() {
    let mut rig = Rig::new();
    for select in [0, 1, u32::MAX] {
        rig.write(R::ShmSel, select);
        assert_eq!(
            (rig.read(R::ShmLenLow), rig.read(R::ShmLenHigh)),
            (u32::MAX, u32::MAX)
        );
    }
}

#[test]
fn a_backend_that_died_and_came_back_goes_unnoticed() {
    let mut rig = Rig::running();
    let config = [0; 12];
    rig.backend = Backend::new(rig.orders.read_only(), rig.answers, offer(), &config).unwrap();
    rig.transport.on_backend();
    let (orders, resume) = rig.backend.orders().unwrap();
    assert!(resume && orders.queues[1].ready);
    assert_eq!(
        (rig.read(R::Status), rig.read(R::InterruptStatus)),
        (RUNNING, 0)
    );
    rig.backend.used_buffers();
    rig.transport.on_backend();
    assert_eq!(rig.read(R::InterruptStatus), 1);
}

/// What the page shows is what reads yield.
fn shows(rig: &mut Rig, page: &Region<Rw>) {
    rig.transport.show(page).unwrap();
    for offset in (0..WINDOW).step_by(4) {
        let read = rig.transport.read(Access::new(offset, Width::Word));
        let shown: u32 = page.load(usize::try_from(offset).unwrap()).unwrap();
        assert_eq!(u64::from(shown), read.unwrap_or(0), "{offset:#x}");
    }
}

#[test]
fn the_page_reads_as_the_registers_do() {
    let page = fake::region(0x200);
    let mut rig = Rig::running();
    shows(&mut rig, &page);
    assert_eq!(rig.transport.show(&page), Ok(0..0));
    rig.backend.used_buffers();
    rig.transport.on_backend();
    assert_eq!(rig.transport.show(&page), Ok(0x60..0x74), "one cache line");
    shows(&mut rig, &page);
    for (register, value) in [
        (R::InterruptAck, 1),
        (R::QueueSel, 1),
        (R::DeviceFeaturesSel, 1),
        (R::QueueSel, 0),
        (R::QueueReady, 0),
        (R::Status, 0),
    ] {
        let _ = rig
            .transport
            .write(Access::new(register.offset(), Width::Word), value);
        shows(&mut rig, &page);
    }
    let _ = rig
        .transport
        .write(Access::new(R::QueueSel.offset(), Width::Word), 0);
    assert!(rig.transport.show(&fake::region(0x100)).is_err());
    let empty = fake::region(0x200);
    show_no_device(&empty).unwrap();
    let shown: [u32; 4] = [0, 4, 8, 12].map(|offset| empty.load(offset).unwrap());
    assert_eq!(shown, [0x7472_6976, 2, 0, 0]);
}

#[test]
fn h03_every_offset_and_width_is_answered() {
    let values = [0, 1, 0xf, u64::MAX];
    fuzz::sweep(&mut Rig::running().transport, WINDOW, &values, |_, _| {}).unwrap();
}

proptest! {
    /// Arbitrary accesses, with a backend that answers now and then: no panic, no queue in the
    /// orders that breaks a rule, and status zero only when the backend has let go.
    #[test]
    fn arbitrary_accesses(
        script in proptest::collection::vec(any::<u8>(), 0..fuzz::STEP * 150),
        start in 0_u8..3,
    ) {
        let mut rig = match start {
            0 => Rig::new(),
            1 => Rig::negotiated(),
            _ => Rig::running(),
        };
        let Rig { transport, backend, .. } = &mut rig;
        fuzz::drive(transport, WINDOW, &script, |transport, access| {
            if transport.status.is_empty() {
                assert_eq!(transport.settling, Settling::No);
            }
            if access.offset & 8 != 0 {
                backend.used_buffers();
                if let Some((orders, _)) = backend.orders() {
                    check(&orders);
                    backend.acknowledge(orders.generation);
                }
                transport.on_backend();
                assert!(!transport.is_settling());
            }
            if !transport.is_running() {
                assert_eq!(transport.irq(), IrqLine::Low);
            }
        }).unwrap();
    }

    /// Whatever the driver writes into a queue's registers: what becomes ready keeps the rules.
    #[test]
    fn h06_what_becomes_ready_is_in_ram_aligned_and_disjoint(
        size in prop_oneof![Just(64_u32), 0_u32..200],
        areas in proptest::array::uniform3(prop_oneof![
            RAM - 0x100..RAM + 0x1000, RAM + 0xf_f000..RAM + 0x10_0100, any::<u64>()
        ]),
        align: bool,
    ) {
        let areas = if align { areas.map(|area| area & !15) } else { areas };
        let mut rig = Rig::negotiated();
        rig.set_up(0, size, areas);
        let _ = rig.try_write(R::QueueReady, 1);
        rig.write(R::Status, RUNNING);
        check(&rig.serve().unwrap());
    }
}

/// The rules that a backend may rely on but need not.
fn check(orders: &Orders) {
    for queue in orders.queues.iter().filter(|queue| queue.ready) {
        assert!(queue.size.is_power_of_two() && queue.size <= 64);
        let sizes = virtio::queue::area_sizes(queue.size);
        let bases = [queue.desc, queue.driver, queue.device];
        let spans: std::vec::Vec<Span> = bases
            .iter()
            .zip(sizes)
            .map(|(base, size)| Span::new(Gpa::new(*base), size).unwrap())
            .collect();
        for (at, span) in spans.iter().enumerate() {
            assert!(ram().covers(*span) && span.base().is_aligned([16, 2, 4][at]));
            assert!(!spans[at + 1..].iter().any(|other| other.overlaps(*span)));
        }
    }
}
