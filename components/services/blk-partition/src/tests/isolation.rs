// SPDX-License-Identifier: BSD-2-Clause
//! Two clients against a model: what one does is never seen by the other, whatever restarts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::disk::BETA;
use super::*;

/// A request of a client that it has not been told the end of.
#[derive(Clone, Debug)]
struct Open {
    op: Op,
    sector: u64,
    sectors: u32,
    mark: u8,
    /// Which part of the client's memory it has.
    part: u64,
    sent: bool,
}

/// Sectors of both partitions.
const SECTORS: [u64; 2] = [64, 32];

#[derive(Clone, Debug)]
enum Act {
    Submit {
        client: usize,
        op: u8,
        sector: u64,
        sectors: u32,
        wild: bool,
    },
    Service,
    Device(usize),
    Client(usize),
    RestartDriver,
    RestartService,
    RestartClient(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let submit = (0_usize..2, 0_u8..4, 0_u64..70, 1_u32..4, 0_u8..10).prop_map(
        |(client, op, sector, sectors, wild)| Act::Submit {
            client,
            op,
            sector,
            sectors,
            wild: wild == 0,
        },
    );
    let act = prop_oneof![
        8 => submit,
        6 => Just(Act::Service),
        6 => (0_usize..100).prop_map(Act::Device),
        6 => (0_usize..2).prop_map(Act::Client),
        1 => Just(Act::RestartDriver),
        1 => Just(Act::RestartService),
        1 => (0_usize..2).prop_map(Act::RestartClient),
    ];
    proptest::collection::vec(act, 1..200)
}

struct Model {
    bench: Bench,
    /// Open requests by id; a client has at most one per slot of its memory.
    open: [BTreeMap<u32, Open>; 2],
    /// Values that each sector of a client may have.
    sectors: [Vec<Vec<u8>>; 2],
    next: u32,
}

impl Model {
    fn new() -> Self {
        let bench = Bench::new();
        let beta = usize::try_from(BETA.0).unwrap() * 512;
        let starts = [bench.disk.alpha(), beta];
        let sectors = [0, 1].map(|client| {
            let count = usize::try_from(SECTORS[client]).unwrap();
            let first = |at: usize| bench.disk.medium[starts[client] + at * 512];
            (0..count).map(|at| vec![first(at)]).collect()
        });
        Self {
            bench,
            open: [BTreeMap::new(), BTreeMap::new()],
            sectors,
            next: 0,
        }
    }

    /// Whether an open request touches these sectors: a guest does not race with itself.
    fn races(&self, client: usize, sector: u64, sectors: u32) -> bool {
        let end = sector + u64::from(sectors);
        self.open[client]
            .values()
            .any(|open| open.sector < end && sector < open.sector + u64::from(open.sectors))
    }

    fn submit(&mut self, client: usize, op: u8, sector: u64, sectors: u32, wild: bool) {
        let taken = |part| self.open[client].values().any(|open| open.part == part);
        let Some(part) = (0..16).find(|part| !taken(*part)) else {
            return;
        };
        if self.races(client, sector, sectors) {
            return;
        }
        if wild {
            // Beyond the partition or the window: nothing of it may happen.
            let end = &mut self.bench.clients[client];
            let beyond = seg(RAM_SIZE as u64 - 100, sectors * 512);
            let _ = end.submit_data(u32::MAX, Op::Write, sector, [beyond]);
            let _ = end.submit_data(u32::MAX, Op::Write, SECTORS[client], [seg(0, 512)]);
            return;
        }
        let op = match op {
            0 => Op::Read,
            1 => Op::Discard,
            _ => Op::Write,
        };
        self.next += 1;
        let mark = self.next.to_le_bytes()[0] & 0x3f | if client == 0 { 0x40 } else { 0 };
        let open = Open {
            op,
            sector,
            sectors,
            mark,
            part,
            sent: false,
        };
        let inside = sector + u64::from(sectors) <= SECTORS[client];
        if op != Op::Read && inside {
            // Until the end is told, either value may be there.
            let mark = if op == Op::Discard { 0 } else { mark };
            for at in sector..sector + u64::from(sectors) {
                self.sectors[client][usize::try_from(at).unwrap()].push(mark);
            }
        }
        self.open[client].insert(self.next, open);
        self.send(client);
    }

    fn send(&mut self, client: usize) {
        let base = [A_RAM, B_RAM][client];
        let ram = self.bench.disk.ram(base);
        for (id, open) in self.open[client].iter_mut().filter(|(_, open)| !open.sent) {
            let end = &mut self.bench.clients[client];
            let at = open.part * 4096;
            let len = open.sectors * 512;
            if open.op == Op::Write {
                ram.fill(usize::try_from(at).unwrap(), len as usize, open.mark)
                    .unwrap();
            }
            let sent = if open.op.has_data() {
                let halves = [
                    seg(at, len / 2),
                    seg(at + u64::from(len / 2), len - len / 2),
                ];
                end.submit_data(*id, open.op, open.sector, halves)
            } else {
                end.submit_range(*id, open.op, open.sector, open.sectors)
            };
            open.sent = sent.is_ok();
        }
        self.bench.clients[client].flush(&mut self.bench.kernel);
    }

