// SPDX-License-Identifier: BSD-2-Clause
//! Our numbers against those of Linux' headers.

use virtio_bindings::{virtio_config, virtio_ids, virtio_mmio, virtio_ring};

use crate::mmio::Register;
use crate::*;

#[test]
fn register_offsets_of_table_4_1() {
    let linux = [
        (Register::MagicValue, virtio_mmio::VIRTIO_MMIO_MAGIC_VALUE),
        (Register::Version, virtio_mmio::VIRTIO_MMIO_VERSION),
        (Register::DeviceId, virtio_mmio::VIRTIO_MMIO_DEVICE_ID),
        (Register::VendorId, virtio_mmio::VIRTIO_MMIO_VENDOR_ID),
        (
            Register::DeviceFeatures,
            virtio_mmio::VIRTIO_MMIO_DEVICE_FEATURES,
        ),
        (
            Register::DeviceFeaturesSel,
            virtio_mmio::VIRTIO_MMIO_DEVICE_FEATURES_SEL,
        ),
        (
            Register::DriverFeatures,
            virtio_mmio::VIRTIO_MMIO_DRIVER_FEATURES,
        ),
        (
            Register::DriverFeaturesSel,
            virtio_mmio::VIRTIO_MMIO_DRIVER_FEATURES_SEL,
        ),
        (Register::QueueSel, virtio_mmio::VIRTIO_MMIO_QUEUE_SEL),
        (
            Register::QueueSizeMax,
            virtio_mmio::VIRTIO_MMIO_QUEUE_NUM_MAX,
        ),
        (Register::QueueSize, virtio_mmio::VIRTIO_MMIO_QUEUE_NUM),
        (Register::QueueReady, virtio_mmio::VIRTIO_MMIO_QUEUE_READY),
        (Register::QueueNotify, virtio_mmio::VIRTIO_MMIO_QUEUE_NOTIFY),
        (
            Register::InterruptStatus,
            virtio_mmio::VIRTIO_MMIO_INTERRUPT_STATUS,
        ),
        (
            Register::InterruptAck,
            virtio_mmio::VIRTIO_MMIO_INTERRUPT_ACK,
        ),
        (Register::Status, virtio_mmio::VIRTIO_MMIO_STATUS),
        (
            Register::QueueDescLow,
            virtio_mmio::VIRTIO_MMIO_QUEUE_DESC_LOW,
        ),
        (
            Register::QueueDescHigh,
            virtio_mmio::VIRTIO_MMIO_QUEUE_DESC_HIGH,
        ),
        (
            Register::QueueDriverLow,
            virtio_mmio::VIRTIO_MMIO_QUEUE_AVAIL_LOW,
        ),
        (
            Register::QueueDriverHigh,
            virtio_mmio::VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
        ),
        (
            Register::QueueDeviceLow,
            virtio_mmio::VIRTIO_MMIO_QUEUE_USED_LOW,
        ),
        (
            Register::QueueDeviceHigh,
            virtio_mmio::VIRTIO_MMIO_QUEUE_USED_HIGH,
        ),
        (
            Register::ConfigGeneration,
            virtio_mmio::VIRTIO_MMIO_CONFIG_GENERATION,
        ),
    ];
    for (register, offset) in linux {
        assert_eq!(register.offset(), u64::from(offset), "{register:?}");
    }
    // Behind a queue's registers and the configuration atomicity value there is nothing else.
    assert_eq!(Register::QueueReset.offset(), 0x0c0);
    assert_eq!(u64::from(virtio_mmio::VIRTIO_MMIO_CONFIG), mmio::CONFIG);
    for register in Register::ALL {
        assert_eq!(Register::at(register.offset()), Some(*register));
    }
    assert!(
        Register::ALL
            .windows(2)
            .all(|pair| pair[0].offset() < pair[1].offset())
    );
}

