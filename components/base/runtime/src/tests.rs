// SPDX-License-Identifier: BSD-2-Clause
//! Which system calls the facets and the loop make, on a fake that writes them down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use pd::{
    Cache, Call, Child, Event, Irq, KernelError, Message, MessageInfo, Notify, Port, Reply, Vcpu,
    VcpuReg, VirtualIrq,
};
use units::{ChannelId, ChildId, IrqId, PdVaddr, VcpuId};

use crate::syscalls::{CacheOp, Labels, Outgoing, Received, Syscalls, Words};
use crate::{Identity, Kernel};

const LABELS: Labels = Labels {
    tcb_read_registers: 2,
    tcb_write_registers: 3,
    tcb_suspend: 12,
    tcb_resume: 13,
    irq_ack: 31,
    vcpu_inject_irq: 60,
    vcpu_read_reg: 61,
    vcpu_write_reg: 62,
    vcpu_ack_vppi: 63,
    vspace_invalidate_data: 44,
};

/// One system call: name, destination (or source), message word, words.
type Entry = (&'static str, u64, u64, Words);

#[derive(Debug, Default)]
struct Fake {
    calls: Vec<Entry>,
    answers: VecDeque<Received>,
    buffer: RefCell<Vec<u64>>,
    maintained: Vec<(CacheOp, Range<u64>)>,
    timer: Option<u64>,
}

impl Fake {
    fn note(&mut self, name: &'static str, dest: u64, info: MessageInfo, words: Words) -> Received {
        self.calls.push((name, dest, info.raw(), words));
        self.answers.pop_front().unwrap_or_default()
    }
}

impl Syscalls for Fake {
    fn recv(&mut self, src: u64, reply: u64) -> Received {
        assert_eq!(reply, 4);
        self.note("recv", src, MessageInfo::default(), [0; 4])
    }
    fn reply_recv(&mut self, src: u64, info: MessageInfo, words: Words, reply: u64) -> Received {
        assert_eq!(reply, 4);
        self.note("reply_recv", src, info, words)
    }
    fn nb_send_recv(&mut self, out: Outgoing, src: u64, reply: u64) -> Received {
        assert_eq!((src, reply), (1, 4));
        self.note("nb_send_recv", out.dest, out.info, out.words)
    }
    fn send(&mut self, out: Outgoing) {
        self.calls
            .push(("send", out.dest, out.info.raw(), out.words));
    }
    fn call(&mut self, out: Outgoing) -> Received {
        self.note("call", out.dest, out.info, out.words)
    }
    fn message_word(&self, index: usize) -> u64 {
        self.buffer.borrow()[index]
    }
    fn set_message_word(&mut self, index: usize, value: u64) {
        self.buffer.borrow_mut()[index] = value;
    }
    fn labels(&self) -> &'static Labels {
        &LABELS
    }
    fn has_console(&self) -> bool {
        true
    }
    fn debug_write(&mut self, _: &[u8]) {}
    fn ticks(&self) -> u64 {
        0
    }
    fn frequency(&self) -> u64 {
        1
    }
    fn set_timer(&mut self, deadline: Option<u64>) {
        self.timer = deadline;
    }
    fn cache(&mut self, op: CacheOp, range: Range<u64>) {
        self.maintained.push((op, range));
    }
}

fn kernel(identity: Identity) -> Kernel<Fake> {
    let fake = Fake {
        buffer: RefCell::new(vec![0; 120]),
        ..Fake::default()
    };
    Kernel::new(fake, identity)
}

