// SPDX-License-Identifier: BSD-2-Clause
//! Tests: pinned layout, restarts, hostile contents.

use proptest::prelude::*;
use shm::{Region, Rw, fake};

use crate::*;

events! {
    /// Events of these tests.
    enum Seen {
        /// Nothing to it.
        Idle,
        /// One operand.
        Byte {
            /// The byte.
            value: u8,
        },
        /// Two operands.
        Range { from: u32, to: u64 },
    }
}

events! {
    /// As many names of as many letters as `Seen`, but other names.
    #[expect(dead_code, reason = "only the names matter")]
    enum Other {
        Idly,
        Bite { value: u8 },
        Rango { from: u8 },
    }
}

fn dump(region: Region<Rw>) -> Vec<u8> {
    let mut bytes = vec![0; region.len()];
    region.copy_in(0, &mut bytes).unwrap();
    bytes
}

fn numbers(view: &View<'_, [u8]>) -> Vec<u64> {
    view.events().map(|event| event.number).collect()
}

#[test]
fn layout_is_pinned() {
    assert_eq!(Seen::NAMES, ["Idle", "Byte", "Range"]);
    // 64 + 3 counters + 16 bytes of names + 4 events.
    let size = region_size(Seen::NAMES, 3);
    assert_eq!(size, 64 + 24 + 16 + 4 * 32);
    let region = fake::region(size);
    let mut trace = Trace::attach(region).unwrap();
    trace.record(Seen::Range { from: 1, to: 2 }, 0x77);
    trace.count(Seen::Idle);
    let bytes = dump(region);
    assert_eq!(bytes[..4], *b"BHTR");
    assert_eq!(
        bytes[4..24],
        [1, 0, 0, 0, 3, 0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]
    );
    assert_eq!(bytes[24..32], 1_u64.to_le_bytes(), "total");
    assert_eq!(bytes[64..72], 1_u64.to_le_bytes(), "Idle");
    assert_eq!(bytes[80..88], 1_u64.to_le_bytes(), "Range");
    assert_eq!(bytes[88..104], *b"Idle\nByte\nRange\n");
    assert_eq!(bytes[104..112], [1, 0, 0, 0, 2, 0, 0, 0], "sequence, kind");
    assert_eq!(bytes[112..120], 0x77_u64.to_le_bytes(), "time");
    assert_eq!(
        bytes[120..136],
        [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn the_last_events_and_all_counts_are_kept() {
    let region = fake::region(region_size(Seen::NAMES, 4));
    let mut trace = Trace::attach(region).unwrap();
    for value in 0..10 {
        trace.record(Seen::Byte { value }, u64::from(value));
    }
    let live = region.read_only();
    let view = View::new(&live).unwrap();
    let last: Vec<_> = view
        .events()
        .map(|e| (e.number, e.kind, e.time, e.operands))
        .collect();
    assert_eq!(last, [6, 7, 8, 9].map(|n| (n, 1, n, [n, 0])));
    assert_eq!(
        (view.total(), view.counter(1), view.counter(0)),
        (10, Some(10), Some(0))
    );
    assert_eq!(view.counter(3), None);
    let mut buffer = [0; 8];
    assert_eq!(view.name(2, &mut buffer), Some("Range"));
    assert_eq!(view.name(3, &mut buffer), None);
    assert_eq!(view.name(0, &mut [0; 3]), None, "does not fit");
}

#[test]
fn a_restart_continues_and_other_events_start_anew() {
    let region = fake::region(region_size(Seen::NAMES, 4));
    Trace::attach(region).unwrap().record(Seen::Idle, 1);
    Trace::attach(region).unwrap().record(Seen::Idle, 2);
    let bytes = dump(region);
    let view = View::new(&bytes[..]).unwrap();
    assert_eq!(
        (view.generation(), view.total(), view.counter(0)),
        (2, 2, Some(2))
    );
    assert_eq!(numbers(&view), [0, 1]);

    assert_eq!(
        layout::names_len(Other::NAMES),
        layout::names_len(Seen::NAMES)
    );
    let _ = Trace::<Other>::attach(region).unwrap();
    let bytes = dump(region);
    let view = View::new(&bytes[..]).unwrap();
    assert_eq!(
        (view.generation(), view.total(), view.counter(0)),
        (1, 0, Some(0))
    );
}

#[test]
fn short_regions_are_refused() {
    let size = region_size(Seen::NAMES, 1);
    assert!(Trace::<Seen>::attach(fake::region(size)).is_ok());
    assert!(matches!(
        Trace::<Seen>::attach(fake::region(size - 1)),
        Err(TraceError::Region(_))
    ));
    assert!(Trace::<Seen>::attach(fake::region(0)).is_err());
    let mut disabled = Trace::disabled();
    disabled.record(Seen::Idle, 0);
    disabled.count(Seen::Idle);
}

#[test]
fn a_view_refuses_what_is_no_trace() {
    let region = fake::region(region_size(Seen::NAMES, 4));
    let _ = Trace::<Seen>::attach(region).unwrap();
    let good = dump(region);
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        View::new(&bytes[..]).map(drop)
    };
    assert_eq!(View::new(&good[..63]).map(drop), Err(ViewError::BadShape));
    assert!(matches!(broken(0, 0), Err(ViewError::BadMagic(_))));
    assert_eq!(broken(4, 2), Err(ViewError::UnsupportedVersion(2)));
    assert_eq!(broken(8, 200), Err(ViewError::BadShape), "kinds");
    assert_eq!(broken(14, 1), Err(ViewError::BadShape), "names");
    assert_eq!(broken(16, 8), Err(ViewError::BadShape), "capacity");
    assert_eq!(broken(16, 3), Err(ViewError::BadShape), "no power of two");
    assert_eq!(View::new(&[][..]).map(drop), Err(ViewError::BadShape));
}

#[test]
fn incomplete_events_are_left_out() {
    let region = fake::region(region_size(Seen::NAMES, 4));
    let mut trace = Trace::attach(region).unwrap();
    for _ in 0..4 {
        trace.record(Seen::Idle, 0);
    }
    let mut bytes = dump(region);
    bytes[104 + 32] = 0;
    bytes[104 + 64 + 4] = 3;
    let view = View::new(&bytes[..]).unwrap();
    assert_eq!(
        numbers(&view),
        [0, 3],
        "one was being written, one has no kind"
    );
}

proptest! {
    /// No contents of a region make the view panic or run for long.
    #[test]
    fn a_view_is_total(
        changes in proptest::collection::vec((0_usize..300, any::<u8>()), 0..40),
        keep_head in any::<bool>(),
    ) {
        let region = fake::region(region_size(Seen::NAMES, 4));
        Trace::attach(region).unwrap().record(Seen::Idle, 1);
        let mut bytes = dump(region);
        let len = bytes.len();
        for (at, byte) in changes {
            let at = at % len;
            if !keep_head || at >= 24 {
                bytes[at] = byte;
            }
        }
        if let Ok(view) = View::new(&bytes[..]) {
            prop_assert!(view.events().count() <= 8);
            let mut buffer = [0; 32];
            for kind in 0..4 {
                let _ = (view.counter(kind), view.name(kind, &mut buffer));
            }
        }
    }
}