#[test]
fn status_features_and_devices() {
    let status = [
        (
            Status::ACKNOWLEDGE,
            virtio_config::VIRTIO_CONFIG_S_ACKNOWLEDGE,
        ),
        (Status::DRIVER, virtio_config::VIRTIO_CONFIG_S_DRIVER),
        (Status::DRIVER_OK, virtio_config::VIRTIO_CONFIG_S_DRIVER_OK),
        (
            Status::FEATURES_OK,
            virtio_config::VIRTIO_CONFIG_S_FEATURES_OK,
        ),
        (
            Status::DEVICE_NEEDS_RESET,
            virtio_config::VIRTIO_CONFIG_S_NEEDS_RESET,
        ),
        (Status::FAILED, virtio_config::VIRTIO_CONFIG_S_FAILED),
    ];
    for (ours, linux) in status {
        assert_eq!(ours.bits(), linux);
    }
    let features = [
        (
            Features::INDIRECT_DESC,
            virtio_ring::VIRTIO_RING_F_INDIRECT_DESC,
        ),
        (Features::EVENT_IDX, virtio_ring::VIRTIO_RING_F_EVENT_IDX),
        (Features::VERSION_1, virtio_config::VIRTIO_F_VERSION_1),
        (
            Features::ACCESS_PLATFORM,
            virtio_config::VIRTIO_F_ACCESS_PLATFORM,
        ),
        (Features::RING_PACKED, virtio_config::VIRTIO_F_RING_PACKED),
        (Features::IN_ORDER, virtio_config::VIRTIO_F_IN_ORDER),
        (
            Features::ORDER_PLATFORM,
            virtio_config::VIRTIO_F_ORDER_PLATFORM,
        ),
        (Features::SR_IOV, virtio_config::VIRTIO_F_SR_IOV),
        (Features::RING_RESET, virtio_config::VIRTIO_F_RING_RESET),
    ];
    for (ours, linux) in features {
        assert_eq!(ours.bits(), 1 << linux);
    }
    assert_eq!(device::NET, virtio_ids::VIRTIO_ID_NET);
    assert_eq!(device::BLOCK, virtio_ids::VIRTIO_ID_BLOCK);
    assert_eq!(device::CONSOLE, virtio_ids::VIRTIO_ID_CONSOLE);
    assert_eq!(device::ENTROPY, virtio_ids::VIRTIO_ID_RNG);
}

/// 5.3.3 and 5.3.4; not in `virtio-bindings`.
#[test]
fn console_features_and_configuration() {
    assert_eq!(
        (
            console::F_SIZE,
            console::F_MULTIPORT,
            console::F_EMERG_WRITE
        ),
        (1, 2, 4)
    );
    let config = console::Config {
        cols: 80.into(),
        rows: 25.into(),
        ..Default::default()
    };
    assert_eq!(zerocopy::IntoBytes::as_bytes(&config)[..4], [80, 0, 25, 0]);
}

#[test]
fn queue_layout_of_2_7() {
    use queue::{DescriptorFlags as D, area_sizes};
    assert_eq!(u32::from(D::NEXT.bits()), virtio_ring::VRING_DESC_F_NEXT);
    assert_eq!(u32::from(D::WRITE.bits()), virtio_ring::VRING_DESC_F_WRITE);
    assert_eq!(
        u32::from(D::INDIRECT.bits()),
        virtio_ring::VRING_DESC_F_INDIRECT
    );
    assert_eq!(
        u32::from(queue::AVAIL_NO_INTERRUPT),
        virtio_ring::VRING_AVAIL_F_NO_INTERRUPT
    );
    assert_eq!(
        u32::from(queue::USED_NO_NOTIFY),
        virtio_ring::VRING_USED_F_NO_NOTIFY
    );
    assert_eq!(
        size_of::<virtio_ring::vring_desc>(),
        size_of::<queue::Descriptor>()
    );
    // 2.7: 16 × size, 6 + 2 × size, 6 + 8 × size.
    assert_eq!(area_sizes(1), [16, 8, 14]);
    assert_eq!(area_sizes(256), [4096, 518, 2054]);
}

#[test]
fn need_event_of_2_7_10_1() {
    assert!(queue::need_event(0, 1, 0), "the first buffer after idx 0");
    assert!(
        !queue::need_event(1, 1, 0),
        "the driver waits for the next one"
    );
    assert!(queue::need_event(1, 2, 0), "crossed within a batch");
    assert!(!queue::need_event(5, 5, 5), "nothing happened");
    assert!(queue::need_event(0xffff, 0, 0xfffe), "across the wrap");
    assert!(
        !queue::need_event(0, 0, 0xffff),
        "one short across the wrap"
    );
}
