// SPDX-License-Identifier: BSD-2-Clause
//! Our numbers against those of Linux' headers.

use virtio_bindings::{virtio_blk, virtio_config, virtio_ids, virtio_mmio, virtio_ring};

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
    assert_eq!(device::VSOCK, virtio_ids::VIRTIO_ID_VSOCK);
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
fn net_numbers_of_5_1() {
    use virtio_bindings::virtio_net as linux;
    let features = [
        (net::F_CSUM, linux::VIRTIO_NET_F_CSUM),
        (net::F_GUEST_CSUM, linux::VIRTIO_NET_F_GUEST_CSUM),
        (net::F_MTU, linux::VIRTIO_NET_F_MTU),
        (net::F_MAC, linux::VIRTIO_NET_F_MAC),
        (net::F_MRG_RXBUF, linux::VIRTIO_NET_F_MRG_RXBUF),
        (net::F_STATUS, linux::VIRTIO_NET_F_STATUS),
        (net::F_CTRL_VQ, linux::VIRTIO_NET_F_CTRL_VQ),
        (net::F_CTRL_RX, linux::VIRTIO_NET_F_CTRL_RX),
        (net::F_CTRL_VLAN, linux::VIRTIO_NET_F_CTRL_VLAN),
        (net::F_CTRL_MAC_ADDR, linux::VIRTIO_NET_F_CTRL_MAC_ADDR),
    ];
    for (ours, linux) in features {
        assert_eq!(ours, 1 << linux);
    }
    let bytes = [
        (net::HDR_F_NEEDS_CSUM, linux::VIRTIO_NET_HDR_F_NEEDS_CSUM),
        (net::HDR_F_DATA_VALID, linux::VIRTIO_NET_HDR_F_DATA_VALID),
        (net::HDR_GSO_NONE, linux::VIRTIO_NET_HDR_GSO_NONE),
        (net::ctrl::RX, linux::VIRTIO_NET_CTRL_RX),
        (net::ctrl::RX_PROMISC, linux::VIRTIO_NET_CTRL_RX_PROMISC),
        (net::ctrl::RX_ALLMULTI, linux::VIRTIO_NET_CTRL_RX_ALLMULTI),
        (net::ctrl::MAC, linux::VIRTIO_NET_CTRL_MAC),
        (
            net::ctrl::MAC_TABLE_SET,
            linux::VIRTIO_NET_CTRL_MAC_TABLE_SET,
        ),
        (net::ctrl::MAC_ADDR_SET, linux::VIRTIO_NET_CTRL_MAC_ADDR_SET),
        (net::ctrl::VLAN, linux::VIRTIO_NET_CTRL_VLAN),
        (net::ctrl::VLAN_ADD, linux::VIRTIO_NET_CTRL_VLAN_ADD),
        (net::ctrl::VLAN_DEL, linux::VIRTIO_NET_CTRL_VLAN_DEL),
        (net::ctrl::OK, linux::VIRTIO_NET_OK),
        (net::ctrl::ERR, linux::VIRTIO_NET_ERR),
    ];
    for (ours, linux) in bytes {
        assert_eq!(u32::from(ours), linux);
    }
    assert_eq!(u32::from(net::S_LINK_UP), linux::VIRTIO_NET_S_LINK_UP);
    assert_eq!(
        net::HEADER_SIZE,
        size_of::<linux::virtio_net_hdr_v1>(),
        "struct virtio_net_hdr with num_buffers"
    );
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

#[test]
fn clause_5_10_6_a_packet_header_on_the_wire() {
    use zerocopy::IntoBytes;
    let header = vsock::Header {
        src_cid: 3.into(),
        dst_cid: vsock::CID_HOST.into(),
        src_port: 0x0102_0304.into(),
        dst_port: 7.into(),
        len: 5.into(),
        socket_type: vsock::TYPE_STREAM.into(),
        op: (vsock::Op::ReadWrite as u16).into(),
        flags: 0.into(),
        buf_alloc: 0x1000.into(),
        fwd_cnt: 0x10.into(),
    };
    let wire = [
        3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 7, 0, 0, 0, 5, 0, 0, 0, 1, 0,
        5, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0x10, 0, 0, 0,
    ];
    assert_eq!(header.as_bytes(), wire);
    assert_eq!(header.operation(), Some(vsock::Op::ReadWrite));
    let reset = header.reset();
    assert_eq!(reset.operation(), Some(vsock::Op::Reset));
    assert_eq!(
        (reset.src_cid, reset.dst_cid, reset.src_port, reset.dst_port),
        (
            header.dst_cid,
            header.src_cid,
            header.dst_port,
            header.src_port
        )
    );
    assert_eq!((reset.len.get(), reset.socket_type.get()), (0, 1));
}

#[test]
fn clause_5_10_6_operations_are_one_to_seven() {
    for wire in 0..=u16::MAX {
        let op = vsock::Op::from_wire(wire);
        assert_eq!(op.is_some(), (1..=7).contains(&wire), "{wire}");
        assert!(op.is_none_or(|op| op as u16 == wire));
    }
}

#[test]
fn clause_5_10_4_reserved_cids() {
    for cid in [0, 1, 0xffff_ffff, 1 << 32, u64::MAX] {
        assert!(!vsock::is_usable(cid), "{cid}");
    }
    assert!(vsock::is_usable(2) && vsock::is_usable(0xffff_fffe));
}

#[test]
fn clause_5_2_the_block_device_is_that_of_linux() {
    use blk::{Features, Status, Type};
    for (ours, linux) in [
        (Features::SIZE_MAX, virtio_blk::VIRTIO_BLK_F_SIZE_MAX),
        (Features::SEG_MAX, virtio_blk::VIRTIO_BLK_F_SEG_MAX),
        (Features::GEOMETRY, virtio_blk::VIRTIO_BLK_F_GEOMETRY),
        (Features::RO, virtio_blk::VIRTIO_BLK_F_RO),
        (Features::BLK_SIZE, virtio_blk::VIRTIO_BLK_F_BLK_SIZE),
        (Features::FLUSH, virtio_blk::VIRTIO_BLK_F_FLUSH),
        (Features::TOPOLOGY, virtio_blk::VIRTIO_BLK_F_TOPOLOGY),
        (Features::CONFIG_WCE, virtio_blk::VIRTIO_BLK_F_CONFIG_WCE),
        (Features::MQ, virtio_blk::VIRTIO_BLK_F_MQ),
        (Features::DISCARD, virtio_blk::VIRTIO_BLK_F_DISCARD),
        (
            Features::WRITE_ZEROES,
            virtio_blk::VIRTIO_BLK_F_WRITE_ZEROES,
        ),
        (
            Features::SECURE_ERASE,
            virtio_blk::VIRTIO_BLK_F_SECURE_ERASE,
        ),
        (Features::ZONED, virtio_blk::VIRTIO_BLK_F_ZONED),
    ] {
        assert_eq!(ours.bits(), 1 << linux);
    }
    for (ours, linux) in [
        (Type::In, virtio_blk::VIRTIO_BLK_T_IN),
        (Type::Out, virtio_blk::VIRTIO_BLK_T_OUT),
        (Type::Flush, virtio_blk::VIRTIO_BLK_T_FLUSH),
        (Type::GetId, virtio_blk::VIRTIO_BLK_T_GET_ID),
        (Type::Discard, virtio_blk::VIRTIO_BLK_T_DISCARD),
        (Type::WriteZeroes, virtio_blk::VIRTIO_BLK_T_WRITE_ZEROES),
        (Type::SecureErase, virtio_blk::VIRTIO_BLK_T_SECURE_ERASE),
    ] {
        assert_eq!(ours as u32, linux);
    }
    assert_eq!(Status::IoErr as u32, virtio_blk::VIRTIO_BLK_S_IOERR);
    assert_eq!(Status::Unsupp as u32, virtio_blk::VIRTIO_BLK_S_UNSUPP);
    assert_eq!(
        blk::FLAG_UNMAP,
        virtio_blk::VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
    );
    assert_eq!(
        blk::ID_BYTES,
        usize::try_from(virtio_blk::VIRTIO_BLK_ID_BYTES).unwrap()
    );
}

#[test]
fn clause_5_2_4_the_layout_is_that_of_linux() {
    use core::mem::offset_of;
    use virtio_bindings::virtio_blk::{virtio_blk_config, virtio_blk_discard_write_zeroes};
    macro_rules! same {
        ($($ours:ident = $linux:ident,)*) => {$(
            assert_eq!(
                offset_of!(blk::Config, $ours),
                offset_of!(virtio_blk_config, $linux),
            );
        )*};
    }
    same! {
        capacity = capacity,
        seg_max = seg_max,
        blk_size = blk_size,
        physical_block_exp = physical_block_exp,
        opt_io_size = opt_io_size,
        writeback = wce,
        num_queues = num_queues,
        max_discard_sectors = max_discard_sectors,
        discard_sector_alignment = discard_sector_alignment,
        max_write_zeroes_sectors = max_write_zeroes_sectors,
        write_zeroes_may_unmap = write_zeroes_may_unmap,
    }
    assert_eq!(
        blk::RANGE_SIZE,
        size_of::<virtio_blk_discard_write_zeroes>()
    );
    assert_eq!(blk::HEADER_SIZE, size_of::<virtio_blk::virtio_blk_outhdr>());
}

#[test]
fn clause_5_2_6_types_of_requests() {
    for wire in 0..0x1_0000 {
        let found = blk::Type::from_wire(wire);
        assert!(found.is_none_or(|found| found as u32 == wire));
    }
    for each in blk::Type::ALL {
        assert_eq!(blk::Type::from_wire(each as u32), Some(each));
    }
}

#[test]
fn only_writeback_can_be_written() {
    let wce = blk::Features::CONFIG_WCE.bits();
    assert_eq!(writable_config(device::BLOCK, wce | 1), Some(32));
    assert_eq!(writable_config(device::BLOCK, 0), None);
    assert_eq!(writable_config(device::NET, wce), None);
}