    fn client(&mut self, client: usize) -> Result<(), TestCaseError> {
        if self.bench.clients[client].poll() == Change::Up {
            self.open[client]
                .values_mut()
                .for_each(|open| open.sent = false);
        }
        while let Some(end) = self.bench.clients[client].completion() {
            if end.id == u32::MAX {
                prop_assert_eq!(end.status, Status::IoError);
                continue;
            }
            let open = self.open[client].remove(&end.id);
            prop_assert!(open.is_some(), "told twice");
            let open = open.unwrap();
            let inside = open.sector + u64::from(open.sectors) <= SECTORS[client];
            prop_assert_eq!(end.status == Status::Ok, inside);
            if inside {
                self.judge(client, &open)?;
            }
        }
        self.send(client);
        Ok(())
    }

    /// A request is done: a read gave what may be there, a write is there.
    fn judge(&mut self, client: usize, open: &Open) -> Result<(), TestCaseError> {
        let ram = self.bench.disk.ram([A_RAM, B_RAM][client]);
        for at in 0..open.sectors {
            let sector = usize::try_from(open.sector + u64::from(at)).unwrap();
            let values = &mut self.sectors[client][sector];
            if open.op == Op::Read {
                let offset = usize::try_from(open.part * 4096).unwrap() + at as usize * 512;
                let found: u8 = ram.load(offset).unwrap();
                prop_assert!(values.contains(&found), "{found:#x} of {values:x?}");
                *values = vec![found];
            } else {
                *values = vec![if open.op == Op::Discard { 0 } else { open.mark }];
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match *act {
            Act::Submit {
                client,
                op,
                sector,
                sectors,
                wild,
            } => self.submit(client, op, sector, sectors, wild),
            Act::Service => self.bench.wake(),
            Act::Device(which) => {
                self.bench.disk.fetch();
                let count = self.bench.disk.waiting.len();
                if count > 0 {
                    self.bench.disk.finish(which % count);
                }
                self.bench.disk.flush();
            }
            Act::Client(client) => self.client(client)?,
            Act::RestartDriver => {
                let link = self.bench.driver_link;
                self.bench.disk.start(&link);
            }
            Act::RestartService => self.bench.restart_service(),
            Act::RestartClient(client) => {
                let id = channel([A, B][client]);
                self.bench.clients[client] = self.bench.links[client].client(id);
                self.open[client]
                    .values_mut()
                    .for_each(|open| open.sent = false);
            }
        }
        Ok(())
    }

    /// Everything outside the two partitions is as it was; everything inside has a value of its own
    /// client's.
    fn check(&self, before: &[u8]) -> Result<(), TestCaseError> {
        let alpha = self.bench.disk.alpha() / 512;
        let beta = usize::try_from(BETA.0).unwrap();
        let sectors = self.bench.disk.medium.chunks(512).zip(before.chunks(512));
        for (number, (now, before)) in sectors.enumerate() {
            let own = [(0, alpha), (1, beta)]
                .into_iter()
                .find_map(|(client, first)| {
                    let at = number.checked_sub(first)?;
                    self.sectors[client].get(at)
                });
            match own {
                Some(values) => {
                    prop_assert!(values.contains(&now[0]), "sector {number}: {:#x}", now[0]);
                    prop_assert!(now.iter().all(|byte| *byte == now[0]));
                }
                None => prop_assert_eq!(now, before, "sector {} is nobody's", number),
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The marker property of issue 4, over two clients, out-of-order completion, requests beyond
    /// partition and window, and restarts of everybody at any point; in the end all is done.
    // Shows AV-11, BH-26.
    #[test]
    fn a_client_never_reads_or_writes_a_sector_of_another(acts in acts()) {
        let mut model = Model::new();
        let before = model.bench.disk.medium.clone();
        for act in &acts {
            model.act(act)?;
        }
        model.check(&before)?;
        for _ in 0..60 {
            model.bench.settle();
            model.client(0)?;
            model.client(1)?;
        }
        prop_assert!(model.open.iter().all(BTreeMap::is_empty), "{:?}", model.open);
        model.check(&before)?;
    }

    /// Whatever the clients' and the driver's memory says: no panic, no DMA but to memory that was
    /// offered (the disk of the tests checks that), no sector but of the two partitions.
    #[test]
    fn hostile_neighbours_are_survived(
        writes in proptest::collection::vec((0_usize..3, 0_usize..2048, any::<u32>()), 1..60),
    ) {
        let mut bench = Bench::new();
        let _ = bench.polls();
        let before = bench.disk.medium.clone();
        for (whose, at, value) in writes {
            let region = match whose {
                0 => bench.links[0].client,
                1 => bench.links[1].client,
                _ => bench.driver_link.server,
            };
            let at = at * 4 % region.len();
            region.store_release(at, value).unwrap();
            bench.settle();
        }
        let (first, last) = (bench.disk.alpha(), (usize::try_from(BETA.1).unwrap() + 1) * 512);
        prop_assert_eq!(&bench.disk.medium[..first], &before[..first]);
        prop_assert_eq!(&bench.disk.medium[last..], &before[last..]);
    }
}
