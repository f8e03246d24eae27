// SPDX-License-Identifier: BSD-2-Clause
//! Published figures of others, for the same programs.

use std::collections::BTreeMap;

use host::{Failure, Outcome};

/// Instructions per operation.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// All instructions.
    pub total: f64,
    /// The guest's.
    pub guest: Option<f64>,
    /// The kernel's.
    pub kernel: Option<f64>,
    /// The VMM's.
    pub vmm: Option<f64>,
    /// Other protection domains'.
    pub domains: Option<f64>,
    /// Kernel entries.
    pub entries: Option<f64>,
}

/// One system that somebody measured.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its name in the table.
    pub name: String,
    /// What exactly was measured.
    pub description: String,
    /// Figures by operation.
    pub operations: BTreeMap<String, Figure>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    peer: Vec<Peer>,
}

/// The peers of `peers.toml`.
pub(crate) fn load() -> Outcome<Vec<Peer>> {
    let file: File = toml::from_str(include_str!("../peers.toml"))
        .map_err(|e| Failure::input(format!("tools/bench/peers.toml: {e}")))?;
    Ok(file.peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::OPERATIONS;

    #[test]
    fn figures_belong_to_operations_and_add_up() {
        let derived = ["cyclic-late-mean", "cyclic-late-max"];
        for peer in load().unwrap() {
            for (id, figure) in &peer.operations {
                let known =
                    OPERATIONS.iter().any(|op| op.id == id) || derived.contains(&id.as_str());
                assert!(known, "{}: {id}", peer.name);
                let parts = [figure.guest, figure.kernel, figure.vmm, figure.domains];
                let sum: f64 = parts.iter().flatten().sum();
                // The published parts are rounded.
                let exact =
                    sum == 0.0 || (sum - figure.total).abs() <= (figure.total * 0.002).max(2.0);
                assert!(
                    exact,
                    "{} {id}: parts {sum}, total {}",
                    peer.name, figure.total
                );
            }
        }
    }
}