fn answer(label: u64, words: &[u64]) -> Received {
    let mut fast = [0; 4];
    fast[..words.len().min(4)].copy_from_slice(&words[..words.len().min(4)]);
    Received {
        badge: 0,
        info: MessageInfo::new(label, words.len()),
        words: fast,
    }
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

fn receive(kernel: &mut Kernel<Fake>, reply: &Reply) -> Event {
    let mut event = Event::default();
    kernel.receive(reply, &mut event);
    event
}

const NONE: Words = [0; 4];

#[test]
fn capability_addresses_are_those_of_microkit() {
    let mut kernel = kernel(Identity::default());
    kernel.notify(channel(5));
    kernel.irq_ack(IrqId::new(3).unwrap());
    kernel.call(channel(7), &Message::with(9, [1, 2]));
    kernel.child_stop(ChildId::new(1).unwrap()).unwrap();
    let vcpu = VcpuId::new(2).unwrap();
    kernel.vcpu_stop(vcpu).unwrap();
    kernel.vcpu_hold(vcpu).unwrap();
    kernel.vcpu_resume(vcpu).unwrap();
    kernel.vcpu_ack_vppi(vcpu, 27).unwrap();
    assert_eq!(
        kernel.sys.calls,
        [
            ("send", 15, 0, NONE),
            ("call", 141, 31 << 12, NONE),
            ("call", 81, 9 << 12 | 2, [1, 2, 0, 0]),
            ("call", 203, 12 << 12, NONE),
            ("call", 268, 12 << 12, NONE),
            ("call", 268, 12 << 12, NONE),
            ("call", 268, 13 << 12, NONE),
            ("call", 332, 63 << 12 | 1, [27, 0, 0, 0]),
        ]
    );
}

#[test]
fn registers_beyond_the_second_travel_through_the_buffer() {
    let mut kernel = kernel(Identity::default());
    let child = ChildId::new(0).unwrap();
    let context: Vec<u64> = (100..136).collect();
    kernel.child_write_registers(child, &context, true).unwrap();
    assert_eq!(
        kernel.sys.calls,
        [("call", 202, 3 << 12 | 38, [1, 36, 100, 101])]
    );
    assert_eq!(kernel.sys.buffer.borrow()[4..38], context[2..]);

    let mut back = [0; 36];
    let mut got = answer(0, &[7, 8, 9, 10]);
    got.info = MessageInfo::new(0, 36);
    kernel.sys.answers.push_back(got);
    kernel.child_read_registers(child, &mut back).unwrap();
    assert_eq!(back[..5], [7, 8, 9, 10, context[2]]);

    assert!(matches!(
        kernel.child_write_registers(child, &[0; 37], false),
        Err(KernelError::Range { min: 1, max: 36 })
    ));
}

#[test]
fn refusals_come_back_as_errors() {
    let mut kernel = kernel(Identity::default());
    let vcpu = VcpuId::new(0).unwrap();
    kernel.sys.answers.push_back(answer(4, &[0, 3]));
    let irq = VirtualIrq::new(40, 0, 0, 4).unwrap();
    assert_eq!(
        kernel.vcpu_inject_irq(vcpu, irq),
        Err(KernelError::Range { min: 0, max: 3 })
    );
    kernel.sys.answers.push_back(answer(0, &[0x5]));
    assert_eq!(kernel.vcpu_read_reg(vcpu, VcpuReg::CntvCtlEl0), Ok(5));
    assert_eq!(kernel.sys.calls[1].3, [20, 0, 0, 0]);
}

#[test]
fn a_deferred_action_goes_out_with_the_receive_and_an_earlier_one_at_once() {
    let mut kernel = kernel(Identity::default());
    kernel.notify_deferred(channel(1));
    kernel.irq_ack_deferred(IrqId::new(2).unwrap());
    assert_eq!(kernel.sys.calls, [("send", 11, 0, NONE)]);
    receive(&mut kernel, &Reply::None);
    receive(&mut kernel, &Reply::None);
    assert_eq!(
        kernel.sys.calls[1..],
        [("nb_send_recv", 140, 31 << 12, NONE), ("recv", 1, 0, NONE)]
    );
}

#[test]
fn a_reply_follows_the_deferred_action() {
    let mut kernel = kernel(Identity::default());
    kernel.notify_deferred(channel(0));
    receive(&mut kernel, &Reply::Message(Message::with(1, [2])));
    assert_eq!(
        kernel.sys.calls,
        [
            ("send", 10, 0, NONE),
            ("reply_recv", 1, 1 << 12 | 1, [2, 0, 0, 0]),
        ]
    );
}

#[test]
fn every_irq_is_acknowledged_once_at_the_start_and_a_passive_server_hands_over() {
    let mut kernel = kernel(Identity {
        irqs: 1 << 4 | 1,
        passive: true,
    });
    kernel.notify_deferred(channel(9));
    kernel.start();
    receive(&mut kernel, &Reply::None);
    receive(&mut kernel, &Reply::None);
    assert_eq!(
        kernel.sys.calls,
        [
            ("call", 138, 31 << 12, NONE),
            ("call", 142, 31 << 12, NONE),
            ("send", 19, 0, NONE),
            ("nb_send_recv", 5, 0, NONE),
            ("recv", 1, 0, NONE),
        ]
    );
}

#[test]
fn faults_bring_their_long_messages() {
    let mut kernel = kernel(Identity::default());
    for (index, word) in kernel.sys.buffer.borrow_mut().iter_mut().enumerate() {
        *word = 1000 + index as u64;
    }
    let mut fault = answer(2, &[1, 2, 3, 4]);
    fault.badge = 1 << 62 | 5;
    fault.info = MessageInfo::new(2, 13);
    kernel.sys.answers.push_back(fault);
    let event = receive(&mut kernel, &Reply::None);
    assert_eq!(event.words[..6], [1, 2, 3, 4, 1004, 1005]);

    let mut notification = answer(2, &[1, 2, 3, 4]);
    notification.badge = 1;
    notification.info = MessageInfo::new(2, 13);
    kernel.sys.answers.push_back(notification);
    let message = Message::with(0, [1, 2, 3, 4]);
    let event = receive(&mut kernel, &Reply::Message(message));
    assert_eq!(kernel.sys.calls[1], ("reply_recv", 1, 4, [1, 2, 3, 4]));
    assert_eq!(event.words[4], 0, "no buffer reads for a notification");
}

#[test]
fn invalidation_stays_within_pages_and_whole_lines() {
    let mut kernel = kernel(Identity::default());
    let start = PdVaddr::new(0x1ff0).unwrap();
    kernel.cache_invalidate(start, 0x1011).unwrap();
    let ranges: Vec<Words> = kernel.sys.calls.iter().map(|call| call.3).collect();
    assert_eq!(
        ranges,
        [
            [0x1fc0, 0x2000, 0, 0],
            [0x2000, 0x3000, 0, 0],
            [0x3000, 0x3040, 0, 0]
        ]
    );
    kernel.sys.calls.clear();
    kernel.cache_invalidate(start, 0).unwrap();
    assert!(kernel.sys.calls.is_empty());
    kernel.cache_clean(start, 4).unwrap();
    assert_eq!(kernel.sys.maintained, [(CacheOp::Clean, 0x1ff0..0x1ff4)]);
}

#[test]
fn the_timer_is_set_to_a_deadline_and_stopped() {
    use pd::PhysicalTimer;
    let mut kernel = kernel(Identity::default());
    kernel.timer_set(77);
    assert_eq!(kernel.sys.timer, Some(77));
    kernel.timer_stop();
    assert_eq!(kernel.sys.timer, None);
}
