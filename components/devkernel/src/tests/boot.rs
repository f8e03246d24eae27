// SPDX-License-Identifier: BSD-2-Clause
//! Objects from an image, and numbers of the interface.

use super::*;
use crate::abi::{Label, LabelSet, MessageInfo, Syscall};
use crate::boot::OutOfStorage;

#[test]
fn an_image_that_needs_more_than_there_is_room_for_is_refused() {
    let spec = standard(&[thread(1); 2]);
    let small = || Storage {
        tcbs: leak(vec![Tcb::EMPTY; 1]),
        ..storage()
    };
    let error = Kernel::new(Fake::default(), &image(&spec), small(), FREQUENCY).err();
    assert_eq!(error, Some(OutOfStorage("tcbs")));
    let small = || Storage {
        caps: leak(vec![cap::Cap::Null; 64]),
        ..storage()
    };
    let error = Kernel::new(Fake::default(), &image(&spec), small(), FREQUENCY).err();
    assert_eq!(error, Some(OutOfStorage("capabilities")));
}

#[test]
fn equal_priorities_start_last_first() {
    let rig = rig(&standard(&[thread(1), thread(1), thread(1)]));
    assert_eq!(rig.running(), Some(2));
    assert_eq!(rig.tcbs[id(2)].context.spsr, 0x40);
}

#[test]
fn system_call_numbers() {
    let decode = |number: i64, labels| Syscall::decode(number.cast_unsigned(), labels);
    assert_eq!(decode(-1, LabelSet::Release), Some(Syscall::Call));
    assert_eq!(decode(-11, LabelSet::Release), Some(Syscall::Yield));
    assert_eq!(decode(-12, LabelSet::Release), None);
    assert_eq!(decode(-17, LabelSet::Debug), Some(Syscall::DebugNameThread));
    for number in [0, 1, -18, -33, i64::MIN, i64::MAX] {
        assert_eq!(decode(number, LabelSet::Debug), None);
    }
}

#[test]
fn labels_shift_by_four_from_set_tls_base_on() {
    for label in 0..16 {
        assert_eq!(
            Label::decode(label, LabelSet::Debug),
            Label::decode(label, LabelSet::Release)
        );
    }
    for label in 16..20 {
        assert_eq!(Label::decode(label, LabelSet::Debug), None);
    }
    for label in 16..100 {
        assert_eq!(
            Label::decode(label + 4, LabelSet::Debug),
            Label::decode(label, LabelSet::Release)
        );
    }
    assert_eq!(Label::decode(31, LabelSet::Debug), Some(Label::IrqAck));
    assert_eq!(
        Label::decode(59, LabelSet::Release),
        Some(Label::VcpuAckVppi)
    );
    assert_eq!(Label::decode(u64::MAX, LabelSet::Debug), None);
}

#[test]
fn message_info_fields() {
    let info = MessageInfo(0x1234_5000 | 3 << 7 | 0x7f);
    assert_eq!(
        (info.label(), info.extra_caps(), info.length()),
        (0x1_2345, 3, 120)
    );
    assert_eq!(MessageInfo::new(5, 3).0, 0x5003);
}
