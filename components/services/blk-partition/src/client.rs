// SPDX-License-Identifier: BSD-2-Clause
//! One client: its link, its partition, its memory.

use core::fmt::Write;

use blk::{Features, Info, Op, Request, Segment, Server};
use heapless::Vec;
use pd::{Setup, SetupError};
use record::{Entry, WindowEntry};
use units::PhysAddr;

use crate::MAX_CLIENTS;
use crate::fair::Share;
use crate::gpt::{Extent, Label};

/// What a client may do to its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read it.
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

/// A client of the disk.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) server: Server,
    pub(crate) share: Share,
    access: Access,
    window: WindowEntry,
    /// Its partition, while it is up.
    extent: Option<Extent>,
}

/// Clients in the order of the record, and their partitions' labels.
pub(crate) type Clients = (Vec<Client, MAX_CLIENTS>, Vec<Label, MAX_CLIENTS>);

/// Opens what the texts `client` of the record name.
pub(crate) fn find_all(setup: &mut Setup<'_>) -> Result<Clients, SetupError> {
    let mut clients = Vec::new();
    let mut labels: Vec<Label, MAX_CLIENTS> = Vec::new();
    for entry in setup.record().with_role("client") {
        let Entry::Text(name) = entry else {
            return Err(SetupError::invalid("client", "is not a text"));
        };
        let (client, label) = Client::open(setup, name)?;
        let shared = |(other, known): (&Client, &Label)| {
            *known == label && (other.writes() || client.writes())
        };
        if clients.iter().zip(&labels).any(shared) {
            return Err(SetupError::invalid(
                name,
                "its partition is another's who may write",
            ));
        }
        if clients.push(client).is_err() || labels.push(label).is_err() {
            return Err(SetupError::invalid("client", "there are too many"));
        }
    }
    Ok((clients, labels))
}

impl Client {
    fn open(setup: &mut Setup<'_>, name: &str) -> Result<(Self, Label), SetupError> {
        let access = match setup.text(&role(name, ".access")?)? {
            "ro" => Access::ReadOnly,
            "rw" => Access::ReadWrite,
            _ => {
                return Err(SetupError::invalid(
                    name,
                    "its access is neither `ro` nor `rw`",
                ));
            }
        };
        let label = Label::new(setup.text(&role(name, ".partition")?)?)
            .ok_or_else(|| SetupError::invalid(name, "its partition's label is impossible"))?;
        let client = Self {
            window: setup.dma(&role(name, ".dma")?)?,
            server: Server::open(setup, name)?,
            share: Share::default(),
            access,
            extent: None,
        };
        Ok((client, label))
    }

    fn writes(&self) -> bool {
        self.access == Access::ReadWrite
    }

    /// Begins a session in which the client has `extent` of `disk`.
    pub(crate) fn start(&mut self, extent: Extent, disk: &Info) {
        let mut info = Info {
            capacity: extent.sectors,
            ..*disk
        };
        if !self.writes() {
            info.features |= Features::READ_ONLY;
        }
        if info.features.contains(Features::READ_ONLY) {
            info.features -= Features::DISCARD | Features::WRITE_ZEROES | Features::UNMAP;
        }
        self.share = Share::default();
        self.extent = Some(extent);
        self.server.start(info);
    }

    /// Ends the session.
    pub(crate) fn stop(&mut self) {
        self.extent = None;
        self.server.stop();
    }

    /// Where a request is on the disk: its first sector there. `None` unless all of it is in the
    /// client's partition, and only reads if that is all the client may do.
    pub(crate) fn place(&self, request: &Request) -> Option<u64> {
        if request.op().writes() && !self.writes() {
            return None;
        }
        let extent = self.extent?;
        if request.op() == Op::Flush {
            return Some(0);
        }
        let end = request.sector().checked_add(request.sectors())?;
        if end > extent.sectors {
            return None;
        }
        extent.sector.checked_add(request.sector())
    }

    /// The physical addresses of a request's memory.
    ///
    /// # Errors
    ///
    /// The offset of the first segment that is not in the client's window.
    pub(crate) fn translate<const N: usize>(
        &self,
        request: &Request,
        into: &mut Vec<Segment, N>,
    ) -> Result<(), u64> {
        into.clear();
        for segment in request.segments() {
            let (paddr, len) = segment.validate(|Segment { offset, len }| {
                let paddr = self.window.address(offset, len.into());
                paddr.map(|paddr| (paddr, len)).ok_or(offset)
            })?;
            let offset = PhysAddr::get(paddr);
            // There is room for as many as a request can have.
            into.push(Segment { offset, len }).map_err(|_| offset)?;
        }
        Ok(())
    }
}

fn role(name: &str, suffix: &str) -> Result<heapless::String<32>, SetupError> {
    let mut role = heapless::String::new();
    match write!(role, "{name}{suffix}") {
        Ok(()) => Ok(role),
        Err(_) => Err(SetupError::invalid(name, "the client's name is too long")),
    }
}
