// SPDX-License-Identifier: BSD-2-Clause
//! The end of a turn: telling of connections that are gone, and being woken by what can go on.

use heapless::Vec;
use virtio::vsock::{Header, Op, TYPE_STREAM};

use crate::MAX_PORTS;
use crate::router::Router;
use crate::table::End;

impl Router {
    /// Tells the ends of connections that are gone, as far as there is room.
    pub(crate) fn tell(&mut self) {
        let cids: Vec<u64, MAX_PORTS> = self.ports.iter().map(|port| port.policy.cid).collect();
        let cid = |end: End| cids.get(end.port).copied().unwrap_or(0);
        let ports = &mut self.ports;
        self.table.tell(|end, other| {
            let Some(port) = ports.get_mut(end.port) else {
                return true;
            };
            if !port.link.carries() {
                // Nobody is there to hear it.
                return true;
            }
            let header = Header {
                src_cid: cid(other).into(),
                dst_cid: cid(end).into(),
                src_port: other.number.into(),
                dst_port: end.number.into(),
                socket_type: TYPE_STREAM.into(),
                op: (Op::Reset as u16).into(),
                ..Header::default()
            };
            let told = port.has_own_room() && port.link.send(&header);
            if told {
                port.charge(None);
            }
            told
        });
    }

    /// Asks to be woken by what can go on. `true`: something can already.
    pub(crate) fn wait(&mut self) -> bool {
        let mut again = false;
        for index in 0..self.ports.len() {
            if self.table.owes(index) {
                again |= self.wait_for_change(index);
            }
            let blocked = self.ports.get(index).and_then(|port| port.blocked);
            again |= match blocked {
                // Its own share may be used up: any packet that is read may make room.
                Some((to, _)) => self.wait_for_change(to),
                None => self
                    .ports
                    .get_mut(index)
                    .is_some_and(|port| port.link.wait_for_packets()),
            };
        }
        again
    }

    /// Asks to be woken when the port reads another packet.
    fn wait_for_change(&mut self, to: usize) -> bool {
        self.ports.get_mut(to).is_some_and(|port| {
            let more = port.link.room().saturating_add(1);
            port.link.wait_for_room(more.min(port.link.capacity()))
        })
    }
}
