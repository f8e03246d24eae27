// SPDX-License-Identifier: BSD-2-Clause
//! The device's side of a split virtqueue over memory that its driver rewrites at any moment: what
//! it takes, it gives back once; what it hands out lies in guest memory (H-21 to H-32).

use std::collections::BTreeSet;

use guest::machine::RAM_BASE;
use guest_mem::GuestMem;
use shm::{Region, Rw, fake};
use virtq::{Chain, Popped, Queue, Setup};

use crate::memory::{Poke, Ram, bounded, lie};
use crate::script::Script;

const RAM_SIZE: usize = 0x4000;
/// Offsets of the areas.
const DRIVER: usize = 0x1000;
const DEVICE: usize = 0x1800;
const INDIRECT: usize = 0x2000;
const BUFFERS: usize = 0x3000;
/// Accesses of one `pop`: a walk takes a few per descriptor of the longest queue.
const WALK: u64 = 4096;

/// A queue with what its user holds.
struct User {
    ram: Ram,
    mem: GuestMem,
    inflight: Region<Rw>,
    config: vio::QueueConfig,
    modes: u8,
    queue: Option<Queue>,
    chain: Chain<16>,
    held: BTreeSet<u16>,
    /// Given back and not published.
    staged: BTreeSet<u16>,
    /// In the order in which they were taken last.
    taken: Vec<u16>,
    /// The used index as it has to be.
    used: u16,
    /// The next available entry, and the available index that was seen last; `None` where somebody
    /// changed it meanwhile.
    next: u16,
    seen: Option<u16>,
}

#[expect(clippy::expect_used, reason = "test support")]
impl User {
    fn new(script: &mut Script<'_>) -> Self {
        let ram = Ram::new(RAM_SIZE);
        let mem = GuestMem::new();
        let mem = mem.with(RAM_BASE, ram.region()).expect("one range");
        let at = |offset: usize| RAM_BASE.get() + offset as u64;
        let [size, modes, odd] = script.array();
        let mut config = vio::QueueConfig {
            size: 1 << (size % 7),
            ready: true,
            desc: at(0),
            driver: at(DRIVER),
            device: at(DEVICE),
        };
        if odd.is_multiple_of(16) {
            config.size = script.half();
            config.desc = script.odd();
            config.driver = script.odd();
            config.device = script.odd();
        }
        let mut user = Self {
            ram,
            mem,
            inflight: fake::region(0x4000),
            config,
            modes,
            queue: None,
            chain: Chain::new(),
            held: BTreeSet::new(),
            staged: BTreeSet::new(),
            taken: Vec::new(),
            used: 0,
            next: 0,
            seen: Some(0),
        };
        user.queue = user.setup().and_then(|setup| Queue::new(setup).ok());
        user.keep();
        user
    }

