// SPDX-License-Identifier: BSD-2-Clause
//! Whether a frame may pass, and where to.

use frames::Meta;

use crate::ether::Head;
use crate::event::What;
use crate::port::{Port, PortSet, Ports};
use crate::table::Station;
use crate::time::Time;

/// Where a frame goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// The ports.
    pub(crate) to: PortSet,
    pub(crate) vlan: u16,
}

/// Judges the frame that starts with `head` and has `len` bytes, of port number `from`.
///
/// # Errors
///
/// Why it is dropped.
pub(crate) fn judge(
    ports: &mut Ports,
    from: usize,
    head: &Head,
    (len, meta): (usize, Meta),
    time: Time,
) -> Result<Route, What> {
    let port = ports.get_mut(from).ok_or(What::NoWay)?;
    check_form(port, head, len, meta)?;
    let vlan = vlan(port, head)?;
    if head.dst.is_group() && !port.calm(time) {
        return Err(What::Storm);
    }
    let seconds = time.seconds();
    check_source(ports, from, head, vlan, seconds)?;
    let port = ports.get(from).ok_or(What::NoWay)?;
    let to = destinations(ports, port, head, vlan, seconds);
    if to == 0 {
        return Err(What::NoWay);
    }
    let floods = !head.dst.is_group() && to.count_ones() > 1;
    // Unknown destinations that go to several ports are a broadcast like any other.
    if floods && !ports.get_mut(from).is_some_and(|port| port.calm(time)) {
        return Err(What::Storm);
    }
    Ok(Route { to, vlan })
}

/// What a frame has to look like at any port.
fn check_form(port: &Port, head: &Head, len: usize, meta: Meta) -> Result<(), What> {
    let payload = len.saturating_sub(head.payload_at());
    let csum_fits = !meta.needs_csum()
        || (meta.csum_fits(len) && usize::from(meta.csum_start) >= head.payload_at());
    let well_formed = payload <= usize::from(port.config.mtu)
        && csum_fits
        && head.src.is_station()
        && !head.dst.is_link_local()
        && head.dst.to_u64() != 0;
    well_formed.then_some(()).ok_or(What::Malformed)
}

/// The VLAN of a frame: the port's own for frames without tag, that of the tag at a trunk.
fn vlan(port: &Port, head: &Head) -> Result<u16, What> {
    if head.is_nested() || (head.is_tagged() && !port.config.is_trunk()) {
        return Err(What::BadVlan);
    }
    if head.is_tagged() {
        head.vlan().ok_or(What::BadVlan)
    } else {
        Ok(port.config.vlan)
    }
}

/// Whether the source is the port's own; learns it where that is not configured.
fn check_source(
    ports: &mut Ports,
    from: usize,
    head: &Head,
    vlan: u16,
    seconds: u32,
) -> Result<(), What> {
    let spoofed = What::Spoofed { source: head.src };
    let station = Station::new(head.src, vlan);
    let port = ports.get(from).ok_or(What::NoWay)?;
    if port.owns(head.src) {
        return honest(port, head).ok_or(spoofed);
    }
    let foreign =
        |other: &Port| other.number != port.number && other.has(head.src, station, seconds);
    if port.config.is_closed() || ports.iter().any(foreign) || honest(port, head).is_none() {
        return Err(spoofed);
    }
    if let Some(port) = ports.get_mut(from) {
        port.learned.learn(station, seconds);
    }
    Ok(())
}

/// A port of one guest must not announce other stations' addresses; a network may, since ARP can
/// be answered by proxy.
fn honest(port: &Port, head: &Head) -> Option<()> {
    (!port.config.is_closed() || !head.contradicts_itself()).then_some(())
}

/// The ports that get the frame.
fn destinations(ports: &Ports, port: &Port, head: &Head, vlan: u16, seconds: u32) -> PortSet {
    let in_reach = |other: &Port| {
        port.partners & other.bit() != 0 && other.config.is_member(vlan) && other.peer.carries()
    };
    let set = |wanted: &dyn Fn(&Port) -> bool| -> PortSet {
        let chosen = ports
            .iter()
            .filter(|other| in_reach(other) && wanted(other));
        chosen.map(Port::bit).sum()
    };
    if head.dst.is_group() {
        return set(&|_| true);
    }
    let station = Station::new(head.dst, vlan);
    let behind =
        |other: &Port| other.config.is_member(vlan) && other.has(head.dst, station, seconds);
    if ports.iter().any(behind) {
        set(&behind)
    } else {
        // All addresses of a closed port are known, so this one is not there.
        set(&|other| !other.config.is_closed())
    }
}
