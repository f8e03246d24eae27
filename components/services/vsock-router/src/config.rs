// SPDX-License-Identifier: BSD-2-Clause
//! Ports and policy from the record.

use core::fmt::Write;

use heapless::{String, Vec};
use pd::{Setup, SetupError};
use record::{Entry, LookupError};
use virtio::vsock::is_usable;
use vsock::Link;

use crate::port::{Policy, Port};
use crate::{MAX_FLOWS, MAX_PORTS};

/// Milliseconds that packets wait for a receiver, unless the record says otherwise.
const PATIENCE: u64 = 1000;

/// The ports in the order of the record. Patience is in milliseconds.
pub(crate) fn ports(setup: &mut Setup<'_>) -> Result<Vec<Port, MAX_PORTS>, SetupError> {
    let mut names: Vec<&str, MAX_PORTS> = Vec::new();
    for entry in setup.record().with_role("port") {
        let Entry::Text(name) = entry else {
            return Err(SetupError::invalid("port", "each port is a text, its name"));
        };
        names
            .push(name)
            .map_err(|_| SetupError::invalid("port", "there are more than eight"))?;
    }
    let mut ports: Vec<Port, MAX_PORTS> = Vec::new();
    for name in &names {
        let policy = policy(setup, name, &names)?;
        if ports.iter().any(|port| port.policy.cid == policy.cid) {
            return Err(SetupError::invalid(name, "another port has its CID"));
        }
        // There are as many as names.
        let _ = ports.push(Port::new(Link::open(setup, name)?, policy));
    }
    Ok(ports)
}

fn policy(setup: &Setup<'_>, name: &str, names: &[&str]) -> Result<Policy, SetupError> {
    let cid = setup.value(&role(name, ".cid")?)?;
    if !is_usable(cid) {
        return Err(SetupError::invalid(name, "its CID is reserved"));
    }
    let mut allow = [false; MAX_PORTS];
    for entry in setup.record().with_role(&role(name, ".allow")?) {
        let known = |other: &&str| matches!(entry, Entry::Text(text) if text == *other);
        let index = names
            .iter()
            .position(known)
            .filter(|at| names.get(*at) != Some(&name));
        let slot = index.and_then(|index| allow.get_mut(index));
        *slot.ok_or_else(|| SetupError::invalid(name, "allows what is no other port"))? = true;
    }
    let share = MAX_FLOWS.checked_div(names.len()).unwrap_or(0);
    let limit = optional(setup, &role(name, ".limit")?, share as u64)?;
    Ok(Policy {
        cid,
        allow,
        limit: usize::try_from(limit).unwrap_or(MAX_FLOWS),
        patience: optional(setup, &role(name, ".patience")?, PATIENCE)?,
    })
}

fn optional(setup: &Setup<'_>, role: &str, default: u64) -> Result<u64, SetupError> {
    match setup.value(role) {
        Err(SetupError::Lookup(LookupError::Missing { .. })) => Ok(default),
        other => other,
    }
}

fn role(name: &str, suffix: &str) -> Result<String<32>, SetupError> {
    let mut role = String::new();
    write!(role, "{name}{suffix}")
        .map_err(|_| SetupError::invalid(name, "its name is too long"))?;
    Ok(role)
}