    /// `None` for a size that no table of requests in flight has.
    fn setup(&self) -> Option<Setup<'_>> {
        let offer = vio::Offer {
            device: 1,
            features: 0,
            queues: 1,
            queue_max: 256,
            config_len: 0,
        };
        let orders = fake::filled(&[0; 0x1000]);
        let backend = vio::Backend::new(orders, self.inflight, offer, &[]).ok()?;
        Some(Setup {
            mem: &self.mem,
            config: self.config,
            event_idx: self.modes & 1 != 0,
            indirect: self.modes & 2 != 0,
            inflight: backend.inflight(0, self.config.size)?,
        })
    }

    fn keep(&mut self) {
        if self.modes & 4 != 0
            && let Some(queue) = &mut self.queue
        {
            queue.keep_bad();
        }
    }

    /// What was handed out lies in guest memory and has bytes.
    fn check_chain(&self) {
        let (start, end) = {
            let ram = self.ram.region();
            (ram.address(), ram.address() + ram.len() as u64)
        };
        for buffer in self.chain.readable().iter().chain(self.chain.writable()) {
            let (first, len) = (buffer.address(), buffer.len() as u64);
            assert!(
                len > 0 && first >= start && first + len <= end,
                "{buffer:?}"
            );
        }
        let mut writer = self.chain.writer();
        let room = writer.remaining();
        let buffers = start + BUFFERS as u64;
        // Not where the rings are, which the checks below look at.
        if self
            .chain
            .writable()
            .iter()
            .all(|buffer| buffer.address() >= buffers)
        {
            assert_eq!(writer.write(&vec![0x5a; room + 1]), room);
        }
        let mut reader = self.chain.reader();
        let there = reader.remaining();
        assert_eq!(reader.read(&mut vec![0; there + 1]), there);
    }

    /// One request is taken.
    fn pop(&mut self) -> bool {
        let Some(queue) = &mut self.queue else {
            return false;
        };
        if self.seen == Some(self.next) {
            let available = DRIVER + 2;
            self.seen = self.ram.region().load(available).ok();
        }
        let ahead = self.seen.map(|seen| seen.wrapping_sub(self.next));
        let ours = self.config.driver == RAM_BASE.get() + DRIVER as u64;
        let before = fake::accesses();
        let popped = queue.pop(&mut self.chain);
        assert!(fake::accesses() - before < WALK, "a walk without end");
        let head = self.chain.head();
        if let Some(ahead) = ahead.filter(|_| ours) {
            let jumped = ahead > self.config.size;
            assert!(!jumped || popped.is_err(), "{ahead} are available");
            assert_eq!(ahead == 0, popped == Ok(Popped::Empty), "{ahead} are there");
        }
        self.next = self.next.wrapping_add(1);
        match popped {
            Ok(Popped::Empty) => {
                self.next = self.next.wrapping_sub(1);
                return false;
            }
            Ok(Popped::Bad(_)) if self.modes & 4 == 0 => {
                self.fresh(head);
                self.staged.insert(head);
            }
            Ok(Popped::Bad(_)) => {
                self.fresh(head);
                self.held.insert(head);
                self.taken.push(head);
            }
            Ok(Popped::Chain) => {
                self.fresh(head);
                self.held.insert(head);
                self.taken.push(head);
                self.check_chain();
            }
            Err(_) => {
                self.queue = None;
                return false;
            }
        }
        true
    }

    fn fresh(&self, head: u16) {
        assert!(head < self.config.size, "head {head}");
        let twice = self.held.contains(&head) || self.staged.contains(&head);
        assert!(!twice, "head {head} was taken twice");
    }

    fn complete(&mut self, script: &mut Script<'_>) {
        let head = script.half() % 70;
        let written = u32::from(script.half());
        if let Some(queue) = &mut self.queue {
            queue.complete(head, written);
            if self.held.remove(&head) {
                self.staged.insert(head);
                self.taken.retain(|taken| *taken != head);
            }
        }
    }

    fn publish(&mut self, script: &mut Script<'_>) {
        let Some(queue) = &mut self.queue else {
            return;
        };
        if script.chance(2) {
            queue.publish();
        } else {
            queue.take_notification();
        }
        let count = u16::try_from(self.staged.len()).unwrap_or(u16::MAX);
        self.used = self.used.wrapping_add(count);
        self.staged.clear();
        assert_eq!(queue.in_flight() as usize, self.held.len(), "lost requests");
        if count > 0 {
            let index = self.ram.region().load(DEVICE + 2);
            let ours = self.config.device == RAM_BASE.get() + DEVICE as u64;
            assert!(
                !ours || index == Ok(self.used),
                "{index:?} is not {}",
                self.used
            );
        }
    }

    /// The backend dies and comes back.
    fn resume(&mut self, script: &mut Script<'_>) {
        if self.queue.is_none() {
            return;
        }
        self.queue = self.setup().and_then(|setup| Queue::resume(setup).ok());
        self.keep();
        self.held.clear();
        self.staged.clear();
        self.taken.clear();
        self.seen = None;
        self.used = self.ram.region().load(DEVICE + 2).unwrap_or(0);
        let Some(queue) = &mut self.queue else {
            return;
        };
        if script.chance(2) {
            queue.rewind();
            assert_eq!(queue.in_flight(), 0);
            return;
        }
        let mut sequence = 0;
        loop {
            let Ok(found) = queue.unfinished(sequence, &mut self.chain) else {
                self.queue = None;
                return;
            };
            let Some((request, popped)) = found else {
                return;
            };
            assert!(request.sequence > sequence, "the same request again");
            sequence = request.sequence;
            let given_back = self.modes & 4 == 0 && matches!(popped, Popped::Bad(_));
            if given_back {
                self.staged.insert(request.head);
            } else {
                self.held.insert(request.head);
            }
        }
    }

    /// The driver resets the device and begins anew.
    fn restart(&mut self) {
        let rings = self.ram.region().sub(0, INDIRECT);
        if let Ok(rings) = rings {
            let _ = rings.fill(0, INDIRECT, 0);
        }
        self.queue = self.setup().and_then(|setup| Queue::new(setup).ok());
        self.keep();
        self.held.clear();
        self.staged.clear();
        self.taken.clear();
        (self.used, self.next, self.seen) = (0, 0, Some(0));
    }

    fn put_back(&mut self) {
        if let (Some(queue), Some(head)) = (&mut self.queue, self.taken.pop()) {
            queue.put_back(head);
            self.next = self.next.wrapping_sub(1);
            self.held.remove(&head);
        }
    }

    /// The driver makes a chain available.
    fn offer(&mut self, script: &mut Script<'_>) {
        let ram = self.ram.region();
        let size = self.config.size.max(1);
        let [head, count, how] = script.array();
        let head = u16::from(head) % size;
        let indirect = how & 3 == 3;
        let table = if indirect { INDIRECT } else { 0 };
        let count = u16::from(count % 6) + 1;
        for at in 0..count {
            let slot = if indirect { at } else { (head + at) % size };
            let [kind, len, flags] = script.array();
            let address = RAM_BASE.get() + BUFFERS as u64 + u64::from(kind) * 8;
            let address = if kind > 250 { script.odd() } else { address };
            let more = u16::from(at + 1 < count);
            let flags = if flags > 200 {
                u16::from(flags & 7)
            } else {
                more | u16::from(flags & 2)
            };
            let next = if indirect {
                at + 1
            } else {
                (head + at + 1) % size
            };
            let base = table + usize::from(slot) * 16;
            let _ = ram.store(base, address);
            let _ = ram.store(base + 8, u32::from(len));
            let _ = ram.store(base + 12, flags);
            let _ = ram.store(base + 14, next);
        }
        if indirect {
            let base = usize::from(head) * 16;
            let _ = ram.store(base, RAM_BASE.get() + INDIRECT as u64);
            let _ = ram.store(base + 8, u32::from(count) * 16);
            let _ = ram.store(base + 12, 4_u16);
        }
        let idx: u16 = ram.load(DRIVER + 2).unwrap_or(0);
        let slot = DRIVER + 4 + usize::from(idx % size) * 2;
        let _ = ram.store(slot, head);
        let _ = ram.store(DRIVER + 2, idx.wrapping_add(1));
    }

    fn step(&mut self, script: &mut Script<'_>) {
        if self.queue.is_none() && script.chance(2) {
            self.restart();
        }
        match script.byte() % 16 {
            0..=3 => self.offer(script),
            4..=6 => {
                for _ in 0..script.below(8) {
                    if !bounded(|| self.pop()) {
                        break;
                    }
                }
            }
            7 | 8 => self.complete(script),
            9 => {
                // Not the used ring, which nobody reads back.
                let rings = self.ram.region().sub(0, DEVICE);
                lie(script, &[rings.unwrap_or(self.ram.region())]);
                self.seen = None;
                bounded(|| self.pop());
            }
            10 | 11 => self.publish(script),
            12 => {
                if let Some(queue) = &mut self.queue {
                    queue.disarm();
                    let _ = (queue.arm(), queue.arm_for_more());
                }
            }
            13 => self.put_back(),
            14 => self.resume(script),
            _ => {
                // Also the used ring and the table of requests in flight.
                let poke = Poke::choose(script, &[self.ram.region(), self.inflight]);
                if script.chance(8) {
                    poke.into_iter().for_each(Poke::apply);
                    self.resume(script);
                }
            }
        }
    }
}

/// Uses a queue as a device does.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        let mut user = User::new(&mut script);
        while script.goes_on() {
            user.step(&mut script);
        }
        assert!(user.ram.is_intact(), "memory outside RAM was written");
    });
}
